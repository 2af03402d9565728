"""What a threat pack says, as values. `packs/` loads and checks it; everybody else only reads it.

Nothing outside a pack may know a worm: ports, names, header sets, lists, weights and sentences come from here.
What cannot be tabulated (a name generator, a port rule, a packet cipher) is an algorithm behind a Protocol.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa


class DomainAlgorithm(Protocol):
    """A generator of names, one list a day. Days are days since 1970-01-01 UTC."""

    @property
    def names_per_day(self) -> int:
        """How many names one day's list has."""
        ...

    @property
    def lists_per_day(self) -> int:
        """How many lists a day can have at most (numeric branches); counts as so many tries."""
        ...

    def names(self, day: int) -> list[str]:
        """The day's list, in order (first branch)."""
        ...

    def letters(self, names: pa.Array) -> npt.NDArray[np.int32]:
        """Per name (strings without null): letters before the suffix if the name has the generator's shape, else 0."""
        ...

    def find(self, names: Sequence[str], first_day: int, last_day: int) -> pa.Table:
        """Where `names` stand in the lists of these days: columns index (into names), day, position, branch."""
        ...

    def chance(self, letters: int) -> float:
        """Probability that one given name of that many letters (and some suffix of the generator) is in one day's list."""
        ...


class PortAlgorithm(Protocol):
    """Ports that an infected host opens, computed from its address and the week."""

    @property
    def usable_ports(self) -> int:
        """How many ports the rule can give at all: the denominator of chance."""
        ...

    def week(self, time_us: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
        """Week number of times in microseconds since 1970 UTC."""
        ...

    def ports(self, address: npt.NDArray[np.uint32], week: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
        """Shape (n, 4): TCP of the address, UDP of the address, TCP of the week, UDP of the week.

        `address` is the IPv4 address as a big-endian number (`int(ipaddress.IPv4Address(...))`).
        """
        ...

    def usable(self, port: npt.NDArray[np.int32]) -> npt.NDArray[np.bool_]:
        """True where the rule can give this port."""
        ...


class PacketAlgorithm(Protocol):
    """A packet format with a sum that tells it from noise."""

    def decode(self, protocol: str, payload: bytes) -> str | None:
        """What the packet says, printable, if its sum is right; None if it is not such a packet."""
        ...


@dataclass(frozen=True, slots=True)
class Variant:
    """One build of the worm: our letter, others' names, what it can do."""

    letter: str
    names: Mapping[str, str]
    first_day: int  # days since 1970: no list before this day
    detail: str = ""
    spreads: tuple[str, ...] = ()  # values of states.Way
    order: int = 0  # a later build has a larger number
    domains: DomainAlgorithm | None = None


@dataclass(frozen=True, slots=True)
class HttpForm:
    """An HTTP request form. Empty tuples do not restrict."""

    id: str
    rule: str
    variants: tuple[str, ...]
    method: str
    uri: str  # a Python regular expression that must match the whole URI
    host: str  # "dotted-quad", "listed" or "any"
    hosts: tuple[str, ...] = ()
    header_sets: tuple[tuple[str, ...], ...] = ()  # allowed header names in order, after proxy headers are removed
    proxy_headers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FileForm:
    """A path on a share. `path` is a Python regular expression on the lower-cased path."""

    id: str
    shares: tuple[str, ...]  # empty: any share
    path: str


@dataclass(frozen=True, slots=True)
class PeerToPeer:
    """Ports and packets of the peer-to-peer part."""

    variants: tuple[str, ...]
    ports: PortAlgorithm
    packets: PacketAlgorithm
    week_tolerance: int
    least_port: int
    left_out: frozenset[tuple[str, int]]  # (protocol, port) that ordinary programs use


@dataclass(frozen=True, slots=True)
class Want:
    """Payload that readers must keep, as column masks."""

    protocol: str  # "tcp" or "udp"
    least_size: int
    most_size: int
    ports: frozenset[int] = frozenset()  # either port; empty: any
    not_ports: frozenset[int] = frozenset()  # neither port
    least_port: int = 0  # both ports at least this
    first_bytes: bytes = b""
    per_flow: int = 2  # at most so many payloads a flow and direction


@dataclass(frozen=True, slots=True)
class WantedCall:
    """RPC calls whose stub readers must keep."""

    interface: str
    opnums: frozenset[int]


@dataclass(frozen=True, slots=True)
class ExploitMark:
    """What the worm's own exploit request holds: bytes that, each combined with `xor`, read as `pattern` does (ASCII)."""

    xor: int
    pattern: str  # Python regular expression, searched


@dataclass(frozen=True, slots=True)
class Spreading:
    """Parameters of the spreading detectors: ports, windows, thresholds, operations."""

    scan_ports: tuple[int, ...]
    scan_window_s: int
    scan_targets: int
    scan_failed_share_percent: int
    hole_interface: str
    hole_opnums: tuple[int, ...]
    fetch_window_s: int
    job_interface: str
    job_opnums: tuple[int, ...]
    job_window_s: int
    job_command: str  # Python regular expression on the lower-cased command; "" where the source shows none
    burst_window_s: int
    burst_failures: int  # distinct (account, second) failures on one target
    burst_targets: int  # so many targets make a wave
    variants_exploit: tuple[str, ...]
    variants_password: tuple[str, ...]
    variants_share: tuple[str, ...]
    probe_native_os: str = ""  # what its SMB1 session setup calls the native OS and LAN manager; empty: unknown
    probe_native_lanman: str = ""
    burst_accounts: int = 1  # so many accounts in all, where the source names any
    wave_spread_percent: int = 25  # waves have a rhythm if every pause parts from their median by no more
    exploit_marks: tuple[ExploitMark, ...] = ()


@dataclass(frozen=True, slots=True)
class ClosedNetwork:
    """What the worm does without the Internet: failing lookups of its date sites."""

    date_sites: tuple[str, ...]
    least_hours: int  # in so many distinct hours
    least_sites: int  # so many distinct sites
    variants: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Alerts:
    """Rules of sensors that speak of this worm or its hole: by number, or by words of their text (lower case)."""

    rules: frozenset[int] = frozenset()
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Weight:
    """What one rule's finding adds to a host's infection odds, in thousandths of a log10 odds.

    `role` is the host's part in the finding ("actor" or "target"). `most` bounds the sum over event keys.
    `milli` None: the finding carries its own computed strength. `needs_infected_actor`: counts only if the
    finding's actor is convicted by other evidence; `needs_doubted_actor`: also if that is suspected by a
    characteristic sign. `attacked`: a target of it is at least `attacked`.
    """

    rule: str
    role: str
    milli: int | None
    most: int
    characteristic: bool  # may convict; a host with no characteristic finding is at most suspected
    sentence: str
    attacked: bool = False
    needs_infected_actor: bool = False
    needs_doubted_actor: bool = False
    when: tuple[str, str] | None = None  # counts only if the finding's field has this value, e.g. ("executable", "yes")


@dataclass(frozen=True, slots=True)
class WayWeight:
    """How strongly a rule's finding shows that its actor brought the worm to its target.

    `again`: it works on a host that has the worm already as well, so that it may not have been what brought it.
    """

    rule: str
    way: str
    milli: int
    again: bool = False


@dataclass(frozen=True, slots=True)
class JudgeRules:
    """The rule that weighs findings; all numbers are thousandths of a log10 odds."""

    prior: int
    infected: int
    suspected: int
    weights: tuple[Weight, ...]
    ways: tuple[WayWeight, ...]
    unseen_way: int  # weight of "it came another way that nobody saw"
    later_way: int  # added for each earlier successful way (the worm is already there)
    again_permille: int = 20  # of hosts that have the worm and did nothing yet, so many meet it again: what is assumed of a site


@dataclass(frozen=True, slots=True)
class ThreatPack:
    """One threat, whole."""

    name: str  # id, e.g. the folder's name
    title: str  # how reports call the threat
    version: str
    digest: str  # sha256 over the pack's files
    since_day: int  # first day of any list, for --all-time
    tolerance_days: int
    names_convict_milli: int  # names alone convict from this strength on
    least_names: int  # distinct names of one day's list below which names say nothing
    variants: tuple[Variant, ...]
    http_forms: tuple[HttpForm, ...]
    file_forms: tuple[FileForm, ...]
    peer_to_peer: PeerToPeer | None
    sinkholes: frozenset[str]
    spreading: Spreading
    closed_network: ClosedNetwork
    wants: tuple[Want, ...]
    wanted_calls: tuple[WantedCall, ...]
    judge: JudgeRules
    texts: Mapping[str, Mapping[str, str]]  # language -> msgid -> sentence
    reported_names: frozenset[str] = frozenset()  # what third parties' reports call it, lower case
    alerts: Alerts = Alerts()

    def variant(self, letter: str) -> Variant:
        """The variant of that letter; KeyError if the pack has none."""
        for v in self.variants:
            if v.letter == letter:
                return v
        raise KeyError(letter)
