"""Network Data Representation, as far as string and number arguments need it: NDR and NDR64, both byte orders.

References: C706 chapter 14 (NDR), MS-RPCE 2.2.5 (NDR64). Nothing here trusts a count: a string takes what is there,
and `lied` says that a count promised something else (a real server would refuse such a call, we still look at it).
"""

from __future__ import annotations

import struct

from wormward.model.errors import WireError

_SHORT = {True: struct.Struct("<H"), False: struct.Struct(">H")}
_LONG = {True: struct.Struct("<I"), False: struct.Struct(">I")}
_HYPER = {True: struct.Struct("<Q"), False: struct.Struct(">Q")}


class Ndr:
    """Reads arguments off a request stub, front to back. Raises WireError where the stub ends too early."""

    __slots__ = ("_encoding", "_hyper", "_long", "_short", "data", "lied", "ndr64", "pos")

    def __init__(self, data: bytes, *, little: bool, ndr64: bool) -> None:
        """`data` is the whole stub (alignment counts from its start)."""
        self.data = data
        self.pos = 0
        self.ndr64 = ndr64
        self.lied = False
        self._short = _SHORT[little]
        self._long = _LONG[little]
        self._hyper = _HYPER[little]
        # The data representation's integer order holds for UTF-16 units too.
        self._encoding = "utf-16-le" if little else "utf-16-be"

    def _number(self, form: struct.Struct) -> int:
        size = form.size
        at = (self.pos + size - 1) & -size
        if at + size > len(self.data):
            raise WireError(f"the stub ends at byte {len(self.data)}, a number was expected at byte {at}")
        self.pos = at + size
        value: int = form.unpack_from(self.data, at)[0]
        return value

    def u8(self) -> int:
        """One octet."""
        if self.pos >= len(self.data):
            raise WireError(f"the stub ends at byte {len(self.data)}, an octet was expected there")
        self.pos += 1
        return self.data[self.pos - 1]

    def u16(self) -> int:
        """A 16-bit number, aligned."""
        return self._number(self._short)

    def u32(self) -> int:
        """A 32-bit number, aligned."""
        return self._number(self._long)

    def size(self) -> int:
        """A count or a pointer's referent id: 32 bits in NDR, 64 in NDR64, aligned to itself."""
        return self._number(self._hyper if self.ndr64 else self._long)

    def align_structure(self, ndr: int, ndr64: int) -> None:
        """Go to the start of a structure whose strictest member has this alignment in the two syntaxes."""
        align = ndr64 if self.ndr64 else ndr
        self.pos = (self.pos + align - 1) & -align

    def wide_string(self) -> str:
        """A conformant varying string of 16-bit units, cut at its first zero unit.

        Its counts are maximum, offset and actual number of units. The text is what stands in the stub: at most the
        actual count, at most what is left. Lone surrogates stay in the text. Raises WireError if a count is missing.
        """
        most, offset, actual = self.size(), self.size(), self.size()
        there = min(actual, (len(self.data) - self.pos) // 2)
        raw = self.data[self.pos : self.pos + 2 * there]
        self.pos += 2 * there
        text = raw.decode(self._encoding, "surrogatepass")
        ended = text.find("\0")
        if there != actual or offset or actual > most or ended < 0:
            self.lied = True
        return text if ended < 0 else text[:ended]

    def unique_wide_string(self) -> str | None:
        """A string behind a top-level unique pointer, whose referent follows at once; None for a null pointer."""
        return self.wide_string() if self.size() else None
