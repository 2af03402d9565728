"""Which network card an address belongs to, as far as a firewall's lines can tell it soundly.

A line shows the card that the packet came from last. That is the sender's own only if no router stands between. So an
address is bound to a card only if it is the site's and the only one of its IP version that was seen behind this card in
the whole file.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from wormward.evidence.lines import Fact
from wormward.model.site import Site

_MOST = 1 << 16
"""Cards that are remembered; a site with more has them from other sources."""
BEHIND_A_ROUTER: Final = ""
"""Told in place of an address that the card only passed on."""
_NEW: Final = ("", 0, 0)
_NOBODY = frozenset({"00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff"})


class Cards:
    """Addresses behind cards, told packet by packet."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._seen: dict[tuple[str, bool], tuple[str, int, int] | None] = {}  # None: a router, or several addresses

    def saw(self, card: str, address: str, time_us: int, line: int) -> None:
        """A packet of `address` came from `card` (a MAC)."""
        if not address:
            if len(self._seen) < _MOST:
                self._seen[card, False] = self._seen[card, True] = None
            return
        key = (card, ":" in address)  # a host has one address of each version, or several of version 6
        known = self._seen.get(key, _NEW)
        if known is _NEW:
            if len(self._seen) < _MOST and card not in _NOBODY:
                self._seen[key] = (address, time_us, line)
        elif known is not None and known[0] != address:
            self._seen[key] = None

    def facts(self) -> Iterator[Fact]:
        """The bindings that are sound, at the first packet of each."""
        for (card, _), known in self._seen.items():
            if known and self._site.holds(known[0]):
                address, time_us, line = known
                yield Fact("bindings", time_us, {"place": line, "address": address, "kind": "mac", "value": card.lower()})


def lease(time_us: int, address: str, card: str | None, name: str | None) -> tuple[Fact, ...]:
    """What a DHCP server's word binds to an address: a card, a name, or both."""
    named = (("mac", card), ("dhcp-name", name.removesuffix(".") if name else None))
    rows = [{"address": address, "kind": kind, "value": value.lower()} for kind, value in named if value]
    return tuple(Fact("bindings", time_us, row) for row in rows)
