"""Who holds which address, told lease by lease: what the readers of DHCP servers' files share.

Such files are written in order of time and never corrected: a later entry of an address ends or replaces an earlier one.
So a lease waits until the next entry of its address, or the end of the file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from wormward.evidence.lines import Fact

MOST_WAITING: Final = 65_536
"""Leases that wait; of more, the oldest is handed over as it stands."""
_MAC: Final = re.compile(r"[0-9a-f]{2}(?:[:-][0-9a-f]{2}){5}")
_PLAIN_MAC: Final = re.compile(r"[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Lease:
    """One lease. Times are UTC microseconds; `end` None where the file does not say; `place` is its line."""

    address: str
    begin: int
    end: int | None
    mac: str | None
    name: str | None
    place: int

    def facts(self) -> Iterator[Fact]:
        """Its bindings."""
        for kind, value in (("mac", self.mac), ("dhcp-name", self.name)):
            if value:
                columns = {"time_end": self.end, "address": self.address, "kind": kind, "value": value, "place": self.place}
                yield Fact("bindings", self.begin, columns)


def mac(text: str | None) -> str | None:
    """A MAC as `bindings` has it; None if the text is none (of 6 bytes)."""
    low = (text or "").strip().lower()
    if _PLAIN_MAC.fullmatch(low):
        return ":".join(low[i : i + 2] for i in range(0, 12, 2))
    return low.replace("-", ":") if _MAC.fullmatch(low) else None


def host_name(text: str | None) -> str | None:
    """A client's name as `bindings` has it; None if it is empty."""
    return (text or "").strip().lower().removesuffix(".") or None


class Leases:
    """Entries in, bindings out."""

    def __init__(self) -> None:
        self._waiting: dict[str, Lease] = {}

    def begins(self, lease: Lease) -> Iterator[Fact]:
        """An address was given to somebody; what is now known of the one before."""
        before = self._waiting.pop(lease.address, None)
        if before is not None and (before.mac, before.begin) == (lease.mac, lease.begin):
            lease = replace(lease, name=lease.name or before.name)
        elif before is not None:
            other = before.mac != lease.mac or (lease.mac is None and before.name != lease.name)
            yield from (_ended(before, lease.begin) if other else before).facts()
        if len(self._waiting) >= MOST_WAITING:
            yield from self._waiting.pop(next(iter(self._waiting))).facts()
        self._waiting[lease.address] = lease

    def ends(self, address: str, time: int) -> Iterable[Fact]:
        """Nobody holds the address any more."""
        before = self._waiting.pop(address, None)
        return () if before is None else _ended(before, time).facts()

    def finish(self) -> Iterator[Fact]:
        """What still waits."""
        for lease in self._waiting.values():
            yield from lease.facts()
        self._waiting.clear()


def _ended(lease: Lease, time: int) -> Lease:
    """A lease that somebody else's, or its release, ends; never later than it says, nor before it began."""
    if time < lease.begin:
        return lease
    return replace(lease, end=time if lease.end is None else min(lease.end, time))
