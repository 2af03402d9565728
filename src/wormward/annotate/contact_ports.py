"""Which contacted ports are those that the contacted address would open if it were infected.

The port rule counts weeks in its own way, so the hours of the evidence are turned into its weeks first
(`contact_weeks`), and contacts are then distinct by address, protocol, port and week (`contact_ports`).
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import AddressValueError, IPv4Address
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from wormward.annotate.base import Annotator, Days, Tables, side_table
from wormward.model.pack import PeerToPeer, ThreatPack
from wormward.model.tables import BY_NAME

VERSION = 1
PROTOCOLS = ("tcp", "udp")
_HOUR_US = 3_600_000_000
_SLICE = 500_000
_KEYS = ("server", "protocol", "server_port", "week")


def _contacts(tables: Tables, rule: PeerToPeer) -> Any:
    """Flows to ports that the rule may be judged by, with their `hour`."""
    flows = tables["flows"]
    return flows.filter(flows.protocol.isin(list(PROTOCOLS)) & (flows.server_port >= rule.least_port)).mutate(
        hour=flows.second // 3600
    )


def week_keys(tables: Tables, pack: ThreatPack) -> Any | None:
    """The distinct hours of such contacts; None if the pack has no peer-to-peer part."""
    if pack.peer_to_peer is None:
        return None
    return _contacts(tables, pack.peer_to_peer).select("hour").distinct()


def annotate_weeks(distinct: pa.Table, pack: ThreatPack, _days: Days) -> Mapping[str, pa.Table]:
    """Side tables `contact_weeks` (hours and the generator's week in which they begin) and `usable_ports`."""
    hours = np.sort(distinct.column("hour").to_numpy())
    rule = pack.peer_to_peer
    if rule is None:
        return {name: BY_NAME[name].schema.empty_table() for name in ("contact_weeks", "usable_ports")}
    return {
        "contact_weeks": side_table("contact_weeks", {"hour": hours, "week": rule.ports.week(hours * _HOUR_US)}),
        "usable_ports": pa.concat_tables([_usable(rule, protocol) for protocol in PROTOCOLS]),
    }


def _usable(rule: PeerToPeer, protocol: str) -> pa.Table:
    """Rows of `usable_ports` for one protocol."""
    port = np.arange(rule.least_port, 1 << 16, dtype=np.int32)
    left_out = [number for name, number in sorted(rule.left_out) if name == protocol]
    port = port[rule.ports.usable(port) & ~np.isin(port, left_out)]
    return side_table("usable_ports", {"protocol": pa.repeat(protocol, len(port)), "server_port": port})


def keys(tables: Tables, pack: ThreatPack) -> Any | None:
    """The distinct contacts to usable ports: address, protocol, port, week."""
    if pack.peer_to_peer is None:
        return None
    contacts = _contacts(tables, pack.peer_to_peer).semi_join(tables["usable_ports"], ["protocol", "server_port"])
    return contacts.join(tables["contact_weeks"], "hour").select(*_KEYS).distinct()


def annotate(distinct: pa.Table, pack: ThreatPack, _days: Days) -> Mapping[str, pa.Table]:
    """Side table `contact_ports`: contacts of IPv4 addresses whose port matches, ordered by key."""
    schema = BY_NAME["contact_ports"].schema
    made = [schema.empty_table()]
    if pack.peer_to_peer is not None:
        # In slices: a network that is scanned has millions of contacts, and matches are few.
        made += [_slice(distinct.slice(start, _SLICE), pack.peer_to_peer) for start in range(0, distinct.num_rows, _SLICE)]
    return {"contact_ports": pa.concat_tables(made).sort_by([(name, "ascending") for name in _KEYS])}


def _slice(contacts: pa.Table, rule: PeerToPeer) -> pa.Table:
    """Rows of `contact_ports` for some contacts."""
    address, is_v4 = _addresses(contacts.column("server"))
    port = contacts.column("server_port").to_numpy().astype(np.int32)
    week = contacts.column("week").to_numpy().astype(np.int32)
    udp = pc.equal(contacts.column("protocol"), "udp").to_numpy().astype(np.int64)
    match, offset = _matches(rule, address, port, week, udp)
    hits = np.flatnonzero(is_v4 & (match > 0))
    columns: dict[str, Any] = {name: contacts.column(name).take(pa.array(hits)).to_pylist() for name in _KEYS}
    names = (None, "address", "week")
    return side_table("contact_ports", {**columns, "match": [names[m] for m in match[hits]], "week_offset": offset[hits]})


def _addresses(texts: pa.ChunkedArray) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.bool_]]:
    """Addresses as big-endian numbers, and which of them are IPv4 at all."""
    coded = texts.combine_chunks().dictionary_encode()
    numbers = np.array([_number(text) for text in coded.dictionary.to_pylist()], dtype=np.int64)
    number = numbers[coded.indices.to_numpy()]
    return np.maximum(number, 0).astype(np.uint32), number >= 0


def _number(text: str) -> int:
    try:
        return int(IPv4Address(text))
    except (AddressValueError, ValueError):
        return -1


def _matches(
    rule: PeerToPeer,
    address: npt.NDArray[np.uint32],
    port: npt.NDArray[np.int32],
    week: npt.NDArray[np.int32],
    udp: npt.NDArray[np.int64],
) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.int32]]:
    """Per contact: 0 none, 1 address, 2 week; and the week's offset (the nearest that fits; the earlier of two)."""
    rows = np.arange(len(port))
    match = np.zeros(len(port), dtype=np.int8)
    offset = np.zeros(len(port), dtype=np.int32)
    for shift in sorted(range(-rule.week_tolerance, rule.week_tolerance + 1), key=lambda o: (abs(o), o)):
        ports = rule.ports.ports(address, (week + shift).astype(np.int32))
        match[ports[rows, udp] == port] = 1
        fits = (ports[rows, udp + 2] == port) & (match == 0)
        match[fits] = 2
        offset[fits] = shift
    return match, offset


CONTACT_WEEKS = Annotator("contact_weeks", VERSION, "flows", ("contact_weeks", "usable_ports"), week_keys, annotate_weeks)
CONTACT_PORTS = Annotator("contact_ports", VERSION, "flows", ("contact_ports",), keys, annotate, dull_by=_KEYS)
