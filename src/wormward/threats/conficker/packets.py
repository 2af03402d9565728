"""The peer-to-peer packet: a key in the clear, then enciphered fields that end with a sum.

Source: nmap, scripts/p2p-conficker.nse (facts 3.2). The sum of 32 bits tells such a packet from noise. Packets of
infected hosts were never captured for publication: what is known of the fields is what nmap's parser knows.

    TCP only: u16 length of what follows      u32 key, low half      u32 key, high half
    u16 flags   [u32 address, u16 port]   [u32]   [u32]   [u8, u16 length, data]   [26 bytes about the system]
    u32 sum     noise of any length
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address

LEAST_SIZE = 14
"""Key, flags and sum."""
FLAGS = ("mode", "acknowledged", "tcp", "address", "first unknown", "second unknown", "data", "system", *[""] * 7, "encoded")
"""What each flag bit says, from bit 0."""
TCP, ADDRESS, FIRST_UNKNOWN, SECOND_UNKNOWN, DATA, SYSTEM = (1 << bit for bit in range(2, 8))
_MASK64 = (1 << 64) - 1
_SYSTEM_SIZE = 26


class _Short(Exception):  # noqa: N818 - never leaves this module
    """The packet ends before its fields do."""


class _Deciphered:
    """Reads fields and sums what it read. Key 0 deciphers to the same bytes, which is how the worm means it."""

    def __init__(self, key: bytes, body: bytes) -> None:
        self._key = int.from_bytes(key, "little")
        self._body = body
        self._at = 0
        self.clear = bytearray(key)

    def take(self, size: int) -> bytes:
        """The next `size` bytes in the clear. Raises _Short where there are fewer."""
        if len(self._body) - self._at < size:
            raise _Short
        out = bytearray()
        for byte in self._body[self._at : self._at + size]:
            self._key = (self._key << 1 | self._key >> 63) & _MASK64
            mask = self._key & 0xFF
            out.append(byte ^ mask)
            self._key = (self._key + mask) & _MASK64
        self._at += size
        self.clear += out
        return bytes(out)

    def number(self, size: int) -> int:
        """The next `size` bytes as a number, least byte first."""
        return int.from_bytes(self.take(size), "little")


def checksum(clear: bytes) -> int:
    """The sum over key and fields in the clear: 32 bits, begins with the number of bytes."""
    h = len(clear)
    for byte in clear:
        h ^= byte
        h = (h << 1 | h >> 31) & 0xFFFFFFFF
    return h


@dataclass(frozen=True, slots=True)
class PacketParameters:
    """The packet format has none."""


@dataclass(frozen=True, slots=True)
class Packets:
    """A `model.pack.PacketAlgorithm`."""

    def decode(self, protocol: str, payload: bytes) -> str | None:
        """What the packet says, printable, if its sum is right; None if it is not such a packet. Never raises."""
        if protocol == "tcp":
            length = int.from_bytes(payload[:2], "little")
            body = payload[2 : 2 + length]
            if len(body) < length:
                return None
        else:
            body = payload
        if len(body) < LEAST_SIZE:
            return None
        try:
            return _said(_Deciphered(body[:8], body[8:]), protocol)
        except _Short:
            return None


def _said(packet: _Deciphered, protocol: str) -> str | None:
    flags = packet.number(2)
    if bool(flags & TCP) != (protocol == "tcp"):
        return None
    parts = [", ".join(name or f"bit {bit}" for bit, name in enumerate(FLAGS) if flags >> bit & 1) or "none"]
    if flags & ADDRESS:
        address = IPv4Address(packet.take(4))
        parts.append(f"address {address}, port {packet.number(2)}")
    if flags & FIRST_UNKNOWN:
        parts.append(f"first unknown 0x{packet.number(4):08x}")
    if flags & SECOND_UNKNOWN:
        parts.append(f"second unknown 0x{packet.number(4):08x}")
    if flags & DATA:
        kind, size = packet.number(1), packet.number(2)
        packet.take(size)
        parts.append(f"data of kind {kind}, {size} bytes")
    if flags & SYSTEM:
        parts.append(_system(packet.take(_SYSTEM_SIZE)))
    expected = checksum(bytes(packet.clear))
    if packet.number(4) != expected:
        return None
    return f"flags 0x{flags:04x}: " + "; ".join(parts)


def _system(raw: bytes) -> str:
    """The part of the system information whose meaning is known."""
    build = int.from_bytes(raw[4:6], "little")
    return f"system {raw[2]}.{raw[3]} build {build}, service pack {raw[6]}.{raw[7]}"
