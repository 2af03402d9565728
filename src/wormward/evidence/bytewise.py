"""Text eight bytes at a time: for the loops that look at every byte of a large log (numba).

They work on addresses, which are numbers: `base` is where a buffer begins, and places count from there. To hand an array
from function to function numba counts references, which takes longer than all else that is done for a line. Nothing here
looks at bounds beyond what it says: callers do.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit, types
from numba.extending import intrinsic

ONES = np.uint64(0x0101010101010101)
TOPS = np.uint64(0x8080808080808080)
BLANKS = np.uint64(33) * ONES


def _reads(kind: Any) -> Callable[[Any, Any], Any]:
    """What numba puts in place of a call: one load of a `kind` at an address, which need not be a multiple of anything."""

    def code(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        load = builder.load(builder.inttoptr(arguments[0], context.get_value_type(kind).as_pointer()))
        load.align = 1
        return load

    def typed(_typing: Any, address: Any) -> Any:  # noqa: ARG001 - numba asks for both
        return kind(types.uint64), code

    return typed


eight_at: Any = intrinsic(_reads(types.uint64))
"""The eight bytes at an address as one number, the first the least."""
one_at: Any = intrinsic(_reads(types.uint8))
"""The byte at an address."""


@njit(cache=True, nogil=True, inline="always")
def first_top(tops: np.uint64) -> np.uint64:
    """Which byte is the first whose top bit is set (one is)."""
    below = (tops & (~tops + np.uint64(1))) - np.uint64(1)
    return ((below & ONES) * ONES >> np.uint64(56)) - np.uint64(1)


@njit(cache=True, nogil=True)
def printed(base: np.uint64, at: np.uint64, stop: np.uint64) -> np.uint64:
    """Where the first byte from `at` on is that is a blank or a control; `stop` if fewer than eight bytes are left."""
    eight = np.uint64(8)
    while at + eight <= stop:
        value = np.uint64(eight_at(base + at))
        # A byte borrows if it is less than 33 (or one below it did: of those only the first is asked for).
        found = (value - BLANKS) & ~value & TOPS
        if found:
            return at + first_top(found)
        at += eight
    return stop


@njit(cache=True, nogil=True)
def alike(base: np.uint64, at: np.uint64, other: np.uint64, size: np.uint64) -> bool:
    """True if `size` bytes are the same at both places. Up to seven more may be read. `base` as for `_eight`."""
    eight = np.uint64(8)
    unlike = np.uint64(0)
    done = np.uint64(0)
    while done + eight <= size:
        unlike |= eight_at(base + at + done) ^ eight_at(base + other + done)
        done += eight
    if done < size:
        unlike |= (eight_at(base + at + done) ^ eight_at(base + other + done)) << (np.uint64(8) * (eight - (size - done)))
    return bool(unlike == 0)
