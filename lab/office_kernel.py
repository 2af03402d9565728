"""The compiled loop of the office mix: template packets, patched with one flow's addresses, ports and numbers.

Sums are put right by difference (RFC 1624), so that no payload is read again.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

RECORD = 16
"""Bytes of a pcap record header."""


class Pool(NamedTuple):
    """All templates' packets, one behind the other. Per packet: where it begins, its length, its side, its protocol."""

    blob: npt.NDArray[np.uint8]
    start: npt.NDArray[np.int64]
    length: npt.NDArray[np.int32]
    side: npt.NDArray[np.uint8]  # 0: the client sent it
    udp: npt.NDArray[np.uint8]  # 1: UDP, else TCP


class Fields(NamedTuple):
    """What each packet to be written gets: shape (n,) each. `packet` points into the pool; `time` is microseconds."""

    packet: npt.NDArray[np.int64]
    time: npt.NDArray[np.int64]
    client: npt.NDArray[np.uint32]
    server: npt.NDArray[np.uint32]
    port: npt.NDArray[np.uint16]
    client_seq: npt.NDArray[np.uint32]
    server_seq: npt.NDArray[np.uint32]


@njit(cache=True, nogil=True)
def _put16(out, at, value):  # type: ignore[no-untyped-def]
    """Write a big-endian 16-bit word; returns what the one's complement sum gains by it."""
    old = (np.int64(out[at]) << 8) | np.int64(out[at + 1])
    out[at] = (value >> 8) & 0xFF
    out[at + 1] = value & 0xFF
    return (0xFFFF - old) + value


@njit(cache=True, nogil=True)
def _put32(out, at, value):  # type: ignore[no-untyped-def]
    return _put16(out, at, (value >> 16) & 0xFFFF) + _put16(out, at + 2, value & 0xFFFF)


@njit(cache=True, nogil=True)
def _get32(out, at):  # type: ignore[no-untyped-def]
    return (np.int64(out[at]) << 24) | (np.int64(out[at + 1]) << 16) | (np.int64(out[at + 2]) << 8) | np.int64(out[at + 3])


@njit(cache=True, nogil=True)
def _fix(out, at, gain):  # type: ignore[no-untyped-def]
    """Put the checksum at `at` right after the sum of the covered words gained `gain`."""
    total = 0xFFFF - ((np.int64(out[at]) << 8) | np.int64(out[at + 1])) + gain
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    value = 0xFFFF - total
    out[at] = value >> 8
    out[at + 1] = value & 0xFF


@njit(cache=True, nogil=True)
def _little32(out, at, value):  # type: ignore[no-untyped-def]
    for i in range(4):
        out[at + i] = (value >> (8 * i)) & 0xFF


@njit(cache=True, nogil=True)
def emit(out, pool, fields):  # type: ignore[no-untyped-def]
    """Write the packets of `fields` into `out` (uint8) as pcap records, in order; returns the bytes written."""
    at = 0
    for i in range(len(fields.packet)):
        n = fields.packet[i]
        length = int(pool.length[n])
        begin = int(pool.start[n])
        _little32(out, at, fields.time[i] // 1_000_000)
        _little32(out, at + 4, fields.time[i] % 1_000_000)
        _little32(out, at + 8, length)
        _little32(out, at + 12, length)
        frame = at + RECORD
        out[frame : frame + length] = pool.blob[begin : begin + length]
        client, server = np.int64(fields.client[i]), np.int64(fields.server[i])
        from_server = pool.side[n]
        source, target = (server, client) if from_server else (client, server)
        gain = _put32(out, frame + 26, source) + _put32(out, frame + 30, target)
        _fix(out, frame + 24, gain)
        gain += _put16(out, frame + 36 if from_server else frame + 34, np.int64(fields.port[i]))
        if pool.udp[n]:
            _fix(out, frame + 40, gain)
        else:
            own = np.int64(fields.server_seq[i] if from_server else fields.client_seq[i])
            other = np.int64(fields.client_seq[i] if from_server else fields.server_seq[i])
            gain += _put32(out, frame + 38, (_get32(out, frame + 38) + own) & 0xFFFFFFFF)
            if out[frame + 47] & 0x10:
                gain += _put32(out, frame + 42, (_get32(out, frame + 42) + other) & 0xFFFFFFFF)
            _fix(out, frame + 50, gain)
        at = frame + length
    return at
