"""What is odd: Ibis expressions over tables, refined to findings. A new detector is a file and a line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from wormward.detect import (
    alert_rule,
    bots_mail,
    exploit_call,
    exploit_contact,
    exploit_fetch,
    exploit_path,
    http_beacon,
    http_beacon_loose,
    http_download,
    http_relayed,
    http_support,
    lateral_admin_share,
    logon_burst,
    logon_unshown,
    names_date_sites,
    names_day_list,
    names_relayed,
    names_unexplained,
    p2p_packet,
    p2p_ports,
    reported_sinkhole,
    scan_probe,
    scan_smb,
    share_autorun,
    sinkhole_contact,
)
from wormward.detect.base import Detector, Draft, Row, Scope, Tables
from wormward.model.findings import Cite, Finding
from wormward.model.pack import ThreatPack

__all__ = ["DETECTORS", "Detector", "Draft", "Scope", "detector_table", "run"]

DETECTORS: tuple[Detector, ...] = (
    names_day_list.DETECTOR,
    names_relayed.DETECTOR,
    names_unexplained.DETECTOR,
    names_date_sites.DETECTOR,
    http_beacon.DETECTOR,
    http_beacon_loose.DETECTOR,
    http_download.DETECTOR,
    http_support.DETECTOR,
    http_relayed.DETECTOR,
    sinkhole_contact.DETECTOR,
    reported_sinkhole.DETECTOR,
    alert_rule.DETECTOR,
    p2p_ports.DETECTOR,
    p2p_packet.DETECTOR,
    scan_smb.DETECTOR,
    scan_probe.DETECTOR,
    exploit_path.DETECTOR,
    exploit_call.DETECTOR,
    exploit_fetch.DETECTOR,
    exploit_contact.DETECTOR,
    logon_burst.DETECTOR,
    logon_unshown.DETECTOR,
    lateral_admin_share.DETECTOR,
    share_autorun.DETECTOR,
    bots_mail.DETECTOR,
)

Fetch = Callable[[Any], list[Row]]
"""Answers an Ibis expression, in any order; times aware."""
Cites = Callable[[str, Sequence[int]], Mapping[int, Cite]]
"""Where rows (by id) of a fact table come from."""


def run(
    tables: Tables,
    pack: ThreatPack,
    scope: Scope,
    fetch: Fetch,
    cites: Cites,
    *,
    detectors: Sequence[Detector] = DETECTORS,
) -> list[Finding]:
    """All findings of `pack`, ordered by rule, site, actor, target and key; each cites its rows."""
    found: dict[Any, list[Row]] = {}
    drafts = []
    for detector in detectors:
        if detector.idle(pack, scope):
            continue
        if detector.find not in found:
            expression = detector.find(tables, pack, scope)
            found[detector.find] = [] if expression is None else fetch(expression)
        drafts += [(detector, draft) for draft in detector.refine(found[detector.find], pack, scope)]
    places = _places([draft for _, draft in drafts], cites)
    findings = [_finding(detector, draft, places) for detector, draft in drafts]
    return sorted(findings, key=lambda f: (f.rule, f.site, f.actor, f.target or "", f.key))


def _evidence(draft: Draft) -> list[tuple[str, tuple[int, ...]]]:
    return [(draft.table, draft.witness.rows), *draft.also]


def _places(drafts: Sequence[Draft], cites: Cites) -> dict[str, Mapping[int, Cite]]:
    """The sources of all rows that drafts name, asked for once a table."""
    wanted: dict[str, set[int]] = {}
    for draft in drafts:
        for table, rows in _evidence(draft):
            wanted.setdefault(table, set()).update(rows)
    return {table: cites(table, sorted(rows)) for table, rows in sorted(wanted.items())}


def _finding(detector: Detector, draft: Draft, places: Mapping[str, Mapping[int, Cite]]) -> Finding:
    cited = {places[table][row] for table, rows in _evidence(draft) for row in rows}
    return Finding(
        rule=detector.rule,
        kind=detector.kind,
        actor=draft.actor,
        target=draft.target,
        site=draft.site,
        time=draft.witness.time,
        time_last=draft.witness.time_last,
        count=draft.witness.count,
        sentence=draft.sentence,
        fields=draft.fields,
        rows=draft.witness.rows,
        cites=tuple(sorted(cited)),
        table=draft.table,
        variants=draft.variants,
        vulnerability=draft.vulnerability,
        milli=draft.milli,
        key=draft.key,
    )


def detector_table() -> str:
    """The page of all detectors as Markdown, for `docs/detectors.md`."""
    parts = ["# Detectors", "", "Generated from `src/wormward/detect/`; do not edit by hand.", ""]
    parts += ["| rule | kind | what it finds | reads |", "|---|---|---|---|"]
    for d in DETECTORS:
        reads = ", ".join(f"`{name}`" for name in d.tables) or "several"
        parts.append(f"| [`{d.rule}`](#{_anchor(d.rule)}) | {d.kind} | {d.title} | {reads} |")
    for d in DETECTORS:
        parts += ["", f"## {d.rule}", "", f"{d.title}. Its case stands in `tests/detectors/{d.rule}/`.", "", "References:", ""]
        parts += [f"- {text}" for text in d.references]
        parts += ["", "Limitations:", ""]
        parts += [f"- {text}" for text in d.limitations]
    return "\n".join(parts) + "\n"


def _anchor(heading: str) -> str:
    """The anchor that Markdown renderers give a heading."""
    return "".join(c for c in heading.lower() if c.isalnum() or c == "-")
