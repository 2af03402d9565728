"""Who spoke: one look over all facts for the addresses that said something, and what they are.

An address that was merely called has said nothing; one that called, or answered, has. The look is one pass a table,
because a site has hundreds of millions of lookups and few of anything else.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from wormward.engine.base import Engine
from wormward.model.site import Site
from wormward.model.states import SeenHost

# Table -> (column that names who spoke, what must hold for it to have spoken). Lookups are counted apart.
_SPEAKERS: tuple[tuple[str, str, Callable[[Any], Any] | None], ...] = (
    ("flows", "client", None),
    ("flows", "server", lambda t: t.state == "established"),
    ("http_requests", "client", None),
    ("http_requests", "server", lambda t: t.status.notnull()),
    ("smb_logons", "client", None),
    ("smb_logons", "server", lambda t: t.outcome != "unknown"),
    ("smb_shares", "client", None),
    ("smb_shares", "server", lambda t: t.outcome != "unknown"),
    ("smb_files", "client", None),
    ("rpc_calls", "client", None),
    ("rpc_calls", "server", lambda t: t.outcome != "unanswered"),
    ("payloads", "client", None),
    ("bindings", "address", None),
)
_SPOKE = ("site", "address", "first_seen", "last_seen")
_DAY_S = 86_400
_SHOW_ANSWERS = ("pcap", "zeek")
"""Kinds of sources (how they begin) in which silence is seen: captures and Zeek logs. A query log may just not say it."""

LDAP_PREFIX = "_ldap._tcp."
"""Names that domain members ask for to find a domain controller (RFC 2782, MS-ADTS 6.3.2.3)."""


@dataclass(frozen=True, slots=True)
class Survey:
    """What one look over the evidence gives.

    `spoke` has the columns site, address, first_seen, last_seen, one row per site and address. `answering` are the
    sources that show answers to lookups, or would: only there is a missing one a failure. `spans` are the intervals of days
    (first and last, since 1970 UTC) outside of which nothing was looked up, in order and apart. `ports` are the server
    ports of all flows.
    """

    spoke: pa.Table
    resolvers: frozenset[str]
    answering: frozenset[int]
    spans: tuple[tuple[int, int], ...] = ()
    ports: frozenset[int] = frozenset()

    @property
    def days(self) -> tuple[int, int] | None:
        """First and last day (days since 1970 UTC) of any fact; None if there is none."""
        if not self.spoke.num_rows:
            return None
        first: datetime = pc.min(self.spoke.column("first_seen")).as_py()
        last: datetime = pc.max(self.spoke.column("last_seen")).as_py()
        return int(first.timestamp() // _DAY_S), int(last.timestamp() // _DAY_S)

    def hosts(self, site: Site, domain_controllers: Collection[str] = ()) -> list[SeenHost]:
        """The addresses inside `site` that said something, with their roles, ordered by site and address.

        Without ranges, and with no private address in sight, every address is the site's (as for the judge).
        """
        roles = (("domain-controller", domain_controllers), ("resolver", self.resolvers))
        # Most addresses of an office are the Internet's: they are sorted out before anything is made of them.
        own = [bool(address) and site.holds(address) for address in self.spoke.column("address").to_pylist()]
        if not site.ranges and not any(own):
            own = [_unicast(address) for address in self.spoke.column("address").to_pylist()]
        seen = [
            SeenHost(**row, roles=tuple(role for role, members in roles if row["address"] in members))
            for row in self.spoke.filter(pa.array(own, pa.bool_())).to_pylist()
        ]
        return sorted(seen, key=lambda h: (h.site, ip_address(h.address).version, int(ip_address(h.address))))


def survey(engine: Engine) -> Survey:
    """Look over all fact tables of `engine`. Raises WorkspaceError if they cannot be queried."""
    tables, empty = engine.tables(), engine.empty()
    shown = [engine.arrow(expression) for expression in _speakers(tables, empty)]
    ports = frozenset(engine.distinct("flows", "server_port"))
    lookups = None if "dns_queries" in empty else _looked_up(engine, _lookups(tables["dns_queries"]))
    if lookups is None:
        return Survey(_united(shown), frozenset(), frozenset(), ports=ports)
    answered = lookups.filter(lookups.column("answered"))
    answered_by = answered.filter(pc.is_valid(answered.column("server")))
    for table, column in ((lookups, "client"), (answered_by, "server")):
        shown.append(table.select(["site", column, "first_seen", "last_seen"]).rename_columns(list(_SPOKE)))
    others = answered_by.filter(pc.not_equal(answered_by.column("client"), answered_by.column("server")))
    resolvers = frozenset(a for a in others.column("server").unique().to_pylist() if _unicast(a))
    kinds = engine.kinds()
    asked = {source for source in lookups.column("source").unique().to_pylist() if kinds[source].startswith(_SHOW_ANSWERS)}
    answering = frozenset(answered.column("source").unique().to_pylist()) | asked
    return Survey(_united(shown), resolvers, answering, _spans(lookups), ports)


def _speakers(tables: Any, empty: Collection[str]) -> Iterator[Any]:
    """One expression a speaking column: site, address, first and last time."""
    for name, column, condition in _SPEAKERS:
        if name not in empty:
            rows = tables[name] if condition is None else tables[name].filter(condition(tables[name]))
            yield rows.group_by("site", address=rows[column]).agg(first_seen=rows.time.min(), last_seen=rows.time.max())


def _lookups(queries: Any) -> Any:
    """Who asked whom, in which source, and whether answers were seen: one pass for all that is to be known of it."""
    return queries.group_by("site", "client", "server", "source", answered=queries.rcode.notnull()).agg(
        first_seen=queries.time.min(), last_seen=queries.time.max()
    )


def _looked_up(engine: Engine, lookups: Any) -> pa.Table:
    """The rows of `_lookups`: as they were noted when the tables were written, or else by a look at all of them."""
    noted = engine.askers()
    return engine.arrow(lookups) if noted is None else noted.select(lookups.columns).cast(lookups.schema().to_pyarrow())


def _spans(lookups: pa.Table) -> tuple[tuple[int, int], ...]:
    """The days between anybody's first and last lookup in one source, united: sources of different years leave gaps."""
    micros = [lookups.column(name).cast(pa.int64()).to_numpy() for name in ("first_seen", "last_seen")]
    intervals = np.unique(np.stack([m // (_DAY_S * 1_000_000) for m in micros], axis=1), axis=0)
    spans: list[tuple[int, int]] = []
    for first, last in intervals.tolist():
        if spans and first <= spans[-1][1] + 1:
            spans[-1] = (spans[-1][0], max(spans[-1][1], last))
        else:
            spans.append((first, last))
    return tuple(spans)


def _united(shown: Sequence[pa.Table]) -> pa.Table:
    """One row per site and address."""
    schema = pa.schema([("site", pa.string()), ("address", pa.string()), *((n, pa.timestamp("us", "UTC")) for n in _SPOKE[2:])])
    rows = pa.concat_tables([schema.empty_table(), *(t.select(list(_SPOKE)).cast(schema) for t in shown)])
    united = rows.group_by(["site", "address"]).aggregate([("first_seen", "min"), ("last_seen", "max")])
    return united.select(["site", "address", "first_seen_min", "last_seen_max"]).rename_columns(list(_SPOKE))


def _unicast(address: str) -> bool:
    """True for an address that one host can have: nobody owns those that multicast lookups (mDNS, LLMNR) go to."""
    try:
        return not ip_address(address).is_multicast
    except ValueError:
        return False


def infer_domain_controllers(engine: Engine) -> frozenset[str]:
    """Addresses that answers to `_ldap._tcp` SRV questions name; needs the annotators' `telling_names`.

    Those answers give host names; their addresses stand in the additional section, or in answers to questions for
    these names.
    """
    if "telling_names" in engine.empty():
        return frozenset()
    tables = engine.tables()
    telling, queries = tables["telling_names"], tables["dns_queries"]
    services = [row["name"] for row in engine.fetch(telling.filter(telling.name.startswith(LDAP_PREFIX)))]
    if not services:
        return frozenset()
    located = queries.filter(queries.name.isin(sorted(services)) & (queries.answers.notnull() | queries.additional.notnull()))
    rows = engine.fetch(located.select("answers", "additional").distinct())
    names = {_host_name(answer) for row in rows for answer in row["answers"] or ()} - {""}
    glue = [pair for row in rows for pair in _glue(row["additional"] or ()) if pair[0] in names]
    found = {address for _, address in glue}
    unknown = sorted(names - {name for name, _ in glue})
    if unknown:
        asked = queries.filter(queries.name.isin(unknown) & queries.answers.notnull())
        answers = engine.fetch(asked.select("answers").distinct())
        found.update(answer for row in answers for answer in row["answers"] if _is_address(answer))
    return frozenset(found)


def _host_name(answer: str) -> str:
    """The target of an SRV answer: the last word of `priority weight port target`, or of `target` alone."""
    words = answer.split()
    return words[-1].rstrip(".").lower() if words else ""


def _glue(section: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Names and addresses of an additional section."""
    for record in section:
        name, _, address = record.partition(" ")
        if _is_address(address):
            yield name.rstrip(".").lower(), address


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
