"""Streams of the uncompressed bytes of .xz and .zst files that give all that can be had of a damaged one, and say so.

`lzma.LZMAFile` forgets what it has decoded when a request meets the damage, and zstandard's stream reader takes a cut
file for a whole one. Memory stays bounded whatever the data claim.
"""

from __future__ import annotations

import io
import lzma
from typing import BinaryIO

import zstandard

CUT = "the compressed file ends before its data do"
_WINDOW = 1 << 18
_SKIPPABLE = range(0x184D2A50, 0x184D2A60)
_MOST_HEADER = 18


class Unxz(io.RawIOBase):
    """All streams of an xz file."""

    def __init__(self, raw: BinaryIO) -> None:
        self._raw = raw
        self._decoder = lzma.LZMADecompressor(lzma.FORMAT_XZ)
        self._pending = b""

    def readable(self) -> bool:
        """It is for reading."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Some more bytes; 0 at the end. Raises EOFError or LZMAError where the file is damaged."""
        view = memoryview(buffer)
        while True:
            if self._decoder.eof:
                rest = (self._decoder.unused_data or self._pending or self._raw.read(_WINDOW)).lstrip(b"\0")
                if not rest:
                    return 0
                self._decoder, self._pending = lzma.LZMADecompressor(lzma.FORMAT_XZ), rest
            if self._decoder.needs_input and not self._pending:
                self._pending = self._raw.read(_WINDOW)
                if not self._pending:
                    raise EOFError(CUT)
            out = self._decoder.decompress(self._pending, len(view))
            self._pending = b""
            if out:
                view[: len(out)] = out
                return len(out)

    def close(self) -> None:
        """Close the file."""
        self._raw.close()
        super().close()


class Unzstd(io.RawIOBase):
    """All frames of a zstd file."""

    def __init__(self, raw: BinaryIO) -> None:
        self._raw = raw
        self._reader = zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True, closefd=False)

    def readable(self) -> bool:
        """It is for reading."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Some more bytes; 0 at the end. Raises EOFError or ZstdError where the file is damaged."""
        count: int = self._reader.readinto(buffer)
        if not count and not whole_frames(self._raw):
            raise EOFError(CUT)
        return count

    def close(self) -> None:
        """Close the file."""
        self._reader.close()  # type: ignore[no-untyped-call]  # zstandard leaves this one untyped
        self._raw.close()
        super().close()


def whole_frames(raw: BinaryIO) -> bool:
    """True if a zstd file ends where a frame does: walks over its blocks by their headers (RFC 8878, 3.1.1)."""
    size = raw.seek(0, io.SEEK_END)
    at = 0
    while at < size:
        raw.seek(at)
        head = raw.read(_MOST_HEADER)
        if int.from_bytes(head[:4], "little") in _SKIPPABLE:
            at += 8 + int.from_bytes(head[4:8], "little")
            continue
        try:
            at += zstandard.frame_header_size(head)
            checked = zstandard.get_frame_parameters(head).has_checksum
        except zstandard.ZstdError:
            return False
        last = False
        while not last:
            raw.seek(at)
            block = raw.read(3)
            if len(block) < 3:
                return False
            number = int.from_bytes(block, "little")
            last, kind, length = bool(number & 1), number >> 1 & 3, number >> 3
            at += 3 + (1 if kind == 1 else length)  # an RLE block holds one byte, however long it is
        at += 4 * checked
    return at == size
