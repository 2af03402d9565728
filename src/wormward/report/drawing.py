"""Where things stand in the two drawings of the HTML report: the infection graph and the timeline. Numbers only.

The graph is what epidemiology calls a transmission tree: time runs to the right, each infected host is a line that
begins when it was infected, and a line goes down to it from its most likely infector. Under a host its latest victim
stands first, so that no line crosses another. Coordinates are whole pixels: the same assessment, the same drawing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from wormward.model.findings import Finding, Kind
from wormward.model.states import Assessment, Edge, Host, Infection
from wormward.report.words import minute

MOST_HOSTS = 150
"""A drawing of more is no drawing; the report says how many were left out."""
ILL = (Infection.INFECTED, Infection.SUSPECTED)
Key = tuple[str, str]

WIDTH = 1040
TOP = 34
ROW = 24
LEFT = 170
RIGHT = 24
MARKER_GRID = 5
"""Markers of one kind and host nearer than this many pixels are drawn once."""

TREE_ROW = 34
TREE_LEFT = 40
TREE_RIGHT = 260
"""Room for the words beside a host that was infected last."""
TREE_STEP = 22
"""A victim stands at least this far to the right of its infector, however fast it went."""


@dataclass(frozen=True, slots=True)
class Axis:
    """Time to pixels: `begin` at `left`, `span` seconds over `pixels`."""

    begin: datetime
    span: float
    left: int
    pixels: int

    def place(self, time: datetime) -> int:
        """The pixel of a time, within the axis."""
        seconds = min(max((time - self.begin).total_seconds(), 0.0), self.span)
        return self.left + round(seconds * self.pixels / self.span)

    def ticks(self) -> tuple[Tick, ...]:
        """At most eight round times, labelled with the date where the date changes."""
        return tuple(Tick(self.place(t), label) for t, label in _ticks(self.begin, timedelta(seconds=self.span)))


@dataclass(frozen=True, slots=True)
class Tick:
    """One labelled time of the axis."""

    x: int
    label: str


@dataclass(frozen=True, slots=True)
class Node:
    """One host in the tree: where its line begins and ends; `edge` from its infector, if that is drawn."""

    host: Host
    x: int
    y: int
    end: int
    edge: Edge | None
    above: int  # where the infector's line is, if `edge`


@dataclass(frozen=True, slots=True)
class Graph:
    """The whole drawing, `left_out` hosts not in it."""

    width: int
    height: int
    nodes: tuple[Node, ...]
    ticks: tuple[Tick, ...]
    left_out: int


def graph(assessment: Assessment) -> Graph | None:
    """Lay out every infected host under its most likely infector; None if nobody is infected."""
    hosts = sorted((h for h in assessment.hosts if h.verdict is Infection.INFECTED), key=_by_time)
    drawn = {(h.site, h.address): h for h in hosts[:MOST_HOSTS]}
    if not drawn:
        return None
    axis = _axis(list(drawn.values()), TREE_LEFT, WIDTH - TREE_LEFT - TREE_RIGHT)
    parents = {key: p for key, h in drawn.items() if h.infected_by and (p := (h.site, h.infected_by[0].start)) in drawn}
    columns = _columns(drawn, parents, axis)
    rows = _rows(drawn, parents, columns)
    nodes = tuple(
        Node(
            host=h,
            x=columns[key],
            y=rows[key],
            end=max(columns[key], axis.place(h.last_seen) if h.last_seen else 0),
            edge=h.infected_by[0] if key in parents else None,
            above=rows[parents[key]] if key in parents else 0,
        )
        for key, h in drawn.items()
    )
    width = max(WIDTH, max(columns.values()) + TREE_RIGHT)
    return Graph(width, TOP + len(nodes) * TREE_ROW + 8, nodes, axis.ticks(), len(hosts) - len(drawn))


def _by_time(host: Host) -> tuple[str, str, str]:
    return (minute(host.first_seen), host.site, host.address)


def _axis(hosts: Sequence[Host], left: int, pixels: int) -> Axis:
    begin = min(h.first_seen for h in hosts if h.first_seen)
    end = max(h.last_seen for h in hosts if h.last_seen)
    return Axis(begin, max((end - begin).total_seconds(), 60.0), left, pixels)


def _columns(drawn: Mapping[Key, Host], parents: Mapping[Key, Key], axis: Axis) -> dict[Key, int]:
    """Where each host's line begins: when it was infected, and right of its infector."""
    columns: dict[Key, int] = {}
    for key, host in drawn.items():
        chain = [key]  # an infector may come later in the order of first signs than its victim
        while chain[-1] in parents and parents[chain[-1]] not in columns:
            chain.append(parents[chain[-1]])
        for link in reversed(chain):
            own = drawn[link]
            began = own.infected_by[0].time if link in parents else own.first_seen or axis.begin
            least = columns[parents[link]] + TREE_STEP if link in parents else 0
            columns[link] = max(axis.place(began), least)
        columns.setdefault(key, axis.place(host.first_seen or axis.begin))
    return columns


def _rows(drawn: Mapping[Key, Host], parents: Mapping[Key, Key], columns: Mapping[Key, int]) -> dict[Key, int]:
    """Which line each host stands on: first hosts by time, under each its victims, the latest first."""
    children: dict[Key | None, list[Key]] = {}
    for key in drawn:
        children.setdefault(parents.get(key), []).append(key)
    # An explicit stack: a chain of infections may be longer than Python's own.
    todo = list(reversed(children.get(None, ())))
    rows: dict[Key, int] = {}
    while todo:
        key = todo.pop()
        rows[key] = TOP + 22 + len(rows) * TREE_ROW
        todo += sorted(children.get(key, ()), key=lambda k: (columns[k], k))
    return rows


@dataclass(frozen=True, slots=True)
class Mark:
    """One or more findings of a kind about one host at one place."""

    x: int
    kind: Kind
    acted: bool
    count: int
    first: Finding


@dataclass(frozen=True, slots=True)
class Row:
    """One host's line: from its first to its last sign."""

    host: Host
    y: int
    x1: int
    x2: int
    marks: tuple[Mark, ...]


@dataclass(frozen=True, slots=True)
class Timeline:
    """The whole drawing, `left_out` hosts not in it."""

    width: int
    height: int
    rows: tuple[Row, ...]
    ticks: tuple[Tick, ...]
    kinds: tuple[Kind, ...]
    left_out: int


def timeline(assessment: Assessment) -> Timeline | None:
    """One line a host that is infected or suspected; None if there is none."""
    hosts = sorted((h for h in assessment.hosts if h.verdict in ILL and h.first_seen), key=_by_time)
    drawn = hosts[:MOST_HOSTS]
    if not drawn:
        return None
    axis = _axis(drawn, LEFT, WIDTH - LEFT - RIGHT)
    told = _about(assessment)
    rows = []
    for i, host in enumerate(drawn):
        counted = {i for r in host.reasons if r.milli > 0 for i in r.findings}
        marks: dict[tuple[int, Kind, bool], Mark] = {}
        for f in told.get((host.site, host.address), ()):
            if f.id in counted:
                _mark(marks, f, axis.place(f.time), f.actor == host.address)
        x1, x2 = axis.place(host.first_seen or axis.begin), axis.place(host.last_seen or axis.begin)
        rows.append(Row(host, TOP + i * ROW + ROW // 2, x1, x2, tuple(marks.values())))
    kinds = tuple(k for k in Kind if any(m.kind is k for r in rows for m in r.marks))
    return Timeline(WIDTH, TOP + len(drawn) * ROW + 12, tuple(rows), axis.ticks(), kinds, len(hosts) - len(drawn))


def _about(assessment: Assessment) -> dict[tuple[str, str], list[Finding]]:
    """Findings by each host that takes part in them."""
    told: dict[tuple[str, str], list[Finding]] = {}
    for f in assessment.findings:
        for address in dict.fromkeys((f.actor, f.target)):
            if address:
                told.setdefault((f.site, address), []).append(f)
    return told


def _mark(marks: dict[tuple[int, Kind, bool], Mark], finding: Finding, x: int, acted: bool) -> None:
    key = (x // MARKER_GRID, finding.kind, acted)
    old = marks.get(key)
    marks[key] = Mark(old.x, old.kind, acted, old.count + 1, old.first) if old else Mark(x, finding.kind, acted, 1, finding)


_STEPS = (
    60,
    300,
    900,
    1800,
    3600,
    3 * 3600,
    6 * 3600,
    12 * 3600,
    86400,
    2 * 86400,
    7 * 86400,
    30 * 86400,
    91 * 86400,
    365 * 86400,
)


def _ticks(begin: datetime, span: timedelta) -> list[tuple[datetime, str]]:
    """At most eight round times, labelled with the date where the date changes."""
    step = next((s for s in _STEPS if span.total_seconds() / s <= 8), _STEPS[-1] * 10)
    at = datetime.fromtimestamp(-(-int(begin.timestamp()) // step) * step, begin.tzinfo)
    ticks: list[tuple[datetime, str]] = []
    while at <= begin + span:
        date, clock = f"{at:%Y-%m-%d}", f"{at:%H:%M}"
        new_day = not ticks or ticks[-1][0].date() != at.date()
        ticks.append((at, f"{date} {clock}" if new_day and step < 86400 else date if step >= 86400 else clock))
        at += timedelta(seconds=step)
    return ticks
