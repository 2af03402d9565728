"""The date of a log whose stamps have no year, or cannot be right, by the worm's own lists: one day's names date it.

Every year in question is tried with the days that the log would then have. A year is believed only if the names of one list
meet by a chance that would convict, corrected for all lists of all years tried, and if no other year's do.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import numpy as np
import pyarrow as pa

from wormward.detect.base import iso_day
from wormward.detect.chance import as_text
from wormward.detect.names_day_list import strength
from wormward.model.pack import ThreatPack, Variant
from wormward.model.reading import Dated

LAST_YEAR: Final = 2037
"""Behind it clocks of 32 bits end; without a bound more years than anybody's logs would be tried."""
MOST_NAMES: Final = 200_000
"""Names of the worm's shape, each with its day, that are looked at; more add nothing."""
_EPOCH = date(1970, 1, 1)
_MOST_DAYS = 400  # a log that spans more is not yearless by accident: its order of years is a guess already


class YearOfNames:
    """The names of one log, by the days that it would have if its first line were of `provisional`'s year."""

    def __init__(self, packs: Sequence[ThreatPack]) -> None:
        self._packs = [pack for pack in packs if any(v.domains for v in pack.variants)]
        self._by_day: dict[int, set[str]] = defaultdict(set)
        self._count = 0

    def add(self, looked_up: Iterable[tuple[int, str]]) -> None:
        """Days (since 1970) and names in their usual form."""
        rows = list(looked_up)
        names = pa.array([name for _, name in rows], pa.string())
        shaped = np.zeros(len(rows), np.bool_)
        for pack in self._packs:
            for variant in pack.variants:
                if variant.domains is not None:
                    shaped |= variant.domains.letters(names) > 0
        for place in np.flatnonzero(shaped).tolist():
            day, name = rows[place]
            if self._count < MOST_NAMES and name not in self._by_day[day]:
                self._by_day[day].add(name)
                self._count += 1

    def year(self, provisional: int) -> Dated | None:
        """Of which year the first line is; None if no list tells, or lists of several years do."""
        days = sorted(day for day in self._by_day if self._by_day[day])
        if not days or days[-1] - days[0] > _MOST_DAYS:
            return None
        found: dict[int, Dated] = {}
        for pack in self._packs:
            first = (_EPOCH + timedelta(days=pack.since_day)).year
            years = {year: moved for year in range(first, LAST_YEAR + 1) if (moved := _moved(days, year - provisional))}
            tries = sum(moved[-1] - moved[0] + 1 + 2 * pack.tolerance_days for moved in years.values())
            for year, moved in years.items():
                by_day = {new: self._by_day[old] for new, old in zip(moved, days, strict=True)}
                best = _best(pack, by_day, tries, year)
                if best is not None and (year not in found or best.milli > found[year].milli):
                    found[year] = best
        return next(iter(found.values())) if len(found) == 1 else None

    def possible(self, first_day: int, last_day: int) -> bool:
        """Whether any of these days can be one on which a worm was there."""
        return any(first_day <= last and last_day >= first for first, last in map(_years, self._packs))

    def shift(self) -> Dated | None:
        """By how many days the log's clock is off, whatever it shows; None if no list tells, or lists contradict each other."""
        found: list[Dated] = []
        reach = 0
        for pack in self._packs:
            first, last = _years(pack)
            reach = max(reach, pack.tolerance_days)
            for variant in pack.variants:
                for day, names, milli in _lists(variant, self._by_day, pack, last - first + 1, (first, last)):
                    if milli >= pack.names_convict_milli:
                        days = day - self._asked_on(names)
                        year = (_EPOCH + timedelta(days=day)).year
                        found.append(Dated(year, len(names), iso_day(day), milli, as_text(milli), days))
        if not found or max(d.days for d in found) - min(d.days for d in found) > reach:
            return None
        return max(found, key=lambda d: (d.milli, -abs(d.days)))

    def _asked_on(self, names: Collection[str]) -> int:
        """The day on which most of these names were looked up."""
        counts = Counter({day: len(asked.intersection(names)) for day, asked in self._by_day.items()})
        return max(counts, key=lambda day: (counts[day], -day))


def _years(pack: ThreatPack) -> tuple[int, int]:
    """First and last day of the years that are tried."""
    first = date((_EPOCH + timedelta(days=pack.since_day)).year, 1, 1)
    return (first - _EPOCH).days, (date(LAST_YEAR, 12, 31) - _EPOCH).days


def _moved(days: Sequence[int], years: int) -> list[int]:
    """The days so many years later; empty if one of them does not exist there (29 February)."""
    out = []
    for day in days:
        old = datetime.fromtimestamp(day * 86_400, UTC)
        try:
            out.append((old.replace(year=old.year + years).date() - _EPOCH).days)
        except ValueError:
            return []
    return out


def _best(pack: ThreatPack, by_day: dict[int, set[str]], tries: int, year: int) -> Dated | None:
    """The list that meets these names best, if that would convict."""
    best: Dated | None = None
    for variant in pack.variants:
        for day, names, milli in _lists(variant, by_day, pack, tries):
            if milli >= pack.names_convict_milli and (best is None or milli > best.milli):
                best = Dated(year, len(names), iso_day(day), milli, as_text(milli))
    return best


def _lists(
    variant: Variant, by_day: Mapping[int, set[str]], pack: ThreatPack, tries: int, days: tuple[int, int] | None = None
) -> Iterable[tuple[int, set[str], int]]:
    """Day, names and strength of each list that at least `least_names` names meet, within the tolerance of their own day.

    With `days` (first and last) all lists of these are tried, whatever the names' own days.
    """
    rule, reach = variant.domains, pack.tolerance_days
    names = sorted(set().union(*by_day.values()))
    if rule is None or not names:
        return
    letters = rule.letters(pa.array(names, pa.string()))
    shaped = [(name, int(count)) for name, count in zip(names, letters.tolist(), strict=True) if count > 0]
    first, last = days or (min(by_day) - reach, max(by_day) + reach)
    first = max(variant.first_day, first)
    if len(shaped) < pack.least_names or last < first:
        return
    asked = Counter(count for _, count in shaped)
    met: dict[int, dict[int, set[str]]] = defaultdict(lambda: defaultdict(set))  # list day -> index -> branches
    hits = rule.find([name for name, _ in shaped], first, last)
    for index, day, branch in zip(*(hits.column(name).to_pylist() for name in ("index", "day", "branch")), strict=True):
        if days or any(shaped[index][0] in by_day.get(near, ()) for near in range(day - reach, day + reach + 1)):
            met[day][index].add(branch)
    lists = sum(1 for v in pack.variants if v.domains)
    for day, indexes in sorted(met.items()):
        if len(indexes) >= pack.least_names:
            yield day, {shaped[index][0] for index in indexes}, strength(_classes(shaped, asked, indexes), rule, tries * lists)


def _classes(shaped: Sequence[tuple[str, int]], asked: Counter[int], met: dict[int, set[str]]) -> list[dict[str, Any]]:
    """Counts per letter count, as `names_day_list.strength` takes them."""
    first = Counter(shaped[index][1] for index, branches in met.items() if branches - {"libm"})
    second = Counter(shaped[index][1] for index, branches in met.items() if branches - {"x87"})
    return [
        {"letters": count, "asked": number, "first_branch": first[count], "second_branch": second[count]}
        for count, number in sorted(asked.items())
    ]
