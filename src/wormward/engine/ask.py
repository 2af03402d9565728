"""Questions of a person, in SQL, over a workspace: they see its tables, change nothing and reach nothing else.

A question is one SELECT. Before it is asked the connection lets go of files and network but for the workspace's own
parts, and its settings are locked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from tempfile import TemporaryDirectory
from typing import Any, Final

import duckdb
import pyarrow as pa

from wormward.engine.base import PartsLike
from wormward.model.errors import UsageError
from wormward.model.tables import FACTS, ROW_BITS, SOURCES, Column, Table

MOST_MEMORY: Final = "1GB"
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
        self._spill = TemporaryDirectory(prefix="wormward-", ignore_cleanup_errors=True)
        self._connection = duckdb.connect()
        run = self._connection.execute
        run("SET TimeZone = 'UTC'")
        run(f"SET memory_limit = '{MOST_MEMORY}'")
        run(f"SET temp_directory = {_quoted(self._spill.name)}")
        run("SET autoinstall_known_extensions = false")
        run("SET autoload_known_extensions = false")
        run("SET python_enable_replacements = false")
        if threads is not None:
            run(f"SET threads = {int(threads)}")
        self._connection.register("_sources", sources)
        run(f"CREATE VIEW {SOURCES.name} AS SELECT {', '.join(c.name for c in SOURCES.columns)} FROM _sources")  # noqa: S608 - names of model.tables
        files = []
        for table in FACTS:
            own = parts.get(table.name)
            files += [str(path) for path in own.parquet] if own is not None else []
            self._show(table, own)
        run(f"SET allowed_paths = [{', '.join(map(_quoted, files))}]")
        run("SET enable_external_access = false")
        run("SET lock_configuration = true")

    def _show(self, table: Table, parts: PartsLike | None) -> None:
        """The view of one table of facts, with what its source is called."""
        if parts is None or not parts.parquet:
            empty = pa.schema([*table.schema, *(pa.field(c.name, c.type) for c in ASKED)]).empty_table()
            self._connection.register(table.name, empty)
            return
        files = ", ".join(_quoted(str(path)) for path in parts.parquet)
        columns = ", ".join(f"p.{c.name}" for c in table.reader_columns)
        self._connection.execute(  # every part of this text is a name from model.tables or quoted
            f"CREATE VIEW {table.name} AS SELECT (s.source::BIGINT << {ROW_BITS}) | p.ordinal AS row_id, s.source, "  # noqa: S608
            f"{columns}, s.name AS file, s.sha256 FROM read_parquet([{files}]) p JOIN _sources s USING (file_no)"
        )

    def ask(self, question: str, most: int, places: Sequence[Any] = ()) -> Answer:
        """The first `most` rows that answer `question`; `places` fill its `?`. Raises UsageError in one sentence."""
        try:
            statements = duckdb.extract_statements(question)
            if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
                raise UsageError("a question is one SELECT: nothing else is answered here, and nothing is ever changed")
            result = self._connection.execute(statements[0], places or None)
            rows = result.fetchmany(most + 1)
        except duckdb.Error as error:
            what = " ".join(str(error).split("\n\n")[0].split())
            raise UsageError(f"that question cannot be answered: {what}") from error
        columns = tuple(str(column[0]) for column in result.description or ())
        return Answer(columns, tuple(rows[:most]), len(rows) > most)

    def close(self) -> None:
        """Let go of it."""
        self._connection.close()
        self._spill.cleanup()

    def __enter__(self) -> Asker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
