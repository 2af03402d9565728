"""What is counted over all frames of a capture file: when, how many were cut or broken, whether the clock jumped."""

from __future__ import annotations

import numpy as np
from numba import njit

from wormward.wire.frames import FRAGMENT, HEADLESS, MALFORMED, TRUNCATED

SURVEY = np.dtype(
    [
        ("first_us", np.int64),  # earliest and latest stamp, -1: none
        ("last_us", np.int64),
        ("cut", np.int64),  # frames whose payload or headers the snap length cut
        ("cut_frame", np.int64),  # the first of them; so below
        ("malformed", np.int64),
        ("malformed_frame", np.int64),
        ("fragments", np.int64),
        ("jumps", np.int64),  # stamps far from the one before
        ("jump_frame", np.int64),
        ("before_us", np.int64),  # stamp of the last frame, -1: none
    ]
)
"""What is counted over all frames of a file."""
BACK_US = 60 * 1_000_000
"""Several interfaces and queues put frames a little out of order; a clock that goes back further was set."""
AHEAD_US = 30 * 86_400 * 1_000_000
"""A pause of a month within one file is a clock that was set, or two captures glued together."""


@njit(cache=True, nogil=True)
def survey(packets, count, s):  # type: ignore[no-untyped-def]
    """Count the first `count` rows of `packets` into `s` (SURVEY, one row). Returns true if there are fragments."""
    fragments = False
    before = s["before_us"]
    for n in range(count):
        p = packets[n]
        time = p["time_us"]
        marks = p["marks"]
        if before >= 0 and not before - BACK_US <= time <= before + AHEAD_US:
            if s["jumps"] == 0:
                s["jump_frame"] = p["frame"]
            s["jumps"] += 1
        before = time
        if s["first_us"] < 0 or time < s["first_us"]:
            s["first_us"] = time
        s["last_us"] = max(s["last_us"], time)
        if marks & (TRUNCATED | HEADLESS | MALFORMED | FRAGMENT) == 0:
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
    s["before_us"] = before
    return fragments
