"""The worm fetches what it is told to: a download request of a pack's form."""

from __future__ import annotations

from wormward.detect import http_forms
from wormward.detect.base import Detector, Draft, Row, Scope
from wormward.model.findings import Kind
from wormward.model.pack import ThreatPack
from wormward.model.text import N_

RULE = "http.download"
SENTENCE = N_("{actor} asked {host} for {uri}, a file that the worm downloads")


def refine(rows: list[Row], pack: ThreatPack, _scope: Scope) -> list[Draft]:
    """One draft per client and form, whether or not the source shows header names: host and path tell enough."""
    return http_forms.drafts(http_forms.of_rule(rows, pack, RULE), pack, SENTENCE)


DETECTOR = Detector(
    rule=RULE,
    kind=Kind.CALL_HOME,
    title="Download of the worm's payload",
    tables=("http_requests", "request_forms"),
    references=("40 requests of infected hosts to a sinkhole, 2011-05-30 (chrislee35/isc-nmsg-ffi, test/test.nmsg)",),
    limitations=("An analyst or a crawler that asks for the same file looks the same where header names are not shown.",),
    find=http_forms.find,
    refine=refine,
)
