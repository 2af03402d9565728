"""What comes of an assessment: files in the forms that were asked for, and a table on standard output.

`OUTPUTS` is the registry: one line a form. Whatever is checked of outputs (that none overwrites evidence or another,
that hostile text stays text, that a shareable copy names nobody) is checked of every line of it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from wormward.command import ending
from wormward.command.surroundings import language
from wormward.model.errors import UsageError
from wormward.model.pack import ThreatPack
from wormward.model.site import Site
from wormward.model.states import Assessment
from wormward.model.text import printable
from wormward.outfile import check_folder, check_writable, write_whole
from wormward.report import blocklists, csvout

if TYPE_CHECKING:
    from wormward.command.assess import Request
    from wormward.report.i18n import Language

Texts = Mapping[str, str]
"""The text of each file by its name in the output's folder; one file alone has the name ""."""


@dataclass(frozen=True, slots=True)
class Told:
    """What an output is made from: an assessment (or its shareable copy), the packs, what was asked, the site as given."""

    assessment: Assessment
    packs: tuple[ThreatPack, ...]
    asked: Request
    site: Site


@dataclass(frozen=True, slots=True)
class Output:
    """One form: `option` is a field of `Request` and the option of the command line that names its file or folder."""

    option: str
    make: Callable[[Told], Texts]
    files: tuple[str, ...] = ()  # names in its folder; empty: it is one file
    shareable: bool = True  # makes sense with pseudonyms

    def place(self, asked: Request) -> Path | None:
        """The file or folder that was asked for."""
        place: Path | None = getattr(asked, self.option)
        return place

    def paths(self, asked: Request) -> tuple[Path, ...]:
        """Every file that will be written."""
        place = self.place(asked)
        if place is None:
            return ()
        return tuple(place / name for name in self.files) if self.files else (place,)


# What makes a form and is slow to load is loaded only where that form is asked for.


def _json(told: Told) -> Texts:
    from wormward.report.jsonout import to_json  # noqa: PLC0415

    return {"": to_json(told.assessment)}


def _html(told: Told) -> Texts:
    from wormward.report.html import to_html  # noqa: PLC0415

    return {"": to_html(told.assessment, told.packs, language(told.asked.language, told.packs))}


def _csv(told: Told) -> Texts:
    return csvout.to_csv(told.assessment)


def _stix(told: Told) -> Texts:
    from wormward.report.stix import to_stix  # noqa: PLC0415

    return {"": to_stix(told.assessment, told.packs)}


def _ocsf(told: Told) -> Texts:
    from wormward.report.ocsf import to_ocsf  # noqa: PLC0415

    return {"": to_ocsf(told.assessment, told.packs)}


def _blocklists(told: Told) -> Texts:
    site = told.site
    needed = site.domain_controllers | site.resolvers | site.proxies | site.scanners
    return blocklists.to_blocklists(told.assessment, told.packs, told.asked.block_days, needed)


OUTPUTS = (
    Output("json", _json),
    Output("html", _html),
    Output("stix", _stix),
    Output("ocsf", _ocsf),
    Output("csv", _csv, files=csvout.FILES),
    Output("blocklists", _blocklists, files=blocklists.FILES, shareable=False),
)


def places(asked: Request) -> tuple[Path, ...]:
    """Every file and folder that is written, the workspace among them."""
    return tuple(place for place in (*(output.place(asked) for output in OUTPUTS), asked.workspace) if place)


def check(asked: Request) -> None:
    """See, before long work begins, that every output can be written. Raises UsageError with what to do instead."""
    for output in OUTPUTS:
        if asked.pseudonymous and not output.shareable and output.place(asked):
            raise UsageError(f"--{output.option} with --pseudonymous would name other people's addresses: leave one of them out")
    if asked.block_days and not asked.blocklists:
        raise UsageError("--block-days says how many days of names --blocklists DIR is to hold: give that too")
    named: dict[Path, str] = {}
    for output in OUTPUTS:
        for path in output.paths(asked):
            other = named.setdefault(path.resolve(), output.option)
            if other != output.option:
                raise UsageError(f"--{other} and --{output.option} both name {printable(str(path))}: give each a file of its own")
    for output in OUTPUTS:
        if output.files and (folder := output.place(asked)):
            check_folder(folder, output.files, asked.paths)
        else:
            for path in output.paths(asked):
                check_writable(path, asked.paths)


def write(told: Told) -> None:
    """Make every text first, then write: a text that cannot be made leaves no file behind, one that has no room only itself."""
    ending.check()
    texts: list[tuple[Path, str]] = []
    for output in OUTPUTS:
        place = output.place(told.asked)
        if place is not None:
            texts += [(place / name if output.files else place, text) for name, text in output.make(told).items()]
    for path, text in texts:
        write_whole(path, text)
    if not told.asked.quiet and sys.stdout is not None:  # closed by whoever started us: the files and the exit code answer
        _show(told.assessment, language(told.asked.language, told.packs))


def _show(assessment: Assessment, spoken: Language) -> None:
    from wormward.report.terminal import show  # noqa: PLC0415

    # A terminal whose encoding lacks a character gets its escape, never an exception.
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        show(assessment, sys.stdout, language=spoken)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read our output had enough; the rest goes nowhere, and the exit code is that of the assessment.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
