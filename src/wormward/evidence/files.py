"""Evidence files as streams of uncompressed bytes that know their own digest.

One code path for plain, `.gz`, `.xz` and `.zst` files (recognised by content, not by name): windows of bounded
size, each byte hashed once. A damaged compressed file gives what could be read, then an EvidenceError.
"""

from __future__ import annotations

import io
import lzma
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Protocol

import zstandard

from wormward.evidence.digest import Digest
from wormward.evidence.unpack import Unxz, Unzstd
from wormward.model.errors import EvidenceError

HEAD = 4096
"""Bytes that recognition may look at."""
_COMPRESSED_WINDOW = 1 << 20
_STEP = 1 << 16


class _Readable(Protocol):
    def readinto(self, buffer: memoryview, /) -> int | None: ...

    def close(self) -> None: ...


class _Gunzip(io.RawIOBase):
    """All members of a gzip file; zlib directly, because `gzip.GzipFile` copies every byte twice more."""

    def __init__(self, raw: BinaryIO) -> None:
        self._raw = raw
        self._inflate = zlib.decompressobj(wbits=31)
        self._pending = b""
        self._started = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        view = memoryview(buffer)
        while True:
            if not self._pending:
                self._pending = self._raw.read(_COMPRESSED_WINDOW)
                if not self._pending:
                    if self._started and not self._inflate.eof:
                        raise EOFError("the compressed file ends before its data do")
                    return 0
            if self._inflate.eof:  # another member, or padding that gzip allows
                self._pending = self._pending.lstrip(b"\0")
                if not self._pending:
                    continue
                self._inflate = zlib.decompressobj(wbits=31)
            self._started = True
            # `_Steps` asks for little at a time: where the file is damaged, what the same call had unpacked is lost.
            out = self._inflate.decompress(self._pending, len(view))
            self._pending = self._inflate.unused_data if self._inflate.eof else self._inflate.unconsumed_tail
            if out:
                view[: len(out)] = out
                return len(out)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Steps:
    """Asks an unpacker for the same number of bytes each time, whatever the reader asks for.

    What a damaged file still gives depends on how much is asked for at once; rows must not depend on windows.
    """

    def __init__(self, source: _Readable) -> None:
        self._source = source
        self._step = memoryview(bytearray(_STEP))
        self._ready = self._step[:0]

    def readinto(self, buffer: memoryview, /) -> int:
        """Some more bytes; 0 at the end. Raises what the unpacker raises."""
        if not self._ready:
            self._ready = self._step[: self._source.readinto(self._step) or 0]
        count = min(len(buffer), len(self._ready))
        buffer[:count] = self._ready[:count]
        self._ready = self._ready[count:]
        return count

    def close(self) -> None:
        """Close the unpacker."""
        self._source.close()


def _unpack(raw: BinaryIO) -> tuple[_Readable, str]:
    magic = raw.read(6)
    raw.seek(0)
    if magic[:2] == b"\x1f\x8b":
        return _Steps(_Gunzip(raw)), "gz"
    if magic == b"\xfd7zXZ\0":
        return _Steps(Unxz(raw)), "xz"
    if magic[:4] == b"\x28\xb5\x2f\xfd":
        return _Steps(Unzstd(raw)), "zst"
    return raw, ""  # type: ignore[return-value]  # an unbuffered FileIO has readinto, BinaryIO does not say so


class ByteStream:
    """The uncompressed bytes of one file, in order; `sha256` is theirs once the end was reached."""

    def __init__(self, path: Path, progress: Callable[[int], None] = lambda _n: None, hashed: bool = True) -> None:
        """Open `path`; raises EvidenceError if it cannot be opened. `hashed=False` if the digest is known already."""
        try:
            raw = path.open("rb", buffering=0)
        except OSError as error:
            raise EvidenceError(
                f"cannot be opened ({error.strerror or error})", remedy="check that it exists and that you may read it"
            ) from error
        self._raw = raw
        try:
            self._source, self.compression = _unpack(raw)
        except (OSError, lzma.LZMAError, zstandard.ZstdError) as error:
            raw.close()
            raise EvidenceError(f"cannot be read ({error})", remedy="copy it again from where it came from") from error
        self._digest = Digest() if hashed else None
        self._hashing: object = None  # what the piece that may still be hashed lies in
        self._progress = progress
        self._told = 0
        self.consumed = 0
        self.ended = False

    def readinto(self, buffer: memoryview) -> int:
        """Fill `buffer` as far as bytes are left; 0 at the end. Raises EvidenceError where the file is damaged.

        They are hashed meanwhile: nobody else may change them before the next call, or `settle`.
        """
        filled = 0
        if self._hashing is buffer.obj:
            self.settle()
        while filled < len(buffer):
            try:
                count = self._source.readinto(buffer[filled:])
            except (OSError, EOFError, zlib.error, lzma.LZMAError, zstandard.ZstdError) as error:
                self._account(buffer, filled)
                self.ended = True
                raise EvidenceError(
                    f"is damaged: {error}",
                    place=f"byte {self.consumed} of the uncompressed data",
                    remedy="what stands before that place was read; copy the file again for the rest",
                ) from error
            if not count:
                self.ended = True
                break
            filled += count
        self._account(buffer, filled)
        return filled

    def read(self, size: int) -> bytes:
        """Up to `size` bytes; fewer only at the end."""
        buffer = bytearray(size)
        count = self.readinto(memoryview(buffer))
        return bytes(buffer[:count])

    def drain(self) -> None:
        """Read to the end, so that the digest is that of the whole file."""
        buffer = memoryview(bytearray(1 << 20))
        while not self.ended:
            self.readinto(buffer)

    @property
    def sha256(self) -> str:
        """Digest of the bytes read so far, lower-case hex."""
        if self._digest is None:
            raise ValueError("this stream was opened with hashed=False")
        return self._digest.text()

    def settle(self) -> None:
        """All bytes that were read are hashed when this returns, and may change."""
        if self._digest is not None:
            self._digest.wait()
        self._hashing = None

    def _account(self, buffer: memoryview, count: int) -> None:
        if count and self._digest is not None:
            self._digest.update(buffer[:count])
            self._hashing = buffer.obj
        self.consumed += count
        # Progress is of the file as it lies on disk, so that a bar of compressed files ends at 100 %.
        here = self._raw.tell() if not self._raw.closed else self._told
        if here > self._told:
            self._progress(here - self._told)
            self._told = here

    def close(self) -> None:
        """Close the file."""
        if self._digest is not None:
            self._digest.close()
        self._source.close()
        self._raw.close()

    def __enter__(self) -> ByteStream:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


@dataclass(frozen=True, slots=True)
class EvidenceFile:
    """One file that was given: where it lies, how it is called in output, and its number in this run."""

    path: Path
    name: str  # relative to what the user gave, escaped; never absolute
    file_no: int
    site: str
    size: int  # bytes on disk
    kind: str = ""  # which reader recognised it; empty: not asked yet

    def open(self, progress: Callable[[int], None] = lambda _n: None, hashed: bool = True) -> ByteStream:
        """The uncompressed bytes. Raises EvidenceError if the file cannot be opened."""
        return ByteStream(self.path, progress, hashed)

    def head(self) -> bytes:
        """The first bytes, uncompressed, for recognition. Raises EvidenceError if they cannot be read."""
        with self.open(hashed=False) as stream:
            return stream.read(HEAD)
