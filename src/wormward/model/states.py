"""A host's state: three independent answers, each with reasons; the graph; coverage; the whole assessment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from wormward.model.differences import Comparison
from wormward.model.findings import Finding
from wormward.model.inventory import Item
from wormward.model.tlp import Tlp


class Infection(StrEnum):
    """The infection answer. Traffic alone never gives CLEAN."""

    INFECTED = "infected"
    SUSPECTED = "suspected"
    LEFTOVERS = "leftovers"
    ATTACKED = "attacked"
    CLEAN = "clean"
    UNKNOWN = "unknown"


class Exposure(StrEnum):
    """Whether the worm could get in."""

    EXPOSED = "exposed"
    NOT_EXPOSED = "not_exposed"
    UNKNOWN = "unknown"


class Protection(StrEnum):
    """Whether something stands in front of it."""

    PROTECTED = "protected"
    UNPROTECTED = "unprotected"
    UNKNOWN = "unknown"


class Way(StrEnum):
    """How the worm came to a host (closed list of the JSON contract)."""

    EXPLOIT = "exploit"
    PASSWORD = "password"  # noqa: S105 - a way of spreading, not a secret
    USB = "usb"
    SHARE = "share"
    UPDATE = "update"
    UNKNOWN = "unknown"


class Why(StrEnum):
    """Why an answer is `unknown`."""

    NOT_OBSERVED = "not_observed"
    SILENT = "silent"  # the host was seen, nothing of the worm was
    NOT_CONCLUSIVE = "not_conclusive"


class KnownBy(StrEnum):
    """What binds a host's address to a device (closed list of the JSON contract)."""

    ADDRESS = "address"  # nothing: the address is taken for the device
    MAC = "mac"
    NAME = "name"
    INVENTORY = "inventory"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that could not be read: where, what, and what to do about it."""

    what: str
    place: str | None = None
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Coverage:
    """What one source looked at, when, how completely, and why not."""

    source: str  # name as given, never an absolute path, escaped
    sha256: str
    kind: str
    unit: str
    begin: datetime | None
    end: datetime | None
    time_zone: str
    time_zone_known: str  # "stamped" (epoch or UTC in the format), "site", "assumed"
    rows: Mapping[str, int]
    problems: tuple[Problem, ...] = ()
    blind: tuple[str, ...] = ()  # msgids: what this kind of source cannot show
    duplicate_of: str | None = None
    group: str | None = None  # digest of the first file of the rotation this capture continues
    notes: tuple[str, ...] = ()  # msgids: how it was read, where that is worth knowing and no problem
    clock_error_s: int = 0  # seconds that were taken off its times, because the site says that its clock was fast
    clock_shift_s: int = 0  # seconds that its stamps lack against the other sources', by events that several saw

    @property
    def last(self) -> datetime | None:
        """Its latest time, set right."""
        return self.end + timedelta(seconds=self.clock_shift_s) if self.end else None


def copy_of(original: Coverage, name: str) -> Coverage:
    """Coverage of a second file with the same bytes: all that it would say stands with the first."""
    return replace(
        original,
        source=name,
        begin=None,
        end=None,
        rows={},
        problems=(),
        blind=(),
        duplicate_of=original.source,
        group=None,
        notes=(),
    )


class Skip(StrEnum):
    """Why something in a folder was not looked at further (closed list of the JSON contract)."""

    NO_EVIDENCE = "no-evidence"
    LINK = "link"
    SPECIAL = "special"  # a pipe, a socket, a device


@dataclass(frozen=True, slots=True)
class PassedOver:
    """What was passed over in folders for one reason: how much of it, and the first few names."""

    why: Skip
    count: int
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Remark:
    """A sentence (msgid) about this very evidence that changes no answer, and what fills its places."""

    sentence: str
    fields: Mapping[str, str | int]


@dataclass(frozen=True, slots=True)
class Reason:
    """One step of the tree of why: a rule, what it says, its weight and the findings below it."""

    rule: str
    sentence: str
    fields: Mapping[str, str | int]
    findings: tuple[str, ...]
    milli: int


@dataclass(frozen=True, slots=True)
class Edge:
    """`start` brought the worm to `end`; `start` is None where the worm came from outside the evidence."""

    start: str
    end: str
    time: datetime
    way: Way
    likelihood: float
    findings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Past:
    """An earlier variant of a host that was updated."""

    variant: str
    first_seen: datetime
    last_seen: datetime


@dataclass(frozen=True, slots=True)
class Host:
    """One device and its state."""

    address: str
    addresses: tuple[str, ...]
    device: str
    site: str
    verdict: Infection
    unknown_because: Why | None
    exposure: Exposure
    protection: Protection
    threat: str | None
    variant: tuple[str, ...]
    detail: str
    names: Mapping[str, str]
    confidence: float
    first_seen: datetime | None
    last_seen: datetime | None
    infected_by: tuple[Edge, ...]
    reasons: tuple[Reason, ...]
    history: tuple[Past, ...] = ()
    would_decide: tuple[str, ...] = ()  # msgids: what would turn `unknown` into an answer
    clock_offset_days: int | None = None
    roles: tuple[str, ...] = ()
    way: Way | None = None  # most likely way in; None unless infected
    known_by: KnownBy = KnownBy.ADDRESS
    inventory: Item | None = None  # what the inventory says of it


@dataclass(frozen=True, slots=True)
class PatientZero:
    """A candidate for the first infected host."""

    address: str
    site: str
    likelihood: float
    first_seen: datetime


@dataclass(frozen=True, slots=True)
class Listed:
    """How the site's inventory and the hosts of the assessment meet: how many it lists, how many of these were seen.

    `unlisted` hosts were seen inside the site and do not stand in it.
    """

    source: str
    sha256: str
    hosts: int
    observed: int
    unlisted: int


@dataclass(frozen=True, slots=True)
class Assessment:
    """All that one run of `assess` has to say."""

    pack: Mapping[str, str]
    as_of: datetime | None
    site: str
    tolerance_days: int
    all_time: bool
    hosts: tuple[Host, ...]
    findings: tuple[Finding, ...]
    edges: tuple[Edge, ...]
    patient_zero: tuple[PatientZero, ...]
    coverage: tuple[Coverage, ...]
    notes: tuple[str, ...] = field(default=())
    since: datetime | None = None  # only evidence from here on was looked at
    until: datetime | None = None  # and only up to here (exclusive)
    passed_over: tuple[PassedOver, ...] = ()
    remarks: tuple[Remark, ...] = ()
    tlp: Tlp = Tlp.AMBER  # whom the report may be passed on to
    listed: Listed | None = None  # None: there is no inventory
    compared: Comparison | None = None  # with an earlier assessment
    pseudonymous: bool = False  # its addresses are nobody's

    def count(self, verdict: Infection) -> int:
        """How many hosts have this infection answer."""
        return sum(1 for host in self.hosts if host.verdict is verdict)


@dataclass(frozen=True, slots=True)
class SeenHost:
    """An address that said something in the evidence (not one that was merely called)."""

    site: str
    address: str
    first_seen: datetime
    last_seen: datetime
    roles: tuple[str, ...] = ()  # "domain-controller", "resolver"
