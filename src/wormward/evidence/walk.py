"""What stands behind the paths that a user gave: files, the files of folders, and why a path leads nowhere.

Links in folders are not followed (they may lead in a circle, or out of what was meant), and pipes, sockets and devices
in folders are never opened: reading them may wait for ever. A link that is itself given is followed.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from wormward.model.errors import EvidenceError
from wormward.model.states import Skip


@dataclass(frozen=True, slots=True)
class Found:
    """A path, the parts of it that output may show, and how it came in."""

    path: Path
    shown: tuple[str, ...]  # last parts of the path
    given: bool  # named by the user, not found in a folder
    trouble: EvidenceError | None = None
    skip: Skip | None = None  # why it is not to be opened


def given(path: Path) -> tuple[Found, list[Found]]:
    """What the user named, and what there is of it: itself, or what it holds if it is a folder. Raises nothing."""
    whole = Path(os.path.abspath(path))
    root = Found(whole, (whole.name or "root",), True)
    try:
        mode = whole.stat().st_mode
    except OSError as error:
        root = replace(root, trouble=_absent(path, whole, error))
        return root, [root]
    if stat.S_ISDIR(mode):
        return root, list(_walk(whole, root.shown))
    if not stat.S_ISREG(mode):
        what = "pipe" if stat.S_ISFIFO(mode) else "socket" if stat.S_ISSOCK(mode) else "device"
        trouble = EvidenceError(f"is a {what}, no regular file", remedy="write what comes out of it into a file and give that")
        root = replace(root, trouble=trouble)
    return root, [root]


def _absent(path: Path, whole: Path, error: OSError) -> EvidenceError:
    """Why nothing can be said of what stands at a path."""
    if error.errno == errno.ELOOP:
        return EvidenceError("is reached by links that lead in a circle", remedy="give the file or folder itself")
    if error.errno not in (errno.ENOENT, errno.ENOTDIR):
        remedy = "check that you may read it and enter the folders above it"
        return EvidenceError(f"cannot be opened ({error.strerror or error})", remedy=remedy)
    if whole.is_symlink():
        return EvidenceError("is a link to something that is not there", remedy="check where it leads, or give the file itself")
    if str(path) == "-":
        return EvidenceError("is not there; standard input is not read", remedy="write it into a file and give that")
    return EvidenceError("is not there", remedy="check the name")


def _walk(top: Path, shown: tuple[str, ...]) -> Iterator[Found]:
    """All that stands below a folder but folders; a folder that cannot be listed comes as trouble."""
    todo = [(top, shown)]  # folders may be nested deeper than Python's own stack
    while todo:
        folder, above = todo.pop()
        try:
            with os.scandir(folder) as listed:
                entries = sorted(listed, key=lambda e: e.name)
        except OSError as error:
            trouble = EvidenceError(
                f"cannot be listed ({error.strerror or error})", remedy="check that you may read and enter this folder"
            )
            yield Found(folder, above, True, trouble)
            continue
        for entry in entries:
            path, parts = folder / entry.name, (*above, entry.name)
            if _is_folder(entry):
                todo.append((path, parts))
            else:
                yield Found(path, parts, False, skip=_skip(entry))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir(follow_symlinks=False)
    except OSError:  # some file systems must be asked again, and may refuse: opening it will say why
        return False


def _skip(entry: os.DirEntry[str]) -> Skip | None:
    """Why an entry that is no folder is not to be opened; None if it is."""
    try:
        if entry.is_symlink():
            return Skip.LINK
        return None if entry.is_file(follow_symlinks=False) else Skip.SPECIAL
    except OSError:
        return None
