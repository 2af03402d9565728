"""What `wormward assess` does around the assessment: check what was asked, show progress, write what came of it."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from importlib.abc import MetaPathFinder
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from wormward.model.errors import UsageError
from wormward.model.pack import ThreatPack
from wormward.model.site import Site
from wormward.model.states import Assessment
from wormward.model.text import printable
from wormward.outfile import check_writable, write_whole
from wormward.sitefile import load_site, with_options

if TYPE_CHECKING:
    from wormward.pipeline import Progress


_NAMED_PATHS = 3


@dataclass(frozen=True, slots=True)
class Request:
    """What the command line asks for, as given."""

    paths: tuple[Path, ...]
    json: Path | None = None
    html: Path | None = None
    workspace: Path | None = None
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
    quiet: bool = False


def run(asked: Request) -> Assessment:
    """Assess, show and write. Raises WormwardError where that cannot be done; then no report is there that is not whole."""
    site = with_options(load_site(asked.site) if asked.site else Site(), list(asked.controllers), asked.time_zone, asked.year)
    since, until = between(asked.since, asked.until, site)
    outputs = [path for path in (asked.json, asked.html) if path]
    if len({path.resolve() for path in outputs}) < len(outputs):
        raise UsageError(f"--json and --html both name {printable(str(outputs[0]))}: give each a file of its own")
    for path in outputs:
        check_writable(path, asked.paths)
    _check_paths(asked.paths)
    with _numba_cache():
        _lean_arrow()
        from wormward import packs, pipeline  # noqa: PLC0415 - after the cache's place is set

        loaded = tuple(packs.load(folder) for folder in asked.packs) or tuple(packs.builtin_packs())
        with _progress(asked.quiet) as progress:
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
                jobs=asked.jobs or len(os.sched_getaffinity(0)),
                progress=progress,
            )
    _write(asked, assessment, loaded)
    return assessment


def _write(asked: Request, assessment: Assessment, packs: tuple[ThreatPack, ...]) -> None:
    """Make every text first, then write: a text that cannot be made leaves no file behind, one that has no room only itself."""
    # What makes a form is loaded only where that form is asked for.
    texts: list[tuple[Path, str]] = []
    if asked.json:
        from wormward.report.jsonout import to_json  # noqa: PLC0415

        texts.append((asked.json, to_json(assessment)))
    if asked.html:
        from wormward.report.html import to_html  # noqa: PLC0415

        texts.append((asked.html, to_html(assessment, packs)))
    for path, text in texts:
        write_whole(path, text)
    if not asked.quiet and sys.stdout is not None:  # closed by whoever started us: the files and the exit code answer
        from wormward.report.terminal import show  # noqa: PLC0415

        # A terminal whose encoding lacks a character gets its escape, never an exception.
        if hasattr(sys.stdout, "reconfigure"):
            sys.stdout.reconfigure(errors="backslashreplace")
        try:
            show(assessment, sys.stdout)
            sys.stdout.flush()
        except BrokenPipeError:
            # Whoever read our output had enough; the rest goes nowhere, and the exit code is that of the assessment.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _check_paths(paths: tuple[Path, ...]) -> None:
    """What is not there is a line of the report beside what is; nothing at all is told before long work begins."""
    if not any(os.path.lexists(path) for path in paths):
        given = ", ".join(printable(str(path)) for path in paths[:_NAMED_PATHS])
        more = f" and {len(paths) - _NAMED_PATHS} more" if len(paths) > _NAMED_PATHS else ""
        remedy = f"check the name{'s' if len(paths) > 1 else ''}"
        if Path("-") in paths:
            remedy = "standard input is not read, write it into a file and give that"
        raise UsageError(f"{given}{more}: there is no such file or folder; {remedy}")


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


@contextmanager
def _numba_cache() -> Iterator[None]:
    """Say where compiled loops are kept if not beside the code: the user's cache folder, or one for this run only.

    Numba loads what it finds there as code, so it must be a folder that nobody else can write.
    """
    if os.environ.get("NUMBA_CACHE_DIR") or os.access(Path(__file__).parent, os.W_OK):
        yield
        return
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser())
    folder = home / "wormward" / "numba"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        usable = os.access(folder, os.W_OK)
    except OSError:
        usable = False
    if usable:
        os.environ["NUMBA_CACHE_DIR"] = str(folder)
        yield
        return
    with tempfile.TemporaryDirectory(prefix="wormward-") as once:
        os.environ["NUMBA_CACHE_DIR"] = once
        yield


class _NoPandas(MetaPathFinder):
    """Finds nothing, where pandas is asked for."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        """Say that there is no pandas; leave all else to others."""
        del path, target
        if name == "pandas":
            raise ModuleNotFoundError(name)


def _lean_arrow() -> None:
    """Keep Arrow from loading pandas (a sixth of a second), which we never use.

    Arrow looks once, when it is first given a list, whether pandas is installed, to know pandas' own values by sight.
    """
    import pyarrow as pa  # noqa: PLC0415 - see run()

    absent = _NoPandas()
    sys.meta_path.insert(0, absent)
    try:
        pa.array([])
    finally:
        sys.meta_path.remove(absent)


@contextmanager
def _progress(quiet: bool) -> Iterator[Progress]:
    """Progress on standard error if somebody looks at it; else nothing."""
    from wormward.pipeline import Silent  # noqa: PLC0415

    if quiet or not sys.stderr.isatty():
        yield Silent()
        return
    from wormward.report.progress import Bars  # noqa: PLC0415

    with Bars(sys.stderr) as bars:
        yield bars
