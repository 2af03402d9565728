"""Questions of a person, in SQL, over a workspace: they see its tables, change nothing and reach nothing else.

A question is one SELECT. Before it is asked the connection lets go of files and network but for the workspace's own
parts, and its settings are locked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from tempfile import TemporaryDirectory
from typing import Any, Final

import duckdb
import pyarrow as pa

from wormward.engine.base import PartsLike, quoted
from wormward.engine.values import values
from wormward.model.errors import UsageError, WorkspaceError
from wormward.model.tables import FACTS, ROW_BITS, SOURCES, Column, Table

MOST_MEMORY: Final = "1GB"
_LOOK_UP_S, _PATIENCE_S = 0.2, 2.0
"""Seconds after which an interrupt is noticed at the latest, and for which a question may then take to stop."""
_BATCH: Final = 2048
"""Rows that are taken at a time."""
_MOST_WORDS: Final = 300
"""Characters of an engine's own words in an error."""
ASKED = (
    Column("file", pa.string(), "Name of the source, as it was given."),
    Column("sha256", pa.string(), "Digest of the source's uncompressed bytes."),
)
"""Columns that are shown of every table of facts, after its own."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The columns of an answer and its first rows; `more` if there are further ones."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    more: bool


class Asker:
    """A DuckDB connection on which a workspace's tables are views. Use as a context manager."""

    def __init__(self, parts: Mapping[str, PartsLike], sources: pa.Table, threads: int | None = None) -> None:
        """`parts` maps names of fact tables to where their rows lie; `sources` as for `Duck`."""
        self._left = False
        self._spill = TemporaryDirectory(prefix="wormward-", ignore_cleanup_errors=True)
        self._connection = duckdb.connect()
        run = self._connection.execute
        run("SET TimeZone = 'UTC'")
        run(f"SET memory_limit = '{MOST_MEMORY}'")
        run(f"SET temp_directory = {quoted(self._spill.name)}")
        run("SET autoinstall_known_extensions = false")
        run("SET autoload_known_extensions = false")
        run("SET python_enable_replacements = false")
        run("SET arrow_lossless_conversion = true")
        if threads is not None:
            run(f"SET threads = {int(threads)}")
        self._connection.register("_sources", sources)
        run(f"CREATE VIEW {SOURCES.name} AS SELECT {', '.join(c.name for c in SOURCES.columns)} FROM _sources")  # noqa: S608 - names of model.tables
        files = []
        for table in FACTS:
            own = parts.get(table.name)
            files += [str(path) for path in own.parquet] if own is not None else []
            self._show(table, own)
        run(f"SET allowed_paths = [{', '.join(map(quoted, files))}]")
        run("SET enable_external_access = false")
        run("SET lock_configuration = true")

    def _show(self, table: Table, parts: PartsLike | None) -> None:
        """The view of one table of facts, with what its source is called."""
        if parts is None or not parts.parquet:
            empty = pa.schema([*table.schema, *(pa.field(c.name, c.type) for c in ASKED)]).empty_table()
            self._connection.register(table.name, empty)
            return
        files = ", ".join(quoted(str(path)) for path in parts.parquet)
        columns = ", ".join(f"p.{c.name}" for c in table.reader_columns)
        self._connection.execute(  # every part of this text is a name from model.tables or quoted
            f"CREATE VIEW {table.name} AS SELECT (s.source::BIGINT << {ROW_BITS}) | p.ordinal AS row_id, s.source, "  # noqa: S608
            f"{columns}, s.name AS file, s.sha256 FROM read_parquet([{files}]) p JOIN _sources s USING (file_no)"
        )

    def ask(self, question: str, most: int) -> Answer:
        """The first `most` rows that answer a person's question. Raises UsageError in one sentence, or KeyboardInterrupt."""
        try:
            statements = duckdb.extract_statements(question)
            if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
                raise UsageError("a question is one SELECT: nothing else is answered here, and nothing is ever changed")
            return self._beside(lambda: self._answer(statements[0], most, ()))
        except (duckdb.Error, pa.ArrowException) as error:
            raise UsageError(f"that question cannot be answered: {_first_line(error)}") from error

    def look(self, query: str, most: int, places: Sequence[Any] = ()) -> Answer:
        """The first `most` rows that answer a question of our own; `places` fill its `?`. Raises WorkspaceError."""
        try:
            return self._answer(query, most, places)
        except (duckdb.Error, pa.ArrowException) as error:
            raise WorkspaceError(
                f"the workspace cannot be queried ({_first_line(error)}); see that its disk has room and that its files are whole"
            ) from error

    def _answer(self, query: Any, most: int, places: Sequence[Any]) -> Answer:
        found = self._connection.sql(query, params=list(places) or None)
        with found.to_arrow_reader(min(most + 1, _BATCH)) as reader:
            columns = tuple(reader.schema.names)
            rows: list[tuple[Any, ...]] = []
            while len(rows) <= most and (batch := next(reader, None)) is not None:
                rows += zip(*map(values, batch.slice(length=most + 1 - len(rows)).columns), strict=True)
        return Answer(columns, tuple(rows[:most]), len(rows) > most)

    def _beside(self, work: Callable[[], Answer]) -> Answer:
        """`work`, done in another thread: the engine lets nobody in while it computes, and a person may have had enough."""
        pool = ThreadPoolExecutor(1)
        asked = pool.submit(work)
        try:
            while not wait([asked], timeout=_LOOK_UP_S).done:
                pass
            return asked.result()
        except KeyboardInterrupt:
            self._connection.interrupt()
            self._left = not wait([asked], timeout=_PATIENCE_S).done
            raise
        finally:
            pool.shutdown(wait=False)

    def close(self) -> None:
        """Let go of it."""
        if self._left:
            return  # it still computes and would not let go; the process ends
        self._connection.close()
        self._spill.cleanup()

    def __enter__(self) -> Asker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _first_line(error: Exception) -> str:
    """What an engine says first, in one line. Traces of its own, which name folders of its installation, come after that."""
    return next((" ".join(line.split()) for line in str(error).splitlines() if line.strip()), type(error).__name__)[:_MOST_WORDS]
