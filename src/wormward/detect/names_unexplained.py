"""A name server looked up names of one variant's list of one day, and nobody was seen asking it for them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from wormward.detect import names_day_list
from wormward.detect.base import Detector, Draft, Row, Scope, Tables
from wormward.detect.names_relayed import by_servers, explained, lists_of
from wormward.model.findings import Kind
from wormward.model.pack import ThreatPack
from wormward.model.text import N_

SENTENCE = N_(
    "{actor}, a name server, looked up {names} {names|name|names} that variant {variant} makes for {day} and that nobody was "
    "seen asking it for; by chance less than {chance}. It is infected itself, or a host is whose lookups at it are not in "
    "this evidence: its own query log shows which"
)


def _own(hits: Any, scope: Scope) -> Any:
    return by_servers(hits, scope).anti_join(explained(hits), ["site", "client", "name"])


def find(tables: Tables, pack: ThreatPack, scope: Scope) -> Any | None:
    """What known or inferred name servers asked for, of that what no client was seen asking for."""
    return lists_of(tables, pack, scope, _own)


def refine(rows: list[Row], pack: ThreatPack, scope: Scope) -> list[Draft]:
    """One draft per name server, variant and list day whose coincidence is unlikely enough."""
    return [replace(draft, sentence=SENTENCE, milli=None) for draft in names_day_list.refine(rows, pack, scope)]


DETECTOR = Detector(
    rule="names.unexplained",
    kind=Kind.DOMAIN_LOOKUP,
    title="A name server looks up names of one variant's list of one day that nobody was seen asking it for",
    tables=("dns_queries",),
    references=names_day_list.DETECTOR.references,
    limitations=(
        "Either the server is infected or a host that asks through it past the sensors: it makes the server suspected, no more.",
        "A client's question counts as asked of this server if its source does not say which server was asked.",
    ),
    find=find,
    refine=refine,
)
