"""The HTML report: one file that a director and an analyst can both read, offline, on screen or on paper.

Nothing is loaded from anywhere (a content security policy says so), the table sorts with a few lines of script and
reads without, and every sentence passes `report.i18n`. Jinja escapes whatever comes from evidence.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from wormward import __version__
from wormward.model.findings import Cite, Finding
from wormward.model.pack import ThreatPack, Weight
from wormward.model.states import Assessment, Coverage, Host, Infection, PatientZero, Way
from wormward.model.text import N_
from wormward.report import checks, compare, labels
from wormward.report.care import Care, care, described
from wormward.report.host_rows import HostRows
from wormward.report.i18n import ENGLISH, Language
from wormward.report.next_hour import HIT, sources, steps
from wormward.report.timeline import timeline
from wormward.report.tree import tree
from wormward.report.words import NOBODYS, harmless, minute

MOST_FINDINGS = 1000
"""So many findings are written out; the JSON form has all."""
MOST_SOURCES = 400
"""So many sources are listed, those with problems first among them; the JSON form has all."""
MOST_SITES = 20
"""So many sites' first hosts are named in the summary; the JSON form has all."""
MOST_NAMED = 5
"""So many hosts are named in one sentence."""
MOST_STEP = 60
"""So many hosts are listed with one step of the next hour; the table of hosts has all."""
MOST_CHANGES = 50
"""Differences of one sort to another assessment; the JSON form has all."""
MOST_PLACES = 6
"""So many places of one file are named and put into a command."""


@dataclass(frozen=True, slots=True)
class Place:
    """The places of one finding in one source, and the command that shows them."""

    source: str
    unit: str
    numbers: tuple[int, ...]
    command: str


def to_html(assessment: Assessment, packs: Sequence[ThreatPack] = (), language: Language = ENGLISH) -> str:
    """The report as one HTML page. `packs` are those that it was judged by: their rules and names are explained."""
    environment = Environment(
        loader=PackageLoader("wormward.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(harmless=harmless, minute=minute)
    environment.filters.update(when=language.moment, n=language.number)
    environment.globals.update(_=language, say=language.say, many=language.many, labels=labels, language=language)
    # Paper carries the marking on every page, as its standard asks; a page's margin can hold fixed texts only.
    style, script = _asset("report.css").replace('"TLP"', f'"{assessment.tlp.label}"'), _asset("report.js")
    hosts, evidence = _hosts(assessment), _evidence(assessment)
    deciders = _for_deciders(assessment, packs, language)
    wanted = {sentence: f"more-{i}" for i, (sentence, _) in enumerate(deciders["wanted"], 1)}
    rules: dict[str, str] = {}
    weight_rows = [(pack, [_weight_row(w, rules) for w in pack.judge.weights]) for pack in packs]
    host_row = HostRows(
        language, hosts["anchors"], evidence["shown_findings"], wanted, rules, hosts["several_sites"], assessment.site
    )
    return environment.get_template("report.html").render(
        assessment=assessment,
        nobodys=NOBODYS,
        version=__version__,
        style=style,
        script=script,
        policy=f"default-src 'none'; style-src '{_digest(style)}'; script-src '{_digest(script)}'; "
        "img-src data:; base-uri 'none'; form-action 'none'",
        compared=_compared(assessment, language),
        packs=packs,
        **hosts,
        **evidence,
        by_variant=language.listed(f"{letter}: {language.number(number)}" for letter, number in hosts["letters"]),
        host_row=host_row,
        told_of=described,
        **_first(assessment, language),
        **deciders,
        graph=tree(assessment),
        timeline=timeline(assessment),
        weight_rows=weight_rows,
        vendors=[(pack, sorted({vendor for v in pack.variants for vendor in v.names})) for pack in packs],
    )


def _compared(assessment: Assessment, language: Language) -> dict[str, Any] | None:
    """What differs from an earlier assessment, as sentences."""
    if assessment.compared is None:
        return None
    lines = compare.told(assessment.compared, language, MOST_CHANGES)
    return {"since": compare.since(assessment.compared, language), "lines": lines}


def _asset(name: str) -> str:
    return (files("wormward.report") / "templates" / name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    """The form in which a content security policy names an inline text."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _hosts(assessment: Assessment) -> dict[str, Any]:
    """The hosts as the page shows them: those with something to tell, worst first, and the silent ones."""
    shown = [h for h in labels.worst_first(assessment.hosts) if not labels.is_silent(h) and not labels.is_absent(h)]
    letters: dict[str, int] = {}
    for host in shown:
        if host.verdict is Infection.INFECTED:
            letter = "/".join(host.variant) or "?"
            letters[letter] = letters.get(letter, 0) + 1
    told = sorted({x for h in assessment.hosts for x in h.variant})
    return {
        "hosts": shown,
        "anchors": {(h.site, h.address): f"host-{i}" for i, h in enumerate(shown, 1)},
        "letter_class": {letter: f"v{i % 5}" for i, letter in enumerate(told)},
        "absent": [h for h in assessment.hosts if labels.is_absent(h)],
        "silent": [h for h in assessment.hosts if labels.is_silent(h)],
        "count": {verdict.value: assessment.count(verdict) for verdict in Infection},
        "letters": sorted(letters.items()),
        "shown_verdicts": {verdict.value: any(h.verdict is verdict for h in shown) for verdict in Infection},
        "several_sites": labels.several_sites(assessment),
    }


def _for_deciders(assessment: Assessment, packs: Sequence[ThreatPack], language: Language) -> dict[str, Any]:
    """What the page in plain words rests on, and the steps of the next hour."""
    infected = [h for h in assessment.hosts if h.verdict is Infection.INFECTED]
    affected = [h for h in assessment.hosts if h.verdict in HIT]
    depends = {kind: [h for h in affected if care(h) is kind] for kind in Care}
    seen = [h.first_seen for h in infected if h.first_seen]
    wanted: dict[str, int] = {}
    for host in assessment.hosts:
        for sentence in host.would_decide:
            wanted[sentence] = wanted.get(sentence, 0) + 1

    def named(hosts: Sequence[Host]) -> str:
        shown = language.listed(labels.called(h) for h in hosts[:MOST_NAMED])
        return shown + (language(N_(", …")) if len(hosts) > MOST_NAMED else "")

    return {
        "steps": steps(assessment, packs),
        "most_step": MOST_STEP,
        "near": depends[Care.NEAR],
        "keeps": depends[Care.KEEPS],
        "described": any(described(h) for h in assessment.hosts),
        "affected": len(affected),
        "named": named,
        "attacking": len(sources(assessment)),
        "unseen_way": sum(not h.infected_by and h.way is not Way.UPDATE for h in infected),
        "first_sign": min(seen, default=None),
        "newest_sign": max(seen, default=None),
        "wanted": sorted(wanted.items(), key=lambda pair: (-pair[1], pair[0])),
    }


@dataclass(frozen=True, slots=True)
class First:
    """Who may have been the first of one site: all with at least half the best claim."""

    site: str
    hosts: tuple[PatientZero, ...]
    names: str
    outsider: str  # who infected the first of them, if that is known


def _first(assessment: Assessment, language: Language) -> dict[str, Any]:
    """Who may have been the first, site by site, with the outsider that infected it."""
    hosts = {(h.site, h.address): h for h in assessment.hosts}
    firsts = []
    for site, candidates in labels.candidates(assessment).items():
        likely = tuple(c for c in candidates if 2 * c.likelihood >= candidates[0].likelihood)
        names = language.listed(zero.address for zero in likely[:MOST_NAMED])
        names += language(N_(", …")) if len(likely) > MOST_NAMED else ""
        host = hosts[site, likely[0].address]
        firsts.append(First(site, likely, names, host.infected_by[0].start if host.infected_by else ""))
    shown = [zero for site in labels.candidates(assessment).values() for zero in site[:5]][: 5 * MOST_SITES]
    return {"firsts": firsts[:MOST_SITES], "firsts_left_out": len(firsts[MOST_SITES:]), "shown_candidates": shown}


def _evidence(assessment: Assessment) -> dict[str, Any]:
    """Findings with their places, and the sources with what they cannot show."""
    sources = {c.sha256: c for c in reversed(assessment.coverage) if not c.duplicate_of}
    weighed = {i for h in assessment.hosts for r in h.reasons for i in r.findings}
    # Where not all have room, each infected host's heaviest comes first.
    heaviest = {
        h.reasons[0].findings[0]
        for h in assessment.hosts
        if h.verdict is Infection.INFECTED and h.reasons and h.reasons[0].findings
    }
    findings = sorted(assessment.findings, key=lambda f: (f.id not in heaviest) + (f.id not in weighed))[:MOST_FINDINGS]
    findings.sort(key=lambda f: (f.time, f.id))
    return {
        "findings": [(f, places(f, sources)) for f in findings],
        "findings_left_out": len(assessment.findings) - len(findings),
        "shown_findings": {f.id for f in findings},
        "sources": _listed(assessment.coverage),
        "unread_sources": sum(bool(c.problems) for c in assessment.coverage),
        "holes": sorted({f.vulnerability for f in findings if f.vulnerability}),
        "blind": labels.blind_spots(assessment.coverage),
    }


def _listed(coverage: Sequence[Coverage]) -> list[Coverage]:
    """The sources that the page lists, in their own order."""
    kept = sorted(range(len(coverage)), key=lambda i: not coverage[i].problems)[:MOST_SOURCES]
    return [coverage[i] for i in sorted(kept)]


def places(finding: Finding, sources: Mapping[str, Coverage]) -> list[Place]:
    """Where to look for a finding: per source the first few places and a command that shows them."""
    by_source: dict[tuple[str, str], list[int]] = {}
    for cite in sorted(finding.cites, key=_cite_order(sources)):
        by_source.setdefault((cite.sha256, cite.unit), []).append(cite.place)
    out = []
    for (sha256, unit), numbers in by_source.items():
        name = harmless(sources[sha256].source) if sha256 in sources else sha256[:12]
        first = tuple(sorted(set(numbers))[:MOST_PLACES])
        out.append(Place(name, unit, first, checks.shown(name, unit, first)))
    return out


def _cite_order(sources: Mapping[str, Coverage]) -> Callable[[Cite], tuple[str, str, int]]:
    def key(cite: Cite) -> tuple[str, str, int]:
        return (sources[cite.sha256].source if cite.sha256 in sources else "", cite.sha256, cite.place)

    return key


def _weight_row(weight: Weight, rules: dict[str, str]) -> dict[str, Any]:
    """One weight as the method's table shows it: powers of ten with one decimal; the first of a sentence has its id."""
    new = weight.sentence not in rules
    return {
        "id": rules.setdefault(weight.sentence, f"rule-{len(rules) + 1}") if new else "",
        "weight": weight,
        "adds": None if weight.milli is None else f"{weight.milli / 1000:.1f}",
        "most": f"{weight.most / 1000:.1f}",
        "when": f"{weight.when[0]} = {weight.when[1]}" if weight.when else "",
    }
