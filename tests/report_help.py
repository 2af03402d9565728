"""Assessments for the report tests: an outbreak with everything in it, and one full of hostile names."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from tests.judge_help import DAMAGED, DAY, Told, assessed, capture_coverage, judged, pack, transcript
from wormward.judge import Binding
from wormward.model.site import Site
from wormward.model.states import Problem

STORY = """
    08:00 10.0.0.1 names.day-list B milli=14000 names=31 asked=250 variant=B day=2009-02-02 offset_days=1 until=20:00
    08:10 10.0.0.1 exploit.path        > 10.0.0.2 A,B,E frame=10
    08:10 10.0.0.1 exploit.fetch       > 10.0.0.2 A,B,E executable=yes frame=14
    08:20 10.0.0.2 names.day-list B milli=14000 names=9 asked=9 variant=B day=2009-02-02 offset_days=0 line=7
    08:30 10.0.0.2 logon.burst         > 10.0.0.3
    08:31 10.0.0.2 lateral.admin-share > 10.0.0.3 B
    d2 08:40 10.0.0.3 p2p.ports C milli=12000
    09:00 10.0.0.2 exploit.path        > 10.0.0.40 A,B,E
    09:00 10.0.0.5 scan.smb
    09:10 10.0.0.5 logon.burst         > 10.0.0.41
    10:00 10.0.0.6 scan.smb
    11:00 10.0.0.9 exploit.path        > 10.0.0.40 A
    11:00 203.0.113.7 exploit.path     > 10.0.0.42 A,B,E
"""

POISON = (
    "<script>alert(1)</script>\u202eevil\u2066[red]x[/red]\x1b]8;;http://x\x07=cmd|'/c calc'!A1 {actor} \ud800 \x00 ' \" `id`"
)
"""Markup, bidi, a terminal escape, rich markup, a formula, a placeholder, a lone surrogate, quotes."""

SITE = POISON.replace("\ud800", "")
"""A site's name: read as UTF-8, so without the surrogate."""


@cache
def outbreak() -> Told:
    """A small outbreak: infected, suspected, attacked, not conclusive, silent, excused; one damaged source."""
    clean = capture_coverage(source="dns.log.gz", sha256="12" * 32, kind="zeek-dns", unit="line", time_zone_known="assumed")
    silent = [f"10.0.0.{n}" for n in range(50, 62)]
    return assessed(
        STORY, silent=silent, coverage=(capture_coverage(), DAMAGED, clean), site=Site(scanners=frozenset({"10.0.0.9"}))
    )


@cache
def poisoned() -> Told:
    """Hostile text wherever text can come from evidence: fields, source names, problems, site names."""
    findings = [
        replace(f, fields={"names": POISON, "asked": 3, "variant": POISON, "day": POISON}, site=SITE) for f in transcript(STORY)
    ]
    source = capture_coverage(source=POISON, problems=(Problem(POISON, POISON, POISON),))
    names = [Binding(SITE, f"10.0.0.{n}", "dhcp-name", POISON, DAY) for n in range(1, 60)]
    return judged(findings, coverage=(source,), threat=pack(title=POISON), site=Site(name=SITE), bindings=names)
