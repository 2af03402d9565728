# ruff: noqa: PLR0917 - compiled functions are called by position
"""Names as exact 62-bit keys: five bits a letter (a is 1), at most 11 letters, then seven bits of suffix index.

Two names have the same key only if they are the same name, so that a lookup by key has no false hit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit

MOST_LETTERS = 11
MOST_SUFFIXES = 128
_PLACES = 4 * MOST_SUFFIXES
_FNV_START, _FNV_PRIME = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)
_A, _DOT = 97, 46
_FIVE, _SEVEN, _SIXTY_FOUR = np.uint64(5), np.uint64(7), np.uint64(64)


class Suffixes(NamedTuple):
    """A suffix list in a form that compiled code can search: a small open-addressing table over their hashes."""

    text: npt.NDArray[np.uint8]  # all suffixes, one after the other
    begin: npt.NDArray[np.int64]  # where each begins, and where the last ends
    table: npt.NDArray[np.int32]  # index of a suffix by hash, -1 where free


class Encoded(NamedTuple):
    """Keys (0 where a name has not the generator's shape) and letters before the suffix (0 likewise)."""

    keys: npt.NDArray[np.uint64]
    letters: npt.NDArray[np.int32]


@njit(cache=True, nogil=True)
def _hash(text, begin, end):  # type: ignore[no-untyped-def]
    """FNV-1a of some bytes."""
    value = _FNV_START
    for i in range(begin, end):
        value = (value ^ np.uint64(text[i])) * _FNV_PRIME
    return value


@njit(cache=True, nogil=True)
def _same(one, begin, end, other, other_begin):  # type: ignore[no-untyped-def]
    return np.all(one[begin:end] == other[other_begin : other_begin + end - begin])


@njit(cache=True, nogil=True)
def _suffix(text, begin, end, suffixes):  # type: ignore[no-untyped-def]
    """Index of the suffix that these bytes are, -1 if none."""
    place = np.int64(_hash(text, begin, end) % np.uint64(_PLACES))
    while suffixes.table[place] >= 0:
        index = suffixes.table[place]
        first = suffixes.begin[index]
        if suffixes.begin[index + 1] - first == end - begin and _same(text, begin, end, suffixes.text, first):
            return np.int64(index)
        place = (place + 1) % _PLACES
    return np.int64(-1)


@njit(cache=True, nogil=True)
def _fill(suffixes):  # type: ignore[no-untyped-def]
    for index in range(suffixes.begin.size - 1):
        place = np.int64(_hash(suffixes.text, suffixes.begin[index], suffixes.begin[index + 1]) % np.uint64(_PLACES))
        while suffixes.table[place] >= 0:
            place = (place + 1) % _PLACES
        suffixes.table[place] = index


@njit(cache=True, nogil=True)
def _encode(text, begin, least, most, suffixes, keys, letters):  # type: ignore[no-untyped-def]
    for i in range(begin.size - 1):
        at, end, key = begin[i], begin[i + 1], np.uint64(0)
        while at < end and at - begin[i] <= most and text[at] - _A < 26 and text[at] >= _A:
            key = (key << _FIVE) | np.uint64(text[at] - _A + 1)
            at += 1
        size = at - begin[i]
        if size < least or size > most or at >= end or text[at] != _DOT:
            continue
        suffix = _suffix(text, at + 1, end, suffixes)
        if suffix >= 0:
            keys[i] = (key << _SEVEN) | np.uint64(suffix)
            letters[i] = size


def prepare(suffixes: Sequence[str]) -> Suffixes:
    """The search form of at most MOST_SUFFIXES distinct ASCII suffixes."""
    raw = [s.encode("ascii") for s in suffixes]
    begin = np.concatenate(([0], np.cumsum([len(s) for s in raw]))).astype(np.int64)
    made = Suffixes(np.frombuffer(b"".join(raw), np.uint8), begin, np.full(_PLACES, -1, np.int32))
    _fill(made)
    return made


def encode(names: Sequence[str] | pa.Array, least: int, most: int, suffixes: Suffixes) -> Encoded:
    """Keys of `names`; only lower-case names of `least` to `most` letters under one of the suffixes have one."""
    keys = np.zeros(len(names), np.uint64)
    letters = np.zeros(len(names), np.int32)
    if len(names):
        begin, text = _bytes(names)
        _encode(text, begin, least, most, suffixes, keys, letters)
    return Encoded(keys, letters)


def _bytes(names: Sequence[str] | pa.Array) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8]]:
    """All names one after the other, and where each begins (and the last ends)."""
    try:
        column = names.cast(pa.large_string()) if isinstance(names, pa.Array) else pa.array(names, pa.large_string())
    except UnicodeEncodeError:  # a lone surrogate: no name of a generator, and no reason to stop
        column = pa.array([name.encode("utf-8", "replace") for name in names], pa.large_binary())
    _, begin, text = column.buffers()
    first = np.frombuffer(begin, np.int64, count=len(names) + 1, offset=8 * column.offset)
    return first, np.frombuffer(text, np.uint8) if text is not None else np.zeros(0, np.uint8)


def decode(keys: npt.NDArray[np.uint64], suffixes: Sequence[str]) -> list[str]:
    """The names of `keys`."""
    places = np.arange(MOST_LETTERS - 1, -1, -1, dtype=np.uint64) * _FIVE + _SEVEN
    codes = ((keys[:, None] >> places) & np.uint64(31)).astype(np.uint8)
    rows = np.where(codes > 0, codes + (_A - 1), 0).astype(np.uint8)
    labels = [row.tobytes().lstrip(b"\0").decode("ascii") for row in rows]
    return [f"{label}.{suffixes[i]}" for label, i in zip(labels, (keys & np.uint64(127)).tolist(), strict=True)]
