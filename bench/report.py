"""The HTML report of ten thousand hosts: how long it takes to build, what it weighs, whether Chromium scrolls it smoothly.

The assessment is made up value by value, for the report is what is measured: a tree of infections over forty networks,
every kind of finding, a dozen reasons on the worst hosts. Chromium shows the file and is scrolled through the table of
hosts, frame by frame; it also sorts and filters it. Without Chromium the first two figures are measured, exit 3.

    python -m bench.report [HOSTS]
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bench.compare import limit, show
from tests.browser import Browser, Page
from wormward.model.findings import Cite, Finding, Kind
from wormward.model.pack import ThreatPack
from wormward.model.states import (
    Assessment,
    Coverage,
    Edge,
    Exposure,
    Host,
    Infection,
    PatientZero,
    Protection,
    Reason,
    Way,
    Why,
)
from wormward.packs import builtin_packs
from wormward.report.html import to_html
from wormward.report.i18n import load

HOSTS = 10_000
MOST_SECONDS = 10.0
MOST_BYTES = 10_000_000
FRAME_MS = 1000 / 60
SMOOTH_MS = 2 * FRAME_MS
"""Of a hundred frames while scrolling, ninety-five take no longer: at most one of the display's frames is lost."""
BEGIN = datetime(2026, 3, 2, 8, tzinfo=UTC)
SHA = "ab" * 32
DECIDES = "Only a look at the host itself (services, scheduled tasks, files, updates) can show that it is clean."
_KINDS = tuple(Kind)[:9]
_STATES = (
    (0.30, Infection.INFECTED),
    (0.36, Infection.SUSPECTED),
    (0.66, Infection.ATTACKED),
    (0.70, Infection.UNKNOWN),  # with something against it
    (1.00, Infection.UNKNOWN),  # silent
)


def _address(n: int) -> str:
    return f"10.{n // 10_000 + 20}.{n // 250 % 40}.{n % 250 + 1}"


def _state(n: int) -> tuple[Infection, bool]:
    """The state of the n-th host and whether it is silent; a fixed mixture, the same at every place."""
    share = (n * 7919 % 1000) / 1000
    index = next(i for i, (upper, _) in enumerate(_STATES) if share < upper)
    return _STATES[index][1], index == len(_STATES) - 1


def outbreak(hosts: int, pack: ThreatPack, *, everybody: bool = False) -> Assessment:
    """A made-up assessment of so many hosts, all of them infected if `everybody`; the same number, the same values."""
    sentences = [w for w in pack.judge.weights if w.role == "actor"]
    made: list[Host] = []
    findings: list[Finding] = []
    edges: list[Edge] = []
    infected: list[int] = []
    for n in range(hosts):
        verdict, silent = (Infection.INFECTED, False) if everybody else _state(n)
        ill = verdict is Infection.INFECTED or n == 0
        first = BEGIN + timedelta(seconds=4 * n)
        cause = infected[(len(infected) * 31) // 97] if infected else None
        own = [] if silent else _findings(n, first, 6 if ill else 2, cause)
        findings += own
        by: tuple[Edge, ...] = ()
        if ill and cause is not None and n % 11:
            way = Way.EXPLOIT if n % 3 else Way.PASSWORD
            by = (Edge(_address(cause), _address(n), first, way, 0.5 + n % 50 / 100, (own[0].id,)),)
            edges += by
        infected += [n] if ill else []
        made.append(
            Host(
                address=_address(n),
                addresses=(_address(n),),
                device=f"ws-{n:05}.example",
                site="Example hospital",
                verdict=Infection.INFECTED if ill else verdict,
                unknown_because=Why.SILENT if silent else Why.NOT_CONCLUSIVE if verdict is Infection.UNKNOWN else None,
                exposure=Exposure.UNKNOWN,
                protection=Protection.UNKNOWN,
                threat=pack.name if ill else None,
                variant=("ABC"[n % 3],) if ill else (),
                detail="",
                names={"Acme": "Worm.A"} if ill else {},
                confidence=0.0 if silent else 0.999,
                first_seen=first,
                last_seen=first + timedelta(hours=3),
                infected_by=by,
                reasons=tuple(
                    Reason(f.rule, sentences[i % len(sentences)].sentence, {}, (f.id,), 6000) for i, f in enumerate(own)
                ),
                would_decide=() if ill else (DECIDES,),
                way=by[0].way if by else Way.UNKNOWN if ill else None,
            )
        )  # fmt: skip
    end = BEGIN + timedelta(seconds=4 * hosts, hours=3)
    source = Coverage("core.pcap", SHA, "pcap", "frame", BEGIN, end, "UTC", "stamped", {"flows": 10**8})
    return Assessment(
        pack={"name": pack.name, "title": pack.title, "version": pack.version, "digest": pack.digest},
        as_of=end,
        site="Example hospital",
        tolerance_days=7,
        all_time=False,
        hosts=tuple(made),
        findings=tuple(findings),
        edges=tuple(edges),
        patient_zero=(PatientZero(_address(0), "Example hospital", 0.97, BEGIN),),
        coverage=(source, replace(source, source="copy.pcap", duplicate_of="core.pcap")),
    )


def _findings(n: int, first: datetime, count: int, cause: int | None) -> list[Finding]:
    own = []
    for i in range(count):
        kind = _KINDS[(n + i) % len(_KINDS)]
        actor, target = (_address(cause), _address(n)) if i == 0 and cause is not None else (_address(n), None)
        own.append(
            Finding(
                rule=f"bench.{kind.value}", kind=kind, actor=actor, target=target, site="Example hospital",
                time=first + timedelta(minutes=i), time_last=first + timedelta(minutes=i + 5), count=20,
                sentence="{actor} contacted {sinkhole}, a known sinkhole of the worm",
                fields={"actor": actor, "sinkhole": "192.0.2.1"}, rows=(n,),
                cites=(Cite(SHA, "frame", 10 * n + i + 1),), key=str(i),
            )
        )  # fmt: skip
    return own


SCROLL = """new Promise((done) => {{
  const times = [];
  let last = performance.now(), left = {frames};
  window.scrollTo(0, document.getElementById('hosts').offsetTop + {begin});
  const step = (now) => {{
    times.push(now - last);
    last = now;
    window.scrollBy(0, 120);
    if (left--) requestAnimationFrame(step); else done(times.slice(5));
  }};
  requestAnimationFrame(step);
}})"""
"""Scrolls through the table of hosts, 7,200 pixels a second, and returns how long each frame took, in milliseconds."""
FRAMES = 240
ROUNDS = 3
"""Each round scrolls over rows that were not shown before; the smoothest counts, for others use this machine too."""

PAINTED = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now() - begin))))"
SORT = (
    "(() => { const begin = performance.now(); document.querySelector('table.hosts thead button').click();"
    f" return {PAINTED}; }})()"
)
FILTER = (
    "(() => { const begin = performance.now(); const list = document.querySelector('.tools select');"
    f" list.value = 'attacked'; list.dispatchEvent(new Event('change')); return {PAINTED}; }})()"
)


def frames(page: Page) -> list[float]:
    """How long each frame took while the table of hosts was scrolled, shortest first, in milliseconds."""
    rounds = [sorted(page.run(SCROLL.format(frames=FRAMES, begin=n * FRAMES * 150))) for n in range(ROUNDS)]
    return min(rounds, key=lambda times: float(times[len(times) * 95 // 100]))


def main(words: list[str]) -> int:
    """Build, weigh, show and scroll; see the module's own words."""
    hosts = int(words[0]) if words else HOSTS
    packs = builtin_packs()
    assessment = outbreak(hosts, packs[0])
    rows = []
    text = ""
    for code in ("en", "ja"):
        begin = time.perf_counter()
        text = to_html(assessment, packs, load(code, packs))
        rows.append(limit(f"report of {hosts:,} hosts, {code}: build", ours=time.perf_counter() - begin, most=MOST_SECONDS))
        rows.append(limit(f"report of {hosts:,} hosts, {code}: weight", ours=len(text.encode()), most=MOST_BYTES, unit="B"))
    chromium = shutil.which("chromium")
    if chromium is None:
        show(rows)
        print("Chromium is not installed: how smoothly the report scrolls was not measured (scripts/system.sh test)")
        return 3
    with tempfile.TemporaryDirectory(prefix="wormward-report-") as folder:
        file = Path(folder) / "report.html"
        file.write_text(text, encoding="utf-8")
        with Browser(chromium, Path(folder) / "profile") as browser:
            begin = time.perf_counter()
            page = browser.open(file)
            page.run("new Promise((done) => requestAnimationFrame(() => done(1)))")
            rows.append(limit("Chromium: opened and drawn", ours=time.perf_counter() - begin, most=MOST_SECONDS))
            took = frames(page)
            rows.append(
                limit("Chromium: frame while scrolling, 95th of 100", ours=took[len(took) * 95 // 100], most=SMOOTH_MS, unit="ms")
            )
            rows.append(limit("Chromium: sort all hosts", ours=page.run(SORT), most=2000, unit="ms"))
            rows.append(limit("Chromium: filter by state", ours=page.run(FILTER), most=1000, unit="ms"))
            print(f"{len(took)} frames: median {took[len(took) // 2]:.1f} ms, longest {took[-1]:.1f} ms")
    return show(rows)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
