"""What the cases share: a small site, one host that does it, one that it is done to."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from lab.acts import Acts
from lab.site import Host, Site
from lab.stage import SECOND
from lab.worm import Play

Item = TypeVar("Item")
CLIENT = "10.20.1.1"
"""Who does it, in every case."""


class Case:
    """One case being written."""

    def __init__(self, site: Site, play: Play, start_us: int) -> None:
        self.site = site
        self.stage = site.stage
        self.play = play
        self.start_us = start_us
        self.rng = self.stage.rng("case")
        self.host = site.hosts[CLIENT]
        self.victim = next(h for h in site.hosts.values() if h.role == "client" and h.system == "xp" and h is not self.host)
        self.acts = Acts(site, play, self.host, self.stage.rng("case", "acts"))

    @property
    def target(self) -> str:
        """Address of the host that it is done to."""
        return self.victim.address

    def introduce(self) -> None:
        """Somebody asks for the domain controller, so that it is known which host that is."""
        asker = self.site.by_role("client")[-1]
        name = f"_ldap._tcp.dc._msdcs.{self.site.domain.dns}"
        self.stage.at(self.start_us, lambda now: self.site.names.ask(now, asker, name, "SRV"))

    def at(self, seconds: float, act: Callable[[int], object]) -> None:
        """Let something happen so many seconds after the case's beginning."""
        self.stage.at(self.start_us + int(seconds * SECOND), act)

    def each(self, items: Iterable[Item], begin: float, step: float, act: Callable[[int, Item], object]) -> None:
        """Let `act` happen with one item after the other: the first `begin` seconds after the start, then every `step`."""

        def later(item: Item) -> Callable[[int], object]:
            return lambda now: act(now, item)

        for number, item in enumerate(items):
            self.at(begin + step * number, later(item))

    def others(self, count: int) -> list[Host]:
        """Windows hosts that are neither the one that does it nor the domain controller."""
        able = [h for h in self.site.hosts.values() if h.windows and h is not self.host and h.role != "controller"]
        return able[:count]
