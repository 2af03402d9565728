"""What is counted over all frames of a capture file: when, how many were cut or broken, whether the clock can be right.

A stamp that cannot be right would stretch the file over decades and tear its conversations, so it is not believed: its
frame is taken to have come with the frame before it, for a sensor writes frames in the order in which they come.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import numpy as np
from numba import njit

from wormward.wire.frames import FRAGMENT, HEADLESS, MALFORMED, TRUNCATED, UNDESCRIBED

SURVEY = np.dtype(
    [
        ("first_us", np.int64),  # earliest and latest stamp that was believed, -1: none
        ("last_us", np.int64),
        ("cut", np.int64),  # frames whose payload or headers the snap length cut
        ("cut_frame", np.int64),  # the first of them; so below
        ("malformed", np.int64),
        ("malformed_frame", np.int64),
        ("fragments", np.int64),
        ("jumps", np.int64),  # stamps far from the one before
        ("jump_frame", np.int64),
        ("leaps", np.int64),  # believed stamps that are years from the one before
        ("leap_frame", np.int64),
        ("odd", np.int64),  # stamps that were not believed
        ("odd_frame", np.int64),
        ("odd_us", np.int64),  # what the first of them said
        ("unset", np.int64),  # stamps that nothing could be put in place of, although they cannot be right
        ("unset_frame", np.int64),
        ("stampless", np.int64),  # frames that carry no stamp
        ("stampless_frame", np.int64),
        ("undescribed", np.int64),  # frames of interfaces that the file does not describe
        ("undescribed_frame", np.int64),
        ("before_us", np.int64),  # stamp of the last frame as it was believed, -1: none
        ("far_us", np.int64),  # what the frame just before said and was not believed, -1: it was
    ]
)
"""What is counted over all frames of a file."""
BACK_US = 60 * 1_000_000
"""Several interfaces and queues put frames a little out of order; a clock that goes back further was set."""
AHEAD_US = 30 * 86_400 * 1_000_000
"""A pause of a month within one file is a clock that was set, or two captures glued together."""
EARLIEST_US: Final = 788_918_400_000_000
"""1995-01-01: who captured before it left no file; clocks that were never set say 1970, 1980 or 1990."""
LATEST_US: Final = 4_102_444_800_000_000
"""2100-01-01: later stamps are those of damage (2106 is the last of 32 bits) or of a wrong unit."""
FAR_US = 366 * 86_400 * 1_000_000
"""A stamp so far from the one before is not believed on its own."""
_SAME_US = 86_400 * 1_000_000  # two stamps in a row that agree so well are no damage: the clock was set


@njit(cache=True, nogil=True)
def possible(time):  # type: ignore[no-untyped-def]
    """True for a stamp (microseconds) that a capture can have."""
    return EARLIEST_US <= time < LATEST_US


def first_time(times: Sequence[int]) -> int | None:
    """The first of a file's stamps that can be believed: possible, and near the one behind it where there is such a pair.

    None if no stamp is possible.
    """
    good = [time for time in times if EARLIEST_US <= time < LATEST_US]
    pairs = (time for time, after in pairwise(good) if abs(after - time) <= FAR_US)
    return next(pairs, good[0] if good else None)


@njit(cache=True, nogil=True)
def _believed(time, s):  # type: ignore[no-untyped-def]
    """Whether a frame's own stamp counts, by what was believed before it; keeps `far_us`."""
    before = s["before_us"]
    far, s["far_us"] = s["far_us"], -1
    if before < 0 or abs(time - before) <= FAR_US:
        return True
    if possible(time) != possible(before):
        return possible(time)
    if far >= 0 and abs(time - far) <= _SAME_US:
        return True
    s["far_us"] = time
    return False


@njit(cache=True, nogil=True)
def _note_time(time, frame, s):  # type: ignore[no-untyped-def]
    """The time at which a frame came, from its stamp (-1: it has none) and from the frames before it."""
    before = s["before_us"]
    if time < 0:
        if s["stampless"] == 0:
            s["stampless_frame"] = frame
        s["stampless"] += 1
        time = max(before, 0)
    elif not _believed(time, s):
        if s["odd"] == 0:
            s["odd_frame"] = frame
            s["odd_us"] = time
        s["odd"] += 1
        time = before
    elif not possible(time):
        if s["unset"] == 0:
            s["unset_frame"] = frame
        s["unset"] += 1
    if before >= 0 and not before - BACK_US <= time <= before + AHEAD_US:
        if abs(time - before) > FAR_US:
            if s["leaps"] == 0:
                s["leap_frame"] = frame
            s["leaps"] += 1
            if possible(time) and not possible(before):
                s["first_us"] = -1  # until here the clock was not set: nothing tells when that was
                s["last_us"] = -1
        else:
            if s["jumps"] == 0:
                s["jump_frame"] = frame
            s["jumps"] += 1
    s["before_us"] = time
    if s["first_us"] < 0 or time < s["first_us"]:
        s["first_us"] = time
    s["last_us"] = max(s["last_us"], time)
    return time


@njit(cache=True, nogil=True)
def survey(packets, count, s):  # type: ignore[no-untyped-def]
    """Count the first `count` rows of `packets` into `s` (SURVEY, one row). Returns true if there are fragments.

    Rows whose stamp is not believed, or who have none (-1), get the time of the row before.
    """
    fragments = False
    for n in range(count):
        p = packets[n]
        time = p["time_us"]
        marks = p["marks"]
        before = s["before_us"]
        if before <= time <= before + AHEAD_US and s["far_us"] < 0 and EARLIEST_US <= before < LATEST_US - AHEAD_US:
            s["before_us"] = time  # by far the most frames
            s["last_us"] = max(s["last_us"], time)
            if s["first_us"] < 0:
                s["first_us"] = time
        else:
            p["time_us"] = _note_time(time, p["frame"], s)
        if marks & (TRUNCATED | HEADLESS | MALFORMED | FRAGMENT | UNDESCRIBED) == 0:
            continue
        if marks & (TRUNCATED | HEADLESS):
            if s["cut"] == 0:
                s["cut_frame"] = p["frame"]
            s["cut"] += 1
        if marks & MALFORMED:
            if s["malformed"] == 0:
                s["malformed_frame"] = p["frame"]
            s["malformed"] += 1
        if marks & FRAGMENT:
            s["fragments"] += 1
            fragments = True
        if marks & UNDESCRIBED:
            if s["undescribed"] == 0:
                s["undescribed_frame"] = p["frame"]
            s["undescribed"] += 1
    return fragments
