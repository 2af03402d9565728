"""Packets that the packet filter of pfSense or OPNsense logged: filterlog's comma-separated lines.

Reference: Netgate's "Raw Filter Log Format" (docs.netgate.com/pfsense/en/latest/monitoring/raw-filter-log-format.html)
and OPNsense's `filterlog/files/description.txt` in opnsense/ports; both agree on the columns that are used here.

Limitations: `pass` is logged at the first packet only, and may be logged once more on the way out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from wormward.evidence.lines import Clock, Fact
from wormward.evidence.messages.base import Message, MessageKind, address_of, count_of, port_of
from wormward.evidence.messages.packets import Packet, flow_of, protocol_of
from wormward.model.site import Site

_ACTION, _VERSION = 6, 8
_HEAD = {"4": (15, 18, 20), "6": (13, 15, 17)}  # IP version: where the protocol's number, the source and the rest stand
_KNOWN = frozenset({"pass", "block", "reject"})
_COLUMNS = {"tcp": 4, "udp": 3, "icmp": 1}  # that are needed of what follows the addresses
_ECHO = {"request": 8, "reply": 0}


class _Parser:
    def __init__(self, _site: Site, _clock: Clock) -> None:
        pass

    def message(self, message: Message) -> Sequence[Fact] | None:
        words = message.text.split(",")
        head = _HEAD.get(words[_VERSION]) if len(words) > _VERSION else None
        if head is None:
            raise ValueError("no packet")
        if words[_ACTION] not in _KNOWN:  # translations, and what other rules do
            return None
        protocol_at, source_at, rest = head
        protocol = protocol_of(words[protocol_at]) if len(words) >= rest else ""
        if len(words) < rest + _COLUMNS.get(protocol, 0):
            raise ValueError("too few columns")
        source_port, target_port, payload, flags, kind = 0, 0, None, "", None
        if protocol in ("tcp", "udp"):
            source_port, target_port = port_of(words[rest]), port_of(words[rest + 1])
            payload = count_of(words[rest + 2])
            flags = words[rest + 3] if protocol == "tcp" else ""
        elif protocol == "icmp":
            kind = _ECHO.get(words[rest])
        packet = Packet(
            address_of(words[source_at]), source_port, address_of(words[source_at + 1]), target_port, protocol, flags,
            payload, words[_ACTION] != "pass", kind,
        )  # fmt: skip
        return flow_of(packet, message.time())

    def end(self) -> Iterable[Fact]:
        return ()


KIND = MessageKind("pfSense or OPNsense filter", ("filterlog",), (), _Parser)
