"""A host contacts ports that the contacted addresses would open if they were infected."""

from __future__ import annotations

from typing import Any

from wormward.detect import chance
from wormward.detect.base import Detector, Draft, Row, Scope, Tables, grouped, merged, witnessed
from wormward.model.findings import Kind
from wormward.model.pack import PeerToPeer, ThreatPack
from wormward.model.text import N_

LEAST_CONTACTS = 3
"""Fewer matching contacts are coincidence whatever the arithmetic says: one server that many hosts use is one accident."""

_HOST = ("site", "client")
_CONTACT = ("server", "protocol", "server_port")
ADDRESS = N_(
    "Of {asked} {asked|port|ports} that {actor} contacted, {contacts} {contacts|is one|are those} that the contacted addresses "
    "would open if they were "
    "infected, told by the address alone; by chance less than {chance}"
)
WEEK = N_(
    "Of {asked} {asked|port|ports} that {actor} contacted, {contacts} {contacts|is one|are those} that the contacted addresses "
    "would open if they were "
    "infected ({by_address} told by the address alone, {by_week} by address and week, the week {week_offset} from the log's); "
    "by chance less than {chance}"
)


def _flows(tables: Tables) -> Any:
    flows = tables["flows"]
    return flows.select("row_id", "site", "time", "client", *_CONTACT, hour=flows.second // 3600)


def _matching(tables: Tables, rule: PeerToPeer) -> Any:
    """Flows whose port matches, with `match` and `week_offset`. The few matches first: most flows end there."""
    # A number is looked at before texts are: nine flows in ten go to low ports.
    flows = _flows(tables).filter(lambda t: t.server_port >= rule.least_port)
    return flows.join(tables["contact_ports"], _CONTACT).join(tables["contact_weeks"], ["hour", "week"])


def _tried(tables: Tables, rule: PeerToPeer, hosts: Any) -> Any:
    """Distinct contacts of `hosts` that might have matched, by `week`."""
    flows = _flows(tables).filter(lambda t: t.server_port >= rule.least_port).semi_join(hosts, list(_HOST))
    flows = flows.semi_join(tables["usable_ports"], ["protocol", "server_port"])
    return flows.join(tables["contact_weeks"], "hour").select(*_HOST, *_CONTACT, "week").distinct()


def find(tables: Tables, pack: ThreatPack, _scope: Scope) -> Any | None:
    """One row per host, kind of match and week offset: distinct contacts, beside the host's totals and rows."""
    if pack.peer_to_peer is None:
        return None
    matching = _matching(tables, pack.peer_to_peer)
    distinct = matching.group_by(*_HOST, *_CONTACT, "match", "week_offset").agg(times=matching.count())
    hosts = distinct.select(*_HOST, *_CONTACT).distinct().group_by(*_HOST).agg(matched=lambda t: t.count())
    hosts = hosts.filter(hosts.matched >= LEAST_CONTACTS)
    counts = distinct.semi_join(hosts, list(_HOST)).group_by(*_HOST, "match", "week_offset").agg(contacts=lambda t: t.count())
    # A contact in two weeks is one chance for a port of the address and two for a port of the week.
    tried = _tried(tables, pack.peer_to_peer, hosts)
    per_contact = tried.group_by(*_HOST, *_CONTACT).agg(weeks=tried.count())
    totals = per_contact.group_by(*_HOST).agg(asked=per_contact.count(), asked_weeks=per_contact.weeks.sum())
    seen = witnessed(matching.semi_join(hosts, list(_HOST)), _HOST, servers=lambda t: t.server.nunique())
    return counts.join(totals, _HOST).join(seen, _HOST)


def strength(by_address: int, by_offset: dict[int, int], asked: int, asked_weeks: int, rule: PeerToPeer) -> tuple[int, int]:
    """Strength in milli, and the week offset of the best reading (0 where the address alone is best).

    Readings: the address-derived ports alone, or with the week-derived ones of one constant offset (a clock that is
    wrong is wrong by the same weeks). The best counts, corrected for their number.
    """
    usable = rule.ports.usable_ports
    readings = [(chance.log10_tail(by_address, asked / usable), 0, 0)]
    for offset in range(-rule.week_tolerance, rule.week_tolerance + 1):
        hits = by_address + by_offset.get(offset, 0)
        readings.append((chance.log10_tail(hits, (asked + asked_weeks) / usable), abs(offset), offset))
    best = min(readings)
    return chance.milli(best[0], len(readings)), best[2]


def refine(rows: list[Row], pack: ThreatPack, _scope: Scope) -> list[Draft]:
    """One draft per host whose coincidence is unlikely enough."""
    rule = pack.peer_to_peer
    return [] if rule is None else [draft for key, group in grouped(rows, _HOST) for draft in _drafts(key, group, rule)]


def _drafts(key: tuple[str, str], group: list[Row], rule: PeerToPeer) -> list[Draft]:
    """One draft for a host, or none if it may well be coincidence."""
    by_address = sum(r["contacts"] for r in group if r["match"] == "address")
    by_offset = {r["week_offset"]: r["contacts"] for r in group if r["match"] == "week"}
    asked = group[0]["asked"]
    milli, offset = strength(by_address, by_offset, asked, group[0]["asked_weeks"], rule)
    if milli < chance.LEAST_MILLI:
        return []
    by_week = by_offset.get(offset, 0)
    fields: dict[str, str | int] = {
        "actor": key[1],
        "contacts": by_address + by_week,
        "by_address": by_address,
        "by_week": by_week,
        "week_offset": offset,
        "servers": group[0]["servers"],
        "asked": asked,
        "chance": chance.as_text(milli),
    }
    draft = Draft(
        actor=key[1],
        site=key[0],
        table="flows",
        witness=merged(group[:1]),
        sentence=WEEK if by_week else ADDRESS,
        fields=fields,
        variants=rule.variants,
        milli=milli,
    )
    return [draft]


DETECTOR = Detector(
    rule="p2p.ports",
    kind=Kind.PEER_TO_PEER,
    title="Contacted ports are those that the contacted addresses would open",
    tables=("flows", "contact_ports"),
    references=(
        "nmap, the p2p script that Bowes wrote in 2009: the port rule",
        "CERT NetSA, SiLK plug-in for the same rule: neighbouring weeks, ports to leave out",
    ),
    limitations=(
        "Behind NAT the contacted address is not the one the port was computed from; such contacts do not match.",
        "IPv4 only: the rule knows no other addresses.",
        "A host that tests others for the worm on these ports (a scanner) looks the same.",
    ),
    find=find,
    refine=refine,
)
