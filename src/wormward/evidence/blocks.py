"""A text file as blocks of whole lines in bounded memory, parsed on several threads, taken in order.

UTF-8 with or without a byte order mark and UTF-16 are read; what is neither is passed on byte by byte (Japanese cp932
keeps every byte that separates fields), and whoever makes strings of it decides.
"""

from __future__ import annotations

import codecs
import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from wormward.evidence.files import ByteStream
from wormward.model.errors import EvidenceError

BLOCK = 8 << 20
"""Bytes of one block; a line longer than this is cut, and its rest left out."""
THREADS = max(1, min(2, os.cpu_count() or 1))

_WIDE = ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Block:
    """Whole lines: `buffer[begin:stop]`. Only a file's last line, or one that was cut, lacks its newline."""

    buffer: npt.NDArray[np.uint8]
    begin: int
    stop: int
    number: int  # from 0

    @property
    def view(self) -> memoryview:
        """The lines as bytes."""
        return self.buffer.data[self.begin : self.stop]


def text_of(head: bytes) -> bytes:
    """The first bytes of a text file as UTF-8 (as far as they are that), without a byte order mark: for recognition."""
    for mark, name in _WIDE:
        if head.startswith(mark):
            return head[2 : len(head) & ~1].decode(name, "replace").encode("utf-8", "replace")
    return head.removeprefix(codecs.BOM_UTF8)


class _Utf16:
    """The bytes of a UTF-16 stream as UTF-8. Damaged units become the replacement character."""

    def __init__(self, stream: ByteStream, name: str, first: bytes) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder(name)("replace")
        self._first = first  # bytes after the mark that were read to find it
        self._ready = b""

    def readinto(self, buffer: memoryview) -> int:
        filled = 0
        while filled < len(buffer):
            while not self._ready:
                raw = self._first + self._stream.read(1 << 18)
                self._first = b""
                self._ready = self._decoder.decode(raw, final=not raw).encode("utf-8", "replace")
                if not raw:
                    break
            part = self._ready[: len(buffer) - filled]
            if not part:
                break
            buffer[filled : filled + len(part)] = part
            filled += len(part)
            self._ready = self._ready[len(part) :]
        return filled


def _behind_last_newline(buffer: npt.NDArray[np.uint8], begin: int, end: int) -> int:
    """The place after the last newline of `buffer[begin:end]`; `begin` if there is none."""
    while end > begin:
        low = max(begin, end - (1 << 16))
        found = bytes(buffer[low:end]).rfind(b"\n")
        if found >= 0:
            return low + found + 1
        end = low
    return begin


class TextFile:
    """The lines of one file, block by block. After the last block `error` says how it ended (None: at its end)."""

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream
        self._size = BLOCK
        self._free: list[npt.NDArray[np.uint8]] = []
        self.error: EvidenceError | None = None

    def _fill(self, read: Callable[[memoryview], int], buffer: npt.NDArray[np.uint8], begin: int) -> tuple[int, bool]:
        """Read behind `begin`: where the bytes end, and whether there are more."""
        before = self._stream.consumed
        try:
            end = begin + read(buffer.data[begin:])
        except EvidenceError as error:
            # A damaged file: what was read before the damage lies in the buffer already (not so for UTF-16).
            self.error = error
            plain = read == self._stream.readinto
            return (begin + self._stream.consumed - before if plain else begin), False
        return end, end == buffer.size

    def blocks(self) -> Iterator[Block]:
        """All blocks in order. Give each buffer back with `recycle` when its lines are no longer needed."""
        read: Callable[[memoryview], int] = self._stream.readinto
        buffer = self._take()
        filled, more = self._fill(read, buffer, 0)
        begin = 3 if bytes(buffer[:3]) == codecs.BOM_UTF8 and filled >= 3 else 0
        for mark, name in _WIDE:
            if filled >= 2 and bytes(buffer[:2]) == mark:
                read = _Utf16(self._stream, name, bytes(buffer[2:filled])).readinto
                self.error = None
                self._stream.settle()
                filled, more = self._fill(read, buffer, 0)
        number = 0
        while filled > begin:
            stop = _behind_last_newline(buffer, begin, filled) if more else filled
            overlong = stop == begin
            if overlong:
                stop = filled
            following = self._take()
            rest = filled - stop
            following[:rest] = buffer[stop:filled]
            yield Block(buffer, begin, stop, number)
            number += 1
            if overlong:
                rest, more = self._skip_line(read, following)
            filled = rest
            if more:
                filled, more = self._fill(read, following, rest)
            begin, buffer = 0, following
        self.recycle(buffer)

    def _skip_line(self, read: Callable[[memoryview], int], buffer: npt.NDArray[np.uint8]) -> tuple[int, bool]:
        """Pass over the rest of a line: how many bytes behind it stand at the begin of `buffer` now, and whether more come."""
        more = True
        while more:
            filled, more = self._fill(read, buffer, 0)
            newline = bytes(buffer.data[:filled]).find(b"\n")
            if newline >= 0:
                rest = filled - newline - 1
                self._stream.settle()
                buffer[:rest] = buffer[newline + 1 : filled].copy()
                return rest, more
        return 0, False

    def _take(self) -> npt.NDArray[np.uint8]:
        return self._free.pop() if self._free else np.empty(self._size, np.uint8)

    def recycle(self, buffer: npt.NDArray[np.uint8]) -> None:
        """Nobody looks at `buffer` any more."""
        self._free.append(buffer)

    def parsed(self, parse: Callable[[Block], _Result], threads: int = THREADS) -> Iterator[_Result]:
        """`parse` of each block, in order; several are parsed at once. A result must not look at the block's buffer."""
        blocks = self.blocks()
        pending: deque[tuple[Future[_Result], Block]] = deque()
        first = next(blocks, None)
        second = next(blocks, None) if first is not None else None
        if first is not None and second is None:  # a small file needs no threads
            yield parse(first)
            return
        with ThreadPoolExecutor(threads) as pool:
            try:
                for block in (first, second):
                    if block is not None:
                        pending.append((pool.submit(parse, block), block))
                while pending:
                    while len(pending) <= threads and (block := next(blocks, None)) is not None:
                        pending.append((pool.submit(parse, block), block))
                    future, done = pending.popleft()
                    result = future.result()
                    self.recycle(done.buffer)
                    yield result
            finally:
                for future, _ in pending:
                    future.cancel()
