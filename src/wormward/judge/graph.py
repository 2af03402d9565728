"""Who infected whom, through which way in, and who was first.

For each infected host, every finding of a way in (the pack's `ways`) by an infected actor that comes before the
host's own first act is a candidate, and so is a way that nobody saw. Their likelihoods are the softmax of the pack's
weights; a way that comes after one that succeeded is less likely by `later_way` for each of those: the worm was there
already. A success that also works on a host that has the worm (a password does, a hole that the worm closes does not) may
not have been the first: the share of that grows with the hosts of the site whose way in nobody saw (`_missed`).
An actor must have acted as infected before its victim did, which makes the graph free of circles.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from wormward.judge.weigh import Key, Tally, confidence
from wormward.model.findings import Finding
from wormward.model.pack import JudgeRules, WayWeight
from wormward.model.states import Edge, Infection, PatientZero, Way

SLACK = timedelta(seconds=60)
"""Two sources' clocks, and a log's whole seconds, may put a cause this long after its effect."""

LAG = timedelta(hours=3)
"""How late a host's first sign may come (lookups are retried every two or three hours): halves a claim to be first."""

ONE_SUCCESS = timedelta(minutes=10)
"""Findings of one actor and target that lie no further apart may be of one success."""

PRIOR_HOSTS = 10
"""What is assumed of hosts that meet the worm again weighs as much as so many hosts of the site."""

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
    again: bool


def arrivals(findings: Sequence[Finding], tallies: Mapping[Key, Tally], rules: JudgeRules) -> dict[Key, Arrival]:
    """Every infected host with the ways the worm may have come to it; `findings` in time order."""
    return _arrivals(findings, {key: t for key, t in tallies.items() if t.verdict is Infection.INFECTED}, {}, rules)


def doubtful(findings: Sequence[Finding], tallies: Mapping[Key, Tally], rules: JudgeRules) -> dict[Key, tuple[Arrival, float]]:
    """Every suspected host with the ways it may have come to it from an infected one, and how sure the suspicion is."""
    known = {key: t for key, t in tallies.items() if t.verdict is Infection.INFECTED}
    others = {key: t for key, t in tallies.items() if t.verdict is Infection.SUSPECTED and t.telling}
    found = _arrivals(findings, known, others, rules)
    return {key: (found[key], confidence(tallies[key].posterior)) for key in others if key in found}


def _arrivals(
    findings: Sequence[Finding], infected: Mapping[Key, Tally], others: Mapping[Key, Tally], rules: JudgeRules
) -> dict[Key, Arrival]:
    """The ways to every host of `infected` and `others` from an infected one."""
    acts = {key: _first_act(t) for key, t in [*infected.items(), *others.items()]}
    candidates: dict[Key, list[_Candidate]] = {key: [] for key in acts}
    ways = _by_rule(rules.ways)
    for f in findings:
        way = ways.get(f.rule)
        if way and f.target and (f.site, f.actor) in infected and _possible(f, (f.site, f.actor), (f.site, f.target), acts):
            candidates[(f.site, f.target)].append(_Candidate(f, Way(way.way), way.milli, way.again))
    missed = {
        site: _missed([candidates[key] for key in infected if key[0] == site], rules) for site in {key[0] for key in infected}
    }
    return {victim: _arrival(candidates[victim], rules, missed[victim[0]]) for victim in sorted(acts) if victim[0] in missed}


def _missed(hosts: Sequence[Sequence[_Candidate]], rules: JudgeRules) -> float:
    """Odds that a host had the worm already, in a way that nobody saw, when it met the worm in a way that works again.

    The site itself tells: the odds that a way in was not seen, by the infected hosts of which none was, times how often
    a host that had the worm and had not acted yet met it once more, by those that were seen to. Both lean on what is
    assumed before any case, the more the fewer hosts there are.
    """
    seen = [[c for c in ways if c.milli > rules.unseen_way] for ways in hosts]
    met = sum(bool(ways) for ways in seen)
    twice = sum(any(_is_another(c.finding, ways[0].finding) for c in ways[1:]) for ways in seen)
    unseen = (len(hosts) - met + 0.5) / (met + 0.5)
    return unseen * (twice + PRIOR_HOSTS * rules.again_permille / 1000.0) / (met + PRIOR_HOSTS)


def _is_another(later: Finding, first: Finding) -> bool:
    """False for what may be another witness, or a part, of one and the same success."""
    return later.actor != first.actor or later.time > first.time_last + ONE_SUCCESS


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


def _arrival(candidates: Sequence[_Candidate], rules: JudgeRules, missed: float) -> Arrival:
    best: dict[str, tuple[int, _Candidate]] = {}
    for score, candidate in _with_lateness(candidates, rules):
        actor = candidate.finding.actor
        if actor not in best or score > best[actor][0]:
            best[actor] = (score, candidate)
    top = max([rules.unseen_way, *(score for score, _ in best.values())])
    parts = {actor: 10.0 ** ((score - top) / 1000.0) for actor, (score, _) in best.items()}
    # An unseen way before a success that was seen: possible where the success says nothing against it.
    before = missed * math.fsum(parts[actor] for actor, (_, c) in best.items() if c.again and c.milli > rules.unseen_way)
    unseen = 10.0 ** ((rules.unseen_way - top) / 1000.0) + before
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


def patient_zero(
    found: Mapping[Key, Arrival], first_seen: Mapping[Key, datetime], doubted: Mapping[Key, tuple[Arrival, float]] | None = None
) -> tuple[PatientZero, ...]:
    """Candidates for the site's first infected host, most likely first; likelihoods of one site sum up to 1.

    `first_seen` names the hosts of the site. A host's claim is the share of a way in that came from outside it or that
    nobody saw, halved for every `LAG` that its first sign came after the site's first one; that of a suspected host
    (`doubted`) also counts for no more than the suspicion does.
    """
    sure = {**{key: (a, 1.0) for key, a in found.items()}, **(doubted or {})}
    out: list[PatientZero] = []
    for site in sorted({key[0] for key in found}):
        keys = [key for key in sorted(sure) if key[0] == site and key in first_seen]
        start = min((first_seen[key] for key in keys), default=None)
        claims = {
            key: sure[key][1] * _entered(sure[key][0], site, first_seen) * 0.5 ** ((first_seen[key] - start) / LAG)
            for key in keys
            if start
        }
        total = math.fsum(claims.values())
        for key, claim in claims.items():
            likelihood = round(claim / total, 3) if total else 0.0
            if likelihood > 0:
                out.append(PatientZero(key[1], site, likelihood, first_seen[key]))
    return tuple(sorted(out, key=lambda p: (p.site, -p.likelihood, p.first_seen, p.address)))


def _entered(arrival: Arrival, site: str, inside: Mapping[Key, datetime]) -> float:
    """The share of ways in that did not come from a host of the site."""
    return arrival.unseen + math.fsum(e.likelihood for e in arrival.edges if (site, e.start) not in inside)
