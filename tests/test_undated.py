"""A log whose stamps have no year, and none is given: the worm's own lists date it, or nobody does."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from wormward.detect.year_of_names import LAST_YEAR, YearOfNames
from wormward.model.site import Site
from wormward.model.states import Assessment, Infection
from wormward.packs import builtin_packs
from wormward.pipeline import assess

PACK = builtin_packs()[0]
LIVING = [f"www{i}.example.com" for i in range(40)] + ["kernel.org", "abcdefgh.com", "update.net"]
DAY_0 = date(1970, 1, 1)


def made(variant: str, day: date, count: int) -> list[str]:
    """Names of a variant's list of a day, which tests elsewhere compare with published ones."""
    domains = PACK.variant(variant).domains
    assert domains is not None
    return domains.names((day - DAY_0).days)[:count]


def log(folder: Path, days: list[tuple[date, list[str]]], name: str = "messages") -> Path:
    """A dnsmasq log in syslog's own form, a lookup a minute from nine o'clock."""
    path = folder / name
    lines = []
    for day, names in days:
        at = datetime(day.year, day.month, day.day, 9, tzinfo=UTC)
        for i, asked in enumerate(names):
            when = at + timedelta(minutes=i)
            lines.append(f"{when:%b} {when.day:2} {when:%H:%M:%S} gw dnsmasq[7]: query[A] {asked} from 10.0.0.7\n")
    path.write_text("".join(lines))
    return path


def judged(path: Path, year: int | None = None) -> Assessment:
    return assess([path], packs=[PACK], site=Site(year=year))


@pytest.mark.parametrize(
    ("variant", "day", "offset"), [("A", date(2009, 1, 12), 0), ("B", date(2026, 3, 2), 1), ("C", date(2024, 2, 29), -1)]
)
def test_names_of_one_list_date_the_log(tmp_path: Path, variant: str, day: date, offset: int) -> None:
    days = [(day + timedelta(days=offset), [*LIVING, *made(variant, day, 20)])]
    path = log(tmp_path, days)
    found, told = judged(path), judged(path, day.year)
    (coverage,) = found.coverage
    assert not coverage.problems
    assert coverage.begin is not None
    assert coverage.begin.year == day.year
    (note,) = coverage.notes
    assert f"20 looked-up names stand in the list that the worm makes for {day}" in note
    assert note.endswith(f"so its first line is taken to be of {day.year}.")
    assert [(h.address, h.verdict, h.variant, h.confidence) for h in found.hosts] == [
        (h.address, h.verdict, h.variant, h.confidence) for h in told.hosts
    ]
    assert found.hosts[0].verdict is Infection.INFECTED
    assert judged(path) == found  # the same bytes, the same answer


def test_the_year_of_the_first_line_counts_over_new_year(tmp_path: Path) -> None:
    path = log(tmp_path, [(date(2019, 12, 30), LIVING), (date(2020, 1, 3), [*LIVING, *made("A", date(2020, 1, 3), 20)])])
    (coverage,) = judged(path).coverage
    assert coverage.begin is not None
    assert (coverage.begin.year, coverage.end.year if coverage.end else 0) == (2019, 2020)


@pytest.mark.parametrize("names", [LIVING, [*LIVING, *made("A", date(2020, 1, 3), 1)], []])
def test_without_a_coherent_list_the_log_is_not_dated(tmp_path: Path, names: list[str]) -> None:
    """Ordinary names, one name that happens to be on a list, and no lookups at all: no year, least of all the present one."""
    path = log(tmp_path, [(date(2020, 1, 3), [*names, "last.example"])])
    other = log(tmp_path, [(date(2020, 1, 3), [])], "other.csv")
    other.write_text("time,client,name\n2020-01-03T09:00:00Z,10.0.0.8,a.example\n")
    said = assess([path, other], packs=[PACK])
    coverage = next(c for c in said.coverage if c.source == "messages")
    assert [p.what for p in coverage.problems] == ["its stamps carry no year"]
    assert not coverage.rows


def test_lists_of_two_years_date_nothing() -> None:
    dating = YearOfNames([PACK])
    day = (date(2000, 1, 3) - DAY_0).days
    dating.add((day, name) for year in (2011, 2012) for name in made("A", date(year, 1, 3), 20))
    assert dating.year(2000) is None
    alone = YearOfNames([PACK])
    alone.add((day, name) for name in made("A", date(2012, 1, 3), 20))
    found = alone.year(2000)
    assert found is not None
    assert (found.year, found.names, found.day) == (2012, 20, "2012-01-03")
    assert found.milli >= PACK.names_convict_milli


def test_a_year_that_was_given_is_not_doubted(tmp_path: Path) -> None:
    path = log(tmp_path, [(date(2020, 1, 3), [*LIVING, *made("A", date(2020, 1, 3), 20)])])
    (coverage,) = judged(path, 2015).coverage
    assert coverage.begin is not None
    assert coverage.begin.year == 2015


def test_the_leap_day_and_the_last_year() -> None:
    dating = YearOfNames([PACK])
    dating.add(((date(2000, 2, 29) - DAY_0).days, name) for name in made("B", date(LAST_YEAR - 1, 2, 29), 20))
    found = dating.year(2000)
    assert found is not None
    assert found.year == LAST_YEAR - 1


def stamped(folder: Path, day: date, names: list[str], name: str = "lookups.csv") -> Path:
    """A list of lookups with whole stamps, a lookup a minute."""
    at = datetime(day.year, day.month, day.day, 9, tzinfo=UTC)
    lines = [f"{at + timedelta(minutes=i):%Y-%m-%dT%H:%M:%SZ},10.0.0.7,{asked}\n" for i, asked in enumerate(names)]
    path = folder / name
    path.write_text("time,client,name\n" + "".join(lines))
    return path


@pytest.mark.slow
@pytest.mark.parametrize("shown", [date(1970, 1, 3), date(2001, 1, 1), date(2099, 5, 5)])
def test_a_clock_that_cannot_be_right_is_set_by_the_lists(tmp_path: Path, shown: date) -> None:
    day = date(2009, 3, 14)
    said = judged(stamped(tmp_path, shown, [*LIVING, *made("A", day, 20)]))
    right = judged(stamped(tmp_path, day, [*LIVING, *made("A", day, 20)], "right.csv"))
    (coverage,) = said.coverage
    assert coverage.begin == right.coverage[0].begin
    assert coverage.clock_error_s == -(day - shown).days * 86_400
    assert "20 looked-up names stand in the list that the worm makes for 2009-03-14" in coverage.notes[-1]
    assert f"so {(day - shown).days} days were added to its times." in coverage.notes[-1]
    assert [(h.verdict, h.variant, h.first_seen) for h in said.hosts] == [
        (h.verdict, h.variant, h.first_seen) for h in right.hosts
    ]
    assert said.hosts[0].verdict is Infection.INFECTED
    assert said.as_of == right.as_of


def test_without_a_list_an_impossible_clock_stays_as_it_is(tmp_path: Path) -> None:
    (coverage,) = judged(stamped(tmp_path, date(2001, 1, 1), ["www.example.com", *LIVING[:30]])).coverage
    assert coverage.begin is not None
    assert (coverage.begin.year, coverage.clock_error_s) == (2001, 0)
    assert not coverage.notes


def test_a_possible_clock_is_not_doubted(tmp_path: Path) -> None:
    """Names of another year's list do not move a log whose stamps can be right; --all-time finds them where they are."""
    (coverage,) = judged(stamped(tmp_path, date(2015, 1, 1), made("A", date(2009, 3, 14), 20))).coverage
    assert coverage.begin is not None
    assert (coverage.begin.year, coverage.clock_error_s) == (2015, 0)


def test_rows_that_wait_are_handed_over_as_they_came(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wormward.evidence.clock_unset.MOST_HELD", 10)
    (coverage,) = judged(stamped(tmp_path, date(2001, 1, 1), [*LIVING, *made("A", date(2009, 3, 14), 20)])).coverage
    assert coverage.rows == {"dns_queries": len(LIVING) + 20}
    assert coverage.clock_error_s == 0
