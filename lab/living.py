"""The life of one infected host: what the worm does there, and when."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Protocol

from lab.acts import Acts, date_reply
from lab.internet import public_address
from lab.knobs import Knobs
from lab.network import Machine
from lab.plan import Infection
from lab.protocols.http import Response
from lab.scenes import web
from lab.site import Host, Site
from lab.stage import MINUTE, SECOND
from lab.worm import IN_ORDER, Build, Form, Play, day_of

WAVE_US = 40 * MINUTE
"""Password waves come again after so long (facts 7.2)."""
SINKHOLED_PERCENT = 4
"""So many of a hundred of the worm's names are registered, by those who watch it."""
_FALLBACK_SINKHOLE = "192.0.2.250"
_RENDEZVOUS = "203.0.113.251"
_OK = Response(200, b"<html><body>ok</body></html>")


class Cast(Protocol):
    """What all infected hosts share."""

    knobs: Knobs
    play: Play
    site: Site
    hooked: set[str]
    attacked: set[str]
    exploit_prey: list[Host]
    guess_prey: list[Host]

    def is_spared(self, address: str) -> bool:
        """Whether a host is not to be touched by chance: it stays clean, or its time has not come."""
        ...


class Watchers:
    """Which of the worm's names and sites resolve, and to whom."""

    def __init__(self, site: Site, play: Play) -> None:
        self._holes = play.sinkholes or (_FALLBACK_SINKHOLE,)
        self._asked: set[str] = set()
        for form in sorted(play.forms, key=lambda f: f.rule != "http.support"):  # a name that is watched stays so
            for name in form.hosts:
                site.internet.know(name, None if form.rule == "http.support" else self._hole(name))
        site.internet.special.append(self._find)

    def expect(self, name: str) -> None:
        """From now on the name is one of the worm's."""
        self._asked.add(name)

    def _hole(self, name: str) -> str:
        return self._holes[zlib.crc32(name.encode()) % len(self._holes)]

    def _find(self, name: str) -> str | None:
        watched = name in self._asked and zlib.crc32(name.encode()) // 7 % 100 < SINKHOLED_PERCENT
        return self._hole(name) if watched else None


class Living:
    """One infected host."""

    def __init__(self, cast: Cast, watchers: Watchers, infection: Infection) -> None:
        self.cast = cast
        self.infection = infection
        self.site, self.stage = cast.site, cast.site.stage
        self.host = cast.site.hosts[infection.address]
        self.acts = Acts(cast.site, cast.play, self.host, self.stage.rng("acts", infection.address))
        self._watchers = watchers
        self._rng = self.stage.rng("living", infection.address)

    def begin(self, time_us: int) -> None:
        """The worm is on the host from `time_us` on."""
        each, end = self.infection, self.cast.knobs.end_us
        self.stage.at(time_us, lambda now: self._live(now, each.build, each.update_us or end))
        if each.later is not None and each.update_us is not None:
            later = each.later
            self.stage.at(max(each.update_us, time_us + 5 * MINUTE), lambda now: self._update(now, later))

    def _update(self, now: int, later: Build) -> None:
        """A name of the list is somebody's: what it sends is filler. Two minutes later the host is a later build."""
        build = self.infection.build
        name = self._rng.choice(build.list_of(self._day(now), self._rng))
        self.site.internet.know(name, _RENDEZVOUS)
        end, address = self.acts.ask(now, name)
        if address is not None:
            body = Response(200, web.filler(self._rng, 8_000), "application/octet-stream")
            end = self._beacon(end + SECOND, build, address, name, body)
        self.stage.at(end + 2 * MINUTE, lambda time: self._live(time, later, self.cast.knobs.end_us))

    def _day(self, now: int) -> int:
        return day_of(now) + self.cast.knobs.date_offset_days

    def _live(self, now: int, build: Build, until: int) -> None:
        """Everything that the host does as `build`, from now on until `until`."""
        rng, knobs = self._rng, self.cast.knobs
        self.cast.hooked.add(self.host.address)
        if self.site.closed:
            self._repeat(now + rng.randrange(20, 90) * SECOND, until, knobs.date_gap_s, lambda t: self._ask_date(t, build))
        else:
            self.stage.at(now + rng.randrange(15, 60) * SECOND, lambda t: self._call_home(t, build, until))
        if build.peers:
            self._repeat(now + rng.randrange(30, 90) * SECOND, until, knobs.peer_gap_s, self._meet)
        if build.spreads:
            self._repeat(now + 4 * MINUTE, until, knobs.scan_pause_s, lambda t: self._scan_round(t, until))
        if "exploit" in build.spreads:
            for minutes in (11, 37):
                self._once(now + minutes * MINUTE + rng.randrange(3 * MINUTE), until, self._exploit_in_vain)
        if "password" in build.spreads:
            for number in range(knobs.waves):
                begin = now + 7 * MINUTE + number * WAVE_US + rng.randrange(20 * SECOND)
                self._once(begin, until, self._guess_around)
        if {"usb", "share"} & set(build.ways):
            self._once(now + 9 * MINUTE + rng.randrange(5 * MINUTE), until, self._sow)

    def _once(self, time_us: int, until: int, act: Callable[[int], object]) -> None:
        if time_us < until:
            self.stage.at(time_us, act)

    def _repeat(self, time_us: int, until: int, gap_s: tuple[int, int], act: Callable[[int], object]) -> None:
        """`act` at `time_us`, and again after pauses between `gap_s`, until `until`."""

        def turn(now: int) -> None:
            if now < until:
                act(now)
                self.stage.at(now + int(self._rng.uniform(*gap_s) * SECOND), turn)

        self.stage.at(time_us, turn)

    def _ask_date(self, now: int, build: Build) -> int:
        """Ask one of the date sites for the date; without Internet the lookup fails and that is all."""
        forms = [f for f in self.cast.play.of_rule("http.support", build.letter) if self.cast.play.asks_date(f)]
        sites = forms[0].hosts if forms else self.cast.play.date_sites
        if not sites:
            return now
        name = self._rng.choice(sites)
        end, address = self.acts.ask(now, name)
        if address is None or not forms:
            return end
        return self.acts.request(end + 2000, forms[0], address, name, date_reply(now))

    def _visit(self, now: int, form: Form, answer: Response) -> int:
        """Look up one of the hosts that a form lists, and make the request there."""
        name = self._rng.choice(form.hosts)
        end, address = self.acts.ask(now, name)
        return end if address is None else self.acts.request(end + 2000, form, address, name, answer)

    def _call_home(self, now: int, build: Build, until: int) -> None:
        """Its outer address, the date, the fixed download that some builds have, then name after name of the day's list."""
        play, end = self.cast.play, now
        for form in play.of_rule("http.support", build.letter):
            if form.hosts and not play.asks_date(form):
                end = self._visit(end + self._rng.randrange(1, 9) * SECOND, form, _OK)
        end = self._ask_date(end + self._rng.randrange(2, 9) * SECOND, build)
        for form in play.of_rule("http.download", build.letter):
            if form.hosts:
                end = self._visit(end + SECOND, form, Response(404))
        names = build.list_of(self._day(now), self._rng)
        picked = build.names is not None and build.names.names_per_day > IN_ORDER
        gap = self.cast.knobs.pick_gap_s if picked else self.cast.knobs.name_gap_s
        left = iter(names)

        def next_name(time: int) -> None:
            name = next(left, None)
            if name is not None:
                self._try_name(time, build, name)
                self.stage.at(time + int(self._rng.uniform(*gap) * SECOND), turn)
            elif names:
                pause = int(self._rng.uniform(*self.cast.knobs.list_pause_s) * SECOND)
                self.stage.at(time + pause, lambda t: self._call_home(t, build, until))

        def turn(time: int) -> None:
            if time < until:
                next_name(time)

        self.stage.at(end + self._rng.randrange(5, 20) * SECOND, turn)

    def _try_name(self, now: int, build: Build, name: str) -> None:
        self._watchers.expect(name)
        end, address = self.acts.ask(now, name)
        if address is not None:
            self._beacon(end + 3000, build, address, name, _OK)

    def _beacon(self, now: int, build: Build, address: str, name: str, answer: Response) -> int:
        forms = self.cast.play.of_rule("http.beacon", build.letter)
        return self.acts.request(now, self._rng.choice(forms), address, name, answer) if forms else now

    def _scan_round(self, now: int, until: int) -> None:
        knobs = self.cast.knobs
        for _ in range(knobs.scan_round):
            self._once(now, until, self._scan)
            now += int(self._rng.uniform(*knobs.scan_gap_s) * SECOND)

    def _scan(self, now: int) -> None:
        """Knock at an address: mostly one of the site's range, mostly nobody's."""
        rng = self._rng
        if rng.random() < 0.08:
            target = rng.choice([*self.cast.exploit_prey, *self.cast.guess_prey, *self.site.by_role("printer")]).address
        elif rng.random() < 0.6 or self.site.closed:
            target = f"10.20.{rng.randrange(1, 60)}.{rng.randrange(1, 255)}"
        else:
            target = public_address(rng)
        if not self.cast.is_spared(target):
            self.knock(now, self.site.outside(target))

    def knock(self, now: int, target: Machine) -> int:
        """Try a target's scan port, in the manner of the build that the host carries now."""
        return self.acts.scan(now, target, greets=self.infection.build_at(now).greets)

    def _exploit_in_vain(self, now: int) -> None:
        """Attack a host that is patched."""
        again = self._again()
        target = again or self._rng.choice(self.cast.exploit_prey)
        self.cast.attacked.add(target.address)
        end = self.knock(now, target)
        self.acts.exploit(end + self._rng.randrange(SECOND, 3 * SECOND), target, works=False, already=again is not None)

    def _again(self) -> Host | None:
        """Now and then, a host that has the worm already: nobody told this one so."""
        percent = self.cast.knobs.again_percent
        if not percent or self._rng.randrange(100) >= percent:
            return None
        others = sorted(a for a in self.cast.hooked if a != self.host.address and self.site.hosts[a].system == "xp")
        return self.site.hosts[self._rng.choice(others)] if others else None

    def _guess_around(self, now: int) -> int:
        return self.wave(now, self._again())

    def wave(self, now: int, victim: Host | None = None) -> int:
        """Guess at one host after the other; `victim`, the last, lets it in. Returns when the job there runs."""
        rng, spreading = self._rng, self.cast.play.spreading
        least = int(spreading.get("burst_failures", 8))
        count = min(len(self.cast.guess_prey), max(3, int(spreading.get("burst_targets", 3))))
        for target in rng.sample(self.cast.guess_prey, count):
            self.cast.attacked.add(target.address)
            now = self.acts.guess(now, target, least + rng.randrange(1, 3), hit=False) + rng.randrange(2 * SECOND)
        if victim is not None:
            now = self.acts.guess(now, victim, least + rng.randrange(1, 3), hit=True)
        return now

    def _sow(self, now: int) -> None:
        """Write the spreading files to the share that everybody opens."""
        server = self.site.only("files")
        self.cast.attacked.add(server.address)
        self.acts.sow(now, server, "data")

    def _meet(self, now: int) -> None:
        """Speak to a peer somewhere in the world; on a closed network nobody answers."""
        rng = self._rng
        target: Machine = self.site.outside(public_address(rng))
        answered = not self.site.closed and rng.random() < 0.04
        self.acts.meet(now, target, "udp" if rng.random() < 0.75 else "tcp", answered=answered)
