"""Distinct values of log columns as escaped text: most are plain already, the few odd ones are looked at one by one."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv6Address, ip_address

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from wormward.evidence import kernels
from wormward.model.text import printable, printable_bytes

_MOST_INT16 = 1 << 15
Fix = Callable[[bytes], str | None]

_BIND_ESCAPE = re.compile(rb"\\(?:(\d\d\d)|(.))", re.DOTALL)
# One byte of a DNS label as captures show it too: small letters, and what is not printable ASCII escaped.
_LABEL = [chr(b).lower() if 0x20 <= b < 0x7F and b != 0x5C else "\\\\" if b == 0x5C else f"\\x{b:02x}" for b in range(256)]
# Python decodes the four bytes that cp932 leaves free as private characters.
_NO_CP932 = frozenset("\uf8f0\uf8f1\uf8f2\uf8f3")
_DOT_IN_LABEL = "\\x2e"


@dataclass(slots=True)
class Decoder:
    """Makes text of bytes that are UTF-8 or, failing that, Japanese cp932; remembers whether the latter came up."""

    cp932: bool = False

    def text(self, raw: bytes) -> str:
        """The escaped printable form. Bytes of neither encoding are escaped one by one."""
        try:
            return printable(raw.decode("utf-8"))
        except UnicodeDecodeError:
            pass
        try:
            text = raw.decode("cp932")
        except UnicodeDecodeError:
            return printable_bytes(raw)
        if not _NO_CP932.isdisjoint(text):
            return printable_bytes(raw)
        self.cp932 = True
        return printable(text)

    def name(self, raw: bytes) -> str:
        """A DNS name that a person or program wrote as text: small letters, no final dot, escaped."""
        return self.text(raw.lower().removesuffix(b".") or raw)


def label_bytes(raw: bytes) -> str:
    """A DNS name whose bytes are those of its labels: small letters, no final dot (but the root's), escaped as captures do."""
    return "".join(_LABEL[byte] for byte in raw[: kernels.MOST_TEXT].removesuffix(b".")) or "."


def bind_name(raw: bytes) -> str:
    r"""A DNS name as BIND prints it: odd bytes as ``\DDD`` or ``\c``, a dot within a label as ``\.``."""
    raw = raw[: kernels.MOST_TEXT]
    if b"\\" not in raw:
        return label_bytes(raw)
    out, at = [], 0
    raw = raw.removesuffix(b".") if not raw.endswith(b"\\.") else raw
    for escape in _BIND_ESCAPE.finditer(raw):
        out += [_LABEL[byte] for byte in raw[at : escape.start()]]
        byte = int(escape[1]) & 0xFF if escape[1] else escape[2][0]
        out.append(_DOT_IN_LABEL if byte == ord(".") else _LABEL[byte])
        at = escape.end()
    return "".join(out) + "".join(_LABEL[byte] for byte in raw[at:])


@lru_cache(maxsize=1 << 17)
def address(raw: bytes) -> str | None:
    """An IP address in its usual form (IPv4 out of IPv6's mapping, without a zone); None if it is none."""
    try:
        ip = ip_address(raw.decode("ascii").partition("%")[0])
    except ValueError:
        return None
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped is not None:
        return str(ip.ipv4_mapped)
    return str(ip)


def _strings(
    buffer: kernels.Bytes, begins: kernels.Ints, ends: kernels.Ints, fold: bool
) -> tuple[pa.Array, npt.NDArray[np.bool_]]:
    """Spans as a binary array, and which of them are odd."""
    out = np.empty(int((ends - begins).sum()), np.uint8)
    offsets = np.empty(len(begins) + 1, np.int32)
    odd = np.empty(len(begins), np.bool_)
    kernels.gather(buffer, begins, ends, fold, out, offsets, odd)
    return pa.Array.from_buffers(pa.binary(), len(begins), [None, pa.py_buffer(offsets), pa.py_buffer(out)]), odd


def _fixed(values: pa.Array, odd: npt.NDArray[np.bool_], fix: Fix) -> pa.Array:
    """`values` as strings, the odd ones as `fix` makes them (None: null)."""
    if odd.any():
        texts = [fix(raw) for raw in values.filter(pa.array(odd)).to_pylist()]
        fixed = pa.array([None if t is None else t.encode() for t in texts], pa.binary())
        values = pc.replace_with_mask(values, pa.array(odd), fixed)
    return values.cast(pa.string())


@dataclass(frozen=True, slots=True)
class Column:
    """A text column: `codes` (int32, -1: absent) into distinct `values`."""

    codes: npt.NDArray[np.int32]
    values: pa.Array

    def arrow(self) -> pa.Array:
        """As Arrow keeps it; null where absent."""
        codes = self.codes if len(self.values) > _MOST_INT16 else self.codes.astype(np.int16)
        gone = codes < 0
        return pa.DictionaryArray.from_arrays(pa.array(codes, mask=gone if gone.any() else None), self.values)

    def fixed(self, fix: Callable[[str], str | None]) -> Column:
        """Each distinct value as `fix` makes it; absent where it gives None. Equal results become one value."""
        return merged(self.codes, pa.array([fix(v) for v in self.values.to_pylist()], pa.string()))

    def kept(self, rows: npt.NDArray[np.bool_] | npt.NDArray[np.int64]) -> Column:
        """Only some of the rows: a mask, or their numbers."""
        return Column(self.codes[rows], self.values)

    def table(self, of: Callable[[str], int]) -> npt.NDArray[np.int64]:
        """A number per row, made from its distinct value; -1 where absent."""
        numbers = np.array([*(of(v) for v in self.values.to_pylist()), -1], np.int64)
        return numbers[self.codes]


def merged(codes: npt.NDArray[np.int32], values: pa.Array) -> Column:
    """A column whose `values` may be null (absent) or equal: each distinct value stays once."""
    encoded = values.dictionary_encode()
    if len(encoded.dictionary) == len(values):
        return Column(codes, values)
    numbers = np.append(encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False), -1).astype(np.int32)
    return Column(numbers[codes], encoded.dictionary)


def same(text: str, count: int) -> Column:
    """A column that says the same in every row."""
    return Column(np.zeros(count, np.int32), pa.array([text], pa.string()))


def absent(count: int) -> Column:
    """A column that says nothing."""
    return Column(np.full(count, -1, np.int32), pa.array([], pa.string()))


def either(first: Column, second: Column, use_second: npt.NDArray[np.bool_]) -> Column:
    """Rows of `second` where told, else of `first`."""
    shifted = np.where(second.codes < 0, -1, second.codes + len(first.values))
    codes = np.where(use_second, shifted, first.codes).astype(np.int32)
    return merged(codes, pa.concat_arrays([first.values.cast(pa.string()), second.values.cast(pa.string())]))


def texts(buffer: kernels.Bytes, codes: npt.NDArray[np.int32], begins: kernels.Ints, ends: kernels.Ints, fix: Fix) -> Column:
    """Text of distinct spans. Odd values go through `fix`."""
    values, odd = _strings(buffer, begins, ends, False)
    if not odd.any():
        return Column(codes, values.cast(pa.string()))
    return merged(codes, _fixed(values, odd, fix))


def names(buffer: kernels.Bytes, codes: npt.NDArray[np.int32], begins: kernels.Ints, ends: kernels.Ints, fix: Fix) -> Column:
    """DNS names of distinct spans, in small letters and without a final dot."""
    values, odd = _strings(buffer, begins, ends, True)
    # A final dot makes a name odd too.
    odd |= (ends > begins) & (buffer[ends - 1] == ord("."))
    if not odd.any():
        return Column(codes, values.cast(pa.string()))
    return merged(codes, _fixed(values, odd, fix))


def addresses(buffer: kernels.Bytes, codes: npt.NDArray[np.int32], begins: kernels.Ints, ends: kernels.Ints) -> Column:
    """IP addresses of distinct spans in their usual form; absent where there is none."""
    values, _ = _strings(buffer, begins, ends, False)
    odd = np.empty(len(begins), np.bool_)
    if not kernels.no_dotted_quads(buffer, begins, ends, odd):
        return Column(codes, values.cast(pa.string()))
    return merged(codes, _fixed(values, odd, address))
