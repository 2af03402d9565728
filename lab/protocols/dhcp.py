"""DHCP messages (RFC 2131, 2132, 4702): a lease that is renewed, by unicast."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address

REQUEST, ACK = 3, 5
LEASE_S = 28_800
_NOBODY = str(IPv4Address(0))


def _option(code: int, data: bytes) -> bytes:
    return bytes([code, len(data)]) + data


def _head(reply: bool, ident: int, client: str, yours: str, mac: bytes) -> bytes:
    fixed = struct.pack(">BBBBIHH", 2 if reply else 1, 1, 6, 0, ident, 0, 0)
    addresses = IPv4Address(client).packed + IPv4Address(yours).packed + bytes(8)
    return fixed + addresses + mac + bytes(10 + 64 + 128) + b"\x63\x82\x53\x63"


def renew(ident: int, client: str, mac: bytes, host_name: str, domain: str) -> bytes:
    """A client asks to keep its address."""
    options = _option(53, bytes([REQUEST])) + _option(61, b"\x01" + mac) + _option(12, host_name.encode())
    options += _option(81, b"\0\0\0" + f"{host_name}.{domain}".encode()) + _option(60, b"MSFT 5.0")
    options += _option(55, bytes([1, 15, 3, 6, 44, 46, 47])) + b"\xff"
    return (_head(False, ident, client, _NOBODY, mac) + options).ljust(300, b"\0")


def grant(ident: int, client: str, mac: bytes, server: str, router: str, domain: str) -> bytes:
    """The server lets it."""
    options = _option(53, bytes([ACK])) + _option(54, IPv4Address(server).packed)
    options += _option(51, struct.pack(">I", LEASE_S)) + _option(1, bytes([255, 255, 0, 0]))
    options += _option(3, IPv4Address(router).packed) + _option(6, IPv4Address(server).packed)
    options += _option(15, domain.encode()) + b"\xff"
    return (_head(True, ident, client, client, mac) + options).ljust(300, b"\0")
