"""One host's answer, put together from its tally, its strain and its way in.

`confidence` is that of the answer it stands beside: for `infected` and `suspected` the probability that the odds
give, for `attacked` that one of the attacks was the worm's (the attacker's own confidence, or the odds that the attack
gives by itself), for `unknown` 0, because nothing is stated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from wormward.judge.devices import Devices
from wormward.judge.graph import Arrival
from wormward.judge.variants import Strain, covering
from wormward.judge.weigh import Key, Sign, Tally, confidence
from wormward.judge.wording import (
    BEHIND_NAT,
    INHERITED,
    TOGETHER,
    UNWEIGHED,
    changed_hands,
    clock_offset,
    clock_reason,
    would_decide,
)
from wormward.model.pack import ThreatPack
from wormward.model.states import Exposure, Host, Infection, Protection, Reason, Way, Why

ILL = (Infection.INFECTED, Infection.SUSPECTED)
NAT = "nat"
"""The role of an address behind which many hosts stand."""
_NOTHING = Tally(0, (), (), None)


@dataclass(frozen=True, slots=True)
class Case:
    """What the whole site's evidence came to; each host's answer is read from it."""

    tallies: Mapping[Key, Tally]
    found: Mapping[Key, Arrival]
    strains: Mapping[Key, Strain]
    shown: frozenset[str]  # tables that the evidence has rows of
    devices: Devices
    pack: ThreatPack
    named: Mapping[Key, tuple[str, ...]]  # findings that name a host, weighed or not

    def host(self, key: Key, roles: tuple[str, ...]) -> Host:
        """The state of one host. Traffic shows neither exposure nor protection: both stay unknown."""
        tally = self.tallies.get(key, _NOTHING)
        verdict = tally.verdict or Infection.UNKNOWN
        carried = self.strains.get(key, Strain())
        arrival = self.found.get(key)
        letters = self._covered(carried.letters)
        offset = clock_offset(tally)
        reasons = _reasons(tally, carried, offset) or _unweighed(self.named.get(key, ()))
        first, last = _interval(tally)
        changed = self.devices.changed_hands(*key, first) if first else None
        if changed:
            reasons = (*reasons, changed_hands(*changed))
        if NAT in roles:
            reasons = (*reasons, Reason("site.nat", BEHIND_NAT, {}, (), 0)) if reasons else ()
        silent = Why.NOT_CONCLUSIVE if reasons else Why.SILENT
        return Host(
            address=key[1],
            addresses=self.devices.homes.get(key, (key[1],)),
            device=(changed[1] or key[1]) if changed else self.devices.names.get(key, key[1]),
            site=key[0],
            verdict=verdict,
            unknown_because=silent if verdict is Infection.UNKNOWN else None,
            exposure=Exposure.UNKNOWN,
            protection=Protection.UNKNOWN,
            threat=None if verdict is Infection.UNKNOWN else self.pack.name,
            variant=letters,
            detail="",
            names=_names(letters, self.pack),
            confidence=self._sure(verdict, tally),
            first_seen=first,
            last_seen=last,
            infected_by=arrival.seen if arrival else (),
            reasons=reasons,
            history=carried.history,
            would_decide=would_decide(verdict, reasons, self.shown),
            clock_offset_days=offset,
            roles=roles,
            way=self._way(arrival, carried),
            known_by=self.devices.known_by(key),
            inventory=self.devices.items.get(key),
        )

    def _covered(self, letters: tuple[str, ...]) -> tuple[str, ...]:
        spreads = {v.letter: frozenset(v.spreads) for v in self.pack.variants}
        return covering(letters, spreads, {v.letter: v.order for v in self.pack.variants})

    def _sure(self, verdict: Infection, tally: Tally) -> float:
        if verdict in ILL:
            return confidence(tally.posterior)
        if verdict is not Infection.ATTACKED:
            return 0.0
        rules = self.pack.judge
        attacks = [s.finding for s in tally.signs if s.weight.attacked]
        alone = {w.rule: w.milli or 0 for w in rules.weights if w.role == "actor"}
        odds = [rules.prior + alone.get(f.rule, 0) for f in attacks]
        odds += [self.tallies[f.site, f.actor].posterior for f in attacks if (f.site, f.actor) in self.tallies]
        return confidence(max(odds))

    def _way(self, arrival: Arrival | None, carried: Strain) -> Way | None:
        """The most likely way in. A build that does not spread by itself came as an update of an older one."""
        if arrival is None:
            return None
        if arrival.seen:
            return arrival.seen[0].way
        updated = carried.letters and not carried.history and all(self._only_updates(x) for x in carried.letters)
        return Way.UPDATE if updated else Way.UNKNOWN

    def _only_updates(self, letter: str) -> bool:
        return set(self.pack.variant(letter).spreads) <= {Way.UPDATE.value}


def _reasons(tally: Tally, carried: Strain, offset: int | None) -> tuple[Reason, ...]:
    """The weighed reasons, then what explains the answer without weighing."""
    reasons = list(tally.reasons)
    if offset:
        reasons.append(clock_reason(tally, offset))
    if len(carried.together) > 1:
        reasons.append(Reason("host.together", TOGETHER, {"variants": ", ".join(carried.together)}, (), 0))
    if carried.inherited:
        letters = " / ".join(carried.letters)
        reasons.append(Reason("graph.variant", INHERITED, {"other": carried.inherited, "variant": letters}, (), 0))
    return tuple(reasons)


def _unweighed(findings: tuple[str, ...]) -> tuple[Reason, ...]:
    """Findings that name a host and say nothing of infection by themselves: it was not silent."""
    return (Reason("findings.unweighed", UNWEIGHED, {"count": len(findings)}, findings, 0),) if findings else ()


def _interval(tally: Tally) -> tuple[datetime | None, datetime | None]:
    """First and last sign: of infection if there is any, else of whatever was weighed."""
    signs: Sequence[Sign] = tally.telling or tally.signs
    first = min((s.finding.time for s in signs), default=None)
    return first, max((s.finding.time_last for s in signs), default=None)


def _names(letters: Sequence[str], pack: ThreatPack) -> dict[str, str]:
    """Others' names of the variant, by vendor; of an undecided one the names of each, in order of letters."""
    names: dict[str, list[str]] = {}
    for letter in letters:
        for vendor, name in pack.variant(letter).names.items():
            names.setdefault(vendor, []).append(name)
    return {vendor: " / ".join(dict.fromkeys(names[vendor])) for vendor in sorted(names)}
