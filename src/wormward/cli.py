"""The command line. Only what `--help` needs is imported before a command runs.

Exit codes: 0 nothing found and all evidence given was read; 1 a host is infected or suspected (or what `--fail-on`
names); 2 it could not run; 3 nothing found, but part of the evidence could not be read; 130 interrupted.
"""

from __future__ import annotations

import gc
import os
import sys
import traceback
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wormward import __version__
from wormward.command.ending import COULD_NOT_RUN, INTERRUPTED, NO_REPORT, complain, guarded, last_word, leave
from wormward.model.tlp import Tlp

if TYPE_CHECKING:
    from wormward.model.states import Assessment

CALM = (100_000, 20, 50)
"""Objects made, and rounds, after which Python looks for circles of objects that nobody needs any more."""
SWITCH_S = 0.0005
"""Seconds after which Python lets another thread go on."""
FOUND, IN_PART = 1, 3

app = typer.Typer(
    name="wormward", no_args_is_help=True, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False
)


class FailOn(StrEnum):
    """States that can be asked to count as found."""

    ATTACKED = "attacked"
    LEFTOVERS = "leftovers"
    EXPOSED = "exposed"


class EngineName(StrEnum):
    """Who answers queries; the names of `engine.ENGINES`."""

    DUCKDB = "duckdb"
    SPARK = "spark"


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"wormward {__version__}")
        raise typer.Exit


@app.callback()
def wormward(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say the version and stop.")
    ] = False,
) -> None:
    """Find every host that a network worm infected, with evidence, offline."""


@app.command()
def assess(
    context: typer.Context,
    *,
    paths: Annotated[
        list[Path] | None,
        typer.Argument(metavar="PATH...", show_default=False, help="Captures, logs and folders of them; .gz, .xz and .zst too."),
    ] = None,
    json: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write the whole assessment as JSON.")] = None,
    html: Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write a report for people, one file.")] = None,
    stix: Annotated[Path | None, typer.Option("--stix", metavar="FILE", help="Write a STIX 2.1 bundle.")] = None,
    ocsf: Annotated[
        Path | None, typer.Option("--ocsf", metavar="FILE", help="Write OCSF detection findings, one JSON object a line.")
    ] = None,
    csv: Annotated[Path | None, typer.Option("--csv", metavar="DIR", help="Write tables for spreadsheets there.")] = None,
    blocklists: Annotated[
        Path | None,
        typer.Option("--blocklists", metavar="DIR", help="Write what is safe to block there: an RPZ zone, Suricata rules."),
    ] = None,
    block_days: Annotated[
        int,
        typer.Option(
            "--block-days",
            metavar="N",
            min=0,
            max=31,
            help="With --blocklists: names of N days from the evidence's last day on.",
        ),
    ] = 0,
    pseudonymous: Annotated[
        Path | None,
        typer.Option(
            "--pseudonymous",
            metavar="KEYFILE",
            help="Make a copy to share: your addresses, names, files are pseudonyms; times stay. Not with --blocklists.",
        ),
    ] = None,
    tlp: Annotated[
        Tlp, typer.Option("--tlp", case_sensitive=False, help="Whom the outputs may be passed on to; each is marked so.")
    ] = Tlp.AMBER,
    workspace: Annotated[
        Path | None,
        typer.Option("--workspace", metavar="DIR", help="Keep the evidence there, beside what it holds already."),
    ] = None,
    compare: Annotated[
        str | None, typer.Option("--compare", metavar="REPORT", help="Say what differs since: `last`, a run, a report, a DIR.")
    ] = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="TIME", help="Leave out what is earlier (ISO 8601; UTC or --tz).")
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", metavar="TIME", help="Leave out what is later; a date includes its day.")
    ] = None,
    dc: Annotated[list[str] | None, typer.Option("--dc", metavar="ADDRESS", help="A domain controller; repeat for more.")] = None,
    site: Annotated[Path | None, typer.Option("--site", metavar="FILE", help="What you know of the site (site.toml).")] = None,
    separate: Annotated[bool, typer.Option("--separate", help="Give each file a site of its own.")] = False,
    all_time: Annotated[bool, typer.Option("--all-time", help="Try names of every day, not only of the evidence's.")] = False,
    tolerance: Annotated[
        int | None,
        typer.Option(
            "--tolerance", metavar="DAYS", min=0, max=3650, help="Days each way that clocks may be off (default: the pack's)."
        ),
    ] = None,
    tz: Annotated[
        str | None, typer.Option("--tz", metavar="NAME", help="Time zone of stamps that carry none, e.g. Asia/Tokyo.")
    ] = None,
    year: Annotated[
        int | None,
        typer.Option(
            "--year", metavar="YEAR", min=1990, max=2100, help="Year of the first line of logs whose stamps carry none."
        ),
    ] = None,
    pack: Annotated[
        list[Path] | None,
        typer.Option("--pack", metavar="FOLDER", help="A threat pack instead of the built-in ones; repeat for more."),
    ] = None,
    fail_on: Annotated[
        list[FailOn] | None,
        typer.Option("--fail-on", metavar="WORD", help="Exit 1 for this too: attacked, leftovers or exposed."),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs",
            metavar="N",
            min=1,
            max=256,
            help="Cores that queries use (default: all). Reading uses two, making names all; taskset bounds everything.",
        ),
    ] = None,
    engine: Annotated[EngineName, typer.Option("--engine", help="Who answers queries (spark is an extra).")] = EngineName.DUCKDB,
    lang: Annotated[
        str | None,
        typer.Option("--lang", metavar="CODE", help="Language of what people read: en or ja (default: that of the locale)."),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Say nothing but errors; the exit code and the files answer.")] = False,
) -> None:
    """Say which hosts are infected, by which variant, since when and by whom, and what the evidence could not show.

    Exit codes: 0 nothing found; 1 a host is infected or suspected; 2 could not run; 3 nothing found, but part of the
    evidence could not be read; 130 interrupted.
    """
    if not paths and not workspace:
        typer.echo(context.get_help(), err=True)
        typer.echo("\nGive at least one file or folder, for example: wormward assess capture.pcap", err=True)
        raise typer.Exit(COULD_NOT_RUN)

    def run() -> int:
        from wormward.command import assess as command  # noqa: PLC0415 - what the work needs is slow to import, --help must not be

        asked = command.Request(
            paths=tuple(paths or ()),
            json=json,
            html=html,
            stix=stix,
            ocsf=ocsf,
            csv=csv,
            blocklists=blocklists,
            block_days=block_days,
            pseudonymous=pseudonymous,
            tlp=tlp,
            workspace=workspace,
            compare=compare,
            since=since,
            until=until,
            controllers=tuple(dc or ()),
            site=site,
            separate=separate,
            all_time=all_time,
            tolerance=tolerance,
            time_zone=tz,
            year=year,
            packs=tuple(pack or ()),
            jobs=jobs,
            engine=engine.value,
            quiet=quiet,
            language=lang,
        )
        return exit_code(command.run(asked), tuple(word.value for word in fail_on or ()))

    raise typer.Exit(guarded(run, lang, NO_REPORT))


@app.command()
def keygen(
    path: Annotated[Path, typer.Argument(metavar="FILE", show_default=False, help="A new file; only you can read it.")],
) -> None:
    """Make a key for shareable copies (`assess --pseudonymous`).

    The same key gives the same pseudonyms: keep it for as long as copies must fit each other, and never hand it round.
    """

    def run() -> int:
        from wormward.command.keys import make_key  # noqa: PLC0415 - as above

        make_key(path)
        return 0

    raise typer.Exit(guarded(run))


@app.command()
def why(
    what: Annotated[
        str, typer.Argument(metavar="HOST|FINDING", help="An address, a name, or a finding's id.", show_default=False)
    ],
    *,
    paths: Annotated[
        list[Path] | None, typer.Argument(metavar="PATH...", show_default=False, help="Where the evidence lies now, if it moved.")
    ] = None,
    workspace: Annotated[Path | None, typer.Option("--workspace", metavar="DIR", help="Where a run kept its evidence.")] = None,
    json: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="A report that `assess --json` wrote.")] = None,
) -> None:
    """Show why: the tree of reasons, the cited rows, and the tshark, sed and sha256sum lines that check them.

    Exit codes: 0 told, 2 it could not be.
    """

    def run() -> int:
        from wormward.command import why as command  # noqa: PLC0415 - see assess

        command.run(what, paths or (), workspace, json)
        return 0

    raise typer.Exit(guarded(run))


class Form(StrEnum):
    """Forms of an answer."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


@app.command()
def sql(
    question: Annotated[str, typer.Argument(metavar="QUERY", help="One SELECT in DuckDB's SQL.", show_default=False)],
    *,
    workspace: Annotated[Path, typer.Option("--workspace", metavar="DIR", help="Where an assessment kept its evidence.")],
    form: Annotated[Form, typer.Option("--format", help="How to write the answer.")] = Form.TABLE,
    rows: Annotated[int, typer.Option("--rows", metavar="N", min=1, max=10_000_000, help="Write at most so many rows.")] = 1000,
) -> None:
    """Ask a workspace's tables (docs/tables.md): flows, dns_queries, http_requests, sources and so on.

    Nothing is changed, and the question reaches no file and no network. Exit codes: 0 answered, 2 could not be.
    """

    def run() -> int:
        from wormward.command import sql as command  # noqa: PLC0415 - see assess

        if command.run(question, workspace, form.value, rows):
            complain(f"there are more rows; these are the first {rows}, --rows gives more", None)
        return 0

    raise typer.Exit(guarded(run))


site_app = typer.Typer(name="site", no_args_is_help=True, help="What a person knows of the site: site.toml.")
app.add_typer(site_app)


@site_app.callback()
def _site() -> None:
    """What a person knows of the site: site.toml."""


@site_app.command()
def init(
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="PATH...", show_default=False, help="Captures, logs and folders of them, as for assess."),
    ],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="FILE", help="The new file.")] = Path("site.toml"),
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress.")] = False,
) -> None:
    """Write a first site.toml from what the evidence shows: each suggestion commented out, with its reason and its place.

    It changes no answer until somebody has looked at it. Nothing is overwritten. Exit codes: 0 written, 2 it could not be.
    """

    def run() -> int:
        from wormward.command import siteinit  # noqa: PLC0415 - see assess

        siteinit.run(paths, out, quiet)
        return 0

    raise typer.Exit(guarded(run))


def exit_code(assessment: Assessment, fail_on: tuple[str, ...] = ()) -> int:
    """The exit code that an assessment asks for. `infected` and `suspected` win over what could not be read."""
    states = {"infected", "suspected", *fail_on}
    for host in assessment.hosts:
        if host.verdict.value in states or host.exposure.value in states:
            return FOUND
    return IN_PART if any(source.problems for source in assessment.coverage) else 0


def main() -> None:
    """The entry point: run the command that the words of the command line name, and exit with its code."""
    sys.excepthook = last_word
    # Python's own choice looks through all modules again and again while they load: a sixth of a short run.
    gc.set_threshold(*CALM)
    # Threads that read hand small pieces to each other: none should hold the others up for Python's own 5 ms.
    sys.setswitchinterval(SWITCH_S)
    # NumPy's linear algebra, which nobody here uses, would start a thread for each core, and each would spin.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        app()
    except KeyboardInterrupt:
        leave(INTERRUPTED)
    except SystemExit as leaving:
        if isinstance(leaving.code, int):
            leave(leaving.code)
        raise
    except Exception:  # noqa: BLE001 - Python's own exit code for a crash is 1, which here means "infected"
        traceback.print_exc()
        typer.echo(
            "wormward: this is a fault of the program, not of the evidence; please report it with the lines above", err=True
        )
        raise SystemExit(COULD_NOT_RUN) from None


if __name__ == "__main__":
    main()
