"""Clocks that were fast or slow: what a site says of them is taken off every time that such a file gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from wormward.evidence.rows import LEAST_TIME, MOST_TIME, utc
from wormward.model.reading import Coded, FileRead, TableSink
from wormward.model.states import Coverage
from wormward.model.tables import BY_NAME, TIME
from wormward.model.text import N_

CORRECTED = N_("Its clock was off by what site.toml says (clock_error_seconds): its times were corrected by that.")
_TIMES = {name: frozenset(c.name for c in table.columns if c.type == TIME) for name, table in BY_NAME.items()}


class Corrected:
    """A sink before another one: takes the clock error of a file, in seconds by its number, off its rows' times."""

    def __init__(self, sink: TableSink, errors: Mapping[int, int]) -> None:
        self._sink = sink
        self._errors = errors

    def add(self, table: str, file_no: int, columns: Mapping[str, Sequence[Any] | pa.Array | pa.ChunkedArray | Coded]) -> None:
        """Append rows, as `TableSink` says."""
        error = self._errors.get(file_no, 0)
        if error:
            columns = {name: _earlier(values, error) if name in _TIMES[table] else values for name, values in columns.items()}
        self._sink.add(table, file_no, columns)


def _earlier(values: Any, error_s: int) -> Any:
    """Times (microseconds since 1970, or Arrow's timestamps) less so many seconds; what is null stays so."""
    times = values if isinstance(values, pa.Array | pa.ChunkedArray) else pa.array(values)
    if pa.types.is_null(times.type):
        return times
    early = pc.subtract(times.cast(pa.timestamp("us", "UTC")).cast(pa.int64()), error_s * 1_000_000)
    return pc.if_else(pc.less(early, LEAST_TIME), LEAST_TIME, pc.if_else(pc.greater(early, MOST_TIME), MOST_TIME, early))


def corrected(read: FileRead, error_s: int) -> FileRead:
    """What reading a file gave, with its coverage in corrected time and saying so."""
    if not error_s:
        return read
    coverage = moved(read.coverage, error_s)
    return replace(read, coverage=replace(coverage, notes=(*coverage.notes, CORRECTED)))


def moved(coverage: Coverage, error_s: int) -> Coverage:
    """Coverage in corrected time."""
    begin, end = (_moment(time, error_s) for time in (coverage.begin, coverage.end))
    return replace(coverage, begin=begin, end=end, clock_error_s=error_s)


def _moment(time: datetime | None, error_s: int) -> datetime | None:
    return None if time is None else utc(_earlier([time], error_s)[0].as_py())
