"""The workspace: takes rows from readers, keeps them in bounds, hands whole tables to the engine.

Parts carry a table's reader columns, `file_no` (int32) and `ordinal` (int64: the row's place within its file and
table). A row's `source` and `row_id` follow from `sources()`, which knows each file's place in sha256 order; rows of
a file that is not in it (a second copy of another file) do not count: join inwards.
"""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import pyarrow as pa

from wormward.model.errors import WorkspaceError
from wormward.model.reading import SourceRow
from wormward.model.tables import BY_NAME, FACTS, SOURCES
from wormward.store import askers, layout, ledger
from wormward.store.buffer import TableBuffer, Values, stored_schema
from wormward.store.notes import Notes
from wormward.store.parquet import disk_error, put_aside, write_part

MEMORY = 192 << 20
"""Bytes of rows that are kept in memory before the largest table is written out."""


@dataclass(frozen=True, slots=True)
class Parts:
    """Where one table's rows lie: Parquet files, and what did not get that far (None if nothing): it looks like memory."""

    parquet: tuple[Path, ...]
    memory: pa.Table | None
    facts: pa.Table | None = None  # who asked whom in `memory`

    @property
    def askers(self) -> pa.Table | None:
        """Who asked whom in all these lookups (`store.askers.SCHEMA`), as the parts note it; None where one does not."""
        if self.memory is None:
            return askers.noted(self.parquet)
        return None if self.parquet else self.facts


def source_table(sources: Iterable[SourceRow]) -> tuple[pa.Table, dict[int, str]]:
    """The columns of SOURCES and `file_no`, in sha256 order; and for each second copy the name of the file that counts.

    Of several files with equal bytes the one with the smallest name counts; the rows are those of the first that has any.
    """
    kept: dict[str, SourceRow] = {}
    copies: dict[int, str] = {}
    for row in sorted((row for row in sources if row.sha256), key=lambda r: (r.sha256, r.name, r.file_no)):
        first = kept.setdefault(row.sha256, row)
        if first is not row:
            copies[row.file_no] = first.name
            if row.has_rows and not first.has_rows:
                kept[row.sha256] = replace(first, file_no=row.file_no, has_rows=True)
    rows = list(kept.values())
    columns = {
        "source": pa.array(range(len(rows)), pa.int32()),
        "sha256": pa.array([r.sha256 for r in rows], pa.string()),
        "name": pa.array([r.name for r in rows], pa.string()),
        "kind": pa.array([r.kind for r in rows], pa.string()),
        "unit": pa.array([r.unit for r in rows], pa.string()),
        "file_no": pa.array([r.file_no for r in rows], pa.int32()),
    }
    return pa.table(columns, schema=SOURCES.schema.append(pa.field("file_no", pa.int32()))), copies


class Workspace:
    """Takes rows (a `TableSink`), then gives parts. A context manager: leaving it removes what was only for this run.

    `folder` None: a temporary one is made when memory does not suffice, and removed. Else the tables are kept there,
    beside those of earlier runs: the new ones are in when `finish` succeeds, and not before. `add` may be called from
    several threads. `known` are the files that earlier runs brought, `passed` what they passed over.
    """

    def __init__(self, folder: Path | None = None, memory_bytes: int = MEMORY) -> None:
        """Claim and lock `folder`. Raises WorkspaceError if it is not ours to write or another run writes there."""
        self._buffers = {t.name: TableBuffer(t) for t in FACTS}
        self._parts: dict[str, list[Path]] = {t.name: [] for t in FACTS}
        self._named = dict.fromkeys(self._parts, 0)  # parts that the ledger names
        self._memory: dict[str, list[pa.Table]] = {t.name: [] for t in FACTS}
        self._facts: list[pa.Table | None] = []  # of the rows of `askers.TABLE` among them
        self._sources: pa.Table | None = None
        self._bound = memory_bytes
        self._size = 0
        self._guard = threading.Lock()
        self._folder = folder
        self._temporary: Path | None = None
        self._lock: BinaryIO | None = None
        self._ledger: ledger.Ledger | None = None
        self.known: tuple[SourceRow, ...] = ()
        self.passed: tuple[ledger.Passed, ...] = ()
        if folder is not None:
            layout.claim(folder)
            self._lock = layout.lock(folder)
            try:
                self._recall(folder, ledger.Ledger(folder, make=True))
                layout.clear(folder, {path for paths in self._parts.values() for path in paths})
            except BaseException:
                self.close()
                raise

    def _recall(self, folder: Path, known: ledger.Ledger) -> None:
        """Know what the ledger knows."""
        self._ledger = known
        self.known, self.passed = tuple(known.files()), tuple(known.passed())
        for name, files in known.parts().items():
            if name in self._parts:
                self._parts[name] = [folder / layout.TABLES / name / file for file in files]
                self._named[name] = len(files)

    @classmethod
    def open(cls, folder: Path) -> Workspace:
        """A workspace that earlier runs kept in `folder`, for reading. Raises WorkspaceError if there is none."""
        layout.check_version(folder)
        if not (folder / ledger.FILE).is_file():
            raise WorkspaceError(f"{folder} holds no workspace; name the folder that --workspace named when it was made")
        workspace = cls()
        workspace._recall(folder, ledger.Ledger(folder))
        workspace._sources, _ = source_table(workspace.known)
        workspace.close()
        return workspace

    def scratch(self) -> Path | None:
        """A private folder on the workspace's disk for what is only for this run, removed by `close`; None: TMPDIR has to do.

        Raises WorkspaceError.
        """
        if self._folder is None:
            return None
        place = self._folder / layout.TABLES / layout.SPILL
        try:
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise disk_error("the workspace", place, error) from error
        return place

    @property
    def notes(self) -> Notes | None:
        """What annotators remember from run to run; None if nothing is kept."""
        return None if self._folder is None else Notes(self._folder / layout.NOTES)

    @property
    def next_file_no(self) -> int:
        """The number of the next file that comes in."""
        return max((row.file_no for row in self.known), default=-1) + 1

    def add(self, table: str, file_no: int, columns: Mapping[str, Values]) -> None:
        """Append rows of one table from one file (see `model.reading.TableSink`)."""
        with self._guard:
            if self._sources is not None:
                raise WorkspaceError("the workspace is finished: it takes no more rows")
            buffer = self._buffers[table]
            before = buffer.size
            buffer.add(file_no, columns)
            self._size += buffer.size - before
            while self._size > self._bound:
                largest = max(self._buffers.values(), key=lambda b: b.size)
                self._write_out(largest)

    def _write_out(self, buffer: TableBuffer) -> None:
        name = buffer.table.name
        self._size -= buffer.size
        folder = self._root() / layout.TABLES / name
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise disk_error("the workspace", folder, error) from error
        if self._folder is None:
            path = folder / f"part-{len(self._memory[name]):05d}.arrow"
            with buffer.taken() as rows:
                self._note(name, rows)
                self._memory[name].append(put_aside(rows, path, f"table {name}"))
        else:
            path = folder / f"part-{len(self._parts[name]):05d}.parquet"
            with buffer.taken(lean=True) as rows:
                write_part(rows, path, f"table {name}", askers.note(rows) if name == askers.TABLE else None)
            self._parts[name].append(path)

    def _note(self, name: str, rows: pa.Table) -> None:
        if name == askers.TABLE:
            self._facts.append(askers.facts(rows))

    def _root(self) -> Path:
        """Where parts are written: in the folder until it is finished, or in a temporary one."""
        if self._folder is not None:
            return self._folder
        if self._temporary is None:
            try:
                self._temporary = Path(tempfile.mkdtemp(prefix="wormward-"))
            except OSError as error:
                raise disk_error("the workspace", Path(tempfile.gettempdir()), error) from error
        return self._temporary

    def finish(self, sources: Iterable[SourceRow], passed: Iterable[ledger.Passed] = ()) -> dict[int, str]:
        """All rows are in: `known`, `passed`, `sources()` and `parts()` answer from now on, of earlier files too.

        Gives for each file number that is a second copy of another file the name of the file that counts.
        Raises WorkspaceError if the folder cannot be written.
        """
        sources = tuple(sources)
        for name, buffer in self._buffers.items():
            if not buffer.rows:
                continue
            if self._folder is not None:
                self._write_out(buffer)
            else:
                self._memory[name].append(buffer.take())
                self._note(name, self._memory[name][-1])
        if self._folder is not None and self._ledger is not None:
            new = {name: [path.name for path in paths[self._named[name] :]] for name, paths in self._parts.items()}
            layout.settle(self._folder, [name for name, files in new.items() if files])
            self._ledger.take_in(sources, passed, new)
            self._recall(self._folder, self._ledger)
        else:
            self.known, self.passed = sources, tuple(sorted(passed, key=lambda p: (p[1], p[0])))
        self._sources, copies = source_table(self.known)
        return copies

    def parts(self, table: str) -> Parts:
        """Where the rows of `table` lie; columns as `store.buffer.stored_schema` says."""
        memory = self._memory.get(table)
        noted = [facts for facts in self._facts if facts is not None]
        facts = pa.concat_tables(noted) if table == askers.TABLE and noted and len(noted) == len(self._facts) else None
        return Parts(tuple(self._parts[table]), pa.concat_tables(memory) if memory else None, facts)

    def schema(self, table: str) -> pa.Schema:
        """The columns of a part of `table`."""
        return stored_schema(BY_NAME[table])

    def sources(self) -> pa.Table:
        """SOURCES and `file_no`, one row a file that counts, in the order of their digests."""
        if self._sources is None:
            raise WorkspaceError("the workspace is not finished: its sources are not known yet")
        return self._sources

    def close(self) -> None:
        """Remove what was only for this run and let go of the folder."""
        if self._temporary is not None:
            shutil.rmtree(self._temporary, ignore_errors=True)
            self._temporary = None
        if self._ledger is not None:
            self._ledger.close()
            self._ledger = None
        if self._lock is not None:
            if self._folder is not None:
                shutil.rmtree(self._folder / layout.TABLES / layout.SPILL, ignore_errors=True)
            for name, paths in self._parts.items():
                for path in paths[self._named[name] :]:
                    path.unlink(missing_ok=True)
            self._lock.close()
            self._lock = None
        self._memory.clear()

    def __enter__(self) -> Workspace:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
