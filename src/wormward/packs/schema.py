"""The form of `pack.toml`, key by key. Unknown keys are refused, and nothing is converted silently.

What a key means stands beside the value that it fills in `model.pack`; here is only what may stand in the file.
"""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from wormward.model.rules import RULES
from wormward.model.states import Way

MOST_PATTERN = 500
_NESTED = re.compile(r"\([^()]*[^\\][*+][^()]*\)([*+]|\{[0-9]*,\})")


def _pattern(text: str) -> str:
    if _NESTED.search(text):
        raise ValueError("repeats a repetition, which hostile input can make endless; bound the inner or the outer one")
    if len(text) > MOST_PATTERN:
        raise ValueError(f"is a pattern of more than {MOST_PATTERN} characters; split the form")
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"is no regular expression ({error}); correct it") from error
    return text


def _rule(text: str) -> str:
    if text not in RULES:
        raise ValueError(f"names the rule {text!r}, which this program does not have; it has: {', '.join(RULES)}")
    return text


def _way(text: str) -> str:
    if text not in {way.value for way in Way} - {Way.UNKNOWN.value}:
        raise ValueError(f"{text!r} is no way in; it may be {', '.join(w.value for w in Way if w is not Way.UNKNOWN)}")
    return text


def _interface(text: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", text):
        raise ValueError("is no interface UUID in lower case; write it like 4b324fc8-1670-01d3-1278-5a47bf6ee188")
    return text


Pattern = Annotated[str, AfterValidator(_pattern)]
WayIn = Annotated[str, AfterValidator(_way)]
RuleId = Annotated[str, AfterValidator(_rule)]
Interface = Annotated[str, AfterValidator(_interface)]
Text = Annotated[str, Field(min_length=1, max_length=1000)]
Word = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.$+-]*$", max_length=64)]
Letter = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9+]{0,3}$")]
Port = Annotated[int, Field(ge=0, le=65535)]
Opnum = Annotated[int, Field(ge=0, le=65535)]
Seconds = Annotated[int, Field(ge=0, le=30 * 86400)]
Count = Annotated[int, Field(ge=0, le=1_000_000)]
Milli = Annotated[int, Field(ge=-300_000, le=300_000)]
Protocol = Literal["tcp", "udp"]


class Strict(BaseModel):
    """No unknown key, no silent conversion, no change afterwards."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Head(Strict):
    """`[pack]`."""

    name: Word
    title: Text
    version: Text
    since: date
    tolerance_days: Annotated[int, Field(ge=0, le=366)]
    reported_names: list[Annotated[str, Field(pattern=r"^[ -@\[-~]{1,64}$")]] = []
    names_convict_milli: Milli
    least_names: Annotated[int, Field(ge=1, le=1000)]


class AlgorithmTable(Strict):
    """A named algorithm; what else stands in its table are its parameters, which the algorithm itself checks."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)

    algorithm: Text

    @property
    def parameters(self) -> dict[str, Any]:
        """Everything but the name."""
        return dict(self.model_extra or {})


class VariantTable(Strict):
    """`[[variants]]`."""

    letter: Letter
    order: Count
    first_day: date
    spreads: list[WayIn] = []
    detail: str = ""
    names: dict[str, Text] = {}
    domains: AlgorithmTable | None = None


class HttpFormTable(Strict):
    """`[[http_forms]]`."""

    id: Word
    rule: Literal["http.beacon", "http.download", "http.support"]
    variants: list[Letter]
    method: Text
    uri: Pattern
    host: Literal["dotted-quad", "listed", "any"]
    hosts: list[Text] = []
    header_sets: list[list[Text]] = []
    proxy_headers: list[Text] = []
    examples: list[str]
    counterexamples: list[str]

    @model_validator(mode="after")
    def _consistent(self) -> HttpFormTable:
        if (self.host == "listed") != bool(self.hosts):
            raise ValueError('has hosts without host = "listed", or the other way round')
        _try_examples(self.uri, self.examples, self.counterexamples)
        return self


class FileFormTable(Strict):
    """`[[file_forms]]`."""

    id: Word
    shares: list[Text] = []
    path: Pattern
    examples: list[str]
    counterexamples: list[str]

    @model_validator(mode="after")
    def _consistent(self) -> FileFormTable:
        _try_examples(self.path, self.examples, self.counterexamples)
        return self


def _try_examples(pattern: str, examples: list[str], counterexamples: list[str]) -> None:
    if not examples or not counterexamples:
        raise ValueError("needs at least one example that fits it and one counterexample that does not")
    fits = re.compile(pattern).fullmatch
    for wrong in [e for e in examples if not fits(e)] + [c for c in counterexamples if fits(c)]:
        raise ValueError(f"does not agree with its own example or counterexample {wrong!r}; correct one of them")


class PeerToPeerTable(Strict):
    """`[peer_to_peer]`."""

    variants: list[Letter]
    week_tolerance: Annotated[int, Field(ge=0, le=52)]
    least_port: Port
    left_out: list[Annotated[list[Any], Field(min_length=2, max_length=2)]] = []
    ports: AlgorithmTable
    packets: AlgorithmTable

    @model_validator(mode="after")
    def _consistent(self) -> PeerToPeerTable:
        for protocol, port in self.left_out:
            if protocol not in ("tcp", "udp") or type(port) is not int or not 0 <= port <= 65535:
                raise ValueError(f'has {[protocol, port]} in left_out; write pairs like ["udp", 500]')
        return self


class WantTable(Strict):
    """`[[wants]]`."""

    protocol: Protocol
    least_size: Annotated[int, Field(ge=1, le=65536)]
    most_size: Annotated[int, Field(ge=1, le=65536)]
    ports: list[Port] = []
    not_ports: list[Port] = []
    least_port: Port = 0
    first_bytes: Annotated[str, Field(pattern=r"^([0-9a-f]{2}){0,32}$")] = ""
    per_flow: Annotated[int, Field(ge=1, le=16)] = 2


class WantedCallTable(Strict):
    """`[[wanted_calls]]`."""

    interface: Interface
    opnums: list[Opnum]


class ExploitMarkTable(Strict):
    """`[[spreading.exploit_marks]]`."""

    xor: Annotated[int, Field(ge=0, le=255)]
    pattern: Pattern


class SpreadingTable(Strict):
    """`[spreading]`."""

    scan_ports: list[Port]
    scan_window_s: Annotated[int, Field(ge=1, le=86400)]
    scan_targets: Count
    scan_failed_share_percent: Annotated[int, Field(ge=0, le=100)]
    hole_interface: Interface
    hole_opnums: list[Opnum]
    fetch_window_s: Seconds
    job_interface: Interface
    job_opnums: list[Opnum]
    job_window_s: Seconds
    job_command: Pattern
    burst_window_s: Annotated[int, Field(ge=1, le=86400)]
    burst_failures: Count
    burst_targets: Count
    variants_exploit: list[Letter] = []
    variants_password: list[Letter] = []
    variants_share: list[Letter] = []
    probe_native_os: str = ""
    probe_native_lanman: str = ""
    burst_accounts: Count = 1
    wave_spread_percent: Annotated[int, Field(ge=0, le=100)] = 25
    exploit_marks: list[ExploitMarkTable] = []


class ClosedNetworkTable(Strict):
    """`[closed_network]`."""

    date_sites: list[Text]
    least_hours: Count
    least_sites: Count
    variants: list[Letter]


class WeightTable(Strict):
    """`[[judge.weights]]`: a fixed `milli`, or `computed = true` where the finding brings its own strength."""

    rule: RuleId
    role: Literal["actor", "target"]
    milli: Milli | None = None
    computed: bool = False
    most: Milli
    characteristic: bool = False
    sentence: Text
    attacked: bool = False
    needs_infected_actor: bool = False
    needs_doubted_actor: bool = False
    when: Annotated[dict[str, str], Field(min_length=1, max_length=1)] | None = None

    @model_validator(mode="after")
    def _consistent(self) -> WeightTable:
        if (self.milli is None) != self.computed:
            raise ValueError("needs either milli or computed = true")
        return self


class WayTable(Strict):
    """`[[judge.ways]]`."""

    rule: RuleId
    way: WayIn
    milli: Milli
    again: bool = False


class JudgeTable(Strict):
    """`[judge]`."""

    prior: Milli
    infected: Milli
    suspected: Milli
    unseen_way: Milli
    later_way: Milli
    again_permille: Annotated[int, Field(ge=0, le=1000)] = 20
    weights: list[WeightTable]
    ways: list[WayTable] = []


class AlertsTable(Strict):
    """`[alerts]`."""

    rules: list[Annotated[int, Field(ge=1, le=2**32 - 1)]] = []
    words: list[Annotated[str, Field(pattern=r"^[ -@\[-~]{3,64}$")]] = []


class PackFile(Strict):
    """All of `pack.toml`."""

    pack: Head
    variants: Annotated[list[VariantTable], Field(min_length=1)]
    http_forms: list[HttpFormTable] = []
    file_forms: list[FileFormTable] = []
    peer_to_peer: PeerToPeerTable | None = None
    wants: list[WantTable] = []
    wanted_calls: list[WantedCallTable] = []
    spreading: SpreadingTable
    closed_network: ClosedNetworkTable
    alerts: AlertsTable = AlertsTable()
    judge: JudgeTable
    texts: dict[str, dict[str, str]] = {}

    @model_validator(mode="after")
    def _known_letters(self) -> PackFile:
        letters = [v.letter for v in self.variants]
        if len(set(letters)) != len(letters):
            raise ValueError("variants: two of them have the same letter")
        s, p2p = self.spreading, self.peer_to_peer
        used = [*s.variants_exploit, *s.variants_password, *s.variants_share, *self.closed_network.variants]
        used += [letter for form in self.http_forms for letter in form.variants]
        used += p2p.variants if p2p else []
        for letter in used:
            if letter not in letters:
                raise ValueError(f"variants: letter {letter!r} is used but not described; add it or correct the letter")
        for name, ids in (("http_forms", self.http_forms), ("file_forms", self.file_forms)):
            if len({form.id for form in ids}) != len(ids):
                raise ValueError(f"{name}: two of them have the same id")
        return self
