"""Peer-to-peer packets of Conficker C and later: an encoder written from facts 3.2.

It shares no code with the decoder in `wormward.threats`; both are held against nmap's vectors. Other worms' packets
would stand beside it in `ENCODERS`, under the name of the algorithm that their pack names.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable

_MASK = 0xFFFFFFFFFFFFFFFF
_FLAG_TCP, _FLAG_ENCODED = 0x0004, 0x8000


def _rotate(value: int, bits: int) -> int:
    mask = (1 << bits) - 1
    return ((value << 1) | (value >> (bits - 1))) & mask


def _sum(data: bytes) -> int:
    total = len(data)
    for byte in data:
        total = _rotate(total ^ byte, 32)
    return total


def _cipher(key: int, data: bytes) -> bytes:
    if not key:
        return data
    out = bytearray()
    for byte in data:
        key = _rotate(key, 64)
        low = key & 0xFF
        out.append(byte ^ low)
        key = (key + low) & _MASK
    return bytes(out)


def packet(key: int, flags: int, body: bytes = b"", noise: bytes = b"") -> bytes:
    """One packet; `flags` says what `body` holds. TCP packets (flag 2) begin with their length."""
    clear = struct.pack("<Q", key)
    fields = struct.pack("<H", flags) + body
    whole = clear + _cipher(key, fields + struct.pack("<I", _sum(clear + fields)) + noise)
    return struct.pack("<H", len(whole)) + whole if flags & _FLAG_TCP else whole


def conficker_packet(rng: random.Random, protocol: str) -> bytes:
    """A greeting as a peer sends it: encoded, with two unknown numbers now and then, and noise behind."""
    key = rng.randrange(1, 1 << 63)
    flags = _FLAG_ENCODED | 0x0001 | (_FLAG_TCP if protocol == "tcp" else 0)
    body = b""
    if rng.random() < 0.5:
        flags |= 0x0030
        body = struct.pack("<II", rng.randrange(16), rng.randrange(16))
    return packet(key, flags, body, rng.randbytes(rng.randrange(6, 40)))


Encoder = Callable[[random.Random, str], bytes]
"""Chance and protocol (`tcp` or `udp`) to the bytes of one packet."""

ENCODERS: dict[str, Encoder] = {"conficker": conficker_packet}
"""Threat whose packets they are (the first word of the pack's algorithm name) -> encoder."""
