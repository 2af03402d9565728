"""Who asked whom, noted beside the rows: the same as a look at all rows, and believed only where it fits them."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.detectors import make, play, toy
from wormward import detect
from wormward.annotate import Days, annotate_all
from wormward.detect import Scope
from wormward.engine import Duck, survey
from wormward.model.findings import Finding
from wormward.store import SourceRow, Workspace, askers

NAMES = toy.NAMES["X"].names(toy.DAY)
ILL = "10.0.0.66"
SOURCES = [SourceRow(n, f"{n:064x}", f"f{n}", "zeek-dns", "line") for n in range(2)]


def lookups(count: int, seed: int = 1) -> dict[str, Any]:
    """Rows of `dns_queries` at random, a list's among them."""
    rng = np.random.default_rng(seed)

    def one_of(*values: str | None) -> pa.Array:
        return pa.array([values[i] for i in rng.integers(0, len(values), count)], pa.string())

    return {
        "place": pa.array(range(count)), "site": one_of("here", "there"),
        "time": pa.array(make.NOON * 10**6 + rng.integers(0, 10**9, count)), "client": one_of("10.0.0.5", "10.0.0.6", "10.0.0.7"),
        "server": one_of(None, "10.0.0.2", "10.0.0.3"), "name": one_of("a.example", "b.example", None), "qtype": one_of("A"),
        "rcode": one_of(None, "NOERROR", "NXDOMAIN"), "answers": pa.nulls(count), "additional": pa.nulls(count),
    }  # fmt: skip


def kept(folder: Path, memory_bytes: int = 40_000) -> None:
    """A workspace of several parts, two files, and a host that asks for a list."""
    with Workspace(folder, memory_bytes=memory_bytes) as workspace:
        for batch in range(6):
            workspace.add("dns_queries", batch % 2, lookups(700, batch))
        ill = lookups(len(NAMES))
        ill |= {"client": pa.array([ILL] * len(NAMES)), "name": pa.array(NAMES), "server": pa.nulls(len(NAMES))}
        workspace.add("dns_queries", 1, ill)
        workspace.finish(SOURCES)


def changed(part: Path, note: Callable[[pa.Table], pa.Table | bytes | None]) -> None:
    """Write a part anew with another note."""
    rows = pq.read_table(part)
    facts = pa.ipc.open_stream(base64.b64decode(pq.read_metadata(part).metadata[askers.KEY])).read_all()
    made = note(facts)
    if isinstance(made, pa.Table):
        packed = pa.BufferOutputStream()
        with pa.ipc.new_stream(packed, made.schema) as stream:
            stream.write_table(made)
        made = base64.b64encode(packed.getvalue())
    pq.write_table(rows.replace_schema_metadata({} if made is None else {askers.KEY: made}), part)


def looked(folder: Path, **bounds: Any) -> tuple[bool, Any]:
    """Whether notes were used, and what the look over the evidence gives."""
    with Workspace.open(folder) as kept, Duck({"dns_queries": kept.parts("dns_queries")}, kept.sources(), **bounds) as duck:
        seen = survey(duck)
        spoke = seen.spoke.sort_by([("site", "ascending"), ("address", "ascending")]).to_pylist()
        return duck.askers() is not None, (spoke, seen.resolvers, seen.answering, seen.spans, seen.days)


def findings(folder: Path) -> list[Finding]:
    with Workspace.open(folder) as kept, Duck({"dns_queries": kept.parts("dns_queries")}, kept.sources()) as duck:
        seen = survey(duck)
        assert seen.days is not None
        annotate_all(duck, toy.PACK, Days(*seen.days, False, seen.spans))
        scope = Scope(*seen.days, toy.PACK.tolerance_days, answering=seen.answering, empty=duck.empty())
        return detect.run(duck.tables(), toy.PACK, scope, duck.fetch, duck.cites)


def with_column(facts: pa.Table, name: str, values: Any) -> pa.Table:
    at = facts.schema.get_field_index(name)
    return facts.set_column(at, facts.schema.field(name), pa.array(values, facts.schema.field(name).type))


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 300), st.integers(0, 99), st.integers(1, 50))
def test_a_note_says_what_the_rows_say(count: int, seed: int, step: int) -> None:
    with Workspace() as workspace:
        workspace.add("dns_queries", 4, lookups(count, seed))
        workspace.add("dns_queries", 7, lookups(step, seed + 1))
        workspace.finish(SOURCES)
        rows = workspace.parts("dns_queries").memory
    assert rows is not None
    rows = pa.concat_tables([rows.slice(0, step), rows.slice(step)])
    facts = pa.ipc.open_stream(base64.b64decode(askers.note(rows)[askers.KEY])).read_all()
    wanted: dict[Any, list[datetime]] = {}
    for row in rows.to_pylist():
        key = (row["site"], row["client"], row["server"], row["file_no"], row["rcode"] is not None)
        wanted.setdefault(key, []).append(row["time"])
    assert {tuple(f.values())[:5]: tuple(f.values())[5:] for f in facts.to_pylist()} == {
        key: (len(times), min(times), max(times)) for key, times in wanted.items()
    }


def test_the_look_over_a_workspace_is_the_same_with_notes_and_without(tmp_path: Path) -> None:
    kept(tmp_path / "ws")
    parts = sorted((tmp_path / "ws/tables/dns_queries").iterdir())
    assert len(parts) > 2
    used, with_notes = looked(tmp_path / "ws")
    assert used
    found = findings(tmp_path / "ws")
    changed(parts[1], lambda _: None)  # one without is enough
    used, without = looked(tmp_path / "ws")
    assert not used
    assert with_notes == without
    assert findings(tmp_path / "ws") == found
    assert {f.actor for f in found if f.rule == "names.day-list"} == {ILL}


def test_a_file_given_twice_does_not_count_in_notes_either(tmp_path: Path) -> None:
    with Workspace(tmp_path / "ws") as workspace:
        workspace.add("dns_queries", 0, lookups(9))
        workspace.add("dns_queries", 1, {**lookups(9), "client": pa.array(["10.0.0.99"] * 9)})
        workspace.finish([SOURCES[0], SourceRow(1, SOURCES[0].sha256, "z", "zeek-dns", "line")])
    used, (spoke, *_) = looked(tmp_path / "ws")
    assert used
    assert "10.0.0.99" not in {row["address"] for row in spoke}


def test_notes_say_nothing_of_the_rows_between_two_times(tmp_path: Path) -> None:
    kept(tmp_path / "ws")
    whole = looked(tmp_path / "ws")[1]
    used, some = looked(tmp_path / "ws", until=datetime.fromtimestamp(make.NOON + 10, UTC))
    assert not used
    assert some != whole


@pytest.mark.parametrize(
    "note",
    [
        lambda _: b"no base64 at all!",
        lambda _: base64.b64encode(b"no Arrow"),
        lambda facts: facts.select(facts.column_names[:-1]),
        lambda facts: facts.slice(1),
        lambda facts: with_column(facts, "rows", [1] * facts.num_rows),
        lambda facts: with_column(facts, "rows", [None] * facts.num_rows),
        lambda facts: with_column(facts, "last_seen", facts["first_seen"].to_pylist()),
        lambda facts: with_column(facts, "first_seen", [None] * facts.num_rows),
    ],
)
def test_a_note_that_does_not_fit_its_rows_is_not_believed(note: Callable[[pa.Table], Any], tmp_path: Path) -> None:
    kept(tmp_path / "ws")
    whole = looked(tmp_path / "ws")[1]
    changed(tmp_path / "ws/tables/dns_queries/part-00000.parquet", note)
    assert looked(tmp_path / "ws") == (False, whole)


def test_a_note_that_names_other_hosts_changes_no_finding(tmp_path: Path) -> None:
    kept(tmp_path / "ws")
    found = findings(tmp_path / "ws")
    for part in (tmp_path / "ws/tables/dns_queries").iterdir():
        changed(part, lambda facts: with_column(facts, "client", ["10.0.0.5"] * facts.num_rows))
    used, (spoke, *_) = looked(tmp_path / "ws")
    assert used
    assert ILL not in {row["address"] for row in spoke}
    assert findings(tmp_path / "ws") == found


def test_too_many_facts_are_not_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(askers, "MOST", 3)
    kept(tmp_path / "ws")
    assert askers.KEY not in pq.read_metadata(tmp_path / "ws/tables/dns_queries/part-00000.parquet").metadata
    assert not looked(tmp_path / "ws")[0]


def test_lookups_in_memory_have_no_notes() -> None:
    with play.open_duck({"dns_queries": [make.lookup(make.NOON, "10.0.0.5", "a.example")]}) as duck:
        assert duck.askers() is None
        assert survey(duck).days == (toy.DAY, toy.DAY)
