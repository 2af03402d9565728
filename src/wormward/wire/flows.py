"""The flow table: who talks to whom, in arrays, found by an open-addressing index; all of it compiled.

One flow is one row of `FLOW` and two of `SIDE` (2 * slot: what the client says, 2 * slot + 1: the server). Slots
are reused, so nothing that is written may depend on a slot's number: flows are swept in the order of their
creation, by a hand that looks at a few old flows whenever a new one begins. So the same packets end the same flows
at the same packets, however the file was cut into windows.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from wormward.wire.frames import TCP

UDP_IDLE_S: Final = 180
"""A UDP exchange (and anything else that is not TCP) ends after so much silence of capture time."""
TCP_IDLE_S: Final = 4 * 3600
"""An open TCP connection ends after so much silence; Windows keeps idle SMB sessions alive every two hours."""
ATTEMPT_IDLE_S: Final = 120
"""A SYN without answer ends after so much silence: no system waits longer between two of them."""
CLOSED_LINGER_S: Final = 30
"""A closed connection stays known for so long, so that late packets do not look like a new one."""
REUSE_QUIET_S: Final = 60
"""After so much silence a SYN with another sequence number begins a new connection though none was closed."""
MOST_FLOWS: Final = 1 << 19
"""Flows that are held at once; beyond, the one of a few old ones that was silent longest is ended early."""
SWEPT: Final = 2  # old flows that are looked at when a new one begins
_SAMPLE = 8  # of which the most silent goes when the table is full
LOW_PORTS: Final = 1024
"""Servers listen below it: where a conversation's beginning was not seen, this tells who serves."""

FLOW = np.dtype(
    [
        ("client_hi", np.uint64),
        ("client_lo", np.uint64),
        ("server_hi", np.uint64),
        ("server_lo", np.uint64),
        ("first_us", np.int64),
        ("last_us", np.int64),
        ("frame", np.int64),  # first frame
        ("file_no", np.int32),  # and its file
        ("client_port", np.uint16),
        ("server_port", np.uint16),
        ("protocol", np.uint8),
        ("state", np.uint8),  # bits below
        ("watch", np.uint8),  # FRESH, WATCHED, DECLINED
        ("uneven", np.uint8),  # bytes are out of order: its pieces go the slow way
        ("begun", np.uint8),  # its beginning had been seen before anybody said anything
        ("home", np.int32),  # hash, 31 bits
        ("isn", np.uint32),  # sequence number of the opener's SYN
        ("retry", np.uint32),  # and of a later SYN that the server may yet accept
        ("older", np.int32),  # neighbours in order of creation, -1: none
        ("newer", np.int32),
        ("head", np.int32),  # its pieces in this chunk, -1: none
        ("tail", np.int32),
    ],
    align=True,
)

# Stream positions count bytes of one direction from its first one, without the wrap of sequence numbers.
SIDE = np.dtype(
    [
        ("bytes", np.int64),  # payload bytes on the wire, retransmissions too
        ("packets", np.int64),
        ("next", np.int64),  # position of the next byte in order
        ("top", np.int64),  # position behind the last byte seen
        ("fin", np.int64),  # position of the FIN, -1: none
        ("base", np.uint32),  # sequence number of position 0
        ("based", np.uint8),  # base is known
        ("raw", np.uint8),  # a gap stands open: `next` is not up to date within this chunk
        ("kept", np.uint8),  # payloads kept for a pack
    ],
    align=True,
)

# Bits of `state`.
OPENED, ACCEPTED, ANSWERED, REFUSED, FIN_OUT, FIN_IN, RESET, RETRIED = 1, 2, 4, 8, 16, 32, 64, 128
# Values of `watch`: nothing said yet; its bytes are wanted; only counted.
FRESH, WATCHED, DECLINED = 0, 1, 2

BOOK = np.dtype(
    [
        ("live", np.int64),
        ("free", np.int64),  # entries of the stack of free slots
        ("ended", np.int64),  # entries of the list of flows that ended in this chunk
        ("oldest", np.int64),
        ("newest", np.int64),
        ("hand", np.int64),
        ("pushed_out", np.int64),  # flows that ended early because the table was full
        ("items", np.int64),  # pieces and events of this chunk
        ("touched", np.int64),  # flows with pieces in this chunk
        ("names", np.int64),  # DNS packets in this chunk
        ("kept", np.int64),  # UDP payloads kept in this chunk
        ("others", np.int64),  # datagrams of this chunk that are decoded one by one
        ("unreadable", np.int64),  # packets with broken headers
        ("seed", np.uint64),
    ]
)
"""The table's own counters, one row."""


class Arrays(NamedTuple):
    """The arrays of one table."""

    flows: npt.NDArray[np.void]  # FLOW
    sides: npt.NDArray[np.void]  # SIDE, two a flow
    places: npt.NDArray[np.int64]  # open addressing: hash in the upper half, slot + 1 in the lower; 0: empty
    free: npt.NDArray[np.int32]  # a stack of slots
    ended: npt.NDArray[np.int32]  # slots of the flows that ended in this chunk, in order
    book: npt.NDArray[np.void]  # BOOK, one row


@njit(cache=True, nogil=True, forceinline=True)
def mix(x):  # type: ignore[no-untyped-def]
    """Spread 64 bits (the finaliser of MurmurHash3)."""
    x ^= x >> np.uint64(33)
    x *= np.uint64(0xFF51AFD7ED558CCD)
    x ^= x >> np.uint64(33)
    x *= np.uint64(0xC4CEB9FE1A85EC53)
    return x ^ (x >> np.uint64(33))


@njit(cache=True, nogil=True, forceinline=True)
def _end_hash(hi, lo, port, seed):  # type: ignore[no-untyped-def]
    return mix((hi * np.uint64(0x9E3779B97F4A7C15)) ^ mix(lo + (np.uint64(port) << np.uint64(48)) + seed))


@njit(cache=True, nogil=True, forceinline=True)
def home_of(p, seed):  # type: ignore[no-untyped-def]
    """Hash of a packet's two ends and protocol, the same for both directions, 31 bits."""
    both = _end_hash(p["src_hi"], p["src_lo"], p["sport"], seed) + _end_hash(p["dst_hi"], p["dst_lo"], p["dport"], seed)
    return np.int64(mix(both + np.uint64(p["protocol"])) >> np.uint64(33))


@njit(cache=True, nogil=True, forceinline=True)
def find(flows, index, p, home):  # type: ignore[no-untyped-def]
    """(slot, direction) of the packet's flow; direction 0 is from the client; slot -1: there is none."""
    mask = np.int64(len(index) - 1)
    place = home & mask
    while True:
        entry = index[place]
        if entry == 0:
            return np.int64(-1), np.int64(0)
        if entry >> 32 == home:
            slot = (entry & 0xFFFFFFFF) - 1
            f = flows[slot]
            if f["protocol"] == p["protocol"]:
                if (
                    f["client_lo"] == p["src_lo"]
                    and f["server_lo"] == p["dst_lo"]
                    and f["client_port"] == p["sport"]
                    and f["server_port"] == p["dport"]
                    and f["client_hi"] == p["src_hi"]
                    and f["server_hi"] == p["dst_hi"]
                ):
                    return slot, np.int64(0)
                if (
                    f["client_lo"] == p["dst_lo"]
                    and f["server_lo"] == p["src_lo"]
                    and f["client_port"] == p["dport"]
                    and f["server_port"] == p["sport"]
                    and f["client_hi"] == p["dst_hi"]
                    and f["server_hi"] == p["src_hi"]
                ):
                    return slot, np.int64(1)
        place = (place + 1) & mask


@njit(cache=True, nogil=True)
def enter(index, home, slot):  # type: ignore[no-untyped-def]
    """Put one flow into the index."""
    mask = np.int64(len(index) - 1)
    place = home & mask
    while index[place] != 0:
        place = (place + 1) & mask
    index[place] = (home << 32) | (slot + 1)


@njit(cache=True, nogil=True)
def remove(index, home, slot):  # type: ignore[no-untyped-def]
    """Take one entry out and move later ones of its run up, so that no search meets a hole."""
    mask = np.int64(len(index) - 1)
    hole = home & mask
    while index[hole] != (home << 32) | (slot + 1):
        hole = (hole + 1) & mask
    place = hole
    while True:
        place = (place + 1) & mask
        entry = index[place]
        if entry == 0:
            break
        wish = (entry >> 32) & mask
        # The entry may move to the hole unless its own run begins behind the hole.
        if ((place - wish) & mask) >= ((place - hole) & mask):
            index[hole] = entry
            hole = place
    index[hole] = 0


@njit(cache=True, nogil=True)
def begin_flow(t, p, home, file_no, reverse):  # type: ignore[no-untyped-def]
    """A new flow of packet `p`; `reverse`: its destination is the client. Returns the slot."""
    b = t.book[0]
    b["free"] -= 1
    slot = np.int64(t.free[b["free"]])
    f = t.flows[slot]
    f["client_hi"] = p["dst_hi"] if reverse else p["src_hi"]
    f["client_lo"] = p["dst_lo"] if reverse else p["src_lo"]
    f["server_hi"] = p["src_hi"] if reverse else p["dst_hi"]
    f["server_lo"] = p["src_lo"] if reverse else p["dst_lo"]
    f["client_port"] = p["dport"] if reverse else p["sport"]
    f["server_port"] = p["sport"] if reverse else p["dport"]
    f["protocol"] = p["protocol"]
    f["first_us"] = p["time_us"]
    f["last_us"] = p["time_us"]
    f["frame"] = p["frame"]
    f["file_no"] = file_no
    f["state"] = 0
    f["watch"] = FRESH if p["protocol"] == TCP else DECLINED
    f["uneven"] = 0
    f["begun"] = 0
    f["home"] = home
    f["head"] = -1
    f["tail"] = -1
    f["newer"] = -1
    f["older"] = b["newest"]
    for side in range(2):
        s = t.sides[2 * slot + side]
        s["bytes"] = 0
        s["packets"] = 0
        s["next"] = 0
        s["top"] = 0
        s["fin"] = -1
        s["based"] = 0
        s["raw"] = 0
        s["kept"] = 0
    if b["newest"] >= 0:
        t.flows[b["newest"]]["newer"] = slot
    else:
        b["oldest"] = slot
    b["newest"] = slot
    b["live"] += 1
    enter(t.places, home, slot)
    return slot


@njit(cache=True, nogil=True)
def end_flow(t, slot):  # type: ignore[no-untyped-def]
    """Take a flow out of the index and put it on the list of ended ones; its row stays until `release`."""
    b = t.book[0]
    f = t.flows[slot]
    if b["hand"] == slot:
        b["hand"] = f["newer"]
    if f["older"] >= 0:
        t.flows[f["older"]]["newer"] = f["newer"]
    else:
        b["oldest"] = f["newer"]
    if f["newer"] >= 0:
        t.flows[f["newer"]]["older"] = f["older"]
    else:
        b["newest"] = f["older"]
    remove(t.places, np.int64(f["home"]), slot)
    b["live"] -= 1
    t.ended[b["ended"]] = slot
    b["ended"] += 1


@njit(cache=True, nogil=True, forceinline=True)
def is_closed(f):  # type: ignore[no-untyped-def]
    """True if both sides said goodbye, or one reset the connection."""
    state = f["state"]
    return (state & RESET) != 0 or (state & (FIN_OUT | FIN_IN)) == FIN_OUT | FIN_IN


@njit(cache=True, nogil=True, forceinline=True)
def is_over(f, now_us):  # type: ignore[no-untyped-def]
    """True if the flow was silent for longer than its state allows."""
    if f["protocol"] != TCP:
        limit = UDP_IDLE_S
    elif is_closed(f):
        limit = CLOSED_LINGER_S
    elif f["state"] & (OPENED | ACCEPTED | ANSWERED) == OPENED:
        limit = ATTEMPT_IDLE_S
    else:
        limit = TCP_IDLE_S
    return now_us - f["last_us"] > limit * 1_000_000


@njit(cache=True, nogil=True)
def next_old(t, now_us):  # type: ignore[no-untyped-def]
    """Turn the hand by one flow: its slot if that flow is over, else -1."""
    b = t.book[0]
    slot = b["hand"] if b["hand"] >= 0 else b["oldest"]
    if slot < 0:
        return np.int64(-1)
    b["hand"] = t.flows[slot]["newer"]
    return slot if is_over(t.flows[slot], now_us) else np.int64(-1)


@njit(cache=True, nogil=True)
def most_silent(t):  # type: ignore[no-untyped-def]
    """Of a few flows from the hand on, the one that was silent longest."""
    b = t.book[0]
    best = np.int64(-1)
    for _ in range(_SAMPLE):
        slot = b["hand"] if b["hand"] >= 0 else b["oldest"]
        b["hand"] = t.flows[slot]["newer"]
        if best < 0 or t.flows[slot]["last_us"] < t.flows[best]["last_us"]:
            best = slot
    return best
