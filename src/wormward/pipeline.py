"""The page to read first: evidence becomes tables, tables become findings, findings become a state per host.

    take_in     which of the files that were given are evidence, of what kind, and new; each reader turns its files into
                rows of tables, and says what it could not read
    clocks      times of sources that are off against the others are set right, by events that several of them saw
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
from typing import Protocol

from wormward import detect
from wormward.annotate import Days, Notes, annotate_all
from wormward.detect import Scope, names_unmet
from wormward.detect.year_of_names import YearOfNames
from wormward.engine import ENGINES, Duck, Engine, Survey, clocks, infer_domain_controllers, infer_forwarders, survey
from wormward.intake import take_in
from wormward.judge import Binding, judge
from wormward.judge.inventory import with_inventory
from wormward.judge.merge import merge, named
from wormward.judge.wording import clocks_off, closed_network, of_inventory
from wormward.model.errors import NoEvidenceError, UsageError
from wormward.model.findings import Finding
from wormward.model.pack import ThreatPack
from wormward.model.reading import ReadContext
from wormward.model.site import Site
from wormward.model.states import Assessment, Coverage, Remark
from wormward.model.tables import FACTS
from wormward.store import MEMORY, Workspace

MOST_SIGHTED = 520
"""An identity at more addresses is no device's (see `judge.identities`), and its sightings may be many millions."""


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
    memory_bytes: int = MEMORY,
    jobs: int = 1,
    engine_name: str = "duckdb",
    progress: Progress | None = None,
) -> Assessment:
    """The whole story of `wormward assess`.

    `since` (inclusive) and `until` (exclusive) bound the evidence that is looked at, `tolerance_days` is the pack's
    own where None. `workspace` keeps the tables: evidence that earlier runs brought is judged with what is new in
    `paths`, and not read again. `memory_bytes` of rows are kept in memory, `jobs` are the cores that queries use,
    `engine_name` (of `engine.ENGINES`) is who answers them. Raises NoEvidenceError if nothing could be read, WorkspaceError if
    tables cannot be kept.
    """
    if not packs:
        raise UsageError("there is no threat pack to assess with")
    engine_class = ENGINES[engine_name]
    engine_class.check()
    site, progress = site or Site(), progress or Silent()
    with Workspace(workspace, memory_bytes) as store:
        context = _context(store, site, packs, progress)
        taken = take_in(paths, store, context, separate, lambda total: progress.begin("reading", total))
        coverage = taken.coverage
        parts = {table.name: store.parts(table.name) for table in FACTS}
        with engine_class(parts, store.sources(), since=since, until=until, threads=jobs, temp=store.scratch()) as engine:
            coverage = _set_right(engine, coverage, jobs)
            looked = survey(engine)
            if looked.days is None and (since or until) and any(any(c.rows.values()) for c in coverage):
                raise NoEvidenceError("nothing of the evidence lies between --since and --until; widen them")
            bindings = _bindings(engine)
            as_of = engine.latest() if since or until else max((c.last for c in coverage if c.last), default=None)
            judged = []
            remarks: list[Remark] = [*taken.remarks, *clocks_off(coverage)]
            for pack in packs:
                progress.begin(f"looking for {pack.title}")
                own = pack if tolerance_days is None else replace(pack, tolerance_days=tolerance_days)
                scope, findings = _findings(engine, own, looked, site, all_time=all_time, notes=store.notes)
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
    remarks += of_inventory(merged.listed, merged.hosts)
    return replace(
        merged,
        coverage=with_inventory(merged.coverage, site.inventory),
        since=since,
        until=until,
        passed_over=taken.passed_over,
        remarks=tuple(remarks),
    )


def _set_right(engine: Engine, coverage: tuple[Coverage, ...], jobs: int) -> tuple[Coverage, ...]:
    """Move the times of sources whose clocks are off against the others'; coverage says by how much."""
    if engine.sources.num_rows < 2:  # nobody to differ from
        return coverage
    told = {c.sha256 for c in coverage if c.clock_error_s}
    sure = frozenset(r["source"] for r in engine.sources.to_pylist() if r["sha256"] in told)
    with Duck(engine.parts, engine.sources, threads=jobs) as duck:  # whatever the engine: its rows tell the same
        shifts = clocks.shifts(duck, sure)
    if shifts:
        engine.shift(shifts)
    moved = {r["sha256"]: round(shifts.get(r["source"], 0) / 1e6) for r in engine.sources.to_pylist()}
    return tuple(replace(c, clock_shift_s=moved.get(c.sha256, 0)) for c in coverage)


def _context(store: Workspace, site: Site, packs: Sequence[ThreatPack], progress: Progress) -> ReadContext:
    """What readers must know: where rows go, and what any of the packs wants kept."""
    wants = tuple(dict.fromkeys(want for pack in packs for want in pack.wants))
    calls = tuple(dict.fromkeys(call for pack in packs for call in pack.wanted_calls))
    return ReadContext(store, site, wants, calls, progress.advance, lambda: YearOfNames(packs))


def _bindings(engine: Engine) -> list[Binding]:
    """What identities each address was seen to have."""
    if "bindings" in engine.empty():
        return []
    rows = engine.tables()["bindings"]
    by = ("site", "address", "kind", "value")
    spans = rows.group_by(*by).agg(first=rows.time.min(), last=rows.time.max())
    # Where an address had several identities of a kind, or an identity several addresses, each sighting counts: it may have
    # come back to one of them. What has more addresses than a device can have is a router or a pool, its sightings tell nothing.
    ones, others = ("site", "address", "kind"), ("site", "kind", "value")
    several = spans.group_by(*ones).agg(count=spans.count()).filter(lambda t: t["count"] > 1)
    moved = spans.group_by(*others).agg(count=spans.count()).filter(lambda t: (t["count"] > 1) & (t["count"] <= MOST_SIGHTED))
    told = spans.select(*by)
    single = told.semi_join(several, list(ones)).union(told.semi_join(moved, list(others)), distinct=True)
    each = rows.semi_join(single, list(by)).select(*by, first=rows.time, last=rows.time).distinct()
    alone = spans.anti_join(single, list(by))
    return [Binding(**row) for shown in (alone, each) for row in engine.fetch(shown)]


def _findings(
    engine: Engine, pack: ThreatPack, looked: Survey, site: Site, *, all_time: bool, notes: Notes | None
) -> tuple[Scope, list[Finding]]:
    """Annotate and detect with one pack; with what was known of the evidence as a whole."""
    first, last = looked.days or (0, 0)
    annotate_all(engine, pack, Days(first, last, all_time, looked.spans), notes)
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
