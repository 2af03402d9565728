"""NetBIOS session messages (RFC 1002 4.3) and direct hosting (MS-SMB2 2.1): cutting one direction into SMB messages.

A message is a 4-byte header (type, 24-bit length) and a body; type 0 carries SMB, the others (session request,
answers, keep-alive) carry nothing for us. An SMB2 body may hold several messages, chained by NextCommand. The
cutter hands on one SMB message at a time and keeps no more of it than the decoder asks for.

After a gap inside a message it goes on at that message's end, which the header told; after a longer one it searches
for the next header that is followed by an SMB signature. So does a conversation that begins in its middle.
"""

from __future__ import annotations

import re
import struct
from typing import Protocol

from wormward.wire.facts import Stamp

MOST_MESSAGE = (1 << 20) + (1 << 16)
"""Bytes of one SMB message that are looked at: 1 MiB of data, as much as is kept of one call's stub, and its headers."""
PREFIX = 160
"""Bytes after which every message's kind, file and data size are known (an SMB2 create answer takes 152)."""
SMB1, SMB2 = b"\xffSMB", b"\xfeSMB"
SEALED, PRESSED = b"\xfdSMB", b"\xfcSMB"
_MAGIC = frozenset({SMB1, SMB2, SEALED, PRESSED})
_LEAST = {0xFF: 35, 0xFE: 64, 0xFD: 52, 0xFC: 16}
"""The shortest body that a signature can head: SMB1 header with two empty counts, SMB2, transform headers."""
_TYPES = frozenset({0x81, 0x82, 0x83, 0x84, 0x85})
_SESSION_MOST = 1024
"""Session requests carry two names of at most 255 bytes, answers a few bytes: a longer one is no such message."""
_NEXT_END = 24  # the NextCommand field of an SMB2 header ends here
_word = struct.Struct(">I").unpack_from
_next = struct.Struct("<I").unpack_from
_whole = struct.Struct(">I4s16xI").unpack_from
_zeros = re.compile(rb"\x00+").match


class Decoder(Protocol):
    """Who takes the messages."""

    @property
    def raw_bytes(self) -> int:
        """How many bytes without any header the client is expected to send next (SMB1 WriteRaw); usually 0."""
        ...

    def wanted(self, to_server: bool, data: bytes, at: int, have: int, size: int) -> int:
        """How many bytes of the message at `at` are needed, at most its `size`.

        `have` are there; more than that means: ask again when they are. Must not depend on `have` otherwise.
        """
        ...

    def message(self, to_server: bool, data: bytes, at: int, end: int, *, first: bool, stamp: Stamp) -> None:
        """One message from `at` to `end`, whole or what was wanted of it; `first` of its session message."""
        ...

    def raw(self, data: bytes, at: int, end: int, stamp: Stamp) -> None:
        """A session message of the client without SMB header, asked for by `raw_bytes`."""
        ...


def find_start(data: bytes, at: int = 0) -> int:
    """Where the next session message with an SMB signature begins, from `at`; -1 if nowhere."""
    found = data.find(b"SMB", at + 5)
    while found >= 0:
        start = found - 5
        least = _LEAST.get(data[found - 1])
        if least is not None and data[start] == 0 and _word(data, start)[0] >= least:
            return start
        found = data.find(b"SMB", found + 3)
    return -1


def looks_like_start(data: bytes) -> bool:
    """True if `data` begins with a session message that carries SMB, or asks for a NetBIOS session."""
    if len(data) >= 8 and data[4:8] in _MAGIC:
        return data[0] == 0
    # A session request carries two encoded names of 34 bytes, each of which begins with its length, 32.
    return data[:3] == b"\x81\0\0" and len(data) > 4 and data[3] >= 68 and data[4] == 32


class Cutter:
    """One direction of a connection."""

    __slots__ = ("_decoder", "_first", "_held", "_left", "_lost", "_need", "_to_server", "_trusted", "resyncs", "skippable")

    def __init__(self, decoder: Decoder, to_server: bool) -> None:
        self._decoder = decoder
        self._to_server = to_server
        self._held = bytearray()
        self._need = 0  # so many bytes must be held before anything can be done
        self._left = 0  # bytes of the session message from here on; 0 at its boundary
        self._first = True  # the next message is the first of its session message
        self._lost = False  # where the next session message begins is not known
        self._trusted = False  # a good message came before: lengths are believed
        self.skippable = 0  # so many of the next bytes nobody wants
        self.resyncs = 0  # how often the thread was lost

    @property
    def held(self) -> int:
        """Bytes that are kept of an incomplete message."""
        return len(self._held)

    def feed(self, data: bytes, stamp: Stamp) -> None:
        """The next bytes."""
        skip = self.skippable
        if skip:
            if len(data) <= skip:
                self.skippable = skip - len(data)
                return
            self.skippable = 0
            data = data[skip:]
        if self._held:
            self._held += data
            if len(self._held) < self._need:
                return
            data = bytes(self._held)
            self._held = bytearray()
        self._need = 0
        pos = self._single(data, stamp) if self._trusted and not self._left and not self._lost else 0
        if pos < len(data):
            pos = self._walk(data, pos, stamp)
        if pos > len(data):
            self.skippable = pos - len(data)
        elif pos < len(data):
            self._held = bytearray(data[pos:])

    def gap(self, length: int) -> None:
        """So many bytes are missing."""
        if length <= self.skippable:
            self.skippable -= length
            return
        length -= self.skippable
        known = self._left - len(self._held)  # of the session message, where its header was seen
        if self._lost or known < length:
            self._lost = True
            self.resyncs += 1
            self.skippable = 0
        else:
            self.skippable = known - length
        self._left = 0
        self._held = bytearray()
        self._need = 0

    def _single(self, data: bytes, stamp: Stamp) -> int:
        """Past a session message with one SMB2 message, as most are, if enough of it is there; 0 if it takes more than that.

        The same as `_walk` would do, without its generality.
        """
        end = len(data)
        if end < 4 + PREFIX and (end < 28 or 4 + _word(data)[0] > end):
            return 0
        size: int
        size, magic, following = _whole(data)
        if magic != SMB2 or following or size > MOST_MESSAGE or size < _LEAST[0xFE]:
            return 0
        stop = 4 + size
        if stop > end:
            stop = 4 + self._decoder.wanted(self._to_server, data, 4, end - 4, size)
            if stop > end:
                return 0
        self._decoder.message(self._to_server, data, 4, stop, first=True, stamp=stamp)
        return 4 + size

    def _walk(self, data: bytes, pos: int, stamp: Stamp) -> int:
        """Take messages off `data[pos:]`; where bytes must be held from, or (behind the end) from where they are wanted."""
        end = len(data)
        while pos < end:
            done = self._message(data, pos, end, stamp) if self._left else self._header(data, pos, end)
            if done < 0:
                break
            pos = done
        return pos

    def _header(self, data: bytes, pos: int, end: int) -> int:
        """Past one session header, or to where the next one may begin; -1 if more bytes must come first."""
        if self._lost:
            found = find_start(data, pos)
            if found < 0:
                # Seven bytes may be the beginning of a start.
                self._need = 8
                return end - 7 if end - 7 > pos else -1
            self._lost = False
            pos = found
        if end - pos < 4:
            self._need = 4
            return -1
        word: int = _word(data, pos)[0]
        if word >> 24:
            if word >> 24 in _TYPES and word & 0xFFFFFF <= _SESSION_MOST:
                return pos + 4 + (word & 0xFFFFFF)
            return self._lose(pos)
        if not word:
            zeros = _zeros(data, pos)
            return pos + ((zeros.end() - pos) & ~3) if zeros else pos + 4
        if not self._trusted:
            if word >= 4 and end - pos < 8:
                self._need = 8
                return -1
            if word < 4 or data[pos + 4 : pos + 8] not in _MAGIC:
                return self._lose(pos)
            self._trusted = True
        self._left = word
        self._first = True
        return pos + 4

    def _lose(self, pos: int) -> int:
        self._lost = True
        self._trusted = False
        self.resyncs += 1
        return pos

    def _message(self, data: bytes, pos: int, end: int, stamp: Stamp) -> int:
        """Hand on the message at `pos`; the place behind it, or -1 if more bytes must come first."""
        left = self._left
        have = end - pos
        if have < left and have < _NEXT_END:
            self._need = min(left, _NEXT_END)
            return -1
        size = left
        decoder = self._decoder
        magic = data[pos : pos + 4]
        raw = magic not in _MAGIC
        most = MOST_MESSAGE
        if raw and not (self._to_server and decoder.raw_bytes):
            most = 0
        elif magic == SMB2 and left > _NEXT_END:
            following: int = _next(data, pos + 20)[0]
            if 64 <= following < left:
                size = following
        stop = pos + min(size, most)
        if stop > end:
            want = stop - pos if raw else min(most, decoder.wanted(self._to_server, data, pos, have, size))
            if want > have:
                self._need = want
                return -1
            stop = pos + want
        if not raw:
            decoder.message(self._to_server, data, pos, stop, first=self._first, stamp=stamp)
        elif most:
            decoder.raw(data, pos, stop, stamp)
        self._left = left - size
        self._first = False
        return pos + size
