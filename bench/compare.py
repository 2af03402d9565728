"""How a benchmark states its result: one line a figure, ours beside the peer's or the limit, and whether it holds.

Each file of this folder prints its figures by `ratio` or `limit`; `python -m bench` gathers those lines again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

MARK = "bench |"
HEAD = f"{MARK} {'what':<44} | {'ours':>16} | {'peer or limit':>16} | {'ratio':>8} | {'wanted':>9} | verdict"


@dataclass(frozen=True, slots=True)
class Row:
    """One figure. `ratio` is how many times better ours is; `wanted` the least that will do."""

    name: str
    ours: float
    other: float
    unit: str
    ratio: float
    wanted: float

    @property
    def holds(self) -> bool:
        """Whether it is good enough."""
        return self.ratio >= self.wanted

    def __str__(self) -> str:
        ours, other = (f"{figure(value)} {self.unit}" for value in (self.ours, self.other))
        verdict = "holds" if self.holds else "MISSED"
        return f"{MARK} {self.name:<44} | {ours:>16} | {other:>16} | {self.ratio:>8.2f} | {self.wanted:>8g}x | {verdict}"


def figure(value: float) -> str:
    """A number with three significant digits, thousands with commas."""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def ratio(name: str, *, ours: float, peer: float, wanted: float, unit: str = "s", more_is_better: bool = False) -> Row:
    """Ours against a peer's of the same run: by how many times ours is better, and how many are wanted.

    Without `more_is_better` the figures are costs (seconds, bytes), so the ratio is peer over ours.
    """
    better = ours / peer if more_is_better else peer / ours
    return Row(name, ours, peer, unit, better, wanted)


def limit(name: str, *, ours: float, most: float | None = None, least: float | None = None, unit: str = "s") -> Row:
    """Ours against a fixed limit: `most` for costs, `least` for rates; exactly one of them."""
    if (most is None) == (least is None):
        raise ValueError("give exactly one of `most` and `least`")
    if most is not None:
        return Row(name, ours, most, unit, most / ours if ours else float("inf"), 1)
    assert least is not None
    return Row(name, ours, least, unit, ours / least, 1)


def show(rows: Iterable[Row]) -> int:
    """Print the rows; 0 if all hold, else 1 (for `raise SystemExit`)."""
    held = True
    for row in rows:
        print(row, flush=True)
        held = held and row.holds
    return 0 if held else 1
