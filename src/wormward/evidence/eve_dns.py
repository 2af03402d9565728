"""Suricata's dns events: question and answer are events of their own and are joined here to one row.

Version 1 writes an event for each answer record, version 2 one for each answer with `answers` or `grouped`, version 3
(Suricata 8) names `queries` in both.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from wormward.evidence.columns import Unknown
from wormward.evidence.eve_fields import Event, number, port, text
from wormward.evidence.lines import Fact

MOST_WAITING: Final = 1 << 16
"""Questions that wait for their answers; beyond, the oldest stays unanswered."""
_DNS_PORTS = frozenset({53})
_TOGETHER_US = 2_000_000  # records of one answer are written at the same time
_Key = tuple[str, int, str, int, int]  # client, its port, server, its port, transaction


@dataclass(slots=True)
class _Waiting:
    """A question, and what has come of its answer."""

    name: str
    qtype: str | None
    time_us: int
    line: int
    rcode: str | None = None
    answers: list[str] | None = None
    answered_us: int = 0


_VERSIONS: Final = ("1", "2", "3")


class Lookups:
    """Joins the dns events of one file."""

    def __init__(self) -> None:
        self._waiting: dict[_Key, _Waiting] = {}
        self._last_us = 0
        self.unknown = Unknown((), _VERSIONS)

    def facts(self, event: Event, line: int) -> Iterator[Fact]:
        """Rows that an event completes."""
        dns = event.part("dns")
        kind = text(dns, "type")
        source, destination = event.ends()
        ports = port(event.raw, "src_port"), port(event.raw, "dest_port")
        version = dns.get("version")
        if version is not None:
            self.unknown.version(str(version))
        if kind in ("query", "request"):
            yield from self._question(event, dns, (source, ports[0], destination, ports[1], number(dns, "id") or 0), line)
        elif kind in ("answer", "response"):
            # An answer event of Suricata's has the answering side as its source; some versions keep the flow's direction.
            turned = ports[0] in _DNS_PORTS or ports[1] not in _DNS_PORTS
            ends = (destination, ports[1], source, ports[0]) if turned else (source, ports[0], destination, ports[1])
            yield from self._answer(event, dns, (*ends, number(dns, "id") or 0), line)

    def _question(self, event: Event, dns: dict[str, Any], key: _Key, line: int) -> Iterator[Fact]:
        before = self._waiting.pop(key, None)
        if before is not None:
            yield _row(key, before)
        asked = _asked(dns)
        if asked is None:
            return
        if len(self._waiting) >= MOST_WAITING:
            oldest = next(iter(self._waiting))
            yield _row(oldest, self._waiting.pop(oldest))
        self._waiting[key] = _Waiting(*asked, event.time_us, line)

    def _answer(self, event: Event, dns: dict[str, Any], key: _Key, line: int) -> Iterator[Fact]:
        waiting = self._waiting.get(key)
        if waiting is None:
            asked = _asked(dns)
            if asked is None:
                return
            waiting = _Waiting(*asked, event.time_us, line)
        records = list(_records(dns))
        if "answers" in dns or "grouped" in dns or number(dns, "version") is not None:
            self._waiting.pop(key, None)
            waiting.rcode, waiting.answers, waiting.line = text(dns, "rcode"), records, line
            yield _row(key, waiting)
            return
        # Version 1: more records of the same answer may follow, all written together.
        if waiting.answers is not None and event.time_us - waiting.answered_us > _TOGETHER_US:
            yield _row(key, waiting)
            asked = _asked(dns)
            waiting = _Waiting(*(asked or (waiting.name, waiting.qtype)), event.time_us, line)
        waiting.rcode = text(dns, "rcode") or waiting.rcode
        waiting.answers = [*(waiting.answers or ()), *records]
        waiting.answered_us, waiting.line = event.time_us, line
        self._waiting[key] = waiting

    def end(self) -> Iterable[Fact]:
        """Questions whose answers never came, or may still have grown."""
        rows = [_row(key, waiting) for key, waiting in self._waiting.items()]
        self._waiting.clear()
        return rows


def _asked(dns: dict[str, Any]) -> tuple[str, str | None] | None:
    """Name and type of the first question."""
    queries = dns.get("queries")
    question = queries[0] if isinstance(queries, list) and queries and isinstance(queries[0], dict) else dns
    name = question.get("rrname")
    return (name or ".", text(question, "rrtype")) if isinstance(name, str) else None


def _records(dns: dict[str, Any]) -> Iterator[str]:
    """Addresses and names of the answer section, as captures give them."""
    answers = dns.get("answers")
    if isinstance(answers, list):
        for record in answers:
            if isinstance(record, dict):
                yield from _data(record)
    elif isinstance(grouped := dns.get("grouped"), dict):
        for kind in grouped:
            for data in grouped[kind] if isinstance(grouped[kind], list) else ():
                yield from _data({"srv": data} if isinstance(data, dict) else {"rdata": data})
    elif "rdata" in dns:
        yield from _data(dns)


def _data(record: dict[str, Any]) -> Iterator[str]:
    service = record.get("srv")
    if isinstance(service, dict) and (name := text(service, "name")):
        parts = [str(number(service, part) or 0) for part in ("priority", "weight", "port")]
        yield " ".join([*parts, name.removesuffix(".")])
    elif data := text(record, "rdata"):
        yield data


def _row(key: _Key, waiting: _Waiting) -> Fact:
    client, _, server, _, _ = key
    return Fact(
        "dns_queries",
        waiting.time_us,
        {
            "place": waiting.line,
            "client": client,
            "server": server,
            "name": waiting.name,
            "qtype": waiting.qtype,
            "rcode": waiting.rcode,
            "answers": waiting.answers,
        },
    )
