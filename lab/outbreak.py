"""An outbreak in a site: the tree is drawn, then everybody plays their part, and the truth is written beside it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from ipaddress import IPv4Address
from pathlib import Path

from lab.capture import Capture
from lab.dnslogs import DnsLogs
from lab.knobs import Knobs
from lab.life import Life
from lab.living import Living, Watchers
from lab.plan import Habits, Infection, Span, draw_tree
from lab.site import NETWORK, Host, Site
from lab.stage import MINUTE, SECOND, Action, Sink, Stage
from lab.worm import Play
from lab.zeek import ZeekLogs


class Outbreak:
    """One story. `play_all` plays it into the sinks; afterwards `truth` is whole."""

    def __init__(self, knobs: Knobs, play: Play, sinks: tuple[Sink, ...]) -> None:
        self.knobs = knobs
        self.play = play
        self.stage = Stage(knobs.seed, sinks, NETWORK)
        holes = frozenset(play.sinkholes)
        self.site = Site(self.stage, knobs.hosts, closed=knobs.closed, proxied=knobs.proxied, avoid=holes)
        self.hooked: set[str] = set()
        self.attacked: set[str] = set()
        self.times: dict[str, int] = {}
        wanted = max(2, knobs.hosts * knobs.infected_percent // 100)
        span = Span(knobs.start_us, knobs.end_us)
        hosts = list(self.site.hosts.values())
        habits = Habits(knobs.ripe_minutes * MINUTE, knobs.growth, knobs.carried_percent)
        self.tree = draw_tree(play, hosts, wanted, span, self.stage.rng("tree"), habits, closed=knobs.closed)
        self._victims = {i.address for i in self.tree}
        self.exploit_prey, self.guess_prey = self._choose_prey()
        watchers = Watchers(self.site, play)
        self._living = {i.address: Living(self, watchers, i) for i in self.tree}

    def is_spared(self, address: str) -> bool:
        """Hosts that stay clean and are nobody's prey, and victims before their time, are not knocked at by chance."""
        if address not in self.site.hosts or address in self.hooked:
            return False
        prey = {h.address for h in (*self.exploit_prey, *self.guess_prey)}
        return address not in prey and self.site.hosts[address].windows

    def play_all(self) -> None:
        """Ordinary life and the worm, to the end."""
        Life(self.site, self.knobs.start_us, self.knobs.end_us, self.knobs.pace, self.hooked).plan()
        for each in self.tree:
            # The act that brings the worm to a host is its infector's doing, and shows of both.
            with self.stage.on_behalf(*filter(None, (each.by, each.address))):
                self.stage.at(each.time_us, self._arrival(each))
        self.stage.run(self.knobs.end_us)

    def _choose_prey(self) -> tuple[list[Host], list[Host]]:
        """Hosts that are attacked in vain: by the exploit, by guessing. Servers among the latter."""
        spared = [h for h in self.site.by_role("client", "device") if h.address not in self._victims]
        self.stage.rng("prey").shuffle(spared)
        few = max(2, len(spared) // 4)
        servers = self.site.by_role("files", "web")
        exploit = [h for h in spared if h.system == "xp"][:few] or servers
        return exploit, servers + [h for h in spared if h not in exploit][:few]

    def _arrival(self, each: Infection) -> Action:
        """The action by which the worm comes to a host."""

        def act(now: int) -> None:
            host, rng = self.site.hosts[each.address], self.stage.rng("arrival", each.address)
            if each.by is not None:
                source = self._living[each.by]
                if each.way == "exploit":
                    probed = source.knock(now, host)
                    now = source.acts.exploit(probed + rng.randrange(SECOND, 4 * SECOND), host, works=True)
                else:
                    now = source.wave(now, host)
            self.times[each.address] = now
            with self.stage.on_behalf(each.address):
                self._living[each.address].begin(now)

        return act

    def truth(self) -> dict[str, object]:
        """What really happened, as `truth.json` says it."""
        infected = {i.address: self._infected(i) for i in self.tree if i.address in self.times}
        in_order = sorted(infected, key=lambda a: int(IPv4Address(a)))
        return {
            "seed": self.knobs.seed,
            "worm": self.play.name,
            "network": NETWORK,
            "hosts": len(self.site.hosts),
            "begin": iso_time(self.knobs.start_us),
            "infected": {address: infected[address] for address in in_order},
            "patient_zero": [i.address for i in self.tree if i.by is None],
            "attacked": sorted(self.attacked - set(infected), key=lambda a: int(IPv4Address(a))),
        }

    def _infected(self, each: Infection) -> dict[str, object]:
        time_us = self.times[each.address]
        said: dict[str, object] = {
            "variant": (each.later or each.build).letter,
            "infected_by": each.by,
            "way": each.way,
            "time": iso_time(time_us),
        }
        if each.later is not None and each.update_us is not None:
            updated = max(each.update_us, time_us + 5 * MINUTE)
            said["history"] = [{"variant": each.build.letter, "from": iso_time(time_us), "until": iso_time(updated)}]
        return said


def iso_time(time_us: int) -> str:
    """A time in microseconds as ISO 8601 in UTC, whole seconds."""
    return datetime.fromtimestamp(time_us // SECOND, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def write_outbreak(knobs: Knobs, play: Play, folder: Path, *, capture: bool = True) -> Outbreak:
    """Play an outbreak into `folder`: `outbreak.pcap` (unless `capture` is false), `zeek/`, `dns/`, `truth.json`."""
    folder.mkdir(parents=True, exist_ok=True)
    sinks: list[Sink] = [ZeekLogs(folder / "zeek"), DnsLogs(folder / "dns")]
    if capture:
        rotate = knobs.rotate_minutes * MINUTE or None
        sinks.append(Capture(folder / "outbreak.pcap", rotate))
    story = Outbreak(knobs, play, tuple(sinks))
    story.play_all()
    (folder / "truth.json").write_text(json.dumps(story.truth(), indent=1) + "\n", encoding="ascii")
    return story
