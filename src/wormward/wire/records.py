"""What walks over the records of a capture file have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]

MOST_RECORD: Final = 1 << 18
"""Bytes of one frame; tcpdump and Wireshark write no longer ones (262,144)."""

# What `walk` stopped for.
MORE, FULL, DAMAGED = 0, 1, 2


@dataclass(slots=True)
class Step:
    """How far one call of `walk` came: place in the window (may lie behind it), rows filled, and why it stopped."""

    place: int
    count: int
    reason: int


class Records:
    """The records of one capture file; knows what the headers before them said."""

    kind: str
    begin = 0  # where the first record stands
    frame = 0  # of the last record
    last_us = -1  # its time; -1: none
    left_out = 0  # interfaces beyond the bound on how many are kept
    links: tuple[tuple[int, int], ...] = ()  # (link type, snap length) of its interfaces, in order

    def walk(self, window: Bytes, start: int, stop: int, packets: npt.NDArray[np.void], decoded: bool = True) -> Step:
        """Decode records of `window[start:stop]` into rows of `packets` (dtype PACKET) until one of them is exhausted.

        Reason MORE: the rest of the window is the beginning of a record (or nothing). FULL: no rows are left.
        DAMAGED: what stands at the place is no record; `resume` finds where to go on.
        """
        raise NotImplementedError

    def resume(self, window: Bytes, start: int, stop: int, final: bool) -> tuple[bool, int]:
        """Where plausible records begin again after damage: (found, place); not found: nothing before the place."""
        raise NotImplementedError

    def passed(self, step: tuple[int, int, int], packets: npt.NDArray[np.void]) -> Step:
        """Note how far a compiled walk came."""
        place, count, reason = step
        if count:
            self.frame += int(count)
            self.last_us = int(packets[count - 1]["time_us"])
        return Step(int(place), int(count), int(reason))
