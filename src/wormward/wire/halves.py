"""One direction of a connection: where it stands, and what waits behind a gap."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from operator import attrgetter
from typing import NamedTuple

from wormward.model.pack import Want
from wormward.wire.facts import Stamp

_AT = attrgetter("at")


class Waiting(NamedTuple):
    """A piece behind a gap: its position, bytes, how many more were cut off, and where they were seen."""

    at: int
    data: bytes
    missing: int
    stamp: Stamp

    @property
    def end(self) -> int:
        """Position behind it."""
        return self.at + len(self.data) + self.missing

    def part(self, start: int, stop: int) -> Waiting:
        """The positions from `start` to `stop` of it."""
        data = self.data[start - self.at : max(0, stop - self.at)]
        return Waiting(start, data, stop - start - len(data), self.stamp)


@dataclass(slots=True)
class Keep:
    """Collects the start of one direction for a pack's want."""

    want: Want
    data: bytearray = field(default_factory=bytearray)
    stamp: Stamp | None = None

    def add(self, data: bytes, stamp: Stamp) -> None:
        """Bytes that follow; no more than the want's `most_size` are kept."""
        if data:
            self.data += data[: self.want.most_size - len(self.data)]
            self.stamp = stamp

    @property
    def full(self) -> bool:
        """True if it needs no more."""
        return len(self.data) >= self.want.most_size

    @property
    def fits(self) -> bool:
        """True if it is what the want asks for."""
        return len(self.data) >= max(1, self.want.least_size) and self.data.startswith(self.want.first_bytes)


class Half:
    """Position of the next byte, what waits behind a gap, and how many bytes before `next` were skipped unseen."""

    __slots__ = ("held", "held_bytes", "keep", "next", "skipped")

    def __init__(self) -> None:
        self.next = 0
        self.skipped = 0
        self.held: list[Waiting] | None = None
        self.held_bytes = 0
        self.keep: Keep | None = None

    def hold(self, new: Waiting) -> int:
        """Put a piece behind the gap, without what waits there already; how many of its bytes contradict that."""
        if self.held is None:
            self.held = []
        held, conflicts = self.held, 0
        at, end = new.at, new.end
        place = bisect_right(held, at, key=_AT)
        if place and held[place - 1].end > at:
            place -= 1
        while at < end:
            if place == len(held) or held[place].at >= end:
                self._insert(place, new.part(at, end))
                break
            old = held[place]
            if old.at > at:
                self._insert(place, new.part(at, old.at))
                place += 1
            conflicts += _contradictions(old, new, max(at, old.at), min(end, old.end))
            at = max(at, min(end, old.end))
            place += 1
        return conflicts

    def _insert(self, place: int, piece: Waiting) -> None:
        assert self.held is not None  # noqa: S101 - `hold` has made it
        self.held.insert(place, piece)
        self.held_bytes += len(piece.data)

    def due(self) -> Waiting | None:
        """The next piece that no longer waits, cut to what is new of it; None if the first one waits still."""
        while self.held and self.held[0].at <= self.next:
            piece = self.held.pop(0)
            self.held_bytes -= len(piece.data)
            if not self.held:
                self.held = None
            if piece.end > self.next:
                return piece.part(self.next, piece.end)
        return None


def _contradictions(old: Waiting, new: Waiting, first: int, behind: int) -> int:
    """How many bytes of two pieces differ between two positions."""
    ours = old.data[first - old.at : behind - old.at]
    theirs = new.data[first - new.at : behind - new.at]
    return 0 if ours == theirs else sum(a != b for a, b in zip(ours, theirs, strict=False))
