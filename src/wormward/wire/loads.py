"""Numbers out of a byte array, for compiled loops. Written as shifts, so that they run uncompiled too."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True, forceinline=True)
def be16(data, i):  # type: ignore[no-untyped-def]
    """Big-endian 16-bit number at `i`."""
    return (np.int64(data[i]) << 8) | np.int64(data[i + 1])


@njit(cache=True, nogil=True, forceinline=True)
def be32(data, i):  # type: ignore[no-untyped-def]
    """Big-endian 32-bit number at `i`."""
    return (np.int64(data[i]) << 24) | (np.int64(data[i + 1]) << 16) | (np.int64(data[i + 2]) << 8) | np.int64(data[i + 3])


@njit(cache=True, nogil=True, forceinline=True)
def be64(data, i):  # type: ignore[no-untyped-def]
    """Big-endian 64-bit number at `i`, unsigned."""
    return (np.uint64(be32(data, i)) << np.uint64(32)) | np.uint64(be32(data, i + 4))


@njit(cache=True, nogil=True, forceinline=True)
def u32(data, i, big):  # type: ignore[no-untyped-def]
    """32-bit number at `i`, big-endian if `big`, else little-endian."""
    if big:
        return be32(data, i)
    return np.int64(data[i]) | (np.int64(data[i + 1]) << 8) | (np.int64(data[i + 2]) << 16) | (np.int64(data[i + 3]) << 24)
