"""Lookups and leases in dnsmasq's log (`log-queries`, with or without `extra`), in its own file or in syslog.

References: dnsmasq(8); `log_query` of dnsmasq's `cache.c` and `log_packet` of its `rfc2131.c`; checked against a running
dnsmasq 2.90. Pi-hole's FTL writes the same lines and some sources of its own.

A query and what was said to it are lines of their own. With `extra` a number ties them together. Without it they are
joined by name and kind of record: an answer out of the cache or a file follows its query, an answer from upstream goes
to all who wait for it.

Limitations: without `extra` an upstream error names no lookup and is passed over; a name that dnsmasq finds unprintable
is not in the log.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from ipaddress import ip_address

from wormward.evidence.lines import Clock, Fact
from wormward.evidence.messages.base import Message, MessageKind, Row, Waiting, address_of
from wormward.evidence.messages.cards import lease
from wormward.evidence.values import address
from wormward.model.site import Site
from wormward.wire.dns import QTYPES

_LINE = re.compile(
    r"(?:(\d+) (?:\*|\S+/\d+) )?(?:"
    r"query\[([^\]]{1,40})\] (.*) from (\S+)$"
    r"|(reply|cached(?:-stale)?|config|DHCP|auth|/\S*|(?:gravity|regex|exactly) (?:blocked|denied|blacklisted)) (.*?) is (.*)"
    r"|(?:forwarded|validation|dnssec-query|dnssec-retry|auth|ipset|nftset)[ \[])"
)
_LEASE = re.compile(r"(?:\d+ )?DHCPACK\(\S+\) (\S+) ((?:[0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2})(?: (\S+))?$")
_LEASE6 = re.compile(r"(?:\d+ )?DHCPREPLY\(\S+\) (\S+) (?:[0-9a-fA-F]{2}:)+[0-9a-fA-F]{2}(?: (\S+))?$")
_DHCP = re.compile(r"(?:\d+ )?DHCP[A-Z0-9]+\(\S+\) ")
_MOST, _MOST_US = 8192, 60_000_000
_MOST_ANSWERS = 256
_NOTHING = "nothing"
_UNPRINTABLE = "<name unprintable>"
_CODES = frozenset({"SERVFAIL", "REFUSED", "NOTIMP", "FORMERR"})
_NUMBERED = re.compile(r"type=(\d{1,5})$")


class _Run:
    """Lines of one answer that stand together: whose they are, the aliases on the way, what it holds."""

    __slots__ = ("kind", "names", "next_is_alias", "rows", "way")

    def __init__(self, rows: Sequence[Row], name: str) -> None:
        self.rows = rows  # candidates; those it is for, once a line told its `kind`
        self.names = {name}
        self.way: list[str] = []
        self.next_is_alias = False
        self.kind = ""

    def goes_on(self, name: str, value: str) -> bool:
        """Whether a line is one more of this answer."""
        return self.next_is_alias or (name.lower() in self.names and _kind(value) == self.kind != _NOTHING)


class _Lookups:
    """Queries and answers of one file."""

    def __init__(self) -> None:
        self._waiting = Waiting(_MOST)
        self._runs: dict[str, _Run] = {}  # by host

    def asked(self, message: Message, number: str | None, qtype: str, name: str, client: str) -> Sequence[Fact]:
        self.other(message.host)
        if name == _UNPRINTABLE:
            return ()
        kind = _NUMBERED.match(qtype)
        values = {
            "place": message.number, "client": address_of(client), "name": name,
            "qtype": QTYPES.get(int(kind[1]), f"TYPE{int(kind[1])}") if kind else qtype,
        }  # fmt: skip
        key = (message.host, number) if number else (message.host, name.lower())
        return self._waiting.add(Row(key, "dns_queries", message.time(), values))

    def answered(self, message: Message, number: str | None, source: str, name: str, value: str) -> None:
        if number:
            self._numbered(message.host, number, name, value)
            return
        if name == "error" and value.split(" ", 1)[0] in _CODES:
            return
        run = self._runs.get(message.host)
        if run is None or not run.goes_on(name, value):
            key = (message.host, _asked_name(name))
            since = message.time() - _MOST_US
            waiting = [row for row in self._waiting.open(key) if row.time_us >= since]
            upstream = source == "reply"
            run = self._runs[message.host] = _Run(waiting if upstream else waiting[-1:], name.lower())
            if len(self._runs) > _MOST:
                self._runs.pop(next(iter(self._runs)))
        self._went_on(run, name, value)

    def _went_on(self, run: _Run, name: str, value: str) -> None:
        """One more line of an answer."""
        if run.next_is_alias and name.lower() not in run.names and len(run.way) < _MOST_ANSWERS:
            run.names.add(name.lower())
            run.way.append(name)
        run.next_is_alias = value == "<CNAME>"
        if run.next_is_alias:
            return
        if not run.kind:
            run.rows = [row for row in run.rows if _fits(row.values["qtype"], value)]
            run.kind = _kind(value)
            for row in run.rows:
                _say(row, run.way, value)
                self._waiting.settle(row)
        else:
            for row in run.rows:
                _say(row, (), value)

    def _numbered(self, host: str, number: str, name: str, value: str) -> None:
        """A line that says itself which query it belongs to."""
        for row in self._waiting.open((host, number)):
            if name == "error":
                row.values["rcode"] = value.split(" ", 1)[0]
                continue
            known = row.values.get("answers") or []
            low = name.lower()
            way = [] if low in (row.values["name"].lower(), *map(str.lower, known)) or _asked_name(name) != low else [name]
            _say(row, way, value)

    def other(self, host: str) -> None:
        """A line of another kind ends an answer."""
        self._runs.pop(host, None)

    def end(self) -> Iterable[Fact]:
        return self._waiting.end()


def _asked_name(name: str) -> str:
    """The name that was asked for where the log shows an address in its place (`reply 192.0.2.7 is web.example`)."""
    try:
        return ip_address(name).reverse_pointer
    except ValueError:
        return name.lower()


def _kind(value: str) -> str:
    """What several lines of one answer have in common; an answer without records has one line."""
    if value in ("NXDOMAIN", "<CNAME>") or value.startswith("NODATA"):
        return _NOTHING
    found = address(value.encode("utf-8", "replace"))
    return "text" if found is None else "6" if ":" in found else "4"


def _fits(qtype: str, value: str) -> bool:
    """Whether a lookup of `qtype` can have got this answer."""
    if value == "NXDOMAIN" or qtype == "ANY":
        return True
    if value == "NODATA":
        return qtype not in ("A", "AAAA")
    found = address(value.encode("utf-8", "replace"))
    if value in ("NODATA-IPv4", "NODATA-IPv6") or found is not None:
        wide = value == "NODATA-IPv6" or (found is not None and ":" in found)
        return qtype == ("AAAA" if wide else "A")
    return qtype not in ("A", "AAAA")


def _say(row: Row, way: Sequence[str], value: str) -> None:
    """Add what an answer line says; aliases on the `way` come first."""
    answers = [*(row.values.get("answers") or ()), *way]
    if value == "NXDOMAIN":
        row.values["rcode"] = "NXDOMAIN"
    elif value != "<CNAME>":
        row.values["rcode"] = "NOERROR"
    if address(value.encode("utf-8", "replace")) is not None or (row.values["qtype"] == "PTR" and not value.startswith("NODATA")):
        answers.append(value)
    # What other records hold is shown in part only: no answers are claimed then.
    elif value not in ("NXDOMAIN", "<CNAME>") and not value.startswith("NODATA"):
        return
    row.values["answers"] = answers[:_MOST_ANSWERS]


class _Parser:
    def __init__(self, _site: Site, _clock: Clock) -> None:
        self._lookups = _Lookups()

    def message(self, message: Message) -> Sequence[Fact] | None:
        if message.program == "dnsmasq-dhcp":
            return self._lease(message)
        found = _LINE.match(message.text)
        if found is None:
            return None
        number, qtype, name, client, source, answered, value = found.group(1, 2, 3, 4, 5, 6, 7)
        if qtype is not None:
            return self._lookups.asked(message, number, qtype, name, client)
        if source is not None:
            self._lookups.answered(message, number, source, answered, value)
        else:
            self._lookups.other(message.host)
        return ()

    @staticmethod
    def _lease(message: Message) -> Sequence[Fact] | None:
        text = message.text
        if found := _LEASE.match(text):
            return lease(message.time(), address_of(found[1]), found[2], found[3])
        if found := _LEASE6.match(text):
            return lease(message.time(), address_of(found[1]), None, found[2])
        return () if _DHCP.match(text) else None

    def end(self) -> Iterable[Fact]:
        return self._lookups.end()


KIND = MessageKind("dnsmasq", ("dnsmasq", "dnsmasq-dhcp"), (), _Parser)
