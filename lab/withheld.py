"""What is left of a site's evidence: switches that nobody watched, files that are lost, clocks that are off.

One drawn site, written as its sensors and servers would have written it, with the truth beside it:

- every host hangs on a switch; a sensor at a switch sees what its hosts send and receive, or only what leaves the switch;
  of a third of the switches nothing is seen;
- each sensor keeps a capture, Zeek's logs or both; the name server keeps its query log, the gateway perhaps flow records; all
  begin new files every few hours; half of the logs' files and a quarter of the captures are lost, whole days of a source
  among them;
- each source's clock is off by a constant: mostly seconds or minutes, some by the hours of a wrong zone, some by days.

`traces` says of each infected host what of the worm's doing was kept: the frames and rows that name the host and that
came of an act of the worm on it, or of the act that brought the worm to it (`Stage.on_behalf`). No detector is asked.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from ipaddress import IPv4Address
from pathlib import Path

from lab.capture import Capture
from lab.dnslogs import bind_line, csv_line
from lab.flowlogs import ARGUS_HEAD, argus_line
from lab.knobs import Knobs
from lab.life import Pace
from lab.oddities import Oddities
from lab.outbreak import Outbreak
from lab.stage import MINUTE, SECOND, Sink, Stage
from lab.worm import Play
from lab.zeek import COLUMNS, ZeekLogs

HOUR_US = 60 * MINUTE
DAY_US = 24 * HOUR_US


@dataclass(frozen=True, slots=True)
class Loss:
    """What is withheld: per cent of the switches, of the logs' files and of the captures', and whether clocks are off."""

    unseen_percent: int = 34
    lost_percent: int = 50
    lost_captures_percent: int = 25
    clocks: bool = True


WHOLE = Loss(0, 0, 0, clocks=False)


@dataclass(slots=True)
class Source:
    """One sensor's or server's files of one kind. `switch` None: it stands at a server or the gateway."""

    name: str
    kind: str  # capture, zeek, bind, csv, argus
    switch: int | None
    slice_us: int
    shift_us: int = 0
    lost: frozenset[tuple[int, str]] = frozenset()  # (slice, log)

    @property
    def logs(self) -> tuple[str, ...]:
        """The files of one slice."""
        return tuple(COLUMNS) if self.kind == "zeek" else ("",)


@dataclass(slots=True)
class Drawn:
    """A site as drawn: how it is played, where its hosts hang, which sources it has."""

    knobs: Knobs
    switches: dict[str, int]
    blind: frozenset[int]
    uplinks: bool  # sensors see only what leaves a switch
    sources: list[Source] = field(default_factory=list)


def knobs_of(seed: int) -> Knobs:
    """A story of its own for every seed: size, length, pace of the worm, how it came, how busy the site is."""
    rng = random.Random(f"withheld/{seed}")
    gap = rng.choice(((20, 60), (40, 140), (90, 300)))
    hours = rng.choice((7.0, 10.0, 16.0, 26.0))
    return Knobs(
        hosts=rng.randrange(26, 52),
        seed=seed,
        start=datetime(2026, rng.randrange(1, 12), rng.randrange(1, 28), rng.randrange(0, 24), tzinfo=UTC),
        hours=hours,
        infected_percent=rng.randrange(22, 46),
        proxied=rng.random() < 0.15,
        date_offset_days=rng.choice((0, 0, 0, 0, -1, 2)),
        name_gap_s=gap,
        pick_gap_s=rng.choice(((10, 50), (30, 120))),
        scan_gap_s=rng.choice(((1, 22), (5, 60))),
        scan_pause_s=rng.choice(((1800, 2700), (5400, 9000))),
        waves=rng.randrange(1, 5),
        peer_gap_s=rng.choice(((8, 40), (30, 180))),
        carried_percent=rng.choice((0, 10, 20, 40)),
        ripe_minutes=rng.choice((2, 5, 14, 45, 120)),
        growth=rng.choice(((0.17, 0.43), (0.1, 0.8), (0.3, 0.3))),
        again_percent=rng.choice((0, 10, 30)),
        pace=Pace(page_s=4000, file_s=5400, secure_s=9000, report_s=2400, mail_s=1800, body=400),
    )


def draw(story: Outbreak, loss: Loss) -> Drawn:
    """Switches, sensors, losses and clocks of a story's site. The same seed draws the same ones, whatever the loss."""
    knobs, rng = story.knobs, random.Random(f"withheld/{story.knobs.seed}/site")
    hosts = sorted(story.site.hosts.values(), key=lambda h: h.number)
    count = rng.randrange(6, 13)
    near = rng.random() < 0.5  # neighbours in address hang on one switch, or anybody anywhere
    place = {h.address: (i * count // len(hosts) if near else rng.randrange(count)) for i, h in enumerate(hosts)}
    order = rng.sample(range(count), count)
    blind = frozenset(order[: -(-count * loss.unseen_percent // 100)])
    drawn = Drawn(knobs, place, blind, rng.random() < 0.3)
    for switch in range(count):
        kinds = rng.choice((("capture",), ("zeek",), ("capture", "zeek")))
        slice_us = rng.choice((1, 2, 4)) * HOUR_US
        if switch not in blind:
            drawn.sources += [Source(f"switch{switch}-{kind}", kind, switch, slice_us) for kind in kinds]
    drawn.sources.append(Source("resolver", rng.choice(("bind", "csv")), None, rng.choice((3, 6)) * HOUR_US))
    if rng.random() < 0.5:
        drawn.sources.append(Source("gateway", "argus", None, 4 * HOUR_US))
    captures = [s for s in drawn.sources if s.kind == "capture"]
    logs = [s for s in drawn.sources if s.kind != "capture"]
    _lose(captures, knobs, loss.lost_captures_percent, random.Random(f"withheld/{knobs.seed}/captures"))
    _lose(logs, knobs, loss.lost_percent, random.Random(f"withheld/{knobs.seed}/logs"))
    if loss.clocks:
        _set_clocks(drawn, random.Random(f"withheld/{knobs.seed}/clocks"))
    return drawn


def _lose(sources: list[Source], knobs: Knobs, percent: int, rng: random.Random) -> None:
    """Lose some whole days of sources, then single files, until so many of a hundred are gone."""
    slots = []
    for number, source in enumerate(sources):
        first, last = knobs.start_us // source.slice_us, (knobs.end_us - 1) // source.slice_us
        slots += [(number, at, log) for at in range(first, last + 1) for log in source.logs]
    wanted = -(-len(slots) * percent // 100)

    def day(slot: tuple[int, int, str]) -> tuple[int, int]:
        return slot[0], slot[1] * sources[slot[0]].slice_us // DAY_US

    days = sorted({day(s) for s in slots})
    rng.shuffle(days)
    gone: list[tuple[int, int, str]] = []
    for each in days[: len(days) * percent // 200]:
        gone += [s for s in slots if day(s) == each]
    rng.shuffle(gone)
    rest = sorted(set(slots) - set(gone))
    rng.shuffle(rest)
    lost = (gone + rest)[:wanted]
    for number, source in enumerate(sources):
        source.lost = frozenset((at, log) for n, at, log in lost if n == number)


def _set_clocks(drawn: Drawn, rng: random.Random) -> None:
    for source in drawn.sources:
        kind = rng.random()
        seconds = rng.uniform(-20, 20)
        if kind < 0.25:
            seconds = rng.uniform(-1800, 1800)
        elif kind < 0.45:
            seconds += 3600 * rng.choice((-9, -5, -1, 1, 2, 9))
        elif kind < 0.6:
            seconds += 86_400 * rng.choice((-4, -2, -1, 1, 3))
        source.shift_us = int(seconds * SECOND)


class Line:
    """A sink of one text file with one line a row of one log."""

    keeps_packets = False

    def __init__(self, path: Path, log: str, line: Callable[[int, Mapping[str, object]], str], head: str = "") -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("w", encoding="ascii", newline="\n")
        self._file.write(head)
        self._log, self._line = log, line

    def packet(self, time_us: int, frame: bytearray) -> None:
        """Logs keep no packets."""

    def row(self, time_us: int, log: str, values: Mapping[str, object]) -> None:
        """Append a row of the log."""
        if log == self._log:
            self._file.write(self._line(time_us, values) + "\n")

    def close(self) -> None:
        """Finish the file."""
        self._file.close()


class Kept:
    """A sink that hands on what each source would have kept, and notes what of the worm's doing is in it."""

    keeps_packets = True

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.traces: dict[str, Counter[str]] = {}
        self.files = 0
        self._open: dict[tuple[str, str], tuple[int, Sink]] = {}
        self.drawn: Drawn | None = None
        self.stage: Stage | None = None

    def packet(self, time_us: int, frame: bytearray) -> None:
        """A frame: to the captures that see it."""
        if frame[12:14] == b"\x08\x00":
            ends = tuple(str(IPv4Address(bytes(frame[i : i + 4]))) for i in (26, 30))
        elif frame[12:14] == b"\x08\x06":
            ends = (str(IPv4Address(bytes(frame[28:32]))),)
        else:
            return
        for source in self._sources("capture"):
            if self._sees(source, ends):
                sink = self._sink(source, time_us, "")
                if sink:
                    sink.packet(time_us + source.shift_us, bytearray(frame))
                    self._note("frames", ends)

    def row(self, time_us: int, log: str, values: Mapping[str, object]) -> None:
        """A row: to Zeek at the switches that see its conversation, to the name server's log, to the gateway's flows."""
        names = ("id.orig_h", "id.resp_h") if "id.orig_h" in values else ("client_addr", "server_addr")
        ends = (str(values["client"]),) if log == "lookup" else tuple(str(values[n]) for n in names if values.get(n))
        for source in self._sources("zeek", "bind", "csv", "argus"):
            if not self._takes(source, log, ends):
                continue
            sink = self._sink(source, time_us, log if source.kind == "zeek" else "")
            if sink:
                sink.row(time_us + source.shift_us, log, _shifted(values, source))
                self._note(log, ends)

    def close(self) -> None:
        """Finish all files."""
        for _, sink in self._open.values():
            sink.close()
        self._open.clear()

    def _sources(self, *kinds: str) -> list[Source]:
        assert self.drawn is not None  # noqa: S101 - set before anything is played
        return [s for s in self.drawn.sources if s.kind in kinds]

    def _takes(self, source: Source, log: str, ends: tuple[str, ...]) -> bool:
        if source.kind == "zeek":
            return log in COLUMNS and self._sees(source, ends)
        if source.kind == "argus":
            return log == "conn" and len({_inside(e) for e in ends}) == 2
        return log == "lookup"

    def _sees(self, source: Source, ends: tuple[str, ...]) -> bool:
        assert self.drawn is not None  # noqa: S101 - as above
        here = [self.drawn.switches.get(e) == source.switch for e in ends]
        return any(here) and not (self.drawn.uplinks and len(ends) == 2 and all(here))

    def _sink(self, source: Source, time_us: int, log: str) -> Sink | None:
        """Where a source writes at a time; None if that file is lost. The file before is closed."""
        at = time_us // source.slice_us
        if (at, log) in source.lost:
            return None
        key = (source.name, log)
        number, sink = self._open.get(key, (None, None))
        if sink is None or number is None or at > number:
            if sink:
                sink.close()
            sink = self._begin(source, at)
            self._open[key] = (at, sink)
        return sink

    def _begin(self, source: Source, at: int) -> Sink:
        self.files += 1
        stem = f"{datetime.fromtimestamp(at * source.slice_us // SECOND, UTC):%Y%m%d-%H}"
        folder = self._folder / source.name
        if source.kind == "capture":
            return Capture(folder / f"{stem}.pcap")
        if source.kind == "zeek":
            return ZeekLogs(folder / stem)
        if source.kind == "argus":
            return Line(folder / f"{stem}.binetflow", "conn", argus_line, ARGUS_HEAD)
        if source.kind == "bind":
            return Line(folder / f"{stem}.log", "lookup", bind_line)
        return Line(folder / f"{stem}.csv", "lookup", csv_line, "time,client,name,answer\n")

    def _note(self, what: str, ends: tuple[str, ...]) -> None:
        assert self.stage is not None  # noqa: S101 - as above
        for address in self.stage.shown:
            if address in ends:
                self.traces.setdefault(address, Counter())[what] += 1


def _inside(address: str) -> bool:
    return address.startswith("10.20.")


def _shifted(values: Mapping[str, object], source: Source) -> dict[str, object]:
    """A row as this source's clock and, for Zeek, its own ids would have it."""
    own = dict(values)
    if "ts" in own:
        own["ts"] = int(str(own["ts"])) + source.shift_us
    if "uid" in own:
        own["uid"] = "C" + sha256(f"{source.name}{own['uid']}".encode()).hexdigest()[:17]
    return own


def write_withheld(
    seed: int, play: Play, folder: Path, loss: Loss | None = None, knobs: Knobs | None = None
) -> dict[str, object]:
    """Play the site of `seed` into `folder` as far as `loss` leaves it; returns the truth.

    The truth is that of `Outbreak.truth` and also: `traces` (address of an infected host to kept frames and rows by log), `first`
    (who was infected first), `unseen` (hosts on switches that nobody watched), `clocks` (seconds by source).
    """
    kept = Kept(folder)
    story = Outbreak(knobs or knobs_of(seed), play, (kept,))
    kept.drawn, kept.stage = draw(story, loss or Loss()), story.stage
    span = (story.knobs.start_us, story.knobs.end_us)
    prey = {h.address for h in (*story.exploit_prey, *story.guess_prey)} | {i.address for i in story.tree}
    Oddities(story.site, play, [h for h in story.site.hosts.values() if h.address not in prey], span).plan()
    story.play_all()
    infected = story.times
    truth = {
        **story.truth(),
        "first": min(infected, key=lambda a: (infected[a], a)),
        "traces": {a: dict(sorted(kept.traces[a].items())) for a in sorted(infected) if a in kept.traces},
        "unseen": sorted(a for a, s in kept.drawn.switches.items() if s in kept.drawn.blind),
        "clocks": {s.name: s.shift_us / SECOND for s in kept.drawn.sources},
        "files": kept.files,
    }
    (folder.parent / f"{folder.name}.truth.json").write_text(json.dumps(truth, indent=1) + "\n", encoding="ascii")
    return truth
