"""What a firewall's line about one packet says of a conversation.

A packet that asks (SYN, an echo request, a datagram that is no answer) is an `attempt` of its sender if the line says
that it was kept back, else `tried`: whether an answer came stands in no such line. Of a packet from the middle the line
does not say who opened; a port below 1024 on one side only is taken for the server's. A reset says neither who opened
nor whether anything stood: it gives no row.
"""

from __future__ import annotations

from typing import NamedTuple

from wormward.evidence.lines import Fact

PROTOCOLS = {"1": "icmp", "6": "tcp", "17": "udp", "58": "icmp"}
"""Protocols that `flows` names; others are numbers."""
_NAMED = {
    "tcp": "tcp", "udp": "udp", "icmp": "icmp", "icmpv6": "icmp", "ipv6-icmp": "icmp", "icmp6": "icmp", "igmp": "2",
    "gre": "47", "esp": "50", "ah": "51", "ospf": "89", "pim": "103", "vrrp": "112", "carp": "112", "sctp": "132",
    "udplite": "136",
}  # fmt: skip
_WELL_KNOWN = 1024
_ASKS, _ANSWERS = (8, 128), (0, 129)  # ICMP echo, of IPv4 and IPv6


def protocol_of(text: str) -> str:
    """`tcp`, `udp`, `icmp` or a number as text, of a name or a number. Raises ValueError for an unknown name."""
    known = PROTOCOLS.get(text) or _NAMED.get(text.lower())
    if known is not None:
        return known
    if text.isascii() and text.isdigit() and len(text) < 4 and int(text) < 256:
        return str(int(text))
    raise ValueError("no protocol")


class Packet(NamedTuple):
    """One logged packet. `flags` are letters of S(yn), A(ck), R(eset), others; `payload` bytes, None where not said."""

    source: str
    source_port: int
    target: str
    target_port: int
    protocol: str
    flags: str
    payload: int | None
    dropped: bool  # the line says so, and it may be of a conversation that the firewall does not know
    icmp_type: int | None = None
    denied: bool = False  # the line says that it was kept back


def _opener(packet: Packet) -> tuple[bool, str] | None:
    """Whether the sender opened the conversation, and its state; None if the packet says nothing of one."""
    tried = "attempt" if packet.denied or packet.dropped else "tried"
    low_source, low_target = packet.source_port < _WELL_KNOWN, packet.target_port < _WELL_KNOWN
    answered = low_source and not low_target
    if packet.protocol == "tcp":
        if "R" in packet.flags:
            return None
        if "S" in packet.flags:
            if "A" not in packet.flags:
                return True, tried
            return False, "attempt" if packet.dropped else "midstream"
        return not answered, "midstream"
    if packet.protocol == "icmp":
        if packet.icmp_type in _ASKS:
            return True, tried
        return (False, "midstream") if packet.icmp_type in _ANSWERS and not packet.dropped else None
    # What a firewall that knows conversations drops is no answer, whatever its ports look like.
    if packet.protocol == "udp" and answered and not packet.dropped:
        return False, "midstream"
    return True, tried


def flow_of(packet: Packet, time_us: int) -> tuple[Fact, ...]:
    """The flow that one packet shows, if any. What the other side sent is not said by such a line: null."""
    opened = _opener(packet)
    if opened is None:
        return ()
    by_sender, state = opened
    near, far = (packet.source, packet.source_port), (packet.target, packet.target_port)
    client, server = (near, far) if by_sender else (far, near)
    side = "out" if by_sender else "in"
    values = {
        "time_end": time_us, "client": client[0], "client_port": client[1], "server": server[0], "server_port": server[1],
        "protocol": packet.protocol, "state": state, f"bytes_{side}": packet.payload, f"packets_{side}": 1,
    }  # fmt: skip
    return (Fact("flows", time_us, values),)
