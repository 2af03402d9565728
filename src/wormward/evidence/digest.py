"""The digest of what is read, computed beside the work on it: on a second core it costs no time at all."""

from __future__ import annotations

import hashlib
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

LEAST: Final = 1 << 18
"""Bytes below which handing over to another thread costs more than hashing them."""


class Digest:
    """SHA-256 of consecutive pieces. A piece must not change before the next call of `wait`."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._threads: ThreadPoolExecutor | None = None
        self._running: Future[None] | None = None

    def begin(self) -> None:
        """Another file."""
        self.wait()
        self._hash = hashlib.sha256()

    def update(self, piece: memoryview) -> None:
        """The next bytes; long ones are hashed meanwhile."""
        self.wait()
        if len(piece) < LEAST:
            self._hash.update(piece)
            return
        if self._threads is None:
            self._threads = ThreadPoolExecutor(1, thread_name_prefix="sha256")
        self._running = self._threads.submit(self._hash.update, piece)

    def wait(self) -> None:
        """All pieces are hashed when this returns."""
        running, self._running = self._running, None
        if running is not None:
            running.result()

    def text(self) -> str:
        """The digest, lower-case hex."""
        self.wait()
        return self._hash.hexdigest()

    def close(self) -> None:
        """Let the thread go."""
        self.wait()
        if self._threads is not None:
            self._threads.shutdown()
            self._threads = None
