"""The worm calls home over HTTP: a request of a pack's form, its header names seen and fit."""

from __future__ import annotations

from wormward.detect import http_forms
from wormward.detect.base import Detector, Draft, Row, Scope
from wormward.model.findings import Kind
from wormward.model.pack import ThreatPack
from wormward.model.text import N_

RULE = "http.beacon"
SENTENCE = N_(
    "{actor} called home: requests such as {uri} to {host} ({hosts} {hosts|host|hosts} in all), with the worm's own set of "
    "headers"
)


def refine(rows: list[Row], pack: ThreatPack, scope: Scope) -> list[Draft]:
    """One draft per client and form whose header names were seen to fit, for hosts outside of the site."""
    own = [row for row in http_forms.of_rule(rows, pack, RULE) if row["exact"] and not http_forms.inside(row, scope)]
    return http_forms.drafts(own, pack, SENTENCE)


DETECTOR = Detector(
    rule=RULE,
    kind=Kind.CALL_HOME,
    title="Call home over HTTP, header names seen",
    tables=("http_requests", "request_forms"),
    references=(
        "40 requests of infected hosts to a sinkhole, 2011-05-30 (chrislee35/isc-nmsg-ffi, test/test.nmsg)",
        "Emerging Threats rules 2009024 and 2009114; Snort rule 28147",
    ),
    limitations=(
        "A request that a proxy passed on speaks of a host behind the proxy; it is given as http.relayed.",
        "A proxy that hides itself (no Via or X-Forwarded-For) and whose inner side was not captured looks like the sender.",
        "Encrypted requests are not seen.",
        "A call home to an address of the site (its own sinkhole) is given as http.beacon-loose: ordinary programs of a site "
        "ask its servers so too.",
    ),
    find=http_forms.find,
    refine=refine,
)
