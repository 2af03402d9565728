"""NDR 2.0 pieces, little-endian (C706 chapter 14): strings, pointers, alignment."""

from __future__ import annotations

import struct


class Stub:
    """A request or response body under construction."""

    def __init__(self) -> None:
        self.data = bytearray()
        self._referent = 0x00020000

    def align(self, to: int) -> Stub:
        """Zero bytes up to a multiple of `to`."""
        self.data += bytes(-len(self.data) % to)
        return self

    def u32(self, *values: int) -> Stub:
        """Unsigned 32-bit integers, aligned."""
        self.align(4)
        for value in values:
            self.data += struct.pack("<I", value & 0xFFFFFFFF)
        return self

    def raw(self, data: bytes) -> Stub:
        """Bytes as they are."""
        self.data += data
        return self

    def pointer(self, present: bool = True) -> Stub:
        """A referent, or a null pointer."""
        if not present:
            return self.u32(0)
        self.u32(self._referent)
        self._referent += 4
        return self

    def string(self, text: str) -> Stub:
        """A conformant and varying wide string with its end mark."""
        return self.units((text + "\0").encode("utf-16-le"))

    def units(self, raw: bytes) -> Stub:
        """A conformant and varying array of 16-bit units, given as bytes."""
        count = len(raw) // 2
        self.u32(count, 0, count)
        return self.raw(raw)

    def unique(self, text: str | None) -> Stub:
        """A unique pointer to a wide string, with the string behind it."""
        self.pointer(text is not None)
        return self if text is None else self.string(text)

    def bytes(self) -> bytes:
        """The finished stub."""
        return bytes(self.data)
