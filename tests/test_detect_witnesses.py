"""One event, many witnesses: neither the order of rows nor a second source of the same story changes a finding."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import ibis
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.detectors import make, play, toy
from wormward.annotate import ANNOTATORS
from wormward.detect import DETECTORS, Scope, base
from wormward.detect.base import in_runs
from wormward.engine import Duck
from wormward.model.findings import CITED_ROWS, Finding
from wormward.model.tables import BY_NAME, ROW_BITS

CASES = Path(__file__).parent / "detectors"
RULES = list(make.MAKERS)


def rows_of(rule: str) -> dict[str, list[dict[str, Any]]]:
    """The positive rows of a case, numbered, so that a shuffled row keeps its place and its ordinal."""
    tables = json.loads((CASES / rule / "input.json").read_text())["positive"]
    for group in tables.values():
        seen: dict[int, int] = {}
        for place, row in enumerate(group, 1):
            number = row.get("file", 0)
            row |= {"place": place, "ordinal": seen.get(number, 0)}
            seen[number] = seen.get(number, 0) + 1
    return tables


@cache
def found(rule: str) -> list[Finding]:
    """What the case's rows give as they stand."""
    return play.assess(rows_of(rule), rules=[rule])


def event(finding: Finding) -> tuple[Any, ...]:
    """What a second source must not change."""
    fields: Mapping[str, Any] = finding.fields
    return (
        finding.id,
        finding.rule,
        finding.milli,
        finding.time,
        finding.time_last,
        finding.variants,
        tuple(sorted(fields.items())),
    )


@pytest.mark.parametrize("rule", RULES)
@settings(max_examples=2, deadline=None)
@given(data=st.data())
def test_order_of_rows_means_nothing(rule: str, data: st.DataObject) -> None:
    rows = rows_of(rule)
    shuffled = {name: data.draw(st.permutations(group)) for name, group in rows.items()}
    assert play.assess(shuffled, rules=[rule]) == found(rule)


@pytest.mark.parametrize("rule", RULES)
@settings(max_examples=2, deadline=None)
@given(data=st.data())
def test_a_second_source_adds_rows_only(rule: str, data: st.DataObject) -> None:
    rows = rows_of(rule)
    # One more source that saw some of what one source saw: not of several, or it would have seen more than any of them.
    copied = {
        name: group
        + [
            {**row, "file": 3, "ordinal": i}
            for i, row in enumerate(group)
            if row.get("file", 0) == group[0].get("file", 0) and data.draw(st.booleans())
        ]
        for name, group in rows.items()
    }
    once, twice = found(rule), play.assess(copied, rules=[rule])
    assert [event(f) for f in twice] == [event(f) for f in once]
    assert all(b.count == a.count for a, b in zip(once, twice, strict=True))


def test_a_finding_cites_first_last_and_the_smallest_rows() -> None:
    rows = [play.toy.DAY * 86_400 + 60 * i for i in range(60)]
    queries = [make.lookup(t, make.BAD, name) for t, name in zip(rows, toy.NAMES["Y"].names(toy.DAY) * 2, strict=False)]
    queries[0], queries[30] = queries[30], queries[0]  # the first in time is not the first row
    (finding,) = play.assess({"dns_queries": queries}, rules=["names.day-list"])
    assert finding.count == 60
    assert finding.rows == (*range(CITED_ROWS), 30, 59)
    assert {c.place for c in finding.cites} == {r + 1 for r in finding.rows}
    assert all(c.unit == "frame" and len(c.sha256) == 64 for c in finding.cites)


def test_a_second_clock_makes_no_second_try() -> None:
    rows = rows_of("logon.burst")["smb_logons"]
    late = [{**row, "time": row["time"] + 3, "file": 3} for row in rows]
    once, twice = found("logon.burst"), play.assess({"smb_logons": rows + late}, rules=["logon.burst"])
    assert [(f.id, f.count, f.fields) for f in twice] == [(f.id, f.count, f.fields) for f in once]


def test_a_finding_counts_its_best_source_and_cites_every_one() -> None:
    names = toy.NAMES["Y"].names(toy.DAY)[:30]
    queries = [make.lookup(play.toy.DAY * 86_400 + 60 * i, make.BAD, name) for i, name in enumerate(names)]
    files = [queries[:25], queries[:28], queries[5:12]]
    rows = [{**row, "file": number} for number, part in enumerate(files) for row in part]
    (finding,) = play.assess({"dns_queries": rows}, rules=["names.day-list"])
    assert finding.count == 28
    assert {c.sha256 for c in finding.cites} == {f"{number:064x}" for number in range(3)}
    assert {1 << ROW_BITS, 2 << ROW_BITS} < set(finding.rows)


def test_blocks_tell_what_a_window_over_all_rows_tells() -> None:
    """Three files of 150,000 rows and a few, two hosts, times in no order of rows and many of them equal."""
    rng = np.random.default_rng(11)
    counts = (150_000, 90_000, 30)
    ordinal = np.concatenate([np.arange(count) for count in counts])
    file_no = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
    total = len(ordinal)
    named = {"site": ["site"] * total, "client": np.where(rng.integers(0, 3, total) == 0, make.GOOD, make.BAD)}
    seconds = rng.integers(0, 5000, total) * 1_000_000
    schema = play.table("flows", [make.flow(0, make.BAD, make.GOOD, 445)]).schema
    made = {**named, "time": seconds, "file_no": file_no, "ordinal": ordinal}
    rows = pa.table(
        [pa.array(made[f.name]).cast(f.type) if f.name in made else pa.nulls(total, f.type) for f in schema], schema=schema
    )
    with Duck({"flows": play.Parts(rows)}, play.sources(len(counts)), threads=1) as duck:
        flows = duck.tables()["flows"]
        asked = [duck.fetch(make_(flows, ["site", "client"])) for make_ in (base.witnessed, base.witnessed_by_blocks)]
    whole, blocks = ([(r["client"], base.witness(r)) for r in sorted(rows, key=lambda r: r["client"])] for rows in asked)
    assert blocks == whole
    assert max(w.count for _, w in whole) > 1 << 16


def _unbound() -> dict[str, Any]:
    with play.open_duck({}) as duck:
        return duck.tables()


@pytest.mark.parametrize("dialect", ["duckdb", "pyspark"])
def test_all_expressions_compile_for_both_engines(dialect: str) -> None:
    tables = _unbound()
    known = {"resolvers": frozenset({make.RESOLVER}), "domain_controllers": frozenset({"10.0.0.1"})}
    scope = Scope(toy.DAY, toy.DAY, 7, answering=frozenset({0}), **known)
    expressions = [d.find(tables, toy.PACK, scope) for d in DETECTORS] + [a.keys(tables, toy.PACK) for a in ANNOTATORS]
    for expression in expressions:
        assert "SELECT" in str(ibis.to_sql(expression, dialect=dialect))


def test_nothing_to_read_is_nothing_found() -> None:
    assert play.assess({}) == []
    assert set(_unbound()) == set(BY_NAME) - {"sources"}


@pytest.mark.parametrize("members", [{3}, {0, 1, 2}, {0, 2, 3, 5, 9}, set(range(1, 40, 2)), {7, 8, 30, 49}])
def test_numbers_are_told_run_by_run(members: set[int]) -> None:
    numbers = ibis.table({"n": "int64"}, name="numbers")
    asked = ibis.to_sql(numbers.filter(in_runs(numbers.n, members)), dialect="duckdb")
    told = duckdb.execute(f"WITH numbers AS (SELECT range AS n FROM range(50)) {asked}").fetchall()  # noqa: S608 - our own text
    assert {n for (n,) in told} == members
