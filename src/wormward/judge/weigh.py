"""Weigh findings: from what was seen to how sure we are, host by host.

A host's odds of being infected, in thousandths of a log10 odds ("milli"), are the pack's prior plus the weights of
the findings it takes part in, each event key once, the sum of one rule bounded. All integers, so the result does not
depend on order. A weight may ask that the finding's actor is convicted, or doubted, by other evidence: such weights count
from the second round on, and rounds go on until nobody new is (at most twice per host: both only grow).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from wormward.model.findings import CITED_ROWS, CITED_SOURCES, Finding, Kind
from wormward.model.pack import JudgeRules, Weight
from wormward.model.states import Infection, Reason
from wormward.model.text import N_

Key = tuple[str, str]
"""A host: (site, address)."""

TELLING = 1000
"""A characteristic sign of at least ten to one tells of infection, and since when; what is weaker may be chance."""

EXCUSED = frozenset({Kind.SCAN, Kind.EXPLOIT_ATTEMPT, Kind.LOGON_BURST})
"""What a vulnerability scanner of the site does for a living: it convicts no known scanner."""

_MOST_CITED = 2 * (CITED_ROWS + CITED_SOURCES)
"""So many rows of two findings that turn out as one are kept."""

SCANNER_SENTENCE = N_(
    "A known scanner of this site: {count} {count|finding|findings} of what scanners do {count|was|were} not counted against it."
)


@dataclass(frozen=True, slots=True)
class Sign:
    """One finding as it counts for one host: its part in it, the weight that applies and the strength."""

    finding: Finding
    role: str
    weight: Weight
    milli: int

    @property
    def telling(self) -> bool:
        """True if this sign alone says something of infection."""
        return self.weight.characteristic and self.milli >= TELLING


@dataclass(frozen=True, slots=True)
class Tally:
    """What all signs of one host come to. `posterior` in milli; `signs` are those that count, in time order."""

    posterior: int
    signs: tuple[Sign, ...]
    reasons: tuple[Reason, ...]
    verdict: Infection | None  # INFECTED, SUSPECTED, ATTACKED or None

    @property
    def telling(self) -> tuple[Sign, ...]:
        """The signs that say something of infection, in time order."""
        return tuple(s for s in self.signs if s.telling)


def confidence(milli: int) -> float:
    """Probability of a statement with these odds, 3 places; never 1, because traffic never makes anything certain."""
    bounded = max(-30_000, min(30_000, milli))
    odds_against = math.pow(10.0, -bounded / 1000.0)
    return min(0.999, round(1.0 / (1.0 + odds_against), 3))


def once(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Each event key once, by time: a twin adds its rows and cites, and the stronger strength stands."""
    by_id: dict[str, Finding] = {}
    for finding in findings:
        twin = by_id.get(finding.id)
        by_id[finding.id] = _united(twin, finding) if twin else finding
    return tuple(sorted(by_id.values(), key=lambda f: (f.time, f.rule, f.site, f.actor, f.target or "", f.id)))


def _united(a: Finding, b: Finding) -> Finding:
    first = min(a, b, key=lambda f: (-(f.milli or 0), f.time, f.rows))
    return replace(
        first,
        time=min(a.time, b.time),
        time_last=max(a.time_last, b.time_last),
        count=max(a.count, b.count),
        rows=tuple(sorted({*a.rows, *b.rows}))[:_MOST_CITED],
        cites=tuple(sorted({*a.cites, *b.cites}))[:_MOST_CITED],
    )


def weigh(findings: Sequence[Finding], rules: JudgeRules, scanners: frozenset[str]) -> dict[Key, Tally]:
    """Every host that takes a weighted part in a finding, with its tally; `findings` as `once` gives them."""
    signs = _signs(findings, rules, scanners)
    excused = _excused(findings, scanners)
    hosts = sorted({*signs, *excused})
    convicted: frozenset[Key] = frozenset()
    doubted: frozenset[Key] = frozenset()
    while True:
        tallies = {h: _tally(signs.get(h, ()), excused.get(h, ()), rules, convicted, doubted) for h in hosts}
        ill = frozenset(h for h, t in tallies.items() if t.verdict is Infection.INFECTED)
        odd = ill | frozenset(h for h, t in tallies.items() if t.verdict is Infection.SUSPECTED and t.telling)
        if ill <= convicted and odd <= doubted:
            return tallies
        convicted |= ill
        doubted |= odd


def _is_excused(finding: Finding, scanners: frozenset[str]) -> bool:
    return finding.actor in scanners and finding.kind in EXCUSED


def _excused(findings: Sequence[Finding], scanners: frozenset[str]) -> dict[Key, list[Finding]]:
    found: dict[Key, list[Finding]] = {}
    for f in findings:
        if _is_excused(f, scanners):
            found.setdefault((f.site, f.actor), []).append(f)
    return found


def _signs(findings: Sequence[Finding], rules: JudgeRules, scanners: frozenset[str]) -> dict[Key, list[Sign]]:
    by_part: dict[tuple[str, str], list[Weight]] = {}
    for weight in rules.weights:
        by_part.setdefault((weight.rule, weight.role), []).append(weight)
    found: dict[Key, list[Sign]] = {}
    for f in findings:
        if _is_excused(f, scanners):
            continue
        for role, address in (("actor", f.actor), ("target", f.target)):
            applying = _applying(by_part.get((f.rule, role), ()), f)
            if address and applying:
                found.setdefault((f.site, address), []).append(Sign(f, role, applying, _strength(applying, f)))
    return found


def _applying(weights: Sequence[Weight], finding: Finding) -> Weight | None:
    """The weight of this finding: one whose condition holds before one without; of several the strongest."""
    fit = [w for w in weights if w.when and str(finding.fields.get(w.when[0], "")) == w.when[1]]
    fit = fit or [w for w in weights if w.when is None]
    return max(fit, key=lambda w: _strength(w, finding), default=None)


def _strength(weight: Weight, finding: Finding) -> int:
    return weight.milli if weight.milli is not None else (finding.milli or 0)


def _counts(sign: Sign, convicted: frozenset[Key], doubted: frozenset[Key]) -> bool:
    """False for a sign that needs its actor to be ill by other evidence, as long as it is not."""
    actor = (sign.finding.site, sign.finding.actor)
    if sign.weight.needs_infected_actor:
        return actor in convicted
    return not sign.weight.needs_doubted_actor or actor in doubted


def _tally(
    signs: Sequence[Sign],
    excused: Sequence[Finding],
    rules: JudgeRules,
    convicted: frozenset[Key],
    doubted: frozenset[Key],
) -> Tally:
    counting = tuple(s for s in signs if _counts(s, convicted, doubted))
    groups: dict[tuple[str, str], list[Sign]] = {}
    for sign in counting:
        groups.setdefault((sign.weight.rule, sign.role), []).append(sign)
    reasons = [reason for key in sorted(groups) for reason in _reasons(groups[key])]
    posterior = rules.prior + sum(r.milli for r in reasons)
    if excused:
        ids = tuple(f.id for f in excused)
        reasons.append(Reason("site.scanner", SCANNER_SENTENCE, {"count": len(ids)}, ids, 0))
    reasons.sort(key=lambda r: (-r.milli, r.rule, r.sentence))
    return Tally(posterior, counting, tuple(reasons), _verdict(posterior, counting, rules))


def _reasons(signs: Sequence[Sign]) -> list[Reason]:
    """One reason a weight of one (rule, role); together they add no more than the rule's bound."""
    by_weight: dict[Weight, list[Sign]] = {}
    for sign in signs:
        by_weight.setdefault(sign.weight, []).append(sign)
    left = max(w.most for w in by_weight)
    out = []
    for weight in sorted(by_weight, key=lambda w: (-sum(s.milli for s in by_weight[w]), w.sentence)):
        own = by_weight[weight]
        milli = min(left, sum(s.milli for s in own))
        left -= max(milli, 0)
        out.append(Reason(weight.rule, weight.sentence, _fields(own), tuple(s.finding.id for s in own), milli))
    return out


def _fields(signs: Sequence[Sign]) -> Mapping[str, str | int]:
    """What a weight's sentence may fill in: `count` findings, `others` at the other end, `other` if it is one."""
    ends = {s.finding.target if s.role == "actor" else s.finding.actor for s in signs} - {None}
    others = sorted(str(e) for e in ends)
    fields: dict[str, str | int] = {"count": len(signs), "others": len(others), "other": others[0] if others else ""}
    if len(signs) == 1:
        fields = {**signs[0].finding.fields, **fields}
    return fields


def _verdict(posterior: int, signs: Sequence[Sign], rules: JudgeRules) -> Infection | None:
    characteristic = any(s.weight.characteristic and s.milli > 0 for s in signs)
    rules_met = {s.weight.rule for s in signs if s.milli > 0}
    if posterior >= rules.infected and characteristic:
        return Infection.INFECTED
    # Two different things that only add up (a scan and a wave of guesses) are worth a look, one of them is not:
    # an inventory scan, a mail server or an administrator does one of them all day.
    if posterior >= rules.suspected and (characteristic or len(rules_met) > 1):
        return Infection.SUSPECTED
    if any(s.weight.attacked for s in signs):
        return Infection.ATTACKED
    return None
