"""What of the findings is safe to block, and why the rest is not.

Safe is what nobody but the worm needs: long names that it makes, its own places, file sharing that an infected host
begins. Everything else is left out with the reason: who blocks by a list must be able to trust that it breaks nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from datetime import date, timedelta

from wormward.model.pack import ThreatPack
from wormward.model.states import Assessment, Host, Infection
from wormward.report.traces import Sort, Trace, is_address, is_name, traces

LEAST_LETTERS = 8
"""A made-up name of fewer letters may well be somebody's: of short ones most are taken under the large suffixes."""
_NEEDED = ("domain-controller", "resolver", "scanner")
"""Roles of hosts that a whole site leans on, or that are meant to knock at every door."""
_EPOCH = date(1970, 1, 1)

SHORT = "A generated name this short may be registered by somebody who has nothing to do with the worm."
NOT_CONVICTED = "Only hosts that are not found infected asked for it."
ORDINARY = "An ordinary site that people use; the worm only asks it for the date or for its own address."
SINKHOLE = (
    "A sinkhole: its operator sees who is infected and warns you and your CERT. Blocking it would blind both; a rule that "
    "only alerts is in the rules."
)
CALLED = (
    "An address behind a generated name is as likely a sinkhole or a host that many share as it is the worm's; the names "
    "are blocked instead."
)
NEEDED = "A server that the site leans on ({role}): cutting it off harms more hosts than it saves. Repair it first."
SUSPECTED = "Suspected, not convicted: look at the host before it is cut off."
SHARED = "Several sites have a host with this address: a rule could not tell them apart."
CHANGED = "The address changed hands: whoever has it now may be another device."


@dataclass(frozen=True, slots=True)
class Blocked:
    """One entry: a name, or a host's address, with the findings that justify it."""

    value: str
    findings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What is not blocked, what it is, and why."""

    value: str
    what: str
    reason: str
    findings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Upcoming:
    """A name that a found variant will make for a day."""

    value: str
    variant: str
    day: date


@dataclass(frozen=True, slots=True)
class Blocking:
    """What to block: `names`, what hosts begin (`inside`), what outsiders begin towards the site; what only to alert on."""

    names: tuple[Blocked, ...]
    inside: tuple[Blocked, ...]
    outside: tuple[Blocked, ...]
    watched: tuple[Blocked, ...]
    upcoming: tuple[Upcoming, ...]
    left_out: tuple[LeftOut, ...]
    ports: tuple[int, ...]
    shares: tuple[tuple[str, int, int], ...]  # variant; how many of its upcoming names are left out, of how many


def blocking(assessment: Assessment, packs: Sequence[ThreatPack], days: int = 0, needed: Set[str] = frozenset()) -> Blocking:
    """Decide. `days`: names that found variants make for so many days, from the last day of the evidence on.

    `needed`: addresses that the site leans on, by its own word.
    """
    names: list[Blocked] = []
    watched: list[Blocked] = []
    left: list[LeftOut] = []
    for trace in traces(assessment, packs):
        ids = tuple(f.id for f in trace.findings)
        reason = _against(trace)
        if reason is None:
            names.append(Blocked(trace.value, ids))
        else:
            left.append(LeftOut(trace.value, trace.sort.value, reason, ids))
        if trace.sort is Sort.SINKHOLE and trace.is_address:
            watched.append(Blocked(trace.value, ids))
    inside, outside, kept = _hosts(assessment, needed)
    upcoming, short, shares = _upcoming(assessment, packs, days)
    return Blocking(
        names=tuple(names),
        inside=inside,
        outside=outside,
        watched=tuple(watched),
        upcoming=upcoming,
        left_out=(*left, *kept, *short),
        ports=tuple(sorted({port for pack in packs for port in pack.spreading.scan_ports})),
        shares=shares,
    )


def _against(trace: Trace) -> str | None:
    """Why a name or an address of the outside world is not blocked; None if it is."""
    if trace.sort is Sort.OWN:
        return None
    if trace.sort is Sort.GENERATED:
        if not trace.convicted:
            return NOT_CONVICTED
        return SHORT if len(trace.value.partition(".")[0]) < LEAST_LETTERS else None
    return {Sort.ORDINARY: ORDINARY, Sort.SINKHOLE: SINKHOLE, Sort.CALLED: CALLED}[trace.sort]


def _hosts(assessment: Assessment, needed: Set[str]) -> tuple[tuple[Blocked, ...], tuple[Blocked, ...], list[LeftOut]]:
    inside: list[Blocked] = []
    outside: list[Blocked] = []
    left: list[LeftOut] = []
    homes = Counter(h.address for h in assessment.hosts)
    for host in assessment.hosts:
        if host.verdict not in {Infection.INFECTED, Infection.SUSPECTED} or not is_address(host.address):
            continue
        ids = tuple(dict.fromkeys(i for r in host.reasons for i in r.findings))
        reason = SHARED if homes[host.address] > 1 else _against_host(host, needed)
        if reason:
            left.append(LeftOut(host.address, f"{host.verdict.value} host", reason, ids))
        else:
            (outside if "outside" in host.roles else inside).append(Blocked(host.address, ids))
    return tuple(inside), tuple(outside), left


def _against_host(host: Host, needed: Set[str]) -> str | None:
    roles = [role for role in _NEEDED if role in host.roles]
    if roles or not needed.isdisjoint(host.addresses):
        return NEEDED.format(role=roles[0].replace("-", " ") if roles else "named in site.toml")
    if host.verdict is Infection.SUSPECTED:
        return SUSPECTED
    return CHANGED if any(r.rule == "site.changed-hands" for r in host.reasons) else None


def _upcoming(
    assessment: Assessment, packs: Sequence[ThreatPack], days: int
) -> tuple[tuple[Upcoming, ...], Iterable[LeftOut], tuple[tuple[str, int, int], ...]]:
    """Names of so many days from the evidence's last on, of the variants of infected hosts; those left out for being short."""
    found = {x for h in assessment.hosts if h.verdict is Infection.INFECTED for x in h.variant}
    out: dict[str, Upcoming] = {}
    left: list[LeftOut] = []
    shares: dict[str, list[int]] = {}
    if assessment.as_of is None:
        return (), left, ()
    for day in (assessment.as_of.date() + timedelta(days=n) for n in range(days)):
        for variant in (v for pack in packs for v in pack.variants if v.domains and v.letter in found):
            names = variant.domains.names((day - _EPOCH).days) if variant.domains else []
            kept = [n for n in names if len(n.partition(".")[0]) >= LEAST_LETTERS and is_name(n)]
            share = shares.setdefault(variant.letter, [0, 0])
            share[0] += len(names) - len(kept)
            share[1] += len(names)
            for name in kept:
                out.setdefault(name, Upcoming(name, variant.letter, day))
            if len(kept) < len(names):
                what = f"{len(names) - len(kept)} names of variant {variant.letter} for {day}"
                left.append(LeftOut(what, "generated, upcoming", SHORT, ()))
    told = tuple((letter, short, made) for letter, (short, made) in sorted(shares.items()))
    return tuple(sorted(out.values(), key=lambda u: (u.day, u.variant, u.value))), left, told
