"""The assessment as a STIX 2.1 bundle: who is infected with what, seen when and how often, and what gives it away.

- an *infrastructure* a host that is infected or suspected, of its addresses, hosting the malware with our confidence
- *malware*: the family and each variant that was found; the *vulnerability* that was tried
- *observed-data* a finding (count, first, last), with a *note* that says it in words and cites sources
- a *sighting* of the malware a host, resting on its findings; a *note* with the host's reasons
- *indicators* only where a pattern is justified: names that the worm made (for their day, give or take the pack's
  tolerance), places of its own, and connections to sinkholes; never ordinary sites that it asks, never a site's own hosts
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta

from wormward.model.findings import Finding
from wormward.model.pack import ThreatPack
from wormward.model.states import Assessment, Host, Infection
from wormward.report.stixbase import (
    KNOWN_SINCE,
    MOST_COUNT,
    Bundle,
    Object,
    equals,
    moment,
    observable_type,
    pattern,
    percent,
)
from wormward.report.traces import Sort, Trace, is_address, is_name, named, sort_of, traces
from wormward.report.words import NOBODYS, fill

_ILL = (Infection.INFECTED, Infection.SUSPECTED)
_CVE = re.compile(r"CVE-\d{4}-\d{4,}")
_DAY = timedelta(days=1)
_DESCRIBED = {
    Sort.GENERATED: "A name that the malware makes for one day.",
    Sort.OWN: "A name that only the malware asks for.",
    Sort.SINKHOLE: "Who calls this is probably infected. Watch it: blocking it would blind those who warn you.",
}
"""The sorts of traces that justify a pattern."""


def to_stix(assessment: Assessment, packs: Sequence[ThreatPack]) -> str:
    """The bundle as JSON text."""
    return _Writer(assessment, packs).text()


class _Writer:
    """Adds objects in the order in which others refer to them."""

    def __init__(self, assessment: Assessment, packs: Sequence[ThreatPack]) -> None:
        self.assessment = assessment
        self.packs = packs
        self.bundle = Bundle(assessment.tlp, pseudonymous=assessment.pseudonymous)
        self.now = moment(assessment.as_of) or KNOWN_SINCE
        self.malware: dict[tuple[str, str], str] = {}  # pack and letter ("" for the family) to id
        self.observed: dict[str, str] = {}  # finding to id
        self.infrastructure: dict[tuple[str, str], str] = {}
        self.sites: dict[str, str] = {}

    def text(self) -> str:
        for pack in self.packs:
            self._family(pack)
        for finding in self.assessment.findings:
            self._finding(finding)
        for host in self.assessment.hosts:
            if host.verdict in _ILL:
                self._host(host)
        self._edges()
        for trace in traces(self.assessment, self.packs):
            self._indicator(trace)
        if self.assessment.pseudonymous and (addresses := self.bundle.addresses()):
            note: Object = {"abstract": "Pseudonyms", "content": NOBODYS, "object_refs": addresses}
            self.bundle.add("note", self.now, note)
        return self.bundle.text()

    def _site(self, name: str) -> str:
        if name not in self.sites:
            about = NOBODYS if self.assessment.pseudonymous else None
            said: Object = {"name": name, "description": about, "identity_class": "group"}
            self.sites[name] = self.bundle.add("identity", KNOWN_SINCE, said)
        return self.sites[name]

    def _family(self, pack: ThreatPack) -> None:
        """The family, the variants that this evidence names, and the holes that they go through."""
        said: Object = {"name": pack.title, "malware_types": ["worm"], "is_family": True}
        family = self.malware[pack.name, ""] = self.bundle.add("malware", KNOWN_SINCE, said)
        found = {x for h in self.assessment.hosts if pack.name in _threats(h) for x in h.variant}
        if len(self.packs) == 1:  # of several packs a finding does not say whose variants it means
            found |= {x for f in self.assessment.findings for x in f.variants}
        for variant in pack.variants:
            if variant.letter in found:
                said = {
                    "name": f"{pack.title} {variant.letter}",
                    "aliases": sorted(set(variant.names.values())) or None,
                    "description": variant.detail or None,
                    "malware_types": ["worm"],
                    "is_family": True,
                }
                one = self.malware[pack.name, variant.letter] = self.bundle.add("malware", KNOWN_SINCE, said)
                self.bundle.relate(one, "variant-of", family, KNOWN_SINCE)
        if pack.spreading.variants_exploit:
            for hole in sorted({f.vulnerability for f in self.assessment.findings if f.vulnerability}):
                self._hole(hole, family)

    def _hole(self, hole: str, family: str) -> None:
        cve = _CVE.search(hole)
        reference = [{"source_name": "cve", "external_id": cve[0]}] if cve else None
        said = {"name": cve[0] if cve else hole, "description": hole, "external_references": reference}
        self.bundle.relate(family, "exploits", self.bundle.add("vulnerability", KNOWN_SINCE, said), KNOWN_SINCE)

    def _finding(self, finding: Finding) -> None:
        values = [v for v in (finding.actor, finding.target) if v and is_address(v)]
        values += [v for v in named(finding) if sort_of(v, finding, self.packs) and (is_name(v) or is_address(v))]
        if not values:
            return
        created = moment(finding.time_last) or self.now
        said: Object = {
            "first_observed": moment(finding.time),
            "last_observed": created,
            "number_observed": min(finding.count, MOST_COUNT),
            "object_refs": [self.bundle.observable(v) for v in dict.fromkeys(values)],
        }
        self.observed[finding.id] = seen = self.bundle.add("observed-data", created, said)
        places = "; ".join(f"{c.sha256} {c.unit} {c.place}" for c in finding.cites)
        text = f"{fill(finding.sentence, finding.fields)}\nEvidence (sha256, place): {places}"
        note: Object = {"abstract": f"{finding.id} {finding.rule}", "content": text, "object_refs": [seen]}
        self.bundle.add("note", created, note)

    def _host(self, host: Host) -> None:
        created = moment(host.last_seen) or self.now
        said: Object = {
            "name": f"{host.verdict.value} host {host.device}" + (f" ({host.address})" if host.device != host.address else ""),
            "infrastructure_types": ["botnet"],
            "first_seen": moment(host.first_seen),
            "last_seen": moment(host.last_seen),
            "confidence": percent(host.confidence),
        }
        one = self.infrastructure[host.site, host.address] = self.bundle.add("infrastructure", created, said)
        for address in host.addresses:
            if is_address(address):
                self.bundle.relate(one, "consists-of", self.bundle.observable(address), created)
        findings = dict.fromkeys(i for r in host.reasons for i in r.findings)
        for malware in self._malware_of(host):
            sure: Object = {"confidence": percent(host.confidence)}
            self.bundle.relate(one, "hosts", malware, created, sure)
            seen: Object = {
                "first_seen": moment(host.first_seen),
                "last_seen": moment(host.last_seen),
                "count": min(max(len(findings), 1), MOST_COUNT),
                "sighting_of_ref": malware,
                "observed_data_refs": [self.observed[i] for i in findings if i in self.observed] or None,
                "where_sighted_refs": [self._site(host.site)],
                "confidence": percent(host.confidence),
            }
            self.bundle.add("sighting", created, seen)
        reasons = "\n".join(fill(r.sentence, r.fields) for r in host.reasons)
        note: Object = {
            "abstract": f"{host.address}: {host.verdict.value}",
            "content": reasons or host.verdict.value,
            "object_refs": [one],
            "confidence": percent(host.confidence),
        }
        self.bundle.add("note", created, note)

    def _malware_of(self, host: Host) -> Iterable[str]:
        """The one variant where it is clear, else the family: an undecided variant is no sighting of two."""
        for pack in self.packs:
            if pack.name in _threats(host):
                letter = host.variant[0] if len(host.variant) == 1 else ""
                yield self.malware.get((pack.name, letter), self.malware[pack.name, ""])

    def _edges(self) -> None:
        site_of = {f.id: f.site for f in self.assessment.findings}
        for edge in self.assessment.edges:
            site = next((site_of[i] for i in edge.findings if i in site_of), "")
            start, end = self.infrastructure.get((site, edge.start)), self.infrastructure.get((site, edge.end))
            if start and end:
                said: Object = {
                    "description": f"{edge.start} infected {edge.end} ({edge.way.value})",
                    "start_time": moment(edge.time),
                    "confidence": percent(edge.likelihood),
                }
                self.bundle.relate(start, "related-to", end, moment(edge.time) or self.now, said)

    def _indicator(self, trace: Trace) -> None:
        if trace.sort not in _DESCRIBED or not trace.convicted:
            return
        first = min(f.time for f in trace.findings)
        said: Object = {
            "name": f"{trace.sort.value}: {trace.value}",
            "description": _DESCRIBED[trace.sort],
            "indicator_types": ["compromised"] if trace.sort is Sort.SINKHOLE else ["malicious-activity"],
            "pattern": _pattern(trace),
            "pattern_type": "stix",
            "valid_from": moment(first),
        }
        if trace.sort is Sort.GENERATED:
            begin, end = _days(trace, first, self.assessment.tolerance_days)
            said |= {"valid_from": moment(begin), "valid_until": moment(end)}
        if trace.sort is Sort.SINKHOLE:
            said["description"] = (
                "Whoever calls this address is probably infected. Watch it; blocking it blinds those who warn you."
            )
        one = self.bundle.add("indicator", moment(first) or self.now, said)
        for malware in self._indicated(trace):
            self.bundle.relate(one, "indicates", malware, moment(first) or self.now)
        for finding in trace.findings:
            if finding.id in self.observed:
                self.bundle.relate(one, "based-on", self.observed[finding.id], moment(first) or self.now)

    def _indicated(self, trace: Trace) -> list[str]:
        letters = {x for f in trace.findings for x in f.variants}
        of_variants = [i for (_, letter), i in self.malware.items() if letter in letters]
        return of_variants if len(of_variants) == 1 else [i for (_, letter), i in self.malware.items() if not letter]


def _threats(host: Host) -> list[str]:
    return (host.threat or "").split(", ")


def _pattern(trace: Trace) -> str:
    kind = observable_type(trace.value)
    if trace.sort is Sort.SINKHOLE and trace.is_address:
        return pattern((equals("network-traffic:dst_ref.type", kind), equals("network-traffic:dst_ref.value", trace.value)))
    return pattern((equals(f"{kind}:value", trace.value),))


def _days(trace: Trace, first: datetime, tolerance: int) -> tuple[datetime, datetime]:
    """From when to when a generated name means something: its day, give or take what clocks may be off."""
    told = [day for f in trace.findings if (day := _day(str(f.fields.get("day", ""))))]
    begin, end = min(told, default=first), max(told, default=first)
    return begin - tolerance * _DAY, end + (tolerance + 1) * _DAY


def _day(text: str) -> datetime | None:
    try:
        return datetime.combine(date.fromisoformat(text), time(), UTC)
    except ValueError:
        return None
