"""What a hole's file provides, and what judging a call gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

WRITES_BEFORE = "writes-before"
LOOKS_BEFORE = "looks-before"
QUESTION = "question"
HARMLESS = "harmless"
MALFORMED = "malformed"
NONE = "none"


@dataclass(frozen=True, slots=True)
class Effect:
    """What a call would do to the service that it is sent to.

    `effect` is one of the words above, as in the table `call_effects`. `path` and `command` are already in the
    escaped printable form. `step` is the component (from 1, empty ones not counted) at which the path leaves the
    buffer, `depth` how many components it goes beyond (0: it only looks). `asker` names a scanner's question.
    """

    hole: str | None
    effect: str
    path: str | None = None
    step: int | None = None
    depth: int | None = None
    command: str | None = None
    asker: str | None = None
    broken: bool = False  # a count of the call lies, or its stub ends too early


@dataclass(frozen=True, slots=True)
class Hole:
    """One vulnerability: which calls it concerns, and the pure predicate over (opnum, byte order, NDR64, stub).

    `pipes` are the pipes that lead to its service: through no others a call whose bind was not seen concerns it.
    """

    name: str
    interface: str
    opnums: frozenset[int]
    pipes: frozenset[str]
    judge: Callable[[int, str, bool, bytes], Effect]
