r"""What a mapping from a Zeek log to a table may ask of a batch of rows, and the batch of a tab-separated log.

Columns are found by name; one that a log lacks is absent in every row. Zeek escapes what is not printable as ``\xNN``
and a backslash as two (`LogAscii` writer).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from wormward.evidence import kernels, values
from wormward.evidence.values import Column, Fix

Numbers = tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]
Flags = tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]
Items = Callable[[bytes], str | None]

_MARK = "\0"  # stands in no text: those are printable
_ESCAPE = re.compile(rb"\\(?:x([0-9A-Fa-f]{2})|\\)")


def unescape(raw: bytes) -> bytes:
    """What Zeek wrote before its ASCII writer escaped it."""
    return _ESCAPE.sub(lambda m: bytes.fromhex(m[1].decode()) if m[1] else b"\\", raw)


class Fields(Protocol):
    """Rows of one log. `lines` counts from 0 at the block's first line."""

    @property
    def lines(self) -> npt.NDArray[np.int64]:
        """The line of each row."""
        ...

    def has(self, name: str) -> bool:
        """Whether the log has this column at all."""
        ...

    def address(self, name: str) -> Column:
        """IP addresses; absent where unset or none."""
        ...

    def domain(self, name: str) -> Column:
        """DNS names."""
        ...

    def text(self, name: str, fix: Fix | None = None) -> Column:
        """Text as `fix` makes it of the bytes that Zeek saw; the escaped printable form where None."""
        ...

    def number(self, name: str, scale_digits: int = 0) -> Numbers:
        """Numbers times 10^`scale_digits`, and where there is one."""
        ...

    def flag(self, name: str) -> Flags:
        """True or false, and where one of them is set."""
        ...

    def items(self, name: str, fix: Items) -> tuple[npt.NDArray[np.int32], list[list[str]]]:
        """Sets and vectors: a number a row (-1: unset) into distinct lists of items as `fix` makes them."""
        ...


def lists(codes: npt.NDArray[np.int32], distinct: list[list[str]]) -> pa.Array:
    """Sets and vectors as a column of lists; null where unset."""
    choices = pa.array([*distinct, None], pa.list_(pa.string()))
    return choices.take(pa.array(np.where(codes < 0, len(distinct), codes)))


class TsvFields:
    """Rows of a tab-separated log: spans of bytes in a block."""

    def __init__(
        self,
        buffer: kernels.Bytes,
        lines: npt.NDArray[np.int64],
        spans: Mapping[str, tuple[kernels.Ints, kernels.Ints]],
        *,
        unset: bytes,
        empty: bytes,
        separator: bytes,
        decoder: values.Decoder,
    ) -> None:
        """`spans` begin and end of each column that the log has and the mapping wants; `separator` that of set items."""
        self._buffer = buffer
        self.lines = lines
        self._unset, self._empty, self._separator = unset, empty, separator
        self._decoder = decoder
        self._spans = {name: (self._known(begins, ends), ends) for name, (begins, ends) in spans.items()}

    def _known(self, begins: kernels.Ints, ends: kernels.Ints) -> kernels.Ints:
        """`begins`, -1 where the field is unset."""
        unset = (ends - begins) == len(self._unset)
        for i, byte in enumerate(self._unset):
            unset[unset] = self._buffer[begins[unset] + i] == byte
        return np.where(unset, np.int32(-1), begins)

    def has(self, name: str) -> bool:
        """See `Fields`."""
        return name in self._spans

    def _distinct(self, name: str) -> tuple[npt.NDArray[np.int32], kernels.Ints, kernels.Ints]:
        begins, ends = self._spans[name]
        count = len(begins)
        slots = np.full(1 << max(4, (2 * count).bit_length()), -1, np.int32)
        codes, firsts, lasts = np.empty(count, np.int32), np.empty(count, np.int32), np.empty(count, np.int32)
        used = kernels.number_spans(self._buffer, begins, ends, slots, codes, firsts, lasts)
        return codes, firsts[:used], lasts[:used]

    def address(self, name: str) -> Column:
        """See `Fields`."""
        return values.addresses(self._buffer, *self._distinct(name)) if self.has(name) else values.absent(len(self.lines))

    def domain(self, name: str) -> Column:
        """See `Fields`."""
        if not self.has(name):
            return values.absent(len(self.lines))
        return values.names(self._buffer, *self._distinct(name), lambda raw: values.label_bytes(self._plain(raw)))

    def _plain(self, raw: bytes) -> bytes:
        return b"" if raw == self._empty else unescape(raw)

    def text(self, name: str, fix: Fix | None = None) -> Column:
        """See `Fields`."""
        if not self.has(name):
            return values.absent(len(self.lines))
        codes, begins, ends = self._distinct(name)
        if fix is None:
            return self._emptied(values.texts(self._buffer, codes, begins, ends, self._marked))
        raws = [bytes(self._buffer[b:e]) for b, e in zip(begins.tolist(), ends.tolist(), strict=True)]
        return values.merged(codes, pa.array([fix(self._plain(raw)) for raw in raws], pa.string()))

    def _marked(self, raw: bytes) -> str:
        """An odd text; one that merely reads like the sign for empty fields (Zeek escapes it then) gets a mark."""
        text = self._decoder.text(self._plain(raw))
        return f"{_MARK}{text}" if text == self._empty.decode("ascii", "replace") else text

    def _emptied(self, column: Column) -> Column:
        """A column whose sign for empty fields is nothing, and whose marks are gone."""
        empty = self._empty.decode("ascii", "replace")
        if not {empty, f"{_MARK}{empty}"} & set(column.values.to_pylist()):
            return column
        return column.fixed(lambda text: "" if text == empty else text.removeprefix(_MARK))

    def number(self, name: str, scale_digits: int = 0) -> Numbers:
        """See `Fields`."""
        count = len(self.lines)
        numbers, known = np.zeros(count, np.int64), np.zeros(count, np.bool_)
        if self.has(name):
            kernels.decimals(self._buffer, *self._spans[name], scale_digits, numbers, known)
        return numbers, known

    def flag(self, name: str) -> Flags:
        """See `Fields`."""
        count = len(self.lines)
        if not self.has(name):
            return np.zeros(count, np.bool_), np.zeros(count, np.bool_)
        begins, ends = self._spans[name]
        one = (begins >= 0) & (ends - begins == 1)
        byte = np.where(one, self._buffer[np.where(one, begins, 0)], 0)
        true = byte == ord("T")
        return true, true | (byte == ord("F"))

    def items(self, name: str, fix: Items) -> tuple[npt.NDArray[np.int32], list[list[str]]]:
        """See `Fields`."""
        if not self.has(name):
            return np.full(len(self.lines), -1, np.int32), []
        codes, begins, ends = self._distinct(name)
        distinct = []
        for begin, end in zip(begins.tolist(), ends.tolist(), strict=True):
            raw = bytes(self._buffer[begin:end])
            parts = [] if raw in (self._empty, b"") else raw.split(self._separator)
            texts = [fix(unescape(part)) for part in parts if part != self._unset]
            distinct.append([text for text in texts if text is not None])
        return codes, distinct
