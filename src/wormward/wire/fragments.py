"""IP fragments put together again (RFC 791, 815, 8200, 5722).

The first bytes seen at a place of a datagram count, as in Windows; a datagram waits WAIT_S for its rest. A datagram
is one packet of the capture: that of the fragment which completes it.

Limitations: fragments that the snap length cut are left out, so that their datagram never completes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from wormward.wire.frames import FRAGMENT, MORE, TRUNCATED, decode_datagram

WAIT_S: Final = 60
"""Windows waits so long (RFC 1122 allows 60 to 120 s)."""
MOST_DATAGRAMS: Final = 1024
"""Unfinished datagrams that are held; beyond, the oldest is given up."""
MOST_BYTES: Final = 65_535
"""Bytes of one datagram."""
_UNIT = 8  # fragment offsets count these

_Key = tuple[int, int, int, int, int, int]


@dataclass(slots=True)
class _Datagram:
    begin_us: int
    data: bytearray = field(default_factory=bytearray)
    covered: bytearray = field(default_factory=bytearray)  # one byte a unit
    units: int = 0  # units covered
    total: int | None = None

    def add(self, offset: int, piece: bytes, more: bool) -> bool:
        """Put a fragment in its place; true if the datagram is whole now."""
        end = offset + len(piece)
        if not more and self.total is None:
            self.total = end
        first, behind = offset // _UNIT, -(-end // _UNIT)
        if len(self.covered) < behind:
            self.data.extend(bytes(behind * _UNIT - len(self.data)))
            self.covered.extend(bytes(behind - len(self.covered)))
        if self.covered.find(1, first, behind) < 0:
            self.data[offset:end] = piece
            self.covered[first:behind] = b"\1" * (behind - first)
            self.units += behind - first
        else:
            self._fill(first, behind, piece)
        return self.total is not None and self.units >= -(-self.total // _UNIT)

    def _fill(self, first: int, behind: int, piece: bytes) -> None:
        for unit in range(first, behind):
            if not self.covered[unit]:
                part = piece[(unit - first) * _UNIT : (unit - first + 1) * _UNIT]
                self.data[unit * _UNIT : unit * _UNIT + len(part)] = part
                self.covered[unit] = 1
                self.units += 1


class Fragments:
    """The unfinished datagrams of one group of captures."""

    def __init__(self) -> None:
        self._waiting: dict[_Key, _Datagram] = {}
        self.given_up = 0  # datagrams that were never completed
        self.refused = 0  # fragments that cannot be part of any datagram

    def clear(self) -> None:
        """Forget everything."""
        self._waiting.clear()
        self.given_up = self.refused = 0

    def finish(self) -> None:
        """No more fragments will come."""
        self.given_up += len(self._waiting)
        self._waiting.clear()

    def complete(
        self, window: npt.NDArray[np.uint8], used: int, packets: npt.NDArray[np.void], count: int
    ) -> tuple[npt.NDArray[np.uint8], int]:
        """Put the fragments among the first `count` rows of `packets` together.

        A whole datagram is written behind the `used` bytes of `window`, and the row of the fragment that completed
        it is decoded anew. Returns the window (a larger copy if it had no room) and the bytes used in it.
        """
        marks = packets["marks"][:count]
        for n in np.flatnonzero(marks & FRAGMENT).tolist():
            row = packets[n]
            payload = self._add(row, window)
            if payload is None:
                continue
            if used + len(payload) > len(window):
                window = np.concatenate([window, np.zeros(max(len(window), len(payload)), np.uint8)])
            window[used : used + len(payload)] = np.frombuffer(payload, np.uint8)
            row["marks"] &= 255 - FRAGMENT - MORE
            decode_datagram(window, used, len(payload), row)
            used += len(payload)
        return window, used

    def _add(self, row: np.void, window: npt.NDArray[np.uint8]) -> bytes | None:
        """Take one fragment; the datagram's payload if it completes one."""
        offset, size, more = int(row["ack"]), int(row["size"]), bool(row["marks"] & MORE)
        time_us = int(row["time_us"])
        self._expire(time_us)
        if row["marks"] & TRUNCATED or offset + size > MOST_BYTES or (more and (size % _UNIT or not size)):
            self.refused += 1
            return None
        key = tuple(int(row[name]) for name in ("src_hi", "src_lo", "dst_hi", "dst_lo", "protocol", "seq"))
        datagram = self._waiting.get(key)  # type: ignore[arg-type]
        if datagram is None:
            if len(self._waiting) >= MOST_DATAGRAMS:
                self._give_up()
            datagram = self._waiting[key] = _Datagram(time_us)  # type: ignore[index]
        start = int(row["offset"])
        if not datagram.add(offset, window[start : start + size].tobytes(), more):
            return None
        del self._waiting[key]  # type: ignore[arg-type]
        return bytes(datagram.data[: datagram.total])

    def _expire(self, now_us: int) -> None:
        while self._waiting:
            oldest = next(iter(self._waiting.values()))
            if now_us - oldest.begin_us <= WAIT_S * 1_000_000:
                return
            self._give_up()

    def _give_up(self) -> None:
        del self._waiting[next(iter(self._waiting))]
        self.given_up += 1
