"""The batch of a Zeek log that is written as JSON, one object a line (`LogAscii::use_json`).

Arrow reads the columns that some log of ours needs; a block that it cannot read is read object by object, so that one
damaged line costs only itself. Times are numbers or, as Zeek can be told, ISO 8601. Names of columns may have `_`
where Zeek has `.` (`id_orig_h`), as some collectors write them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pj

from wormward.evidence import values
from wormward.evidence.blocks import Block
from wormward.evidence.values import Column, Fix, address, label_bytes
from wormward.evidence.zeek_fields import Flags, Items, Numbers, unescape
from wormward.evidence.zeek_tables import LOGS
from wormward.model.text import printable

_NUMBERS = frozenset({
    "id.orig_p", "id.resp_p", "orig_bytes", "resp_bytes", "orig_pkts", "orig_ip_bytes", "resp_pkts", "resp_ip_bytes", "ip_proto",
    "qtype", "rcode", "status_code", "response_body_len", "size",
})  # fmt: skip
_SECONDS = frozenset({"ts", "duration", "times.created", "lease_time"})
_FLAGS = frozenset({"success"})
_LISTS = frozenset({"answers", "proxied", "resp_mime_types", "client_header_names", "msg_types"})
PATH = "_path"
COLUMNS = tuple(dict.fromkeys([PATH, *(c for log in LOGS.values() for c in log.columns)]))


def _kind(column: str, stamps: bool) -> pa.DataType:
    if column in _NUMBERS:
        return pa.int64()
    if column in _SECONDS:
        return pa.string() if stamps and column in ("ts", "times.created") else pa.float64()
    if column in _FLAGS:
        return pa.bool_()
    return pa.list_(pa.string()) if column in _LISTS else pa.string()


def _schema(stamps: bool) -> pa.Schema:
    fields = [pa.field(c, _kind(c, stamps)) for c in COLUMNS]
    return pa.schema([*fields, *(pa.field(f.name.replace(".", "_"), f.type) for f in fields if "." in f.name)])


_SCHEMAS = (_schema(False), _schema(True))


def _by_arrow(block: Block) -> pa.Table | None:
    """A block's objects in Arrow's fast way; None if it holds anything that this way cannot tell one line from another by."""
    view = block.view
    data = pa.py_buffer(view)
    count = int(np.count_nonzero(block.buffer[block.begin : block.stop] == ord("\n")))
    count += view[-1] != ord("\n")
    for schema in _SCHEMAS:
        options = pj.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore")
        try:
            # The whole block at once: Arrow splits at block_size, and an object longer than that would be an error.
            table = pj.read_json(pa.BufferReader(data), pj.ReadOptions(use_threads=False, block_size=len(view) + 1), options)
            table.validate(full=True)  # Arrow's reader takes bytes that are no UTF-8
        except pa.ArrowException:
            continue
        return table if table.num_rows == count else None
    return None


def _one_by_one(block: Block) -> tuple[pa.Table, list[int], list[int]]:
    """The same, object by object: the table, the lines that its rows stand in, and those that are no objects."""
    rows, lines, bad = [], [], []
    for number, raw in enumerate(bytes(block.view).split(b"\n")):
        if not raw.strip():
            continue
        try:
            row = json.loads(raw.decode("utf-8", "surrogateescape"))
        except (ValueError, RecursionError):
            bad.append(number)
            continue
        if isinstance(row, dict):
            rows.append({c: _cell(row, c) for c in COLUMNS})
            lines.append(number)
        else:
            bad.append(number)
    return pa.Table.from_pylist(rows, schema=pa.schema([pa.field(c, _kind(c, False)) for c in COLUMNS])), lines, bad


def _text(value: object) -> str | None:
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return None if value is None or isinstance(value, dict | list) else str(value)


def _cell(row: dict[str, Any], column: str) -> Any:
    """One value as its column wants it; null where it is of another kind."""
    value: Any = row.get(column, row.get(column.replace(".", "_")))
    kind = _kind(column, False)
    if pa.types.is_integer(kind):
        whole = isinstance(value, int) and not isinstance(value, bool)
        return value if whole and -(1 << 63) <= value < 1 << 63 else None
    if pa.types.is_floating(kind):
        if isinstance(value, str):
            return iso_seconds(value)
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return float(value) if number and abs(value) < 1e12 else None
    if pa.types.is_boolean(kind):
        return value if isinstance(value, bool) else None
    if pa.types.is_list(kind):
        items = value if isinstance(value, list) else None
        return None if items is None else [text for text in map(_text, items) if text is not None]
    return _text(value)


def iso_seconds(text: str) -> float | None:
    """Seconds since 1970 of an ISO 8601 time (UTC where it names no zone); None if it is none."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    time = time if time.tzinfo else time.replace(tzinfo=UTC)
    return (time - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()


@dataclass(frozen=True, slots=True)
class JsonFields:
    """Rows of one log out of a JSON block."""

    table: pa.Table
    lines: npt.NDArray[np.int64]

    def _column(self, name: str) -> pa.Array | None:
        """The column by Zeek's name or the collectors'; None if neither says anything."""
        for column in (name, name.replace(".", "_")):
            if column in self.table.column_names:
                values_ = self.table.column(column).combine_chunks()
                if values_.null_count < len(values_):
                    return values_
        return None

    def has(self, name: str) -> bool:
        """See `Fields`."""
        return self._column(name) is not None

    def _fixed(self, name: str, fix: Callable[[str], str | None]) -> Column:
        column = self._column(name)
        if column is None:
            return values.absent(len(self.lines))
        texts = column if pa.types.is_string(column.type) else pc.cast(column, pa.string())
        encoded = texts.dictionary_encode()
        codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int32)
        return values.merged(codes, pa.array([fix(v) for v in encoded.dictionary.to_pylist()], pa.string()))

    def address(self, name: str) -> Column:
        """See `Fields`."""
        return self._fixed(name, lambda text: address(text.encode("utf-8", "replace")))

    def domain(self, name: str) -> Column:
        """See `Fields`."""
        return self._fixed(name, lambda text: label_bytes(unescape(text.encode())))

    def text(self, name: str, fix: Fix | None = None) -> Column:
        """See `Fields`."""
        if fix is None:
            return self._fixed(name, printable)
        return self._fixed(name, lambda text: fix(text.encode()))

    def number(self, name: str, scale_digits: int = 0) -> Numbers:
        """See `Fields`."""
        column = self._column(name)
        if column is None:
            return np.zeros(len(self.lines), np.int64), np.zeros(len(self.lines), np.bool_)
        if pa.types.is_string(column.type):
            column = pa.array([None if t is None else iso_seconds(t) for t in column.to_pylist()], pa.float64())
        known = column.is_valid().to_numpy(zero_copy_only=False)
        numbers = column.fill_null(0).to_numpy(zero_copy_only=False)
        if numbers.dtype == np.float64:
            known &= np.isfinite(numbers) & (np.abs(numbers) < 1e12)
            numbers = np.rint(np.where(known, numbers, 0) * 10.0**scale_digits).astype(np.int64)
        return numbers, known

    def flag(self, name: str) -> Flags:
        """See `Fields`."""
        column = self._column(name)
        if column is None or not pa.types.is_boolean(column.type):
            return np.zeros(len(self.lines), np.bool_), np.zeros(len(self.lines), np.bool_)
        return column.fill_null(False).to_numpy(zero_copy_only=False), column.is_valid().to_numpy(zero_copy_only=False)

    def items(self, name: str, fix: Items) -> tuple[npt.NDArray[np.int32], list[list[str]]]:
        """See `Fields`."""
        column = self._column(name)
        if column is None or not pa.types.is_list(column.type):
            return np.full(len(self.lines), -1, np.int32), []
        numbers: dict[tuple[str, ...], int] = {}
        codes = [-1 if row is None else numbers.setdefault(tuple(filter(None, row)), len(numbers)) for row in column.to_pylist()]
        distinct = [[t for t in (fix(item.encode()) for item in items) if t is not None] for items in numbers]
        return np.array(codes, np.int32), distinct


def parse(block: Block) -> tuple[JsonFields, int, Sequence[int]]:
    """The objects of a block, how many lines it has, and which of them (from 0) are no objects."""
    table = _by_arrow(block)
    if table is not None:
        return JsonFields(table, np.arange(table.num_rows, dtype=np.int64)), table.num_rows, []
    rows, lines, bad = _one_by_one(block)
    count = bytes(block.view).count(b"\n") + (block.view[-1] != ord("\n"))
    return JsonFields(rows, np.array(lines, np.int64)), count, bad


def logs_of(fields: JsonFields, default: str | None) -> list[tuple[str, JsonFields]]:
    """The rows by log: what `_path` says, else the file's own log."""
    column = fields._column(PATH)
    if column is None:
        return [(default, fields)] if default else []
    out = []
    for name in sorted(set(column.to_pylist()), key=str):
        mask = pc.is_null(column) if name is None else pc.fill_null(pc.equal(column, name), False)
        log = default if name is None else name
        if log:
            out.append((log, JsonFields(fields.table.filter(mask), fields.lines[mask.to_numpy(zero_copy_only=False)])))
    return out
