"""Many plain rows of one table: filled in place, column by column, in memory that is used again.

Logs bring millions of rows in pieces of some ten thousand. Pieces that are kept one by one must be put together before
they can be written, and memory that was never used before costs several times what filling it does. A group of rows has
its room at once, is filled piece by piece, goes out as it lies there, and gives its room to the next one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from wormward.model.lexicon import Ints
from wormward.model.reading import Coded
from wormward.model.tables import TIME

GROUP = 1 << 20
"""Rows that are put together before they are written or queried: each group's dictionaries are taken in anew."""
LEAST, MOST = 1 << 12, 1 << 16
"""Rows of a piece for which a group is worth its room, and for which one always has some left."""
_ROOM = GROUP + MOST
_NUMBERS: dict[pa.DataType, np.dtype[Any]] = {
    pa.int64(): np.dtype(np.int64),
    TIME: np.dtype(np.int64),
    pa.int32(): np.dtype(np.int32),
}
_NUMBER = np.dtype(np.int32)  # of a text
_PLACES = (np.dtype(np.int32), np.dtype(np.int64))  # file_no and ordinal

Run: TypeAlias = tuple[int, int, int]
"""Rows of one file in a row: file number, place of the first among the file's rows, how many."""
Form: TypeAlias = tuple[np.dtype[Any] | None, ...]
"""What a piece's columns are kept as; None for one in which nothing stands."""


def form_of(kinds: Sequence[pa.DataType], columns: Sequence[Any]) -> Form | None:
    """How a piece can be kept in a group, if it can: text as numbers of words or always the same, numbers without gaps."""
    if not LEAST <= len(columns[0]) <= MOST:
        return None
    found: list[np.dtype[Any] | None] = []
    for kind, column in zip(kinds, columns, strict=True):
        is_text, wanted = kind == pa.string(), _NUMBERS.get(kind)
        if isinstance(column, pa.Array) and pa.types.is_null(column.type):
            found.append(None)
        elif is_text and (isinstance(column, Coded) or says_one_thing(column)):
            found.append(_NUMBER)
        elif wanted is not None and isinstance(column, pa.Array) and column.type == pa.from_numpy_dtype(wanted):
            if column.null_count:
                return None
            found.append(wanted)
        else:
            return None
    return tuple(found)


def says_one_thing(column: Any) -> bool:
    """True for a text column that is known to say the same in every row."""
    is_coded = isinstance(column, pa.Array) and pa.types.is_dictionary(column.type) and not column.null_count
    return is_coded and len(column.dictionary) == 1 and not column.dictionary.null_count


@dataclass(slots=True)
class Room:
    """Arrays that nobody looks at any more."""

    free: dict[np.dtype[Any], list[npt.NDArray[Any]]] = field(default_factory=dict)

    def take(self, kind: np.dtype[Any]) -> npt.NDArray[Any]:
        """Room for a column of a group."""
        used = self.free.get(kind)
        return used.pop() if used else np.empty(_ROOM, kind)

    def give(self, arrays: Sequence[npt.NDArray[Any]]) -> None:
        """These may be filled anew."""
        for array in arrays:
            self.free.setdefault(array.dtype, []).append(array)


class Group:
    """Rows of one form. `full` once it should make place for the next one."""

    def __init__(self, kept_as: Form, room: Room) -> None:
        self.form = kept_as
        self.rows = 0
        self.runs: list[Run] = []
        self.width = sum(kind.itemsize for kind in (*kept_as, *_PLACES) if kind is not None)
        self._columns = [None if kind is None else room.take(kind) for kind in kept_as]
        self._places = [room.take(kind) for kind in _PLACES]
        self._least = [0] * len(kept_as)
        self._most = [-1] * len(kept_as)

    @property
    def full(self) -> bool:
        """Whether it has enough rows."""
        return self.rows >= GROUP

    @property
    def arrays(self) -> list[npt.NDArray[Any]]:
        """All its room."""
        return [*(c for c in self._columns if c is not None), *self._places]

    def numbers(self, column: int, count: int) -> Ints:
        """Where the numbers of the next `count` texts of a column go."""
        there = self._columns[column]
        if there is None:
            raise IndexError("nothing stands in this column")
        return there[self.rows : self.rows + count]

    def numbered(self, column: int, least: int, most: int) -> None:
        """They are there, between these two; negative ones are null."""
        self._least[column] = min(self._least[column], least)
        self._most[column] = max(self._most[column], most)

    def fill(self, column: int, values: pa.Array) -> None:
        """The next rows of a column of numbers."""
        self.numbers(column, len(values))[:] = values.to_numpy()

    def close(self, run: Run) -> None:
        """The next rows are all there."""
        file_no, first, count = run
        at, end = self.rows, self.rows + count
        self._places[0][at:end] = file_no
        self._places[1][at:end] = np.arange(first, first + count)
        self.rows = end
        self.runs.append(run)

    def columns(self, kinds: Sequence[pa.DataType]) -> list[pa.Array]:
        """All rows as Arrow columns, text as numbers, nothing copied; of type null where nothing stands."""
        made = []
        for i, (kind, column) in enumerate(zip(kinds, self._columns, strict=True)):
            if column is None or (kind == pa.string() and self._most[i] < 0):
                made.append(pa.nulls(self.rows))
                continue
            values = column[: self.rows]
            made.append(pa.array(values, mask=values < 0 if self._least[i] < 0 else None))
        return made

    def places(self) -> list[pa.Array]:
        """The columns `file_no` and `ordinal`."""
        return [pa.array(column[: self.rows]) for column in self._places]
