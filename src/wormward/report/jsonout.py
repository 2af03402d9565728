"""The machine-readable form: schema `wormward.assessment/1`, described in `docs/assessment.schema.json`.

Fields may be added within /1, none changes its meaning. Same assessment, same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from wormward import __version__
from wormward.model.findings import Cite, Finding
from wormward.model.inventory import Item
from wormward.model.states import Assessment, Coverage, Edge, Host, Infection, Listed, PatientZero, Reason, Why
from wormward.report import compare
from wormward.report.words import cleaned, fill, stamp

SCHEMA = "wormward.assessment/1"


def to_json(assessment: Assessment) -> str:
    """The assessment as JSON text: two blanks of indent, UTF-8 meant, a newline at the end."""
    return json.dumps(cleaned(as_dict(assessment)), indent=2, ensure_ascii=False) + "\n"


def as_dict(assessment: Assessment) -> dict[str, Any]:
    """The assessment as plain values, fields in the contract's order, additions after them."""
    return {
        "schema": SCHEMA,
        "program": {"name": "wormward", "version": __version__},
        "pack": dict(assessment.pack),
        "as_of": stamp(assessment.as_of),
        "site": assessment.site,
        "hosts": [_host(h) for h in assessment.hosts],
        "findings": [_finding(f) for f in assessment.findings],
        "graph": _graph(assessment),
        "coverage": [_coverage(c) for c in assessment.coverage],
        "summary": {state.value: assessment.count(state) for state in Infection},
        "scope": {
            "tolerance_days": assessment.tolerance_days,
            "all_time": assessment.all_time,
            "since": stamp(assessment.since),
            "until": stamp(assessment.until),
        },
        "notes": [*assessment.notes, *(fill(r.sentence, r.fields) for r in assessment.remarks)],
        "passed_over": [{"why": p.why.value, "count": p.count, "names": list(p.names)} for p in assessment.passed_over],
        "tlp": assessment.tlp.label,
        "inventory": _listed(assessment.listed) if assessment.listed else None,
        "compared": compare.as_dict(assessment.compared),
        "pseudonymous": assessment.pseudonymous,
    }


def _letters(variant: Sequence[str]) -> str | list[str] | None:
    """One letter, a sorted list where evidence cannot decide, or null."""
    return variant[0] if len(variant) == 1 else sorted(variant) or None


def _host(host: Host) -> dict[str, Any]:
    return {
        "address": host.address,
        "addresses": list(host.addresses),
        "device": host.device,
        "site": host.site,
        "verdict": host.verdict.value,
        "verdict_reason": host.unknown_because.value if host.unknown_because else None,
        "exposure": host.exposure.value,
        "exposure_reason": Why.NOT_OBSERVED.value if host.exposure.value == "unknown" else None,
        "protection": host.protection.value,
        "protection_reason": Why.NOT_OBSERVED.value if host.protection.value == "unknown" else None,
        "threat": host.threat,
        "variant": _letters(host.variant),
        "detail": host.detail,
        "names": dict(host.names),
        "confidence": host.confidence,
        "first_seen": stamp(host.first_seen),
        "last_seen": stamp(host.last_seen),
        "infected_by": [_arrival(e) for e in host.infected_by],
        "reasons": [_reason(r) for r in host.reasons],
        "history": [
            {"variant": p.variant, "first_seen": stamp(p.first_seen), "last_seen": stamp(p.last_seen)} for p in host.history
        ],
        "way": host.way.value if host.way else None,
        "roles": list(host.roles),
        "clock_offset_days": host.clock_offset_days,
        "would_decide": list(host.would_decide),
        "known_by": host.known_by.value,
        "inventory": _item(host.inventory) if host.inventory else None,
    }


def _item(item: Item) -> dict[str, Any]:
    return {
        "line": item.line,
        "name": item.name,
        "addresses": list(item.addresses),
        "macs": list(item.macs),
        "place": item.place,
        "role": item.role,
        "os": item.os,
    }


def _listed(listed: Listed) -> dict[str, Any]:
    return {
        "source": listed.source,
        "sha256": listed.sha256,
        "hosts": listed.hosts,
        "observed": listed.observed,
        "unlisted": listed.unlisted,
    }


def _arrival(edge: Edge) -> dict[str, Any]:
    return {
        "address": edge.start,
        "way": edge.way.value,
        "likelihood": edge.likelihood,
        "time": stamp(edge.time),
        "findings": list(edge.findings),
    }


def _reason(reason: Reason) -> dict[str, Any]:
    return {
        "rule": reason.rule,
        "sentence": fill(reason.sentence, reason.fields),
        "findings": list(reason.findings),
        "milli": reason.milli,
    }


def _finding(finding: Finding) -> dict[str, Any]:
    meant = {"vulnerability": finding.vulnerability} if finding.vulnerability else {}
    return {
        "id": finding.id,
        "rule": finding.rule,
        "kind": finding.kind.value,
        **meant,
        "actor": finding.actor,
        "target": finding.target,
        "time": stamp(finding.time),
        "time_last": stamp(finding.time_last),
        "count": finding.count,
        "sentence": fill(finding.sentence, finding.fields),
        "cites": [_cite(c) for c in finding.cites],
        "site": finding.site,
        "variants": sorted(finding.variants),
        "table": finding.table,
        "milli": finding.milli,
        "fields": dict(sorted(finding.fields.items())),
    }


def _cite(cite: Cite) -> dict[str, Any]:
    return {"sha256": cite.sha256, cite.unit: cite.place}


def _graph(assessment: Assessment) -> dict[str, Any]:
    sites = {f.id: f.site for f in assessment.findings}  # an edge joins two hosts of the site of what shows it
    nodes = [h for h in assessment.hosts if h.verdict in (Infection.INFECTED, Infection.SUSPECTED)]
    return {
        "nodes": [
            {
                "address": h.address,
                "site": h.site,
                "verdict": h.verdict.value,
                "variant": _letters(h.variant),
                "first_seen": stamp(h.first_seen),
            }
            for h in nodes
        ],
        "edges": [_edge(e, sites) for e in assessment.edges],
        "patient_zero": [_first(p) for p in assessment.patient_zero],
    }


def _edge(edge: Edge, sites: Mapping[str, str]) -> dict[str, Any]:
    return {
        "from": edge.start,
        "to": edge.end,
        "time": stamp(edge.time),
        "way": edge.way.value,
        "likelihood": edge.likelihood,
        "findings": list(edge.findings),
        "site": next((sites[i] for i in edge.findings if i in sites), ""),
    }


def _first(candidate: PatientZero) -> dict[str, Any]:
    return {
        "address": candidate.address,
        "site": candidate.site,
        "likelihood": candidate.likelihood,
        "first_seen": stamp(candidate.first_seen),
    }


def _coverage(source: Coverage) -> dict[str, Any]:
    return {
        "source": source.source,
        "sha256": source.sha256,
        "kind": source.kind,
        "unit": source.unit,
        "from": stamp(source.begin),
        "to": stamp(source.end),
        "time_zone": source.time_zone,
        "time_zone_known": source.time_zone_known,
        "rows": dict(sorted(source.rows.items())),
        "problems": [{"what": p.what, "place": p.place, "remedy": p.remedy} for p in source.problems],
        "blind": list(source.blind),
        "duplicate_of": source.duplicate_of,
        "group": source.group,
        "notes": list(source.notes),
        "clock_error_seconds": source.clock_error_s,
        "clock_shift_seconds": source.clock_shift_s,
    }
