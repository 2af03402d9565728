"""Which datagrams are decoded one by one beside DNS: name services, DHCP, flow exports and the word of IPv6 neighbours.

Exporters may be set to any port, so the version and the arithmetic of the whole packet decide: NetFlow v5 of so many
records is so long and no longer; the sets of NetFlow v9 and IPFIX lead exactly to its end. Of random datagrams not one in
a hundred million does.

Of neighbours only what cannot have come through a router counts: its hop limit is 255 (RFC 4861, 7.1), in one piece
(RFC 6980).

References: RFC 1002 (4.2, 4.4), RFC 4795, RFC 6762, RFC 2131 for the ports; RFC 3954 (5), RFC 7011 (3) for the sets.
"""

from __future__ import annotations

from typing import Final

from numba import njit

from wormward.wire.loads import be16, be64

NOTHING, NETBIOS_NAME, NETBIOS_DATAGRAM, LLMNR, MDNS, DHCP, EXPORT, NEIGHBOUR = range(8)
"""Kinds of datagrams."""
V5, V9, IPFIX = 5, 9, 10
"""Versions of flow exports."""
V5_HEAD: Final = 24
V5_RECORD: Final = 48
V5_MOST: Final = 30
"""Records in one packet of NetFlow v5."""
V9_HEAD: Final = 20
IPFIX_HEAD: Final = 16
NEIGHBOUR_HEAD: Final = 24
LEAST_SET: Final = 256
"""Sets of data have at least this id; the smaller ones are templates."""


@njit(cache=True, nogil=True)
def _sets_fit(data, at, end, first, second):  # type: ignore[no-untyped-def]
    """True if sets of templates (ids `first` and `second`) or of data lead from `at` to exactly `end`."""
    if at >= end:
        return False
    while at + 4 <= end:
        number, size = be16(data, at), be16(data, at + 2)
        if (number not in (first, second) and number < LEAST_SET) or size < 5 or at + size > end:
            return False
        at += size
    return at == end


@njit(cache=True, nogil=True)
def is_export(data, at, size):  # type: ignore[no-untyped-def]
    """True if the `size` bytes at `at` are one packet of NetFlow v5 or v9 or one IPFIX message."""
    if size < IPFIX_HEAD + 5 or data[at] != 0:
        return False
    version = data[at + 1]
    if version == V5:
        count = be16(data, at + 2)
        return 0 < count <= V5_MOST and size == V5_HEAD + count * V5_RECORD
    if version == V9:
        return be16(data, at + 2) > 0 and _sets_fit(data, at + V9_HEAD, at + size, 0, 1)
    if version == IPFIX:
        return be16(data, at + 2) == size and _sets_fit(data, at + IPFIX_HEAD, at + size, 2, 3)
    return False


@njit(cache=True, nogil=True)
def kind_of(data, p):  # type: ignore[no-untyped-def]
    """Kind of the UDP datagram of row `p` (`frames.PACKET`), NOTHING for what nobody decodes or what was cut."""
    if p["missing"] > 0:
        return NOTHING
    source, target = p["sport"], p["dport"]
    if source == 137 or target == 137:
        return NETBIOS_NAME
    if source == 138 or target == 138:
        return NETBIOS_DATAGRAM
    if source == 5355 or target == 5355:
        return LLMNR
    if source == 5353 or target == 5353:
        return MDNS
    if (source == 67 or source == 68) and (target == 67 or target == 68):  # noqa: PLR1714 - compiled
        return DHCP
    return EXPORT if is_export(data, p["offset"], p["size"]) else NOTHING


@njit(cache=True, nogil=True)
def is_neighbour(data, p):  # type: ignore[no-untyped-def]
    """True if the ICMPv6 message of row `p` is a solicitation or an advertisement of a neighbour on this very link.

    The IPv6 header must stand right before it.
    """
    at = p["offset"]
    if p["missing"] > 0 or p["size"] < NEIGHBOUR_HEAD or at < 40 or (data[at] != 135 and data[at] != 136) or data[at + 1] != 0:
        return False
    if data[at - 34] != 58 or data[at - 33] != 255:
        return False
    return be64(data, at - 32) == p["src_hi"] and be64(data, at - 24) == p["src_lo"]
