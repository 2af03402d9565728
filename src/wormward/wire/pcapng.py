"""pcapng files: any number of sections and interfaces, each with its own byte order, link type and clock.

Reference: draft-ietf-opsawg-pcapng-02.

Limitations: journal entries and packets of interfaces that were never described are counted as frames (as tshark does)
and not looked into; comments, name records and secrets are passed over.
"""

# ruff: noqa: PLR0917 - inner functions of the hot path take what they need one by one

from __future__ import annotations

import struct
from typing import Final

import numpy as np
import numpy.typing as npt
from numba import njit

from wormward.model.errors import WireError
from wormward.wire.frames import NOT_IP, UNDESCRIBED, decode
from wormward.wire.loads import u32
from wormward.wire.records import DAMAGED, FULL, MORE, MOST_RECORD, Bytes, Records, Step

MOST_INTERFACES: Final = 65_536
"""Interfaces of one section that are kept, as many as the old packet block can name. Frames of further ones are not
read, and `left_out` counts these interfaces."""
_MOST_KINDS = 1024  # link types and snap lengths that are told apart
LATEST_US: Final = 253_402_300_799_000_000
"""9999-12-31: later stamps are damage and are cut to this, so that every stamp can be printed."""

_SPECIAL = 3  # a walk stopped before a header that changes how what follows is read
_SECTION: Final = 0x0A0D0D0A
_INTERFACE, _OLD_PACKET, _SIMPLE, _ENHANCED, _JOURNAL = 1, 2, 3, 6, 9
# Blocks that may be long: names, statistics, secrets, custom ones.
_LONG = (4, 5, 10, 0xBAD, 0x40000BAD)
BYTE_ORDERS = (b"\x1a\x2b\x3c\x4d", b"\x4d\x3c\x2b\x1a")

INTERFACE = np.dtype(
    [
        ("link", np.int64),  # link type
        ("snaplen", np.int64),  # 0: no limit
        ("per_second", np.int64),  # ticks of its clock
        ("offset_us", np.int64),  # added to its stamps
    ]
)


@njit(cache=True, nogil=True)
def _stamp(ticks, per_second, offset_us):  # type: ignore[no-untyped-def]
    """Ticks since 1970 as microseconds, bounded to what can be printed."""
    if per_second == 1_000_000:
        time = ticks
    elif per_second == 1_000_000_000:
        time = ticks // 1000
    else:
        rest = ticks % per_second
        # Finer than 0.1 ps the product would overflow; then the division loses less than a microsecond.
        part = rest * 1_000_000 // per_second if per_second < 9_000_000_000_000 else rest // (per_second // 1_000_000)
        time = min(ticks // per_second, LATEST_US // 1_000_000) * 1_000_000 + part
    return min(max(min(time, LATEST_US) + offset_us, 0), LATEST_US)


@njit(cache=True, nogil=True)
def _block_ok(data, pos, end, big):  # type: ignore[no-untyped-def]
    """Whether a pcapng block's two lengths agree: 1 yes, 0 no, -1 more bytes are needed."""
    length = u32(data, pos + 4, big)
    if length < 12 or length & 3:
        return 0
    if length > MOST_RECORD + 4096:
        kind = u32(data, pos, big)
        return 1 if kind in _LONG and length < 1 << 30 else 0
    if pos + length > end:
        return -1
    return 1 if u32(data, pos + length - 4, big) == length else 0


@njit(cache=True, nogil=True)
def _find_block(data, pos, end, final, big):  # type: ignore[no-untyped-def]
    """First place from `pos` on where a block of packets or a section begins: (found, place to go on from)."""
    while pos + 12 <= end:
        kind = u32(data, pos, big)
        if kind in (_ENHANCED, _SIMPLE, _OLD_PACKET, _INTERFACE, _SECTION):
            ok = _block_ok(data, pos, end, big)
            if ok == 1:
                return True, pos
            if ok < 0 and not final:
                return False, pos  # more bytes will tell
        pos += 1
    return False, pos


@njit(cache=True, nogil=True)
def _packet_block(data, pos, length, kind, big, interfaces, known, decoded, row):  # type: ignore[no-untyped-def]
    """One block that holds a frame, into `row` (time -1: it carries no stamp); false if its sizes do not fit it."""
    row["marks"] = NOT_IP
    row["time_us"] = -1
    row["caplen"] = 0
    row["wirelen"] = 0
    if kind == _JOURNAL:
        return True
    if kind == _SIMPLE:
        if length < 16:
            return False
        which = np.int64(0)
        start = pos + 12
        wirelen = u32(data, pos + 8, big)
        caplen = min(wirelen, length - 16)
        if known and interfaces[0]["snaplen"] > 0:
            caplen = min(caplen, interfaces[0]["snaplen"])
    else:
        if length < 32:
            return False
        which = u32(data, pos + 8, big)
        if kind == _OLD_PACKET:
            which = which >> 16 if big else which & 0xFFFF
        start = pos + 28
        caplen = u32(data, pos + 20, big)
        wirelen = u32(data, pos + 24, big)
        if caplen > length - 32:
            return False
        if which < known:
            ticks = ((u32(data, pos + 12, big) & 0x7FFFFFFF) << 32) | u32(data, pos + 16, big)
            row["time_us"] = _stamp(ticks, interfaces[which]["per_second"], interfaces[which]["offset_us"])
    if which >= known:
        row["marks"] |= UNDESCRIBED
    elif decoded:
        decode(data, start, caplen, min(wirelen, 0x7FFFFFFF), interfaces[which]["link"], row)
    return True


@njit(cache=True, nogil=True)
def _walk_pcapng(data, pos, end, big, interfaces, known, decoded, frame, packets):  # type: ignore[no-untyped-def]
    """Blocks from `pos` on into `packets`: (place, rows, reason). The place may lie behind `end`: pass over."""
    count = 0
    room = len(packets)
    while pos + 12 <= end:
        if count == room:
            return pos, count, FULL
        kind = u32(data, pos, big)
        if kind == _SECTION:
            return pos, count, _SPECIAL
        ok = _block_ok(data, pos, end, big)
        if ok < 0:
            break
        if ok == 0:
            return pos, count, DAMAGED
        if kind == _INTERFACE:
            return pos, count, _SPECIAL
        length = u32(data, pos + 4, big)
        if kind in (_ENHANCED, _SIMPLE, _OLD_PACKET, _JOURNAL):
            row = packets[count]
            if not _packet_block(data, pos, length, kind, big, interfaces, known, decoded, row):
                return pos, count, DAMAGED
            count += 1
            row["frame"] = frame + count
        pos += length
    return pos, count, MORE


class PcapngRecords(Records):
    """A pcapng file: any number of sections and interfaces, each with its own clock and link type."""

    kind = "pcapng"

    def __init__(self, head: bytes) -> None:
        """Check the magic; raises WireError if it is none."""
        if head[:4] != b"\n\r\r\n" or head[8:12] not in BYTE_ORDERS:
            raise WireError("this is no pcapng file, or it ends inside its header")
        self._big = head[8] == 0x1A
        self._interfaces = np.zeros(8, INTERFACE)
        self._known = 0
        self._kinds: set[tuple[int, int]] = set()

    def walk(self, window: Bytes, start: int, stop: int, packets: npt.NDArray[np.void], decoded: bool = True) -> Step:
        """See `Records.walk`; section and interface blocks are read on the way."""
        while True:
            step = _walk_pcapng(window, start, stop, self._big, self._interfaces, self._known, decoded, self.frame, packets)
            if step[2] != _SPECIAL:
                return self.passed(step, packets)
            passed = self.passed(step, packets)
            if passed.count:  # rows are handed over before the headers change under them
                return Step(passed.place, passed.count, FULL)
            length = self._special(window, passed.place, stop)
            if length <= 0:
                return Step(passed.place, 0, MORE if length < 0 else DAMAGED)
            start = passed.place + length

    def _special(self, window: Bytes, place: int, stop: int) -> int:
        """Read a section or interface block: its length, -1 if the window ends inside it, 0 if it is damaged."""
        head = window[place : min(stop, place + 12)].tobytes()
        big = self._big
        if head[:4] == b"\n\r\r\n":
            if head[8:12] not in BYTE_ORDERS:
                return 0
            big = head[8] == 0x1A
        length = int(_block_ok(window, place, stop, big))
        if length <= 0:
            return length
        body = window[place : place + int(u32(window, place + 4, big))].tobytes()
        if head[:4] == b"\n\r\r\n":
            self._big, self._known = big, 0
            return len(body)
        if len(body) < 20:
            return 0
        if self._known < MOST_INTERFACES:
            self._interface(body)
        else:
            self.left_out += 1
        return len(body)

    def _interface(self, body: bytes) -> None:
        """Note one interface block."""
        order = ">" if self._big else "<"
        link, _, snaplen = struct.unpack_from(order + "HHI", body, 8)
        per_second, offset_us = 1_000_000, 0
        at = 16
        while at + 4 <= len(body) - 4:
            code, size = struct.unpack_from(order + "HH", body, at)
            value = body[at + 4 : min(at + 4 + size, len(body) - 4)]
            if code == 9 and len(value) == 1:
                per_second = 2 ** min(value[0] & 127, 62) if value[0] & 128 else 10 ** min(value[0], 18)
            elif code == 14 and len(value) == 8:
                offset_us = max(-LATEST_US, min(LATEST_US, struct.unpack(order + "q", value)[0] * 1_000_000))
            elif code == 0:
                break
            at += 4 + (size + 3) // 4 * 4
        if self._known == len(self._interfaces):
            self._interfaces = np.concatenate([self._interfaces, np.zeros(self._known, INTERFACE)])
        self._interfaces[self._known] = (link, snaplen, per_second, offset_us)
        self._known += 1
        if (link, snaplen) not in self._kinds and len(self._kinds) < _MOST_KINDS:
            self._kinds.add((link, snaplen))
            self.links = (*self.links, (link, snaplen))

    def resume(self, window: Bytes, start: int, stop: int, final: bool) -> tuple[bool, int]:
        """See `Records.resume`."""
        return _find_block(window, start + 1, stop, final, self._big)  # type: ignore[no-any-return]
