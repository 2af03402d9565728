"""Packets to flows and to pieces of streams: one compiled loop per chunk of packets.

For each packet it finds the flow, counts, follows the TCP state, and decides what of the payload somebody wants:
in-order bytes of connections that a decoder may read become *pieces*; of flows that were declined only counters
are kept; DNS datagrams, others that are decoded one by one, and payloads that a pack wants are listed. `line_up` then
sorts the pieces by connection and joins those that follow each other to *runs*, so that whoever feeds decoders can
pass over a run at once.

Within a chunk the loop is ahead of the decoders, so it never decides what a decoder must decide: it drops only
bytes that stand before `next`; where bytes are out of order it marks the flow uneven and hands over every piece.
"""

# ruff: noqa: PLR0917 - inner functions of the hot path take what they need one by one

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from wormward.wire.datagrams import NEIGHBOUR, NOTHING, is_neighbour, kind_of
from wormward.wire.flows import (
    ACCEPTED,
    ANSWERED,
    DECLINED,
    FIN_IN,
    FIN_OUT,
    FRESH,
    LOW_PORTS,
    MOST_FLOWS,
    OPENED,
    REFUSED,
    RESET,
    RETRIED,
    REUSE_QUIET_S,
    SWEPT,
    WATCHED,
    begin_flow,
    end_flow,
    find,
    home_of,
    is_closed,
    is_over,
    most_silent,
    next_old,
)
from wormward.wire.frames import ACK, FIN, FRAGMENT, HEADLESS, ICMP6, MALFORMED, NOT_IP, RST, SYN, TCP, UDP
from wormward.wire.strangers import ALWAYS_ASK, is_strange
from wormward.wire.wants import is_wanted

DNS_PORT: Final = 53

# Kinds of items: bytes from the client and from the server; an acknowledgement by the client and by the server
# that matters to an open gap; both sides said goodbye; the flow ended; a pack wants what follows from the client,
# from the server.
BYTES_OUT, BYTES_IN, ACK_OUT, ACK_IN, GOODBYE, ENDED, WANTED_OUT, WANTED_IN = range(8)

ITEM = np.dtype(
    [
        ("slot", np.int32),
        ("kind", np.int32),
        ("packet", np.int32),  # row in the chunk
        ("then", np.int32),  # next item of the same flow, -1: none
        ("at", np.int64),  # stream position of the first byte; for acknowledgements: position that is acknowledged
        ("offset", np.int64),  # place in the window
        ("size", np.int32),
        ("missing", np.int32),  # bytes behind them that the snap length cut off
    ]
)


class Lists(NamedTuple):
    """What `track` lists of one chunk; how far each is filled stands in the table's book."""

    items: npt.NDArray[np.void]  # ITEM, in the order of the packets
    touched: npt.NDArray[np.int32]  # slots of flows with items, in the order of their first one
    names: npt.NDArray[np.int32]  # rows of DNS datagrams
    kept: npt.NDArray[np.int32]  # UDP payloads for packs: row and want
    others: npt.NDArray[np.int32]  # datagrams that are decoded one by one: row and kind (`datagrams`)

    @classmethod
    def of(cls, chunk: int) -> Lists:
        """Room for chunks of `chunk` packets: a packet can end three flows and give four items of its own."""
        room = 8 * chunk + 16
        return cls(
            np.empty(room, ITEM),
            np.empty(room, np.int32),
            np.empty(chunk, np.int32),
            np.empty((chunk, 2), np.int32),
            np.empty((chunk, 2), np.int32),
        )


@njit(cache=True, nogil=True, forceinline=True)
def _put(items, touched, b, f, slot, kind, packet, at):  # type: ignore[no-untyped-def]
    """Append an item without bytes to the list of flow `f`; returns its row."""
    n = b["items"]
    b["items"] = n + 1
    row = items[n]
    row["slot"] = slot
    row["kind"] = kind
    row["packet"] = packet
    row["then"] = -1
    row["at"] = at
    row["offset"] = 0
    row["size"] = 0
    row["missing"] = 0
    if f["head"] < 0:
        f["head"] = n
        touched[b["touched"]] = slot
        b["touched"] += 1
    else:
        items[f["tail"]]["then"] = n
    f["tail"] = n
    return row


@njit(cache=True, nogil=True)
def _finish(t, lists, slot, packet):  # type: ignore[no-untyped-def]
    """End a flow; its decoder, if it may have one, is told."""
    end_flow(t, slot)
    if t.flows[slot]["watch"] == WATCHED:
        _put(lists.items, lists.touched, t.book[0], t.flows[slot], slot, ENDED, packet, 0)


@njit(cache=True, nogil=True, forceinline=True)
def _position(s, seq):  # type: ignore[no-untyped-def]
    """Stream position of sequence number `seq`: the one nearest to `next`."""
    delta = (np.int64(seq) - np.int64(s["base"]) - s["next"]) & 0xFFFFFFFF
    if delta >= 0x80000000:
        delta -= 0x100000000
    return s["next"] + delta


@njit(cache=True, nogil=True)
def _renews(f, own, p, direction):  # type: ignore[no-untyped-def]
    """True if packet `p`, a SYN or SYN-ACK, begins a new connection between the same ports. `own`: its sender's side."""
    state = f["state"]
    if p["tcp_flags"] & ACK:
        expected = (np.int64(f["retry"]) + 1) & 0xFFFFFFFF
        return direction == 1 and state & RETRIED != 0 and np.int64(p["ack"]) == expected
    if is_closed(f):
        return direction == 1 or state & OPENED == 0 or p["seq"] != f["isn"]
    if state & (OPENED | ACCEPTED) == 0:  # from the middle; but its SYN may merely be late
        return own["based"] == 0 or np.int64(own["base"]) != (np.int64(p["seq"]) + 1) & 0xFFFFFFFF
    if direction == 1 or state & OPENED == 0 or p["seq"] == f["isn"]:
        return False
    return state & (ACCEPTED | ANSWERED) == 0 or p["time_us"] - f["last_us"] > REUSE_QUIET_S * 1_000_000


@njit(cache=True, nogil=True)
def _from_server(p):  # type: ignore[no-untyped-def]
    """True if the first packet seen of a conversation was said by its server."""
    if p["protocol"] == TCP and p["tcp_flags"] & SYN:
        return p["tcp_flags"] & ACK != 0
    return p["sport"] < LOW_PORTS <= p["dport"] and p["sport"] != 0


@njit(cache=True, nogil=True, forceinline=True)
def _follow(f, s, o, p, direction):  # type: ignore[no-untyped-def]
    """TCP state of the flow after packet `p`; returns true if just now both sides have said goodbye.

    `s` is the side that sent the packet, `o` the other one.
    """
    flags = p["tcp_flags"]
    if flags & SYN:
        start = np.uint32((np.int64(p["seq"]) + 1) & 0xFFFFFFFF)
        if flags & ACK:
            if direction == 1:
                f["state"] |= ACCEPTED
                if not o["based"]:
                    o["base"] = p["ack"]
                    o["based"] = 1
        elif direction == 0:
            if f["state"] & OPENED == 0:
                f["isn"] = p["seq"]
                f["state"] |= OPENED
            elif f["isn"] != p["seq"]:
                f["retry"] = p["seq"]
                f["state"] |= RETRIED
        if not s["based"]:
            s["base"] = start
            s["based"] = 1
    elif not s["based"]:
        s["base"] = p["seq"]
        s["based"] = 1
    if flags & RST:
        if direction == 1 and f["state"] & (ACCEPTED | ANSWERED) == 0:
            f["state"] |= REFUSED
        f["state"] |= RESET
        return False
    if flags & (ACK | SYN) == ACK and direction == 0:
        f["state"] |= ANSWERED
    if flags & FIN and s["fin"] < 0:
        s["fin"] = _position(s, p["seq"]) + p["size"] + p["missing"]
        f["state"] |= FIN_OUT if direction == 0 else FIN_IN
        return f["state"] & (FIN_OUT | FIN_IN) == FIN_OUT | FIN_IN
    return False


@njit(cache=True, nogil=True, forceinline=True)
def _new_bytes(f, s, p):  # type: ignore[no-untyped-def]
    """(position, bytes to leave out, true if somebody must look at them) of the packet's payload."""
    at = _position(s, np.int64(p["seq"]) + (1 if p["tcp_flags"] & SYN else 0))
    end = at + p["size"] + p["missing"]
    s["top"] = max(s["top"], end)
    late = np.int64(0)
    if s["raw"] == 0:
        if end <= s["next"]:
            return at, late, False  # all of it was seen before
        if at > s["next"]:
            s["raw"] = 1
            f["uneven"] = 1
        else:
            late = s["next"] - at
            s["next"] = end
    return at, late, True


@njit(cache=True, nogil=True)
def _new_flow(t, lists, p, home, file_no, packet):  # type: ignore[no-untyped-def]
    """(slot, direction) of a flow that packet `p` begins; flows that are over are looked for on this occasion."""
    for _ in range(SWEPT):
        old = next_old(t, p["time_us"])
        if old >= 0:
            _finish(t, lists, old, packet)
    b = t.book[0]
    if b["live"] >= MOST_FLOWS:
        _finish(t, lists, most_silent(t), packet)
        b["pushed_out"] += 1
    reverse = _from_server(p)
    return begin_flow(t, p, home, file_no, reverse), np.int64(1) if reverse else np.int64(0)


@njit(cache=True, nogil=True, forceinline=True)
def _is_stale(f, own, p, direction):  # type: ignore[no-untyped-def]
    """True if packet `p` cannot belong to flow `f` any more."""
    if is_over(f, p["time_us"]):
        return True
    return p["protocol"] == TCP and p["tcp_flags"] & SYN != 0 and _renews(f, own, p, direction)


@njit(cache=True, nogil=True, forceinline=True)
def _rule(rules, f):  # type: ignore[no-untyped-def]
    """The rule (`strangers`) for the flow's ports: the server's, unless the client's always asks."""
    rule = rules[f["client_port"]]
    return rule if rule == ALWAYS_ASK else rules[f["server_port"]]


@njit(cache=True, nogil=True)
def track(data, packets, count, file_no, t, lists, masks, rules):  # type: ignore[no-untyped-def]
    """Carry `count` packets into the flow table `t`; lists pieces, DNS datagrams and wanted payloads.

    `rules` says for each port how a connection's first bytes may be declined here (`strangers`).
    At least `count` slots must be free and the lists must be empty. Functions of the hot path get single rows:
    a tuple of arrays costs a reference count for each of them wherever it is handed over.
    """
    flows, sides, places = t.flows, t.sides, t.places
    items, touched, names, kept, others = lists.items, lists.touched, lists.names, lists.kept, lists.others
    b = t.book[0]
    anything = len(masks.wants) > 0
    for n in range(count):
        p = packets[n]
        if p["marks"] & (NOT_IP | FRAGMENT | HEADLESS | MALFORMED):
            if p["marks"] & MALFORMED:
                b["unreadable"] += 1
            continue
        home = home_of(p, b["seed"])
        slot, direction = find(flows, places, p, home)
        if slot >= 0 and _is_stale(flows[slot], sides[2 * slot + direction], p, direction):
            _finish(t, lists, slot, n)
            slot = np.int64(-1)
        if slot < 0:
            slot, direction = _new_flow(t, lists, p, home, file_no, n)
        f = flows[slot]
        s = sides[2 * slot + direction]
        f["last_us"] = max(f["last_us"], p["time_us"])
        s["packets"] += 1
        s["bytes"] += p["size"] + p["missing"]
        want = np.int64(-1)
        if anything and p["size"] > 0 and (p["protocol"] == UDP or (p["protocol"] == TCP and s["kept"] == 0)):
            want = is_wanted(data, p, masks, np.int64(s["kept"]))
        if p["protocol"] == TCP:
            o = sides[2 * slot + 1 - direction]
            goodbye = _follow(f, s, o, p, direction)
            if f["watch"] == DECLINED:
                continue
            if p["size"] + p["missing"] > 0 and p["tcp_flags"] & RST == 0:
                silent = f["watch"] == FRESH and s["kept"] == 0 and o["kept"] == 0
                s["kept"] = 1
                if want >= 0:
                    _put(items, touched, b, f, slot, WANTED_OUT + direction, n, want)
                at, late, new = _new_bytes(f, s, p)
                if new:
                    if f["watch"] == FRESH:
                        f["begun"] = f["state"] & (OPENED | ACCEPTED) != 0
                        whole = silent and want < 0 and f["begun"] and at == 0 and late == 0 and p["missing"] == 0
                        if whole and direction == 0 and is_strange(data, p["offset"], np.int64(p["size"]), _rule(rules, f)):
                            f["watch"] = DECLINED
                            continue
                    f["watch"] = WATCHED
                    row = _put(items, touched, b, f, slot, BYTES_OUT + direction, n, at + late)
                    known = min(late, np.int64(p["size"]))
                    row["offset"] = p["offset"] + known
                    row["size"] = p["size"] - known
                    row["missing"] = p["missing"] - (late - known)
            if o["raw"] and p["tcp_flags"] & ACK:
                at = _position(o, p["ack"])
                if o["next"] < at <= o["top"]:  # more than was ever said is acknowledged by nobody honest
                    _put(items, touched, b, f, slot, ACK_OUT + direction, n, at)
            if goodbye and f["watch"] == WATCHED:
                _put(items, touched, b, f, slot, GOODBYE, n, 0)
        elif p["protocol"] == UDP and p["size"] > 0:
            if p["sport"] == DNS_PORT or p["dport"] == DNS_PORT:
                names[b["names"]] = n
                b["names"] += 1
            else:
                kind = kind_of(data, p)
                if kind != NOTHING:
                    others[b["others"], 0] = n
                    others[b["others"], 1] = kind
                    b["others"] += 1
            if want >= 0:
                s["kept"] += 1
                kept[b["kept"], 0] = n
                kept[b["kept"], 1] = want
                b["kept"] += 1
        elif p["protocol"] == ICMP6 and is_neighbour(data, p):
            others[b["others"], 0] = n
            others[b["others"], 1] = NEIGHBOUR
            b["others"] += 1
