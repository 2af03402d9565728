"""What a site says it has: the hosts of its inventory, as values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wormward.model.states import Problem


@dataclass(frozen=True, slots=True)
class Item:
    """One host of the inventory: what the row at `line` says of it, escaped. MACs are lower case with colons.

    `site` is None where the inventory does not say; texts are empty where it does not.
    """

    line: int
    name: str = ""
    addresses: tuple[str, ...] = ()
    macs: tuple[str, ...] = ()
    place: str = ""
    role: str = ""
    os: str = ""
    site: str | None = None

    @property
    def shown(self) -> str:
        """What it is called where an address is wanted: its first address, else its first MAC, else its name."""
        return (*self.addresses, *self.macs, self.name)[0]


@dataclass(frozen=True, slots=True)
class Inventory:
    """The inventory of a site: the file's name and digest, its hosts by line, and which lines could not be used.

    No address and no MAC stands in two items of one site.
    """

    source: str
    sha256: str
    items: tuple[Item, ...]
    problems: tuple[Problem, ...] = ()
