"""Files that a run writes: whole or not at all, readable by their owner only, never over evidence.

Text goes to a new file in the same folder, which then takes the place of the old one: an interrupted run leaves the
old file as it was. Reports hold what people looked up, so their mode is 0600.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from wormward.model.errors import UsageError, WorkspaceError
from wormward.model.own import OWN_MARKS

_HEAD = 4096


def check_writable(path: Path, evidence: Iterable[Path]) -> None:
    """See, before long work begins, that `path` can be written. Raises UsageError with what to do instead.

    A file that exists among the evidence is overwritten only if an earlier run wrote it.
    """
    if str(path) == "-":
        raise UsageError("- is no file name here: reports are written to files, name one")
    if path.is_dir():
        raise UsageError(f"{path} is a folder; name a file in it")
    # Writing whole means taking the old file's place: a device, a pipe or a link must never lose its own that way.
    if os.path.lexists(path) and (path.is_symlink() or not path.is_file()):
        raise UsageError(f"{path} is a link or a device, no ordinary file; name the file itself")
    folder = path.parent
    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder; make it first, or write elsewhere")
    _probe(folder, path)
    if path.exists() and _among(path, evidence) and not _is_ours(path):
        raise UsageError(f"{path} is among the evidence and no report of ours; it is not overwritten, write elsewhere")


def check_folder(folder: Path, names: Iterable[str], evidence: Iterable[Path]) -> None:
    """See that files of these names can be written into `folder`, which is made if only it is missing. Raises UsageError."""
    evidence = tuple(evidence)
    if os.path.lexists(folder):
        if not folder.is_dir():
            raise UsageError(f"{folder} is no folder; name one, or a new one")
        for name in names:
            check_writable(folder / name, evidence)
    elif folder.parent.is_dir():
        _probe(folder.parent, folder)
    else:
        raise UsageError(f"{folder.parent} is no folder; make it first, or write elsewhere")


def _probe(folder: Path, path: Path) -> None:
    """Raises UsageError, for `path`, if nothing can be made in `folder`."""
    try:
        handle, probe = tempfile.mkstemp(prefix=".wormward-", dir=folder)
    except OSError as error:
        raise UsageError(f"{path} cannot be written ({error.strerror}); write elsewhere") from error
    os.close(handle)
    Path(probe).unlink()


def _among(path: Path, evidence: Iterable[Path]) -> bool:
    real = path.resolve()
    return any(real == place.resolve() or real.is_relative_to(place.resolve()) for place in evidence)


def _is_ours(path: Path) -> bool:
    try:
        with path.open("rb") as stream:
            head = stream.read(_HEAD)
    except OSError:
        return False
    return not head or any(mark in head for mark in OWN_MARKS)


def write_whole(path: Path, text: str) -> None:
    """Put `text` (UTF-8) into `path` in one step. Raises WorkspaceError if that fails; then `path` is as it was.

    The folder is made if only it is missing, for its owner only.
    """
    try:
        if not path.parent.is_dir():
            path.parent.mkdir(mode=0o700)
        handle, name = tempfile.mkstemp(prefix=".wormward-", dir=path.parent)  # mkstemp makes it 0600
    except OSError as error:
        raise WorkspaceError(f"{path} could not be written ({error.strerror})") from error
    try:
        with open(handle, "w", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(name, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        if isinstance(error, OSError):
            raise WorkspaceError(f"{path} could not be written ({error.strerror}); free some room or write elsewhere") from error
        raise
