"""Spark as the engine: the same tables and the same queries, for evidence that a site keeps in a cluster already.

An extra (`wormward[spark]`) that needs Java. It is slower than DuckDB on one machine and needs more memory; what it gives
is the same bytes, which a test holds it to. The session listens on this machine only, and has no web page.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from wormward.engine.base import STORE_COLUMNS, Engine, PartsLike, cut_columns, kept_columns, with_second
from wormward.model.errors import UsageError, WorkspaceError
from wormward.model.tables import FACTS, Table

MISSING = (
    "the engine spark needs the package pyspark and Java 17 or newer (apt-get install default-jre-headless; "
    "pip install 'wormward[spark]'); without them leave out --engine"
)
_FEW_BYTES = 32 << 20
"""Of so little evidence a query is planned once and run as it stands: to compile it, or to plan again, would take longer."""
_STRANGE = "([{*?\\"  # Spark would take these in the name of a file for a pattern


class _Root:
    """The session that all engines of this process share while one of them is open. Java is started once and stays."""

    def __init__(self) -> None:
        self._session: Any = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._users = 0

    def take(self, threads: int | None, memory: str) -> Any:
        """A session of one's own. Raises UsageError where Spark is not to be had."""
        if self._session is None:
            self._session = self._start(threads, memory)
        self._users += 1
        return self._session.newSession()

    def give_back(self) -> None:
        """Stop after the last one; what Spark spilled goes with it."""
        self._users -= 1
        if self._users == 0:
            self._session.stop()
            self._session = None
            self._forget()

    def _forget(self) -> None:
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def _start(self, threads: int | None, memory: str) -> Any:
        from pyspark.errors import PySparkException  # noqa: PLC0415 - an extra
        from pyspark.sql import SparkSession  # noqa: PLC0415

        self._folder = tempfile.TemporaryDirectory(prefix="wormward-spark-", ignore_cleanup_errors=True)
        builder = SparkSession.builder.master(f"local[{threads or '*'}]").appName("wormward")
        for name, value in _settings(Path(self._folder.name), memory).items():
            builder = builder.config(name, value)
        os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")  # or it looks for an address and says which one it took
        try:
            return builder.getOrCreate()
        except (PySparkException, OSError) as error:
            self._forget()
            raise UsageError(MISSING) from error


def _settings(folder: Path, memory: str) -> dict[str, str]:
    quiet = folder / "log4j2.properties"
    quiet.write_text(_SILENT, encoding="ascii")  # errors come back as exceptions
    return {
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.memory": memory,
        "spark.driver.extraJavaOptions": f"-Dlog4j2.configurationFile={quiet}",
        "spark.local.dir": str(folder),
        "spark.sql.catalogImplementation": "in-memory",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.warehouse.dir": str(folder),
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
    }


_ROOT = _Root()
_SILENT = "appender.none.type = Null\nappender.none.name = none\nrootLogger.level = off\nrootLogger.appenderRef.none.ref = none\n"


@contextmanager
def _one_sentence() -> Iterator[None]:
    """What Spark cannot do, as a WorkspaceError."""
    from py4j.protocol import Py4JError  # noqa: PLC0415 - an extra
    from pyspark.errors import PySparkException  # noqa: PLC0415

    try:
        yield
    except (PySparkException, Py4JError) as error:
        what = str(error).strip().splitlines()[0]
        raise WorkspaceError(
            f"the workspace cannot be queried ({what}); see that its disk has room and that its files are whole"
        ) from error


class Spark(Engine):
    """A Spark session on this machine that shows a workspace's tables; see `Engine` for the rest.

    Rows in memory are written as Parquet into `temp` first (None: a private folder that `close` removes). `threads` and
    `memory` (of Java's heap) count for the first engine of a process: Java is started once.
    """

    second = "unix_seconds({})"  # rounded down
    later = "timestamp_micros(unix_micros({}) + s.shift)"
    instant = "TIMESTAMP"

    def __init__(
        self,
        parts: Mapping[str, PartsLike],
        sources: pa.Table,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        threads: int | None = None,
        memory: str = "2g",
        temp: Path | None = None,
    ) -> None:
        super().__init__(parts, sources, since, until)
        self.check()
        self._session = _ROOT.take(threads, memory)
        self._folder = tempfile.TemporaryDirectory(prefix="wormward-", dir=temp, ignore_cleanup_errors=True)
        self._numbers = count()
        size = sum(_size(part) for part in parts.values())
        for name in ("spark.sql.adaptive.enabled", "spark.sql.codegen.wholeStage"):
            self._session.conf.set(name, size > _FEW_BYTES)
        self._session.conf.set("spark.sql.shuffle.partitions", max(threads or os.cpu_count() or 1, size // _FEW_BYTES))
        self._show_sources()
        for table in FACTS:
            self._show_fact(table, parts.get(table.name))
        self._show_side_tables()

    @classmethod
    def check(cls) -> None:
        """Raise UsageError if pyspark or Java is missing."""
        java = shutil.which("java") or "JAVA_HOME" in os.environ
        if not java or find_spec("pyspark") is None:
            raise UsageError(MISSING)

    def _room(self, name: str) -> Path:
        """A new place for rows; Spark overlooks what begins with a line."""
        return Path(self._folder.name) / f"{name.lstrip('_')}-{next(self._numbers)}"

    def _show(self, name: str, rows: pa.Table) -> None:
        self._view(name, [self._written(name, rows)], _plain(rows.schema))

    def _written(self, name: str, rows: pa.Table) -> Path:
        path = self._room(name).with_suffix(".parquet")
        pq.write_table(rows, path)
        return path

    def _view(self, name: str, paths: list[Path], schema: pa.Schema) -> None:
        from pyspark.sql.pandas.types import from_arrow_schema  # noqa: PLC0415 - an extra

        with _one_sentence():
            # Asked for by its documented schema, so that no file is looked into only to know its columns.
            reader = self._session.read.schema(from_arrow_schema(schema))
            reader.parquet(*(self._named(path) for path in paths)).createOrReplaceTempView(name)

    def _named(self, path: Path) -> str:
        """A name for a file that Spark takes as it stands."""
        if not any(sign in str(path) for sign in _STRANGE):
            return str(path.absolute())
        link = self._room("part").with_suffix(".parquet")
        link.symlink_to(path.absolute())
        return str(link)

    def _show_fact(self, table: Table, parts: PartsLike | None) -> None:
        """Make the view of one fact table: rows of all parts, with `row_id`, `source` and `second`."""
        paths = [] if parts is None else list(parts.parquet)
        if parts is not None and parts.memory is not None and parts.memory.num_rows:
            paths.append(self._written(table.name, parts.memory))
        if not paths:
            self._show(table.name, with_second(table).empty_table())
            return
        kept = [pa.field(c.name, c.type) for c in table.reader_columns]
        stored = zip(STORE_COLUMNS, (pa.int32(), pa.int64()), strict=True)
        self._view(f"_{table.name}", paths, pa.schema([*kept, *(pa.field(*column) for column in stored)]))
        self._filled.add(table.name)
        self._origins[table.name] = f"SELECT {kept_columns(table)} FROM _{table.name}"  # noqa: S608
        with _one_sentence():
            self._session.sql(self._seen(table, self._origins[table.name])).createOrReplaceTempView(table.name)

    def cut(self, name: str, fact: str, column: str, values: pa.Array) -> None:
        """Keep the rows of a fact table whose text `column` is one of `values` as the cut `name`, on the disk.

        Raises WorkspaceError.
        """
        self._show("_wanted", pa.table({"value": values}))
        columns, place = cut_columns(name), self._room(name)
        rows = f"SELECT {columns} FROM {fact} WHERE {column} IN (SELECT value FROM _wanted)"  # noqa: S608
        with _one_sentence():
            self._session.sql(rows).write.parquet(str(place))
            self._session.read.schema(self._session.table(name).schema).parquet(str(place)).createOrReplaceTempView(name)
        self._note(name, bool(self._query(f"SELECT 1 FROM {name} LIMIT 1").num_rows))  # noqa: S608

    @staticmethod
    def _sql(expression: Any) -> str:
        import ibis  # noqa: PLC0415 - see Engine.tables()

        return str(ibis.to_sql(expression, dialect="pyspark", pretty=False))

    def _query(self, sql: str) -> pa.Table:
        with _one_sentence():
            return self._session.sql(sql).toArrow()

    def close(self) -> None:
        """Remove what was written for this engine; Java stays for the next one and ends with the process."""
        _ROOT.give_back()
        self._folder.cleanup()


def _size(parts: PartsLike) -> int:
    """About how many bytes the rows of one table are."""
    return sum(path.stat().st_size for path in parts.parquet) + (0 if parts.memory is None else int(parts.memory.nbytes))


def _plain(schema: pa.Schema) -> pa.Schema:
    """Columns as Spark knows them: text without dictionaries."""
    return pa.schema([f.with_type(f.type.value_type) if pa.types.is_dictionary(f.type) else f for f in schema])
