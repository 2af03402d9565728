"""Who asked whom, noted in the footer of each part of `dns_queries`.

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

from wormward.model.tables import TIME

TABLE = "dns_queries"
KEY = b"wormward.askers"
MOST = 1 << 16
"""Facts that a part notes at most (3 MB): the footer is read whole by everyone who opens the part."""
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


def note(table: pa.Table) -> dict[bytes, bytes]:
    """What a part with these rows of `dns_queries` says in its footer; nothing if that would be too much."""
    keys = table.select(["site", "client", "server", "file_no"]).append_column("answered", pc.is_valid(table.column("rcode")))
    keys = keys.unify_dictionaries()
    # One number a row is grouped several times faster than five values.
    one, values = np.zeros(table.num_rows, np.int64), []
    most = 1
    for name in _BY:
        numbers, distinct = _numbered(keys.column(name))
        most *= len(distinct)
        if most >= 1 << 63:
            return {}
        if len(distinct) > 1:
            one *= len(distinct)
            one += numbers
        values.append(distinct)
    rows = pa.table({"one": one, "time": table.column("time")})
    facts = rows.group_by("one", use_threads=False).aggregate([([], "count_all"), ("time", "min"), ("time", "max")])
    if facts.num_rows > MOST:
        return {}
    columns: list[pa.Array] = []
    rest = facts.column("one").to_numpy()
    for distinct in reversed(values):
        rest, number = np.divmod(rest, len(distinct))
        columns.insert(0, distinct.take(pa.array(number)))
    columns += [facts.column(name) for name in ("count_all", "time_min", "time_max")]
    packed = pa.BufferOutputStream()
    with pa.ipc.new_stream(packed, SCHEMA) as stream:
        stream.write_table(pa.table(columns, SCHEMA.names).cast(SCHEMA))
    return {KEY: base64.b64encode(packed.getvalue())}


def _numbered(column: pa.ChunkedArray) -> tuple[npt.NDArray[np.int32], pa.Array]:
    """The values of a column as numbers, and what they stand for: the distinct values, and null where it comes up."""
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    distinct = column.chunk(0).dictionary
    numbers = pa.chunked_array([chunk.indices for chunk in column.chunks])
    if column.null_count:
        numbers = numbers.fill_null(len(distinct))
        distinct = pa.concat_arrays([distinct, pa.nulls(1, distinct.type)])
    return numbers.to_numpy(), distinct


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
