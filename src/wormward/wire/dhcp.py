"""DHCP messages: what a client calls itself, and which address a server acknowledges to which card.

References: RFC 2131 (2, 4.3), RFC 2132 (options 12, 51, 53), RFC 3396 (options in several pieces), RFC 1700 (hardware types).

Limitations: names in option 81 and DHCPv6 are not read; options in the fields for file and server name neither.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from wormward.model.errors import WireError

REQUESTS: Final = (1, 3, 8)
"""DISCOVER, REQUEST and INFORM: a client speaks."""
ACK: Final = 5
_MAGIC = b"\x63\x82\x53\x63"
_OPTIONS = 240
_ETHERNET = 1
_MAPPED = 0xFFFF << 32
_PAD, _HOST_NAME, _LEASE, _TYPE, _END = 0, 12, 51, 53, 255
_FOREVER = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class DhcpMessage:
    """One message; addresses in 128 bits, 0 where there is none."""

    kind: int  # DHCP message type
    transaction: int
    card: str  # MAC of the client
    address: int  # that the server gives, or else that the client has
    host_name: bytes | None
    lease_s: int | None  # None: for ever, or not told


def decode(data: bytes) -> DhcpMessage:
    """The message in a datagram. Raises WireError if it is none of an Ethernet client's."""
    if len(data) < _OPTIONS or data[236:240] != _MAGIC or data[1:3] != bytes([_ETHERNET, 6]):
        raise WireError("no DHCP message")
    options = _options(data)
    kind = options.get(_TYPE, b"")
    if len(kind) != 1:
        raise WireError("a DHCP message without its type")
    given, own = (int.from_bytes(data[at : at + 4], "big") for at in (16, 12))
    lease = options.get(_LEASE, b"")
    seconds = int.from_bytes(lease, "big") if len(lease) == 4 and given else _FOREVER
    return DhcpMessage(
        kind[0],
        int.from_bytes(data[4:8], "big"),
        data[28:34].hex(":"),
        _MAPPED | (given or own) if given or own else 0,
        options.get(_HOST_NAME, b"").rstrip(b"\0") or None,
        None if seconds == _FOREVER else seconds,
    )


def _options(data: bytes) -> dict[int, bytes]:
    """The options by number; one that comes in pieces is put together. What breaks off ends them."""
    found: dict[int, bytes] = {}
    at = _OPTIONS
    while at < len(data) and data[at] != _END:
        if data[at] == _PAD:
            at += 1
            continue
        if at + 2 > len(data) or at + 2 + data[at + 1] > len(data):
            break
        number, size = data[at], data[at + 1]
        found[number] = found.get(number, b"") + data[at + 2 : at + 2 + size]
        at += 2 + size
    return found
