"""One SMB1 message (MS-CIFS 2.2.3): its header, the commands of its AndX chain, and the strings in it.

Offsets and counts are the sender's claims: what lies outside the message is cut off, never an error. The byte count
is not needed: strings end at their zero or at the message's end.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from wormward.wire.facts import Stamp
from wormward.wire.ntlmssp import oem_text, wide_text

HEADER = 32
MOST_CHAIN = 32
"""Commands of one AndX chain; real clients chain three."""
MOST_TEXT = 1 << 16
"""Bytes of one string; the longest path that Windows knows takes them."""
ANDX = frozenset({0x24, 0x2D, 0x2E, 0x2F, 0x73, 0x74, 0x75, 0xA2})
"""Commands that another may follow: locking, open, read, write, session setup, logoff, tree connect, NT create."""
_UNICODE = 0x8000
_NT_STATUS = 0x4000
_head = struct.Struct("<4xBIBH12xHHHH").unpack_from
_u16 = struct.Struct("<H").unpack_from
_u32 = struct.Struct("<I").unpack_from

_DOS_STATUS = {
    (1, 2): 0xC0000034,  # no such file: OBJECT_NAME_NOT_FOUND
    (1, 3): 0xC000003A,  # no such path: OBJECT_PATH_NOT_FOUND
    (1, 5): 0xC0000022,  # access denied: ACCESS_DENIED
    (2, 2): 0xC000006D,  # bad password: LOGON_FAILURE
    (2, 4): 0xC0000022,  # no access to the tree: ACCESS_DENIED
    (2, 6): 0xC00000CC,  # no such share: BAD_NETWORK_NAME
}
"""Classic (class, code) errors as the NTSTATUS that MS-CIFS 2.2.2.4 lists beside them."""
_UNSUCCESSFUL = 0xC0000001


class Message:
    """A view of one message. `w`, `n`, `b` are of the command at hand: first word, number of words, first byte."""

    __slots__ = ("at", "b", "command", "data", "end", "last", "mid", "n", "pid", "stamp", "status", "tid", "uid", "unicode", "w")

    def __init__(self, data: bytes, at: int, end: int, stamp: Stamp) -> None:
        """`data[at:end]` is the message, at least `HEADER` + 1 bytes."""
        self.data = data
        self.at = at
        self.end = end
        self.stamp = stamp
        self.command, status, _flags, flags2, self.tid, self.pid, self.uid, self.mid = _head(data, at)
        self.unicode = bool(flags2 & _UNICODE)
        if flags2 & _NT_STATUS or not status:
            self.status: int = status
        else:
            kind, code = status & 0xFF, status >> 16
            self.status = _DOS_STATUS.get((kind, code), _UNSUCCESSFUL) if kind else 0
        self.w = self.n = self.b = 0
        self.last = True

    def commands(self) -> Iterator[int]:
        """Walk the AndX chain: each command's number, with `w`, `n`, `b` set; `last` on the last one."""
        command, offset = self.command, HEADER
        seen: set[int] = set()
        while True:
            at = self.at + offset
            if at >= self.end:
                return
            self.n = self.data[at]
            self.w = at + 1
            self.b = at + 3 + 2 * self.n
            following = 0xFF
            if command in ANDX and self.n >= 2 and at + 5 <= self.end:
                following = self.data[at + 1]
                seen.add(offset)
                offset = _u16(self.data, at + 3)[0]
            self.last = following == 0xFF or offset < HEADER or offset in seen or len(seen) >= MOST_CHAIN
            yield command
            if self.last:
                return
            command = following

    def has(self, words: int) -> bool:
        """True if the command at hand has at least so many words, and they are there."""
        return self.n >= words and self.w + 2 * words <= self.end

    def u16(self, offset: int) -> int:
        """The number at `offset` in the words; the caller asked `has`."""
        value: int = _u16(self.data, self.w + offset)[0]
        return value

    def u32(self, offset: int) -> int:
        """The number at `offset` in the words; the caller asked `has`."""
        value: int = _u32(self.data, self.w + offset)[0]
        return value

    def slice(self, offset: int, size: int) -> bytes:
        """`size` bytes from `offset`, counted from the header's start, as far as they are there."""
        start = self.at + offset
        return self.data[start : min(start + size, self.end)]

    def text(self, at: int, *, wide: bool | None = None) -> tuple[str, int]:
        """The string at place `at` of the data, up to its zero, and the place behind it.

        Unicode strings begin at an even distance from the header.
        """
        data = self.data
        stop = min(self.end, at + MOST_TEXT)
        if not (self.unicode if wide is None else wide):
            zero = data.find(0, at, stop)
            return (oem_text(data[at:zero]), zero + 1) if zero >= 0 else (oem_text(data[at:stop]), stop)
        at += (at - self.at) & 1
        zero = data.find(b"\0\0", at, stop)
        while zero >= 0 and (zero - at) & 1:
            zero = data.find(b"\0\0", zero + 1, stop)
        return (wide_text(data[at:zero]), zero + 2) if zero >= 0 else (wide_text(data[at:stop]), stop)

    def buffer_text(self, at: int) -> tuple[str, int]:
        """Like `text`, behind a buffer format byte (4) where there is one."""
        return self.text(at + 1 if at < self.end and self.data[at] == 4 else at)
