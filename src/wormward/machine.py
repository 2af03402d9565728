"""What differs between the systems that Wormward runs on, in one place: Linux first, elsewhere by what is there.

Nothing else imports a module, or calls a function, that only some systems have.
"""

from __future__ import annotations

import os
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import BinaryIO

_GROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")


def processors() -> int:
    """How many processors this process may use (`taskset` counts, where the system tells)."""
    allowed = getattr(os, "sched_getaffinity", None)
    return len(allowed(0)) if allowed else os.cpu_count() or 1


def memory() -> int:
    """Bytes of memory that this process may have: the machine's, or fewer by its control group; 0 where nothing tells."""
    ask = getattr(os, "sysconf", None)
    room = ask("SC_PAGE_SIZE") * ask("SC_PHYS_PAGES") if ask else 0
    with suppress(OSError, ValueError):  # no control group, or "max"
        room = min(room, int(_GROUP_LIMIT.read_text(encoding="ascii")))
    return room


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
