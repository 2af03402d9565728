"""Traffic, DNS and web filter lines of FortiGate (FortiOS 5 and later), as key=value pairs behind a syslog header or none.

Reference: Fortinet, "FortiOS Log Message Reference" (docs.fortinet.com, 6.0 to 7.6): types traffic, utm/dns and
utm/webfilter; `action` of a session is `deny`, `start`, or how it was closed; `eventtime` counts seconds (6.0) or
nanoseconds (6.2 and later) since 1970.

A session is one row, written when it ended; what was logged at its start or meanwhile stands for it only if no end was
logged. Limitations: byte counts are the device's own. A web filter line is used only where it shows the request's
method (`httpmethod`, or `rawdata` of extended logging).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

from wormward.evidence.lines import Clock, Fact
from wormward.evidence.messages.base import Message, MessageKind, Row, Waiting, address_of, count_of, port_of
from wormward.evidence.messages.cards import Cards
from wormward.evidence.messages.packets import protocol_of
from wormward.model.site import Site

_PAIR = re.compile(r'(\w+)=("[^"\\]*(?:\\.[^"\\]*)*"|[^\s,"]*)')
_MAC = re.compile(r"(?:[0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}$")
_METHOD, _AGENT = re.compile(r"(?:^|\|)Method=([^|]*)"), re.compile(r"(?:^|\|)User-Agent=([^|]*)")
_DATE = re.compile(r"\d{4}-\d\d-\d\d$")
_CLOCK_TIME = re.compile(r"\d\d:\d\d:\d\d$")
_OFFSET = re.compile(r"[+-]\d\d:?\d\d$")
_UNITS = {10: 1_000_000, 13: 1000, 16: 1}  # digits of `eventtime`: microseconds in one
_NANOSECONDS = 19
_STATISTICS = "20"
"""Last digits of the log id of a session that goes on."""
_MOST: Final = 1 << 16
_MOST_DNS: Final = 8192


class _Fields:
    """The pairs of one line; called with a key it gives the value, empty where it has none."""

    __slots__ = ("_pairs",)

    def __init__(self, text: str) -> None:
        self._pairs: dict[str, str] = dict(_PAIR.findall(text))

    def __call__(self, key: str) -> str:
        """The value of a key, without its quotes."""
        value = self._pairs.get(key, "")
        return value[1:-1] if value[:1] == '"' else value


def _state(f: _Fields, protocol: str, received: int | None) -> str:
    """State of a session by its action and what came back."""
    action = f("action")
    if action == "start":
        return "tried"  # how it ended was not logged
    if action in ("deny", "ip-conn", "dns", "blocked"):
        return "attempt"
    if not received:
        return "attempt"
    # One packet came back and it was the server's reset: nobody listened.
    return "refused" if protocol == "tcp" and action == "server-rst" and received == 1 else "established"


def _bytes(text: str) -> int | None:
    """A device's own count; one that no session can have says nothing, and the session stands without it."""
    try:
        return count_of(text)
    except ValueError:
        return None


class _Parser:
    def __init__(self, site: Site, clock: Clock) -> None:
        self._clock = clock
        self._cards = Cards(site)
        self._sessions = Waiting(_MOST)
        self._lookups = Waiting(_MOST_DNS)

    def message(self, message: Message) -> Sequence[Fact] | None:
        f = _Fields(message.text)
        kind = f("type")
        if not f("logid") and not (f("srcip") and f("dstip")):
            return None  # a collector may have left its number out, but a session has two ends
        if kind == "traffic":
            return self._session(f, message)
        if kind == "dns" or (kind == "utm" and f("subtype") == "dns"):
            return self._lookup(f, message)
        if kind == "utm" and f("subtype") == "webfilter":
            return self._request(f, message)
        return () if kind and f("logid") else None

    def _time(self, f: _Fields, message: Message) -> int:
        """When the line was made: by its own clock, else by syslog's."""
        made = f("eventtime")
        if made.isascii() and made.isdigit():
            if len(made) == _NANOSECONDS:
                return self._clock.epoch(made[:10]) + int(made[10:16])
            if len(made) in _UNITS:
                return self._clock.epoch(made[:10]) + int(made[10:] or 0) * _UNITS[len(made)]
        date, time, zone = f("date"), f("time"), f("tz")
        if _DATE.match(date) and _CLOCK_TIME.match(time):
            return self._clock.iso(f"{date}T{time}{zone if _OFFSET.match(zone) else ''}")
        return message.time()

    def _session(self, f: _Fields, message: Message) -> Sequence[Fact]:
        time, protocol = self._time(f, message), protocol_of(f("proto"))
        client = address_of(f("srcip"))
        received, sent = count_of(f("rcvdpkt")), count_of(f("sentpkt"))
        back = _bytes(f("rcvdbyte"))
        lasted = min(count_of(f("duration")) or 0, 1 << 31) * 1_000_000
        ported = protocol in ("tcp", "udp")
        values: dict[str, Any] = {
            "time_end": time, "client": client, "client_port": port_of(f("srcport") or "0") if ported else 0,
            "server": address_of(f("dstip")), "server_port": port_of(f("dstport") or "0") if ported else 0,
            "protocol": protocol, "state": _state(f, protocol, back if received is None else received),
            "bytes_out": _bytes(f("sentbyte")), "bytes_in": back, "packets_out": sent, "packets_in": received,
        }  # fmt: skip
        self._card(f, client, time, message.number)
        key = (f("devid") or message.host, f("vd"), f("sessionid"))
        before = list(self._sessions.open(key))
        for row in before:
            self._sessions.take(row)
        lines = {"place": min([message.number, *(row.values["place"] for row in before)])}
        same = [row for row in before if row.values["client"] == client and row.values["server"] == values["server"]]
        others = [row.fact() for row in before if row not in same]  # the number was given anew
        begin = min([time - lasted, *(row.time_us for row in same)])
        goes_on = f("action") == "start" or f("logid").endswith(_STATISTICS)
        if f("sessionid") and goes_on:
            return [*others, *self._sessions.add(Row(key, "flows", begin, values | lines))]
        return [*others, Fact("flows", begin, values | lines)]

    def _card(self, f: _Fields, client: str, time: int, line: int) -> None:
        card = f("srcmac")
        if _MAC.match(card):
            self._cards.saw(card, client, time, line)

    def _lookup(self, f: _Fields, message: Message) -> Sequence[Fact]:
        name, what = f("qname"), f("eventtype")
        if not name:
            return ()
        time, client, server = self._time(f, message), address_of(f("srcip")), f("dstip")
        self._card(f, client, time, message.number)
        key = (f("devid") or message.host, f("sessionid"), f("xid"), client, name, f("qtype"))
        values: dict[str, Any] = {
            "place": message.number, "client": client, "server": address_of(server) if server else None, "name": name,
            "qtype": f("qtype") or None,
        }  # fmt: skip
        if what != "dns-response":
            return self._lookups.add(Row(key, "dns_queries", time, values))
        asked = list(self._lookups.open(key))[:1]
        for row in asked:
            self._lookups.take(row)
            values, time = row.values, row.time_us
        answers = [item for item in re.split(r"[,;\s]+", f("ipaddr")) if item]
        if answers:
            values |= {"rcode": "NOERROR", "answers": answers}
        return (Fact("dns_queries", time, values),)

    def _request(self, f: _Fields, message: Message) -> Sequence[Fact]:
        raw = f("rawdata")
        shown = _METHOD.search(raw)
        method = f("httpmethod") or (shown[1] if shown else "")
        if not method or not f("hostname"):
            return ()
        time, client = self._time(f, message), address_of(f("srcip"))
        self._card(f, client, time, message.number)
        agent = _AGENT.search(raw)
        scheme, whole, rest = f("url").partition("://")
        uri = "/" + rest.partition("/")[2] if whole and scheme.isalpha() else f("url")
        values = {
            "client": client, "client_port": port_of(f("srcport") or "0"), "server": address_of(f("dstip")),
            "server_port": port_of(f("dstport") or "0"), "method": method, "uri": uri or "/", "host": f("hostname"),
            "user_agent": f("agent") or (agent[1] if agent else None),
        }  # fmt: skip
        return (Fact("http_requests", time, values),)

    def end(self) -> Iterable[Fact]:
        return [*self._sessions.end(), *self._lookups.end(), *self._cards.facts()]


KIND = MessageKind("FortiGate", (), ("logid=", 'type="traffic"', "type=traffic "), _Parser)
