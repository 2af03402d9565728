"""Which addresses are one device at what time, and what it is called.

A network card's address (MAC) makes a device: what an address did is the card's that held it then, and is told under
the address that the card had last. Where that is not clear (nothing says who held the address at that time, the card has
very many addresses: a router, or has no address left that is its own), things stay as they are, one host an address;
an address that changed hands says so.
"""

from __future__ import annotations

from bisect import bisect_right
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
    """An identity of a kind (`mac`, `dhcp-name`, ...) that an address had, last at `last`, first at `first` (None: then).

    An identity that an address had, lost and had again is told by several bindings.
    """

    site: str
    address: str
    kind: str
    value: str
    last: datetime
    first: datetime | None = None

    @property
    def begin(self) -> datetime:
        """When the address was first seen to have it."""
        return self.first or self.last


@dataclass(frozen=True, slots=True)
class Tenure:
    """From `begin` on, until the next one's, an address was held by one card."""

    begin: datetime
    card: str


@dataclass(frozen=True, slots=True)
class Devices:
    """Which device an address was at a time, its other addresses and its name.

    `tenures` are those of each address whose cards are known, in time order; `last` maps a card to the address that it
    is known by; `homes` maps that back to all its addresses; `names` to its name; `spoken` has all names of an address
    with the time from which each was its.
    """

    tenures: Mapping[Key, tuple[Tenure, ...]]
    last: Mapping[Key, str]
    homes: Mapping[Key, tuple[str, ...]]
    names: Mapping[Key, str]
    spoken: Mapping[Key, tuple[tuple[datetime, str], ...]]

    def home(self, site: str, address: str, time: datetime) -> str:
        """The address by which the device is known that was `address` at `time`."""
        card = _holder(self.tenures.get((site, address), ()), time)
        return self.last.get((site, card), address) if card else address

    def changed_hands(self, site: str, address: str, time: datetime) -> tuple[datetime, str] | None:
        """If `address` came to another card after `time`: when, and what its device called itself before (or "")."""
        tenures = self.tenures.get((site, address), ())
        if len(tenures) < 2 or time >= tenures[-1].begin:
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


def _holder(tenures: Sequence[Tenure], time: datetime) -> str | None:
    """The card that held an address at `time`; before its first tenure only where there was never another card."""
    if len(tenures) == 1:
        return tenures[0].card
    place = bisect_right([t.begin for t in tenures], time)
    return tenures[place - 1].card if place else None


def devices(bindings: Sequence[Binding]) -> Devices:
    """What `bindings` tell of the site's devices; their order does not matter."""
    tenures = _tenures(bindings)
    cards: dict[Key, dict[str, datetime]] = {}
    for b in bindings:
        if b.kind == "mac":
            had = cards.setdefault((b.site, b.value), {})
            had[b.address] = max(b.last, had.get(b.address, b.last))
    last: dict[Key, str] = {}
    homes: dict[Key, tuple[str, ...]] = {}
    for (site, card), had in sorted(cards.items()):
        own = [address for address in sorted(had) if tenures[site, address][-1].card == card]
        if own and len(had) <= MOST_ADDRESSES:
            latest = max(own, key=lambda address: had[address])
            last[site, card] = latest
            if len(had) > 1:
                homes[site, latest] = (latest, *sorted(set(had) - {latest}))
    found = Devices(tenures, last, homes, {}, _spoken(bindings))
    return replace(found, names=_names(bindings, found))


def _tenures(bindings: Sequence[Binding]) -> dict[Key, tuple[Tenure, ...]]:
    """Who held each address from when on: a card's tenure begins with the first binding that another card's precedes."""
    told: dict[Key, set[tuple[datetime, str]]] = {}
    for b in bindings:
        if b.kind == "mac":
            told.setdefault((b.site, b.address), set()).update({(b.begin, b.value), (b.last, b.value)})
    out: dict[Key, tuple[Tenure, ...]] = {}
    for key, points in told.items():
        runs: list[Tenure] = []
        for begin, card in sorted(points):
            if not runs or runs[-1].card != card:
                runs.append(Tenure(begin, card))
        out[key] = tuple(runs)
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
