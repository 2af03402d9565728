"""How a workspace lies in a folder, who may write there, and whether what is there may be replaced.

`workspace.json` says the schema version and is there only when the workspace is whole; `sources.parquet` lists the
evidence files in the order of their digests; `tables/<table>/part-00000.parquet` … hold the rows (those of
`dns_queries` note who asked whom in their footers); `lock` is held by the one who writes; `unfinished/` is what a run
is writing (one that was killed leaves it, the next one clears it).
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from pathlib import Path
from typing import BinaryIO

from wormward.model.errors import WorkspaceError
from wormward.store.parquet import disk_error

SCHEMA = "wormward.workspace/1"
MANIFEST = "workspace.json"
SOURCES_FILE = "sources.parquet"
TABLES = "tables"
LOCK = "lock"
UNFINISHED = "unfinished"
_OURS = frozenset({MANIFEST, SOURCES_FILE, TABLES, LOCK, UNFINISHED, MANIFEST + ".unfinished"})


def check_schema(folder: Path) -> None:
    """Raise WorkspaceError if `folder` holds a workspace of another version, or a damaged one."""
    manifest = folder / MANIFEST
    try:
        found = json.loads(manifest.read_bytes())["schema"]
    except FileNotFoundError:
        return
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WorkspaceError(f"{manifest} cannot be read as a workspace; delete that folder, or name another one") from error
    if found != SCHEMA:
        raise WorkspaceError(
            f"{folder} holds a workspace of another version ({str(found)[:60]!r}, this program writes {SCHEMA!r}); "
            "name another folder, or delete that one"
        )


def claim(folder: Path) -> None:
    """Make `folder` if it is not there. Raise WorkspaceError if it holds anything but a workspace of our version."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        there = {entry.name for entry in os.scandir(folder)}
    except OSError as error:
        raise disk_error("the workspace", folder, error) from error
    if there - _OURS or (there and not there & {MANIFEST, LOCK}):
        raise WorkspaceError(f"{folder} is not empty and is no workspace of ours; name an empty or new folder with --workspace")
    check_schema(folder)


def lock(folder: Path) -> BinaryIO:
    """Become the only writer of `folder`; close the file to let go. Raises WorkspaceError if another run is."""
    try:
        file = os.fdopen(os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600), "r+b")
    except OSError as error:
        raise disk_error("the workspace", folder, error) from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise WorkspaceError(f"{folder} is in use by another run; wait for its end, or name another folder") from error
    return file


def clear(folder: Path) -> None:
    """Remove what an interrupted run left, so that `unfinished` can be filled."""
    try:
        shutil.rmtree(folder / UNFINISHED, ignore_errors=True)
        (folder / UNFINISHED).mkdir(mode=0o700)
    except OSError as error:
        raise disk_error("the workspace", folder, error) from error


def put_in_place(folder: Path) -> None:
    """Make what `unfinished` holds the workspace. Until the manifest is there again, the folder holds none."""
    try:
        (folder / MANIFEST).unlink(missing_ok=True)
        shutil.rmtree(folder / TABLES, ignore_errors=True)
        (folder / UNFINISHED / TABLES).replace(folder / TABLES)
        (folder / UNFINISHED / SOURCES_FILE).replace(folder / SOURCES_FILE)
        (folder / UNFINISHED).rmdir()
        manifest = folder / (MANIFEST + ".unfinished")
        handle = os.open(manifest, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump({"schema": SCHEMA}, file)
            file.flush()
            os.fsync(file.fileno())
        manifest.replace(folder / MANIFEST)
    except OSError as error:
        raise disk_error("the workspace", folder, error) from error
