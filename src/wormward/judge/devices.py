"""Which addresses are one device, and what it is called.

A network card's address (MAC) that was bound to several addresses, each of which was never bound to another card, is
one device: its findings are weighed together, under the address that it had last. Anything less clear (an address
that went from one card to another, a card with very many addresses: a router) is left as it is, one host an address.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from wormward.judge.weigh import Key
from wormward.model.findings import Finding
from wormward.model.states import SeenHost

MOST_ADDRESSES = 8
"""A card with more addresses is a router or a pool, not a device."""

_NAMES = ("dns-name", "netbios-name", "dhcp-name")
"""Kinds of names, the best last: what a device calls itself stands before what others call it."""


@dataclass(frozen=True, slots=True)
class Binding:
    """An identity of a kind (`mac`, `dhcp-name`, ...) that an address had, last at `last`."""

    site: str
    address: str
    kind: str
    value: str
    last: datetime


@dataclass(frozen=True, slots=True)
class Devices:
    """`home` maps an address to the one its device is known by, `homes` back to all, `names` to the device's name."""

    home: Mapping[Key, str]
    homes: Mapping[Key, tuple[str, ...]]
    names: Mapping[Key, str]

    def finding(self, finding: Finding) -> Finding:
        """The finding under its devices' addresses."""
        actor = self.home.get((finding.site, finding.actor), finding.actor)
        target = self.home.get((finding.site, finding.target), finding.target) if finding.target else None
        return finding if (actor, target) == (finding.actor, finding.target) else replace(finding, actor=actor, target=target)

    def seen(self, hosts: Iterable[SeenHost]) -> list[SeenHost]:
        """Each device once, from its first to its last sign of life, with all its roles."""
        merged: dict[Key, SeenHost] = {}
        for host in hosts:
            address = self.home.get((host.site, host.address), host.address)
            old = merged.get((host.site, address), replace(host, address=address))
            merged[host.site, address] = replace(
                old,
                first_seen=min(old.first_seen, host.first_seen),
                last_seen=max(old.last_seen, host.last_seen),
                roles=tuple(sorted({*old.roles, *host.roles})),
            )
        return list(merged.values())


def devices(bindings: Sequence[Binding]) -> Devices:
    """What `bindings` tell of the site's devices; their order does not matter."""
    cards: dict[Key, dict[str, datetime]] = {}
    owners: dict[Key, set[str]] = {}
    for b in bindings:
        if b.kind == "mac":
            owners.setdefault((b.site, b.address), set()).add(b.value)
            had = cards.setdefault((b.site, b.value), {})
            had[b.address] = max(b.last, had.get(b.address, b.last))
    home: dict[Key, str] = {}
    homes: dict[Key, tuple[str, ...]] = {}
    for (site, _card), had in sorted(cards.items()):
        alone = all(len(owners[site, address]) == 1 for address in had)
        if alone and 1 < len(had) <= MOST_ADDRESSES:
            latest = max(sorted(had), key=lambda address: had[address])
            home.update({(site, address): latest for address in had})
            homes[site, latest] = (latest, *sorted(set(had) - {latest}))
    return Devices(home, homes, _names(bindings, home))


def _names(bindings: Sequence[Binding], home: Mapping[Key, str]) -> dict[Key, str]:
    """The best and latest name that each device has."""
    best: dict[Key, tuple[int, datetime, str]] = {}
    for b in bindings:
        if b.kind in _NAMES and b.value:
            key = (b.site, home.get((b.site, b.address), b.address))
            rank = (_NAMES.index(b.kind), b.last, b.value)
            best[key] = max(rank, best.get(key, rank))
    return {key: name for key, (_, _, name) in best.items()}
