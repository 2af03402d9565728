"""Addresses as text, compiled: 128 bits in two halves, IPv4 as ::ffff:a.b.c.d.

IPv6 is written as RFC 5952 wants it, as Python's `ipaddress` does; an IPv4-mapped address is written as IPv4.
"""

from __future__ import annotations

from ipaddress import IPv6Address
from typing import Final

import numpy as np
import numpy.typing as npt
from numba import njit

LONGEST: Final = 39
"""Characters of the longest address."""
_MAPPED = 0xFFFF
_HEX = np.frombuffer(b"0123456789abcdef", np.uint8)


@njit(cache=True, nogil=True)
def _write_v4(value, out, at):  # type: ignore[no-untyped-def]
    """The 32 bits of `value` as a dotted quad into `out` at `at`; returns the place behind it."""
    for shift in (24, 16, 8, 0):
        byte = (value >> shift) & 255
        if byte >= 100:
            out[at] = 48 + byte // 100
            at += 1
        if byte >= 10:
            out[at] = 48 + byte // 10 % 10
            at += 1
        out[at] = 48 + byte % 10
        at += 1
        if shift:
            out[at] = 46
            at += 1
    return at


@njit(cache=True, nogil=True)
def _group(hi, lo, i):  # type: ignore[no-untyped-def]
    """The `i`th of the eight 16-bit groups."""
    half = hi if i < 4 else lo
    return np.int64((half >> np.uint64(48 - 16 * (i & 3))) & np.uint64(0xFFFF))


@njit(cache=True, nogil=True)
def _longest_gap(hi, lo):  # type: ignore[no-untyped-def]
    """(first group, length) of the longest run of zero groups; length 0 if none is longer than one."""
    best = np.int64(0)
    length = np.int64(1)
    run = np.int64(0)
    for i in range(8):
        run = run + 1 if _group(hi, lo, i) == 0 else np.int64(0)
        if run > length:
            length = run
            best = i + 1 - run
    return (best, length) if length > 1 else (np.int64(8), np.int64(0))


@njit(cache=True, nogil=True)
def _write_v6(hi, lo, out, at):  # type: ignore[no-untyped-def]
    gap, length = _longest_gap(hi, lo)
    i = np.int64(0)
    while i < 8:
        if i == gap:
            out[at] = 58
            out[at + 1] = 58
            at += 2
            i += length
            continue
        if i and i != gap + length:
            out[at] = 58
            at += 1
        value = _group(hi, lo, i)
        for shift in (12, 8, 4, 0):
            if value >> shift or shift == 0:
                out[at] = _HEX[(value >> shift) & 15]
                at += 1
        i += 1
    return at


@njit(cache=True, nogil=True)
def write_address(hi, lo, out, at):  # type: ignore[no-untyped-def]
    """The address as text into `out` at `at`, at most LONGEST bytes; returns the place behind it."""
    if hi == 0 and lo >> np.uint64(32) == np.uint64(_MAPPED):
        return _write_v4(np.int64(lo & np.uint64(0xFFFFFFFF)), out, at)
    return _write_v6(hi, lo, out, at)


@njit(cache=True, nogil=True)
def _write_all(hi, lo, offsets, out):  # type: ignore[no-untyped-def]
    at = np.int64(0)
    for i in range(len(hi)):
        offsets[i] = at
        at = write_address(hi[i], lo[i], out, at)
    offsets[len(hi)] = at


def address_column(hi: npt.NDArray[np.uint64], lo: npt.NDArray[np.uint64]) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.uint8]]:
    """Addresses as one text and the offsets of each in it, shape (n + 1,): an Arrow string column's two buffers."""
    offsets = np.empty(len(hi) + 1, np.int32)
    out = np.empty(len(hi) * LONGEST, np.uint8)
    _write_all(hi, lo, offsets, out)
    return offsets, out


def address_text(address: int) -> str:
    """One 128-bit address as text."""
    if address >> 32 == _MAPPED:
        return f"{address >> 24 & 255}.{address >> 16 & 255}.{address >> 8 & 255}.{address & 255}"
    return str(IPv6Address(address))
