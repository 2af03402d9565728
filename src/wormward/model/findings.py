"""A finding: something a detector saw, with the rows that show it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from wormward.model.errors import WormwardError
from wormward.model.text import filled

CITED_ROWS = 20
"""A finding cites its first, its last and at most this many smallest row ids; `count` tells of the rest."""
CITED_SOURCES = 50
"""Of so many sources that show it, a finding cites at least the first row."""


class Kind(StrEnum):
    """What sort of thing was seen (closed list of the JSON contract)."""

    DOMAIN_LOOKUP = "domain-lookup"
    CALL_HOME = "call-home"
    PEER_TO_PEER = "peer-to-peer"
    SCAN = "scan"
    EXPLOIT_ATTEMPT = "exploit-attempt"
    EXPLOIT_FETCH = "exploit-fetch"
    LOGON_BURST = "logon-burst"
    LATERAL_WRITE = "lateral-write"
    SHARE_WRITE = "share-write"
    BOT_WORK = "bot-work"
    REPORTED = "reported"
    ALERT = "alert"


@dataclass(frozen=True, slots=True, order=True)
class Cite:
    """One row's source: a file (by digest) and the frame or line in it, counted from 1."""

    sha256: str
    unit: str  # "frame", "line" or "record"
    place: int


@dataclass(frozen=True, slots=True)
class Finding:
    """One event key's worth of evidence.

    `count` is how many rows the source shows that shows most of it: the same event seen twice is one.
    `sentence` is a msgid with ``{named}`` places that `fields` fill; all texts in `fields` are already escaped.
    `milli` is the computed strength in thousandths of a log10 odds where the detector computes one
    (chance of coincidence); None where the pack's fixed weight applies.
    """

    rule: str
    kind: Kind
    actor: str
    target: str | None
    site: str
    time: datetime
    time_last: datetime
    count: int
    sentence: str
    fields: Mapping[str, str | int]
    rows: tuple[int, ...]
    cites: tuple[Cite, ...]
    table: str = ""
    variants: tuple[str, ...] = ()
    vulnerability: str | None = None
    milli: int | None = None
    key: str = ""  # what tells this event from another of the same rule, actor and target (day of a list, bucket)
    id: str = field(init=False)

    def __post_init__(self) -> None:
        if not self.rows or not self.cites:
            raise WormwardError(f"finding {self.rule} of {self.actor} cites no row: it must not exist")
        if self.count < 1 or self.time_last < self.time:
            raise WormwardError(f"finding {self.rule} of {self.actor} has an impossible count or interval")
        text = "|".join((self.rule, self.site, self.actor, self.target or "", self.key))
        object.__setattr__(self, "id", "F-" + hashlib.sha256(text.encode()).hexdigest()[:12])

    def say(self, translate: Mapping[str, str] | None = None) -> str:
        """The sentence with its places filled; `translate` maps msgids to another language."""
        template = translate.get(self.sentence, self.sentence) if translate else self.sentence
        return filled(template, self.fields)
