"""What the beginnings of captures say: when each begins, what belongs together, what was given twice."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from wormward.evidence.files import HEAD, ByteStream, EvidenceFile
from wormward.model.errors import EvidenceError, WireError
from wormward.wire.capture import FULL, Records, records
from wormward.wire.frame_survey import first_time
from wormward.wire.frames import PACKET

ROTATION_S: Final = 5
"""One capture of a rotation begins so soon after the other's end, or so little before it."""
SMALL: Final = 1 << 16
"""Bytes of a capture that is read at once, if there is room."""
KEPT: Final = 32 << 20
"""Bytes of small captures that are kept between looking at all files and reading them."""
FIRST_FRAME: Final = 1 << 22
"""Bytes in which a capture's first frame must stand for it to be part of a rotation."""
_ROWS = 64  # frames that are looked at together for a stamp that can be right
COPY_AGAIN: Final = "copy the file again from where it came from"


@dataclass(frozen=True, slots=True)
class Head:
    """What a capture's first bytes say."""

    file: EvidenceFile
    head: bytes
    begin_us: int | None  # stamp of the first frame, or the first stamp that can be right
    key: tuple[str, tuple[tuple[int, int], ...]]  # site, link types and snap lengths: equal within a rotation
    whole: bytes | None = None  # the file, if it is small and could be kept


def look(file: EvidenceFile, progress: Callable[[int], None], room: int) -> Head:
    """First frame, link types and snap length of a capture; all of it, if it has at most `room` bytes and is small.

    Raises EvidenceError if it is no capture.
    """
    small = file.size <= min(SMALL, room)
    with file.open(progress if small else _quietly, hashed=False) as stream:
        head = data = stream.read(HEAD)
        try:
            walker = records(head)
            begin_us, sure, links = _first_frame(walker, data)
            while not stream.ended and (len(data) < file.size if small else not sure and len(data) < FIRST_FRAME):
                more = _more(stream, len(data))
                data += more
                walker = records(head)
                begin_us, sure, links = _first_frame(walker, data)
                small = small and bool(more)
        except WireError as error:
            raise EvidenceError(str(error), place="byte 0", remedy=COPY_AGAIN) from error
        whole = data if small and stream.ended else None
    return Head(file, head, begin_us, (file.site, links), whole)


def _more(stream: ByteStream, size: int) -> bytes:
    """The next bytes; none where the file is damaged, which reading it will tell."""
    try:
        return stream.read(size)
    except EvidenceError:
        return b""


def _quietly(_done: int) -> None:
    """What was looked at only to find an order is read once more, and counted then."""


def _first_frame(walker: Records, data: bytes) -> tuple[int | None, bool, tuple[tuple[int, int], ...]]:
    """Stamp of the first frame in `data` whose stamp can be right, true, and the link types and snap lengths before it.

    Where no stamp can be right it is that of the first frame (None: there is none), and false.
    """
    rows = np.zeros(_ROWS, PACKET)
    window = np.frombuffer(bytearray(data), np.uint8)  # writable, as a window is: compiled code knows one kind
    place, reason, first, links = walker.begin, FULL, None, None
    while reason == FULL and place <= len(data):
        step = walker.walk(window, place, len(data), rows, decoded=False)
        stamps = [time for time in rows["time_us"][: step.count].tolist() if time >= 0]
        links = walker.links if links is None else links
        found = first_time(stamps)
        if found is not None:
            return found, True, links
        first = stamps[0] if first is None and stamps else first
        place, reason = step.place, step.reason
    return first, False, walker.links if links is None else links


def digest_of(file: EvidenceFile) -> str:
    """SHA-256 of the uncompressed bytes. Raises EvidenceError where they cannot be read."""
    with file.open() as stream:
        stream.drain()
        return stream.sha256


def order(head: Head) -> tuple[bool, int, bytes, int, str]:
    """Key to sort captures by: stamps first, then contents, then names; never the order of arguments."""
    return head.begin_us is None, head.begin_us or 0, head.head, head.file.size, head.file.name


class Group:
    """Takes the files of one rotation out of the list, one after the other."""

    def __init__(self, heads: list[Head]) -> None:
        self._heads = heads
        self._key = heads[0].key

    def first(self) -> Head:
        """The earliest file of all."""
        return self._heads.pop(0)

    def next(self, begin_us: int, end_us: int) -> Head | None:
        """The earliest file that goes on where one of this group ended, which lasted from `begin_us` to `end_us`."""
        if end_us < 0:
            return None
        margin = ROTATION_S * 1_000_000
        # What lies over half of the other is no rotation: it is a second tap of the same minute, however short.
        back = min(margin, (end_us - begin_us) // 2)
        place = bisect_left(self._heads, (False, end_us - back), key=lambda h: (h.begin_us is None, h.begin_us or 0))
        while place < len(self._heads):
            head = self._heads[place]
            if head.begin_us is None or head.begin_us > end_us + margin:
                return None
            if head.key == self._key:
                return self._heads.pop(place)
            place += 1
        return None


class Kept:
    """A small file that was read already, as a stream."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.consumed = 0
        self.ended = False

    def readinto(self, buffer: memoryview) -> int:
        """See `ByteStream`."""
        part = self._data[self.consumed : self.consumed + len(buffer)]
        buffer[: len(part)] = part
        self.consumed += len(part)
        self.ended = self.consumed == len(self._data)
        return len(part)

    def __enter__(self) -> Kept:
        return self

    def __exit__(self, *_: object) -> None:
        self._data = b""
