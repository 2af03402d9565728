"""Who infected whom, as epidemiology draws it: a transmission tree. Where things stand, in whole pixels; no words.

Time runs to the right, each infected host is a line that begins when it was infected, and a line goes down to it from
its most likely infector. Under a host its latest victim stands first, so that no line crosses another.

An outbreak of more hosts than can be told apart is not cut but folded: the hosts through which most others were
infected are drawn one by one, and the rest of what came through each of them is one bundle below it. Every infected
host is in the drawing exactly once, alone or counted in a bundle.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from wormward.model.states import Assessment, Edge, Host, Infection
from wormward.report.axis import Axis, Tick, axis, ill

MOST_SINGLE = 48
"""So many hosts are all drawn one by one."""
MOST_FOLDED = 24
"""Of more, so many are; with a bundle below each that is still one page of A4."""

WIDTH = 1040
TOP = 34
ROW = 28
LEFT = 40
RIGHT = 270
"""Room for the words beside a host that was infected last."""
STEP = 22
"""A victim stands at least this far to the right of its infector, however fast it went."""

Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Node:
    """One host in the tree: where its line begins and ends; `edge` from its infector, if that is known."""

    host: Host
    x: int
    y: int
    end: int
    edge: Edge | None
    above: int  # where the infector's line is, if `edge`


@dataclass(frozen=True, slots=True)
class Bundle:
    """Hosts that are not drawn one by one: all that came through `parent` (None: whose infector is not known)."""

    parent: Host | None
    count: int
    letters: tuple[tuple[str, int], ...]  # variant and how many have it; "?" where that is open
    first: datetime
    last: datetime
    x: int
    y: int
    end: int
    above: int


@dataclass(frozen=True, slots=True)
class Tree:
    """The whole drawing; `hosts` are in it, one by one or in bundles."""

    width: int
    height: int
    nodes: tuple[Node, ...]
    bundles: tuple[Bundle, ...]
    ticks: tuple[Tick, ...]
    hosts: int


@dataclass(slots=True)
class _Item:
    """A host to draw, or those of one bundle."""

    hosts: list[Host]
    parent: Key | None
    bundle: bool = False


def tree(assessment: Assessment) -> Tree | None:
    """Lay out every infected host under its most likely infector; None if nobody is infected."""
    hosts = {(h.site, h.address): h for h in ill(assessment, Infection.INFECTED)}
    if not hosts:
        return None
    parents = _parents(hosts)
    scale = axis(hosts.values(), LEFT, WIDTH - LEFT - RIGHT)
    items = _folded(hosts, parents)
    columns = _columns(items, scale)
    rows = _rows(items, columns)
    nodes, bundles = [], []
    for key, item in items.items():
        x, y = columns[key], rows[key]
        above = rows[item.parent] if item.parent else 0
        first, last = _began(item), max(h.last_seen or _time(h) for h in item.hosts)
        end = max(x, scale.place(last))
        if item.bundle:
            letters = Counter(_letter(h) for h in item.hosts)
            parent = hosts[item.parent] if item.parent else None
            bundles.append(Bundle(parent, len(item.hosts), tuple(sorted(letters.items())), first, last, x, y, end, above))
        else:
            host = item.hosts[0]
            nodes.append(Node(host, x, y, end, host.infected_by[0] if item.parent else None, above))
    width = max(WIDTH, max(columns.values()) + RIGHT)
    height = TOP + len(items) * ROW + 8
    return Tree(width, height, tuple(nodes), tuple(bundles), scale.ticks(), len(hosts))


def _time(host: Host) -> datetime:
    if host.first_seen is None:
        raise ValueError("a host without a first sign is not drawn")
    return host.first_seen


def _letter(host: Host) -> str:
    return host.variant[0] if len(host.variant) == 1 else "?"


def _began(item: _Item) -> datetime:
    """When what an item stands for began: the way in, where one is drawn, else the first sign."""
    if item.parent and not item.bundle:
        return item.hosts[0].infected_by[0].time
    return min(map(_time, item.hosts))


def _parents(hosts: Mapping[Key, Host]) -> dict[Key, Key]:
    """Each host's most likely infector, if that is an infected host too; an edge that would close a circle is left out."""
    parents: dict[Key, Key] = {}
    roots = {key: key for key in hosts}

    def root(key: Key) -> Key:
        while roots[key] != key:
            roots[key] = roots[roots[key]]
            key = roots[key]
        return key

    for key, host in hosts.items():
        parent = (host.site, host.infected_by[0].start) if host.infected_by else key
        if parent in hosts and root(parent) != key:
            parents[key] = roots[key] = parent
    return parents


def _folded(hosts: Mapping[Key, Host], parents: Mapping[Key, Key]) -> dict[Key, _Item]:
    """What is drawn: all hosts, or those through which most others were infected and a bundle for the rest of each."""
    if len(hosts) <= MOST_SINGLE:
        return {key: _Item([host], parents.get(key)) for key, host in hosts.items()}
    sizes = _sizes(hosts, parents)
    # An infector has more below it than any of its victims, so whoever is drawn has its infector drawn.
    drawn = set(sorted(hosts, key=lambda k: -sizes[k])[:MOST_FOLDED])
    items = {key: _Item([hosts[key]], parents.get(key)) for key in hosts if key in drawn}
    above: dict[Key, Key | None] = {}  # the next drawn host on the way up, for those that are not drawn
    for key, host in hosts.items():
        way, at = [], key
        while at not in drawn and at not in above:
            way.append(at)
            if at not in parents:
                break
            at = parents[at]
        found = at if at in drawn else above.get(at)
        above.update(dict.fromkeys(way, found))
        if key not in drawn:
            bundle = ("", f"+{found[0]}|{found[1]}") if found else ("", "+")
            items.setdefault(bundle, _Item([], found, bundle=True)).hosts.append(host)
    return items


def _sizes(hosts: Mapping[Key, Host], parents: Mapping[Key, Key]) -> dict[Key, int]:
    """How many hosts stand at and below each."""
    waiting = Counter(parents.values())
    sizes = dict.fromkeys(hosts, 1)
    todo = [key for key in hosts if not waiting[key]]
    while todo:
        key = todo.pop()
        if (parent := parents.get(key)) is not None:
            sizes[parent] += sizes[key]
            waiting[parent] -= 1
            if not waiting[parent]:
                todo.append(parent)
    return sizes


def _columns(items: Mapping[Key, _Item], scale: Axis) -> dict[Key, int]:
    """Where each item's line begins: when it was infected, and right of its infector."""
    columns: dict[Key, int] = {}
    for key in items:
        chain = [key]  # an infector may come later in the order of first signs than its victim
        while (parent := items[chain[-1]].parent) is not None and parent not in columns:
            chain.append(parent)
        for link in reversed(chain):
            parent = items[link].parent
            least = columns[parent] + STEP if parent is not None else 0
            columns.setdefault(link, max(scale.place(_began(items[link])), least))
    return columns


def _rows(items: Mapping[Key, _Item], columns: Mapping[Key, int]) -> dict[Key, int]:
    """Which line each item stands on: first hosts by time, under each its victims, the latest first."""
    children: dict[Key | None, list[Key]] = {}
    for key, item in items.items():
        children.setdefault(item.parent, []).append(key)

    def by_column(keys: Sequence[Key]) -> list[Key]:
        return sorted(keys, key=lambda k: (columns[k], k))

    # An explicit stack: a chain of infections may be longer than Python's own.
    todo = by_column(children.get(None, ()))[::-1]
    rows: dict[Key, int] = {}
    while todo:
        key = todo.pop()
        rows[key] = TOP + 18 + len(rows) * ROW
        todo += by_column(children.get(key, ()))
    return rows
