"""Who asked whom, noted beside the rows of `dns_queries`: in the footer of each part that is a file.

The first look over a site's lookups only wants to know who asked whom, in which file, whether an answer was seen, and
from when to when: a few hundred facts that would take a look at every row. The writer has the rows in hand, so it
notes these facts. A note lies in the same file as its rows: it cannot be lost or mixed up without them, and whoever
can change it can change them. It decides nothing about a name; without one, or with one that does not fit its part,
the rows are asked.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numba import njit

from wormward.model.tables import TIME

TABLE = "dns_queries"
KEY = b"wormward.askers"
MOST = 1 << 16
"""Facts that a part notes at most (3 MB): the footer is read whole by everyone who opens the part."""
_DENSE = 1 << 20
"""Numbers up to which a place for each is filled instead of looking for those that come up."""
Longs = npt.NDArray[np.int64]
_BY = ("site", "client", "server", "file_no", "answered")
SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("site", "client", "server")),
        ("file_no", pa.int32()),
        ("answered", pa.bool_()),
        ("rows", pa.int64()),
        ("first_seen", TIME),
        ("last_seen", TIME),
    ]
)


def facts(table: pa.Table) -> pa.Table | None:
    """Who asked whom in these rows of `dns_queries` (SCHEMA); None if that would be too much to keep."""
    found: list[pa.Table] = []
    for batch in table.to_batches():
        some = _facts(batch) if batch.num_rows else SCHEMA.empty_table()
        if some is None:
            return None
        found.append(some)
    if not found:
        return SCHEMA.empty_table()
    grouped = pa.concat_tables(found).group_by(list(_BY), use_threads=False)
    whole = grouped.aggregate([("rows", "sum"), ("first_seen", "min"), ("last_seen", "max")])
    return whole.rename_columns(SCHEMA.names).cast(SCHEMA) if whole.num_rows <= MOST else None


def note(table: pa.Table) -> dict[bytes, bytes]:
    """What a part with these rows of `dns_queries` says in its footer; nothing if that would be too much."""
    known = facts(table)
    if known is None:
        return {}
    packed = pa.BufferOutputStream()
    with pa.ipc.new_stream(packed, SCHEMA) as stream:
        stream.write_table(known)
    return {KEY: base64.b64encode(packed.getvalue())}


def _facts(batch: pa.RecordBatch) -> pa.Table | None:
    """The same of some rows, one at least."""
    columns = [batch.column(name) for name in _BY[:-1]]
    coded = [_numbered(column) for column in columns] + [_validity(batch.column("rcode"))]
    # One number a row is grouped several times faster than five values.
    one, most = None, 1
    for numbers, distinct in coded:
        most *= len(distinct)
        if most >= 1 << 63:
            return None
        if numbers is not None:
            one = numbers.astype(np.int64) if one is None else one * len(distinct) + numbers
    one = np.zeros(batch.num_rows, np.int64) if one is None else one
    times = batch.column("time").cast(pa.int64()).to_numpy(zero_copy_only=False)
    rest, counts, first, last = _dense(one, times, most) if most <= _DENSE else _sparse(one, times)
    if len(rest) > MOST:
        return None
    made: list[pa.Array] = []
    for _, distinct in reversed(coded):
        rest, number = np.divmod(rest, len(distinct))
        made.insert(0, distinct.take(pa.array(number)))
    made += [pa.array(counts), *(pa.array(t).cast(TIME) for t in (first, last))]
    return pa.table(made, SCHEMA.names).cast(SCHEMA)


def _numbered(column: pa.Array) -> tuple[npt.NDArray[np.int32] | None, pa.Array]:
    """The values of a column as numbers, and what they stand for; no numbers if it says the same in every row."""
    if pa.types.is_integer(column.type) and not column.null_count:
        low, high = pc.min_max(column).values()
        if low == high:
            return None, pa.array([low.as_py()], column.type)
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    distinct, numbers = column.dictionary, column.indices
    if column.null_count:
        numbers = numbers.fill_null(len(distinct))
        distinct = pa.concat_arrays([distinct, pa.nulls(1, distinct.type)])
    return None if len(distinct) == 1 else numbers.to_numpy(), distinct


def _validity(column: pa.Array) -> tuple[npt.NDArray[np.int32] | None, pa.Array]:
    """Whether there is a value, as `_numbered` would say it."""
    if column.null_count in (0, len(column)):
        return None, pa.array([column.null_count == 0])
    return column.is_valid().cast(pa.int32()).to_numpy(), pa.array([False, True])


Four = tuple[Longs, Longs, Longs, Longs]


def _dense(one: Longs, times: Longs, most: int) -> Four:
    """The numbers that come up, below `most`, how often, and the least and the largest time of each."""
    counts = np.zeros(most, np.int64)
    first, last = np.empty(most, np.int64), np.empty(most, np.int64)
    _gather(one, times, counts, first, last)
    (there,) = np.nonzero(counts)
    return there, counts[there], first[there], last[there]


def _sparse(one: Longs, times: Longs) -> Four:
    """The same for numbers of any size."""
    grouped = pa.table({"one": one, "time": times}).group_by("one", use_threads=False)
    rows = grouped.aggregate([([], "count_all"), ("time", "min"), ("time", "max")])
    columns = [rows.column(name).to_numpy() for name in ("one", "count_all", "time_min", "time_max")]
    return columns[0], columns[1], columns[2], columns[3]


@njit(cache=True, nogil=True)
def _gather(one: Longs, times: Longs, counts: Longs, first: Longs, last: Longs) -> None:
    for i in range(one.size):
        number, time = one[i], times[i]
        if counts[number] == 0:
            first[number] = last[number] = time
        counts[number] += 1
        first[number], last[number] = min(first[number], time), max(last[number], time)


def noted(parts: Sequence[Path]) -> pa.Table | None:
    """The notes of these parts, below each other (SCHEMA); None if one of them has none that fits its rows."""
    tables = []
    for path in parts:
        try:
            tables.append(_read(pq.read_metadata(path)))
        except (OSError, ValueError, pa.ArrowException):
            return None
    return pa.concat_tables(tables) if tables else None


def _read(part: pq.FileMetaData) -> pa.Table:
    """The note of one part. Raises ValueError, OSError or ArrowException if there is none, or none that fits."""
    packed = (part.metadata or {}).get(KEY)
    if packed is None:
        raise ValueError("it has no note")
    facts = pa.ipc.open_stream(base64.b64decode(packed, validate=True)).read_all()
    facts.validate(full=True)
    if facts.schema != SCHEMA or facts.column("rows").null_count or facts.column("file_no").null_count:
        raise ValueError("its note has other columns")
    if (pc.sum(facts.column("rows")).as_py() or 0) != part.num_rows or not _same_times(part, facts):
        raise ValueError("its note is of other rows")
    return facts


def _same_times(part: pq.FileMetaData, facts: pa.Table) -> bool:
    """Whether the note's first and last time are those that the groups of rows say of themselves."""
    groups = [part.row_group(i) for i in range(part.num_row_groups)]
    times = [g.column(i).statistics for g in groups for i in range(g.num_columns) if g.column(i).path_in_schema == "time"]
    said = [t for t in times if t is not None and t.has_min_max]
    first, last = pc.min(facts.column("first_seen")).as_py(), pc.max(facts.column("last_seen")).as_py()
    return (first, last) == (min((t.min for t in said), default=None), max((t.max for t in said), default=None))
