"""DuckDB as the engine: on one machine, within a bound of memory, spilling beyond it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from wormward.engine.base import Engine, PartsLike, cut_columns, kept_columns, quoted, with_second
from wormward.machine import memory as all_memory
from wormward.model.errors import WorkspaceError
from wormward.model.tables import BY_NAME, FACTS, Table

LEAST_MB, MOST_MB = 400, 2000
_MOSTLY = 4  # of so many rows at most one is kept apart


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


def own_share() -> str:
    """How much memory DuckDB may take: a quarter of the machine's, or of what this process may have, within bounds.

    With less than LEAST_MB it cannot work at all, however much it spills; a hundred million flows need no more than MOST_MB.
    """
    return f"{max(LEAST_MB, min(MOST_MB, all_memory() // 4 // 1_000_000))}MB"


class Duck(Engine):
    """A DuckDB connection that shows a workspace's tables; see `Engine` for `parts`, `sources`, `since` and `until`.

    `memory` bounds DuckDB's own buffers (None: see `own_share`); it spills beyond, into a private folder in `temp` (None:
    TMPDIR) that `close` removes.
    `threads` are the cores that it uses (None: all).
    """

    # Division cuts off towards zero: what happened before 1970 would be a second late.
    second = "(CASE WHEN epoch_us({0}) < 0 THEN epoch_us({0}) - 999999 ELSE epoch_us({0}) END) // 1000000"
    later = "{} + to_microseconds(s.shift)"
    instant = "TIMESTAMPTZ"

    def __init__(
        self,
        parts: Mapping[str, PartsLike],
        sources: pa.Table,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        threads: int | None = None,
        memory: str | None = None,
        temp: Path | None = None,
    ) -> None:
        super().__init__(parts, sources, since, until)
        # DuckDB's own choice would be a folder `.tmp` wherever the user happens to stand.
        self._spill = TemporaryDirectory(prefix="wormward-", dir=temp, ignore_cleanup_errors=True)
        self._connection = duckdb.connect()
        self._set(threads, memory or own_share())
        self._show_sources()
        for table in FACTS:
            self._show_fact(table, parts.get(table.name))
        self._show_side_tables()

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
            self._connection.execute(f"SET {name} = {quoted(value)}")

    def _show(self, name: str, rows: pa.Table) -> None:
        self._connection.register(name, rows)

    def _show_fact(self, table: Table, parts: PartsLike | None) -> None:
        """Make the view of one fact table: rows of all parts, with `row_id`, `source` and `second`."""
        wanted = kept_columns(table)
        origins = []
        if parts is not None and parts.parquet:
            files = ", ".join(quoted(str(p)) for p in parts.parquet)
            origins.append(f"SELECT {wanted} FROM read_parquet([{files}])")  # noqa: S608
        if parts is not None and parts.memory is not None and parts.memory.num_rows:
            self._show(f"_{table.name}", parts.memory)
            origins.append(f"SELECT {wanted} FROM _{table.name}")  # noqa: S608
        if not origins:
            self._show(table.name, with_second(table).empty_table())
            return
        self._filled.add(table.name)
        self._origins[table.name] = " UNION ALL ".join(origins)
        with _one_sentence():
            self._connection.execute(f"CREATE OR REPLACE VIEW {table.name} AS {self._seen(table, self._origins[table.name])}")

    def cut(self, name: str, fact: str, column: str, values: pa.Array) -> None:
        """Keep the rows of a fact table whose text `column` is one of `values` as the cut `name`, replacing the one so named.

        The rows may outgrow memory: they are DuckDB's own and spill. Those that are kept in memory are told by the numbers
        of their texts, which takes a tenth of the time that looking at texts does. Raises WorkspaceError.
        """
        parts, shown = self._parts.get(fact), fact
        if parts is not None and not parts.parquet and parts.memory is not None:
            some = among(parts.memory, column, values)
            if some.num_rows * _MOSTLY < parts.memory.num_rows:
                self._show("_some", some)
                shown = f"({self._seen(BY_NAME[fact], 'SELECT * FROM _some')})"  # noqa: S608
        columns = cut_columns(name)
        with _one_sentence():
            self._show("_wanted", pa.table({"value": values}))
            self._connection.unregister(name)
            rows = f"SELECT {columns} FROM {shown} WHERE {column} IN (SELECT value FROM _wanted)"  # noqa: S608
            self._connection.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {rows}").fetchall()
        self._note(name, bool(self._query(f"SELECT 1 FROM {name} LIMIT 1").num_rows))  # noqa: S608

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
        self._show("_askers", noted)
        return self._query(
            "SELECT a.site, a.client, a.server, s.source, a.answered, "
            "min(a.first_seen + to_microseconds(shift)) AS first_seen, max(a.last_seen + to_microseconds(shift)) AS last_seen "
            "FROM _askers a JOIN _sources s USING (file_no) GROUP BY ALL"
        )

    @staticmethod
    def _sql(expression: Any) -> str:
        import ibis  # noqa: PLC0415 - see Engine.tables()

        # To make one SELECT of several is the engine's work as well, and it does it in no time.
        ibis.options.sql.fuse_selects = False
        return str(ibis.to_sql(expression, dialect="duckdb", pretty=False))

    def sql(self, text: str) -> pa.Table:
        """The rows of a query in DuckDB's own words. Raises WorkspaceError if it cannot be answered."""
        return self._query(text)

    def _query(self, sql: str) -> pa.Table:
        with _one_sentence():
            return self._connection.sql(sql).to_arrow_table()  # execute() would copy the rows once more

    def close(self) -> None:
        """Close the connection; its spilled files go with it."""
        self._connection.close()
        self._spill.cleanup()


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
