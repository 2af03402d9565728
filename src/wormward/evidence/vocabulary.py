"""The distinct values that one thread met in one column of a log, kept from block to block.

A name that came up before is hashed and compared, and that is all: it is neither copied nor looked at again, here or in
the store, which remembers what each number means (`model.reading.Coded`).
"""

from __future__ import annotations

import os
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from wormward.evidence import kernels
from wormward.evidence.values import Fix
from wormward.model.lexicon import Lexicon
from wormward.model.reading import Coded

_SECRET = os.urandom(16)
MOST = 64 << 20
"""Bytes from which on a vocabulary should be replaced by a new one: whoever writes evidence can choose many names."""
_ROUGH_TEXT = 100  # bytes of a Python string besides its characters

Odd = Callable[[kernels.Bytes, kernels.Ints, kernels.Ints, npt.NDArray[np.bool_]], int]
"""Says which spans are not their own usual form; how many."""


def odd_names(data: kernels.Bytes, begins: kernels.Ints, ends: kernels.Ints, odd: npt.NDArray[np.bool_]) -> int:
    """For DNS names: a final dot is odd, too."""
    count = kernels.unprintable(data, begins, ends, odd)
    dotted = (ends > begins) & (data[ends - 1] == ord("."))
    if not dotted.any():
        return count
    odd |= dotted
    return int(odd.sum())


class Vocabulary:
    """Values in, numbers out; what they mean can be asked from another thread.

    `odd` finds the values that `fix` must make text of (None: no such thing); the others are text as they are. With
    `fold` ASCII capitals count as small letters.
    """

    def __init__(self, odd: Odd, fix: Fix, fold: bool = False) -> None:
        self._lexicon = Lexicon(_SECRET, fold)
        self._odd = odd
        self._fix = fix
        self._fixed: dict[int, str | None] = {}
        self._weight = 0
        self._good = np.ones(0, np.bool_)
        self._all_good = True

    @property
    def size(self) -> int:
        """About how many bytes it holds."""
        return self._lexicon.size + self._weight

    def coded(self, buffer: kernels.Bytes, begins: kernels.Ints, ends: kernels.Ints) -> Coded:
        """A column of the values `buffer[begin:end]`; absent where `begin` is negative."""
        before = len(self._lexicon)
        codes = self._lexicon.spans(buffer, begins, ends, int((ends.astype(np.int64) - begins).sum()))
        if len(self._lexicon) > before:
            self._look(before)
        return Coded(codes, self)

    def _look(self, first: int) -> None:
        """Find the odd ones from number `first` on."""
        kept, starts = self._lexicon.spelled()
        odd = np.empty(len(starts) - 1 - first, np.bool_)
        if self._odd(kept, starts[first:-1], starts[first + 1 :], odd):
            for number in (np.flatnonzero(odd) + first).tolist():
                text = self._fix(kept[starts[number] : starts[number + 1]].tobytes())
                self._fixed[number] = text
                self._weight += _ROUGH_TEXT + (0 if text is None else len(text))
                self._all_good = self._all_good and text is not None
        if not self._all_good:
            good = np.ones(len(starts) - 1, np.bool_)
            good[: len(self._good)] = self._good
            good[[n for n in (np.flatnonzero(odd) + first).tolist() if self._fixed.get(n, "") is None]] = False
            self._good = good

    def good(self, codes: npt.NDArray[np.int32]) -> npt.NDArray[np.bool_]:
        """Which of `codes` mean anything."""
        there: npt.NDArray[np.bool_] = codes >= 0
        if not self._all_good:
            there &= self._good[codes]
        return there

    def texts(self, codes: npt.NDArray[np.int32]) -> pa.Array:
        """What `codes` mean, null where nothing."""
        plain = self._lexicon.bytes().take(pa.array(codes))
        if not self._fixed:
            return plain.cast(pa.string())
        fixed = self._fixed
        return pa.array(
            [fixed[n] if n in fixed else raw.decode("ascii") for n, raw in zip(codes.tolist(), plain.to_pylist(), strict=True)],
            pa.string(),
        )
