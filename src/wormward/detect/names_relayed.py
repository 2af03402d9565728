"""A name server passed on lookups that meet one variant's list of one day: somebody behind it asked for them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from wormward.detect import names_day_list
from wormward.detect.base import Detector, Draft, Row, Scope, Tables
from wormward.model.findings import Kind
from wormward.model.pack import ThreatPack
from wormward.model.text import N_

SENTENCE = N_(
    "{actor}, a name server, looked up {names} names that variant {variant} makes for {day}; by chance less than {chance}. "
    "A host that asks through it is meant: the server's own query log shows which"
)


def _passed_on(hits: Any, scope: Scope) -> Any:
    return hits.filter(hits.client.isin(list(scope.name_servers)))


def find(tables: Tables, pack: ThreatPack, scope: Scope) -> Any | None:
    """What known or inferred name servers asked for."""
    if not scope.name_servers or not any(v.domains for v in pack.variants):
        return None
    return names_day_list.coherence(tables, pack, scope, _passed_on)


def refine(rows: list[Row], pack: ThreatPack, scope: Scope) -> list[Draft]:
    """One draft per name server, variant and list day whose coincidence is unlikely enough; it convicts nobody."""
    return [replace(draft, sentence=SENTENCE, milli=None) for draft in names_day_list.refine(rows, pack, scope)]


DETECTOR = Detector(
    rule="names.relayed",
    kind=Kind.DOMAIN_LOOKUP,
    title="A name server passes on names of one variant's list of one day",
    tables=("dns_queries",),
    references=names_day_list.DETECTOR.references,
    limitations=(
        "It tells that somebody behind the server is infected, not who; a server that is infected itself looks the same.",
    ),
    find=find,
    refine=refine,
)
