"""A call home that a proxy passed on: somebody behind it, not the proxy."""

from __future__ import annotations

from wormward.detect import http_forms
from wormward.detect.base import Detector, Draft, Row, Scope
from wormward.model.findings import Kind
from wormward.model.pack import ThreatPack
from wormward.model.text import N_

RULE = "http.relayed"
SENTENCE = N_("{actor} passed on requests that have the form of a call home, such as {uri} to {host}: a host behind it made them")


def refine(rows: list[Row], pack: ThreatPack, _scope: Scope) -> list[Draft]:
    """One draft per proxy and form."""
    return http_forms.drafts(http_forms.of_rule(rows, pack, "http.beacon", relayed=True), pack, SENTENCE)


DETECTOR = Detector(
    rule=RULE,
    kind=Kind.CALL_HOME,
    title="Call home passed on by a proxy",
    tables=("http_requests", "request_forms"),
    references=("RFC 9110, 7.6.3: Via; RFC 7239: Forwarded and its forerunners",),
    limitations=("The host behind the proxy is not named by this; the proxy's own log, or a capture inside, names it.",),
    find=http_forms.find,
    refine=refine,
)
