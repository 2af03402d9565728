"""Who held an address at what time, and which evidence of that is too weak to believe.

Devices are told by the MAC of their card, by a name that they claim (NetBIOS, DHCP) and by the inventory, in this order: what
was seen stands before what was written down. Nothing is joined on

- a MAC that routers share (VRRP, HSRP, GLBP, load balancing) or that is no card's (group, zero),
- a MAC that is seen at two IPv4 addresses by turns within an hour, or at very many: a clone, a router, a pool,
- a name that two addresses have while both are alive, that two cards have, or that very many have,
- an address behind which `site.toml` says that many hosts stand.

References: RFC 9568 (VRRP's MACs), RFC 2281 (HSRP's), RFC 4291 appendix A (interface identifiers from MACs).
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from ipaddress import IPv6Address, ip_address
from itertools import pairwise
from typing import Final

from wormward.judge.weigh import Key
from wormward.model.inventory import Inventory, Item
from wormward.model.states import SeenHost

MOST_ADDRESSES: Final = 8
"""A card, or a name, with more IPv4 addresses is a router or a pool, not a device."""
MOST_ADDRESSES_6: Final = 512
"""Of IPv6 a device has a new one every day, if it keeps its privacy (RFC 8981)."""
AT_ONCE: Final = timedelta(hours=1)
"""A card that is back at an earlier address so soon has not moved: two devices use it, or one has both addresses."""
_SHARED = re.compile(r"00:00:5e:00:0[12]:|00:00:0c:07:ac:|00:00:0c:9f:f|00:05:73:a0:0|00:07:b4:|02:bf:|03:bf:")
_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")
_NOBODYS = ("00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff")
_GROUPS = re.compile(r"01:00:5e:|33:33:|01:80:c2:|01:00:0c:")
"""MACs that groups of hosts are called by (RFC 1112, RFC 2464, IEEE 802.1, Cisco)."""
_ALWAYS = datetime(1, 1, 2, tzinfo=UTC)
_ITEM = "item "


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
    """From `begin` on, until the next one's, an address was held by one device; `known_by` `mac`, `name` or `inventory`."""

    begin: datetime
    device: str
    known_by: str = "mac"


Tenures = Mapping[Key, tuple[Tenure, ...]]


def holder(tenures: Sequence[Tenure], time: datetime) -> Tenure | None:
    """Who held an address at `time`; before its first tenure only where there was never another holder."""
    if len(tenures) == 1:
        return tenures[0]
    place = bisect_right([t.begin for t in tenures], time)
    return tenures[place - 1] if place else None


def tenures(
    bindings: Sequence[Binding], seen: Sequence[SeenHost], inventory: Inventory | None, site: str, nat: frozenset[str]
) -> dict[Key, tuple[Tenure, ...]]:
    """Who held each address, in time order. Items of the inventory that name no site are of `site`."""
    told = [b for b in bindings if b.address not in nat]
    alive = {(s.site, s.address): s for s in seen if s.address not in nat}
    listed = _listed(inventory, site)
    macs = [b for b in told if b.kind == "mac" and is_held(b.value)]
    cards = [b for b in macs if is_card(b.value) or (b.site, b.value) in listed]
    cards += _from_identifiers(alive.values(), cards)
    carded = {(b.site, b.address) for b in cards}
    odd = [b for b in macs if not is_card(b.value) and (b.site, b.value) not in listed and (b.site, b.address) in carded]
    found = _by_card([*cards, *odd], {(b.site, b.value) for b in odd})
    found |= _by_name(told, alive, found)
    return _by_inventory(found, alive, inventory, site, nat) if inventory else found


def item_of(device: str, inventory: Inventory | None) -> Item | None:
    """The inventory's item that a tenure's `device` is; None for what is none."""
    if inventory is None or not device.startswith(_ITEM):
        return None
    line = int(device.removeprefix(_ITEM))
    return next((item for item in inventory.items if item.line == line), None)


def is_card(mac: str) -> bool:
    """True if `mac` is one card's: no group's, not zero, none that routers or servers share."""
    return bool(_MAC.fullmatch(mac)) and not int(mac[:2], 16) & 1 and mac != "00:00:00:00:00:00" and not _SHARED.match(mac)


def is_held(mac: str) -> bool:
    """True if somebody who speaks for himself may use `mac`: not zero, not everybody's, none that routers or servers share.

    Its group bit may be set against the rules (made-up MACs of virtual machines and devices): leases name such ones too.
    """
    return bool(_MAC.fullmatch(mac)) and mac not in _NOBODYS and not _SHARED.match(mac) and not _GROUPS.match(mac)


def _listed(inventory: Inventory | None, site: str) -> set[Key]:
    """The MACs that the inventory says are one host's."""
    return {(item.site or site, mac) for item in inventory.items for mac in item.macs} if inventory else set()


# -- cards ---------------------------------------------------------------------------------------------------------------


def _from_identifiers(alive: Iterable[SeenHost], cards: Sequence[Binding]) -> list[Binding]:
    """IPv6 addresses that are made from the MAC of a card that is known in their site."""
    known = {(b.site, b.value) for b in cards}
    told = {(b.site, b.address) for b in cards}
    out = []
    for host in alive:
        mac = identifier_mac(host.address)
        if mac and (host.site, mac) in known and (host.site, host.address) not in told:
            out.append(Binding(host.site, host.address, "mac", mac, host.last_seen, host.first_seen))
    return out


def identifier_mac(address: str) -> str | None:
    """The MAC in an IPv6 address's modified EUI-64 interface identifier; None if there is none."""
    try:
        packed = ip_address(address).packed
    except ValueError:
        return None
    if len(packed) != 16 or packed[11:13] != b"\xff\xfe":
        return None
    mac = bytes([packed[8] ^ 2]) + packed[9:11] + packed[13:]
    text = ":".join(f"{byte:02x}" for byte in mac)
    return text if is_card(text) else None


def _by_card(cards: Sequence[Binding], odd: Collection[Key]) -> dict[Key, tuple[Tenure, ...]]:
    """A card's tenure begins with the first binding that another card's precedes. A weak card is another at each address.

    Weak are also the MACs `odd`, which are no card's own: they divide time and join nothing.
    """
    points: dict[Key, list[tuple[datetime, str]]] = {}
    told: dict[Key, set[tuple[datetime, str]]] = {}
    for b in cards:
        points.setdefault((b.site, b.value), []).extend([(b.begin, b.address), (b.last, b.address)])
        told.setdefault((b.site, b.address), set()).update({(b.begin, b.value), (b.last, b.value)})
    weak = {key for key, at in points.items() if key in odd or _too_many({a for _, a in at}) or _at_once(at)}
    out: dict[Key, tuple[Tenure, ...]] = {}
    for (site, address), sightings in told.items():
        runs: list[Tenure] = []
        for begin, card in sorted(sightings):
            device = f"{card}@{address}" if (site, card) in weak else card
            if not runs or runs[-1].device != device:
                runs.append(Tenure(begin, device))
        out[site, address] = tuple(runs)
    return out


def _too_many(addresses: Collection[str]) -> bool:
    six = sum(map(_is_ipv6, addresses))
    return six > MOST_ADDRESSES_6 or len(addresses) - six > MOST_ADDRESSES


def _at_once(points: Iterable[tuple[datetime, str]]) -> bool:
    """True if one comes back to an earlier IPv4 address within AT_ONCE of having been there."""
    last: dict[str, datetime] = {}
    here = ""
    for time, address in sorted(p for p in points if not _is_ipv6(p[1])):
        if address != here and address in last and time - last[address] < AT_ONCE:
            return True
        last[address], here = time, address
    return False


def _is_ipv6(address: str) -> bool:
    try:
        return isinstance(ip_address(address), IPv6Address)
    except ValueError:
        return False


# -- names ---------------------------------------------------------------------------------------------------------------


def _by_name(bindings: Sequence[Binding], alive: Mapping[Key, SeenHost], cards: Tenures) -> dict[Key, tuple[Tenure, ...]]:
    """Addresses of which no card is known, by the names that they claim, where one name was had by several."""
    claims: dict[Key, list[Binding]] = {}
    for b in bindings:
        if b.kind in ("dhcp-name", "netbios-name") and short(b.value):
            claims.setdefault((b.site, short(b.value)), []).append(b)
    runs = _claimed(claims)
    out: dict[Key, list[Tenure]] = {}
    for (site, name), told in sorted(claims.items()):
        addresses = {b.address for b in told}
        if len(addresses) < 2 or _too_many(addresses) or not all(runs.get((site, a)) for a in addresses):
            continue
        held = {t.device for b in told if (t := holder(cards.get((site, b.address), ()), b.last))}
        lives = [_life(name, runs[site, a], alive.get((site, a)), a) for a in sorted(addresses)]
        if len(held) > 1 or any("@" in device for device in held) or _overlap(lives):
            continue
        device = next(iter(held), f"name {name}")
        for address in addresses - {a for a in addresses if (site, a) in cards}:
            begin = next(time for time, called in runs[site, address] if called == name)
            out.setdefault((site, address), []).append(Tenure(begin, device, "name"))
            rest = [Tenure(t, f"name {called}@{address}", "name") for t, called in runs[site, address] if called != name]
            out[site, address] += [t for t in rest if t not in out[site, address]]
    return {key: tuple(sorted(_last_word(told), key=lambda t: (t.begin, t.device))) for key, told in out.items()}


def _last_word(told: Iterable[Tenure]) -> list[Tenure]:
    """One tenure a beginning: a name that joins stands before the same name as an address's own."""
    by_begin: dict[datetime, Tenure] = {}
    for tenure in told:
        before = by_begin.get(tenure.begin)
        if before is None or "@" in before.device:
            by_begin[tenure.begin] = tenure
    return list(by_begin.values())


def short(name: str) -> str:
    """A host's name without its domain, in small letters."""
    return name.partition(".")[0].strip().lower()


def _claimed(claims: Mapping[Key, Sequence[Binding]]) -> dict[Key, list[tuple[datetime, str]]]:
    """The names of each address with their beginnings; none where it comes back to a name: it has several at once."""
    points: dict[Key, set[tuple[datetime, str]]] = {}
    for (site, name), told in claims.items():
        for b in told:
            points.setdefault((site, b.address), set()).update({(b.begin, name), (b.last, name)})
    out = {}
    for key, at in points.items():
        runs: list[tuple[datetime, str]] = []
        for time, name in sorted(at):
            if not runs or runs[-1][1] != name:
                runs.append((time, name))
        out[key] = runs if len({name for _, name in runs}) == len(runs) else []
    return out


def _life(
    name: str, runs: Sequence[tuple[datetime, str]], host: SeenHost | None, address: str
) -> tuple[bool, datetime, datetime]:
    """From when to when an address with this name was alive, at the widest, and of which version it is."""
    place = next(i for i, run in enumerate(runs) if run[1] == name)
    begin = runs[place][0]
    end = runs[place + 1][0] if place + 1 < len(runs) else begin
    if host is not None:
        begin = min(begin, host.first_seen) if place == 0 else begin
        end = max(end, host.last_seen) if place + 1 == len(runs) else end
    return _is_ipv6(address), begin, end


def _overlap(lives: Sequence[tuple[bool, datetime, datetime]]) -> bool:
    """True if two lives of one version of IP meet."""
    ordered = sorted(lives)
    return any(a[0] == b[0] and b[1] <= a[2] for a, b in pairwise(ordered))


# -- inventory -----------------------------------------------------------------------------------------------------------


def _by_inventory(
    found: Tenures, alive: Mapping[Key, SeenHost], inventory: Inventory, site: str, nat: frozenset[str]
) -> dict[Key, tuple[Tenure, ...]]:
    """Items take the cards that are theirs, and the addresses that are theirs where no card shows another holder."""
    owner: dict[Key, str] = {}
    for item in inventory.items:
        where, device = item.site or site, f"{_ITEM}{item.line}"
        owner.update({(where, mac): device for mac in item.macs})
    for where, device, lone in _addressed(found, inventory, site):
        if (where, lone) not in owner:
            owner[where, lone] = device
        elif owner[where, lone] != device:
            owner[where, lone] = lone  # of two items: nobody's
    out = {key: tuple(_owned(t, key[0], owner) for t in told) for key, told in found.items()}
    for item in inventory.items:
        where, device = item.site or site, f"{_ITEM}{item.line}"
        for address in item.addresses:
            told = out.get((where, address), ())
            if address not in nat and not any(t.known_by == "mac" or t.device.startswith(_ITEM) for t in told):
                begin = alive[where, address].first_seen if (where, address) in alive else _ALWAYS
                out[where, address] = (Tenure(begin, device, "inventory"),)
    return out


def _addressed(found: Tenures, inventory: Inventory, site: str) -> Iterable[tuple[str, str, str]]:
    """Site, item and card where an item without MACs has an address that only one card ever held."""
    for item in inventory.items:
        where = item.site or site
        for address in () if item.macs else item.addresses:
            told = found.get((where, address), ())
            if len(told) == 1 and told[0].known_by == "mac":
                yield where, f"{_ITEM}{item.line}", told[0].device


def _owned(tenure: Tenure, site: str, owner: Mapping[Key, str]) -> Tenure:
    item = owner.get((site, tenure.device), "")
    return replace(tenure, device=item, known_by="inventory") if item.startswith(_ITEM) else tenure
