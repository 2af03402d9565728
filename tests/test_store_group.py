"""Groups of rows that are filled in place: the same rows as piece by piece, whatever stands in the room they are given."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wormward.model.reading import Coded
from wormward.model.tables import BY_NAME
from wormward.store import group as group_module
from wormward.store.buffer import TableBuffer, stored_schema

TABLE = BY_NAME["bindings"]
WORDS = [None, "", "10.0.0.1", "10.0.0.2", "naïve", "x" * 300]


class Words:
    """A vocabulary; its first number means nothing."""

    def texts(self, codes: npt.NDArray[np.int32]) -> pa.Array:
        return pa.array([WORDS[code] for code in codes.tolist()], pa.string())


def piece(seed: int, count: int, words: Words, timed: bool, valued: bool) -> dict[str, Any]:
    """Rows in the forms that readers of logs use; with `timed` a column that is else left out, with `valued` one more text."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(-1, len(WORDS), count).astype(np.int32)
    return {
        "place": pa.array(rng.integers(1, 1 << 40, count)),
        "site": pa.DictionaryArray.from_arrays(pa.array(np.zeros(count, np.int8)), pa.array([f"s{seed % 2}"])),
        "time": pa.array(rng.integers(0, 1 << 50, count)),
        "time_end": pa.array(rng.integers(0, 1 << 50, count)) if timed else pa.nulls(count),
        "address": Coded(codes, words),
        "kind": pa.array([f"k{n}" for n in rng.integers(0, 5, count).tolist()]) if seed % 5 == 4 else Coded(codes * 0 + 2, words),
        "value": Coded(np.full(count, -1, np.int32), words) if valued else pa.nulls(count),
    }  # fmt: skip


def plain(columns: dict[str, Any], words: Words) -> dict[str, Any]:
    """The same as Python values, which never go into a group."""
    out = {}
    for name, column in columns.items():
        if isinstance(column, Coded):
            texts = words.texts(np.arange(len(WORDS), dtype=np.int32)).to_pylist()
            out[name] = [texts[code] if code >= 0 else None for code in column.codes.tolist()]
        else:
            out[name] = column.to_pylist()
    return out


PIECES = st.lists(st.tuples(st.integers(0, 9), st.integers(1, 40), st.booleans(), st.booleans(), st.integers(0, 2)), max_size=12)


@settings(max_examples=60, deadline=None)
@given(pieces=PIECES, takes=st.sets(st.integers(0, 11)))
def test_groups_hold_what_pieces_hold(pieces: list[tuple[int, int, bool, bool, int]], takes: set[int]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(group_module, "LEAST", 5)
        patch.setattr(group_module, "GROUP", 64)
        patch.setattr(group_module, "_ROOM", 64 + 40)
        words = Words()
        grouped, other = TableBuffer(TABLE), TableBuffer(TABLE)
        for number, (seed, count, timed, valued, file_no) in enumerate(pieces):
            columns = piece(seed, count, words, timed, valued)
            grouped.add(file_no, columns)
            other.add(file_no, plain(columns, words))
            if number in takes:
                with grouped.taken() as rows:
                    rows.validate(full=True)
                    assert rows.to_pylist() == other.take().to_pylist()
        rows = grouped.take()
        assert rows.schema == stored_schema(TABLE)
        assert rows.to_pylist() == other.take().to_pylist()
        assert (grouped.rows, grouped.size >= 0) == (0, True)


def rooms(rows: pa.Table) -> set[int]:
    """Where the columns of numbers lie."""
    return {rows.column(name).chunk(0).buffers()[1].address for name in ("place", "time", "time_end", "ordinal")}


def test_room_is_used_again_and_rows_that_stay_keep_theirs() -> None:
    words, buffer = Words(), TableBuffer(TABLE)
    columns = piece(1, 5000, words, timed=True, valued=False)
    buffer.add(0, columns)
    with buffer.taken() as rows:
        first = rooms(rows)
    buffer.add(0, columns)
    kept = buffer.take()
    assert rooms(kept) == first
    buffer.add(0, piece(2, 5000, words, timed=True, valued=False))
    assert kept.column("place").to_pylist() == columns["place"].to_pylist()
    assert buffer.take().column("ordinal").to_pylist() == list(range(10_000, 15_000))
