"""DuckDB as the engine: the workspace's parts become views, Ibis expressions become rows.

Every fact table has, besides the columns of `model.tables`, the column `second` (int64): seconds since 1970 UTC,
rounded down. Engines disagree about `epoch_seconds()` (DuckDB rounds, Spark cuts off), so each engine brings its own
and detectors count in that. Views refer to the evidence; nothing is copied before a query asks for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Protocol

import duckdb
import pyarrow as pa

from wormward.model.errors import WorkspaceError
from wormward.model.findings import Cite
from wormward.model.tables import ANNOTATIONS, CUTS, FACTS, ROW_BITS, Table

SECOND = "second"
"""Name of the column that the engine adds to every fact table."""
_STORE_COLUMNS = ("file_no", "ordinal")


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


@contextmanager
def _one_sentence() -> Iterator[None]:
    """What DuckDB cannot do, as a WorkspaceError."""
    try:
        yield
    except duckdb.Error as error:
        what = str(error).splitlines()[0]
        raise WorkspaceError(
            f"the workspace cannot be queried ({what}); see that its disk has room and that its files are whole"
        ) from error


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


class Duck:
    """A DuckDB connection that shows a workspace's tables. Use as a context manager.

    `parts` maps names of fact tables to where their rows lie (absent: empty); `sources` has the columns of
    `model.tables.SOURCES` and `file_no`. Rows of files that `sources` does not name (the same file given twice)
    are not seen, nor rows outside `since` (inclusive) and `until` (exclusive), both aware times.
    `memory` bounds DuckDB's own buffers; it spills into `temp` beyond (None: a private folder that `close` removes).
    """

    def __init__(
        self,
        parts: Mapping[str, PartsLike],
        sources: pa.Table,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        threads: int | None = None,
        memory: str = "400MB",
        temp: Path | None = None,
    ) -> None:
        # DuckDB's own choice would be a folder `.tmp` wherever the user happens to stand.
        self._spill = TemporaryDirectory(prefix="wormward-", dir=temp, ignore_cleanup_errors=True)
        self._connection = duckdb.connect()
        self._set(threads, memory)
        self._sources = sources.sort_by("source")
        self._connection.register("_sources", self._sources.select(["file_no", "source"]))
        self._between = _between(since, until)
        self._filled: set[str] = set()
        for table in FACTS:
            self._show(table, parts.get(table.name))
        for table in ANNOTATIONS:
            self.add(table.name, table.schema.empty_table())
        for table in CUTS:
            self._connection.register(table.name, _with_second(table).empty_table())

    def _set(self, threads: int | None, memory: str) -> None:
        settings = {
            "TimeZone": "UTC",
            "memory_limit": memory,
            "temp_directory": self._spill.name,
            "preserve_insertion_order": "false",
            "autoinstall_known_extensions": "false",  # nothing is ever fetched
        }
        if threads is not None:
            settings["threads"] = str(threads)
        for name, value in settings.items():
            self._connection.execute(f"SET {name} = {_quoted(value)}")

    def _show(self, table: Table, parts: PartsLike | None) -> None:
        """Make the view of one fact table: rows of all parts, with `row_id`, `source` and `second`."""
        names = [c.name for c in table.reader_columns]
        wanted = ", ".join((*names, *_STORE_COLUMNS))
        origins = []
        if parts is not None and parts.parquet:
            files = ", ".join(_quoted(str(p)) for p in parts.parquet)
            origins.append(f"SELECT {wanted} FROM read_parquet([{files}])")  # noqa: S608 - see below
        if parts is not None and parts.memory is not None and parts.memory.num_rows:
            self._connection.register(f"_{table.name}", parts.memory)
            origins.append(f"SELECT {wanted} FROM _{table.name}")  # noqa: S608 - see below
        if not origins:
            self._connection.register(table.name, _with_second(table).empty_table())
            return
        self._filled.add(table.name)
        columns = ", ".join(f"p.{name}" for name in names)
        # S608: every part of this text is a name from model.tables or quoted above.
        view = (
            f"CREATE VIEW {table.name} AS SELECT (s.source::BIGINT << {ROW_BITS}) | p.ordinal AS row_id, s.source, {columns}, "  # noqa: S608
            f"epoch_us(p.time) // 1000000 AS {SECOND} "
            f"FROM ({' UNION ALL '.join(origins)}) p JOIN _sources s USING (file_no){self._between}"
        )
        with _one_sentence():
            self._connection.execute(view)

    def tables(self) -> dict[str, Any]:
        """Unbound Ibis tables of all facts and cuts (with `second`) and annotations, by name."""
        import ibis  # noqa: PLC0415 - a quarter of a second that `--help` need not pay

        schemas = {t.name: _with_second(t) for t in (*FACTS, *CUTS)} | {t.name: t.schema for t in ANNOTATIONS}
        return {name: ibis.table(ibis.Schema.from_pyarrow(schema), name=name) for name, schema in schemas.items()}

    def empty(self) -> frozenset[str]:
        """Tables without any row, whatever the times asked for: no query need look at them."""
        return frozenset(t.name for t in (*FACTS, *ANNOTATIONS, *CUTS)) - self._filled

    def add(self, name: str, rows: pa.Table) -> None:
        """Register a side table, replacing the one of that name."""
        self._connection.register(name, rows)
        self._note(name, rows.num_rows > 0)

    def keep(self, name: str, expression: Any) -> None:
        """Answer `expression` once and keep its rows as the cut `name`, replacing the one of that name.

        The rows may outgrow memory: they are DuckDB's own and spill. Raises WorkspaceError if there is no room.
        """
        sql = self._sql(expression)
        with _one_sentence():
            self._connection.unregister(name)
            self._connection.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {sql}").fetchall()
        self._note(name, bool(self._query(f"SELECT 1 FROM {name} LIMIT 1").num_rows))  # noqa: S608 - a name of model.tables

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

    @staticmethod
    def _sql(expression: Any) -> str:
        import ibis  # noqa: PLC0415 - see tables()

        return str(ibis.to_sql(expression, dialect="duckdb", pretty=False))

    def _query(self, sql: str) -> pa.Table:
        with _one_sentence():
            return self._connection.sql(sql).to_arrow_table()  # execute() would copy the rows once more

    def latest(self) -> datetime | None:
        """The latest time of any fact within the times asked for; None if there is none."""
        times = [self._query(f"SELECT max(time) AS last FROM {t.name}").to_pylist() for t in FACTS if t.name in self._filled]  # noqa: S608
        return max((rows[0]["last"].astimezone(UTC) for rows in times if rows[0]["last"]), default=None)

    def cites(self, table: str, rows: Sequence[int]) -> dict[int, Cite]:
        """Where these rows of one fact table come from, by row id."""
        self._connection.register("_cited", pa.table({"row_id": pa.array(rows, pa.int64())}))
        places = self._query(f"SELECT t.row_id, t.source, t.place FROM {table} t JOIN _cited USING (row_id)")  # noqa: S608
        origin = {r["source"]: (r["sha256"], r["unit"]) for r in self._sources.to_pylist()}
        return {r["row_id"]: Cite(*origin[r["source"]], r["place"]) for r in places.to_pylist()}

    def close(self) -> None:
        """Close the connection; its spilled files go with it."""
        self._connection.close()
        self._spill.cleanup()

    def __enter__(self) -> Duck:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def _with_second(table: Table) -> pa.Schema:
    """The schema of a fact table as the engine shows it."""
    return table.schema.append(pa.field(SECOND, pa.int64()))


def _between(since: datetime | None, until: datetime | None) -> str:
    """The WHERE clause for `since` (inclusive) and `until` (exclusive), with a leading blank; empty for neither."""
    bounds = []
    for sign, bound in ((">=", since), ("<", until)):
        if bound is not None:
            bounds.append(f"p.time {sign} TIMESTAMPTZ {_quoted(bound.astimezone(UTC).isoformat(sep=' '))}")
    return f" WHERE {' AND '.join(bounds)}" if bounds else ""
