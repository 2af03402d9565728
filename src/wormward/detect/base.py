"""What a detector is, and the few shapes that all of them share.

    find(tables, pack, scope)   relational: an Ibis expression of few, aggregated rows; None where the pack has no use
    refine(rows, pack, scope)   plain Python on these rows: probabilities, sentences, one `Draft` an event key

`find` uses only what DuckDB and Spark answer alike: group-by, equi-joins (a time window is a bucket and its
neighbour), window functions over integers. Strengths come of distinct names, targets and time buckets, never of row
counts, so that several sources of one story give the findings of one of them. `count` is that of the source that shows most.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise, zip_longest
from typing import Any

from wormward.model.findings import CITED_ROWS, CITED_SOURCES, Kind
from wormward.model.pack import ThreatPack, Variant
from wormward.model.site import Site
from wormward.model.tables import ROW_BITS

Tables = Mapping[str, Any]
"""Ibis tables by name: facts with the engine's `second` (int64, seconds since 1970 UTC), and side tables."""
Row = dict[str, Any]
EVENT = ("site", "client", "server")
_BLOCK_BITS = 16
"""So many low bits of a row id number the rows of one block."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What is known of the evidence as a whole.

    Days are days since 1970 UTC. `answering` are the sources (as in the column `source`) that show answers to
    lookups at all; `empty` names tables without rows; `ports` are the server ports of all flows (None: not known).
    """

    first_day: int
    last_day: int
    tolerance_days: int
    all_time: bool = False
    site: Site = field(default_factory=Site)
    domain_controllers: frozenset[str] = frozenset()
    resolvers: frozenset[str] = frozenset()
    answering: frozenset[int] = frozenset()
    empty: frozenset[str] = frozenset()
    ports: frozenset[int] | None = None

    @property
    def name_servers(self) -> tuple[str, ...]:
        """Addresses whose lookups may be somebody else's, ordered: resolvers and domain controllers, known or inferred."""
        known = self.resolvers | self.domain_controllers | self.site.resolvers | self.site.domain_controllers
        known |= self.site.proxies  # they look names up for whoever asks through them
        return tuple(sorted(known))

    @property
    def controllers(self) -> tuple[str, ...]:
        """Domain controllers, known or inferred, ordered."""
        return tuple(sorted(self.domain_controllers | self.site.domain_controllers))

    @property
    def scanners(self) -> tuple[str, ...]:
        """The site's own scanners, ordered: they ask what a worm asks, and are not it."""
        return tuple(sorted(self.site.scanners))

    def list_days(self, variant: Variant, pack: ThreatPack) -> int:
        """How many days' lists of `variant` names were tried against."""
        first = pack.since_day if self.all_time else self.first_day - self.tolerance_days
        return max(0, self.last_day + self.tolerance_days - max(first, variant.first_day) + 1)


@dataclass(frozen=True, slots=True)
class Witness:
    """The rows that show one event: how many in the source that shows most, from when to when, and those that are cited."""

    time: datetime
    time_last: datetime
    count: int
    rows: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Draft:
    """A finding before its citations are looked up; see `model.findings.Finding`.

    `also` holds rows of another table that belong to the event (the call before a fetch): they are cited, not counted.
    """

    actor: str
    site: str
    table: str
    witness: Witness
    sentence: str
    fields: Mapping[str, str | int]
    target: str | None = None
    variants: tuple[str, ...] = ()
    vulnerability: str | None = None
    milli: int | None = None
    key: str = ""
    also: tuple[tuple[str, tuple[int, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class Detector:
    """One detector: what it finds, on what ground, and what it cannot tell.

    `tables` must all have rows for it to run, and `flows` a server port of `ports`, if it is given: to write a query
    and to have it planned takes as long as all else about a small capture. Detectors that share one `find` share its
    rows: it is asked once.
    """

    rule: str
    kind: Kind
    title: str
    tables: tuple[str, ...]
    references: tuple[str, ...]
    limitations: tuple[str, ...]
    find: Callable[[Tables, ThreatPack, Scope], Any | None]
    refine: Callable[[list[Row], ThreatPack, Scope], list[Draft]]
    ports: Callable[[ThreatPack], Collection[int]] | None = None

    def idle(self, pack: ThreatPack, scope: Scope) -> bool:
        """True if there is nothing in the evidence that it could find anything in."""
        if any(name in scope.empty for name in self.tables):
            return True
        return self.ports is not None and scope.ports is not None and scope.ports.isdisjoint(self.ports(pack))


def without(rows: Any, column: str, members: Sequence[str]) -> Any:
    """`rows` whose `column` is none of `members`."""
    return rows.filter(~rows[column].isin(list(members))) if members else rows


def in_runs(column: Any, members: Collection[int]) -> Any:
    """Whether a whole number is one of `members` (at least one), asked run by run.

    Numbers of sources mostly stand in long runs, and to write thousands of values into a query takes seconds.
    """
    ordered = sorted(members)
    breaks = [i for i in range(1, len(ordered)) if ordered[i] != ordered[i - 1] + 1]
    runs = [column.between(ordered[i], ordered[j - 1]) for i, j in pairwise([0, *breaks, len(ordered)])]
    while len(runs) > 1:  # in pairs, so that many runs do not nest deeply
        runs = [left | right for left, right in zip_longest(runs[::2], runs[1::2], fillvalue=False)]
    return runs[0]


def flag(condition: Any) -> Any:
    """A condition as 0 or 1, null as 0: sums and maxima of it mean the same everywhere."""
    return condition.fill_null(False).cast("int32")


def witnessed(rows: Any, by: Sequence[str], **more: Callable[[Any], Any]) -> Any:
    """One row per `by`: count, first and last time, the rows to cite, and `more` aggregates of the group.

    Adds columns `count`, `time`, `time_last`, `first_row`, `last_row` (of the first and last time), `rows` (the
    smallest CITED_ROWS row ids, in no order), and of each source in which there are rows the smallest row id
    (`firsts`, in no order) and how many rows of the group are smaller than that (`starts`, in no order).
    """
    import ibis  # noqa: PLC0415 - slow to import; `--help` must not pay for it

    group = ibis.window(group_by=list(by))
    order = ibis.window(group_by=list(by), order_by="row_id")
    # Row ids of one source stand together: where the source changes, its rows begin.
    marked = rows.mutate(
        rank_=ibis.row_number().over(order),
        before_=rows.row_id.lag().over(order),
        begin_=rows.time.min().over(group),
        end_=rows.time.max().over(group),
    )
    first = marked.before_.isnull() | ((marked.row_id >> ROW_BITS) != (marked.before_ >> ROW_BITS))
    marked = marked.mutate(starts_=first)
    return marked.group_by(*by).agg(
        count=marked.count(),
        time=marked.time.min(),
        time_last=marked.time.max(),
        first_row=marked.row_id.min(where=marked.time == marked.begin_),
        last_row=marked.row_id.max(where=marked.time == marked.end_),
        rows=marked.row_id.collect(where=marked.rank_ < CITED_ROWS),
        firsts=marked.row_id.collect(where=marked.starts_),
        starts=marked.rank_.collect(where=marked.starts_),
        **{name: make(marked) for name, make in more.items()},
    )


def witnessed_by_blocks(rows: Any, by: Sequence[str]) -> Any:
    """The same as `witnessed` without `more`, for groups of millions of rows: no window is laid over all of them.

    Row ids in order are cut into blocks, which are counted; only the blocks that hold the first rows, or the first or the
    last time, are looked at row by row.
    """
    import ibis  # noqa: PLC0415 - see witnessed()

    rows = rows.select(*by, "row_id", "time").mutate(block_=lambda t: t.row_id >> _BLOCK_BITS)
    blocks = rows.group_by(*by, "block_").agg(
        size_=rows.count(), begin_=rows.time.min(), end_=rows.time.max(), least_=rows.row_id.min()
    )
    group = ibis.window(group_by=list(by))
    order = ibis.window(group_by=list(by), order_by="block_")
    running = ibis.cumulative_window(group_by=list(by), order_by="block_")
    blocks = blocks.mutate(
        before_=blocks.size_.sum().over(running).cast("int64") - blocks.size_,
        last_=blocks.block_.lag().over(order),
        time_=blocks.begin_.min().over(group),
        time_last_=blocks.end_.max().over(group),
    )
    source_bits = ROW_BITS - _BLOCK_BITS
    starts = blocks.last_.isnull() | ((blocks.block_ >> source_bits) != (blocks.last_ >> source_bits))
    blocks = blocks.mutate(starts_=starts)
    groups = blocks.group_by(*by).agg(
        count=blocks.size_.sum(),
        time=blocks.begin_.min(),
        time_last=blocks.end_.max(),
        firsts=blocks.least_.collect(where=blocks.starts_),
        starts=blocks.before_.collect(where=blocks.starts_),
    )
    at_an_end = (blocks.begin_ == blocks.time_) | (blocks.end_ == blocks.time_last_)
    few = blocks.filter((blocks.before_ < CITED_ROWS) | at_an_end).select(*by, "block_", "time_", "time_last_")
    near = rows.join(few, [*by, "block_"])
    near = near.mutate(rank_=ibis.row_number().over(ibis.window(group_by=list(by), order_by="row_id")))
    cited = near.group_by(*by).agg(
        first_row=near.row_id.min(where=near.time == near.time_),
        last_row=near.row_id.max(where=near.time == near.time_last_),
        rows=near.row_id.collect(where=near.rank_ < CITED_ROWS),
    )
    return groups.join(cited, list(by))


def windows(rows: Any, seconds: int, by: Sequence[str]) -> Any:
    """Every row twice: in its own bucket of `seconds` and in the next, as `window`; only the columns `by` and `window`.

    Anything that happens within `seconds` stands whole in one window; a window spans at most twice that.
    """
    import ibis  # noqa: PLC0415 - see witnessed()

    bucket = rows.mutate(window=rows.second // seconds).select(*by, "window")
    return ibis.union(bucket, bucket.mutate(window=bucket.window + 1))


def grouped(rows: Iterable[Row], by: Sequence[str]) -> list[tuple[tuple[Any, ...], list[Row]]]:
    """Rows by the values of `by`, groups in order of these values."""
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(row[name] for name in by), []).append(row)
    return sorted(groups.items(), key=lambda item: tuple(str(v) for v in item[0]))


def witness(row: Row) -> Witness:
    """The `Witness` in one row that `witnessed` made."""
    return merged([row])


def merged(rows: Sequence[Row]) -> Witness:
    """One witness of several disjoint groups of the same event; `count` is the most rows that one source shows."""
    first = min((row["time"], row["first_row"]) for row in rows)
    last = max((row["time_last"], row["last_row"]) for row in rows)
    smallest = sorted({number for row in rows for number in row["rows"]})[:CITED_ROWS]
    counts: dict[int, int] = {}
    begins: dict[int, int] = {}
    for row in rows:
        breaks = [*sorted(row["starts"]), row["count"]]
        for number, (begin, end) in zip(sorted(row["firsts"]), pairwise(breaks), strict=True):
            source = number >> ROW_BITS
            counts[source] = counts.get(source, 0) + end - begin
            begins[source] = min(number, begins.get(source, number))
    each = sorted(begins.values())[:CITED_SOURCES]
    return Witness(
        time=first[0].astimezone(UTC),
        time_last=last[0].astimezone(UTC),
        count=max(counts.values()),
        rows=tuple(sorted({*smallest, *each, first[1], last[1]})),
    )


def iso_day(day: int) -> str:
    """Days since 1970 as an ISO date."""
    return (date(1970, 1, 1) + timedelta(days=day)).isoformat()
