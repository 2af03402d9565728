"""Connections and denials of Cisco's ASA (and FTD, PIX and FWSM, which write the same messages).

Reference: Cisco, "Cisco Secure Firewall ASA Series Syslog Messages" (106001, 106006, 106007, 106015, 106023, 106100,
302013 to 302016, 710003), and its document 116149 for who is named first when a connection is built: the one who opened
an inbound connection, the one who was called by an outbound.

A connection is one row, of its "Built" and its "Teardown" joined by the connection's number; addresses are the real
ones, before translation. The bytes of a teardown are those of both directions together and are no column here.

Limitations: translations alone (305011) are not read. Addresses that the device replaced by names cannot be used.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from wormward.evidence.lines import Clock, Fact
from wormward.evidence.messages.base import Message, MessageKind, Row, Waiting, address_of, port_of
from wormward.evidence.messages.packets import Packet, flow_of, protocol_of
from wormward.model.site import Site

_HEAD = re.compile(r"(.*?)%(?:ASA|FTD|PIX|FWSM)-(?:[\w-]+-)?\d-(\d{6}): ?(.*)", re.DOTALL)
_STAMP = re.compile(r"[A-Z][a-z]{2} {1,2}\d{1,2} \d{4} \d\d:\d\d:\d\d(?:\.\d{1,6})?(?: (?:UTC|GMT)\b)?")

_USER = r"(?: ?\((?!type )[^)]*\))*"
_END = r"[^:]+: ?([^/\s(]+)/(\d+)"
_BUILT = re.compile(rf"Built (inbound|outbound) (TCP|UDP) connection (\d+) for {_END}{_USER} to {_END}")
_TEARDOWN = re.compile(
    rf"Teardown (TCP|UDP) connection (\d+) for {_END}{_USER} to {_END}{_USER} duration (\d+):(\d\d):(\d\d) bytes (\d+)(?: (.*))?"
)
_INBOUND_TCP = re.compile(r"Inbound TCP connection denied from (\S+)/(\d+) to (\S+)/(\d+) flags ([A-Z]+(?: [A-Z]+)*) ")
_INBOUND_UDP = re.compile(r"Deny inbound UDP from (\S+)/(\d+) to (\S+)/(\d+)")
_NO_CONNECTION = re.compile(r"Deny TCP \(no connection\) from (\S+)/(\d+) to (\S+)/(\d+) flags ([A-Z]+(?: [A-Z]+)*) ")
_PLACE = r"[^:]+:([^/\s(]+?)(?:/(\d+))?"
_BY_GROUP = re.compile(rf"Deny (?:protocol )?(\S+) src {_PLACE}{_USER} dst {_PLACE}{_USER}(?: \(type (\d+), code \d+\))? by ")
_LISTED = re.compile(
    rf"access-list \S+ (permitted|denied|est-allowed) (\S+) [^/]+/([^\s(]+)\((\d+)\){_USER} -> [^/]+/([^\s(]+)\((\d+)\){_USER} "
    r"hit-cnt (\d+)"
)
_TO_DEVICE = re.compile(r"(TCP|UDP) access denied by ACL from (\S+)/(\d+) to [^:]+:(\S+)/(\S+)")

# Ends that come before a connection stood; of the others it stood, or bytes tell.
_NEVER_STOOD = ("SYN Timeout", "SYN Control", "Invalid SYN", "TCP Invalid SYN", "Flow terminated by TCP Intercept")
_SERVICES = {
    "ssh": 22, "telnet": 23, "http": 80, "www": 80, "https": 443, "snmp": 161, "domain": 53, "ntp": 123, "syslog": 514,
    "tftp": 69, "bootps": 67, "bootpc": 68, "isakmp": 500, "netbios-ns": 137, "netbios-dgm": 138, "netbios-ssn": 139,
}  # fmt: skip
_MOST: Final = 1 << 16
"""Connections that may be open at once; of more, the oldest stand as they began."""


def _flow(client: tuple[str, int], server: tuple[str, int], protocol: str, state: str, end_us: int) -> dict[str, Any]:
    return {
        "time_end": end_us, "client": client[0], "client_port": client[1], "server": server[0], "server_port": server[1],
        "protocol": protocol, "state": state,
    }  # fmt: skip


def _ended(protocol: str, moved: int, reason: str) -> str:
    """State of a connection by how it ended."""
    if protocol == "udp":
        return "tried"  # bytes are of both directions together: whether an answer came is not said
    if reason.startswith(_NEVER_STOOD):
        return "attempt"
    if reason.startswith("TCP Reset") and moved == 0:
        return "refused"
    return "established" if moved or reason.startswith(("TCP FINs", "FIN Timeout", "Conn-timeout", "Idle Timeout")) else "attempt"


class _Parser:
    def __init__(self, _site: Site, clock: Clock) -> None:
        self._clock = clock
        self._open = Waiting(_MOST)
        self._readers: dict[str, Callable[[str, str, int, int], Sequence[Fact]]] = {
            "302013": self._built, "302015": self._built, "302014": self._torn_down, "302016": self._torn_down,
            "106001": _inbound_tcp, "106006": _inbound_udp, "106007": _inbound_udp, "106015": _no_connection,
            "106023": _by_group, "106100": _listed, "710003": _to_device,
        }  # fmt: skip

    def message(self, message: Message) -> Sequence[Fact] | None:
        found = _HEAD.match(message.text)
        reader = self._readers.get(found[2]) if found else None
        if found is None or reader is None:
            return None
        before = found[1]
        stamp = _STAMP.search(before) if before else None
        time = self._clock.stamp(stamp[0]) if stamp else message.time()
        if stamp:
            before = before[: stamp.start()] + before[stamp.end() :]
        return reader(before.strip(" :"), found[3], time, message.number)

    def _built(self, host: str, text: str, time: int, line: int) -> Sequence[Fact]:
        found = _need(_BUILT, text)
        first, second = (address_of(found[4]), port_of(found[5])), (address_of(found[6]), port_of(found[7]))
        client, server = (first, second) if found[1] == "inbound" else (second, first)
        values = _flow(client, server, found[2].lower(), "tried", time)
        key = (host, found[3])
        before = [self._take(row) for row in self._open.open(key)]  # the number came again: its end was not logged
        return [*before, *self._open.add(Row(key, "flows", time, {"place": line, **values}))]

    def _take(self, row: Row) -> Fact:
        self._open.take(row)
        return row.fact()

    def _torn_down(self, host: str, text: str, time: int, _line: int) -> Sequence[Fact]:
        found = _need(_TEARDOWN, text)
        protocol, moved, reason = found[1].lower(), int(found[10][:18]), found[11] or ""
        first, second = (address_of(found[3]), port_of(found[4])), (address_of(found[5]), port_of(found[6]))
        rows = self._open.open((host, found[2]))
        if rows:
            row = rows[0]
            ends = {(row.values["client"], row.values["client_port"]), (row.values["server"], row.values["server_port"])}
            if ends == {first, second}:
                row.values |= {"time_end": time, "state": _ended(protocol, moved, reason)}
                return (self._take(row),)
        # Its beginning was not logged: who opened is not said, so the well-known port is taken for the server's.
        client, server = (second, first) if first[1] <= second[1] else (first, second)
        lasted = (int(found[7][:6]) * 3600 + int(found[8]) * 60 + int(found[9])) * 1_000_000
        state = _ended(protocol, moved, reason)
        state = "midstream" if state == "established" else state
        return (Fact("flows", time - lasted, _flow(client, server, protocol, state, time)),)

    def end(self) -> Iterable[Fact]:
        return self._open.end()


def _need(pattern: re.Pattern[str], text: str) -> re.Match[str]:
    found = pattern.match(text)
    if found is None:
        raise ValueError("not as documented")
    return found


def _denied(found: re.Match[str], protocol: str, flags: str, time: int) -> Sequence[Fact]:
    """Of `source/port to target/port`, the first four groups."""
    ends = (address_of(found[1]), port_of(found[2]), address_of(found[3]), port_of(found[4]))
    return flow_of(Packet(*ends, protocol, "".join(flag[0] for flag in flags.split()), None, True), time)


def _inbound_tcp(_host: str, text: str, time: int, _line: int) -> Sequence[Fact]:
    found = _need(_INBOUND_TCP, text)
    return _denied(found, "tcp", found[5], time)


def _inbound_udp(_host: str, text: str, time: int, _line: int) -> Sequence[Fact]:
    return _denied(_need(_INBOUND_UDP, text), "udp", "", time)


def _no_connection(_host: str, text: str, time: int, _line: int) -> Sequence[Fact]:
    found = _need(_NO_CONNECTION, text)
    return _denied(found, "tcp", found[5], time)


def _by_group(_host: str, text: str, time: int, _line: int) -> Sequence[Fact]:
    """An access group denied it. The message shows no flags: a denied connection is meant, since those that stand pass."""
    found = _need(_BY_GROUP, text)
    protocol, kind = protocol_of(found[1]), found[6]
    packet = Packet(
        address_of(found[2]), port_of(found[3] or "0"), address_of(found[4]), port_of(found[5] or "0"), protocol, "S", None,
        True, int(kind[:4]) if kind else None,
    )  # fmt: skip
    return flow_of(packet, time)


def _listed(_host: str, text: str, time: int, _line: int) -> Sequence[Fact]:
    """An access list counted it; permitted is not yet answered."""
    found = _need(_LISTED, text)
    protocol = protocol_of(found[2])
    ports = (0, 0) if protocol not in ("tcp", "udp") else (port_of(found[4]), port_of(found[6]))
    client, server = (address_of(found[3]), ports[0]), (address_of(found[5]), ports[1])
    values = _flow(client, server, protocol, "attempt" if found[1] == "denied" else "tried", time)
    return (Fact("flows", time, values | {"packets_out": int(found[7][:18])}),)


def _to_device(_host: str, text: str, time: int, _line: int) -> Sequence[Fact]:
    found = _need(_TO_DEVICE, text)
    port = _SERVICES.get(found[5])
    ends = (address_of(found[2]), port_of(found[3]), address_of(found[4]), port_of(found[5]) if port is None else port)
    return flow_of(Packet(*ends, found[1].lower(), "S", None, True), time)


KIND = MessageKind("Cisco ASA", (), ("%ASA-", "%FTD-", "%PIX-", "%FWSM-"), _Parser)
