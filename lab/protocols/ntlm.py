"""NTLMSSP messages ([MS-NLMP]) inside SPNEGO ([MS-SPNG], RFC 4178).

No password is behind any of it: a response is random bytes in the right shape.
"""

from __future__ import annotations

import random
import struct
from dataclasses import dataclass

_FLAGS = 0xE2888215  # unicode, NTLM, extended session security, target info, version, 128 and 56 bit
_VERSION = struct.pack("<BBHBBBB", 6, 1, 7601, 0, 0, 0, 15)
_OID = bytes.fromhex("2b06010401823702020a")
_SPNEGO = bytes.fromhex("2b0601050502")


@dataclass(frozen=True, slots=True)
class Account:
    """Who logs on, from which machine."""

    user: str
    domain: str
    workstation: str


def _tlv(tag: int, data: bytes) -> bytes:
    length = len(data)
    if length < 0x80:
        size = bytes([length])
    elif length < 0x100:
        size = bytes([0x81, length])
    else:
        size = b"\x82" + length.to_bytes(2, "big")
    return bytes([tag]) + size + data


def hint() -> bytes:
    """A server's SPNEGO greeting in its negotiate response: NTLMSSP is on offer."""
    mechanisms = _tlv(0xA0, _tlv(0x30, _tlv(0x06, _OID)))
    return _tlv(0x60, _tlv(0x06, _SPNEGO) + _tlv(0xA0, _tlv(0x30, mechanisms)))


def wrap_first(token: bytes) -> bytes:
    """A client's first token."""
    body = _tlv(0xA0, _tlv(0x30, _tlv(0x06, _OID))) + _tlv(0xA2, _tlv(0x04, token))
    return _tlv(0x60, _tlv(0x06, _SPNEGO) + _tlv(0xA0, _tlv(0x30, body)))


def wrap_challenge(token: bytes) -> bytes:
    """A server's challenge: accept-incomplete."""
    body = _tlv(0xA0, _tlv(0x0A, b"\x01")) + _tlv(0xA1, _tlv(0x06, _OID)) + _tlv(0xA2, _tlv(0x04, token))
    return _tlv(0xA1, _tlv(0x30, body))


def wrap_second(token: bytes) -> bytes:
    """A client's second token."""
    return _tlv(0xA1, _tlv(0x30, _tlv(0xA2, _tlv(0x04, token))))


def accepted() -> bytes:
    """A server's last word: accept-completed. Windows says nothing at all when it refuses."""
    return _tlv(0xA1, _tlv(0x30, _tlv(0xA0, _tlv(0x0A, b"\x00"))))


def negotiate() -> bytes:
    """NEGOTIATE_MESSAGE without names."""
    return b"NTLMSSP\0" + struct.pack("<II", 1, _FLAGS & 0xE208B297) + bytes(16) + _VERSION


def _pairs(server: str, domain: str, dns_domain: str) -> bytes:
    out = b""
    names = ((2, domain.upper()), (1, server.upper()), (4, dns_domain), (3, f"{server.lower()}.{dns_domain}"), (5, dns_domain))
    for kind, name in names:
        raw = name.encode("utf-16-le")
        out += struct.pack("<HH", kind, len(raw)) + raw
    return out + bytes(4)


def challenge(rng: random.Random, server: str, domain: str, dns_domain: str) -> bytes:
    """CHALLENGE_MESSAGE with the server's names."""
    target = domain.upper().encode("utf-16-le")
    pairs = _pairs(server, domain, dns_domain)
    offset = 56
    head = b"NTLMSSP\0" + struct.pack("<IHHI", 2, len(target), len(target), offset)
    head += struct.pack("<I", _FLAGS) + rng.randbytes(8) + bytes(8)
    head += struct.pack("<HHI", len(pairs), len(pairs), offset + len(target)) + _VERSION
    return head + target + pairs


def _response(rng: random.Random, server: str, domain: str, dns_domain: str, time_100ns: int) -> bytes:
    blob = b"\x01\x01" + bytes(6) + struct.pack("<Q", time_100ns) + rng.randbytes(8) + bytes(4)
    return rng.randbytes(16) + blob + _pairs(server, domain, dns_domain) + bytes(4)


def authenticate(rng: random.Random, account: Account, server: str, dns_domain: str, time_100ns: int) -> bytes:
    """AUTHENTICATE_MESSAGE; empty user and domain mean an anonymous session (then there is no response either)."""
    anonymous = not account.user
    lm_response = b"\0" if anonymous else bytes(24)
    nt_response = b"" if anonymous else _response(rng, server, account.domain, dns_domain, time_100ns)
    parts = [
        account.domain.encode("utf-16-le"),
        account.user.encode("utf-16-le"),
        account.workstation.encode("utf-16-le"),
        lm_response,
        nt_response,
        rng.randbytes(16),
    ]
    offset, spans = 72, []
    for part in parts:
        spans.append(struct.pack("<HHI", len(part), len(part), offset))
        offset += len(part)
    domain, user, station, lan_manager, nt, key = spans
    flags = _FLAGS | (0x800 if anonymous else 0)
    head = b"NTLMSSP\0" + struct.pack("<I", 3) + lan_manager + nt + domain + user + station + key
    return head + struct.pack("<I", flags) + _VERSION + b"".join(parts)
