"""Innocent things that look like a worm's, for sites on which nobody but the infected may be convicted.

Beyond the ordinary life of `life`: somebody else's adware asks for random names, an analyst looks up names that he read
about, a reader of the news visits the worm's own sites, an inventory knocks at every door, a monitor with an old password
fails everywhere, an installation disc with its autorun.inf is copied to the share, the intranet has a search of its
own, and a host shares files with the whole world at all ports.
"""

from __future__ import annotations

import random
import string
from collections.abc import Callable

from lab.internet import public_address
from lab.protocols import other
from lab.protocols.http import Request, Response
from lab.scenes import udpscene, web
from lab.scenes.smb import REFUSED
from lab.site import Host, Site
from lab.stage import MINUTE, SECOND, Action
from lab.tcp import Tcp
from lab.worm import Play, day_of

_SUFFIXES = ("com", "net", "org", "info", "biz", "ws", "cc")
_PLAIN = ("User-Agent", "Host")


class Oddities:
    """Plans what `hosts`, none of which ever has the worm, do from `start_us` to `end_us`."""

    def __init__(self, site: Site, play: Play, hosts: list[Host], span: tuple[int, int]) -> None:
        self.site, self.stage, self.play = site, site.stage, play
        self._start, self._end = span
        self._rng = self.stage.rng("oddities")
        self._free = sorted((h for h in hosts if h.role == "client"), key=lambda h: h.number)
        self._rng.shuffle(self._free)

    def plan(self) -> None:
        """Give every oddity a host, as long as there are any; some sites lack some of them."""
        each: tuple[Callable[[Host, random.Random], Action], ...] = (
            self._adware, self._analyst, self._reader, self._inventory, self._monitor, self._disc, self._search, self._sharer,
        )  # fmt: skip
        for deed in each:
            if self._free and self._rng.random() < 0.85:
                host = self._free.pop()
                rng = self.stage.rng("oddity", host.address)
                self.stage.at(self._start + rng.randrange(max(1, (self._end - self._start) // 2)), deed(host, rng))

    def _often(self, act: Callable[[int], object], least_s: int, most_s: int, rng: random.Random) -> Action:
        def turn(now: int) -> None:
            if now < self._end:
                act(now)
                self.stage.at(now + rng.randrange(least_s, most_s) * SECOND, turn)

        return turn

    def _adware(self, host: Host, rng: random.Random) -> Action:
        """Another program's generator: names of the same lengths and suffixes, none of the worm's."""

        def act(now: int) -> None:
            label = "".join(rng.choices(string.ascii_lowercase, k=rng.randrange(5, 12)))
            self.site.names.ask(now, host, f"{label}.{rng.choice(_SUFFIXES)}")

        return self._often(act, 20, 240, rng)

    def _analyst(self, host: Host, rng: random.Random) -> Action:
        """Looks up one name of the day's list that a mail quoted."""

        def act(now: int) -> None:
            lists = [b.list_of(day_of(now), rng) for b in self.play.builds if b.names]
            self.site.names.ask(now, host, rng.choice(rng.choice(lists)))

        return act

    def _reader(self, host: Host, rng: random.Random) -> Action:
        """Opens, in a browser, a page that the worm visits too."""

        def act(now: int) -> None:
            names = [n for form in self.play.forms for n in form.hosts]
            for name in rng.sample(names, min(3, len(names))):
                reply = self.site.find(now, host, name)
                now = reply.end_us + SECOND
                if reply.addresses:
                    names_sent = ("Accept", "User-Agent", "Host", "Connection")
                    values = {"User-Agent": "Mozilla/5.0", "Host": name, "Accept": "*/*", "Connection": "Keep-Alive"}
                    request = Request("GET", "/", tuple((n, values[n]) for n in names_sent), "1.1")
                    now = self.site.fetch(
                        now, host, reply.addresses[0], [web.Exchange(request, Response(200, web.page(rng, 900)))]
                    )

        return act

    def _inventory(self, host: Host, rng: random.Random) -> Action:
        """Knocks at 445 of every address near the site's hosts."""

        def act(now: int) -> None:
            near = [f"10.20.{net}.{n}" for net in (0, 1) for n in range(1, 60)]
            for address in rng.sample(near, 60):
                target = self.site.hosts.get(address)
                tcp = Tcp(self.stage, now, host, self.site.outside(address), 445)
                if target is None or not target.windows:
                    tcp.attempt(refused=target is not None)
                else:
                    tcp.open()
                    tcp.close(0)
                now += rng.randrange(1, 4) * SECOND

        return act

    def _monitor(self, host: Host, rng: random.Random) -> Action:
        """One service account with last month's password, on one server after another."""
        servers = self.site.by_role("files", "web", "controller", "mail")

        def act(now: int) -> None:
            account = Host(host.address, host.mac, host.name, user="svc-monitor").account()
            for server in servers:
                for _ in range(rng.choice((1, 2))):
                    session = self.site.smb(now, host, server)
                    session.logon(account, REFUSED)
                    now = session.end(rng.randrange(3000)) + SECOND

        return self._often(act, 600, 2400, rng)

    def _disc(self, host: Host, rng: random.Random) -> Action:
        """Copies an installation disc to the share, its autorun.inf included."""

        def act(now: int) -> None:
            session = self.site.smb(now, host, self.site.only("files"))
            session.logon(host.account())
            session.tree("data")
            session.write_file("setup\\autorun.inf", web.filler(rng, 90))
            session.write_file("setup\\setup.exe", web.inert_executable(rng, 5000))
            session.write_file("autorun.inf", web.filler(rng, 90))
            session.leave()

        return act

    def _search(self, host: Host, rng: random.Random) -> Action:
        """A small program asks the intranet's search for a number, with as few headers as the worm."""

        def act(now: int) -> None:
            server = self.site.only("web")
            values = {"User-Agent": "reader/1.2", "Host": server.address}
            uri = f"/search?q={rng.randrange(100_000)}"
            request = Request("GET", uri, tuple((n, values[n]) for n in _PLAIN), "1.1")
            self.site.fetch(now, host, server.address, [web.Exchange(request, Response(200, web.page(rng, 500)))])

        return self._often(act, 300, 1500, rng)

    def _sharer(self, host: Host, rng: random.Random) -> Action:
        """Shares files with peers at whatever ports they chose, some of them by TCP."""

        def act(now: int) -> None:
            peer = self.site.outside(public_address(rng))
            if rng.random() < 0.3:
                Tcp(self.stage, now, host, peer, rng.randrange(2048, 65_536)).attempt(refused=False)
                return
            ask, answer = other.dht_ping(rng, reply=False), other.dht_ping(rng, reply=True)
            ports = (6889, rng.randrange(2048, 65_536))
            udpscene.exchange(self.stage, now, host, peer, ports, ask, answer if rng.random() < 0.4 else None)

        return self._often(act, 10, 5 * MINUTE // SECOND, rng)
