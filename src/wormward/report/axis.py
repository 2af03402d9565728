"""The time axis that both drawings of the HTML report share: times to whole pixels, and round times to label."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from wormward.model.states import Assessment, Host, Infection

LEAST_SPAN_S = 60.0
MOST_TICKS = 8
_STEPS = (60, 300, 900, 1800, *(hours * 3600 for hours in (1, 3, 6, 12)), *(days * 86400 for days in (1, 2, 7, 30, 91, 365)))


@dataclass(frozen=True, slots=True)
class Tick:
    """One labelled time of the axis."""

    x: int
    label: str


@dataclass(frozen=True, slots=True)
class Axis:
    """Time to pixels: `begin` at `left`, `span` seconds over `pixels`."""

    begin: datetime
    span: float
    left: int
    pixels: int

    def place(self, time: datetime) -> int:
        """The pixel of a time, within the axis."""
        seconds = min(max((time - self.begin).total_seconds(), 0.0), self.span)
        return self.left + round(seconds * self.pixels / self.span)

    def bucket(self, time: datetime, count: int) -> int:
        """Which of `count` equal parts of the axis a time lies in."""
        return min(count - 1, (self.place(time) - self.left) * count // self.pixels)

    def ticks(self) -> tuple[Tick, ...]:
        """At most `MOST_TICKS` round times, labelled with the date where the date changes."""
        return tuple(Tick(self.place(t), label) for t, label in _ticks(self.begin, timedelta(seconds=self.span)))


def ill(assessment: Assessment, *verdicts: Infection) -> list[Host]:
    """Hosts of these states that showed anything, by first sign."""
    found = (h for h in assessment.hosts if h.verdict in verdicts and h.first_seen)
    return sorted(found, key=lambda h: (h.first_seen.timestamp() if h.first_seen else 0.0, h.site, h.address))


def axis(hosts: Iterable[Host], left: int, pixels: int) -> Axis:
    """From the first sign of any of `hosts` (at least one) to the last."""
    shown = list(hosts)
    begin = min(h.first_seen for h in shown if h.first_seen)
    end = max(h.last_seen or h.first_seen for h in shown if h.first_seen)
    return Axis(begin, max((end - begin).total_seconds(), LEAST_SPAN_S), left, pixels)


def _ticks(begin: datetime, span: timedelta) -> list[tuple[datetime, str]]:
    step = next((s for s in _STEPS if span.total_seconds() / s <= MOST_TICKS), _STEPS[-1] * 10)
    at = datetime.fromtimestamp(-(-int(begin.timestamp()) // step) * step, begin.tzinfo)
    ticks: list[tuple[datetime, str]] = []
    while at <= begin + span:
        date, clock = f"{at:%Y-%m-%d}", f"{at:%H:%M}"
        new_day = not ticks or ticks[-1][0].date() != at.date()
        ticks.append((at, f"{date} {clock}" if new_day and step < 86400 else date if step >= 86400 else clock))
        at += timedelta(seconds=step)
    return ticks
