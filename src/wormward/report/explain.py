"""Why: one host's or one finding's tree of reasons, the cited rows themselves, and the lines that let a sceptic check them.

It reads a report in its JSON form (this run's, an earlier one's, somebody else's), so nothing in it is trusted to be
harmless.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from wormward.report import checks
from wormward.report.answers import value
from wormward.report.words import harmless, shortened

MOST_FINDINGS: Final = 8
"""Findings of one reason that are written out; the others are named."""
MOST_PLACES: Final = 6
"""Places of one file that are shown of one finding."""
_MOST_CELL: Final = 160
_HIDDEN: Final = frozenset({"row_id", "source", "place", "site", "file", "sha256"})
_SIMILAR: Final = 5

Report = Mapping[str, Any]
Rows = Callable[[str, str, Sequence[int]], list[dict[str, Any]]]
"""The rows of a table that stand at these places of a source (by digest); each has `place`."""


@dataclass(frozen=True, slots=True)
class Where:
    """Where a source lies: a path for commands, how it is packed (None: as its name says), and how its text is encoded."""

    path: str
    packed: str | None = None
    encoding: str = ""
    found: bool = True


def explain(report: Report, what: str, rows: Rows, where: Mapping[str, Where]) -> list[str]:
    """The lines that say why; `where` knows sources by digest. No lines if the report knows neither such a host nor finding.

    Raises KeyError, TypeError, ValueError or AttributeError if `report` is not of the form that it should have.
    """
    findings = {f["id"]: f for f in report["findings"]}
    names = {c["sha256"]: c["source"] for c in reversed(report["coverage"]) if c["sha256"] and not c["duplicate_of"]}
    teller = _Teller(rows, where, names)
    out: list[str] = []
    if what in findings:
        out += teller.finding(findings[what], "")
        for host in report["hosts"]:
            for reason in host["reasons"]:
                if what in reason["findings"]:
                    out.append(f"It is a reason for {_called(host)} being {host['verdict']}: {reason['sentence']}")
    for host in [h for h in report["hosts"] if _is(h, what)]:
        out += ["", *teller.host(host, findings)] if out else teller.host(host, findings)
    return [*map(harmless, out), *map(harmless, teller.digests())] if out else []


def similar(report: Report, what: str) -> list[str]:
    """Hosts of a report whose name or address has `what` in it, a few."""
    hosts = sorted({h["address"] for h in report["hosts"] if any(what.lower() in name.lower() for name in _names(h))})
    return [harmless(address) for address in hosts[:_SIMILAR]]


def cited(report: Report, what: str) -> set[str]:
    """Digests of the sources that `explain` will name."""
    ids = {what}
    for host in report["hosts"]:
        if _is(host, what):
            ids.update(i for reason in host["reasons"] for i in reason["findings"])
            ids.update(i for edge in host["infected_by"] for i in edge["findings"])
    return {cite["sha256"] for f in report["findings"] if f["id"] in ids for cite in f["cites"]}


def _names(host: Report) -> list[str]:
    return [host["address"], *host["addresses"], host["device"]]


def _is(host: Report, what: str) -> bool:
    """Whether a host is called so: by an address or a name, alone or after its site and a slash."""
    called = {name.lower() for name in _names(host) if name}
    return what.lower() in called or what.lower() in {f"{host['site']}/{name}".lower() for name in called}


def _called(host: Report) -> str:
    return host["address"] if host["device"] in ("", host["address"]) else f"{host['address']} ({host['device']})"


class _Teller:
    """Writes lines, and remembers which sources they name and which findings were told."""

    def __init__(self, rows: Rows, where: Mapping[str, Where], names: Mapping[str, str]) -> None:
        self._rows, self._where, self._names = rows, where, names
        self._told: dict[str, None] = {}
        self._sources: dict[str, None] = {}

    def host(self, host: Report, findings: Mapping[str, Report]) -> Iterator[str]:
        letters = host["variant"] if isinstance(host["variant"], list) else [host["variant"]] if host["variant"] else []
        variant = f", variant {'/'.join(letters)}" if letters else ""
        yield f"{_called(host)}, {host['site']}: {host['verdict']}{variant}, confidence {host['confidence']}"
        if host["first_seen"]:
            yield f"First sign {host['first_seen']}, last {host['last_seen']}."
        for edge in host["infected_by"]:
            yield f"Infected by {edge['address']} ({edge['way']}) with likelihood {edge['likelihood']} at {edge['time']}."
            yield from self._findings(edge["findings"], findings)
        for reason in host["reasons"]:
            yield ""
            yield f"{reason['milli'] / 1000:+.1f}  {reason['sentence']} [{reason['rule']}]"
            yield from self._findings(reason["findings"], findings)
        if host["would_decide"]:
            yield ""
            yield "What would decide:"
            yield from (f"  {sentence}" for sentence in host["would_decide"])

    def _findings(self, ids: Iterable[str], findings: Mapping[str, Report]) -> Iterator[str]:
        ids = list(ids)
        for number in ids[:MOST_FINDINGS]:
            if number in self._told:
                yield f"  {number}: see above"
            elif number in findings:
                yield from self.finding(findings[number], "  ")
        if ids[MOST_FINDINGS:]:
            yield f"  and {len(ids) - MOST_FINDINGS} more (`wormward why` shows each): {', '.join(ids[MOST_FINDINGS:][:20])}"

    def finding(self, finding: Report, indent: str) -> Iterator[str]:
        self._told[finding["id"]] = None
        yield f"{indent}{finding['id']}  {finding['time']}  {finding['sentence']} [{finding['rule']}, {_counted(finding)}]"
        places: dict[tuple[str, str], list[int]] = {}
        for cite in finding["cites"]:
            unit = next(key for key in cite if key != "sha256")
            places.setdefault((cite["sha256"], str(unit)), []).append(int(cite[unit]))
        for (sha256, unit), numbers in sorted(places.items(), key=lambda p: (self._names.get(p[0][0], ""), p[0])):
            first = sorted(set(numbers))[:MOST_PLACES]
            self._sources[sha256] = None
            more = f" and {len(set(numbers)) - len(first)} more that are cited" if len(set(numbers)) > len(first) else ""
            yield f"{indent}  {self._names.get(sha256, sha256[:12])}, {unit} {', '.join(map(str, first))}{more}"
            for row in self._rows(str(finding["table"]), sha256, first):
                yield f"{indent}    {unit} {row['place']}: {_row(row)}"
            place = self._place(sha256)
            yield f"{indent}    $ {checks.shown(place.path, unit, first, place.packed, place.encoding)}"

    def _place(self, sha256: str) -> Where:
        return self._where.get(sha256) or Where(self._names.get(sha256, sha256[:12]), found=False)

    def digests(self) -> Iterator[str]:
        """How to see that the files are those that were assessed."""
        if self._sources:
            yield ""
            yield "The files are those that were assessed if these lines give these digests:"
        for sha256 in sorted(self._sources, key=lambda s: (self._names.get(s, ""), s)):
            place = self._place(sha256)
            missing = "" if place.found else f"  (where {self._names.get(sha256, 'it')} lies is not known: go there first)"
            yield f"  $ {checks.digest(place.path, place.packed)}{missing}"
            yield f"  {sha256}"


def _counted(finding: Report) -> str:
    return f"{finding['count']} row{'' if finding['count'] == 1 else 's'}"


def _row(row: Mapping[str, Any]) -> str:
    told = ((name, content) for name, content in row.items() if name not in _HIDDEN and content not in (None, []))
    return " ".join(f"{name}={_shown(content)}" for name, content in told)


def _shown(content: Any) -> str:
    if isinstance(content, datetime):
        return str(value(content))
    text = shortened(str(value(content)), _MOST_CELL)
    return f"'{text}'" if " " in text or not text else text
