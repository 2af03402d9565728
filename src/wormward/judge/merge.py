"""Several threat packs, one assessment: each host has the worst answer that any pack gives it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from wormward.model.findings import Finding
from wormward.model.pack import ThreatPack
from wormward.model.states import Assessment, Host, Infection

_WORST = (
    Infection.INFECTED,
    Infection.SUSPECTED,
    Infection.LEFTOVERS,
    Infection.ATTACKED,
    Infection.UNKNOWN,
    Infection.CLEAN,
)


def named(findings: Sequence[Finding], pack: ThreatPack) -> list[Finding]:
    """`findings` with the pack in their keys, so that two packs' findings of one rule are two events."""
    return [replace(f, key=f"{pack.name}:{f.key}") for f in findings]


def merge(assessments: Sequence[Assessment]) -> Assessment:
    """One assessment of several over the same evidence, in the packs' order; one stays as it is.

    A host keeps the reasons of the pack that gives the worst answer (of equal ones the surest, then the first).
    The graph is the union; candidates for the first host stand pack by pack.
    """
    first = assessments[0]
    if len(assessments) == 1:
        return first
    hosts: dict[tuple[str, str], Host] = {}
    for host in (h for a in assessments for h in a.hosts):
        key = (host.site, host.address)
        hosts[key] = _worse(hosts[key], host) if key in hosts else host
    return replace(
        first,
        pack={name: ", ".join(a.pack[name] for a in assessments) for name in first.pack},
        hosts=tuple(hosts.values()),
        findings=tuple(sorted((f for a in assessments for f in a.findings), key=lambda f: (f.time, f.rule, f.id))),
        edges=tuple(sorted((e for a in assessments for e in a.edges), key=lambda e: (e.time, e.end, -e.likelihood, e.start))),
        patient_zero=tuple(p for a in assessments for p in a.patient_zero),
        tolerance_days=max(a.tolerance_days for a in assessments),
        notes=tuple(dict.fromkeys(n for a in assessments for n in a.notes)),
    )


def _worse(a: Host, b: Host) -> Host:
    worse = min(a, b, key=lambda h: (_WORST.index(h.verdict), -h.confidence, -len(h.reasons)))
    return replace(worse, roles=tuple(sorted({*a.roles, *b.roles})))
