"""Questions for the date or one's own address, in the worm's header shape: support, never proof."""

from __future__ import annotations

from wormward.detect import http_forms
from wormward.detect.base import Detector, Draft, Row, Scope
from wormward.model.findings import Kind
from wormward.model.pack import ThreatPack
from wormward.model.text import N_

RULE = "http.support"
SENTENCE = N_(
    "{actor} asked {host} ({hosts} such {hosts|host|hosts} in all) for the date or its own address, in the worm's header shape"
)


def refine(rows: list[Row], pack: ThreatPack, _scope: Scope) -> list[Draft]:
    """One draft per client and form whose header names were seen to fit."""
    own = [row for row in http_forms.of_rule(rows, pack, RULE) if row["exact"]]
    return http_forms.drafts(own, pack, SENTENCE)


DETECTOR = Detector(
    rule=RULE,
    kind=Kind.CALL_HOME,
    title="Date and what-is-my-address requests in the worm's shape",
    tables=("http_requests", "request_forms"),
    references=("Snort rules 28542 and 28543: the exact requests",),
    limitations=(
        "Ordinary programs send three-header requests to these sites too; support only.",
        "Where header names are not shown this says nothing, because everybody visits these sites.",
    ),
    find=http_forms.find,
    refine=refine,
)
