"""What an engine is: a workspace's parts as tables, Ibis expressions in, rows out. DuckDB and Spark fill in the rest.

Every fact table has, besides the columns of `model.tables`, the column `second` (int64): seconds since 1970 UTC,
rounded down. Engines disagree about `epoch_seconds()` (DuckDB rounds, Spark cuts off), so each engine brings its own
and detectors count in that. Views refer to the evidence; nothing is copied before a query asks for it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import pyarrow as pa

from wormward.model.findings import Cite
from wormward.model.tables import ANNOTATIONS, BY_NAME, CUTS, FACTS, ROW_BITS, TIME, Table

SECOND = "second"
"""Name of the column that the engine adds to every fact table."""
STORE_COLUMNS = ("file_no", "ordinal")
# Shifting and or-ing are written in two ways, this in one.
ROW_ID = f"(CAST(s.source AS BIGINT) * {1 << ROW_BITS} + p.ordinal)"
_FEW = 1000  # numbers that a query may name one by one


class PartsLike(Protocol):
    """Where the rows of one table lie; what `store` hands out."""

    @property
    def parquet(self) -> Sequence[Path]:
        """Parquet files with the reader's columns, `file_no` (int32) and `ordinal` (int64)."""
        ...

    @property
    def memory(self) -> pa.Table | None:
        """Rows that were few enough to stay in memory, same columns; None where there are none."""
        ...

    @property
    def askers(self) -> pa.Table | None:
        """Of lookups: first and last time and number of all rows per site, client, server, file_no and answered; or None."""
        ...


class Engine(ABC):
    """An engine over one workspace. Use as a context manager.

    `parts` maps names of fact tables to where their rows lie (absent: empty); `sources` has the columns of
    `model.tables.SOURCES` and `file_no`. Rows of files that `sources` does not name (the same file given twice)
    are not seen, nor rows outside `since` (inclusive) and `until` (exclusive), both aware times.
    """

    second = ""
    """SQL for the second of the time `{}`, rounded down."""
    later = ""
    """SQL for the time `{}` and `s.shift` microseconds."""
    instant = ""
    """SQL keyword before the text of a time."""

    def __init__(
        self, parts: Mapping[str, PartsLike], sources: pa.Table, since: datetime | None = None, until: datetime | None = None
    ) -> None:
        self._sources = sources.sort_by("source")
        self._shifts: Mapping[int, int] = {}
        self._between = _between(self.instant, since, until)
        self._parts = dict(parts)
        self._origins: dict[str, str] = {}  # rows of all parts of a table, as they are kept
        self._filled: set[str] = set()

    @classmethod  # noqa: B027 - most engines are always there
    def check(cls) -> None:
        """Raise UsageError, before long work begins, if the engine is not to be had on this machine."""

    @abstractmethod
    def _query(self, sql: str) -> pa.Table:
        """The rows of a query. Raises WorkspaceError."""

    @abstractmethod
    def _show(self, name: str, rows: pa.Table) -> None:
        """Make `rows` a table of that name, replacing the one so named."""

    @abstractmethod
    def _show_fact(self, table: Table, parts: PartsLike | None) -> None:
        """Make the view of one fact table: rows of all parts, with `row_id`, `source` and `second`."""

    @staticmethod
    @abstractmethod
    def _sql(expression: Any) -> str:
        """The query that an Ibis expression is, in the engine's words."""

    @abstractmethod
    def cut(self, name: str, fact: str, column: str, values: pa.Array) -> None:
        """Keep the rows of a fact table whose text `column` is one of `values` as the cut `name`, replacing the one so named.

        The rows may outgrow memory. Raises WorkspaceError.
        """

    @abstractmethod
    def close(self) -> None:
        """Let go of the tables; what was spilled goes with them."""

    @property
    def sources(self) -> pa.Table:
        """The evidence files: the columns of `model.tables.SOURCES` and `file_no`, by source."""
        return self._sources

    @property
    def parts(self) -> Mapping[str, PartsLike]:
        """Where the rows of each fact table lie."""
        return self._parts

    def shift(self, shifts: Mapping[int, int]) -> None:
        """From now on the times of these sources' rows are so many microseconds later; rows stay as they are kept."""
        self._shifts = shifts
        self._show_sources()
        for table in FACTS:
            if table.name in self._origins:
                self._show_fact(table, self._parts.get(table.name))

    def _show_sources(self) -> None:
        moved = pa.array([self._shifts.get(s, 0) for s in self._sources.column("source").to_pylist()], pa.int64())
        self._show("_sources", self._sources.select(["file_no", "source"]).append_column("shift", moved))

    def _show_side_tables(self) -> None:
        """Empty annotations and cuts, to be replaced."""
        for table in ANNOTATIONS:
            self._show(table.name, table.schema.empty_table())
        for table in CUTS:
            self._show(table.name, with_second(table).empty_table())

    def _seen(self, table: Table, origin: str) -> str:
        """The rows of `origin` as the engine shows them, with `row_id`, `source` and `second`."""
        kept = {c.name: f"p.{c.name}" for c in table.reader_columns}
        moved = {c.name: self.later.format(f"p.{c.name}") for c in table.reader_columns if c.type == TIME and self._shifts}
        columns = ", ".join(f"{how} AS {name}" for name, how in {**kept, **moved}.items())
        time = {**kept, **moved}["time"]
        # S608, here and elsewhere: every part of these texts is a name from model.tables or quoted.
        return (
            f"SELECT {ROW_ID} AS row_id, s.source, {columns}, {self.second.format(time)} AS {SECOND} "  # noqa: S608
            f"FROM ({origin}) p JOIN _sources s USING (file_no){self._between.format(time)}"
        )

    def tables(self) -> dict[str, Any]:
        """Unbound Ibis tables of all facts and cuts (with `second`) and annotations, by name."""
        import ibis  # noqa: PLC0415 - a quarter of a second that `--help` need not pay

        schemas = {t.name: with_second(t) for t in (*FACTS, *CUTS)} | {t.name: t.schema for t in ANNOTATIONS}
        return {name: ibis.table(ibis.Schema.from_pyarrow(schema), name=name) for name, schema in schemas.items()}

    def empty(self) -> frozenset[str]:
        """Tables without any row, whatever the times asked for: no query need look at them."""
        return frozenset(t.name for t in (*FACTS, *ANNOTATIONS, *CUTS)) - self._filled

    def add(self, name: str, rows: pa.Table) -> None:
        """Register a side table, replacing the one of that name."""
        self._show(name, rows)
        self._note(name, rows.num_rows > 0)

    def _note(self, name: str, filled: bool) -> None:
        if filled:
            self._filled.add(name)
        else:
            self._filled.discard(name)

    def arrow(self, expression: Any) -> pa.Table:
        """The rows of an Ibis expression over `tables()`, in no particular order.

        Raises WorkspaceError if the engine cannot answer (a damaged part, no room to spill).
        """
        rows = self._query(self._sql(expression))
        return rows.cast(expression.schema().to_pyarrow())  # DuckDB sums integers into 128 bits

    def fetch(self, expression: Any) -> list[dict[str, Any]]:
        """Like `arrow`, as Python values; times are aware (UTC)."""
        rows: list[dict[str, Any]] = self.arrow(expression).to_pylist()
        return rows

    def values(self, table: str, column: str) -> pa.Table | None:  # noqa: ARG002
        """The distinct values of one text column, null left out, and perhaps some that no row has any more.

        None where they are not to be had without looking at the rows: ask with a query.
        """
        return None

    def askers(self) -> pa.Table | None:
        """First and last lookup per site, client, server, source and whether it was answered, where parts note it; or None."""
        return None

    def latest(self) -> datetime | None:
        """The latest time of any fact within the times asked for; None if there is none."""
        times = [self._query(f"SELECT max(time) AS last FROM {t.name}").to_pylist() for t in FACTS if t.name in self._filled]  # noqa: S608
        return max((rows[0]["last"].astimezone(UTC) for rows in times if rows[0]["last"]), default=None)

    def distinct(self, table: str, column: str) -> list[Any]:
        """The values of one column of one fact table, each once, in no order; none for none."""
        if table not in self._filled:
            return []
        rows = self._query(f"SELECT DISTINCT {column} AS value FROM {table} WHERE {column} IS NOT NULL")  # noqa: S608 - as above
        return rows.column("value").to_pylist()  # type: ignore[no-any-return]

    def kinds(self) -> dict[int, str]:
        """What each source was recognised as, e.g. `pcap`."""
        return {r["source"]: r["kind"] for r in self._sources.select(["source", "kind"]).to_pylist()}

    def cites(self, table: str, rows: Sequence[int]) -> dict[int, Cite]:
        """Where these rows of one fact table come from, by row id."""
        self._show("_cited", pa.table({"row_id": pa.array(rows, pa.int64())}))
        ordinals = sorted({row & ((1 << ROW_BITS) - 1) for row in rows})
        # Said of the kept column: groups of rows that hold none of them are then passed over.
        some = f"ordinal BETWEEN {ordinals[0]} AND {ordinals[-1]}" if ordinals else "false"
        if len(ordinals) <= _FEW:
            some = f"ordinal IN ({', '.join(map(str, ordinals)) or 'NULL'})"
        places = self._query(
            f"SELECT c.row_id, s.source, p.place FROM ({self._origins[table]}) p JOIN _sources s USING (file_no) "  # noqa: S608
            f"JOIN _cited c ON c.row_id = {ROW_ID} WHERE {some}"
        )
        origin = {r["source"]: (r["sha256"], r["unit"]) for r in self._sources.to_pylist()}
        return {r["row_id"]: Cite(*origin[r["source"]], r["place"]) for r in places.to_pylist()}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def kept_columns(table: Table) -> str:
    """What of a kept part the engine shows or needs, as a list of columns."""
    return ", ".join((*(c.name for c in table.reader_columns), *STORE_COLUMNS))


def cut_columns(name: str) -> str:
    """The columns of a cut, `second` among them."""
    return ", ".join((*BY_NAME[name].schema.names, SECOND))


def with_second(table: Table) -> pa.Schema:
    """The schema of a fact table as the engine shows it."""
    return table.schema.append(pa.field(SECOND, pa.int64()))


def quoted(text: str) -> str:
    """Text of ours (no hostile one) as SQL."""
    return "'" + text.replace("'", "''") + "'"


def _between(instant: str, since: datetime | None, until: datetime | None) -> str:
    """The WHERE clause over the time `{0}`: from `since` on, before `until`; with a leading blank, empty for neither."""
    bounds = []
    for sign, bound in ((">=", since), ("<", until)):
        if bound is not None:
            bounds.append(f"{{0}} {sign} {instant} {quoted(bound.astimezone(UTC).isoformat(sep=' '))}")
    return f" WHERE {' AND '.join(bounds)}" if bounds else ""
