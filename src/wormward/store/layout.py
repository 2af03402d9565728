"""How a workspace lies in a folder, who may write there, and what a killed run leaves.

`ledger.sqlite` says what it is and what belongs to it (`store.ledger`); `tables/<table>/part-00000.parquet` … hold the
rows (those of `dns_queries` note who asked whom in their footers); `notes/` holds what annotators made of distinct keys
(it can be made again); `lock` is held by the one who writes. A part that the ledger does not name is what a killed run
left: it counts for nothing, and the next one that writes removes it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection
from pathlib import Path
from typing import BinaryIO

from wormward import machine
from wormward.model.errors import WorkspaceError
from wormward.store import ledger
from wormward.store.parquet import disk_error

TABLES = "tables"
NOTES = "notes"
SPILL = "spill"  # among the tables: what a killed run left there is cleared like any part that nothing names
LOCK = "lock"
_OLD = "workspace.json"  # the stamp of version 1
_OURS = frozenset({ledger.FILE, f"{ledger.FILE}-journal", TABLES, NOTES, LOCK})


def check_version(folder: Path) -> None:
    """Raise WorkspaceError if `folder` holds a workspace of the first version."""
    if (folder / _OLD).is_file():
        raise WorkspaceError(
            f"{folder} holds a workspace of version 1, which did not keep what its evidence covered; "
            "name another folder and assess the evidence into that"
        )


def claim(folder: Path) -> None:
    """Make `folder` if it is not there. Raise WorkspaceError if it holds anything but a workspace of our version."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        there = {entry.name for entry in os.scandir(folder)}
    except OSError as error:
        raise disk_error("the workspace", folder, error) from error
    check_version(folder)
    if there - _OURS or (there and not there & {ledger.FILE, LOCK}):
        raise WorkspaceError(f"{folder} is not empty and is no workspace of ours; name an empty or new folder with --workspace")


def lock(folder: Path) -> BinaryIO:
    """Become the only writer of `folder`; close the file to let go. Raises WorkspaceError if another run is."""
    try:
        file = os.fdopen(os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600), "r+b")
    except OSError as error:
        raise disk_error("the workspace", folder, error) from error
    try:
        machine.hold(file)
    except OSError as error:
        file.close()
        raise WorkspaceError(f"{folder} is in use by another run; wait for its end, or name another folder") from error
    return file


def clear(folder: Path, named: Collection[Path]) -> None:
    """Remove what an interrupted run left: whatever lies among the tables and is not `named`."""
    try:
        for table in (folder / TABLES).glob("*"):
            for path in [table] if table.is_file() or table.is_symlink() else table.iterdir():
                if path not in named:
                    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    except OSError as error:
        raise disk_error("the workspace", folder, error) from error


def settle(folder: Path, tables: Collection[str]) -> None:
    """The names of new parts are on the disk when this returns: the ledger may name them. Raises WorkspaceError."""
    try:
        for place in (folder, folder / TABLES, *(folder / TABLES / name for name in sorted(tables))):
            if place.is_dir():
                machine.settle(place)
    except OSError as error:
        raise disk_error("the workspace", folder, error) from error
