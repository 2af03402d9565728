"""Findings and verdicts as OCSF events, one JSON object a line: class Detection Finding (2004) of schema 1.5.0.

One event a finding, in order of time, then one event a host that is infected or suspected (`finding_info.uid` begins
with ``H-``), whose related events are the findings that its verdict rests on. Times are those of the evidence, in
milliseconds. Source of names and numbers: the published schema (schema.ocsf.io, 1.5.0).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from wormward import __version__
from wormward.model.findings import Finding, Kind
from wormward.model.pack import ThreatPack
from wormward.model.states import Assessment, Host, Infection
from wormward.report.traces import is_address, is_name, named, sort_of
from wormward.report.words import NOBODYS, cleaned, fill

SCHEMA = "1.5.0"
CLASS = 2004
CREATE = 1
MOST_COUNT = 2**31 - 1
"""The schema's integers have 32 bits."""
_CVE = re.compile(r"CVE-\d{4}-\d{4,}")
_INFORMATIONAL, _LOW, _MEDIUM, _HIGH, _CRITICAL = 1, 2, 3, 4, 5
_SEVERITY = {Infection.INFECTED: _CRITICAL, Infection.SUSPECTED: _HIGH}
_WORM = 22  # classification of malware
_RULE = 1  # type of an analytic
_HOSTNAME, _IP = 1, 2  # types of observables
_UNKNOWN_DEVICE = 0
_TACTICS = {
    Kind.DOMAIN_LOOKUP: ("TA0011", "Command and Control", "T1568.002", "Domain Generation Algorithms"),
    Kind.CALL_HOME: ("TA0011", "Command and Control", "T1071.001", "Web Protocols"),
    Kind.PEER_TO_PEER: ("TA0011", "Command and Control", "T1095", "Non-Application Layer Protocol"),
    Kind.SCAN: ("TA0007", "Discovery", "T1046", "Network Service Discovery"),
    Kind.EXPLOIT_ATTEMPT: ("TA0008", "Lateral Movement", "T1210", "Exploitation of Remote Services"),
    Kind.EXPLOIT_FETCH: ("TA0008", "Lateral Movement", "T1210", "Exploitation of Remote Services"),
    Kind.LOGON_BURST: ("TA0006", "Credential Access", "T1110.001", "Password Guessing"),
    Kind.LATERAL_WRITE: ("TA0008", "Lateral Movement", "T1021.002", "SMB/Windows Admin Shares"),
    Kind.SHARE_WRITE: ("TA0008", "Lateral Movement", "T1080", "Taint Shared Content"),
}
"""MITRE ATT&CK, enterprise matrix: tactic and technique of what was seen."""


def to_ocsf(assessment: Assessment, packs: Sequence[ThreatPack]) -> str:
    """The events as JSON lines."""
    writer = _Writer(assessment, packs)
    ill = [h for h in assessment.hosts if h.verdict in _SEVERITY]
    ordered = sorted(assessment.findings, key=lambda f: (f.time, f.id))
    events = [*map(writer.finding, ordered), *map(writer.host, ill)]
    return "".join(json.dumps(cleaned(event), ensure_ascii=False) + "\n" for event in events)


class _Writer:
    """Makes events of one assessment."""

    def __init__(self, assessment: Assessment, packs: Sequence[ThreatPack]) -> None:
        self.assessment = assessment
        self.packs = packs
        self.verdicts = {(h.site, h.address): h for h in assessment.hosts}
        self.kinds = {f.id: f for f in assessment.findings}

    def finding(self, finding: Finding) -> dict[str, Any]:
        actor = self.verdicts.get((finding.site, finding.actor))
        severity = _MEDIUM if actor and actor.verdict in _SEVERITY else _INFORMATIONAL if not finding.variants else _LOW
        info = {
            "uid": finding.id,
            "title": finding.rule,
            "desc": fill(finding.sentence, finding.fields),
            "types": [finding.kind.value],
            "analytic": {"name": finding.rule, "uid": finding.rule, "type_id": _RULE, "type": "Rule"},
            "first_seen_time": millis(finding.time),
            "last_seen_time": millis(finding.time_last),
            "data_sources": sorted({c.sha256 for c in finding.cites}),
            "attacks": self._attacks(finding),
        }
        evidence = {
            "src_endpoint": _endpoint(finding.actor),
            "dst_endpoint": _endpoint(finding.target) if finding.target else None,
            "data": {"rule": finding.rule, "cites": [{"sha256": c.sha256, c.unit: c.place} for c in finding.cites]},
        }
        outside = [v for v in named(finding) if sort_of(v, finding, self.packs) and (is_name(v) or is_address(v))]
        people = [a for a in (finding.actor, finding.target) if a]
        return self._event(
            info,
            severity,
            finding.time_last,
            finding.site,
            start_time=millis(finding.time),
            end_time=millis(finding.time_last),
            count=min(finding.count, MOST_COUNT),
            message=fill(finding.sentence, finding.fields),
            evidences=[_kept(evidence)],
            observables=[_observable(v) for v in dict.fromkeys((*people, *outside))],
            vulnerabilities=_vulnerabilities(finding.vulnerability),
        )

    def host(self, host: Host) -> dict[str, Any]:
        findings = [i for i in dict.fromkeys(i for r in host.reasons for i in r.findings) if i in self.kinds]
        told = "; ".join(fill(r.sentence, r.fields) for r in host.reasons)
        called = " / ".join(p.title for p in self.packs if p.name in (host.threat or "").split(", ")) or host.threat or ""
        malware = {
            "name": " ".join(x for x in (called, "/".join(host.variant)) if x),
            "classification_ids": [_WORM],
            "classifications": ["Worm"],
        }
        info = {
            "uid": "H-" + hashlib.sha256(f"{host.site}|{host.address}".encode()).hexdigest()[:12],
            "title": f"{host.address} is {host.verdict.value}",
            "desc": told,
            "types": ["verdict"],
            "first_seen_time": millis(host.first_seen),
            "last_seen_time": millis(host.last_seen),
            "related_events": [{"uid": i, "type_uid": CLASS * 100 + CREATE} for i in findings],
            "related_events_count": len(findings),
        }
        sure = round(host.confidence * 100)
        return self._event(
            info,
            _SEVERITY[host.verdict],
            host.last_seen or self.assessment.as_of,
            host.site,
            start_time=millis(host.first_seen),
            end_time=millis(host.last_seen),
            message=f"{host.address} is {host.verdict.value}: {told}",
            malware=[malware],
            confidence_score=sure,
            confidence_id=3 if sure >= 90 else 2 if sure >= 50 else 1,
            device=_device(host),
            observables=[_observable(a) for a in host.addresses],
            is_alert=True,
        )

    def _event(self, info: dict[str, Any], severity: int, time: datetime | None, site: str, **more: Any) -> dict[str, Any]:
        names = {_INFORMATIONAL: "Informational", _LOW: "Low", _MEDIUM: "Medium", _HIGH: "High", _CRITICAL: "Critical"}
        # The product stands first: by it these files are known for our own.
        return {
            "metadata": {
                "product": {"name": "Wormward", "vendor_name": "Wormward", "version": __version__},
                "version": SCHEMA,
                "labels": [self.assessment.tlp.label, *([NOBODYS] if self.assessment.pseudonymous else [])],
                "uid": info["uid"],
                "log_name": site,
            },
            "category_uid": 2,
            "category_name": "Findings",
            "class_uid": CLASS,
            "class_name": "Detection Finding",
            "activity_id": CREATE,
            "activity_name": "Create",
            "type_uid": CLASS * 100 + CREATE,
            "type_name": "Detection Finding: Create",
            "severity_id": severity,
            "severity": names[severity],
            "time": millis(time) or 0,
            "timezone_offset": 0,
            "finding_info": _kept(info),
            **_kept(more),
        }

    @staticmethod
    def _attacks(finding: Finding) -> list[dict[str, Any]] | None:
        if finding.kind not in _TACTICS:
            return None
        tactic, tactic_name, technique, name = _TACTICS[finding.kind]
        said: dict[str, Any] = {"tactic": {"uid": tactic, "name": tactic_name}}
        what = "sub_technique" if "." in technique else "technique"
        return [{**said, what: {"uid": technique, "name": name}}]


def millis(time: datetime | None) -> int | None:
    """Milliseconds since 1970."""
    return None if time is None else int(time.timestamp() // 1) * 1000 + time.microsecond // 1000


def _kept(values: Mapping[str, Any]) -> dict[str, Any]:
    """Without what is not known."""
    return {k: v for k, v in values.items() if v is not None and v != []}


def _endpoint(address: str) -> dict[str, str]:
    return {"ip": address} if is_address(address) else {"name": address}


def _device(host: Host) -> dict[str, Any]:
    name = {"hostname": host.device} if is_name(host.device.lower()) else {"name": host.device}
    return {
        **_endpoint(host.address),
        **(name if host.device != host.address else {}),
        "type_id": _UNKNOWN_DEVICE,
        "type": "Unknown",
    }


def _observable(value: str) -> dict[str, Any]:
    address = is_address(value)
    return {
        "name": "finding_info.desc",
        "type_id": _IP if address else _HOSTNAME,
        "type": "IP Address" if address else "Hostname",
        "value": value,
    }


def _vulnerabilities(hole: str | None) -> list[dict[str, Any]] | None:
    cve = _CVE.search(hole or "")
    return [{"title": hole, "cve": {"uid": cve[0]}}] if cve else None
