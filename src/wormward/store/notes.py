"""What annotators need not look at again: distinct keys that gave nothing, by annotator, its version and the pack's digest.

Almost all keys of a site give nothing, whatever the days asked for, and tomorrow's evidence has most of them again. So a
workspace keeps those, and only new keys, and the few that tell something, are annotated; another pack or version begins
anew. It is a cache: what cannot be read is left out, and made again.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from wormward.store.parquet import disk_error, write_part


class Notes:
    """The notes of one workspace, in `folder`; only the one who holds its lock may add."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def dull(self, of: str) -> pa.Table | None:
        """The keys that are known to give nothing to the annotator `of`; None if none are."""
        try:
            tables = [pq.read_table(path) for path in sorted((self._folder / of).glob("part-*.parquet"))]
            return pa.concat_tables(tables) if tables else None
        except (OSError, pa.ArrowException):
            return None

    def add(self, of: str, keys: pa.Table) -> None:
        """Keep more such keys. Raises WorkspaceError if there is no room."""
        folder = self._folder / of
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise disk_error("the workspace", folder, error) from error
        number = 1 + max((int(path.stem[5:]) for path in folder.glob("part-*.parquet") if path.stem[5:].isdecimal()), default=-1)
        write_part(keys, folder / f"part-{number:05d}.parquet", "what need not be looked at again")
