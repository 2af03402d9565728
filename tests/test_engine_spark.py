"""Spark answers as DuckDB does: the same findings of all detectors, the same bytes of the whole assessment."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.detectors import make, play, toy
from tests.need import need_module, need_program
from tests.test_detect_cases import CASES, RESOLVERS, case
from wormward import packs, pipeline
from wormward.cli import EngineName
from wormward.detect import DETECTORS, Scope, names_unmet
from wormward.engine import ENGINES, Duck, Engine, Spark, survey
from wormward.model.errors import UsageError, WorkspaceError
from wormward.report.jsonout import to_json

T0 = make.NOON


@pytest.fixture(scope="module")
def spark() -> Iterator[Spark]:
    """A running Spark: one start for all tests of this file, as long as this one is open."""
    need_program("java")
    need_module("pyspark", "make spark")
    with pytest.MonkeyPatch.context() as patch:
        # A compiler that starts fast: these are many small queries, each run once.
        patch.setenv("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")
        engine = Spark({}, play.sources(1), threads=2)
    with engine:
        yield engine


def in_bytes(engine: Engine) -> bytes:
    """Everything that the detectors find, and what there is to remark of names, as bytes."""
    found = [asdict(f) for f in play.findings(engine, resolvers=RESOLVERS)]
    scope = Scope(toy.DAY, toy.DAY, toy.PACK.tolerance_days, empty=engine.empty())
    remarks = names_unmet.look(engine.tables(), toy.PACK, scope, engine.fetch)
    return json.dumps([found, [asdict(r) for r in remarks]], default=str, indent=1).encode()


@pytest.mark.slow
@pytest.mark.usefixtures("spark")
def test_all_cases_of_all_detectors_give_the_same_bytes() -> None:
    each = {d.rule: case(d.rule)[0] for d in DETECTORS}
    cases = {f"{rule}:{side}": sides[side] for rule, sides in each.items() for side in ("positive", "benign")}
    # Half a year off: on no list of these days.
    strange = [name for day in (180, 181) for name in toy.NAMES["X"].names(toy.DAY + day)]
    cases["unmet"] = {"dns_queries": [make.lookup(T0 + i, make.THIRD, name) for i, name in enumerate(strange)]}
    rows, files = play.together(cases)
    parts = {name: play.Parts(play.table(name, group)) for name, group in rows.items()}
    with Duck(parts, play.sources(files), threads=1) as duck, Spark(parts, play.sources(files), threads=2) as spark:
        wanted = in_bytes(duck)
        assert in_bytes(spark) == wanted
    findings, remarks = json.loads(wanted)
    assert remarks
    fired = {f["rule"] for f in findings}
    assert fired == {d.rule for d in DETECTORS} == {p.name for p in CASES.iterdir() if (p / "input.json").exists()}


@pytest.mark.slow
@pytest.mark.usefixtures("spark")
def test_the_example_gives_the_same_bytes(repo: Path) -> None:
    def assessed(engine: str) -> bytes:
        given = [repo / "examples" / "outbreak"]
        return to_json(pipeline.assess(given, packs=packs.builtin_packs(), jobs=2, engine_name=engine)).encode()

    wanted = assessed("duckdb")
    assert b'"infected"' in wanted
    assert assessed("spark") == wanted


@pytest.mark.slow
@pytest.mark.usefixtures("spark")
def test_rows_in_files_and_in_memory_with_strange_names_and_times(tmp_path: Path) -> None:
    times = (-1.5, -1.0, -0.25, 0.0, T0 + 0.999999, T0 + 1, T0 + 2.5, T0 + 3)
    whole = play.table("dns_queries", [make.lookup(t, make.BAD, f"n{i}.example", file=i % 2) for i, t in enumerate(times)])
    part = tmp_path / "it's a [part] {1,2} 20% of them*.parquet"
    pq.write_table(whole.slice(0, 5), part)
    parts = {"dns_queries": play.Parts(whole.slice(5), [part])}
    for bounds in ({}, {"since": play.when(T0 + 1), "until": play.when(T0 + 3)}):
        shown = []
        for engine in (Duck, Spark):
            with engine(parts, play.sources(1), threads=1, **bounds) as opened:
                rows = opened.arrow(opened.tables()["dns_queries"]).sort_by("row_id")
                cites = opened.cites("dns_queries", rows["row_id"].to_pylist())
                shown.append((rows, cites, opened.latest(), survey(opened).days, opened.distinct("dns_queries", "name")))
        duck, spark = shown
        assert duck[0].equals(spark[0])
        assert duck[1:4] == spark[1:4]
        assert sorted(duck[4]) == sorted(spark[4])
        if not bounds:
            assert duck[0]["second"].to_pylist() == [-2, -1, T0, T0 + 2]


@pytest.mark.slow
def test_a_cut_is_kept_and_replaced(spark: Spark) -> None:
    rows = [make.lookup(T0 + i, make.BAD, f"n{i}.example") for i in range(4)]
    with Spark({"dns_queries": play.Parts(play.table("dns_queries", rows))}, play.sources(1)) as engine:
        for names, count in ((["n1.example"], 1), (["nobody.example"], 0), (["n1.example", "n2.example"], 2)):
            engine.cut("telling_queries", "dns_queries", "name", pa.array(names, pa.string()))
            assert engine.arrow(engine.tables()["telling_queries"]).num_rows == count
            assert ("telling_queries" in engine.empty()) is not bool(count)
    assert spark.empty()  # another engine's tables are its own


@pytest.mark.slow
@pytest.mark.usefixtures("spark")
def test_a_damaged_part_is_one_sentence(tmp_path: Path) -> None:
    bad = tmp_path / "bad.parquet"
    bad.write_bytes(b"PAR1 nothing PAR1")
    with (
        Spark({"flows": play.Parts(None, [bad])}, play.sources(1)) as engine,
        pytest.raises(WorkspaceError, match=r"cannot be queried \(.+\); see that its disk has room"),
    ):
        engine.latest()


@pytest.mark.parametrize("lacking", ["pyspark", "java"])
def test_without_spark_a_sentence_says_what_to_install(lacking: str, monkeypatch: pytest.MonkeyPatch, repo: Path) -> None:
    def find_spec(name: str) -> Any:
        return None if name == lacking else importlib.util.find_spec("json")

    monkeypatch.setattr("wormward.engine.spark.find_spec", find_spec)
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setattr("shutil.which", lambda name: None if name == lacking else f"/usr/bin/{name}")
    with pytest.raises(UsageError, match=r"needs the package pyspark and Java .* leave out --engine"):
        pipeline.assess([repo / "examples"], packs=packs.builtin_packs(), engine_name="spark")


def test_every_engine_can_be_asked_for() -> None:
    assert {name.value for name in EngineName} == set(ENGINES)
