"""Who logs on: account and domain out of an NTLM authenticate message, bare or inside SPNEGO (MS-NLMP 2.2.1.3).

SPNEGO is not parsed: its DER wraps the NTLM message whole, so the message's own signature finds it.
Limitation: Kerberos tickets are sealed; they show no account name here.
"""

from __future__ import annotations

import struct

SIGNATURE = b"NTLMSSP\0"
_AUTHENTICATE = b"\x03\0\0\0"
_NEGOTIATE_UNICODE = 0x1
_FIELD = struct.Struct("<HxxI")  # length, (allocated), offset from the message's start
_DOMAIN_AT, _USER_AT, _FLAGS_AT = 28, 36, 60
_LEAST = 52  # an authenticate message of the oldest form ends its fixed part here, without flags


def oem_text(raw: bytes) -> str:
    """Text of an unnamed 8-bit code page: ASCII, else Japanese (cp932), else Latin-1, which reads anything."""
    if raw.isascii():
        return raw.decode("ascii")
    try:
        return raw.decode("cp932")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def wide_text(raw: bytes) -> str:
    """UTF-16LE text, lone surrogates kept, half a unit at the end dropped."""
    return raw[: len(raw) & ~1].decode("utf-16-le", "surrogatepass")


def account(blob: bytes) -> tuple[str, str] | None:
    """(user, domain) of the authenticate message in `blob`; ("", "") for an anonymous logon; None if there is none."""
    at = blob.find(SIGNATURE)
    while at >= 0:
        if blob[at + 8 : at + 12] == _AUTHENTICATE and len(blob) >= at + _LEAST:
            return _names(blob, at)
        at = blob.find(SIGNATURE, at + 8)
    return None


def opens(blob: bytes) -> bool:
    """True if `blob` carries the first message of a logon, which names nobody yet."""
    return SIGNATURE + b"\x01\0\0\0" in blob


def _names(blob: bytes, at: int) -> tuple[str, str]:
    # Without flags (old clients) the names are in the OEM code page; where the flags field begins, a payload may
    # stand instead, which its lowest offset shows.
    fields = [_FIELD.unpack_from(blob, at + where) for where in (_DOMAIN_AT, _USER_AT)]
    has_flags = len(blob) >= at + 64 and all(offset >= 64 or not length for length, offset in fields)
    flags = struct.unpack_from("<I", blob, at + _FLAGS_AT)[0] if has_flags else 0
    read = wide_text if flags & _NEGOTIATE_UNICODE else oem_text
    domain, user = (read(blob[at + offset : at + offset + length]) for length, offset in fields)
    return user, domain
