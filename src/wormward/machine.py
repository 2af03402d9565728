"""What differs between the systems that Wormward runs on, in one place: Linux first, elsewhere by what is there.

Nothing else imports a module, or calls a function, that only some systems have.
"""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path
from typing import BinaryIO


def processors() -> int:
    """How many processors this process may use (`taskset` counts, where the system tells)."""
    allowed = getattr(os, "sched_getaffinity", None)
    return len(allowed(0)) if allowed else os.cpu_count() or 1


def hold(file: BinaryIO) -> None:
    """Hold the lock on an open file until it is closed. Raises OSError if another process holds it."""
    try:
        posix = import_module("fcntl")
    except ImportError:
        _hold_byte(file)
    else:
        posix.flock(file, posix.LOCK_EX | posix.LOCK_NB)


def _hold_byte(file: BinaryIO) -> None:
    """Windows locks ranges of bytes; the first one stands for the file, whether or not it is there."""
    try:
        windows = import_module("msvcrt")
    except ImportError:
        return  # a system with neither: two runs on one workspace are not kept apart
    file.seek(0)
    windows.locking(file.fileno(), windows.LK_NBLCK, 1)


def settle(folder: Path) -> None:
    """The names in a folder are on the disk when this returns, where a system can be asked for that. Raises OSError."""
    if os.name == "nt":
        return  # folders cannot be opened there; NTFS keeps a journal of names
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
