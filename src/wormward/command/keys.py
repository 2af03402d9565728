"""Keys of shareable copies: made, and read only where nobody else can."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterable
from pathlib import Path

from wormward.model.errors import UsageError
from wormward.model.text import printable

LEAST_SIZE = 32
MOST_SIZE = 1 << 20
"""A key is a secret, not a disk image given by mistake."""


def make_key(path: Path) -> None:
    """Write a new key of `LEAST_SIZE` random bytes for its owner only. An existing file is never overwritten: UsageError."""
    shown = printable(str(path))
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise UsageError(f"{shown} is there already; a key that was used must not be lost, name a new file") from error
    except OSError as error:
        raise UsageError(f"{shown} cannot be written ({error.strerror}); write elsewhere") from error
    with os.fdopen(handle, "wb") as stream:
        stream.write(secrets.token_bytes(LEAST_SIZE))
        stream.flush()
        os.fsync(stream.fileno())


def read_key(path: Path, outputs: Iterable[Path]) -> bytes:
    """The key in `path`, at least `LEAST_SIZE` bytes. Raises UsageError if others can read it or it lies in one of `outputs`."""
    shown = printable(str(path))
    try:
        with path.open("rb") as stream:
            about = os.fstat(stream.fileno())
            key = stream.read(MOST_SIZE + 1) if stat.S_ISREG(about.st_mode) else b""
    except OSError as error:
        raise UsageError(f"{shown} cannot be read ({error.strerror}); make a key with `wormward keygen`") from error
    if not stat.S_ISREG(about.st_mode) or len(key) > MOST_SIZE:
        raise UsageError(f"{shown} is no key file; make one with `wormward keygen`")
    if about.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise UsageError(f"{shown} can be read or written by others; `chmod 600` it, or make a new key if they may have read it")
    if len(key) < LEAST_SIZE:
        raise UsageError(f"{shown} has {len(key)} bytes; a key has at least {LEAST_SIZE}, make one with `wormward keygen`")
    real = path.resolve()
    for output in outputs:
        if real == output.resolve() or real.is_relative_to(output.resolve()):
            raise UsageError(f"{shown} lies in {printable(str(output))}, which is handed round; keep the key elsewhere")
    return key
