"""Suricata's EVE JSON: flow, dns (versions 1 to 3), http, smb, dcerpc, dhcp and alert events; others are passed over.

References: Suricata's "EVE JSON Format" and "EVE JSON Output"; checked against Suricata 7 run over captures. One file
each for what has a state of its own: `eve_dns` (question and answer are joined), `eve_smb` (shares and pipes by tree).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from typing import Any, Final

from wormward.evidence import values
from wormward.evidence.eve_dns import Lookups
from wormward.evidence.eve_fields import Event, number, port, text
from wormward.evidence.eve_smb import Shares, rpc_call
from wormward.evidence.files import EvidenceFile
from wormward.evidence.lines import Clock, Fact, first_lines, read_lines
from wormward.model.reading import FileRead, ReadContext
from wormward.model.text import N_

KIND: Final = "suricata-eve"
BLIND: Final = (
    N_("Suricata writes what its configuration asks for: an event that is missing may not have been logged."),
    N_("Its flows count bytes with all headers: payload sizes are not shown."),
    N_("The arguments of remote calls are not shown: whether a path call was an attack cannot be told from these events."),
)
_NO_HEADERS: Final = N_(
    "Its http events do not list request headers (dump-all-headers was off): calls home are judged without them."
)
_FIN, _SYN, _RST, _ACK = 1, 2, 4, 16
_MOST_INT = (1 << 31) - 1
_PORTED = ("tcp", "udp")
_MOST_EXCHANGES = 4096  # DHCP transactions that wait for their acknowledgement
_SPLIT_URL = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://([^/?#]*)(.*)", re.DOTALL)


def recognise(head: bytes, name: str) -> bool:  # noqa: ARG001 - names are not asked
    """True if one of the first lines is an event of Suricata's."""
    for line in first_lines(head, 5):
        try:
            event = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(event, dict) and isinstance(event.get("event_type"), str) and "timestamp" in event:
            return True
    return False


class _Events:
    """The parser of one file (see `lines.Parser`)."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lookups = Lookups()
        self._shares = Shares()
        self._names: dict[tuple[int, str], str] = {}  # of DHCP: host name by transaction and MAC
        self._headerless = False
        self._made: dict[str, Callable[[Event, int], Iterable[Fact]]] = {
            "flow": self._flow,
            "netflow": self._nothing,
            "dns": self._lookups.facts,
            "http": self._http,
            "smb": self._shares.facts,
            "dcerpc": self._rpc,
            "dhcp": self._dhcp,
            "alert": self._alert,
        }

    def line(self, text_: str, number_: int) -> Iterable[Fact] | None:
        """See `lines.Parser`."""
        try:
            raw = json.loads(text_)
        except RecursionError as error:
            raise ValueError("nested too deeply") from error
        if not isinstance(raw, dict):
            raise ValueError("no event")
        make = self._made.get(str(raw.get("event_type")))
        if make is None:
            if "event_type" not in raw:
                raise ValueError("no event")
            return None
        return make(Event(raw, self._clock.iso(str(raw.get("timestamp"))), self._clock), number_)

    def end(self) -> Iterable[Fact]:
        """See `lines.Parser`."""
        return self._lookups.end()

    def notes(self) -> tuple[str, ...]:
        """See `lines.Parser`."""
        return (*((_NO_HEADERS,) if self._headerless else ()), *self._lookups.unknown.notes())

    @staticmethod
    def _nothing(_event: Event, _line: int) -> Iterable[Fact]:
        return ()

    @staticmethod
    def _flow(event: Event, _line: int) -> Iterable[Fact]:
        flow = event.part("flow")
        client, server = event.ends()
        protocol = _protocol(event.raw.get("proto"))
        ported = protocol in _PORTED
        begin = event.clock.iso(str(flow.get("start", event.raw["timestamp"])))
        yield Fact(
            "flows",
            begin,
            {
                "time_end": event.clock.iso(str(flow["end"])) if "end" in flow else begin,
                "client": client,
                "client_port": port(event.raw, "src_port") if ported else 0,
                "server": server,
                "server_port": port(event.raw, "dest_port") if ported else 0,
                "protocol": protocol,
                "state": _state(protocol, flow, event.part("tcp")),
                "packets_out": number(flow, "pkts_toserver"),
                "packets_in": number(flow, "pkts_toclient"),
            },
        )

    def _http(self, event: Event, _line: int) -> Iterable[Fact]:
        http = event.part("http")
        client, server = event.ends()
        method, url = text(http, "http_method"), text(http, "url")
        if method is None or url is None:
            return  # an answer whose request was not seen
        whole = _SPLIT_URL.match(url)
        host = text(http, "hostname") or (whole[1] if whole else None)
        headers = http.get("request_headers")
        names = [str(h.get("name", "")) for h in headers if isinstance(h, dict)] if isinstance(headers, list) else None
        self._headerless = self._headerless or names is None
        status = number(http, "status")
        yield Fact(
            "http_requests",
            event.time_us,
            {
                "client": client,
                "client_port": port(event.raw, "src_port"),
                "server": server,
                "server_port": port(event.raw, "dest_port"),
                "method": method,
                "uri": (whole[2] or "/") if whole else url,
                "host": host,
                "user_agent": text(http, "http_user_agent"),
                "header_names": None if names is None else ",".join(names),
                "proxied": whole is not None,
                "status": status,
                "response_bytes": number(http, "length") if status is not None else None,
            },
        )

    @staticmethod
    def _rpc(event: Event, line: int) -> Iterable[Fact]:
        return rpc_call(event, event.part("dcerpc"), line, None)

    @staticmethod
    def _alert(event: Event, _line: int) -> Iterable[Fact]:
        alert = event.part("alert")
        client, server = event.ends()
        rule, signature = number(alert, "signature_id"), text(alert, "signature")
        if rule is None or signature is None:
            raise ValueError("no rule")
        protocol = _protocol(event.raw.get("proto"))
        ported = protocol in _PORTED
        severity = number(alert, "severity")
        yield Fact(
            "alerts",
            event.time_us,
            {
                "client": client,
                "client_port": port(event.raw, "src_port") if ported else 0,
                "server": server,
                "server_port": port(event.raw, "dest_port") if ported else 0,
                "protocol": protocol,
                "sensor": "Suricata",
                "generator": min(number(alert, "gid") or 1, _MOST_INT),
                "rule": rule,
                "revision": number(alert, "rev"),
                "signature": signature,
                "category": text(alert, "category"),
                "severity": None if severity is None else min(severity, _MOST_INT),
                "action": text(alert, "action"),
            },
        )

    def _dhcp(self, event: Event, _line: int) -> Iterable[Fact]:
        dhcp = event.part("dhcp")
        key = (number(dhcp, "id") or 0, (text(dhcp, "client_mac") or "").lower())
        name = text(dhcp, "hostname")
        if text(dhcp, "type") == "request":
            if name:
                if len(self._names) >= _MOST_EXCHANGES:
                    self._names.pop(next(iter(self._names)))
                self._names[key] = name
            return
        if text(dhcp, "dhcp_type") != "ack":
            return
        name = self._names.pop(key, name)
        address = next((a for a in (_usable(dhcp.get("assigned_ip")), _usable(dhcp.get("client_ip"))) if a), None)
        lease = number(dhcp, "lease_time")
        end = event.time_us + lease * 1_000_000 if lease and _usable(dhcp.get("assigned_ip")) else None
        identities = {"mac": key[1] or None, "dhcp-name": name.lower().removesuffix(".") if name else None}
        for kind, value in identities.items():
            if address and value:
                yield Fact("bindings", event.time_us, {"time_end": end, "address": address, "kind": kind, "value": value})


def _usable(value: object) -> str | None:
    """An address that somebody can have."""
    address = values.address(value.encode("utf-8", "replace")) if isinstance(value, str) else None
    return None if address in ("0.0.0.0", "::") else address  # noqa: S104 - "none", not a place to listen


def _protocol(value: object) -> str:
    """`tcp`, `udp`, `icmp`, or the number."""
    word = str(value).lower()
    if word in ("tcp", "udp", "icmp"):
        return word
    if word in ("ipv6-icmp", "icmpv6"):
        return "icmp"
    if not (word.isascii() and word.isdigit() and len(word) <= 3):
        return {"igmp": "2", "gre": "47", "esp": "50", "ah": "51", "sctp": "132"}.get(word, "0")
    return str(int(word))


def _state(protocol: str, flow: dict[str, Any], tcp: dict[str, Any]) -> str:
    """A flow's state by the TCP flags that each side sent; without them, by whether anything came back."""
    answered = bool(number(flow, "pkts_toclient"))
    out, back = _flags(tcp, "tcp_flags_ts"), _flags(tcp, "tcp_flags_tc")
    if protocol != "tcp" or out is None or back is None:
        return "established" if answered else "attempt"
    if not out & _SYN:
        return "midstream"
    if back & _SYN:
        return "established"
    return "refused" if back & _RST else "established" if back & (_ACK | _FIN) else "attempt"


def _flags(tcp: dict[str, Any], name: str) -> int | None:
    try:
        return int(str(tcp[name]), 16)
    except (KeyError, ValueError):
        return None


def read(file: EvidenceFile, context: ReadContext) -> FileRead:
    """Read one file of events. Trouble becomes problems, never an exception. Raises WorkspaceError."""
    return read_lines(file, context, KIND, _Events, blind=BLIND)
