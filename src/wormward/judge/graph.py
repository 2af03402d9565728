"""Who infected whom, through which way in, and who was first.

For each infected host, every finding of a way in (the pack's `ways`) by an infected actor that comes before the
host's own first act is a candidate, and so is a way that nobody saw. Their likelihoods are the softmax of the pack's
weights; a way that comes after one that succeeded is less likely by `later_way` for each of those: the worm was there
already. An actor must have acted as infected before its victim did, which makes the graph free of circles.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from wormward.judge.weigh import Key, Tally
from wormward.model.findings import Finding
from wormward.model.pack import JudgeRules, WayWeight
from wormward.model.states import Edge, Infection, PatientZero, Way

SLACK = timedelta(seconds=60)
"""Two sources' clocks, and a log's whole seconds, may put a cause this long after its effect."""

LAG = timedelta(hours=3)
"""How late a host's first sign may come (lookups are retried every two or three hours): halves a claim to be first."""

LIKELY = 0.5
"""From here on an edge is taken as what happened (variants are handed on over it)."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """How the worm may have come to one host: edges, most likely first, and the share of an unseen way."""

    edges: tuple[Edge, ...]
    unseen: float

    @property
    def seen(self) -> tuple[Edge, ...]:
        """The edges, if it is likelier that one of them is right than that nobody saw it; else none."""
        return self.edges if self.edges and self.edges[0].likelihood > self.unseen else ()


@dataclass(frozen=True, slots=True)
class _Candidate:
    finding: Finding
    way: Way
    milli: int


def arrivals(findings: Sequence[Finding], tallies: Mapping[Key, Tally], rules: JudgeRules) -> dict[Key, Arrival]:
    """Every infected host with the ways the worm may have come to it; `findings` in time order."""
    infected = {key: t for key, t in tallies.items() if t.verdict is Infection.INFECTED}
    acts = {key: _first_act(t) for key, t in infected.items()}
    candidates: dict[Key, list[_Candidate]] = {key: [] for key in infected}
    ways = _by_rule(rules.ways)
    for f in findings:
        way = ways.get(f.rule)
        if way and f.target and _possible(f, (f.site, f.actor), (f.site, f.target), acts):
            candidates[(f.site, f.target)].append(_Candidate(f, Way(way.way), way.milli))
    return {victim: _arrival(candidates[victim], rules) for victim in sorted(infected)}


def _by_rule(ways: Sequence[WayWeight]) -> dict[str, WayWeight]:
    best: dict[str, WayWeight] = {}
    for way in ways:
        if way.rule not in best or way.milli > best[way.rule].milli:
            best[way.rule] = way
    return best


def _first_act(tally: Tally) -> datetime | None:
    """When the host first acted as infected; None if it was only ever acted upon."""
    told = min((s.finding.time for s in tally.telling), default=None)
    # What is no sign by itself (a scan, a wave of guesses) is an act of the worm only once the host was infected.
    acted = [s.finding.time for s in tally.signs if s.role == "actor" and told and s.finding.time >= told]
    return min((s.finding.time for s in tally.telling if s.role == "actor"), default=min(acted, default=None))


def _possible(finding: Finding, actor: Key, victim: Key, acts: Mapping[Key, datetime | None]) -> bool:
    """True if `actor` was infected by then and `victim` had not acted as infected before."""
    if actor == victim or actor not in acts or victim not in acts:
        return False
    began, ended = acts[actor], acts[victim]
    if began is None or began > finding.time_last + SLACK:
        return False
    return ended is None or (began < ended and finding.time <= ended + SLACK)


def _arrival(candidates: Sequence[_Candidate], rules: JudgeRules) -> Arrival:
    scored = _with_lateness(candidates, rules)
    best: dict[str, tuple[int, _Candidate]] = {}
    for score, candidate in scored:
        actor = candidate.finding.actor
        if actor not in best or score > best[actor][0]:
            best[actor] = (score, candidate)
    top = max([rules.unseen_way, *(score for score, _ in best.values())])
    parts = {actor: 10.0 ** ((score - top) / 1000.0) for actor, (score, _) in best.items()}
    unseen = 10.0 ** ((rules.unseen_way - top) / 1000.0)
    total = math.fsum((*parts.values(), unseen))
    edges = [_edge(best[actor][1], candidates, round(part / total, 3)) for actor, part in parts.items()]
    edges = [e for e in edges if e.likelihood > 0]
    return Arrival(tuple(sorted(edges, key=lambda e: (-e.likelihood, e.time, e.start))), unseen / total)


def _with_lateness(candidates: Sequence[_Candidate], rules: JudgeRules) -> list[tuple[int, _Candidate]]:
    """Candidates with their scores: each success before a candidate makes it less likely by `later_way`."""
    scored: list[tuple[int, _Candidate]] = []
    successes = 0
    for candidate in sorted(candidates, key=lambda c: (c.finding.time, c.finding.actor, c.finding.id)):
        scored.append((candidate.milli + successes * rules.later_way, candidate))
        # More likely than a way nobody saw: the evidence shows that it succeeded.
        successes += candidate.milli > rules.unseen_way
    return scored


def _edge(chosen: _Candidate, candidates: Sequence[_Candidate], likelihood: float) -> Edge:
    f = chosen.finding
    same = [c.finding for c in candidates if c.finding.actor == f.actor and c.way is chosen.way and c.finding.time <= f.time]
    ids = tuple(x.id for x in same if x.time >= f.time - SLACK)
    return Edge(f.actor, str(f.target), f.time, chosen.way, likelihood, ids)


def patient_zero(found: Mapping[Key, Arrival], first_seen: Mapping[Key, datetime]) -> tuple[PatientZero, ...]:
    """Candidates for the site's first infected host, most likely first; likelihoods of one site sum up to 1.

    `first_seen` names the hosts of the site. A host's claim is the share of a way in that came from outside it or that
    nobody saw, halved for every `LAG` that its first sign came after the site's first one.
    """
    out: list[PatientZero] = []
    for site in sorted({key[0] for key in found}):
        keys = [key for key in sorted(found) if key[0] == site and key in first_seen]
        start = min((first_seen[key] for key in keys), default=None)
        claims = {key: _entered(found[key], site, first_seen) * 0.5 ** ((first_seen[key] - start) / LAG) for key in keys if start}
        total = math.fsum(claims.values())
        for key, claim in claims.items():
            likelihood = round(claim / total, 3) if total else 0.0
            if likelihood > 0:
                out.append(PatientZero(key[1], site, likelihood, first_seen[key]))
    return tuple(sorted(out, key=lambda p: (p.site, -p.likelihood, p.first_seen, p.address)))


def _entered(arrival: Arrival, site: str, inside: Mapping[Key, datetime]) -> float:
    """The share of ways in that did not come from a host of the site."""
    return arrival.unseen + math.fsum(e.likelihood for e in arrival.edges if (site, e.start) not in inside)
