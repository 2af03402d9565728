"""Judge tests read as transcripts: what was seen, line by line, then who is what.

    host = assessed('''
        08:00 10.0.0.5 names.day-list                   A     milli=14000
        08:05 10.0.0.5 exploit.fetch       > 10.0.0.9   A,B,E executable=yes
    ''')
    assert host("10.0.0.9").verdict == "infected"

A line is: time, who did it, the rule, perhaps `> whom`, the letters it allows, and `field=value`. `d2 08:00` is the second day.
`milli`, `key`, `site`, `until` (a time), `frame` and `line` are the finding's own, all else goes into its fields. The pack
is a made-up one with the weights that packs are expected to have; nothing here knows a worm.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from wormward.judge import Binding, judge
from wormward.model.findings import Cite, Finding, Kind
from wormward.model.pack import ClosedNetwork, JudgeRules, Spreading, ThreatPack, Variant, WayWeight, Weight
from wormward.model.site import Site
from wormward.model.states import Assessment, Coverage, Edge, Host, Problem, SeenHost

DAY = datetime(2009, 2, 2, tzinfo=UTC)
SHA = "ab" * 32
HOLE = "MS08-067 (CVE-2008-4250)"

KINDS = {
    "names.day-list": Kind.DOMAIN_LOOKUP,
    "names.date-sites": Kind.DOMAIN_LOOKUP,
    "http.beacon": Kind.CALL_HOME,
    "http.beacon-loose": Kind.CALL_HOME,
    "http.support": Kind.CALL_HOME,
    "sinkhole.contact": Kind.CALL_HOME,
    "p2p.ports": Kind.PEER_TO_PEER,
    "scan.smb": Kind.SCAN,
    "scan.probe": Kind.SCAN,
    "exploit.path": Kind.EXPLOIT_ATTEMPT,
    "exploit.call": Kind.EXPLOIT_ATTEMPT,
    "exploit.fetch": Kind.EXPLOIT_FETCH,
    "logon.burst": Kind.LOGON_BURST,
    "lateral.admin-share": Kind.LATERAL_WRITE,
    "share.autorun": Kind.SHARE_WRITE,
    "bots.mail": Kind.BOT_WORK,
    "reported.sinkhole": Kind.REPORTED,
    "alert.rule": Kind.ALERT,
}
SENTENCES = {
    "names.day-list": "It asked for {names} of {asked} names of variant {variant}'s list of {day}.",
    "exploit.path": "It sent a path that writes before the buffer.",
}


def _weight(rule: str, role: str, milli: int | None, most: int = 0, **more: object) -> Weight:
    bound = most or (milli or 0) * 2 or 14000
    return Weight(rule, role, milli, bound, sentence=f"{rule} as {role}, {{count}} times", **{"characteristic": False, **more})  # type: ignore[arg-type]


WEIGHTS = (
    _weight("names.day-list", "actor", None, 14000, characteristic=True),
    _weight("names.date-sites", "actor", 4000, 4000, characteristic=True),
    _weight("http.beacon", "actor", 9500, characteristic=True),
    _weight("http.support", "actor", 500, 500),
    _weight("p2p.ports", "actor", None, 14000, characteristic=True),
    _weight("scan.smb", "actor", 2000, 2000),
    _weight("scan.probe", "actor", 1500, 1500),
    _weight("exploit.path", "actor", 6000, 9000, characteristic=True),
    _weight("exploit.path", "target", 0, attacked=True),
    _weight("exploit.call", "actor", 0),
    _weight("exploit.call", "target", 0, attacked=True, needs_infected_actor=True),
    _weight("exploit.fetch", "actor", 6000, 9000, characteristic=True),
    _weight("exploit.fetch", "target", 9500, 9500, characteristic=True, when=("executable", "yes")),
    _weight("exploit.fetch", "target", 7000, 7000, characteristic=True),
    _weight("logon.burst", "actor", 3000, 3000),
    _weight("logon.burst", "target", 0, attacked=True),
    _weight("lateral.admin-share", "actor", 7000, 9000, characteristic=True),
    _weight("lateral.admin-share", "target", 9500, 9500, characteristic=True),
    _weight("share.autorun", "actor", 7000, 7000, characteristic=True),
    _weight("share.autorun", "target", 0, attacked=True),
    _weight("bots.mail", "actor", 0),
)
WAYS = (
    WayWeight("exploit.path", "exploit", 1000),
    WayWeight("exploit.fetch", "exploit", 5000),
    WayWeight("lateral.admin-share", "password", 5000, again=True),
    WayWeight("logon.burst", "password", 0),
    WayWeight("share.autorun", "share", 1000),
)


def pack(**changes: object) -> ThreatPack:
    """A made-up threat with four builds; C came only as an update."""
    values: dict[str, object] = {
        "name": "testworm",
        "title": "Testworm",
        "version": "1",
        "digest": "cd" * 32,
        "since_day": 14000,
        "tolerance_days": 7,
        "names_convict_milli": 9000,
        "least_names": 2,
        "variants": (
            Variant("A", {"Acme": "Worm.A"}, 14000, "", ("exploit",), 1),
            Variant("B", {"Acme": "Worm.B", "Zeta": "W32.B"}, 14100, "", ("exploit", "password", "usb", "share"), 2),
            Variant("C", {"Acme": "Worm.D"}, 14300, "", ("update",), 3),
            Variant("E", {"Acme": "Worm.E"}, 14340, "", ("exploit", "update"), 4),
        ),
        "http_forms": (),
        "file_forms": (),
        "peer_to_peer": None,
        "sinkholes": frozenset(),
        "spreading": Spreading((445,), 60, 20, 50, "", (), 60, "", (), 60, "", 60, 10, 3, (), (), ()),
        "closed_network": ClosedNetwork((), 3, 2, ()),
        "wants": (),
        "wanted_calls": (),
        "judge": JudgeRules(-4000, 5000, 1000, WEIGHTS, WAYS, 2000, -3000),
        "texts": {},
    }
    return ThreatPack(**{**values, **changes})  # type: ignore[arg-type]


def clock(text: str) -> datetime:
    """`08:00`, `08:00:07` or `d2 08:00` (the second day) as a time."""
    day, _, rest = text.partition(" ") if text.startswith("d") else ("d1", "", text)
    hours = [int(x) for x in rest.split(":")]
    parts = dict(zip(("hours", "minutes", "seconds"), hours, strict=False))
    return DAY + timedelta(days=int(day[1:]) - 1, **parts)


def seen(line: str) -> Finding:
    """One line of a transcript as a finding."""
    words = line.split()
    time = clock(f"{words.pop(0)} {words.pop(0)}" if words[0].startswith("d") else words.pop(0))
    actor, rule = words.pop(0), words.pop(0)
    target = None
    if words and words[0] == ">":
        target = words[1]
        words = words[2:]
    letters = tuple(words.pop(0).split(",")) if words and "=" not in words[0] else ()
    own = dict(word.split("=", 1) for word in words)
    place = Cite(SHA, "line", int(own.pop("line"))) if "line" in own else Cite(SHA, "frame", int(own.pop("frame", "1")))
    milli, key, site = own.pop("milli", None), own.pop("key", f"{time:%d%H%M%S}"), own.pop("site", "site")
    until = clock(own.pop("until").replace("_", " ")) if "until" in own else time
    return Finding(
        rule=rule, kind=KINDS[rule], actor=actor, target=target, site=site, time=time, time_last=until, count=1,
        sentence=SENTENCES.get(rule, rule), fields=own, rows=(place.place,), cites=(place,), variants=letters,
        vulnerability=HOLE if rule.startswith("exploit") else None, milli=int(milli) if milli else None, key=key,
    )  # fmt: skip


def transcript(text: str) -> list[Finding]:
    """All lines of a transcript; blank lines and lines beginning with # say nothing."""
    lines = [line.strip() for line in text.splitlines()]
    return [seen(line) for line in lines if line and not line.startswith("#")]


def capture_coverage(**changes: object) -> Coverage:
    """Coverage of one capture that showed everything."""
    rows = {"flows": 100, "dns_queries": 50, "smb_logons": 5, "rpc_calls": 7}
    values: dict[str, object] = {
        "source": "tap.pcap", "sha256": SHA, "kind": "pcap", "unit": "frame", "begin": DAY, "end": DAY + timedelta(days=1),
        "time_zone": "UTC", "time_zone_known": "stamped", "rows": rows,
    }  # fmt: skip
    return Coverage(**{**values, **changes})  # type: ignore[arg-type]


DAMAGED = capture_coverage(
    source="cut.pcap",
    sha256="ef" * 32,
    problems=(Problem("the last record is cut off", "frame 12", "copy the file again"),),
    blind=("Encrypted names are not seen.",),
)


@dataclass(frozen=True)
class Told:
    """An assessment that answers questions in a test's words."""

    assessment: Assessment

    def __call__(self, address: str) -> Host:
        """The host of that address."""
        (host,) = (h for h in self.assessment.hosts if h.address == address)
        return host

    def edge(self, victim: str) -> Edge:
        """The most likely edge into a host."""
        return self(victim).infected_by[0]

    def verdicts(self) -> dict[str, str]:
        """Address to verdict, of all hosts that are not unknown."""
        return {h.address: h.verdict.value for h in self.assessment.hosts if h.verdict != "unknown"}


def assessed(
    text: str,
    *,
    silent: Sequence[str] = (),
    site: Site | None = None,
    coverage: Sequence[Coverage] | None = None,
    threat: ThreatPack | None = None,
    bindings: Sequence[Binding] = (),
) -> Told:
    """Judge a transcript; `silent` hosts were seen and did nothing of interest."""
    return judged(transcript(text), silent=silent, site=site, coverage=coverage, threat=threat, bindings=bindings)


def judged(
    findings: Sequence[Finding],
    *,
    silent: Sequence[str] = (),
    site: Site | None = None,
    coverage: Sequence[Coverage] | None = None,
    threat: ThreatPack | None = None,
    bindings: Sequence[Binding] = (),
) -> Told:
    """Judge findings made by hand."""
    hosts = [SeenHost("site", address, DAY, DAY + timedelta(days=1)) for address in silent]
    sources = (capture_coverage(),) if coverage is None else coverage
    end = DAY + timedelta(days=2)
    known = site or Site()
    return Told(judge(findings, sources, hosts, known, threat or pack(), as_of=end, tolerance_days=7, bindings=bindings))
