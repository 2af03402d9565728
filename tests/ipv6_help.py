"""A capture of an IPv4 network as the same story over IPv6: addresses, checksums, DNS answers and Host headers.

Hosts of the site (10.0.0.0/8) get addresses of fd00::/8, everybody else the one that NAT64 would give. A site address
is as long as text as the old one when it stands in brackets, so that a request that names it keeps its length.
"""

from __future__ import annotations

import struct
from collections import defaultdict
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

ALL = IPv6Address("ff02::1")
_SITE = "fd00::"
_TCP, _UDP = 6, 17
_A, _AAAA, _SRV = 1, 28, 33
_NAMED = {2: 0, 5: 0, 12: 0, 15: 2, _SRV: 6}  # record types whose data ends in a name, behind so many bytes


class Map:
    """Which address became which."""

    def __init__(self) -> None:
        self.known: dict[str, str] = {}
        self._used: dict[int, int] = defaultdict(int)

    def __call__(self, text: str) -> str:
        """The new address of an old one."""
        if text not in self.known:
            self.known[text] = str(self._new(IPv4Address(text)))
        return self.known[text]

    def _new(self, old: IPv4Address) -> IPv6Address:
        if old.is_multicast or int(old) & 0xFF == 0xFF:
            return ALL
        if not str(old).startswith("10."):
            return IPv6Address(f"64:ff9b::{int(old) >> 16:x}:{int(old) & 0xFFFF:x}")
        digits = len(str(old)) - len(_SITE) - 2
        self._used[digits] += 1
        number = self._used[digits] + (16 ** (digits - 1) if digits > 1 else 0)
        assert 1 <= digits <= 4
        assert number < 16**digits
        return IPv6Address(f"{_SITE}{number:x}")

    def packed(self, raw: bytes) -> bytes:
        return IPv6Address(self(str(IPv4Address(raw)))).packed


def _sum(data: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    data += bytes(len(data) & 1)
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _name(message: bytes, at: int) -> tuple[bytes, int]:
    """A name without compression, and the place behind it."""
    out, end = b"", -1
    while True:
        size = message[at]
        if size >= 0xC0:
            end = at + 2 if end < 0 else end
            at = (size & 0x3F) << 8 | message[at + 1]
            continue
        out += message[at : at + size + 1]
        at += size + 1
        if not size:
            return out, at if end < 0 else end


def _dns(message: bytes, addresses: Map) -> bytes:
    """A DNS message whose A questions and records are AAAA."""
    counts = struct.unpack_from(">4H", message, 4)
    out, at = message[:12], 12
    for _ in range(counts[0]):
        name, at = _name(message, at)
        kind, family = struct.unpack_from(">HH", message, at)
        out += name + struct.pack(">HH", _AAAA if kind == _A else kind, family)
        at += 4
    for _ in range(sum(counts[1:])):
        name, at = _name(message, at)
        kind, family, life, size = struct.unpack_from(">HHIH", message, at)
        at += 10
        data = message[at : at + size]
        if kind == _A:
            kind, data = _AAAA, addresses.packed(data)
        elif kind in _NAMED:
            data = data[: _NAMED[kind]] + _name(message, at + _NAMED[kind])[0]
        elif kind == 6:
            first, behind = _name(message, at)
            second, behind = _name(message, behind)
            data = first + second + message[behind : at + size]
        out += name + struct.pack(">HHIH", kind, family, life, len(data)) + data
        at += size
    return out


def _hosts(payload: bytes, addresses: Map) -> bytes:
    """HTTP text whose URLs and Host headers name site addresses, in brackets now."""
    if b" HTTP/1." not in payload[:2000]:
        return payload
    for lead in (b"Host: ", b"http://"):
        at = payload.find(lead + b"10.")
        if at >= 0:
            start = at + len(lead)
            old = payload[start:].split(b"\r")[0].split(b"/")[0].split(b":")[0]
            new = f"[{addresses(old.decode())}]".encode()
            assert len(new) == len(old)
            payload = payload[:start] + new + payload[start + len(old) :]
    return payload


def _packet(packet: bytes, addresses: Map) -> bytes | None:
    """An IPv6 packet for an IPv4 one; None for what has no like (ICMP, DHCP)."""
    head, total, protocol = (packet[0] & 15) * 4, struct.unpack_from(">H", packet, 2)[0], packet[9]
    assert not struct.unpack_from(">H", packet, 6)[0] & 0x3FFF, "a fragment"
    body = packet[head:total]
    source, target = addresses.packed(packet[12:16]), addresses.packed(packet[16:20])
    if protocol == _UDP:
        ports = struct.unpack_from(">HH", body)
        if 67 in ports:
            return None
        data = _dns(body[8:], addresses) if 53 in ports else body[8:]
        body = struct.pack(">HHHH", *ports, 8 + len(data), 0) + data
        where = 6
    elif protocol == _TCP:
        start = (body[12] >> 4) * 4
        body = body[:16] + b"\0\0" + body[18:start] + _hosts(body[start:], addresses)
        where = 16
    else:
        return None
    total = _sum(source + target + struct.pack(">IHBB", len(body), 0, 0, protocol) + body)
    total = 0xFFFF if protocol == _UDP and not total else total  # to UDP zero says that there is no sum
    body = body[:where] + struct.pack(">H", total) + body[where + 2 :]
    return struct.pack(">IHBB", 6 << 28, len(body), protocol, packet[8]) + source + target + body


def rewrite(old: Path, new: Path) -> Map:
    """Write the IPv4 frames of an Ethernet capture (pcap, little-endian) as IPv6; frames without a like are left out."""
    data = old.read_bytes()
    assert data[:4] == b"\xd4\xc3\xb2\xa1"
    addresses = Map()
    out, at = bytearray(data[:24]), 24
    while at < len(data):
        seconds, part, caplen, wirelen = struct.unpack_from("<IIII", data, at)
        frame = data[at + 16 : at + 16 + caplen]
        at += 16 + caplen
        assert caplen == wirelen
        if frame[12:14] != b"\x08\0":
            continue
        packet = _packet(frame[14:], addresses)
        if packet is not None:
            size = 14 + len(packet)
            out += struct.pack("<IIII", seconds, part, size, size) + frame[:12] + b"\x86\xdd" + packet
    new.write_bytes(out)
    return addresses
