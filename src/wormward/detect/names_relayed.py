"""A name server passed on lookups that meet one variant's list of one day: hosts that were seen asked it for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from wormward.detect import names_day_list
from wormward.detect.base import Detector, Draft, Row, Scope, Tables
from wormward.model.findings import Kind
from wormward.model.pack import ThreatPack
from wormward.model.text import N_

SENTENCE = N_(
    "{actor}, a name server, looked up {names} {names|name|names} that variant {variant} makes for {day}; "
    "by chance less than {chance}. "
    "Hosts that asked it for them are in this evidence and are judged themselves"
)


def by_servers(hits: Any, scope: Scope) -> Any:
    """Of these lookups those that known or inferred name servers made."""
    return hits.filter(hits.client.isin(list(scope.name_servers)))


def explained(hits: Any) -> Any:
    """Whose lookups of which names somebody else was seen asking for: site, client (the name server), name.

    Where a source does not say which server was asked, every server that looked the name up may have been.
    """
    asked = hits.filter(hits.server.notnull() & (hits.server != hits.client))
    known = asked.select("site", "name", client=asked.server).distinct()
    unsaid = hits.filter(hits.server.isnull())
    unsaid = unsaid.select("site", "name", asker=unsaid.client).distinct()
    any_server = hits.select("site", "name", "client").distinct().join(unsaid, ["site", "name"])
    any_server = any_server.filter(any_server.asker != any_server.client).select("site", "name", "client").distinct()
    return known.union(any_server, distinct=True)


def _passed_on(hits: Any, scope: Scope) -> Any:
    return by_servers(hits, scope).semi_join(explained(hits), ["site", "client", "name"])


def lists_of(tables: Tables, pack: ThreatPack, scope: Scope, whose: Callable[[Any, Scope], Any]) -> Any | None:
    """The lists that lookups of name servers meet, of those lookups that `whose` leaves; see `names_day_list.coherence`."""
    if not scope.name_servers or not any(v.domains for v in pack.variants):
        return None
    return names_day_list.coherence(tables, pack, scope, whose)


def find(tables: Tables, pack: ThreatPack, scope: Scope) -> Any | None:
    """What known or inferred name servers asked for because somebody had asked them."""
    return lists_of(tables, pack, scope, _passed_on)


def refine(rows: list[Row], pack: ThreatPack, scope: Scope) -> list[Draft]:
    """One draft per name server, variant and list day whose coincidence is unlikely enough; it convicts nobody."""
    return [replace(draft, sentence=SENTENCE, milli=None) for draft in names_day_list.refine(rows, pack, scope)]


DETECTOR = Detector(
    rule="names.relayed",
    kind=Kind.DOMAIN_LOOKUP,
    title="A name server passes on names of one variant's list of one day",
    tables=("dns_queries", "name_days"),
    references=names_day_list.DETECTOR.references,
    limitations=("It tells what the server passed on; that it is infected besides cannot be seen from these lookups.",),
    find=find,
    refine=refine,
)
