"""Clocks that are off: told by events that two collectors saw, and by nothing less."""

from __future__ import annotations

import random
from typing import Any

import pyarrow as pa
import pytest

from tests.detectors import make, play
from wormward.engine import Duck, clocks

T0 = make.NOON
Row = dict[str, Any]
TAPS = ("north/tap.pcap", "south/tap.pcap", "west/tap.pcap")


def opened(tables: dict[str, list[Row]], names: tuple[str, ...] = TAPS) -> Duck:
    """An engine over these rows, whose files have these names."""
    count = len(names)
    known = play.sources(count).set_column(2, "name", pa.array(names)).set_column(3, "kind", pa.array(["pcap"] * count))
    return Duck({name: play.Parts(play.table(name, rows)) for name, rows in tables.items()}, known, threads=1)


def flow(time: float, client: str, port: int, file: int) -> Row:
    """One connection to a file server."""
    known = {"server": "10.0.1.1", "server_port": 445, "state": "established"}
    return {"time": time, "client": client, "client_port": port, "file": file, **known}


def flows(file: int, ahead: float, seed: int = 1, count: int = 60, start: float = 0.0) -> list[Row]:
    """What a collector whose clock is `ahead` by so many seconds says of one and the same hour."""
    rng = random.Random(seed)
    return [
        flow(T0 + start + rng.uniform(0, 3600) + ahead, f"10.0.0.{rng.randrange(1, 9)}", rng.randrange(1025, 65_000), file)
        for _ in range(count)
    ]


def lookups(file: int, ahead: float, seed: int = 1, count: int = 80) -> list[Row]:
    rng = random.Random(seed)
    return [
        make.lookup(T0 + rng.uniform(0, 3600) + ahead, f"10.0.0.{rng.randrange(1, 9)}", f"n{i}.example", file=file)
        for i in range(count)
    ]


def told(tables: dict[str, list[Row]], names: tuple[str, ...] = TAPS) -> dict[int, float]:
    """Seconds that each source is to be moved by."""
    with opened(tables, names) as duck:
        return {source: round(shift / 1e6, 1) for source, shift in clocks.shifts(duck).items()}


@pytest.mark.parametrize("ahead", [30.0, -3600.0, 9 * 3600.0, -4 * 86_400.0])
@pytest.mark.parametrize("kind", [flows, lookups])
def test_the_odd_clock_is_set_by_the_others(ahead: float, kind: object) -> None:
    table = "flows" if kind is flows else "dns_queries"
    rows = [row for file, off in enumerate((0.0, ahead, 0.3)) for row in kind(file, off)]  # type: ignore[operator]
    assert told({table: rows}) == {1: pytest.approx(-ahead, abs=0.5)}


def test_clocks_that_agree_are_left_alone() -> None:
    assert told({"flows": [*flows(0, 0.0), *flows(1, 1.2), *flows(2, -0.4)]}) == {}


def test_a_day_that_is_like_the_one_before_is_not_the_same_day() -> None:
    """One host starts its programs at the same second from the same ports every day; the others do what they do."""
    same = [flow(T0 + day * 86_400 + i, "10.0.0.1", 1025 + i, day) for day in (0, 1) for i in range(12)]
    assert told({"flows": [*same, *flows(0, 0.0, seed=1), *flows(1, 0.0, seed=2, start=86_400.0)]}) == {}
    night = [
        make.lookup(T0 + day * 86_400 + i, f"10.0.0.{1 + i % 4}", f"update{i}.example", file=day)
        for day in (0, 1)
        for i in range(30)
    ]
    other = [row | {"name": f"d{file}-{row['name']}"} for file in (0, 1) for row in lookups(file, file * 86_400.0, file, 120)]
    assert told({"dns_queries": [*night, *other]}) == {}


def test_few_events_or_one_host_tell_nothing() -> None:
    assert told({"flows": [*flows(0, 0.0, count=2), *flows(1, 500.0, count=2)]}) == {}
    one = [flow(T0 + i * 7 + 500 * file, "10.0.0.1", 2000 + i, file) for file in (0, 1) for i in range(30)]
    assert told({"flows": one}) == {}


def test_a_collectors_files_have_one_clock() -> None:
    """The later file shares nothing with anybody: it is moved with the one before it."""
    names = ("north/tap.pcap", "south/20260302-08.pcap", "south/20260302-12.pcap", "west/tap.pcap")
    rows = [*flows(0, 0.0), *flows(1, 7200.0), *flows(2, 7200.0, seed=9, start=14_400.0), *flows(3, 0.2)]
    assert told({"flows": rows}, names) == {1: pytest.approx(-7200, abs=0.5), 2: pytest.approx(-7200, abs=0.5)}


def test_rows_are_shown_at_the_time_set_right() -> None:
    rows = [*flows(0, 0.0), *flows(1, 900.0), *flows(2, 0.0)]
    with opened({"flows": rows}) as duck:
        duck.shift(clocks.shifts(duck))
        seen = duck.fetch(duck.tables()["flows"])
    times: dict[int, list[float]] = {}
    for row in seen:
        times.setdefault(row["source"], []).append(row["time"].timestamp())
        assert row["second"] == int(row["time"].timestamp())
    assert sorted(times[1]) == pytest.approx(sorted(times[0]), abs=0.5)
