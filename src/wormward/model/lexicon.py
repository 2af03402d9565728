"""Distinct texts, numbered in order of appearance (numba).

Logs come in small pieces, and what a piece names (addresses, domain names) mostly came up in the one before. Here each
text is kept once for all of them, and rows keep its number.
"""

# ruff: noqa: PLR0917 - compiled loops take what they need one by one

from __future__ import annotations

from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit

Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int32]
Marks = npt.NDArray[np.uint64]

_Number = TypeVar("_Number", np.uint8, np.int32, np.uint64)

MOST_BYTES = (1 << 31) - 1
"""Arrow's offsets of texts are 32 bits wide."""
NOT_YET = -2
"""In a table of numbers: nobody asked for this one."""
_FEW = 1 << 8
_BYTES = pa.binary()
_AT_ONCE = 512  # texts that are looked for side by side: what they touch must not push each other out of the cache
_ONES = np.uint64(0x0101010101010101)
_TOPS = np.uint64(0x8080808080808080)
_LOWS = np.uint64(0x7F7F7F7F7F7F7F7F)
# Added to seven bits, they carry into the eighth from `A` on, and from behind `Z` on.
_FROM_A, _BEHIND_Z = np.uint64(128 - 65) * _ONES, np.uint64(128 - 91) * _ONES


@njit(cache=True, nogil=True, inline="always")
def word(data: Bytes, at: np.uint64) -> np.uint64:
    """The eight bytes from `at` on as one number, the first the least: one instruction."""
    value = np.uint64(0)
    for i in range(8):
        value |= np.uint64(data[at + np.uint64(i)]) << np.uint64(8 * i)
    return value


@njit(cache=True, nogil=True, inline="always")
def small(value: np.uint64) -> np.uint64:
    """Eight bytes with ASCII capitals as small letters."""
    seven = value & _LOWS
    capital = ((seven + _FROM_A) ^ (seven + _BEHIND_Z)) & ~value & _TOPS
    return value | (capital >> np.uint64(2))


@njit(cache=True, nogil=True)
def _find(
    data: Bytes,
    begin: np.uint64,
    end: np.uint64,
    fold: bool,
    mark: np.uint64,
    slots: Marks,
    marks: Marks,
    starts: Ints,
    kept: Bytes,
    used: int,
) -> int:
    """The number of one text; `used` if it is new, which it is then no longer."""
    mask = np.uint64(slots.size - 1)
    one, half = np.uint64(1), np.uint64(32)
    size = end - begin
    slot = mark & mask
    while slots[slot]:
        number = np.int64(slots[slot] & np.uint64(0xFFFFFFFF)) - 1
        at = np.uint64(starts[number])
        if marks[number] == mark and np.uint64(starts[number + 1]) - at == size:
            same = True
            for i in range(size):
                byte = data[begin + i]
                same &= kept[at + i] == (byte | np.uint8(32) if fold and 65 <= byte <= 90 else byte)
            if same:
                return int(number)
        slot = (slot + one) & mask
    slots[slot] = (mark >> half << half) | np.uint64(used + 1)
    marks[used] = mark
    at = np.uint64(starts[used])
    for i in range(size):
        byte = data[begin + i]
        kept[at + i] = byte | np.uint8(32) if fold and 65 <= byte <= 90 else byte
    starts[used + 1] = at + size
    return used


@njit(cache=True, nogil=True)
def _number(
    data: Bytes,
    begins: Ints,
    ends: Ints,
    fold: bool,
    first: np.uint64,
    factor: np.uint64,
    slots: Marks,
    marks: Marks,
    starts: Ints,
    kept: Bytes,
    used: int,
    numbers: Ints,
) -> tuple[int, np.uint8]:
    """Give each span of `data` its number (-1 where it begins before 0); how many texts there are now is returned.

    The texts so far are `kept[starts[n]:starts[n + 1]]`, their hashes `marks`; there is room for all new ones. `slots`
    (a power of two, more than twice as many as texts can come) finds them: upper half of the hash, number + 1; or 0.

    The memory these tables lie in is far away. In short loops whose turns do not wait for each other the processor
    asks for many places at once: four times as fast as one text after the other. Nor are there calls: numba counts
    references for each array that a call gets, which costs more than hashing a name.
    """
    mask = np.uint64(slots.size - 1)
    one, eight, half = np.uint64(1), np.uint64(8), np.uint64(32)
    touched = np.uint8(0)
    hashed = np.empty(_AT_ONCE, np.uint64)
    found, places, sizes = np.empty(_AT_ONCE, np.int32), np.empty(_AT_ONCE, np.int32), np.empty(_AT_ONCE, np.int32)
    for low in range(0, numbers.size, _AT_ONCE):
        high = min(low + _AT_ONCE, numbers.size)
        for k in range(low, high):
            at, end = np.uint64(max(begins[k], 0)), np.uint64(max(ends[k], 0))
            size = end - at
            mark = first ^ size
            while at + eight <= end:
                value = word(data, at)
                if fold:
                    value = small(value)
                mark = (mark ^ value) * factor
                mark ^= mark >> half
                at += eight
            if at < end:
                value = np.uint64(0)
                if size >= eight:
                    value = word(data, end - eight)  # some of it once more
                else:
                    while end > at:
                        end -= one
                        value = (value << eight) | np.uint64(data[end])
                if fold:
                    value = small(value)
                mark = (mark ^ value) * factor
                mark ^= mark >> half
            hashed[k - low] = mark
        for k in range(high - low):
            slot = hashed[k] & mask
            there = slots[slot]
            while there and there >> half != hashed[k] >> half:
                slot = (slot + one) & mask
                there = slots[slot]
            found[k] = np.int64(there & np.uint64(0xFFFFFFFF)) - 1
        for k in range(high - low):
            number = max(found[k], 0)
            places[k] = starts[number]
            sizes[k] = starts[number + 1] - starts[number]
        for k in range(high - low):
            touched |= kept[places[k]] | kept[places[k] + max(sizes[k] - 1, 0)]
        for k in range(low, high):
            number = found[k - low]
            numbers[k] = -1
            if begins[k] < 0:
                continue
            begin, end = np.uint64(begins[k]), np.uint64(ends[k])
            known = False
            if number >= 0:
                at = np.uint64(places[k - low])
                size = end - begin
                if np.uint64(sizes[k - low]) == size:
                    unlike = np.uint64(0)
                    done = np.uint64(0)
                    while done + eight <= size:
                        value = word(data, begin + done)
                        if fold:
                            value = small(value)
                        unlike |= word(kept, at + done) ^ value
                        done += eight
                    if done < size:
                        value, other = np.uint64(0), np.uint64(0)
                        if size >= eight:
                            value, other = word(data, end - eight), word(kept, at + size - eight)
                        else:
                            while done < size:
                                value = (value << eight) | np.uint64(data[begin + done])
                                other = (other << eight) | np.uint64(kept[at + done])
                                done += one
                        if fold:
                            value = small(value)
                        unlike |= other ^ value
                    known = unlike == 0
            if not known:
                number = _find(data, begin, end, fold, hashed[k - low], slots, marks, starts, kept, used)
                used = max(used, number + 1)
            numbers[k] = number
    return used, touched


@njit(cache=True, nogil=True)
def _place(slots: Marks, marks: Marks, used: int) -> None:
    """Fill an empty hash table with the texts so far."""
    mask = np.uint64(slots.size - 1)
    half, one = np.uint64(32), np.uint64(1)
    for number in range(used):
        slot = marks[number] & mask
        while slots[slot]:
            slot = (slot + one) & mask
        slots[slot] = (marks[number] >> half << half) | np.uint64(number + 1)


@njit(cache=True, nogil=True)
def translate(codes: Ints, table: Ints, numbers: Ints) -> tuple[int, int]:
    """What `table` says of each of `codes`, -1 for negative ones; the least (0 at most) and the most of these numbers."""
    least, most = np.int32(0), np.int32(-1)
    for k in range(codes.size):
        number = table[codes[k]] if codes[k] >= 0 else np.int32(-1)
        numbers[k] = number
        least, most = min(least, number), max(most, number)
    return int(least), int(most)


class Lexicon:
    """Texts in, numbers out; grows only. With `fold`, ASCII capitals count, and are kept, as small letters.

    `secret` are 16 bytes that nobody else knows: whoever writes evidence must not be able to choose names that all fall
    into one place of the table. Numbers do not hang on it: they follow the order of appearance.
    """

    def __init__(self, secret: bytes, fold: bool = False) -> None:
        self._secret = np.frombuffer(secret, np.uint64, 2) | np.uint64(1)
        self._fold = fold
        self._kept = np.empty(_FEW, np.uint8)
        self._starts = np.zeros(_FEW + 1, np.int32)
        self._marks = np.empty(_FEW, np.uint64)
        self._slots = np.zeros(4 * _FEW, np.uint64)
        self._used = 0

    def __len__(self) -> int:
        """How many texts it holds."""
        return self._used

    @property
    def size(self) -> int:
        """About how many bytes it holds."""
        return int(self._starts[self._used]) + self._used * 44

    def numbers(self, texts: pa.Array) -> Ints:
        """The number of each of `texts` (strings without null), new ones added. Raises OverflowError beyond MOST_BYTES."""
        count = len(texts)
        if not count:
            return np.empty(0, np.int32)
        _, offsets_, data_ = texts.buffers()
        offsets = np.frombuffer(offsets_, np.int32, count + 1, texts.offset * 4)
        data = np.frombuffer(data_, np.uint8) if data_ is not None and data_.size else np.empty(0, np.uint8)
        return self.spans(data, offsets[:-1], offsets[1:], int(offsets[-1]) - int(offsets[0]))

    def spans(self, data: Bytes, begins: Ints, ends: Ints, size: int) -> Ints:
        """The number of each text `data[begin:end]`, -1 where `begin` is negative; new ones added.

        They are no more than `size` bytes altogether. Raises OverflowError beyond MOST_BYTES.
        """
        count = len(begins)
        self._room(count, size)
        numbers = np.empty(count, np.int32)
        first, factor = self._secret
        state = (self._slots, self._marks, self._starts, self._kept, self._used)
        self._used, _ = _number(data, begins, ends, self._fold, first, factor, *state, numbers)
        return numbers

    def _room(self, count: int, size: int) -> None:
        """Make room for `count` more texts of `size` bytes altogether."""
        filled = int(self._starts[self._used])
        if filled + size > MOST_BYTES:
            raise OverflowError("more distinct texts than one table can name")
        self._kept = _grown(self._kept, filled + size + 1)  # an empty text at the end begins somewhere, too
        self._starts = _grown(self._starts, self._used + count + 1)
        self._marks = _grown(self._marks, self._used + count)
        if 2 * (self._used + count) > self._slots.size:
            self._slots = np.zeros(1 << (4 * (self._used + count)).bit_length(), np.uint64)
            _place(self._slots, self._marks, self._used)

    def spelled(self) -> tuple[Bytes, Ints]:
        """All texts one after another, and where each begins (and the last one ends). Nothing is copied."""
        starts = self._starts[: self._used + 1]
        return self._kept, starts

    def bytes(self, kind: pa.DataType = _BYTES) -> pa.Array:
        """All texts in the order of their numbers, as bytes: they need not be UTF-8.

        Nothing is copied, and what is added later does not show: may be called while another thread adds.
        """
        used, starts, kept = self._used, self._starts, self._kept
        starts = starts[: used + 1]
        return pa.Array.from_buffers(kind, used, [None, pa.py_buffer(starts), pa.py_buffer(kept[: int(starts[-1])])])

    def texts(self) -> pa.Array:
        """Like `bytes`, as strings: for texts that came as such."""
        return self.bytes(pa.string())


def _grown(array: npt.NDArray[_Number], least: int) -> npt.NDArray[_Number]:
    """`array`, or a longer copy if it has fewer than `least` places."""
    if array.size >= least:
        return array
    longer = np.empty(max(least, 2 * array.size), array.dtype)
    longer[: array.size] = array
    return longer
