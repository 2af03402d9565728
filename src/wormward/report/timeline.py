"""When it happened: how the number of infected hosts grew, and a line for each host or, of many hosts, each network.

Where things stand, in whole pixels; no words. Nothing is cut: every infected or suspected host is in the lines, one by
one or counted in those of its network, and the networks with fewest of them are one line together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from ipaddress import ip_address, ip_network

from wormward.model.findings import Finding, Kind
from wormward.model.states import Assessment, Host, Infection
from wormward.report.axis import Axis, Tick, axis, ill

MOST_HOSTS = 48
"""So many hosts have a line each; of more, networks have."""
MOST_NETWORKS = 30
BUCKETS = 24
"""So many equal parts of the time: the bars, the cells of networks, the lines of the table."""
PREFIX = {4: 24, 6: 64}
"""How long the prefix of a network is where the site says nothing of its own."""

WIDTH = 1040
LEFT = 190
RIGHT = 30
CURVE_TOP = 40
CURVE = 110
"""Height of the curve in pixels."""
LINES_TOP = CURVE_TOP + CURVE + 26
ROW = 22
MERGED = 24
"""Marks of one kind and host in the same so many pixels are drawn once."""
MARK = 15
"""Width of a mark: what would stand on another stands beside it."""
MOST_SHIFT = 90
"""A mark that would stand further than this from its time is not drawn, but counted."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One part of the time: when it is, how many hosts were infected in it and by its end, how many came under suspicion."""

    begin: datetime
    end: datetime
    infected: int
    total: int
    suspected: int
    x: int
    width: int
    y: int
    height: int
    line: int  # where the curve is at its end


@dataclass(frozen=True, slots=True)
class Mark:
    """One or more findings of a kind about one host at one place."""

    x: int
    kind: Kind
    acted: bool
    count: int
    first: Finding


@dataclass(frozen=True, slots=True)
class Line:
    """One host's line: from its first to its last sign."""

    host: Host
    y: int
    x1: int
    x2: int
    marks: tuple[Mark, ...]


@dataclass(frozen=True, slots=True)
class Cell:
    """Hosts of one network whose first sign lies in one part of the time; `shade` 1 (few) to 4 (most)."""

    x: int
    count: int
    shade: int


@dataclass(frozen=True, slots=True)
class Network:
    """One network's line; `network` is empty for those that have no line of their own."""

    site: str
    network: str
    y: int
    hosts: int
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Timeline:
    """The whole drawing: either `lines` or `networks` are empty."""

    width: int
    height: int
    cell: int  # width of one part of the time
    bars: tuple[Bar, ...]
    curve: str  # the points of an SVG polyline
    lines: tuple[Line, ...]
    networks: tuple[Network, ...]
    ticks: tuple[Tick, ...]
    kinds: tuple[Kind, ...]
    hosts: int
    unplaced: int  # marks that had no room


def timeline(assessment: Assessment) -> Timeline | None:
    """The drawing of all hosts that are infected or suspected; None if there is none."""
    hosts = ill(assessment, Infection.INFECTED, Infection.SUSPECTED)
    if not hosts:
        return None
    # Whole pixels a part, so that bars and cells stand side by side.
    cell = (WIDTH - LEFT - RIGHT) // BUCKETS
    scale = axis(hosts, LEFT, cell * BUCKETS)
    bars = _bars(hosts, scale, cell)
    lines, unplaced = _lines(assessment, hosts, scale) if len(hosts) <= MOST_HOSTS else ((), 0)
    networks = () if lines else _networks(hosts, scale, cell)
    kinds = tuple(k for k in Kind if any(m.kind is k for line in lines for m in line.marks))
    curve = " ".join([f"{LEFT},{CURVE_TOP + CURVE}", *(f"{b.x + b.width},{b.line}" for b in bars)])
    height = LINES_TOP + (len(lines) + len(networks)) * ROW + 10
    return Timeline(WIDTH, height, cell, bars, curve, lines, networks, scale.ticks(), kinds, len(hosts), unplaced)


def _bars(hosts: Sequence[Host], scale: Axis, cell: int) -> tuple[Bar, ...]:
    new = Counter((scale.bucket(h.first_seen, BUCKETS), h.verdict) for h in hosts if h.first_seen)
    most = max([1, *(new[i, Infection.INFECTED] for i in range(BUCKETS))])
    infected = max(1, sum(h.verdict is Infection.INFECTED for h in hosts))
    step = timedelta(seconds=scale.span / BUCKETS)
    bars, total = [], 0
    for i in range(BUCKETS):
        count = new[i, Infection.INFECTED]
        total += count
        height = round(count * (CURVE - 18) / most)
        bars.append(
            Bar(
                begin=scale.begin + i * step,
                end=scale.begin + (i + 1) * step,
                infected=count,
                total=total,
                suspected=new[i, Infection.SUSPECTED],
                x=scale.left + i * cell,
                width=cell,
                y=CURVE_TOP + CURVE - height,
                height=height,
                line=CURVE_TOP + CURVE - round(total * (CURVE - 8) / infected),
            )
        )
    return tuple(bars)


def _lines(assessment: Assessment, hosts: Sequence[Host], scale: Axis) -> tuple[tuple[Line, ...], int]:
    told = _about(assessment)
    lines, unplaced = [], 0
    for i, host in enumerate(hosts):
        counted = {i for r in host.reasons if r.milli > 0 for i in r.findings}
        marks: dict[tuple[int, Kind, bool], Mark] = {}
        for f in told.get((host.site, host.address), ()):
            if f.id in counted:
                _mark(marks, f, scale.place(f.time), f.actor == host.address)
        placed = _beside(sorted(marks.values(), key=lambda m: (m.x, m.kind, m.acted)))
        unplaced += len(marks) - len(placed)
        first = host.first_seen or scale.begin
        x1, x2 = scale.place(first), scale.place(host.last_seen or first)
        lines.append(Line(host, LINES_TOP + i * ROW + ROW // 2, x1, x2, placed))
    return tuple(lines), unplaced


def _beside(marks: Sequence[Mark]) -> tuple[Mark, ...]:
    """Marks in order of time, none on another."""
    placed: list[Mark] = []
    for mark in marks:
        x = max(mark.x, placed[-1].x + MARK) if placed else mark.x
        if x - mark.x <= MOST_SHIFT and x < WIDTH - MARK // 2:
            placed.append(replace(mark, x=x))
    return tuple(placed)


def _about(assessment: Assessment) -> dict[tuple[str, str], list[Finding]]:
    """Findings by each host that takes part in them."""
    told: dict[tuple[str, str], list[Finding]] = {}
    for f in assessment.findings:
        for address in dict.fromkeys((f.actor, f.target)):
            if address:
                told.setdefault((f.site, address), []).append(f)
    return told


def _mark(marks: dict[tuple[int, Kind, bool], Mark], finding: Finding, x: int, acted: bool) -> None:
    key = (x // MERGED, finding.kind, acted)
    old = marks.get(key)
    marks[key] = Mark(old.x, old.kind, acted, old.count + 1, old.first) if old else Mark(x, finding.kind, acted, 1, finding)


def network_of(address: str) -> str:
    """The network that an address lies in, by the usual prefix; the address itself where it is none."""
    try:
        ip = ip_address(address)
    except ValueError:
        return address
    return str(ip_network(f"{ip}/{PREFIX[ip.version]}", strict=False))


def _networks(hosts: Sequence[Host], scale: Axis, cell: int) -> tuple[Network, ...]:
    members: dict[tuple[str, str], list[Host]] = {}
    for host in hosts:
        members.setdefault((host.site, network_of(host.address)), []).append(host)
    order = sorted(members, key=lambda key: (-len(members[key]), key))
    groups = [(site, network, members[site, network]) for site, network in order[:MOST_NETWORKS]]
    rest = [host for key in order[MOST_NETWORKS:] for host in members[key]]
    groups += [("", "", rest)] if rest else []
    counts = [Counter(scale.bucket(h.first_seen, BUCKETS) for h in group if h.first_seen) for _, _, group in groups]
    most = max(max(c.values()) for c in counts)
    return tuple(
        Network(site, network, LINES_TOP + i * ROW, len(group), tuple(_cells(count, most, scale, cell)))
        for i, ((site, network, group), count) in enumerate(zip(groups, counts, strict=True))
    )


def _cells(count: Counter[int], most: int, scale: Axis, cell: int) -> list[Cell]:
    return [Cell(scale.left + i * cell, n, -(-4 * n // most)) for i, n in sorted(count.items())]
