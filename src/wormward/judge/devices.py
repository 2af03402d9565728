"""Which addresses are one device at what time, and what it is called.

What an address did is the device's that held it then (`identities`), and is told under the address that the device had last.
Where that is not clear (nothing says who held the address at that time, or the device has no address left that is its
own), things stay as they are, one host an address; an address that changed hands says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from wormward.judge import identities
from wormward.judge.identities import MOST_ADDRESSES, Binding, Tenure, Tenures, holder, item_of, short
from wormward.judge.weigh import Key
from wormward.model.findings import Finding
from wormward.model.inventory import Inventory, Item
from wormward.model.states import KnownBy, SeenHost

__all__ = ["MOST_ADDRESSES", "Binding", "Devices", "Tenure", "devices"]

_NAMES = ("dns-name", "netbios-name", "dhcp-name")
"""Kinds of names, the best last: what a device calls itself stands before what others call it."""


@dataclass(frozen=True, slots=True)
class Devices:
    """Which device an address was at a time, its other addresses and its name.

    `tenures` are those of each address whose holders are known, in time order; `last` maps a device to the address that it
    is known by; `homes` maps that back to all its addresses; `names` to its name; `items` to what the inventory says of it;
    `spoken` has all names of an address with the time from which each was its.
    """

    tenures: Tenures
    last: Mapping[Key, str]
    homes: Mapping[Key, tuple[str, ...]]
    names: Mapping[Key, str]
    spoken: Mapping[Key, tuple[tuple[datetime, str], ...]]
    items: Mapping[Key, Item]

    def home(self, site: str, address: str, time: datetime) -> str:
        """The address by which the device is known that was `address` at `time`."""
        held = holder(self.tenures.get((site, address), ()), time)
        return self.last.get((site, held.device), address) if held else address

    def known_by(self, key: Key) -> KnownBy:
        """What binds the address of a host to a device; `address` where nothing does."""
        told = self.tenures.get(key, ())
        if key in self.items and not told:
            return KnownBy.INVENTORY
        return KnownBy(told[-1].known_by) if told and "@" not in told[-1].device else KnownBy.ADDRESS

    def changed_hands(self, site: str, address: str, time: datetime) -> tuple[datetime, str] | None:
        """If `address` came to another card after `time`: when, and what its device called itself before (or "")."""
        tenures = self.tenures.get((site, address), ())
        if len(tenures) < 2 or time >= tenures[-1].begin or any(t.known_by == "name" for t in tenures):
            return None
        before = [name for begin, name in self.spoken.get((site, address), ()) if begin <= time]
        return tenures[-1].begin, before[-1] if before else ""

    def finding(self, finding: Finding) -> Finding:
        """The finding under its devices' addresses."""
        actor = self.home(finding.site, finding.actor, finding.time)
        target = self.home(finding.site, finding.target, finding.time) if finding.target else None
        return finding if (actor, target) == (finding.actor, finding.target) else replace(finding, actor=actor, target=target)

    def seen(self, hosts: Iterable[SeenHost]) -> list[SeenHost]:
        """Each device once, from its first to its last sign of life, with all its roles."""
        merged: dict[Key, SeenHost] = {}
        for host in hosts:
            address = self.home(host.site, host.address, host.last_seen)
            old = merged.get((host.site, address), replace(host, address=address))
            merged[host.site, address] = replace(
                old,
                first_seen=min(old.first_seen, host.first_seen),
                last_seen=max(old.last_seen, host.last_seen),
                roles=tuple(sorted({*old.roles, *host.roles})),
            )
        return list(merged.values())


def devices(
    bindings: Sequence[Binding],
    seen: Sequence[SeenHost] = (),
    inventory: Inventory | None = None,
    site: str = "site",
    nat: frozenset[str] = frozenset(),
) -> Devices:
    """What `bindings` and the inventory tell of the devices of `seen`; their order does not matter.

    Behind the addresses `nat` stand many devices. Items of the inventory that name no site are of `site`.
    """
    tenures = identities.tenures(bindings, seen, inventory, site, nat)
    heard: dict[Key, datetime] = {}
    for b in bindings:
        heard[b.site, b.address] = max(b.last, heard.get((b.site, b.address), b.last))
    heard = {(s.site, s.address): s.last_seen for s in seen} | heard  # who is bound later has it now, whoever spoke last
    had: dict[Key, dict[str, datetime]] = {}
    for (where, address), told in tenures.items():
        for tenure in told:
            if (where, address) in heard:
                had.setdefault((where, tenure.device), {})[address] = _until(tenure, told, heard[where, address])
    last: dict[Key, str] = {}
    homes: dict[Key, tuple[str, ...]] = {}
    for (where, device), addresses in sorted(had.items()):
        own = [address for address in sorted(addresses) if tenures[where, address][-1].device == device]
        if own:
            latest = max(own, key=lambda address: (*_liked(address), addresses[address]))
            last[where, device] = latest
            if len(addresses) > 1:
                homes[where, latest] = (latest, *sorted(set(addresses) - {latest}))
    found = Devices(tenures, last, homes, {}, _spoken(bindings), {})
    named = replace(found, names=_names(bindings, found))
    items = _items(named, seen, inventory, site)
    return replace(named, items=items, names={**named.names, **{key: i.name for key, i in items.items() if i.name}})


def _liked(address: str) -> tuple[bool, bool]:
    """People know a device by its IPv4 address, and by no address that every link has anew."""
    return ":" not in address, not address.startswith("fe80:")


def _until(tenure: Tenure, told: Sequence[Tenure], heard: datetime) -> datetime:
    """Until when a device had an address: until the next one's tenure, or as long as the address was heard of."""
    place = told.index(tenure)
    return told[place + 1].begin if place + 1 < len(told) else heard


def _items(found: Devices, seen: Sequence[SeenHost], inventory: Inventory | None, site: str) -> dict[Key, Item]:
    """What the inventory says of each address: by its holder; else by a name that one device and one item have."""
    if inventory is None:
        return {}
    out = {key: item for key, told in found.tenures.items() if (item := item_of(told[-1].device, inventory))}
    taken = {item.line for key, item in out.items() if found.last.get((key[0], found.tenures[key][-1].device))}
    called: dict[Key, list[Key]] = {}
    for host in found.seen(seen):
        key = (host.site, host.address)
        if key in found.names and key not in out:
            called.setdefault((host.site, short(found.names[key])), []).append(key)
    wanted: dict[Key, list[Item]] = {}
    for item in inventory.items:
        if item.name and item.line not in taken:
            wanted.setdefault((item.site or site, short(item.name)), []).append(item)
    for name, keys in called.items():
        if len(keys) == 1 and len(wanted.get(name, ())) == 1:
            out[keys[0]] = wanted[name][0]
    return out


def _spoken(bindings: Sequence[Binding]) -> dict[Key, tuple[tuple[datetime, str], ...]]:
    names: dict[Key, set[tuple[datetime, int, str]]] = {}
    for b in bindings:
        if b.kind in _NAMES and b.value:
            names.setdefault((b.site, b.address), set()).add((b.begin, _NAMES.index(b.kind), b.value))
    return {key: tuple((begin, name) for begin, _, name in sorted(told)) for key, told in names.items()}


def _names(bindings: Sequence[Binding], found: Devices) -> dict[Key, str]:
    """The best and latest name that each device has."""
    best: dict[Key, tuple[int, datetime, str]] = {}
    for b in bindings:
        if b.kind in _NAMES and b.value:
            key = (b.site, found.home(b.site, b.address, b.last))
            rank = (_NAMES.index(b.kind), b.last, b.value)
            best[key] = max(rank, best.get(key, rank))
    return {key: name for key, (_, _, name) in best.items()}
