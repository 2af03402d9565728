"""What comes of an assessment: files in the forms that were asked for, and a table on standard output."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from wormward.model.pack import ThreatPack
from wormward.model.states import Assessment
from wormward.outfile import write_whole

if TYPE_CHECKING:
    from wormward.command.assess import Request


def write(asked: Request, assessment: Assessment, packs: tuple[ThreatPack, ...]) -> None:
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
        _show(assessment)


def _show(assessment: Assessment) -> None:
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
