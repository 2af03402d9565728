"""Tables for spreadsheets: `hosts.csv`, `findings.csv`, `edges.csv` (RFC 4180, UTF-8 with a byte order mark for Excel).

A text that a spreadsheet would take for a formula (it begins with one of ``= + - @``, their full-width forms, or a
tab or carriage return) gets an apostrophe before it, which spreadsheets read as "text". No address, time or number of
ours begins so; they stay as they are. Every field is quoted, several values in one are divided by ``"; "``.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from wormward.model.findings import Finding
from wormward.model.states import Assessment, Edge, Host
from wormward.report.words import NOBODYS, fill, harmless, stamp

Value = str | int | float | None
Row = TypeVar("Row")
_FORMULA = frozenset("=+-@\t\r\uff1d\uff0b\uff0d\uff20")
_BETWEEN = "; "
MOST_CELL = 32_000
"""Characters of one cell: Excel breaks a longer one (32,767) into rows that are none."""


@dataclass(frozen=True, slots=True)
class Column(Generic[Row]):
    """One column: its name, a sentence on it, and its value in a row."""

    name: str
    doc: str
    value: Callable[[Row], Value]


@dataclass(frozen=True, slots=True)
class Sheet(Generic[Row]):
    """One file: its name, a sentence on its rows, its columns."""

    name: str
    doc: str
    columns: tuple[Column[Row], ...]


def _joined(values: Iterable[str]) -> str:
    return _BETWEEN.join(values)


HOSTS: Sheet[Host] = Sheet(
    "hosts.csv",
    "One row a host, in the order of the JSON form.",
    (
        Column("site", "The host's site.", lambda h: h.site),
        Column("address", "The address by which the host is known.", lambda h: h.address),
        Column("addresses", "All addresses of it.", lambda h: _joined(h.addresses)),
        Column("device", "What it calls itself, or its address.", lambda h: h.device),
        Column("verdict", "The infection answer.", lambda h: h.verdict.value),
        Column("verdict_reason", "Why the answer is `unknown`.", lambda h: h.unknown_because and h.unknown_because.value),
        Column("exposure", "Whether the worm could get in.", lambda h: h.exposure.value),
        Column("protection", "Whether something stands in front of it.", lambda h: h.protection.value),
        Column("threat", "The threat pack's name.", lambda h: h.threat),
        Column("variant", "The variant's letter; several where the evidence cannot decide.", lambda h: _joined(h.variant)),
        Column("confidence", "Probability of the verdict, 0 to 1.", lambda h: h.confidence),
        Column("first_seen", "First sign, UTC.", lambda h: stamp(h.first_seen)),
        Column("last_seen", "Last sign, UTC.", lambda h: stamp(h.last_seen)),
        Column("infected_by", "The most likely infector.", lambda h: h.infected_by[0].start if h.infected_by else None),
        Column("way", "The most likely way in.", lambda h: h.way.value if h.way else None),
        Column("roles", "What it is besides a host.", lambda h: _joined(h.roles)),
        Column("reasons", "The sentences of the reasons, heaviest first.",
               lambda h: _joined(fill(r.sentence, r.fields) for r in h.reasons)),
        Column("findings", "Ids of the findings below the reasons.",
               lambda h: _joined(dict.fromkeys(i for r in h.reasons for i in r.findings))),
    ),
)  # fmt: skip

FINDINGS: Sheet[Finding] = Sheet(
    "findings.csv",
    "One row a finding, in the order of the JSON form.",
    (
        Column("id", "The finding's id.", lambda f: f.id),
        Column("site", "The site in which it was seen.", lambda f: f.site),
        Column("rule", "The detector's rule.", lambda f: f.rule),
        Column("kind", "What sort of thing was seen.", lambda f: f.kind.value),
        Column("actor", "Who did it.", lambda f: f.actor),
        Column("target", "To whom.", lambda f: f.target),
        Column("time", "First time, UTC.", lambda f: stamp(f.time)),
        Column("time_last", "Last time, UTC.", lambda f: stamp(f.time_last)),
        Column("count", "How many rows of evidence show it in the source that shows most.", lambda f: f.count),
        Column("variants", "Variants that do so.", lambda f: _joined(sorted(f.variants))),
        Column("vulnerability", "The hole that was tried.", lambda f: f.vulnerability),
        Column("sentence", "What was seen.", lambda f: fill(f.sentence, f.fields)),
        Column("evidence", "Where: the first twelve digits of the source's sha256, frame or line, place.",
               lambda f: _joined(f"{c.sha256[:12]} {c.unit} {c.place}" for c in f.cites)),
    ),
)  # fmt: skip

EDGES: Sheet[Edge] = Sheet(
    "edges.csv",
    "One row an infection of one host by another.",
    (
        Column("from", "Who infected.", lambda e: e.start),
        Column("to", "Who was infected.", lambda e: e.end),
        Column("time", "When, UTC.", lambda e: stamp(e.time)),
        Column("way", "Which way.", lambda e: e.way.value),
        Column("likelihood", "How likely it was this host and this way, 0 to 1.", lambda e: e.likelihood),
        Column("findings", "Ids of the findings that show it.", lambda e: _joined(e.findings)),
    ),
)
FILES = (HOSTS.name, FINDINGS.name, EDGES.name)


def sheets() -> list[tuple[str, str, list[tuple[str, str]]]]:
    """Name, sentence and columns (name, sentence) of each file, for the documentation."""
    return [
        (HOSTS.name, HOSTS.doc, [(c.name, c.doc) for c in HOSTS.columns]),
        (FINDINGS.name, FINDINGS.doc, [(c.name, c.doc) for c in FINDINGS.columns]),
        (EDGES.name, EDGES.doc, [(c.name, c.doc) for c in EDGES.columns]),
    ]


def to_csv(assessment: Assessment) -> dict[str, str]:
    """The text of each of `FILES`."""
    mark, note = assessment.tlp.label, NOBODYS if assessment.pseudonymous else ""
    return {
        HOSTS.name: table(HOSTS.columns, assessment.hosts, mark, note),
        FINDINGS.name: table(FINDINGS.columns, assessment.findings, mark, note),
        EDGES.name: table(EDGES.columns, assessment.edges, mark, note),
    }


def table(columns: Sequence[Column[Row]], rows: Iterable[Row], mark: str, note: str | None = None) -> str:
    """One file: a head of names, then the rows; `mark` (the TLP label) stands first in each, `note` (unless None) last."""
    last = () if note is None else (note,)
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerow(["tlp", *(c.name for c in columns), *("note" for _ in last)])
    for row in rows:
        writer.writerow([mark, *(cell(c.value(row)) for c in columns), *last])
    return "\ufeff" + out.getvalue()


def cell(value: Value) -> str:
    """A value as it may stand in a spreadsheet: harmless, no formula, no longer than a cell may be."""
    if not isinstance(value, str):
        return "" if value is None else str(value)
    text = harmless(value)
    text = text if len(text) <= MOST_CELL else text[: MOST_CELL - 1] + "…"
    return f"'{text}" if text[:1] in _FORMULA else text
