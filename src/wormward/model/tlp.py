"""The Traffic Light Protocol, version 2.0 (FIRST, 2022): whom a report may be passed on to."""

from __future__ import annotations

from enum import StrEnum


class Tlp(StrEnum):
    """The five labels, as they are written after ``TLP:``."""

    CLEAR = "CLEAR"
    GREEN = "GREEN"
    AMBER = "AMBER"
    AMBER_STRICT = "AMBER+STRICT"
    RED = "RED"

    @property
    def label(self) -> str:
        """As it stands on a document, e.g. ``TLP:AMBER``."""
        return f"TLP:{self.value}"
