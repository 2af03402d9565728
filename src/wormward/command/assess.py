"""What `wormward assess` does around the assessment: check what was asked, show progress, write what came of it."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo

from wormward.command import earlier, outputs
from wormward.command.keys import read_key
from wormward.command.surroundings import language, lean_arrow, numba_cache, shown_progress
from wormward.machine import processors
from wormward.model.errors import UsageError
from wormward.model.site import Site
from wormward.model.states import Assessment
from wormward.model.text import printable
from wormward.model.tlp import Tlp

_NAMED_PATHS = 3


@dataclass(frozen=True, slots=True)
class Request:
    """What the command line asks for, as given."""

    paths: tuple[Path, ...]
    json: Path | None = None
    html: Path | None = None
    stix: Path | None = None
    ocsf: Path | None = None
    csv: Path | None = None
    blocklists: Path | None = None
    block_days: int = 0
    pseudonymous: Path | None = None  # the key file
    tlp: Tlp = Tlp.AMBER
    workspace: Path | None = None
    compare: str | None = None
    since: str | None = None
    until: str | None = None
    controllers: tuple[str, ...] = ()
    site: Path | None = None
    separate: bool = False
    all_time: bool = False
    tolerance: int | None = None
    time_zone: str | None = None
    year: int | None = None
    packs: tuple[Path, ...] = ()
    jobs: int | None = None
    engine: str = "duckdb"
    quiet: bool = False
    language: str | None = None  # what --lang says


def run(asked: Request) -> Assessment:
    """Assess, show and write. Raises WormwardError where that cannot be done; then no report is there that is not whole."""
    language(asked.language)
    site = _described(asked)
    since, until = between(asked.since, asked.until, site)
    outputs.check(asked)
    key = read_key(asked.pseudonymous, outputs.places(asked)) if asked.pseudonymous else None
    _check_paths(asked.paths)
    before = None if asked.compare is None else earlier.report(asked.compare, asked.workspace)
    with numba_cache():
        lean_arrow()
        from wormward import packs, pipeline  # noqa: PLC0415 - after the cache's place is set

        loaded = tuple(packs.load(folder) for folder in asked.packs) or tuple(packs.builtin_packs())
        with shown_progress(asked.quiet) as progress:
            assessment = pipeline.assess(
                asked.paths,
                packs=loaded,
                site=site,
                since=since,
                until=until,
                all_time=asked.all_time,
                separate=asked.separate,
                tolerance_days=asked.tolerance,
                workspace=asked.workspace,
                jobs=asked.jobs or processors(),
                engine_name=asked.engine,
                progress=progress,
            )
    assessment = replace(assessment, tlp=asked.tlp)
    plain = assessment
    if asked.compare is not None:
        assessment = earlier.compared(assessment, before, asked.compare)
    if asked.workspace:
        earlier.keep(plain, asked.workspace)
    if key is not None:
        from wormward.report.pseudonyms import pseudonymous  # noqa: PLC0415 - loads a library of ciphers

        # Before any output is made, so that none can forget it.
        assessment = pseudonymous(assessment, loaded, key)
    outputs.write(outputs.Told(assessment, loaded, asked, site))
    return assessment


def _check_paths(paths: tuple[Path, ...]) -> None:
    """What is not there is a line of the report beside what is; nothing at all is told before long work begins."""
    if paths and not any(os.path.lexists(path) for path in paths):
        given = ", ".join(printable(str(path)) for path in paths[:_NAMED_PATHS])
        more = f" and {len(paths) - _NAMED_PATHS} more" if len(paths) > _NAMED_PATHS else ""
        remedy = f"check the name{'s' if len(paths) > 1 else ''}"
        if Path("-") in paths:
            remedy = "standard input is not read, write it into a file and give that"
        raise UsageError(f"{given}{more}: there is no such file or folder; {remedy}")


def _described(asked: Request) -> Site:
    """What is said of the site, in a file and by options. Raises SiteError, UsageError."""
    if not (asked.site or asked.controllers or asked.time_zone or asked.year):
        return Site()
    from wormward.sitefile import load_site, with_options  # noqa: PLC0415 - strict forms are slow to make

    return with_options(load_site(asked.site) if asked.site else Site(), list(asked.controllers), asked.time_zone, asked.year)


def between(since: str | None, until: str | None, site: Site) -> tuple[datetime | None, datetime | None]:
    """The times from which (inclusive) and to which (exclusive) evidence is looked at. Raises UsageError."""
    zone: tzinfo = ZoneInfo(site.time_zone) if site.time_zone else UTC
    first = _moment("--since", since, zone, timedelta(0))
    last = _moment("--until", until, zone, timedelta(days=1))
    if first and last and first >= last:
        raise UsageError("--since is not before --until: nothing would be left to look at; give the earlier time to --since")
    return first, last


def _moment(option: str, text: str | None, zone: tzinfo, whole_day: timedelta) -> datetime | None:
    if text is None:
        return None
    try:
        try:
            moment = datetime.combine(date.fromisoformat(text), time(), zone) + whole_day
        except ValueError:
            moment = datetime.fromisoformat(text)
            moment = moment if moment.tzinfo else moment.replace(tzinfo=zone)
        return moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise UsageError(f"{option} {printable(text)!r} is no ISO 8601 time; write 2009-02-01 or 2009-02-01T08:00:00Z") from error
