"""The workspace: rows come out as they went in, in bounded memory, whole or not at all."""

# ruff: noqa: PT012 - what is raised inside a workspace must also leave it

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.detectors import play
from wormward.engine import Duck
from wormward.model.errors import WorkspaceError
from wormward.model.lexicon import Lexicon
from wormward.model.reading import Coded
from wormward.model.tables import BY_NAME, FACTS, Table
from wormward.store import SourceRow, Workspace
from wormward.store import buffer as buffer_module
from wormward.store.buffer import TableBuffer, stored_schema
from wormward.store.parquet import write_part

BINDINGS = BY_NAME["bindings"]
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def columns(count: int, start: int = 0) -> dict[str, Any]:
    """Rows for `bindings`, told apart by their place."""
    return {
        "place": list(range(start, start + count)), "site": ["site"] * count, "time": [1_000_000 * i for i in range(count)],
        "time_end": [None] * count, "address": [f"10.0.0.{i % 9}" for i in range(count)], "kind": ["mac"] * count,
        "value": [f"v{i}" for i in range(start, start + count)],
    }  # fmt: skip


def arrow(values: dict[str, Any]) -> dict[str, Any]:
    """The same as Arrow arrays in as many kinds as readers use."""
    count = len(values["place"])
    return {
        "place": pa.array(np.array(values["place"], np.int64)),
        "site": pa.DictionaryArray.from_arrays(pa.array(np.zeros(count, np.int8)), pa.array(["site"])),
        "time": pa.array(values["time"], pa.int64()),
        "time_end": pa.nulls(count),
        "address": pa.chunked_array([pa.array(values["address"]).dictionary_encode()]),
        "kind": pa.array(values["kind"], pa.large_string()),
        "value": pa.chunked_array([values["value"][: count // 2], values["value"][count // 2 :]], pa.string()),
    }  # fmt: skip


def rows(workspace: Workspace, table: str = "bindings") -> list[dict[str, Any]]:
    """All rows of all parts, in order of file and place."""
    parts = workspace.parts(table)
    tables = [pa.parquet.read_table(p) for p in parts.parquet] if parts.parquet else []
    tables += [] if parts.memory is None else [parts.memory]
    return sorted((row for t in tables for row in t.to_pylist()), key=lambda r: (r["file_no"], r["ordinal"]))


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary folders are made."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    return tmp_path


def source(file_no: int, sha256: str = "", name: str = "") -> SourceRow:
    return SourceRow(file_no, sha256 or f"{file_no:064x}", name or f"f{file_no}", "pcap", "frame")


def expected(file_no: int, values: dict[str, Any], ordinal: int = 0) -> list[dict[str, Any]]:
    made = [dict(zip(values, cells, strict=True)) for cells in zip(*values.values(), strict=True)]
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    return [
        {**row, "time": epoch + timedelta(microseconds=row["time"]), "file_no": file_no, "ordinal": ordinal + i}
        for i, row in enumerate(made)
    ]


@pytest.mark.parametrize("bound", [1, 30_000, 1 << 30])
def test_rows_of_any_form_come_back_in_order(bound: int, temporary: Path) -> None:
    batches = [
        (0, columns(3)),
        (1, columns(700)),
        (0, columns(5, 3)),
        (0, columns(2, 8)),
        (1, columns(600, 700)),
        (2, columns(0)),
    ]
    with Workspace(memory_bytes=bound) as workspace:
        for number, (file_no, values) in enumerate(batches):
            workspace.add("bindings", file_no, arrow(values) if number in (1, 2) else values)
        workspace.finish([source(0), source(1)])
        wanted = [row for file_no, values in batches for row in expected(file_no, values, min(values["place"], default=0))]
        assert rows(workspace) == sorted(wanted, key=lambda r: (r["file_no"], r["ordinal"]))
        assert bool(list(temporary.rglob("part-*"))) == (bound < 1 << 30)
        assert workspace.parts("flows") == type(workspace.parts("flows"))((), None)


@pytest.mark.parametrize("table", FACTS, ids=lambda t: t.name)
def test_every_table_takes_nulls_and_values(table: Table) -> None:
    example: dict[pa.DataType, Any] = {
        pa.string(): "x",
        pa.int64(): 7,
        pa.int32(): 7,
        pa.bool_(): True,
        pa.binary(): b"x",
        pa.list_(pa.string()): ["x"],
    }
    filled = {c.name: [example.get(c.type, NOON), None] for c in table.reader_columns}
    with Workspace(memory_bytes=1) as workspace:
        workspace.add(table.name, 3, filled)
        workspace.add(table.name, 3, {name: pa.nulls(2) for name in filled})
        workspace.finish([source(3)])
        found = rows(workspace, table.name)
        assert [list(row) for row in found] == [stored_schema(table).names] * 4
        assert [row["ordinal"] for row in found] == [0, 1, 2, 3]
        assert {k: v for k, v in found[0].items() if k not in ("file_no", "ordinal")} == {k: v[0] for k, v in filled.items()}
        assert set(found[3].values()) == {None, 3}


def test_thousands_of_small_files_make_few_parts(temporary: Path) -> None:
    with Workspace(memory_bytes=1 << 20) as workspace:
        for file_no in range(8000):
            workspace.add("bindings", file_no, columns(2))
        workspace.finish([source(n) for n in range(8000)])
        assert 0 < len(list(temporary.rglob("part-*"))) < 10
        assert len(rows(workspace)) == 16_000


def test_sources_are_in_the_order_of_their_digests_and_copies_count_once() -> None:
    with Workspace() as workspace:
        workspace.add("bindings", 0, columns(1))
        copies = workspace.finish(
            [source(0, "bb", "z.pcap"), source(1, "aa"), source(2, "bb", "a.pcap"), source(3, "bb", "m.pcap")]
        )
        assert copies == {3: "a.pcap", 0: "a.pcap"}
        assert workspace.sources().select(["source", "sha256", "name", "file_no"]).to_pylist() == [
            {"source": 0, "sha256": "aa", "name": "f1", "file_no": 1},
            {"source": 1, "sha256": "bb", "name": "a.pcap", "file_no": 2},
        ]


@pytest.mark.parametrize(
    ("spoilt", "what"),
    [
        ({"value": ["a"]}, "unequal length"),
        ({"extra": [1, 2]}, "too many"),
        ({"place": ["one", "two"]}, "column place"),
        ({"place": [1 << 70, 0]}, "column place"),
        ({"value": pa.array([b"\xff", b"x"])}, "column value"),
    ],
)
def test_rows_that_do_not_fit_are_refused_by_name(spoilt: dict[str, Any], what: str) -> None:
    with Workspace() as workspace, pytest.raises(WorkspaceError, match=f"bindings.*{what}"):
        workspace.add("bindings", 0, {**columns(2), **spoilt})
        workspace.finish([source(0)])


def test_a_lacking_column_is_named() -> None:
    short = columns(1)
    del short["kind"]
    with Workspace() as workspace, pytest.raises(WorkspaceError, match="bindings lack its column kind"):
        workspace.add("bindings", 0, short)


def test_it_takes_rows_from_several_threads() -> None:
    with Workspace(memory_bytes=200_000) as workspace:
        threads = [
            threading.Thread(target=lambda n=n: [workspace.add("bindings", n, columns(50, 50 * i)) for i in range(40)])
            for n in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        workspace.finish([source(n) for n in range(4)])
        assert [(r["file_no"], r["ordinal"], r["place"]) for r in rows(workspace)] == [
            (n, i, i) for n in range(4) for i in range(2000)
        ]


def test_what_is_only_for_this_run_lies_on_the_disk_of_the_workspace(temporary: Path, tmp_path: Path) -> None:
    folder = tmp_path / "ws"
    killed = folder / "tables" / "spill" / "wormward-killed"
    with Workspace(folder) as workspace:
        scratch = workspace.scratch()
        assert scratch is not None
        assert scratch.is_relative_to(folder)
        assert scratch.stat().st_mode & 0o777 == 0o700
        with Duck({}, play.sources(1), temp=scratch):
            assert len(list(scratch.iterdir())) == 1
        assert not list(temporary.glob("wormward-*"))
    assert not scratch.exists()
    killed.mkdir(parents=True)
    with Workspace(folder):
        assert not killed.exists()
    with Workspace() as workspace:
        assert workspace.scratch() is None


def test_temporary_parts_are_gone_afterwards(temporary: Path) -> None:
    with pytest.raises(ZeroDivisionError), Workspace(memory_bytes=1) as workspace:
        workspace.add("bindings", 0, columns(9))
        (part,) = temporary.rglob("part-*")
        assert stat.S_IMODE(part.stat().st_mode) == 0o600
        raise ZeroDivisionError
    assert list(temporary.iterdir()) == []


def test_a_text_has_one_number_whatever_chunk_it_comes_in() -> None:
    lexicon = Lexicon(bytes(range(16)))
    rng = np.random.default_rng(5)
    known: dict[str, int] = {}
    for size in (1, 0, 3000, 40_000, 7):
        values = ["x" * (n % 20) + f"é{n}" if n % 3 else "" for n in rng.integers(0, 9000, size).tolist()]
        numbers = lexicon.numbers(pa.array(["left out", *values], pa.string()).slice(1)).tolist()
        assert numbers == [known.setdefault(value, len(known)) for value in values]
        assert lexicon.texts().to_pylist() == list(known)
    assert len(lexicon) == len(known)


def test_a_part_keeps_only_the_texts_of_its_rows() -> None:
    buffer = TableBuffer(BINDINGS)
    buffer.add(0, arrow(columns(700)))
    buffer.add(0, arrow(columns(3, 700)))
    few = buffer.take(lean=True).slice(700).to_pylist()
    assert [row["ordinal"] for row in few] == [700, 701, 702]
    buffer.add(0, arrow(columns(3, 703)))
    for column in buffer.take(lean=True).column("address").chunks:
        assert len(column.dictionary) <= 3


def test_the_next_part_goes_on_with_the_texts_of_this_one(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"n{i % 50}" for i in range(200)]
    for kept, first in ((1 << 20, "n0"), (0, "new")):
        monkeypatch.setattr(buffer_module, "KEPT", kept)
        buffer = TableBuffer(BINDINGS)
        texts = []
        for values in (names, ["new", *names[1:]]):
            buffer.add(0, {**columns(200), "value": values})
            rows = buffer.take(lean=True)
            assert rows.column("value").to_pylist() == values
            assert (buffer.size, buffer.rows) == (0, 0)
            texts.append(rows.column("value").chunk(0).dictionary.to_pylist())
        assert texts[1][0] == first
        if kept:
            assert texts[1] == [*texts[0], "new"]


def test_rows_come_in_groups_and_no_small_one_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buffer_module, "GROUP", 1000)
    for count, wanted in ((1, [600]), (4, [1200, 1200]), (5, [1200, 1800]), (9, [1200, 1200, 1200, 1800])):
        buffer = TableBuffer(BINDINGS)
        for i in range(count):
            buffer.add(0, arrow(columns(600, 600 * i)))
        assert [batch.num_rows for batch in buffer.take(lean=True).to_batches()] == wanted


def test_groups_with_the_same_texts_are_one_in_parquet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buffer_module, "GROUP", 1000)
    for name, values, groups in (("few", [f"v{i % 40}" for i in range(3000)], 1), ("many", [f"v{i}" for i in range(3000)], 3)):
        buffer = TableBuffer(BINDINGS)
        for start in range(0, 3000, 500):
            buffer.add(0, arrow({**columns(500, start), "value": values[start : start + 500]}))
        rows = buffer.take(lean=True)
        assert rows.column("value").num_chunks == 3
        write_part(rows, tmp_path / name, "it", {b"said": b"so"})
        with pa.parquet.ParquetFile(tmp_path / name) as part:
            assert part.read().column("value").to_pylist() == values
            assert part.metadata.metadata[b"said"] == b"so"
            assert part.num_row_groups == groups
            for group in (part.metadata.row_group(i) for i in range(groups)):
                texts = [group.column(i) for i in range(group.num_columns) if group.column(i).path_in_schema in {"site", "value"}]
                # One page of texts and no page with texts written out, which is what readers count on.
                assert [set(t.encodings) for t in texts] == [{"PLAIN", "RLE", "RLE_DICTIONARY"}] * 2
                assert all(t.has_dictionary_page for t in texts)


# -- a workspace that is kept ------------------------------------------------------------------------------------------


def keep(folder: Path, count: int = 5) -> None:
    with Workspace(folder) as workspace:
        workspace.add("bindings", 0, columns(count))
        workspace.finish([source(0)])


def test_a_kept_workspace_can_be_opened_again(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "ws"
    keep(folder)
    assert sorted(p.name for p in folder.iterdir()) == ["ledger.sqlite", "lock", "tables"]
    private = {stat.S_IMODE(p.stat().st_mode) for p in folder.rglob("*") if p.is_file()}
    assert private == {0o600}
    with Workspace.open(folder) as workspace:
        assert rows(workspace) == expected(0, columns(5))
        assert workspace.sources().num_rows == 1
        with pytest.raises(WorkspaceError, match="finished"):
            workspace.add("bindings", 0, columns(1))
    with Workspace(folder) as workspace:
        number = workspace.next_file_no
        workspace.add("bindings", number, columns(2))
        workspace.finish([source(number)])
    with Workspace.open(folder) as workspace:
        assert rows(workspace) == [*expected(0, columns(5)), *expected(1, columns(2))]
        assert [row.name for row in workspace.known] == ["f0", "f1"]


def test_the_old_one_stays_until_the_new_one_is_whole(tmp_path: Path) -> None:
    keep(tmp_path / "ws")
    with pytest.raises(KeyboardInterrupt), Workspace(tmp_path / "ws", memory_bytes=1) as workspace:
        workspace.add("bindings", 0, columns(3))
        raise KeyboardInterrupt
    assert len(list((tmp_path / "ws").rglob("part-*"))) == 1
    with Workspace.open(tmp_path / "ws") as workspace:
        assert len(rows(workspace)) == 5


def test_what_a_killed_run_left_is_cleared(tmp_path: Path) -> None:
    keep(tmp_path / "ws")
    for table, name in (
        ("flows", "part-00000.parquet"),
        ("bindings", "part-00001.parquet"),
        ("bindings", "part-00002.unfinished"),
    ):
        left = tmp_path / "ws" / "tables" / table / name
        left.parent.mkdir(exist_ok=True)
        left.write_bytes(b"half")
    with Workspace.open(tmp_path / "ws") as workspace:
        assert workspace.parts("flows").parquet == ()
        assert len(rows(workspace)) == 5
    with Workspace(tmp_path / "ws"):
        pass
    assert [p.name for p in (tmp_path / "ws").rglob("part-*")] == ["part-00000.parquet"]


def test_only_one_may_write(tmp_path: Path) -> None:
    with Workspace(tmp_path / "ws"), pytest.raises(WorkspaceError, match="in use by another run"):
        Workspace(tmp_path / "ws")
    keep(tmp_path / "ws")


@pytest.mark.parametrize(
    ("files", "what"),
    [
        ({"letter.doc": "x"}, "not empty and is no workspace"),
        ({"tables": "x"}, "not empty and is no workspace"),
        ({"workspace.json": '{"schema": "wormward.workspace/1"}', "lock": ""}, "workspace of version 1"),
    ],
)
def test_other_peoples_folders_are_not_touched(tmp_path: Path, files: dict[str, str], what: str) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(WorkspaceError, match=what):
        Workspace(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(files)


def test_a_folder_without_workspace_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError, match="holds no workspace"):
        Workspace.open(tmp_path)
    keep(tmp_path / "ws")
    ledger = tmp_path / "ws" / "ledger.sqlite"
    with contextlib.closing(sqlite3.connect(ledger)) as changed:
        changed.execute("UPDATE files SET coverage = '[]'")
        changed.commit()
    with pytest.raises(WorkspaceError, match="is damaged"):
        Workspace.open(tmp_path / "ws")
    for content, what in ((b"damaged" * 1000, "not a database"), (b"", "no workspace that is whole")):
        ledger.write_bytes(content)
        with pytest.raises(WorkspaceError, match=what):
            Workspace.open(tmp_path / "ws")
    with contextlib.closing(sqlite3.connect(ledger)) as other:
        other.execute("CREATE TABLE somebody_elses (x)")
    with pytest.raises(WorkspaceError, match="no ledger of ours"):
        Workspace(tmp_path / "ws")


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "ws").write_text("x")
    with pytest.raises(WorkspaceError, match="cannot be written"):
        Workspace(tmp_path / "ws")


# -- a disk that fills -------------------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 kB."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to mount a small disk")
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", disk], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.strip()}")
    yield disk
    subprocess.run(["umount", disk], check=True)


def noise(count: int) -> dict[str, Any]:
    """Rows that no compression makes small."""
    random = np.random.default_rng(1)
    return {**columns(count), "value": [random.bytes(24).hex() for _ in range(count)]}


def test_a_full_disk_is_a_sentence_and_leaves_nothing_half_written(small_disk: Path) -> None:
    with (
        pytest.raises(WorkspaceError, match=r"the disk is full.*--workspace"),
        Workspace(small_disk / "ws", memory_bytes=1) as workspace,
    ):
        for _ in range(20):
            workspace.add("bindings", 0, noise(2000))
        workspace.finish([source(0)])
    assert [p.name for p in (small_disk / "ws").rglob("*") if p.suffix != ".sqlite" and p.is_file()] == ["lock"]


def test_a_full_disk_for_temporary_parts(small_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(small_disk))
    with pytest.raises(WorkspaceError, match=r"the disk is full.*TMPDIR"), Workspace(memory_bytes=1) as workspace:
        for _ in range(20):
            workspace.add("bindings", 0, noise(2000))
    assert list(small_disk.iterdir()) == []


def test_a_full_disk_keeps_the_workspace_that_was_there(small_disk: Path) -> None:
    keep(small_disk / "ws")
    with pytest.raises(WorkspaceError, match="the disk is full"), Workspace(small_disk / "ws") as workspace:
        workspace.add("bindings", 0, noise(40_000))
        workspace.finish([source(0)])
    with Workspace.open(small_disk / "ws") as workspace:
        assert len(rows(workspace)) == 5


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4), st.booleans()), max_size=12), st.integers(0, 11))
def test_ordinals_count_each_files_rows_however_they_come(batches: list[tuple[int, int, bool]], taken_after: int) -> None:
    buffer = TableBuffer(BINDINGS)
    count: dict[int, int] = {}
    tables = []
    for number, (file_no, size, as_arrow) in enumerate(batches):
        values = columns(size, count.get(file_no, 0))
        buffer.add(file_no, arrow(values) if as_arrow else values)
        count[file_no] = count.get(file_no, 0) + size
        if number == taken_after:
            tables.append(buffer.take(lean=True))
    tables.append(buffer.take(lean=True))
    found = [(r["file_no"], r["ordinal"], r["place"]) for t in tables for r in t.to_pylist()]
    assert sorted(found) == [(n, i, i) for n in sorted(count) for i in range(count[n])]
    assert (buffer.size, buffer.rows) == (0, 0)


@dataclass(frozen=True, eq=False)
class _Words:
    """A reader's vocabulary whose numbers mean these texts."""

    known: list[str | None]

    def texts(self, codes: npt.NDArray[np.int32]) -> pa.Array:
        return pa.array([self.known[code] for code in codes.tolist()], pa.string())


def test_numbers_of_vocabularies_mean_their_texts_in_every_part() -> None:
    words, known = [_Words(["a", None, "b", "c"]), _Words(["c", "a"])], {0: [2, -1, 1, 0, 2, 3], 1: [1, 0, -1]}
    with Workspace(memory_bytes=1) as store:
        for which in (0, 1, 0, 1):
            codes = np.array(known[which], np.int32)
            rest = {c.name: pa.nulls(len(codes)) for c in BY_NAME["dns_queries"].reader_columns}
            store.add("dns_queries", 0, rest | {"time": pa.array(codes.astype(np.int64)), "name": Coded(codes, words[which])})
        store.finish([SourceRow(0, "0" * 64, "x", "x", "line")])
        rows = store.parts("dns_queries").memory
        assert rows is not None
        assert rows.column("name").to_pylist() == ["b", None, None, "a", "b", "c", "a", "c", None] * 2
        assert rows.column("answers").null_count == rows.num_rows


@settings(deadline=None)
@given(st.lists(st.one_of(st.none(), st.binary(max_size=20)), max_size=60), st.booleans())
def test_spans_are_numbered_whatever_their_case(texts: list[bytes | None], fold: bool) -> None:
    data = np.frombuffer(b"".join(t or b"" for t in texts) + b" " * 8, np.uint8)
    lengths = np.array([len(t or b"") for t in texts], np.int32)
    ends = np.cumsum(lengths, dtype=np.int32)
    begins = np.where([t is None for t in texts], -1, ends - lengths).astype(np.int32)
    known: dict[bytes, int] = {}
    kept = [t if t is None or not fold else t.lower() for t in texts]
    expected = [-1 if t is None else known.setdefault(t, len(known)) for t in kept]
    lexicon = Lexicon(bytes(range(16)), fold)
    assert lexicon.spans(data, begins, ends, data.size).tolist() == expected
    assert lexicon.bytes().to_pylist() == list(known)
