"""What is odd in a pack that loads: nothing here stops it, but its author should look."""

from __future__ import annotations

from wormward.model.pack import ThreatPack
from wormward.model.rules import RULES

_UNWEIGHED = frozenset({"http.relayed"})
"""Rules that speak of somebody else than the host they are seen at."""


def lint(pack: ThreatPack) -> list[str]:
    """One sentence for each thing that is odd, in a fixed order; empty for a pack in good order."""
    return [*_weights(pack), *_scale(pack), *_variants(pack), *_calls(pack), *_wants(pack)]


def _weights(pack: ThreatPack) -> list[str]:
    rules = pack.judge
    weighed = {w.rule for w in rules.weights}
    found = [f"no weight for {rule}: what it finds will not count" for rule in RULES if rule not in weighed | _UNWEIGHED]
    parts = [(w.rule, w.role, w.when) for w in rules.weights]
    found += [
        f"two weights for {p[0]} as {p[1]} under the same condition" for p in sorted(set(parts), key=str) if parts.count(p) > 1
    ]
    found += [f"the weight of {w.rule} as {w.role} is more than its own bound" for w in rules.weights if (w.milli or 0) > w.most]
    found += [f"the way in by {way.rule} has no weight for its target" for way in rules.ways if way.rule not in weighed]
    return found


def _scale(pack: ThreatPack) -> list[str]:
    rules = pack.judge
    found = []
    if not rules.prior < rules.suspected < rules.infected:
        found.append("prior, suspected and infected do not rise in this order")
    if rules.prior + pack.names_convict_milli != rules.infected:
        found.append("names_convict_milli does not lead from the prior to infected")
    return found


def _variants(pack: ThreatPack) -> list[str]:
    orders = [v.order for v in pack.variants]
    found = [f"variant {v.letter} has no vendor's name" for v in pack.variants if not v.names]
    found += ["two variants have the same order"] if len(set(orders)) != len(orders) else []
    return found + [f"variant {v.letter} begins before the pack does" for v in pack.variants if v.first_day < pack.since_day]


def _calls(pack: ThreatPack) -> list[str]:
    wanted = {(call.interface, opnum) for call in pack.wanted_calls for opnum in call.opnums}
    used = [(pack.spreading.hole_interface, o) for o in pack.spreading.hole_opnums]
    used += [(pack.spreading.job_interface, o) for o in pack.spreading.job_opnums]
    return [
        f"operation {o} of {i} is judged but not wanted: readers will not keep its argument"
        for i, o in used
        if (i, o) not in wanted
    ]


def _wants(pack: ThreatPack) -> list[str]:
    found = [
        f"a want of {w.protocol} payload wants less than it wants at least" for w in pack.wants if w.most_size < w.least_size
    ]
    protocols = {w.protocol for w in pack.wants}
    if pack.peer_to_peer and protocols != {"tcp", "udp"}:
        found.append("there is a peer-to-peer part, but not payload of both protocols is wanted")
    return found
