"""One part of one table as a file: private, whole or not there at all. Parquet to keep, Arrow's own bytes for this run."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from wormward.model.errors import WorkspaceError

# Dictionaries of names are large, though never larger than what a part holds; beyond this limit Parquet would write each
# name out again and again, and the engine could not read the distinct ones off.
_DICTIONARY_LIMIT = 512 << 20
_FILE_NO = "file_no"


def disk_error(what: str, folder: Path, error: OSError) -> WorkspaceError:
    """The sentence for a disk that does not take what we write."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return WorkspaceError(
            f"{what} cannot be written to {folder}: the disk is full; make room there, or name another folder with --workspace "
            "(TMPDIR where none is named)"
        )
    return WorkspaceError(f"{what} cannot be written to {folder} ({error.strerror or error}); check that you may write there")


def _encodings(schema: pa.Schema) -> dict[str, str]:
    """Numbers that rise row by row are tiny as differences. Text and the file's number, of which few come often, are not here."""
    numbers = [f.name for f in schema if pa.types.is_integer(f.type) or pa.types.is_timestamp(f.type)]
    return {name: "DELTA_BINARY_PACKED" for name in numbers if name != _FILE_NO}


def _groups(table: pa.Table, texts: list[str]) -> Iterator[pa.Table]:
    """`table` in groups of rows whose texts share their dictionaries: each is then written, and read, once."""
    group: list[pa.RecordBatch] = []
    for batch in table.to_batches():
        if group and not all(batch.column(t).dictionary.equals(group[0].column(t).dictionary) for t in texts):
            yield pa.Table.from_batches(group)
            group = []
        group.append(batch)
    if group:
        yield pa.Table.from_batches(group)


@contextmanager
def _whole(path: Path, what: str) -> Iterator[BinaryIO]:
    """A private file that is there under its name when the block ends well. Raises WorkspaceError, leaving nothing."""
    unfinished = path.with_suffix(".unfinished")
    try:
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            yield file
        unfinished.replace(path)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise disk_error(what, path.parent, error) from error
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


def write_part(table: pa.Table, path: Path, what: str, notes: Mapping[bytes, bytes] | None = None) -> None:
    """Write `table` to `path` (mode 0600) as Parquet, packed, `notes` in its footer; it is on the disk when this returns.

    Raises WorkspaceError, leaving nothing.
    """
    texts = [f.name for f in table.schema if pa.types.is_dictionary(f.type)]
    encodings = _encodings(table.schema)
    with _whole(path, what) as file:
        writer = pq.ParquetWriter(
            file,
            table.schema,
            compression="zstd",
            use_dictionary=[*texts, _FILE_NO] if _FILE_NO in table.schema.names else texts,
            dictionary_pagesize_limit=_DICTIONARY_LIMIT,
            column_encoding=encodings,
            # Smallest and largest text of a group help nobody and cost as much as writing it.
            write_statistics=[*encodings, _FILE_NO],
        )
        with writer:
            for group in _groups(table, texts):
                writer.write_table(group, row_group_size=max(1, group.num_rows))
            if notes:
                writer.add_key_value_metadata(notes)
        file.flush()
        os.fsync(file.fileno())


def put_aside(table: pa.Table, path: Path, what: str) -> pa.Table:
    """`table` as it lies in the new file `path` (mode 0600), out of memory until somebody looks at it.

    For this run only: as it is in memory, so that neither writing nor reading costs more than copying. Columns that hold
    nothing, or the first of their texts in every row, are not written: zeros that nobody touches take no memory. Raises
    WorkspaceError.
    """
    left_out = {i: made for i, column in enumerate(table.columns) if (made := _from_nothing(column)) is not None}
    rest = table.drop_columns([table.schema.names[i] for i in left_out])
    with _whole(path, what) as file, pa.ipc.new_stream(file, rest.schema) as stream:
        stream.write_table(rest)
    try:
        with pa.memory_map(str(path)) as shown:
            kept = pa.ipc.open_stream(shown).read_all()
    except OSError as error:
        raise disk_error(what, path.parent, error) from error
    for i, column in left_out.items():
        kept = kept.add_column(i, table.schema.field(i), column)
    return kept


def _from_nothing(column: pa.ChunkedArray) -> pa.ChunkedArray | None:
    """The same column in next to no memory, if it holds nothing, or in every row the first text of its dictionary."""
    if column.null_count == len(column):
        return column
    if not pa.types.is_dictionary(column.type) or column.null_count:
        return None
    if any(chunk.indices.to_numpy().any() for chunk in column.chunks):
        return None
    chunks = [(np.zeros(len(chunk), np.int32), chunk.dictionary) for chunk in column.chunks]
    return pa.chunked_array([pa.DictionaryArray.from_arrays(pa.array(zeros), texts) for zeros, texts in chunks], column.type)
