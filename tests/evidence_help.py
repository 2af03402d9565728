"""Reading evidence in tests: bytes or paths in, rows as Python values and coverage out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wormward.evidence import Discovery, discover, read_all
from wormward.model.reading import FileRead, ReadContext
from wormward.model.site import Site
from wormward.model.states import Coverage
from wormward.model.tables import FACTS
from wormward.store import SourceRow, Workspace


@dataclass(frozen=True)
class Read:
    """What reading gave. Rows have the reader's columns and `file_no` and `ordinal`, in that order."""

    found: Discovery
    reads: list[FileRead]
    tables: dict[str, list[dict[str, Any]]]

    @property
    def coverage(self) -> Coverage:
        """That of the only file."""
        (read,) = self.reads
        return read.coverage

    def column(self, table: str, name: str) -> list[Any]:
        """One column of a table."""
        return [row[name] for row in self.tables.get(table, [])]


def read_paths(*paths: Path, site: Site | None = None, separate: bool = False) -> Read:
    """Discover and read."""
    found = discover(paths, site or Site(), separate)
    with Workspace() as store:
        reads = read_all(found.files, ReadContext(store, site or Site()))
        store.finish(SourceRow(r.file_no, r.coverage.sha256, r.coverage.source, r.coverage.kind, r.coverage.unit) for r in reads)
        tables = {}
        for table in FACTS:
            rows = store.parts(table.name).memory
            if rows is not None:
                listed = rows.to_pylist()
                tables[table.name] = sorted(listed, key=lambda r: (r["file_no"], r["ordinal"]))
    return Read(found, reads, tables)


def read_bytes(folder: Path, data: bytes, name: str = "evidence.log", site: Site | None = None) -> Read:
    """Write a file and read it."""
    path = folder / name
    path.write_bytes(data)
    return read_paths(path, site=site)


def problems(reads: Sequence[FileRead]) -> list[str]:
    """All problems as text: `file, place: what`."""
    return [f"{r.coverage.source}, {p.place}: {p.what}" for r in reads for p in r.coverage.problems]
