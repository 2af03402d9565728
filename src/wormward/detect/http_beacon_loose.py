"""The form of a call home in a source that does not show header names."""

from __future__ import annotations

from wormward.detect import http_forms
from wormward.detect.base import Detector, Draft, Row, Scope
from wormward.model.findings import Kind
from wormward.model.pack import ThreatPack
from wormward.model.text import N_

RULE = "http.beacon-loose"
SENTENCE = N_(
    "{actor} sent requests that have the form of a call home, such as {uri} to {host} ({hosts} hosts in all); "
    "the source does not show their header names"
)


def refine(rows: list[Row], pack: ThreatPack, _scope: Scope) -> list[Draft]:
    """One draft per client and form; none for a client and form whose header names another source shows to fit."""
    own = http_forms.of_rule(rows, pack, "http.beacon")
    shown = {(row["site"], row["client"], row["form"]) for row in own if row["exact"]}
    loose = [row for row in own if (row["site"], row["client"], row["form"]) not in shown]
    return http_forms.drafts(loose, pack, SENTENCE)


DETECTOR = Detector(
    rule=RULE,
    kind=Kind.CALL_HOME,
    title="Form of a call home, header names not shown",
    tables=("http_requests", "request_forms"),
    references=("Emerging Threats rule 2009024: the same form without the header set",),
    limitations=("Without the header names, a person's search on a host given by its address fits this form too.",),
    find=http_forms.find,
    refine=refine,
)
