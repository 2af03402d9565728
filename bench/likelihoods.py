"""Are the likelihoods right? Twenty made-up sites of which much is withheld, held against what happened there.

`lab.withheld` draws a site for every seed. Its evidence is assessed whole, then with a third of its switches unseen, then
with half of its logs lost too, then with its clocks off as well. Printed are the figures that must hold for the last,
how often what is stated with some likelihood is true, and which answers changed as evidence was withheld.

Rules and numbers were tuned on the seeds `TUNED`; what is printed is of the seeds `HELD_OUT`, which nobody looked at before.

    python -m bench likelihoods        WORMWARD_BENCH_SITES asks for fewer sites
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.compare import Row, limit, show
from lab.withheld import Loss, write_withheld
from lab.worm import Play, load_play
from wormward.model.states import Assessment
from wormward.packs import builtin_packs
from wormward.pipeline import assess

TUNED = (*range(1, 41), *range(501, 521), *range(1001, 1021), *range(3001, 3005))
HELD_OUT = tuple(range(2001, 2021))
WORM = Path(__file__).resolve().parent.parent / "src" / "wormward" / "threats" / "conficker"
STEPS: tuple[tuple[str, Loss], ...] = (
    ("everything", Loss(0, 0, 0, clocks=False)),
    ("a third of the switches unseen", Loss(34, 0, 0, clocks=False)),
    ("and half of the logs lost", Loss(34, 50, 25, clocks=False)),
    ("and clocks off", Loss()),
)
HARDER = ("captures lost like logs", Loss(lost_captures_percent=50))
BOUNDS = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 0.95, 0.99, 1.0)
ILL = ("infected", "suspected")


@dataclass(frozen=True, slots=True)
class Held:
    """One site: what was said, held against its truth."""

    verdicts: Mapping[str, str]
    edges: Sequence[tuple[float, bool]]  # stated, true
    true_edges: int
    infected: frozenset[str]
    traced: frozenset[str]
    rank: int | None  # of the first infected host among the candidates, from 1
    first_traced: bool

    def found(self, *verdicts: str) -> int:
        """How many hosts that left a trace have one of these answers."""
        return sum(self.verdicts.get(a) in verdicts for a in self.traced)

    @property
    def innocents(self) -> dict[str, str]:
        """Hosts without the worm that are infected or suspected by what was said."""
        return {a: v for a, v in self.verdicts.items() if v in ILL and a not in self.infected}


def hold(said: Assessment, truth: Mapping[str, Any]) -> Held:
    """An assessment held against the truth of its site."""
    infected = truth["infected"]
    ranks = [p.address for p in said.patient_zero]
    return Held(
        {h.address: h.verdict.value for h in said.hosts},
        [(e.likelihood, infected.get(e.end, {}).get("infected_by") == e.start) for e in said.edges],
        sum(i["infected_by"] is not None for i in infected.values()),
        frozenset(infected),
        frozenset(truth["traces"]),
        ranks.index(truth["first"]) + 1 if truth["first"] in ranks else None,
        truth["first"] in truth["traces"],
    )


def site(seed: int, loss: Loss, folder: Path, play: Play) -> Held:
    """Make the evidence of one site in `folder`, assess it, remove it."""
    evidence = folder / str(seed)
    truth = write_withheld(seed, play, evidence, loss)
    try:
        return hold(assess([evidence], packs=tuple(builtin_packs())), truth)
    finally:
        shutil.rmtree(evidence)


@dataclass(slots=True)
class Sums:
    """What the sites of one step come to."""

    sites: list[Held] = field(default_factory=list)

    @property
    def edges(self) -> list[tuple[float, bool]]:
        """All edges."""
        return [e for s in self.sites for e in s.edges]

    def convicted(self) -> int:
        """Innocent hosts that are infected, by what was said."""
        return sum(v == "infected" for s in self.sites for v in s.innocents.values())

    def share_found(self, *verdicts: str) -> float:
        """Per cent of the infected hosts that left a trace."""
        return 100.0 * sum(s.found(*verdicts) for s in self.sites) / max(1, sum(len(s.traced) for s in self.sites))

    def share_true(self, least: float = 0.9) -> float:
        """Per cent of the edges stated with `least` or more that are true; 100 of none."""
        right = [true for stated, true in self.edges if stated >= least]
        return 100.0 * sum(right) / len(right) if right else 100.0

    def among_three(self) -> int:
        """Sites whose first host is among the first three candidates."""
        return sum(s.rank is not None and s.rank <= 3 for s in self.sites)

    def brier(self) -> float:
        """Mean squared difference of what was stated and what was so (0 is best)."""
        return sum((stated - true) ** 2 for stated, true in self.edges) / max(1, len(self.edges))


def reliability(edges: Iterable[tuple[float, bool]]) -> list[str]:
    """The table of stated likelihood and share that was true, with counts."""
    every = list(edges)
    lines = ["  stated         edges    mean stated    true"]
    for low, high in pairwise(BOUNDS):
        own = [(s, t) for s, t in every if low <= s < high or (high == BOUNDS[-1] and s == high)]
        if own:
            mean, true = (sum(values) / len(own) for values in zip(*own, strict=True))
            lines.append(f"  {low:.2f} to {high:.2f}   {len(own):>5}    {mean:>11.3f}   {true:>5.3f}")
    return lines


def changed(before: Sequence[Held], after: Sequence[Held]) -> list[str]:
    """How many hosts went from one answer to another, those with the worm and those without it."""
    counts: Counter[tuple[str, str, str]] = Counter()
    for one, other in zip(before, after, strict=True):
        for address in {*one.verdicts, *other.verdicts}:
            who = "with the worm" if address in one.infected else "without it"
            pair = one.verdicts.get(address, "not seen"), other.verdicts.get(address, "not seen")
            if pair[0] != pair[1]:
                counts[who, *pair] += 1
    lines = [f"    {count:>4} {who}: {a} -> {b}" for (who, a, b), count in sorted(counts.items())]
    return lines or ["    no host's answer changed"]


def _told(name: str, sums: Sums) -> None:
    n, edges = len(sums.sites), [e for e in sums.edges if e[0] >= 0.9]
    traced, infected = (sum(len(x) for x in xs) for xs in zip(*((s.traced, s.infected) for s in sums.sites), strict=True))
    suspected = sum(len(s.innocents) for s in sums.sites) - sums.convicted()
    true = sum(s.true_edges for s in sums.sites)
    named = sum(s.rank == 1 for s in sums.sites), sum(s.first_traced for s in sums.sites)
    print(f"  {name}:")
    print(
        f"    of {infected} infected hosts {traced} left a trace; of these {sums.share_found('infected'):.1f} % are infected, ",
        end="",
    )
    print(f"{sums.share_found(*ILL):.1f} % infected or suspected; of the innocent {sums.convicted()} and {suspected}")
    print(f"    {len(edges)} edges of 0.9 or more ({true} ways there were), {sums.share_true():.1f} % true; ", end="")
    print(f"Brier score of all edges {sums.brier():.4f}")
    print(f"    first host in the top three of {sums.among_three()} of {n} sites, on top in {named[0]}; ", end="")
    print(f"it left a trace in {named[1]}")


def figures(sums: Sums) -> list[Row]:
    """What must hold where all is withheld."""
    return [
        limit("edges of 0.9 or more that are true", ours=sums.share_true(), least=90, unit="%"),
        limit("innocent hosts convicted (1 less than 1)", ours=sums.convicted() + 1, most=1, unit=""),
        limit("traced hosts found, infected or suspected", ours=sums.share_found(*ILL), least=95, unit="%"),
        limit("sites with the first host in the top three", ours=sums.among_three(), least=len(sums.sites), unit="sites"),
    ]


def main() -> int:
    """Print everything; 0 if the figures hold."""
    seeds = HELD_OUT[: int(os.environ.get("WORMWARD_BENCH_SITES", len(HELD_OUT)))]
    play = load_play(WORM)
    done: dict[str, Sums] = {}
    with TemporaryDirectory() as name:
        for step, loss in (*STEPS, HARDER):
            done[step] = Sums([site(seed, loss, Path(name), play) for seed in seeds])
            _told(step, done[step])
    last = STEPS[-1][0]
    print(f"\n{last}, how often what was stated was so:", *reliability(done[last].edges), sep="\n")
    print("\nanswers that changed as evidence was withheld:")
    for (one, _), (other, _) in pairwise(STEPS):
        print(f"  {one} -> {other}", *changed(done[one].sites, done[other].sites), sep="\n")
    print()
    return show(figures(done[last]))


if __name__ == "__main__":
    raise SystemExit(main())
