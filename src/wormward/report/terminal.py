"""The terminal form: a table of hosts, worst first, and what the evidence could not show.

On a terminal a rich table in its width; elsewhere plain aligned columns that `grep` and `cut` can use. Markup is off
everywhere: no text of evidence is ever read as a colour, a link or an emoji.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TextIO

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from wormward.model.states import Assessment, Host, Infection
from wormward.model.text import N_
from wormward.report import compare
from wormward.report.compare import NO_CHANGE
from wormward.report.i18n import ENGLISH, Language
from wormward.report.labels import (
    VERDICTS,
    blind_spots,
    candidates,
    infector,
    is_absent,
    is_silent,
    main_reason,
    passed_over,
    problems,
    several_sites,
    summary,
    variant,
    worst_first,
)
from wormward.report.words import harmless, minute, shortened

COLUMNS = (N_("Address"), N_("Verdict"), N_("Variant"), N_("First seen (UTC)"), N_("Infected by"), N_("Main reason"))
COLOURS = {
    Infection.INFECTED: "bold red",
    Infection.SUSPECTED: "bold yellow",
    Infection.LEFTOVERS: "yellow",
    Infection.ATTACKED: "magenta",
    Infection.CLEAN: "green",
    Infection.UNKNOWN: "dim",
}

WORTH_NAMING = 0.05
"""Candidates for the first host below this likelihood are left to the other reports."""
MOST_NAME = 48
"""Characters of a device's or a site's name in the table: a hostile one would make every row as wide as itself."""
MOST_CHANGES = 10
"""Differences of one sort to another assessment; the JSON form has all."""
MOST_SITES = 5
"""So many sites' first hosts are named; the other reports have all."""


def show(assessment: Assessment, out: TextIO, *, language: Language = ENGLISH, width: int | None = None) -> None:
    """Write the whole assessment to `out`; `width` in cells, asked of the terminal if None."""
    console = Console(file=out, markup=False, highlight=False, emoji=False, width=width, soft_wrap=False)
    hosts = [h for h in worst_first(assessment.hosts) if not is_silent(h) and not is_absent(h)]
    if hosts and console.is_terminal:
        console.print(_table(hosts, assessment, language))
    elif hosts:
        out.writelines(line + "\n" for line in plain(hosts, assessment, language))
    for line in _below(assessment, language):
        if console.is_terminal:
            console.print(Text(line))
        else:
            out.write(line + "\n")


def rows(hosts: Sequence[Host], assessment: Assessment, language: Language) -> list[tuple[str, ...]]:
    """The cells of each host, harmless; with several sites the address carries its site."""
    several = several_sites(assessment)
    return [
        tuple(
            harmless(cell)
            for cell in (
                _called(h, several),
                language(VERDICTS[h.verdict]),
                variant(h, language),
                minute(h.first_seen),
                infector(h, language),
                main_reason(h, language),
            )
        )
        for h in hosts
    ]


def _called(host: Host, several_sites: bool) -> str:
    """The address, the device's own name where it has one, the site where there are several."""
    name = f" ({shortened(host.device, MOST_NAME)})" if host.device != host.address else ""
    site = f" [{shortened(host.site, MOST_NAME)}]" if several_sites else ""
    return f"{host.address}{name}{site}"


def plain(hosts: Sequence[Host], assessment: Assessment, language: Language = ENGLISH) -> list[str]:
    """The table without colours and lines: columns two blanks apart, never wrapped."""
    cells = [tuple(language(c) for c in COLUMNS), *rows(hosts, assessment, language)]
    widths = [max(cell_len(row[i]) for row in cells) for i in range(len(COLUMNS))]
    padded = (("  ".join(c + " " * (w - cell_len(c)) for c, w in zip(row, widths, strict=True))) for row in cells)
    return [line.rstrip() for line in padded]


def _table(hosts: Sequence[Host], assessment: Assessment, language: Language) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", expand=False)
    for i, column in enumerate(COLUMNS):
        last = i == len(COLUMNS) - 1
        table.add_column(Text(language(column)), no_wrap=i in {0, 1, 3}, overflow="fold", ratio=1 if last else None)
    for host, row in zip(hosts, rows(hosts, assessment, language), strict=True):
        colours = ["", COLOURS[host.verdict], *[""] * 4]
        table.add_row(*(Text(cell, style=colour) for cell, colour in zip(row, colours, strict=True)))
    return table


def _below(assessment: Assessment, language: Language) -> list[str]:
    """The lines under the table: counts, who was first, what could not be read, what could not be seen."""
    lines = ["", summary(assessment, language)]
    silent = sum(is_silent(h) for h in assessment.hosts)
    if silent:
        lines.append(language.many(
            N_("{number} host showed nothing of it: unknown, for traffic alone never shows that a host is clean."),
            N_("{number} hosts showed nothing of it: unknown, for traffic alone never shows that a host is clean."),
            silent,
        ))  # fmt: skip
    lines += _first(assessment, language)
    lines.append(_scope(assessment, language))
    lines.append(assessment.tlp.label)
    if assessment.since or assessment.until:
        since, until = minute(assessment.since) or "-", minute(assessment.until) or "-"
        lines.append(language.say(N_("Only evidence from {since} to {until} UTC was looked at."), since=since, until=until))
    if assessment.compared is not None:
        told = compare.told(assessment.compared, language, MOST_CHANGES)
        lines += ["", compare.since(assessment.compared, language), *(f"  {line}" for line in told or [language(NO_CHANGE)]), ""]
    lines += passed_over(assessment, language)
    lines += [language.say(remark.sentence, remark.fields) for remark in assessment.remarks]
    unread = problems(assessment.coverage, language)
    if unread:
        lines += ["", language(N_("Could not be read:")), *(f"  {line}" for line in unread)]
    blind = blind_spots(assessment.coverage)
    if blind:
        lines += ["", language(N_("What this evidence cannot show:"))]
        lines += [f"  {kind}: {language(sentence)}" for kind, sentence in blind]
    return [harmless(line) for line in lines]


def _first(assessment: Assessment, language: Language) -> list[str]:
    """Who was most likely the first, one line a site."""
    lines = []
    sites = candidates(assessment)
    for site in list(sites)[:MOST_SITES]:
        shown = [p for p in sites[site] if p.likelihood >= WORTH_NAMING][:3]
        hosts = language.listed(f"{p.address} ({language.percent(p.likelihood)})" for p in shown)
        if shown and several_sites(assessment):
            lines.append(
                language.say(N_("Most likely the first of {site}: {hosts}."), site=shortened(site, MOST_NAME), hosts=hosts)
            )
        elif shown:
            lines.append(language.say(N_("Most likely the first: {hosts}."), hosts=hosts))
    return lines


def _scope(assessment: Assessment, language: Language) -> str:
    """Which evidence and which days the answers rest on."""
    until = language.moment(assessment.as_of)
    sources = len(assessment.coverage)
    if assessment.all_time:
        days = language(N_("names of every day were tried"))
    else:
        days = language.say(N_("names of {days} {days|day|days} each way were tried"), days=assessment.tolerance_days)
    return language.many(
        N_("{number} source, evidence until {until} UTC, {days}."),
        N_("{number} sources, evidence until {until} UTC, {days}."),
        sources,
        until=until,
        days=days,
    )
