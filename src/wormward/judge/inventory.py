"""The site's inventory beside what was seen: who of it nothing showed, and who is not in it."""

from __future__ import annotations

from collections.abc import Sequence

from wormward.judge.wording import BY_ADDRESS, ITSELF
from wormward.model.inventory import Inventory, Item
from wormward.model.states import Coverage, Exposure, Host, Infection, KnownBy, Listed, Protection, Why


def compare(hosts: Sequence[Host], inventory: Inventory | None, site: str) -> tuple[Listed | None, tuple[Host, ...]]:
    """How inventory and hosts meet, and a host `unknown` (`not_observed`) for each item of it that nothing showed.

    Items that name no site are of `site`.
    """
    if inventory is None:
        return None, ()
    seen = {h.inventory.line for h in hosts if h.inventory}
    taken = {(h.site, h.address) for h in hosts}
    absent = []
    for item in inventory.items:
        if item.line not in seen:
            where = item.site or site
            words = (*item.addresses, *item.macs, item.name, f"line {item.line}")
            address = next(word for word in words if word and (where, word) not in taken)
            taken.add((where, address))
            absent.append(_absent(item, address, where))
    unlisted = sum(h.inventory is None and "outside" not in h.roles for h in hosts)
    return Listed(inventory.source, inventory.sha256, len(inventory.items), len(seen), unlisted), tuple(absent)


def _absent(item: Item, address: str, site: str) -> Host:
    """A host that only the inventory tells of. Where that tells no address, its MAC or its name stands for one."""
    return Host(
        address=address,
        addresses=item.addresses or (address,),
        device=item.name or address,
        site=site,
        verdict=Infection.UNKNOWN,
        unknown_because=Why.NOT_OBSERVED,
        exposure=Exposure.UNKNOWN,
        protection=Protection.UNKNOWN,
        threat=None,
        variant=(),
        detail="",
        names={},
        confidence=0.0,
        first_seen=None,
        last_seen=None,
        infected_by=(),
        reasons=(),
        would_decide=(ITSELF,),
        known_by=KnownBy.INVENTORY,
        inventory=item,
    )


def identity_notes(hosts: Sequence[Host]) -> tuple[str, ...]:
    """Says so where an address had to be taken for a device."""
    return (BY_ADDRESS,) if any(h.known_by is KnownBy.ADDRESS for h in hosts) else ()


def with_inventory(coverage: Sequence[Coverage], inventory: Inventory | None) -> tuple[Coverage, ...]:
    """Coverage with the inventory among the sources: lines of it that could not be used are told there."""
    if inventory is None:
        return tuple(coverage)
    own = Coverage(
        inventory.source, inventory.sha256, "inventory", "line", None, None, "UTC", "stamped", {}, problems=inventory.problems
    )
    return tuple(sorted((*coverage, own), key=lambda c: (c.source, c.sha256)))
