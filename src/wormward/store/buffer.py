"""Rows of one table on their way to Parquet: cheap to add to, a whole Arrow table when asked for."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa

from wormward.model.errors import WorkspaceError
from wormward.model.lexicon import NOT_YET, Ints, Lexicon, translate
from wormward.model.reading import Coded, Words
from wormward.model.tables import TIME, Table
from wormward.store.group import GROUP, Group, Room, Run, form_of

DICTIONARY = pa.dictionary(pa.int32(), pa.string())
"""How text is kept: few values come often, and detectors ask once per distinct value."""

SMALL = 512
"""Batches of Python values up to this many rows wait in lists until there are enough of them."""
_PENDING = 8192
KEPT = 32 << 20
"""Bytes of known texts that a table may keep when its rows go: parts that share a dictionary cost one look at it."""
_ROUGH_CELL = 16  # bytes that a waiting Python value is counted as
_SECRET = os.urandom(16)
_VOCABULARIES = 8  # of a column that are remembered; readers have one a thread, and replace it when it grows large
_PLACE = 12  # bytes of a row's file number and ordinal

Values: TypeAlias = Sequence[Any] | Any  # ... or a pa.Array or pa.ChunkedArray, which have no types of their own


def stored_type(kind: pa.DataType) -> pa.DataType:
    """The Arrow type in which a column of a documented type is kept."""
    return DICTIONARY if kind == pa.string() else kind


def stored_schema(table: Table) -> pa.Schema:
    """Columns of a part: what the reader filled, then `file_no` (int32) and `ordinal` (int64)."""
    columns = [pa.field(c.name, stored_type(c.type)) for c in table.reader_columns]
    return pa.schema([*columns, pa.field("file_no", pa.int32()), pa.field("ordinal", pa.int64())])


def nothing(kind: pa.DataType, count: int) -> pa.Array:
    """`count` times null, of text or lists in no memory: zeros that nobody touches take none."""
    if not (kind == DICTIONARY or pa.types.is_list(kind)):
        return pa.nulls(count, kind)
    buffers = [pa.py_buffer(np.zeros(count // 8 + 1, np.uint8)), pa.py_buffer(np.zeros(count + 1, np.int32))]
    if kind == DICTIONARY:
        return pa.DictionaryArray.from_arrays(pa.Array.from_buffers(pa.int32(), count, buffers, count), pa.array([], pa.string()))
    return pa.Array.from_buffers(kind, count, buffers, count, children=[pa.array([], kind.value_type)])


def _text(values: pa.Array) -> pa.DictionaryArray:
    """Any array of text as dictionary-encoded text without null among the distinct values. Raises ArrowException."""
    if not pa.types.is_dictionary(values.type) or values.dictionary.null_count:
        values = values.cast(pa.string()).dictionary_encode()
    return values


def _numbered(values: pa.Array, lexicon: Lexicon) -> pa.Array:
    """Text as its numbers in `lexicon` (int32, null where absent; of type null where nothing is there).

    Raises ArrowException, OverflowError.
    """
    if pa.types.is_null(values.type):
        return values
    coded = _text(values)
    return pa.array(lexicon.numbers(coded.dictionary.cast(pa.string()))).take(coded.indices)


def _translate(coded: Coded, lexicon: Lexicon, known: dict[Words, Ints], numbers: Ints) -> tuple[int, int]:
    """Write a vocabulary's numbers into `numbers` as those of `lexicon`, -1 where absent; the least (0 at most) and the most.

    `known` remembers them. What `lexicon` did not hold it gets in order of appearance, so that nothing hangs on what the
    vocabulary held before. Raises ArrowException, OverflowError.
    """
    table = known.get(coded.words)
    most = int(coded.codes.max())
    if table is None or most >= len(table):
        longer = np.full(max(2 * most, 1 << 8), NOT_YET, np.int32)
        if table is not None:
            longer[: len(table)] = table
        known[coded.words] = table = longer
        while len(known) > _VOCABULARIES:
            del known[next(iter(known))]
    bounds: tuple[int, int] = translate(coded.codes, table, numbers)
    if bounds[0] == NOT_YET:
        fresh, first = np.unique(coded.codes[numbers == NOT_YET], return_index=True)
        fresh = fresh[np.argsort(first)]
        texts = coded.words.texts(fresh)
        there = texts.is_valid().to_numpy(zero_copy_only=False)
        table[fresh[~there]] = -1
        table[fresh[there]] = lexicon.numbers(texts.drop_null())
        bounds = translate(coded.codes, table, numbers)
    return bounds


def _translated(coded: Coded, lexicon: Lexicon, known: dict[Words, Ints]) -> pa.Array:
    """A column of a reader's vocabulary as numbers of `lexicon` (see `_translate`)."""
    numbers = np.empty(len(coded), np.int32)
    least, _ = _translate(coded, lexicon, known, numbers)
    return pa.array(numbers, mask=numbers < 0 if least < 0 else None)


def _worded(numbers: pa.Array, texts: pa.Array, lean: bool) -> pa.Array:
    """Numbers with the texts they stand for; if `lean`, and these are more than the rows, with those that come up only."""
    if lean and len(texts) > len(numbers):
        used = np.zeros(len(texts), np.bool_)
        used[numbers.drop_null().to_numpy()] = True
        numbers = pa.array(np.cumsum(used, dtype=np.int32) - np.int32(1)).take(numbers)
        texts = texts.filter(pa.array(used))
    return pa.DictionaryArray.from_arrays(numbers, texts)


def _stored(values: pa.Array, kind: pa.DataType) -> pa.Array:
    """`values` in the type in which a column of documented type `kind`, no text, is kept. Raises ArrowException."""
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
    """Some rows, columns in the order of the table; text as numbers in the buffer's lexicons."""

    columns: list[pa.Array]
    runs: list[Run]
    places: list[pa.Array] | None = None  # file_no and ordinal, where they are made already


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
    _lexicons: dict[int, Lexicon] = field(default_factory=dict)
    _vocabularies: dict[int, dict[Words, Ints]] = field(default_factory=dict)
    _group: Group | None = None  # takes the next rows, if they have its form
    _closed: list[Group] = field(default_factory=list)  # groups whose rows are among the chunks
    _room: Room = field(default_factory=Room)

    def __post_init__(self) -> None:
        self._names = tuple(c.name for c in self.table.reader_columns)
        self._kinds = tuple(c.type for c in self.table.reader_columns)
        self._waiting = [[] for _ in self._names]
        self._forget()

    def _forget(self) -> None:
        """Begin with no text known."""
        self._lexicons = {i: Lexicon(_SECRET) for i, kind in enumerate(self._kinds) if kind == pa.string()}
        self._vocabularies = {i: {} for i in self._lexicons}

    def _known(self) -> int:
        """About how many bytes the known texts are."""
        return sum(lexicon.size for lexicon in self._lexicons.values())

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
            self._take_in(values, (file_no, first, count))
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

    def _take_in(self, values: Sequence[Values], run: Run) -> None:
        """Keep rows where they cost least."""
        kept_as = form_of(self._kinds, values)
        if kept_as is None:
            self._append(values, [run])
            return
        if self._group is None or self._group.full or self._group.form != kept_as:
            self._close()
            self._group = Group(kept_as, self._room)
        self._fill(self._group, values, run)

    def _fill(self, group: Group, values: Sequence[Any], run: Run) -> None:
        known, count = self._known(), run[2]
        for i, column in enumerate(values):
            if group.form[i] is None:
                continue
            try:
                if isinstance(column, Coded):
                    numbers = group.numbers(i, count)
                    group.numbered(i, *_translate(column, self._lexicons[i], self._vocabularies[i], numbers))
                elif i in self._lexicons:  # the same in every row
                    (number,) = self._lexicons[i].numbers(column.dictionary.cast(pa.string())).tolist()
                    group.numbers(i, count)[:] = number
                    group.numbered(i, 0, number)
                else:
                    group.fill(i, column)
            except (pa.ArrowException, OverflowError) as error:
                raise WorkspaceError(f"table {self.table.name}, column {self._names[i]}: {error}") from error
        group.close(run)
        self.size += group.width * count + self._known() - known

    def _close(self) -> None:
        """The open group becomes a chunk."""
        if self._group is not None:
            group, self._group = self._group, None
            self._chunks.append(_Chunk(group.columns(self._kinds), group.runs, group.places()))
            self._closed.append(group)

    def _append(self, values: Sequence[Values], runs: list[Run]) -> None:
        self._close()
        arrays = []
        known = self._known()
        for i, (name, kind, column) in enumerate(zip(self._names, self._kinds, values, strict=True)):
            try:
                if i in self._lexicons and isinstance(column, Coded):
                    arrays.append(_translated(column, self._lexicons[i], self._vocabularies[i]))
                    continue
                array = _arrow(column, kind)
                arrays.append(_numbered(array, self._lexicons[i]) if i in self._lexicons else array)
            except (pa.ArrowException, TypeError, OverflowError, UnicodeEncodeError) as error:
                raise WorkspaceError(f"table {self.table.name}, column {name}: {error}") from error
        self._chunks.append(_Chunk(arrays, runs))
        count = len(arrays[0])
        self.size += sum(a.nbytes for a in arrays) + count * _PLACE
        self.size += self._known() - known

    @contextmanager
    def taken(self, lean: bool = False) -> Iterator[pa.Table]:
        """Like `take`, for as long as the block lasts: then other rows may stand in its place."""
        self._close()
        groups = self._closed
        yield self.take(lean)
        for group in groups:
            self._room.give(group.arrays)

    def take(self, lean: bool = False) -> pa.Table:
        """All rows since the last `take`, as `stored_schema` describes them; the buffer is empty afterwards.

        The table's chunks have GROUP rows or more, if there are so many, and share their dictionaries. While the texts
        are KEPT bytes at most, those of the next `take` begin with those of this one, in the same order. With `lean` a
        chunk of fewer rows than there are texts has only its own: to be written, not to stay in memory, where all share them.
        """
        self._settle()
        self._close()
        texts = {i: lexicon.texts() for i, lexicon in self._lexicons.items()}
        if self._known() > KEPT:
            self._forget()
        chunks, left = self._chunks, self.rows
        self._chunks, self._closed, self.size, self.rows = [], [], 0, 0
        chunks.reverse()
        batches, group, count = [], [], 0
        while chunks:
            group.append(chunks.pop())
            more = sum(run[2] for run in group[-1].runs)
            count, left = count + more, left - more
            # A group goes out as it lies there; pieces are put together.
            if not chunks or (count >= GROUP and (left >= GROUP or chunks[-1].places)):
                batches.append(self._batch(group, texts, lean))
                group, count = [], 0
        return pa.Table.from_batches(batches, stored_schema(self.table))

    def _batch(self, group: list[_Chunk], texts: Mapping[int, pa.Array], lean: bool) -> pa.RecordBatch:
        columns = [self._column(i, group, texts.get(i), lean) for i in range(len(self._names))]
        places = group[0].places if len(group) == 1 else None
        columns += places or _places([run for chunk in group for run in chunk.runs])
        return pa.RecordBatch.from_arrays(columns, schema=stored_schema(self.table))

    def _column(self, i: int, group: list[_Chunk], texts: pa.Array | None, lean: bool) -> pa.Array:
        """Column `i` of some chunks in one array, numbers as the `texts` they mean; the chunks let go of it."""
        if all(pa.types.is_null(chunk.columns[i].type) for chunk in group):
            return nothing(stored_type(self._kinds[i]), sum(len(chunk.columns[i]) for chunk in group))
        parts = []
        for chunk in group:
            values, chunk.columns[i] = chunk.columns[i], None
            try:
                parts.append(_stored(values, pa.int32() if texts is not None else self._kinds[i]))
            except pa.ArrowException as error:
                raise WorkspaceError(f"table {self.table.name}, column {self._names[i]}: {error}") from error
        whole = parts[0] if len(parts) == 1 else pa.concat_arrays(parts)
        return whole if texts is None else _worded(whole, texts, lean)


def _places(runs: list[Run]) -> list[pa.Array]:
    """The columns `file_no` and `ordinal` of rows that come in `runs`."""
    counts = [count for _, _, count in runs]
    files = np.repeat(np.array([file_no for file_no, _, _ in runs], np.int32), counts)
    # A row's ordinal is its place among all these rows, shifted per run.
    shifts = [first - before for (_, first, _), before in zip(runs, np.cumsum([0, *counts]).tolist(), strict=False)]
    ordinals = np.arange(len(files), dtype=np.int64) + np.repeat(np.array(shifts, np.int64), counts)
    return [pa.array(files), pa.array(ordinals)]
