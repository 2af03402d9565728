"""DCE/RPC PDUs (C706 chapter 12): numbers, types and UUIDs in either byte order, and what a PDU can begin with."""

from __future__ import annotations

import re
import struct

REQUEST, RESPONSE, FAULT = 0, 2, 3
BIND, BIND_ACK, BIND_NAK, ALTER, ALTER_ANSWER = 11, 12, 13, 14, 15
FIRST, LAST, OBJECT = 0x01, 0x02, 0x80
"""Flags: first and last fragment, an object UUID stands before the stub."""
HEADER = 16
# Version 5.0 or 5.1, a known type, any flags, integers in one of the two orders with ASCII or EBCDIC characters, a
# known float form and two zero bytes.
start = re.compile(rb"\x05[\x00\x01][\x00-\x13][\x00-\xff][\x00\x01\x10\x11][\x00-\x03]\x00\x00", re.DOTALL)
"""What can only be the start of a PDU."""
_SAMPLE = b"\x05\x00\x0b\x03\x10\x00\x00\x00"

# Readers at a place, by "little-endian?".
U16 = {True: struct.Struct("<H").unpack_from, False: struct.Struct(">H").unpack_from}
U32 = {True: struct.Struct("<I").unpack_from, False: struct.Struct(">I").unpack_from}
HEAD = {True: struct.Struct("<HHI").unpack_from, False: struct.Struct(">HHI").unpack_from}
"""Length of the PDU, of its authentication data, and call id, from byte 8 on."""
ASKED = {True: struct.Struct("<HH").unpack_from, False: struct.Struct(">HH").unpack_from}
"""Context id and operation of a request, from byte 20 on."""
_UUID = {True: struct.Struct("<IHH8s").unpack_from, False: struct.Struct(">IHH8s").unpack_from}


def looks_like_start(data: bytes, at: int = 0) -> bool:
    """True if a PDU may begin at `at`: what is there of its first 10 bytes is right. False for no bytes at all."""
    begin = data[at : at + 8]
    if not begin or start.match(begin + _SAMPLE[len(begin) :]) is None:
        return False
    if len(data) < at + 10:
        return True
    return bool(U16[bool(data[at + 4] & 0x10)](data, at + 8)[0] >= HEADER)


def uuid(data: bytes, at: int, little: bool) -> str:
    """The UUID at `at` as lower-case text."""
    low, middle, high, rest = _UUID[little](data, at)
    return f"{low:08x}-{middle:04x}-{high:04x}-{rest[:2].hex()}-{rest[2:].hex()}"
