"""Whose clock is off, and by how much: told by what several sources saw.

A connection with its client's own port, and a lookup of a name that a host looked up once, are the same event wherever
they are seen. Two collectors that saw many of them must put them apart by one and the same time, or by next to none if their
clocks agree. From these differences each collector gets a shift (microseconds that its stamps lack) against the others.
Which of them is right nothing here says: the middle one is taken to be. Which files are of one collector their names tell.

Careful, because a clock that is set wrongly hides more than one that is off: the same events must be many, of several hosts,
and a good part of what both show of these hosts at that time. What machines do every day at the same second is not
one event seen twice, and fails the last of these; clocks that agree for some events are left alone.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Any

import numpy as np
import pyarrow as pa

from wormward.engine.duck import Duck

SAME_US = 2_000_000
"""Events whose times lie no further apart than this are one: logs have whole seconds, and write when they are done."""
LEAST = {"flows": (3, 2), "dns_queries": (20, 3)}
"""So many common events, of so many hosts, tell a shift. A lookup has no port that would tell it from another."""
LEAST_SHARE = 0.3
"""So large a part of what both show of the same hosts at the same time must agree; sensors and logs lose some."""
TOGETHER_US = 600_000_000
"""Two sources look at the same time if both show something within such a piece of it: parts of either may be lost."""
COUNTED = re.compile(r"(^|[-_.T:])\d[\d:T-]+|(?<=pcap)\d+$")
"""What in a name counts or dates a collector's files."""
MOST_EVENTS = 400_000
"""Of so many events differences are taken; of more a part is drawn, by their keys, so that both sides draw the same."""
MOST_COPIES = 12
"""An event that more sources saw is left out: it would be compared with each other one."""

_EVENTS = {
    "flows": (
        "hash(site, client, client_port, server, server_port, protocol)",
        "hash(site, client, server)",
        "client_port > 0 AND protocol IN ('tcp', 'udp')",
    ),
    "dns_queries": ("hash(site, client, name)", "hash(site, client)", "TRUE"),
}
"""Table -> key of an event, key of the hosts that took part, and which rows tell events."""


@dataclass(frozen=True, slots=True)
class _Link:
    """Series `b`'s stamps less series `a`'s, in microseconds, as `count` events have it."""

    count: int
    a: int
    b: int
    apart_us: int


@dataclass(frozen=True, slots=True)
class _Events:
    """Events that each of these series saw once: whose, in which series, and when; one row a series and event."""

    series: Any
    event: Any
    hosts: Any
    host: Any
    time: Any


def shifts(duck: Duck, sure: frozenset[int] = frozenset()) -> dict[int, int]:
    """Source (as in the column `source`) to the microseconds that are to be added to its stamps; those of none are left out.

    `sure` are sources whose clock error the site told: where there are any, they are right.

    Raises WorkspaceError if the tables cannot be queried.
    """
    series = _series(duck.sources.select(["source", "name", "kind"]).to_pylist())
    if len(set(series.values())) < 2:
        return {}
    duck.add("_series", pa.table({"source": pa.array(series, pa.int32()), "series": pa.array(series.values(), pa.int32())}))
    known = _solved([link for table in _EVENTS for link in _links(duck, table)], {series[source] for source in sure})
    return {source: known[s] for source, s in sorted(series.items()) if abs(known.get(s, 0)) > SAME_US}


def _series(sources: Sequence[Mapping[str, Any]]) -> dict[int, int]:
    """Source to the number of the collector that it comes from, as far as names tell.

    Of one collector are files of one kind in one folder whose names differ only in dates or counts; and all logs of one Zeek.
    """
    keys = {}
    for each in sources:
        *folders, file = each["name"].replace("\\", "/").split("/")
        family = each["kind"].partition("-")[0]
        stem = "" if family == "zeek" else COUNTED.sub("", file)
        keys[each["source"]] = (tuple(f for f in folders if COUNTED.sub("", f)), family, stem)
    numbers = {key: number for number, key in enumerate(sorted(set(keys.values())))}
    return {source: numbers[key] for source, key in keys.items()}


def _links(duck: Duck, table: str) -> list[_Link]:
    """What the common events of one table say of each two series."""
    if len(duck.distinct(table, "source")) < 2:
        return []
    key, hosts, condition = _EVENTS[table]
    total = int(duck.sql(f"SELECT count(*) AS n FROM {table}").column("n")[0].as_py())  # noqa: S608 - a name of model.tables
    # S608: every part of this text is a name of model.tables or stands above.
    rows = duck.sql(
        f"SELECT series, event, any_value(hosts) AS hosts, any_value(host) AS host, epoch_us(min(time)) AS time FROM ("  # noqa: S608
        f"SELECT source, {key} AS event, {hosts} AS hosts, hash(site, client) AS host, time FROM {table} WHERE {condition}"
        f") JOIN _series USING (source) WHERE event % {max(1, total // MOST_EVENTS)} = 0 "
        "GROUP BY series, event HAVING max(time) - min(time) <= INTERVAL 2 SECOND"
    )
    columns = [rows.column(name).to_numpy() for name in ("series", "event", "hosts", "host", "time")]
    order = np.lexsort((columns[0], columns[1]))
    events = _Events(*(column[order] for column in columns))
    one, other = _twins(events.event)
    pair = events.series[one].astype(np.int64) << 32 | events.series[other].astype(np.int64)
    by_pair = np.argsort(pair, kind="stable")
    edges = np.flatnonzero(np.r_[True, np.diff(pair[by_pair]) != 0, True]) if len(pair) else np.zeros(1, np.int64)
    found = (_link(events, one[by_pair[a:b]], other[by_pair[a:b]], table) for a, b in pairwise(edges))
    return [link for link in found if link]


def _twins(event: Any) -> tuple[Any, Any]:
    """Rows of the same event, each two of them; `event` is in order."""
    starts = np.flatnonzero(np.r_[True, event[1:] != event[:-1]]) if len(event) else np.zeros(0, np.int64)
    sizes = np.diff(np.r_[starts, len(event)])
    firsts, seconds = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for size in range(2, MOST_COPIES + 1):
        at = starts[sizes == size]
        for i, j in combinations(range(size), 2):
            firsts.append(at + i)
            seconds.append(at + j)
    return np.concatenate(firsts), np.concatenate(seconds)


def _link(events: _Events, one: Any, other: Any, table: str) -> _Link | None:
    """What the common events `one` and `other` (rows) of two series say; None if it is not enough."""
    least, least_hosts = LEAST[table]
    apart = events.time[other] - events.time[one]
    a, b = int(events.series[one[0]]), int(events.series[other[0]])
    for at in _modes(apart) if len(one) >= least else ():
        same = np.abs(apart - at) <= SAME_US
        if same.sum() < least or len(np.unique(events.host[one[same]])) < least_hosts:
            continue
        sides = [np.flatnonzero(events.series == s) for s in (a, b)]
        # Of lookups, all hosts that both know must agree: what one host does every day would convince otherwise.
        told = events.hosts[one[same]]
        if table == "dns_queries":
            told = np.intersect1d(*(events.hosts[s] for s in sides))
        if same.sum() >= LEAST_SHARE * _shown(events, sides, told, at):
            return _Link(int(same.sum()), a, b, int(np.median(apart[same])))
    return None


def _modes(apart: Any) -> list[int]:
    """The differences to try: next to none if any event has it, then the one that most events agree on."""
    ordered = np.sort(apart)
    counts = np.searchsorted(ordered, ordered + SAME_US, "right") - np.arange(len(ordered))
    best = int(np.argmax(counts))
    most = int(ordered[best : best + int(counts[best])].mean())
    return [0, most] if np.any(np.abs(apart) <= SAME_US) and abs(most) > SAME_US else [most]


def _shown(events: _Events, sides: Sequence[Any], told: Any, apart_us: int) -> int:
    """How many events of the hosts `told` the side that has fewer has, in the minutes in which by this difference both look."""
    own = [side[np.isin(events.hosts[side], told)] for side in sides]
    bins = [(events.time[own[0]] + apart_us) // TOGETHER_US, events.time[own[1]] // TOGETHER_US]
    both = np.intersect1d(*bins)
    return min(int(np.isin(b, both).sum()) for b in bins)


def _solved(links: Sequence[_Link], sure: Collection[int]) -> dict[int, int]:
    """The shift of each series that shares events with others: along the strongest links, against the middle (`sure`) one."""
    groups: dict[int, dict[int, int]] = {}  # series -> its group: member -> how far its clock is ahead of the group's first
    for link in sorted(links, key=lambda x: (-x.count, x.a, x.b)):
        left, right = groups.setdefault(link.a, {link.a: 0}), groups.setdefault(link.b, {link.b: 0})
        if left is right:
            continue
        move = left[link.a] + link.apart_us - right[link.b]
        for member, ahead in right.items():
            left[member] = ahead + move
            groups[member] = left
    found: dict[int, int] = {}
    for group in {id(g): g for g in groups.values()}.values():
        agreed = sorted(own for member, own in group.items() if member in sure) or sorted(group.values())
        middle = agreed[len(agreed) // 2]
        found |= {member: middle - own for member, own in group.items()}
    return found
