"""One part of one table as a Parquet file: private, whole or not there at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from wormward.model.errors import WorkspaceError

# Dictionaries of names are large; beyond this limit Parquet would write each name out again and again.
_DICTIONARY_LIMIT = 64 << 20


def disk_error(what: str, folder: Path, error: OSError) -> WorkspaceError:
    """The sentence for a disk that does not take what we write."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return WorkspaceError(
            f"{what} cannot be written to {folder}: the disk is full; make room there, or name another folder with --workspace "
            "(TMPDIR where none is named)"
        )
    return WorkspaceError(f"{what} cannot be written to {folder} ({error.strerror or error}); check that you may write there")


def _encodings(schema: pa.Schema) -> dict[str, str]:
    """Numbers that rise row by row are tiny as differences; text is dictionary-encoded anyway."""
    return {f.name: "DELTA_BINARY_PACKED" for f in schema if pa.types.is_integer(f.type) or pa.types.is_timestamp(f.type)}


def write_part(table: pa.Table, path: Path, what: str, lasting: bool) -> None:
    """Write `table` to `path` (mode 0600). Raises WorkspaceError, leaving nothing.

    What is `lasting` is packed, and on the disk when this returns; the rest is for this run, where time counts more.
    """
    unfinished = path.with_suffix(".unfinished")
    texts = [f.name for f in table.schema if pa.types.is_dictionary(f.type)]
    encodings = _encodings(table.schema)
    try:
        handle = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "wb") as file:
            writer = pq.ParquetWriter(
                file,
                table.schema,
                compression="zstd" if lasting else "none",
                use_dictionary=texts,
                dictionary_pagesize_limit=_DICTIONARY_LIMIT,
                column_encoding=encodings,
                # Smallest and largest text of a group help nobody and cost as much as writing it.
                write_statistics=list(encodings),
            )
            with writer:
                for batch in table.to_batches():  # a group each: they have dictionaries of their own
                    writer.write_table(pa.Table.from_batches([batch]))
            if lasting:
                file.flush()
                os.fsync(file.fileno())
        unfinished.replace(path)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise disk_error(what, path.parent, error) from error
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
