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
from typing import Any, BinaryIO, Protocol

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from wormward.model.errors import WorkspaceError
from wormward.model.findings import Cite
from wormward.model.tables import ANNOTATIONS, BY_NAME, CUTS, FACTS, ROW_BITS, Table

SECOND = "second"
"""Name of the column that the engine adds to every fact table."""
_STORE_COLUMNS = ("file_no", "ordinal")
_ROW_ID = f"((s.source::BIGINT << {ROW_BITS}) | p.ordinal)"
_MOSTLY = 4  # of so many rows at most one is kept apart
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


def _sql(expression: Any) -> str:
    """The query that an expression is, in DuckDB's words."""
    import ibis  # noqa: PLC0415 - see Duck.tables()

    # To make one SELECT of several is the engine's work as well, and it does it in no time.
    ibis.options.sql.fuse_selects = False
    return str(ibis.to_sql(expression, dialect="duckdb", pretty=False))


def prepare() -> None:
    """Load what making queries takes: a third of a second that can pass on another core while evidence is read."""


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
        self._parts = dict(parts)
        self._origins: dict[str, str] = {}  # rows of all parts of a table, as they are kept
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
        wanted = ", ".join((*(c.name for c in table.reader_columns), *_STORE_COLUMNS))
        origins = []
        # S608, here and below: every part of these texts is a name from model.tables or quoted.
        if parts is not None and parts.parquet:
            files = ", ".join(_quoted(str(p)) for p in parts.parquet)
            origins.append(f"SELECT {wanted} FROM read_parquet([{files}])")  # noqa: S608
        if parts is not None and parts.memory is not None and parts.memory.num_rows:
            self._connection.register(f"_{table.name}", parts.memory)
            origins.append(f"SELECT {wanted} FROM _{table.name}")  # noqa: S608
        if not origins:
            self._connection.register(table.name, _with_second(table).empty_table())
            return
        self._filled.add(table.name)
        self._origins[table.name] = " UNION ALL ".join(origins)
        with _one_sentence():
            self._connection.execute(f"CREATE VIEW {table.name} AS {self._seen(table, self._origins[table.name])}")

    def _seen(self, table: Table, origin: str) -> str:
        """The rows of `origin` as the engine shows them."""
        columns = ", ".join(f"p.{c.name}" for c in table.reader_columns)
        return (
            f"SELECT {_ROW_ID} AS row_id, s.source, {columns}, epoch_us(p.time) // 1000000 AS {SECOND} "  # noqa: S608
            f"FROM ({origin}) p JOIN _sources s USING (file_no){self._between}"
        )

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

    def cut(self, name: str, fact: str, column: str, values: pa.Array) -> None:
        """Keep the rows of a fact table whose text `column` is one of `values` as the cut `name`, replacing the one so named.

        The rows may outgrow memory: they are DuckDB's own and spill. Those that are kept in memory are told by the numbers
        of their texts, which takes a tenth of the time that looking at texts does. Raises WorkspaceError.
        """
        parts, shown = self._parts.get(fact), fact
        if parts is not None and not parts.parquet and parts.memory is not None:
            some = among(parts.memory, column, values)
            if some.num_rows * _MOSTLY < parts.memory.num_rows:
                self._connection.register("_some", some)
                shown = f"({self._seen(BY_NAME[fact], 'SELECT * FROM _some')})"  # noqa: S608
        columns = ", ".join(BY_NAME[name].schema.names)
        with _one_sentence():
            self._connection.register("_wanted", pa.table({"value": values}))
            self._connection.unregister(name)
            rows = f"SELECT {columns}, {SECOND} FROM {shown} WHERE {column} IN (SELECT value FROM _wanted)"  # noqa: S608
            self._connection.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {rows}").fetchall()
        self._note(name, bool(self._query(f"SELECT 1 FROM {name} LIMIT 1").num_rows))  # noqa: S608

    def _note(self, name: str, filled: bool) -> None:
        if filled:
            self._filled.add(name)
        else:
            self._filled.discard(name)

    def arrow(self, expression: Any) -> pa.Table:
        """The rows of an Ibis expression over `tables()`, in no particular order.

        Raises WorkspaceError if the engine cannot answer (a damaged part, no room to spill).
        """
        rows = self._query(_sql(expression))
        return rows.cast(expression.schema().to_pyarrow())  # DuckDB sums integers into 128 bits

    def values(self, table: str, column: str) -> pa.Table | None:
        """The distinct values of one text column, null left out, and perhaps some that no row has any more.

        They are read off the dictionaries that the rows are kept with, many times faster than looking at the rows. None
        where there are none, or where dictionaries do not tell (which rows lie between two times): ask with a query.
        """
        parts = self._parts.get(table)
        if parts is None or self._between:
            return None
        try:
            pieces = list(_dictionaries(parts, column))
            known = pa.chunked_array([piece for piece, _ in pieces], pa.string())
            if not all(goes_on for _, goes_on in pieces):
                known = known.unique()
        except (OSError, pa.ArrowException) as error:
            raise WorkspaceError(f"the workspace cannot be read ({error}); see that its files are whole") from error
        return pa.table({column: known.drop_null()})

    def askers(self) -> pa.Table | None:
        """First and last lookup per site, client, server, source and whether it was answered, as the parts note it.

        None where they do not, or where lookups between two times are asked for: ask with a query.
        """
        parts = self._parts.get("dns_queries")
        noted = None if parts is None or self._between else parts.askers
        if noted is None:
            return None
        self._connection.register("_askers", noted)
        return self._query(
            "SELECT a.site, a.client, a.server, s.source, a.answered, min(a.first_seen) AS first_seen, "
            "max(a.last_seen) AS last_seen FROM _askers a JOIN _sources s USING (file_no) GROUP BY ALL"
        )

    def fetch(self, expression: Any) -> list[dict[str, Any]]:
        """Like `arrow`, as Python values; times are aware (UTC)."""
        rows: list[dict[str, Any]] = self.arrow(expression).to_pylist()
        return rows

    def _query(self, sql: str) -> pa.Table:
        with _one_sentence():
            return self._connection.sql(sql).to_arrow_table()  # execute() would copy the rows once more

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
        self._connection.register("_cited", pa.table({"row_id": pa.array(rows, pa.int64())}))
        ordinals = sorted({row & ((1 << ROW_BITS) - 1) for row in rows})
        # Said of the kept column: groups of rows that hold none of them are then passed over.
        some = f"ordinal BETWEEN {ordinals[0]} AND {ordinals[-1]}" if ordinals else "false"
        if len(ordinals) <= _FEW:
            some = f"ordinal IN ({', '.join(map(str, ordinals)) or 'NULL'})"
        places = self._query(
            f"SELECT c.row_id, s.source, p.place FROM ({self._origins[table]}) p JOIN _sources s USING (file_no) "  # noqa: S608
            f"JOIN _cited c ON c.row_id = {_ROW_ID} WHERE {some}"
        )
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


def _dictionaries(parts: PartsLike, column: str) -> Iterator[tuple[pa.Array, bool]]:
    """The dictionaries of a text column, without what each has in common with the beginning of the one before it.

    A part's texts mostly go on where those of the part before ended: with each piece goes whether these did. While they
    all do, no text comes twice. Raises OSError, ArrowException.
    """
    before = pa.array([], pa.string())
    for chunk in _chunks(parts, column):
        is_coded = pa.types.is_dictionary(chunk.type)
        texts = chunk.dictionary.cast(pa.string()) if is_coded else chunk
        same = texts[: len(before)].equals(before)
        if not same or len(texts) > len(before):
            yield (texts[len(before) :] if same else texts), same and is_coded
            before = texts


def _chunks(parts: PartsLike, column: str) -> Iterator[pa.Array]:
    """A text column piece by piece; groups of rows in Parquet whose dictionary is that of the group before are left out."""
    before = b""
    for path in parts.parquet:
        with path.open("rb") as raw, pq.ParquetFile(path, read_dictionary=[column]) as part:
            for group in range(part.num_row_groups):
                page = _dictionary_page(raw, part.metadata.row_group(group), column)
                if not page or page != before:
                    yield from part.read_row_group(group, columns=[column], use_threads=False).column(column).chunks
                before = page
    if parts.memory is not None:
        yield from parts.memory.column(column).chunks


def _dictionary_page(raw: BinaryIO, group: Any, column: str) -> bytes:
    """The bytes of a column's dictionary in one group of rows, as they lie in the file; empty where there is none.

    The store sees to it that a group with a dictionary has no value outside of it (`store.parquet`).
    """
    columns = (group.column(i) for i in range(group.num_columns))
    meta = next(c for c in columns if c.path_in_schema == column)
    if not meta.has_dictionary_page:
        return b""
    raw.seek(meta.dictionary_page_offset)
    return raw.read(max(0, meta.data_page_offset - meta.dictionary_page_offset))


def among(table: pa.Table, column: str, values: pa.Array) -> pa.Table:
    """The rows whose text `column` is one of `values`."""
    picked = []
    texts, fits = pa.array([], pa.string()), np.empty(0, np.bool_)
    for batch in table.to_batches():
        coded = batch.column(column)
        coded = coded if pa.types.is_dictionary(coded.type) else coded.dictionary_encode()
        if not coded.dictionary.equals(texts):
            texts = coded.dictionary
            fits = pc.is_in(texts, values.cast(texts.type)).to_numpy(zero_copy_only=False)
        # A row that says nothing has a number too, which means nothing.
        numbers = coded.indices.fill_null(0).to_numpy()
        (rows,) = np.nonzero(fits[numbers]) if len(fits) else (np.empty(0, np.int64),)
        rows = rows[coded.is_valid().to_numpy(zero_copy_only=False)[rows]] if coded.null_count else rows
        picked.append(batch.take(pa.array(rows)))
    return pa.Table.from_batches(picked, table.schema)


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
