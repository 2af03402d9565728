"""DuckDB behind the tables: ids, times, duplicates, bounds; and who spoke."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.detectors import make, play, toy
from wormward import machine
from wormward.engine import Duck, infer_domain_controllers, survey
from wormward.engine import duck as duck_module
from wormward.model.errors import WorkspaceError
from wormward.model.site import Site
from wormward.model.tables import ANNOTATIONS, BY_NAME, CUTS, FACTS
from wormward.store import SourceRow, Workspace

T0 = make.NOON
QUERIES = [make.lookup(T0 + 0.75 * i, make.BAD, f"n{i}.example", file=i % 2) for i in range(6)]


def test_row_ids_sources_and_seconds() -> None:
    with play.open_duck({"dns_queries": QUERIES}) as duck:
        rows = sorted(duck.fetch(duck.tables()["dns_queries"]), key=lambda r: r["time"])
    assert [r["row_id"] for r in rows] == [(i % 2 << 40) + i // 2 for i in range(6)]
    assert [r["source"] for r in rows] == [0, 1] * 3
    assert [r["second"] - T0 for r in rows] == [0, 0, 1, 2, 3, 3]
    assert rows[1]["time"] == datetime.fromtimestamp(T0 + 0.75, UTC)
    assert rows[1]["time"].utcoffset().total_seconds() == 0


def test_every_table_is_there_even_empty() -> None:
    with play.open_duck({}) as duck:
        tables = duck.tables()
        assert duck.empty() == {t.name for t in (*FACTS, *ANNOTATIONS, *CUTS)}
        assert survey(duck).days is None
        assert survey(duck).hosts(Site()) == []
        for name, table in tables.items():
            assert duck.arrow(table).num_rows == 0
            assert [c for c in table.columns if c != "second"] == [c.name for c in BY_NAME[name].columns]


def test_parquet_and_memory_together_and_a_file_given_twice(tmp_path: Path) -> None:
    whole = play.table("dns_queries", QUERIES)
    part = tmp_path / "it's a part.parquet"
    pq.write_table(whole.slice(0, 4), part)
    known = play.sources(1)  # file 1 is a copy that the store dropped
    with Duck({"dns_queries": play.Parts(whole.slice(4), [part])}, known) as duck:
        names = sorted(r["name"] for r in duck.fetch(duck.tables()["dns_queries"]))
    assert names == ["n0.example", "n2.example", "n4.example"]


def test_since_is_inclusive_and_until_is_not() -> None:
    bounds = {"since": play.when(T0 + 0.75), "until": play.when(T0 + 3)}
    with play.open_duck({"dns_queries": QUERIES}, **bounds) as duck:
        names = sorted(r["name"] for r in duck.fetch(duck.tables()["dns_queries"]))
        assert survey(duck).days == (T0 // 86_400, T0 // 86_400)
    assert names == ["n1.example", "n2.example", "n3.example"]


def test_side_tables_are_replaced() -> None:
    shape = BY_NAME["name_shapes"].schema
    with play.open_duck({}) as duck:
        for letters in (5, 6):
            duck.add("name_shapes", pa.table([["abc.toy"], ["X"], [letters]], schema=shape))
        assert duck.fetch(duck.tables()["name_shapes"]) == [{"name": "abc.toy", "variant": "X", "letters": 6}]
        assert "name_shapes" not in duck.empty()
        duck.add("name_shapes", shape.empty_table())
        assert "name_shapes" in duck.empty()


def test_a_damaged_part_is_one_sentence(tmp_path: Path) -> None:
    bad = tmp_path / "bad.parquet"
    bad.write_bytes(b"PAR1 nothing PAR1")
    with pytest.raises(WorkspaceError, match="cannot be queried"):
        Duck({"flows": play.Parts(None, [bad])}, play.sources(1))


@pytest.mark.parametrize(
    ("has", "group", "wanted"), [(24e9, "max", 2000), (4e9, "max", 1000), (24e9, "3200000000", 800), (1e9, "", 400)]
)
def test_memory_is_a_share_of_what_there_is(
    has: float, group: str, wanted: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if group:
        (tmp_path / "memory.max").write_text(group + "\n")
    monkeypatch.setattr(machine, "_GROUP_LIMIT", tmp_path / "memory.max")
    monkeypatch.setattr("os.sysconf", {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": has // 4096}.__getitem__)
    assert int(float(duck_module.own_share().removesuffix("MB"))) in range(wanted - 1, wanted + 1)


def test_who_spoke() -> None:
    silent = make.lookup(T0, "10.0.0.77", "b.example", rcode=None, server="10.0.0.78")
    rows = {
        "flows": [
            make.flow(T0, "10.0.0.5", "10.0.0.9", 80),
            make.flow(T0 + 9, "10.0.0.5", "10.0.0.10", 80, state="attempt"),
            make.flow(T0, "203.0.113.1", "10.0.0.9", 80),
        ],
        "dns_queries": [make.lookup(T0 - 5, "10.0.0.5", "a.example"), silent],
        "bindings": [{"time": T0, "address": "10.0.0.6", "kind": "mac", "value": "00:00:5e:00:53:01"}],
    }
    with play.open_duck(rows) as duck:
        seen = survey(duck).hosts(Site(), domain_controllers={"10.0.0.9"})
    assert [h.address for h in seen] == ["10.0.0.2", "10.0.0.5", "10.0.0.6", "10.0.0.9", "10.0.0.77"]
    assert seen[1].first_seen == play.when(T0 - 5)
    assert seen[1].last_seen == play.when(T0 + 9)
    assert {h.address: h.roles for h in seen if h.roles} == {"10.0.0.2": ("resolver",), "10.0.0.9": ("domain-controller",)}


def test_resolvers_are_those_who_answered() -> None:
    rows = [
        make.lookup(T0, "10.0.0.5", "a.example"),
        make.lookup(T0, "10.0.0.5", "a.example", server="10.0.0.9", rcode=None),
        make.lookup(T0, "10.0.0.5", "a.local", server="224.0.0.251", rcode="NOERROR"),
        make.lookup(T0, "10.0.0.5", "a.example", server=None, rcode="NOERROR"),
    ]
    with play.open_duck({"dns_queries": rows}) as duck:
        assert survey(duck).resolvers == {make.RESOLVER}


def test_domain_controllers_by_srv_answers() -> None:
    srv = "_ldap._tcp.dc._msdcs.corp.example"
    told = ["0 100 389 DC1.corp.example.", "dc2.corp.example"]
    glue = ["dc1.corp.example 10.0.0.11", "other.corp.example 10.0.0.99"]
    rows = [
        make.lookup(T0, "10.0.0.5", srv, qtype="SRV", rcode="NOERROR", answers=told, additional=glue),
        make.lookup(T0, "10.0.0.6", "dc2.corp.example", rcode="NOERROR", answers=["10.0.0.12", "alias.corp.example"]),
        make.lookup(T0, "10.0.0.6", "dc3.corp.example", rcode="NOERROR", answers=["10.0.0.13"]),
    ]
    with play.open_duck({"dns_queries": rows}) as duck:
        play.annotate(duck, toy.PACK)
        assert infer_domain_controllers(duck) == {"10.0.0.11", "10.0.0.12"}
    with play.open_duck({"dns_queries": rows[1:]}) as duck:
        play.annotate(duck, toy.PACK)
        assert infer_domain_controllers(duck) == frozenset()


def test_sources_that_show_answers() -> None:
    rows = [make.lookup(T0, make.BAD, "a.example", file=2), make.lookup(T0, make.BAD, "a.example", file=1, rcode=None)]
    with play.open_duck({"dns_queries": rows}) as duck:
        assert survey(duck).answering == {2}


def test_a_cut_is_kept_and_replaced() -> None:
    with play.open_duck({"dns_queries": QUERIES}) as duck:
        for names, count in ((["n1.example"], 1), (["nobody.example"], 0), ([f"n{i}.example" for i in range(50)], len(QUERIES))):
            duck.cut("telling_queries", "dns_queries", "name", pa.array(names, pa.string()))
            cut = duck.arrow(duck.tables()["telling_queries"])
            queries = duck.tables()["dns_queries"]
            wanted = duck.arrow(queries.filter(queries.name.isin(names)).select(*cut.column_names))
            assert cut.num_rows == count
            assert cut.sort_by("row_id") == wanted.sort_by("row_id")
            assert ("telling_queries" in duck.empty()) is not bool(count)


def test_rows_are_told_by_the_numbers_of_their_texts() -> None:
    rng = np.random.default_rng(5)
    batches, wanted = [], []
    for size in (0, 7, 300):
        words = pa.array([f"w{n}" for n in range(size)], pa.string())
        numbers = pa.array(
            [None if n < 0 else n for n in rng.integers(-1, size, 500).tolist()] if size else [None] * 5, pa.int32()
        )
        batch = pa.record_batch({"word": pa.DictionaryArray.from_arrays(numbers, words), "n": pa.array(range(len(numbers)))})
        batches.append(batch)
        wanted += [row for row in batch.to_pylist() if row["word"] in {"w3", "w0"}]
    found = duck_module.among(pa.Table.from_batches(batches), "word", pa.array(["w0", "w3", "w999"]))
    assert found.to_pylist() == wanted
    assert wanted


def test_days_without_lookups_are_gaps() -> None:
    day = 86_400
    rows = [make.lookup(T0 + shift * day, make.BAD, "a.example", file=file) for file, shift in enumerate((0, 1, 400))]
    with play.open_duck({"dns_queries": [*rows, {**rows[2], "time": T0 + 402 * day}]}) as duck:
        looked = survey(duck)
    assert looked.spans == ((toy.DAY, toy.DAY + 1), (toy.DAY + 400, toy.DAY + 402))
    assert looked.days == (toy.DAY, toy.DAY + 402)


def test_without_private_addresses_everybody_is_of_the_site() -> None:
    rows = [make.lookup(T0, "203.0.113.5", "a.example", server="198.51.100.1")]
    with play.open_duck({"dns_queries": rows}) as duck:
        assert [h.address for h in survey(duck).hosts(Site())] == ["198.51.100.1", "203.0.113.5"]
    with play.open_duck({"dns_queries": [*rows, make.lookup(T0, "10.0.0.1", "a.example", server="198.51.100.1")]}) as duck:
        assert [h.address for h in survey(duck).hosts(Site())] == ["10.0.0.1"]


def test_distinct_values_are_those_that_a_query_finds(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    with Workspace(tmp_path / "ws", memory_bytes=300_000) as workspace:
        for start in range(0, 60_000, 6000):
            names = [f"host{n}.example" if n else None for n in rng.integers(0, start + 10, 6000).tolist()]
            nothing = {name: pa.nulls(6000) for name in workspace.schema("dns_queries").names[:-2]}
            times = pa.array(np.arange(start, start + 6000))
            workspace.add("dns_queries", 0, {**nothing, "place": times, "time": times, "name": pa.array(names, pa.string())})
        workspace.finish([SourceRow(0, "0" * 64, "a", "bind-querylog", "line")])
        parts = workspace.parts("dns_queries")
        # One part with a dictionary for each group of rows, and one with the same for all.
        coded = pa.concat_tables([pq.read_table(p, read_dictionary=["name"]) for p in parts.parquet]).unify_dictionaries()
        pq.write_table(coded, tmp_path / "same.parquet", row_group_size=7000)
        several = play.Parts(coded.slice(0, 10), [*parts.parquet, tmp_path / "same.parquet"])
        for given in (parts, several):
            with Duck({"dns_queries": given}, workspace.sources()) as duck:
                found = duck.values("dns_queries", "name")
                asked = duck.arrow(duck.tables()["dns_queries"].select("name").distinct())
                assert found is not None
                assert sorted(found["name"].to_pylist()) == sorted(v for v in asked["name"].to_pylist() if v)
        with Duck({"dns_queries": parts}, workspace.sources(), until=datetime(2026, 1, 1, tzinfo=UTC)) as duck:
            assert duck.values("dns_queries", "name") is None
