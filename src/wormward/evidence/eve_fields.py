"""What all events of Suricata share: ends, time, and values that are of the kind they should be or absent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from wormward.evidence import values
from wormward.evidence.lines import Clock

_MOST = 1 << 62


@dataclass(frozen=True, slots=True)
class Event:
    """One line: its JSON object, its time (UTC microseconds), and the clock for stamps within."""

    raw: dict[str, Any]
    time_us: int
    clock: Clock

    def part(self, name: str) -> dict[str, Any]:
        """An object within; empty if there is none."""
        found = self.raw.get(name)
        return found if isinstance(found, dict) else {}

    def ends(self) -> tuple[str, str]:
        """Source and destination address. Raises ValueError if one is none."""
        source, destination = address(self.raw, "src_ip"), address(self.raw, "dest_ip")
        if source is None or destination is None:
            raise ValueError("no addresses")
        return source, destination


def text(part: dict[str, Any], name: str) -> str | None:
    """A text; None if it is absent, empty or something else."""
    found = part.get(name)
    return found if isinstance(found, str) and found else None


def number(part: dict[str, Any], name: str) -> int | None:
    """A number that is not negative; None if it is absent or something else."""
    found = part.get(name)
    return found if isinstance(found, int) and not isinstance(found, bool) and 0 <= found < _MOST else None


def port(part: dict[str, Any], name: str) -> int:
    """A port; 0 if there is none."""
    found = number(part, name)
    return found if found is not None and found < 1 << 16 else 0


def address(part: dict[str, Any], name: str) -> str | None:
    """An IP address in its usual form."""
    found = text(part, name)
    return values.address(found.encode("utf-8", "replace")) if found else None
