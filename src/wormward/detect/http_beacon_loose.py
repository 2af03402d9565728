"""The form of a call home in a source that does not show header names."""

from __future__ import annotations

from dataclasses import replace

from wormward.detect import http_forms
from wormward.detect.base import Detector, Draft, Row, Scope, grouped
from wormward.model.findings import Kind
from wormward.model.pack import ThreatPack
from wormward.model.text import N_

RULE = "http.beacon-loose"
SENTENCE = N_(
    "{actor} sent requests that have the form of a call home, such as {uri} to {host} ({hosts} {hosts|host|hosts} in all); "
    "the source does not show their header names"
)

INSIDE = N_(
    "{actor} sent requests that have the form of a call home, such as {uri} to {host} ({hosts} {hosts|host|hosts} in all); "
    "these are addresses of the site, which an ordinary program may ask so"
)
WIDE = 8
"""Requests of this form to so many addresses outside of the site are characteristic."""
ONE_HOST_MILLI = 2000
DOUBLED_MILLI = 1000
"""A request to one address, and what twice as many addresses add."""


def strength(hosts: int) -> int:
    """Strength in milli of such requests to so many addresses outside of the site: one may be anybody's search, many not."""
    return ONE_HOST_MILLI + DOUBLED_MILLI * (max(hosts, 1).bit_length() - 1)


def refine(rows: list[Row], pack: ThreatPack, scope: Scope) -> list[Draft]:
    """One draft per client and form; none for a client and form whose header names another source shows to fit."""
    own = http_forms.of_rule(rows, pack, "http.beacon")
    shown = {_of(row) for row in own if row["exact"] and not http_forms.inside(row, scope)}
    loose = [row for row in own if _of(row) not in shown]
    drafts = []
    for _, group in grouped(loose, ("site", "client", "form")):
        hosts = http_forms.outside_hosts(group, scope)
        (draft,) = http_forms.drafts(group, pack, SENTENCE if hosts else INSIDE)
        fields = {**draft.fields, "outside": hosts, "wide": "yes" if hosts >= WIDE else "no"}
        drafts.append(replace(draft, fields=fields, milli=strength(hosts)))
    return drafts


def _of(row: Row) -> tuple[str, str, str]:
    return row["site"], row["client"], row["form"]


DETECTOR = Detector(
    rule=RULE,
    kind=Kind.CALL_HOME,
    title="Form of a call home, header names not shown",
    tables=("http_requests", "request_forms"),
    references=("Emerging Threats rule 2009024: the same form without the header set",),
    limitations=(
        "Without the header names, a person's search on a host given by its address fits this form too: it weighs by the number "
        "of addresses outside of the site, and is a sign of the worm from eight on.",
        "Requests to addresses of the site are here even if their header names fit: a program of the site may ask so.",
    ),
    find=http_forms.find,
    refine=refine,
)
