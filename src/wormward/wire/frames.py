"""Frames to columns: link, network and transport headers of every packet, decoded by one compiled loop.

`decode` fills one row of `PACKET` from one captured frame. What a row says of addresses, ports and payload is
that of the innermost IP header: tunnels (GRE, IP in IP) and tags (VLAN, QinQ, MPLS, PPPoE) are looked through.

References: RFC 791, 8200, 9293, 768, 2784, 2890, 2637 (PPP in GRE), 4302 (AH), 3032, 2516; IEEE 802.1Q, 802.1ad;
https://www.tcpdump.org/linktypes.html for the numbers of link types.

Limitations: ESP, IPv6 jumbograms, 802.11, VXLAN, GTP and Teredo are not looked into; checksums are not checked
(captures taken on the sender hold packets whose sums the network card had not filled in yet).
"""

# ruff: noqa: PLR0917 - inner functions of the hot path take what they need one by one

from __future__ import annotations

import numpy as np
from numba import njit

from wormward.wire.links import (
    BROKEN,
    DONE,
    IPV4,
    IPV6,
    LINK,
    PROTOCOL,
    SHORT,
    UNKNOWN,
    gre,
    link_header,
    tag,
)
from wormward.wire.loads import be16, be32, be64

# One packet. Addresses are 128 bits in two halves, IPv4 as ::ffff:a.b.c.d. `offset` and `size` say where its
# payload lies in the window and how much of it was captured; `missing` how many payload bytes were cut off.
PACKET = np.dtype(
    [
        ("time_us", np.int64),  # microseconds since 1970 UTC
        ("frame", np.int64),  # counted from 1 in its file
        ("src_hi", np.uint64),
        ("src_lo", np.uint64),
        ("dst_hi", np.uint64),
        ("dst_lo", np.uint64),
        ("offset", np.int64),
        ("size", np.int32),
        ("missing", np.int32),
        ("caplen", np.int32),  # bytes of the frame that were captured
        ("wirelen", np.int32),  # bytes that the frame had
        ("seq", np.uint32),  # TCP; of a fragment: its identification
        ("ack", np.uint32),  # TCP; of a fragment: its offset in bytes
        ("window", np.uint16),
        ("sport", np.uint16),  # 0 where the protocol has no ports; of ICMP too
        ("dport", np.uint16),
        ("protocol", np.uint8),  # IP protocol number
        ("tcp_flags", np.uint8),
        ("marks", np.uint8),
    ],
    align=True,
)

# Bits of `marks`.
NOT_IP = 1  # no IP header: ARP, LLDP, or a link type that is not read
TRUNCATED = 2  # payload was cut by the snap length
MALFORMED = 4  # a header is broken or incomplete
FRAGMENT = 8  # a piece of a datagram: no ports yet, `offset` and `size` are those of the piece
MORE = 16  # of a fragment: others follow
HEADLESS = 32  # the snap length cut the headers: no ports
UNDESCRIBED = 64  # of an interface that its file does not describe: nobody knows what its bytes are

FIN, SYN, RST, ACK = 1, 2, 4, 16
TCP, UDP, ICMP, ICMP6 = 6, 17, 1, 58

MAPPED_PREFIX = 0xFFFF00000000
"""What stands above the 32 bits of an IPv4 address in the lower half of its 128-bit form."""
MOST_LAYERS = 16
"""Headers and tags that are looked through in one frame; more are nobody's honest traffic."""


@njit(cache=True, nogil=True, forceinline=True)
def _bounds(pos, length, end, wire_end):  # type: ignore[no-untyped-def]
    """Ends of an IP packet of `length` bytes at `pos`: (captured, on the wire). Padding behind it is cut off."""
    stop = pos + length
    if length == 0 or stop > wire_end:  # 0: segmentation was left to the network card
        stop = wire_end
    return min(end, stop), stop


@njit(cache=True, nogil=True)
def _ipv6(data, pos, end, wire_end, p):  # type: ignore[no-untyped-def]
    """IPv6 header and its extensions: (what follows, where, captured end, wire end)."""
    if pos + 40 > end:
        return (SHORT if pos + 40 <= wire_end else BROKEN), pos, end, wire_end
    length = be16(data, pos + 4)
    end, wire_end = _bounds(pos, length + 40 if length else 0, end, wire_end)
    kind = np.int64(data[pos + 6])
    p["marks"] &= 255 - NOT_IP
    p["src_hi"] = be64(data, pos + 8)
    p["src_lo"] = be64(data, pos + 16)
    p["dst_hi"] = be64(data, pos + 24)
    p["dst_lo"] = be64(data, pos + 32)
    pos += 40
    for _ in range(MOST_LAYERS):
        if kind not in (0, 43, 44, 51, 60, 135, 139, 140):
            break
        if pos + 8 > end:
            return (SHORT if pos + 8 <= wire_end else BROKEN), pos, end, wire_end
        following = np.int64(data[pos])
        if kind == 44:
            field = be16(data, pos + 2)
            if field & 0xFFF9:  # an offset, or more to come; else it is a whole datagram
                p["seq"] = be32(data, pos + 4)
                p["ack"] = field & 0xFFF8
                p["marks"] |= FRAGMENT | (MORE if field & 1 else 0)
                p["protocol"] = following
                return DONE, pos + 8, end, wire_end
            pos += 8
        elif kind == 51:
            pos += (np.int64(data[pos + 1]) + 2) * 4
        else:
            pos += (np.int64(data[pos + 1]) + 1) * 8
        kind = following
    p["protocol"] = kind
    return PROTOCOL + kind, pos, end, wire_end


@njit(cache=True, nogil=True)
def _ipv4(data, pos, end, wire_end, p):  # type: ignore[no-untyped-def]
    """IPv4 header: (what follows, where, captured end, wire end)."""
    if pos + 20 > end:
        return (SHORT if pos + 20 <= wire_end else BROKEN), pos, end, wire_end
    head = np.int64(data[pos] & 15) * 4
    if data[pos] >> 4 != 4 or head < 20:
        return BROKEN, pos, end, wire_end
    length = be16(data, pos + 2)
    if 0 < length < head:
        return BROKEN, pos, end, wire_end
    end, wire_end = _bounds(pos, length, end, wire_end)
    p["marks"] &= 255 - NOT_IP
    p["src_hi"] = 0
    p["src_lo"] = np.uint64(MAPPED_PREFIX) | np.uint64(be32(data, pos + 12))
    p["dst_hi"] = 0
    p["dst_lo"] = np.uint64(MAPPED_PREFIX) | np.uint64(be32(data, pos + 16))
    kind = np.int64(data[pos + 9])
    p["protocol"] = kind
    field = be16(data, pos + 6)
    if field & 0x3FFF:
        p["seq"] = be16(data, pos + 4)
        p["ack"] = (field & 0x1FFF) * 8
        p["marks"] |= FRAGMENT | (MORE if field & 0x2000 else 0)
        return DONE, pos + head, end, wire_end
    return PROTOCOL + kind, pos + head, end, wire_end


@njit(cache=True, nogil=True)
def _transport(data, pos, end, wire_end, kind, p):  # type: ignore[no-untyped-def]
    """TCP and UDP headers; any other protocol has no ports and its payload begins here: (state, where, ends)."""
    if kind == TCP:
        if pos + 20 > end:
            return (SHORT if pos + 20 <= wire_end else BROKEN), pos, end, wire_end
        head = np.int64(data[pos + 12] >> 4) * 4
        if head < 20 or pos + head > wire_end:
            return BROKEN, pos, end, wire_end
        p["seq"] = be32(data, pos + 4)
        p["ack"] = be32(data, pos + 8)
        p["tcp_flags"] = data[pos + 13]
        p["window"] = be16(data, pos + 14)
    elif kind == UDP:
        if pos + 8 > end:
            return (SHORT if pos + 8 <= wire_end else BROKEN), pos, end, wire_end
        head = np.int64(8)
        length = be16(data, pos + 4)
        if length >= 8:
            end, wire_end = _bounds(pos, length, end, wire_end)
    else:
        return DONE, pos, end, wire_end
    p["sport"] = be16(data, pos)
    p["dport"] = be16(data, pos + 2)
    return DONE, pos + head, end, wire_end


@njit(cache=True, nogil=True)
def inner(data, pos, end, wire_end, layer, p):  # type: ignore[no-untyped-def]
    """Walk from `layer` inwards and fill `p`; `end` and `wire_end` bound what was captured and what was sent."""
    for _ in range(MOST_LAYERS):
        if layer == IPV4:
            layer, pos, end, wire_end = _ipv4(data, pos, end, wire_end, p)
        elif layer == IPV6:
            layer, pos, end, wire_end = _ipv6(data, pos, end, wire_end, p)
        elif layer >= LINK or 0 <= layer < PROTOCOL:
            layer, pos = tag(data, pos, end, layer)
        elif layer == PROTOCOL + 47:
            layer, pos = gre(data, pos, end)
            if layer == UNKNOWN:
                layer = DONE
        elif layer == PROTOCOL + 4:
            layer = IPV4
        elif layer == PROTOCOL + 41:
            layer = IPV6
        elif layer >= 0:
            layer, pos, end, wire_end = _transport(data, pos, end, wire_end, layer - PROTOCOL, p)
        if layer < 0:
            break
    if layer != DONE:
        if layer == SHORT:
            p["marks"] |= HEADLESS
        elif layer == BROKEN:
            p["marks"] |= MALFORMED
        pos = end
    _payload(pos, end, wire_end, p)


@njit(cache=True, nogil=True, forceinline=True)
def _payload(pos, end, wire_end, p):  # type: ignore[no-untyped-def]
    """Note where the payload lies and how much of it the snap length cut off."""
    p["offset"] = min(pos, end)  # headers may claim more than there is
    p["size"] = max(0, end - pos)
    p["missing"] = max(0, wire_end - max(end, pos))
    if p["missing"]:
        p["marks"] |= TRUNCATED


@njit(cache=True, nogil=True)
def decode(data, pos, caplen, wirelen, link, p):  # type: ignore[no-untyped-def]
    """Fill row `p` from the frame of `caplen` bytes at `pos`; `wirelen` is what it had on the wire."""
    p["caplen"] = caplen
    p["wirelen"] = wirelen
    p["marks"] = NOT_IP
    p["protocol"] = 0
    p["tcp_flags"] = 0
    p["sport"] = 0
    p["dport"] = 0
    end = pos + caplen
    wire_end = pos + max(caplen, wirelen)
    layer, pos = link_header(data, pos, end, link)
    inner(data, pos, end, wire_end, layer, p)


@njit(cache=True, nogil=True)
def decode_datagram(data, pos, size, p):  # type: ignore[no-untyped-def]
    """Decode the payload of `size` bytes at `pos` of a datagram put together from fragments into its row `p`."""
    inner(data, pos, pos + size, pos + size, PROTOCOL + np.int64(p["protocol"]), p)
