"""Logs whose clock was never set: where no stamp can be right, the worm's own lists date the log, or nobody does.

Rows whose times are all impossible wait until the file ends; then the names that were looked up in it may tell by how many
days its clock was off. The first possible time ends the waiting, so other logs are not held up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from wormward.evidence.clock_error import Corrected, moved
from wormward.model.reading import Coded, Dated, Dating, FileRead, TableSink
from wormward.model.text import N_, filled

MOST_HELD: Final = 2_000_000
"""Rows that wait; with more of them the log is left as it is."""
DATED: Final = N_(
    "No time that its clock shows can be right. {names} looked-up {names|name stands|names stand} in the list that the worm "
    "makes for {day}, by chance less than {chance} over all days tried, so {days} {days|day was|days were} added to its times."
)
_DAY_S = 86_400
_DAY_US = _DAY_S * 1_000_000

Columns = Mapping[str, Sequence[Any] | pa.Array | pa.ChunkedArray | Coded]


class Doubting:
    """A sink before another one, for the rows of one file."""

    def __init__(self, sink: TableSink, dating: Dating) -> None:
        self._sink = sink
        self._dating = dating
        self._held: list[tuple[str, int, Columns]] = []
        self._rows = 0
        self._doubts = True

    def add(self, table: str, file_no: int, columns: Columns) -> None:
        """Append rows, as `TableSink` says."""
        if self._doubts:
            days = _days(columns["time"])
            if not len(days) or self._dating.possible(pc.min(days).as_py(), pc.max(days).as_py()):
                self._release(self._sink)
                self._doubts = False
            else:
                self._hold(table, file_no, columns, days)
                return
        self._sink.add(table, file_no, columns)

    def _hold(self, table: str, file_no: int, columns: Columns, days: pa.Array) -> None:
        self._held.append((table, file_no, columns))
        self._rows += len(days)
        if table == "dns_queries":
            names = columns["name"]
            texts = names.words.texts(names.codes) if isinstance(names, Coded) else names
            listed = texts.to_pylist() if isinstance(texts, pa.Array | pa.ChunkedArray) else list(texts)
            self._dating.add((day, name) for day, name in zip(days.to_pylist(), listed, strict=True) if name)
        if self._rows > MOST_HELD:
            self._release(self._sink)
            self._doubts = False

    def _release(self, sink: TableSink) -> None:
        for table, file_no, columns in self._held:
            sink.add(table, file_no, columns)
        self._held.clear()

    def finish(self, file_no: int) -> Dated | None:
        """The file ended: hand over what waits, by the clock that the names tell, if they do."""
        dated = self._dating.shift() if self._held else None
        error_s = -dated.days * _DAY_S if dated else 0
        self._release(Corrected(self._sink, {file_no: error_s}) if dated else self._sink)
        return dated


def _days(times: Any) -> pa.Array:
    """Days since 1970 of a time column."""
    column = times if isinstance(times, pa.Array | pa.ChunkedArray) else pa.array(times)
    micros = column.cast(pa.timestamp("us", "UTC")).cast(pa.int64()).to_numpy(zero_copy_only=False)
    return pa.array(micros // _DAY_US)


def dated(read: FileRead, found: Dated | None) -> FileRead:
    """What reading a file gave, with its coverage in the time that was found and saying so."""
    if found is None:
        return read
    note = filled(DATED, {"names": found.names, "day": found.day, "chance": found.chance, "days": found.days})
    coverage = moved(read.coverage, -found.days * _DAY_S)
    return replace(read, coverage=replace(coverage, notes=(*coverage.notes, note)))
