"""The contract between a reader and whoever runs it: where rows go, what to keep, what the site says."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from wormward.model.pack import Want, WantedCall
from wormward.model.site import Site
from wormward.model.states import Coverage


class Words(Protocol):
    """What the numbers of a column mean. It may learn more of them, from another thread; a number never changes."""

    def texts(self, codes: npt.NDArray[np.int32]) -> pa.Array:
        """The text (a string, null for nothing) of each of `codes`, none of which is negative."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Coded:
    """A text column as numbers (-1: absent) of a vocabulary that lives longer than these rows.

    Whoever takes many such columns asks for each text once.
    """

    codes: npt.NDArray[np.int32]
    words: Words

    def __len__(self) -> int:
        """How many rows it has."""
        return len(self.codes)

    def kept(self, rows: npt.NDArray[np.bool_]) -> Coded:
        """Only some of the rows."""
        return Coded(self.codes[rows], self.words)


class TableSink(Protocol):
    """Takes rows of one table from one file. Order of calls within a file and table is the row order."""

    def add(self, table: str, file_no: int, columns: Mapping[str, Sequence[Any] | pa.Array | pa.ChunkedArray | Coded]) -> None:
        """Append rows; `columns` has every `reader_columns` name of the table, equal lengths.

        Text may come as `Coded`. `time` columns may be int64 microseconds since 1970 or Arrow timestamps.
        Raises WorkspaceError if they cannot be stored.
        """
        ...


@dataclass(frozen=True, slots=True)
class Dated:
    """Of which year a log's first line is, or by how many days it is late, and how that is known: names of one day's list."""

    year: int  # of the list's day, or of the first line
    names: int
    day: str  # ISO
    milli: int  # strength, thousandths of a negative decimal logarithm
    chance: str  # that it is a coincidence, as text
    days: int = 0  # to be added to the log's own


class Dating(Protocol):
    """Dates one log whose stamps have no year, or cannot be right, by the names that were looked up in it."""

    def add(self, looked_up: Iterable[tuple[int, str]]) -> None:
        """Days (since 1970 UTC, as if the first line were of a `provisional` year) and names as in `dns_queries`."""
        ...

    def year(self, provisional: int) -> Dated | None:
        """Of which year the first line is; None if the names do not tell."""
        ...

    def possible(self, first_day: int, last_day: int) -> bool:
        """Whether any of these days can be one on which the worm was there."""
        ...

    def shift(self) -> Dated | None:
        """By how many days the log's clock is off, whatever it shows; None if the names do not tell."""
        ...


@dataclass(frozen=True, slots=True)
class ReadContext:
    """What a reader may know besides the bytes."""

    sink: TableSink
    site: Site = field(default_factory=Site)
    wants: tuple[Want, ...] = ()
    wanted_calls: tuple[WantedCall, ...] = ()
    progress: Callable[[int], None] = lambda _done: None  # called with bytes consumed since the last call
    dating: Callable[[], Dating] | None = None  # begins the dating of one log


@dataclass(frozen=True, slots=True)
class FileRead:
    """What reading one file gave: its number in the run, its coverage."""

    file_no: int
    coverage: Coverage
    stream: str = ""  # of a capture: its link types and snap lengths, equal within a rotation


@dataclass(frozen=True, slots=True)
class SourceRow:
    """One evidence file, as a workspace remembers it.

    `sha256` is that of its uncompressed bytes, empty if it could not be read at all. `path` is where it lay, `head` the
    digest of its first bytes, `state` its size and times on disk: what tells whether a file that is given again is this
    one; `wanted` stands for what readers were asked to keep. A file whose bytes another one brought has no rows.
    """

    file_no: int
    sha256: str
    name: str
    kind: str
    unit: str
    coverage: Coverage | None = None
    path: str = ""
    head: str = ""
    state: str = ""
    site: str = ""
    stream: str = ""
    wanted: str = ""
    has_rows: bool = True
