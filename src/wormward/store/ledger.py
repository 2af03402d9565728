"""The ledger of a workspace (SQLite): which files it knows, what each showed, which parts hold its rows, what runs said.

A part counts when the ledger names it, so one transaction takes in a whole batch of evidence or nothing of it. Whatever
lies beside (a killed run's parts) is cleared by the next one that writes.
"""

from __future__ import annotations

import json
import os
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from wormward.model.errors import WorkspaceError
from wormward.model.reading import SourceRow
from wormward.model.states import Coverage, Problem, Skip

FILE = "ledger.sqlite"
VERSION = 2
"""Of the whole workspace. Version 1 kept its stamp in `workspace.json`, and no coverage."""
_APPLICATION = 0x57574C44
_BUSY_S = 20.0  # that a reader waits while a batch is taken in
_COLUMNS = ("file_no", "sha256", "name", "kind", "unit", "path", "head", "state", "site", "stream", "wanted", "has_rows")
_TABLES = (
    "CREATE TABLE files (file_no INTEGER PRIMARY KEY, sha256 TEXT NOT NULL, name TEXT NOT NULL, kind TEXT NOT NULL, "
    "unit TEXT NOT NULL, path TEXT NOT NULL, head TEXT NOT NULL, state TEXT NOT NULL, site TEXT NOT NULL, "
    "stream TEXT NOT NULL, wanted TEXT NOT NULL, has_rows INTEGER NOT NULL, coverage TEXT)",
    "CREATE TABLE passed (why TEXT NOT NULL, name TEXT NOT NULL, PRIMARY KEY (why, name)) WITHOUT ROWID",
    "CREATE TABLE parts (fact TEXT NOT NULL, file TEXT NOT NULL, PRIMARY KEY (fact, file)) WITHOUT ROWID",
    "CREATE TABLE runs (run INTEGER PRIMARY KEY, assessment BLOB NOT NULL)",
    f"PRAGMA application_id = {_APPLICATION}",
    f"PRAGMA user_version = {VERSION}",
)

Passed = tuple[Skip, str]
"""What was passed over in a folder: why, and its name."""


@contextmanager
def _one_sentence(folder: Path) -> Iterator[None]:
    """What SQLite cannot do, as a WorkspaceError."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        full = getattr(error, "sqlite_errorname", "") in ("SQLITE_FULL", "SQLITE_IOERR_WRITE")
        what = "the disk is full" if full else str(error)
        raise WorkspaceError(
            f"the ledger of {folder} cannot be used ({what}); see that its disk has room and that its files are whole and yours"
        ) from error


class Ledger:
    """A connection to one workspace's ledger; close it."""

    def __init__(self, folder: Path, make: bool = False) -> None:
        """Open it, or begin an empty one. Raises WorkspaceError if there is none, or one of another version."""
        self._folder = folder
        path = folder / FILE
        with _one_sentence(folder):
            if make:
                os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))  # SQLite's own choice would let others read it
            mode = "rw" if os.access(folder, os.W_OK) else "ro"
            self._db = sqlite3.connect(
                f"{path.absolute().as_uri()}?mode={mode}", _BUSY_S, isolation_level=None, uri=True, check_same_thread=False
            )
        try:
            self._check(make)
        except BaseException:
            self._db.close()
            raise

    def _check(self, make: bool) -> None:
        with _one_sentence(self._folder):
            stamp = self._number("application_id"), self._number("user_version")
            if stamp == (0, 0) and not self._db.execute("SELECT 1 FROM sqlite_master").fetchone():
                if not make:
                    raise WorkspaceError(f"{self._folder} holds no workspace that is whole; assess evidence into it first")
                with self._whole():
                    for statement in _TABLES:
                        self._db.execute(statement)
                return
        if stamp != (_APPLICATION, VERSION):
            found = f"version {stamp[1]}" if stamp[0] == _APPLICATION else "no ledger of ours"
            raise WorkspaceError(
                f"{self._folder} holds a workspace of another version ({found}, this program writes version {VERSION}); "
                "name another folder and assess the evidence into that"
            )

    def _number(self, pragma: str) -> int:
        return int(self._db.execute(f"PRAGMA {pragma}").fetchone()[0])

    @contextmanager
    def _whole(self) -> Iterator[None]:
        """Everything in the block is in the ledger, or nothing."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    def files(self) -> list[SourceRow]:
        """All files that were ever given, in the order of their numbers."""
        with _one_sentence(self._folder):
            rows = self._db.execute(f"SELECT {', '.join(_COLUMNS)}, coverage FROM files ORDER BY file_no").fetchall()  # noqa: S608
        try:
            return [_file(row) for row in rows]
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise WorkspaceError(f"the ledger of {self._folder} is damaged ({error}); take it from a backup") from error

    def passed(self) -> list[Passed]:
        """What was passed over in folders, by name."""
        with _one_sentence(self._folder):
            rows = self._db.execute("SELECT why, name FROM passed ORDER BY name, why").fetchall()
        return [(Skip(why), name) for why, name in rows]

    def parts(self) -> dict[str, list[str]]:
        """Names of the files that hold the rows of each table, in the order in which they came."""
        with _one_sentence(self._folder):
            rows = self._db.execute("SELECT fact, file FROM parts ORDER BY fact, file").fetchall()
        found: dict[str, list[str]] = {}
        for fact, file in rows:
            found.setdefault(fact, []).append(file)
        return found

    def take_in(self, files: Sequence[SourceRow], passed: Iterable[Passed], parts: Mapping[str, Sequence[str]]) -> None:
        """A batch of evidence is in when this returns. What could not be read before and came again is forgotten."""
        names = sorted({row.name for row in files})
        rows = [_values(row) for row in files]
        marks = ", ".join("?" * (len(_COLUMNS) + 1))
        with _one_sentence(self._folder), self._whole():
            self._db.executemany("DELETE FROM files WHERE sha256 = '' AND name = ?", [(name,) for name in names])
            self._db.executemany(f"INSERT INTO files ({', '.join(_COLUMNS)}, coverage) VALUES ({marks})", rows)  # noqa: S608
            self._db.executemany("INSERT OR IGNORE INTO passed VALUES (?, ?)", [(why.value, name) for why, name in passed])
            named = [(fact, file) for fact, names in parts.items() for file in names]
            self._db.executemany("INSERT INTO parts VALUES (?, ?)", named)

    def keep_run(self, text: str) -> int:
        """Keep what a run said (JSON); gives its number, counted from 1."""
        with _one_sentence(self._folder), self._whole():
            packed = zlib.compress(text.encode(), 6)
            number = self._db.execute("INSERT INTO runs (assessment) VALUES (?)", (packed,)).lastrowid
        return int(number or 0)

    def run(self, number: int | None = None) -> str | None:
        """What run `number` said, the last one's words where None; None if there is none."""
        with _one_sentence(self._folder):
            row = self._db.execute(
                "SELECT assessment FROM runs WHERE run = coalesce(?, (SELECT max(run) FROM runs))", (number,)
            ).fetchone()
        try:
            return zlib.decompress(row[0]).decode() if row else None
        except (zlib.error, ValueError, TypeError) as error:
            raise WorkspaceError(f"the ledger of {self._folder} is damaged ({error}); take it from a backup") from error

    def close(self) -> None:
        """Let go of it."""
        self._db.close()


def keep_run(folder: Path, text: str) -> int:
    """See `Ledger.keep_run`."""
    with closing(Ledger(folder)) as ledger:
        return ledger.keep_run(text)


def kept_run(folder: Path, number: int | None = None) -> str | None:
    """See `Ledger.run`. Raises WorkspaceError if `folder` holds no workspace."""
    if not (folder / FILE).is_file():
        raise WorkspaceError(f"{folder} holds no workspace; name the folder that --workspace named when it was made")
    with closing(Ledger(folder)) as ledger:
        return ledger.run(number)


def _values(row: SourceRow) -> tuple[Any, ...]:
    coverage = None
    if row.coverage is not None:
        coverage = json.dumps(asdict(row.coverage), default=lambda v: v.isoformat(), ensure_ascii=False)
    return (*(getattr(row, name) for name in _COLUMNS), coverage)


def _file(row: Sequence[Any]) -> SourceRow:
    values = dict(zip(_COLUMNS, row[:-1], strict=True))
    return SourceRow(**{**values, "has_rows": bool(values["has_rows"])}, coverage=None if row[-1] is None else _coverage(row[-1]))


def _coverage(text: str) -> Coverage:
    """Coverage as `_values` wrote it. Raises ValueError, TypeError, KeyError or AttributeError for anything else."""
    said = json.loads(text)
    for name in ("begin", "end"):
        said[name] = None if said[name] is None else datetime.fromisoformat(said[name])
    for name in ("blind", "notes"):
        said[name] = tuple(said[name])
    said["problems"] = tuple(Problem(**problem) for problem in said["problems"])
    return Coverage(**said)
