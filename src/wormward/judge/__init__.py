"""From findings, coverage and the hosts that were seen to a state per host, the infection graph and its first host.

Pure: the same arguments give the same assessment. What is seen is not yet judged: detectors make findings, only this
folder makes states, by the pack's integer weights (`weigh`), and says why. A state that coverage does not support is
not given: traffic alone never makes a host clean.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from ipaddress import ip_address

from wormward.judge.devices import Binding, devices
from wormward.judge.graph import LIKELY, Arrival, arrivals, doubtful, patient_zero
from wormward.judge.hosts import ILL, NAT, Case
from wormward.judge.inventory import compare, identity_notes
from wormward.judge.variants import Strain, settle, strain
from wormward.judge.weigh import Key, Tally, once, weigh
from wormward.judge.wording import NO_INVENTORY, NO_RANGES, OUTSIDERS, TRAFFIC_ONLY, shown_tables
from wormward.model.findings import Finding, Kind
from wormward.model.pack import ThreatPack
from wormward.model.site import Site
from wormward.model.states import Assessment, Coverage, SeenHost

__all__ = ["Binding", "judge"]

OUTSIDE = "outside"
"""The role of a host that is not of the site."""
REPORTED = "reported"
"""The role of an address that nothing but a third party's report names."""


def judge(
    findings: Sequence[Finding],
    coverage: Sequence[Coverage],
    seen: Sequence[SeenHost],
    site: Site,
    pack: ThreatPack,
    *,
    as_of: datetime | None,
    tolerance_days: int,
    all_time: bool = False,
    bindings: Sequence[Binding] = (),
) -> Assessment:
    """Judge every host of the site that said something or takes part in a finding.

    `as_of` is the latest time in the evidence: the assessment speaks of the world until then. `bindings` tell which
    addresses are one device, and its name.
    """
    known = devices(bindings, seen, site.inventory, site.name, site.nat)
    findings = once(known.finding(f) for f in findings)
    seen = known.seen(seen)
    tallies = weigh(findings, pack.judge, site.scanners)
    listed = _listed(findings, tallies, seen, site)
    found = {key: arrival for key, arrival in arrivals(findings, tallies, pack.judge).items() if key in listed}
    case = Case(tallies, found, _strains(tallies, found, pack), shown_tables(coverage), known, pack, _named(findings))
    hosts = tuple(case.host(key, listed[key]) for key in sorted(listed, key=_by_address))
    share, absent = compare(hosts, site.inventory, site.name)
    hosts = tuple(sorted((*hosts, *absent), key=lambda h: _by_address((h.site, h.address))))
    inside = {(h.site, h.address): h.first_seen for h in hosts if h.first_seen and OUTSIDE not in h.roles}
    unlisted = any(t.verdict in ILL and key not in listed for key, t in tallies.items())
    return Assessment(
        pack={"name": pack.name, "title": pack.title, "version": pack.version, "digest": pack.digest},
        as_of=as_of,
        site=site.name,
        tolerance_days=tolerance_days,
        all_time=all_time,
        hosts=hosts,
        findings=findings,
        edges=tuple(sorted((e for a in found.values() for e in a.edges), key=lambda e: (e.time, e.end, -e.likelihood, e.start))),
        patient_zero=patient_zero(found, inside, doubtful(findings, tallies, pack.judge)),
        coverage=tuple(coverage),
        notes=(
            TRAFFIC_ONLY,
            *(() if site.ranges else (NO_RANGES,)),
            *(() if site.inventory else (NO_INVENTORY,)),
            *((OUTSIDERS,) if unlisted else ()),
            *identity_notes(hosts),
        ),
        listed=share,
    )


def _named(findings: Sequence[Finding]) -> dict[Key, tuple[str, ...]]:
    """Which findings name a host, in their order."""
    named: dict[Key, list[str]] = {}
    for finding in findings:
        for address in dict.fromkeys((finding.actor, finding.target)):
            if address:
                named.setdefault((finding.site, address), []).append(finding.id)
    return {key: tuple(ids) for key, ids in named.items()}


def _by_address(key: Key) -> tuple[str, int, int, str]:
    try:
        address = ip_address(key[1])
    except ValueError:
        return key[0], 9, 0, key[1]
    return key[0], address.version, int(address), key[1]


def _listed(
    findings: Sequence[Finding], tallies: Mapping[Key, Tally], seen: Sequence[SeenHost], site: Site
) -> dict[Key, tuple[str, ...]]:
    """The hosts that the assessment lists, with their roles.

    Hosts of the site, and outsiders that are infected or suspected and did something to a host of it. Without ranges
    the site's are the private addresses and those whose lookups convict them (their lookups pass our sensors, so they
    are behind them); with no private address in sight every address is the site's. Other outsiders (the Internet's
    peers of an infected host) stay in the findings. What a third party reports is of the site: reports go to those whose
    address it is.
    """
    roles = {(s.site, s.address): s.roles for s in seen}
    everybody = not site.ranges and not any(site.holds(s.address) for s in seen)
    reported = {(f.site, f.actor) for f in findings if f.kind is Kind.REPORTED}
    inside = reported | {key for key in {*roles, *tallies} if everybody or site.holds(key[1])}
    ill = {key for key, tally in tallies.items() if tally.verdict in ILL}
    asked = {key for key in ill if any(s.role == "actor" and s.finding.kind is Kind.DOMAIN_LOOKUP for s in tallies[key].telling)}
    if not site.ranges:
        inside |= asked
    attackers = {(f.site, f.actor) for f in findings if f.target and (f.site, f.target) in inside}
    ill = ill & (attackers | asked) - inside
    return {
        key: tuple(sorted({
            *roles.get(key, ()),
            *(("scanner",) if key[1] in site.scanners else ()),
            *((NAT,) if key[1] in site.nat else ()),
            *(() if key in inside else (OUTSIDE,)),
            *((REPORTED,) if key in reported and key not in roles else ()),
        }))
        for key in inside | ill
    }  # fmt: skip


def _strains(tallies: Mapping[Key, Tally], found: Mapping[Key, Arrival], pack: ThreatPack) -> dict[Key, Strain]:
    """What every infected or suspected host carries, closed over the likely edges of the graph."""
    order = {v.letter: v.order for v in pack.variants}
    own = {key: strain(t.signs, order) for key, t in tallies.items() if t.verdict in ILL}
    likely = [(e.time, (key[0], e.start), key) for key, a in found.items() for e in a.edges if e.likelihood >= LIKELY]
    return settle(own, [(infector, victim, time) for time, infector, victim in sorted(likely)])
