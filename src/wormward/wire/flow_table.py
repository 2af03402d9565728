"""The flow table's memory: how it begins, grows, forgets and gives slots free."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from wormward.wire.flows import BOOK, FLOW, SIDE, SWEPT, Arrays, enter, remove

_EMPTY = np.zeros((), BOOK)
for _name in ("oldest", "newest", "hand"):
    _EMPTY[_name] = -1


@njit(cache=True, nogil=True)
def _reindex(t):  # type: ignore[no-untyped-def]
    slot = t.book[0]["oldest"]
    while slot >= 0:
        enter(t.places, np.int64(t.flows[slot]["home"]), slot)
        slot = np.int64(t.flows[slot]["newer"])


@njit(cache=True, nogil=True)
def _living(t):  # type: ignore[no-untyped-def]
    out = np.empty(t.book[0]["live"], np.int64)
    slot = t.book[0]["oldest"]
    for i in range(len(out)):
        out[i] = slot
        slot = np.int64(t.flows[slot]["newer"])
    return out


@njit(cache=True, nogil=True)
def _release(t):  # type: ignore[no-untyped-def]
    b = t.book[0]
    for i in range(b["ended"]):
        t.free[b["free"]] = t.ended[i]
        b["free"] += 1
    b["ended"] = 0


@njit(cache=True, nogil=True)
def _forget_all(t):  # type: ignore[no-untyped-def]
    """Take the flows that are left out of the index, and give their slots free."""
    b = t.book[0]
    slot = b["oldest"]
    while slot >= 0:
        remove(t.places, np.int64(t.flows[slot]["home"]), slot)
        t.free[b["free"]] = slot
        b["free"] += 1
        slot = np.int64(t.flows[slot]["newer"])


class FlowTable:
    """One flow table and its growth."""

    def __init__(self, slots: int, chunk: int, seed: int = 0) -> None:
        """An empty table of `slots` (a power of two) flows for chunks of `chunk` packets.

        `seed` goes into the hash: with one that an attacker does not know no input makes the table slow.
        Output does not depend on it.
        """
        self.arrays = Arrays(
            np.empty(slots, FLOW),
            np.empty(2 * slots, SIDE),
            np.zeros(2 * slots, np.int64),
            np.arange(slots - 1, -1, -1, dtype=np.int32),
            np.empty(chunk * (SWEPT + 2) + 16, np.int32),
            np.zeros(1, BOOK),
        )
        self.arrays.book[0] = _EMPTY
        self.arrays.book["seed"], self.arrays.book["free"] = seed, slots

    def clear(self) -> None:
        """Forget every flow."""
        t = self.arrays
        seed = int(t.book["seed"][0])
        if int(t.book["live"][0]) < len(t.flows) // 16:
            _forget_all(t)
            free = int(t.book["free"][0])
        else:
            free = len(t.free)
            t.free[:] = np.arange(free - 1, -1, -1, dtype=np.int32)
            t.places[:] = 0
        t.book[0] = _EMPTY
        t.book["seed"], t.book["free"] = seed, free

    def make_room(self, wanted: int) -> None:
        """See to it that `wanted` slots are free, by doubling."""
        t = self.arrays
        while (free := int(t.book["free"][0])) < wanted:
            old = len(t.flows)
            more = np.arange(2 * old - 1, old - 1, -1, dtype=np.int32)
            t.book["free"] += old
            t = self.arrays = t._replace(
                flows=np.concatenate([t.flows, np.empty(old, FLOW)]),
                sides=np.concatenate([t.sides, np.empty(2 * old, SIDE)]),
                free=np.concatenate([more, t.free[:free], np.empty(old - free, np.int32)]),
                places=np.zeros(4 * old, np.int64),
            )
            _reindex(t)

    def living(self) -> npt.NDArray[np.int64]:
        """Slots of the flows that have not ended, in order of creation."""
        return _living(self.arrays)  # type: ignore[no-any-return]

    def release(self) -> None:
        """Give the slots of ended flows free again, once their rows were taken."""
        _release(self.arrays)
