"""The contract between a reader and whoever runs it: where rows go, what to keep, what the site says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import pyarrow as pa

from wormward.model.pack import Want, WantedCall
from wormward.model.site import Site
from wormward.model.states import Coverage


class TableSink(Protocol):
    """Takes rows of one table from one file. Order of calls within a file and table is the row order."""

    def add(self, table: str, file_no: int, columns: Mapping[str, Sequence[Any] | pa.Array | pa.ChunkedArray]) -> None:
        """Append rows; `columns` has every `reader_columns` name of the table, equal lengths.

        `time` columns may be int64 microseconds since 1970 or Arrow timestamps.
        Raises WorkspaceError if they cannot be stored.
        """
        ...


@dataclass(frozen=True, slots=True)
class ReadContext:
    """What a reader may know besides the bytes."""

    sink: TableSink
    site: Site = field(default_factory=Site)
    wants: tuple[Want, ...] = ()
    wanted_calls: tuple[WantedCall, ...] = ()
    progress: Callable[[int], None] = lambda _done: None  # called with bytes consumed since the last call


@dataclass(frozen=True, slots=True)
class FileRead:
    """What reading one file gave: its number in the run, its coverage."""

    file_no: int
    coverage: Coverage
