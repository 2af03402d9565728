"""Rows of one table on their way to Parquet: cheap to add to, a whole Arrow table when asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa

from wormward.model.errors import WorkspaceError
from wormward.model.tables import TIME, Table

DICTIONARY = pa.dictionary(pa.int32(), pa.string())
"""How text is kept: few values come often, and detectors ask once per distinct value."""

SMALL = 512
"""Batches of Python values up to this many rows wait in lists until there are enough of them."""
_PENDING = 8192
GROUP = 1 << 14
"""Chunks of fewer rows than this are put together before they are written or queried."""
_ROUGH_CELL = 16  # bytes that a waiting Python value is counted as

Values: TypeAlias = Sequence[Any] | Any  # ... or a pa.Array or pa.ChunkedArray, which have no types of their own
Run = tuple[int, int, int]  # rows of one file in a row: file number, place of the first among the file's rows, how many


def stored_type(kind: pa.DataType) -> pa.DataType:
    """The Arrow type in which a column of a documented type is kept."""
    return DICTIONARY if kind == pa.string() else kind


def stored_schema(table: Table) -> pa.Schema:
    """Columns of a part: what the reader filled, then `file_no` (int32) and `ordinal` (int64)."""
    columns = [pa.field(c.name, stored_type(c.type)) for c in table.reader_columns]
    return pa.schema([*columns, pa.field("file_no", pa.int32()), pa.field("ordinal", pa.int64())])


def _text(values: pa.Array) -> pa.Array:
    """Any array of text, or of nothing, as dictionary-encoded text."""
    if pa.types.is_null(values.type):
        return pa.nulls(len(values), DICTIONARY)
    if not pa.types.is_dictionary(values.type) or values.dictionary.null_count:
        return values.cast(pa.string()).dictionary_encode()
    return pa.DictionaryArray.from_arrays(values.indices.cast(pa.int32()), values.dictionary.cast(pa.string()))


def _stored(values: pa.Array, kind: pa.DataType) -> pa.Array:
    """`values` in the type in which a column of documented type `kind` is kept. Raises ArrowException."""
    if kind == pa.string():
        return _text(values)
    if kind == TIME and pa.types.is_integer(values.type):
        return values.cast(pa.int64()).cast(TIME)
    return values if values.type == kind else values.cast(kind)


def _is_number(value: object) -> bool:
    return isinstance(value, int | np.integer)


def _arrow(values: Values, kind: pa.DataType) -> pa.Array:
    if isinstance(values, pa.ChunkedArray):
        return values.combine_chunks() if values.num_chunks != 1 else values.chunk(0)
    if isinstance(values, pa.Array):
        return values
    # Times come as microseconds or as datetimes; the first that is there tells.
    if kind == TIME and _is_number(next((v for v in values if v is not None), 0)):
        return pa.array(values, pa.int64())
    return pa.array(values, kind)


@dataclass(slots=True)
class _Chunk:
    """Some rows, columns in the order of the table."""

    columns: list[pa.Array]
    runs: list[Run]


@dataclass(slots=True)
class TableBuffer:
    """What one table got since it was last emptied. `size` is about how many bytes it holds."""

    table: Table
    size: int = 0
    rows: int = 0
    _names: tuple[str, ...] = ()
    _kinds: tuple[pa.DataType, ...] = ()
    _ordinals: dict[int, int] = field(default_factory=dict)
    _chunks: list[_Chunk] = field(default_factory=list)
    _waiting: list[list[Any]] = field(default_factory=list)
    _runs: list[Run] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._names = tuple(c.name for c in self.table.reader_columns)
        self._kinds = tuple(c.type for c in self.table.reader_columns)
        self._waiting = [[] for _ in self._names]

    def add(self, file_no: int, columns: Mapping[str, Values]) -> None:
        """Append rows of one file. Raises WorkspaceError if they do not fit the table."""
        try:
            values = [columns[name] for name in self._names]
        except KeyError as error:
            raise WorkspaceError(f"rows for table {self.table.name} lack its column {error.args[0]}") from error
        count = len(values[0])
        if any(len(v) != count for v in values) or len(columns) != len(values):
            raise WorkspaceError(f"rows for table {self.table.name} have columns of unequal length, or too many")
        if not count:
            return
        first = self._ordinals.get(file_no, 0)
        if count <= SMALL and all(type(v) in (list, tuple) for v in values):
            self._wait(values, (file_no, first, count))
        else:
            self._settle()
            self._append(values, [(file_no, first, count)])
        self._ordinals[file_no] = first + count
        self.rows += count

    def _wait(self, values: list[Values], run: Run) -> None:
        for waiting, new in zip(self._waiting, values, strict=True):
            waiting.extend(new)
        self._runs.append(run)
        self.size += run[2] * len(values) * _ROUGH_CELL
        if len(self._waiting[0]) >= _PENDING:
            self._settle()

    def _settle(self) -> None:
        """Turn what waits in lists into a chunk, so that rows keep their order."""
        if self._runs:
            waiting, runs = self._waiting, self._runs
            self._waiting, self._runs = [[] for _ in self._names], []
            self.size -= len(waiting[0]) * len(waiting) * _ROUGH_CELL
            self._append(waiting, runs)

    def _append(self, values: Sequence[Values], runs: list[Run]) -> None:
        arrays = []
        for name, kind, column in zip(self._names, self._kinds, values, strict=True):
            try:
                arrays.append(_arrow(column, kind))
            except (pa.ArrowException, TypeError, OverflowError, UnicodeEncodeError) as error:
                raise WorkspaceError(f"table {self.table.name}, column {name}: {error}") from error
        self._chunks.append(_Chunk(arrays, runs))
        self.size += sum(a.nbytes for a in arrays)

    def take(self) -> pa.Table:
        """All rows since the last `take`, as `stored_schema` describes them; the buffer is empty afterwards.

        The table's chunks are those that were added, small ones together. Each has dictionaries of its own: one for
        all would have to be made (as dear as writing the table), and engines take it in anew for each chunk.
        """
        self._settle()
        chunks, self._chunks, self.size, self.rows = self._chunks, [], 0, 0
        chunks.reverse()
        batches, group, count = [], [], 0
        while chunks:
            group.append(chunks.pop())
            count += sum(run[2] for run in group[-1].runs)
            if count >= GROUP or not chunks:
                batches.append(self._batch(group))
                group, count = [], 0
        return pa.Table.from_batches(batches, stored_schema(self.table))

    def _batch(self, group: list[_Chunk]) -> pa.RecordBatch:
        columns = [self._column(i, group) for i in range(len(self._names))]
        columns += _places([run for chunk in group for run in chunk.runs])
        return pa.RecordBatch.from_arrays(columns, schema=stored_schema(self.table))

    def _column(self, i: int, group: list[_Chunk]) -> pa.Array:
        """Column `i` of some chunks in one array; they let go of it."""
        parts = []
        for chunk in group:
            values, chunk.columns[i] = chunk.columns[i], None
            try:
                parts.append(_stored(values, self._kinds[i]))
            except pa.ArrowException as error:
                raise WorkspaceError(f"table {self.table.name}, column {self._names[i]}: {error}") from error
        if len(parts) == 1:
            return parts[0]
        return pa.chunked_array(parts, stored_type(self._kinds[i])).unify_dictionaries().combine_chunks()


def _places(runs: list[Run]) -> list[pa.Array]:
    """The columns `file_no` and `ordinal` of rows that come in `runs`."""
    counts = [count for _, _, count in runs]
    files = np.repeat(np.array([file_no for file_no, _, _ in runs], np.int32), counts)
    # A row's ordinal is its place among all these rows, shifted per run.
    shifts = [first - before for (_, first, _), before in zip(runs, np.cumsum([0, *counts]).tolist(), strict=False)]
    ordinals = np.arange(len(files), dtype=np.int64) + np.repeat(np.array(shifts, np.int64), counts)
    return [pa.array(files), pa.array(ordinals)]
