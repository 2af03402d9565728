"""Headers between the link and the network: what stands before an IP packet, compiled.

References: https://www.tcpdump.org/linktypes.html; IEEE 802.1Q, 802.1ad; RFC 2784, 2890, 2637, 3032, 2516, 1661.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from wormward.wire.loads import be16, be32

# What comes next: an EtherType as it is, an IP protocol plus PROTOCOL, a link type plus LINK.
IPV4, IPV6, _VLAN, _QINQ, _QINQ_OLD, _VLAN_OLD = 0x0800, 0x86DD, 0x8100, 0x88A8, 0x9100, 0x9200
_MPLS, _MPLS_MANY, _PPPOE, _BRIDGED, _GRE_PPP, _ERSPAN = 0x8847, 0x8848, 0x8864, 0x6558, 0x880B, 0x88BE
PROTOCOL = 0x20000
LINK = 0x30000
_RAW = LINK + 101
_ETHERNET = LINK + 1
_PPP = LINK + 9
DONE = -1
BROKEN = -2
SHORT = -3
UNKNOWN = -4

LINK_TYPES = {
    0: "BSD loopback", 1: "Ethernet", 9: "PPP", 12: "raw IP", 14: "raw IP", 50: "PPP (HDLC)", 51: "PPPoE", 101: "raw IP",
    108: "OpenBSD loopback", 113: "Linux cooked", 228: "IPv4", 229: "IPv6", 276: "Linux cooked v2",
}  # fmt: skip
"""Link types that `decode` reads."""


@njit(cache=True, nogil=True)
def link_header(data, pos, end, link):  # type: ignore[no-untyped-def]
    """Link header at `pos`: (what follows, where)."""
    if link == 1:
        if pos + 14 > end:
            return SHORT, pos
        return be16(data, pos + 12), pos + 14
    if link in (101, 12, 14):
        return _RAW, pos
    if link == 228:
        return IPV4, pos
    if link == 229:
        return IPV6, pos
    if link == 113:
        return (be16(data, pos + 14), pos + 16) if pos + 16 <= end else (SHORT, pos)
    if link == 276:
        return (be16(data, pos), pos + 20) if pos + 20 <= end else (SHORT, pos)
    if link in (0, 108):
        if pos + 4 > end:
            return SHORT, pos
        # The family is in the byte order of the machine that captured (0) or in network order (108): it is small.
        family = max(np.int64(data[pos]), np.int64(data[pos + 3]))
        if family == 2:
            return IPV4, pos + 4
        return (IPV6 if family in (10, 24, 28, 30) else UNKNOWN), pos + 4
    if link in (9, 50):
        return _PPP, pos
    if link == 51:
        return _PPPOE, pos
    return UNKNOWN, pos


@njit(cache=True, nogil=True)
def tag(data, pos, end, layer):  # type: ignore[no-untyped-def]
    """A tag or a header between link and network: (what follows, where)."""
    if layer in (_VLAN, _QINQ, _QINQ_OLD, _VLAN_OLD):
        return (be16(data, pos + 2), pos + 4) if pos + 4 <= end else (SHORT, pos)
    if layer == _RAW:
        if pos >= end:
            return SHORT, pos
        version = data[pos] >> 4
        return (IPV4 if version == 4 else IPV6 if version == 6 else UNKNOWN), pos
    if layer in (_MPLS, _MPLS_MANY):
        if pos + 4 > end:
            return SHORT, pos
        return (_RAW if data[pos + 2] & 1 else _MPLS), pos + 4
    if layer == _PPPOE:
        return _PPP, pos + 6
    if layer in (_PPP, _GRE_PPP):
        return _ppp(data, pos, end)
    if layer in (_BRIDGED, _ETHERNET):
        return link_header(data, pos, end, 1)
    if layer < 0x600 and pos + 8 <= end and be32(data, pos) == 0xAAAA0300 and be16(data, pos + 4) == 0:
        return be16(data, pos + 6), pos + 8  # 802.3 with LLC and SNAP
    return UNKNOWN, pos


@njit(cache=True, nogil=True)
def _ppp(data, pos, end):  # type: ignore[no-untyped-def]
    """PPP: the address and control bytes may be left out, and the first byte of the protocol too."""
    if pos + 2 <= end and data[pos] == 0xFF and data[pos + 1] == 3:
        pos += 2
    if pos + 2 > end:
        return SHORT, pos
    if data[pos] & 1:
        kind = np.int64(data[pos])
        pos += 1
    else:
        kind = be16(data, pos)
        pos += 2
    return (IPV4 if kind == 0x21 else IPV6 if kind == 0x57 else UNKNOWN), pos


@njit(cache=True, nogil=True)
def gre(data, pos, end):  # type: ignore[no-untyped-def]
    """GRE header at `pos`: (what follows, where)."""
    if pos + 4 > end:
        return SHORT, pos
    flags = be16(data, pos)
    kind = be16(data, pos + 2)
    version = flags & 7
    if version > 1 or flags & 0x4000:  # source routes were never used
        return UNKNOWN, pos
    pos += 4
    if flags & 0x8000:
        pos += 4
    if flags & 0x2000:
        pos += 4
    if flags & 0x1000:
        pos += 4
    if version == 1 and flags & 0x80:
        pos += 4
    if kind == _ERSPAN:
        return _ETHERNET, pos + 8 if flags & 0x1000 else pos
    if kind == 0:
        return UNKNOWN, pos  # a keep-alive
    return kind, pos
