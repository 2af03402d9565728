"""The page to read first: evidence becomes tables, tables become findings, findings become a state per host.

    discover    which of the files that were given are evidence, and of what kind
    read_all    each reader turns its files into rows of tables, and says what it could not read
    annotate    distinct keys (names, payloads, paths, ports) get columns from the threat pack
    detect      queries over the tables find what is odd, each with the rows that show it
    judge       the pack's weights make of that a state per host, a graph, and who was first

Same input, same assessment, whatever the order of the files or the number of cores.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from threading import Thread
from typing import Protocol

from wormward import detect
from wormward.annotate import Days, annotate_all
from wormward.detect import Scope, names_unmet
from wormward.engine import Duck, Survey, infer_domain_controllers, infer_forwarders, prepare, survey
from wormward.evidence import discover, read_all
from wormward.judge import Binding, judge
from wormward.judge.merge import merge, named
from wormward.judge.wording import closed_network
from wormward.model.errors import NoEvidenceError, UsageError
from wormward.model.findings import Finding
from wormward.model.pack import ThreatPack
from wormward.model.reading import FileRead, ReadContext
from wormward.model.site import Site
from wormward.model.states import Assessment, Coverage, Remark
from wormward.model.tables import FACTS
from wormward.model.text import printable
from wormward.store import SourceRow, Workspace


class Progress(Protocol):
    """Told how far a long work is."""

    def begin(self, what: str, total: int | None = None) -> None:
        """A step begins; `total` bytes are to be read, None if nobody can say."""
        ...

    def advance(self, done: int) -> None:
        """So many more bytes of the step are done."""
        ...


class Silent:
    """Progress that nobody looks at."""

    def begin(self, what: str, total: int | None = None) -> None:
        """Say nothing."""

    def advance(self, done: int) -> None:
        """Say nothing."""


def assess(
    paths: Sequence[Path],
    *,
    packs: Sequence[ThreatPack],
    site: Site | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    all_time: bool = False,
    separate: bool = False,
    tolerance_days: int | None = None,
    workspace: Path | None = None,
    jobs: int = 1,
    progress: Progress | None = None,
) -> Assessment:
    """The whole story of `wormward assess`.

    `since` (inclusive) and `until` (exclusive) bound the evidence that is looked at, `tolerance_days` is the pack's
    own where None, `workspace` keeps the tables, `jobs` are the cores that queries use. Raises
    NoEvidenceError if nothing could be read, WorkspaceError if tables cannot be kept.
    """
    if not packs:
        raise UsageError("there is no threat pack to assess with")
    site, progress = site or Site(), progress or Silent()
    found = discover(paths, site, separate)
    with Workspace(workspace) as store:
        progress.begin("reading", sum(f.size for f in found.files))
        Thread(target=prepare, daemon=True).start()  # meanwhile; whoever asks first waits for it
        reads = read_all(found.files, _context(store, site, packs, progress))
        coverage = _covered([*found.unreadable, *reads], paths)
        store.finish(SourceRow(r.file_no, c.sha256, c.source, c.kind, c.unit) for r in reads for c in (r.coverage,))
        parts = {table.name: store.parts(table.name) for table in FACTS}
        with Duck(parts, store.sources(), since=since, until=until, threads=jobs) as engine:
            looked = survey(engine)
            if looked.days is None and (since or until) and any(any(c.rows.values()) for c in coverage):
                raise NoEvidenceError("nothing of the evidence lies between --since and --until; widen them")
            bindings = _bindings(engine)
            as_of = engine.latest() if since or until else max((c.end for c in coverage if c.end), default=None)
            judged = []
            remarks: list[Remark] = []
            for pack in packs:
                progress.begin(f"looking for {pack.title}")
                own = pack if tolerance_days is None else replace(pack, tolerance_days=tolerance_days)
                scope, findings = _findings(engine, own, looked, site, all_time)
                remarks += names_unmet.look(engine.tables(), own, scope, engine.fetch)
                judged.append(
                    judge(
                        named(findings, own) if len(packs) > 1 else findings,
                        coverage,
                        looked.hosts(site, scope.domain_controllers),
                        site,
                        own,
                        as_of=as_of,
                        tolerance_days=own.tolerance_days,
                        all_time=all_time,
                        bindings=bindings,
                    )
                )
    merged = merge(judged)
    remarks += closed_network(merged.hosts)
    return replace(merged, since=since, until=until, passed_over=found.passed_over, remarks=tuple(remarks))


def _context(store: Workspace, site: Site, packs: Sequence[ThreatPack], progress: Progress) -> ReadContext:
    """What readers must know: where rows go, and what any of the packs wants kept."""
    wants = tuple(dict.fromkeys(want for pack in packs for want in pack.wants))
    calls = tuple(dict.fromkeys(call for pack in packs for call in pack.wanted_calls))
    return ReadContext(store, site, wants, calls, progress.advance)


def _bindings(engine: Duck) -> list[Binding]:
    """What identities each address was seen to have."""
    if "bindings" in engine.empty():
        return []
    rows = engine.tables()["bindings"]
    by = ("site", "address", "kind", "value")
    spans = rows.group_by(*by).agg(first=rows.time.min(), last=rows.time.max())
    # Where an address had several identities of a kind, each sighting counts: it may have come back to one of them.
    several = spans.group_by("site", "address", "kind").agg(count=spans.count()).filter(lambda t: t["count"] > 1)
    each = rows.semi_join(several, ["site", "address", "kind"]).select(*by, first=rows.time, last=rows.time).distinct()
    alone = spans.anti_join(several, ["site", "address", "kind"])
    return [Binding(**row) for shown in (alone, each) for row in engine.fetch(shown)]


def _findings(engine: Duck, pack: ThreatPack, looked: Survey, site: Site, all_time: bool) -> tuple[Scope, list[Finding]]:
    """Annotate and detect with one pack; with what was known of the evidence as a whole."""
    first, last = looked.days or (0, 0)
    annotate_all(engine, pack, Days(first, last, all_time, looked.spans))
    scope = Scope(
        first,
        last,
        pack.tolerance_days,
        all_time,
        site,
        domain_controllers=site.domain_controllers | infer_domain_controllers(engine),
        resolvers=site.resolvers | looked.resolvers | infer_forwarders(engine),
        answering=looked.answering,
        empty=engine.empty(),
        ports=looked.ports,
    )
    return scope, detect.run(engine.tables(), pack, scope, engine.fetch, engine.cites)


def _covered(reads: Sequence[FileRead], paths: Sequence[Path]) -> tuple[Coverage, ...]:
    """Coverage by name; of files with the same bytes all but the first name it. Raises NoEvidenceError if none was read."""
    if not reads:
        given = ", ".join(printable(str(p)) for p in paths)
        raise NoEvidenceError(f"there is no evidence in {given}: give captures (pcap, pcapng), Zeek logs or DNS query logs")
    ordered = sorted((r.coverage for r in reads), key=lambda c: (c.source, c.sha256))
    if all(c.problems and not any(c.rows.values()) for c in ordered):
        worst = ordered[0]
        more = f" (and {len(ordered) - 1} more)" if len(ordered) > 1 else ""
        problem = worst.problems[0]
        place = f", {problem.place}" if problem.place else ""
        raise NoEvidenceError(f"nothing could be read: {worst.source}{place}: {problem.what}{more}; {problem.remedy}".strip("; "))
    first: dict[str, Coverage] = {}
    out = []
    for c in ordered:
        twin = first.setdefault(c.sha256, c) if c.sha256 else c
        out.append(c if twin is c else replace(c, duplicate_of=twin.source))
    return tuple(out)
