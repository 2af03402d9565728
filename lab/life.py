"""Ordinary life: what the hosts of a site do all day, its oddities included.

Clients get up, log on, read pages and letters; some mistype their password. Devices report to the hospital's system.
The mail server talks to many exchangers. An administrator pushes a program to ADMIN$ and plans a job. A scanner asks the
worm's own questions of everybody. One service has a stale password. None of it is the worm.
"""

from __future__ import annotations

import random
import string
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from lab.internet import MAIL_DOMAINS, PARTS, SECURE, SITES, public_address
from lab.network import arp_request
from lab.protocols import other
from lab.protocols.http import LATER_AGENT, SEVEN_AGENT, XP_AGENT, Response, browser_get
from lab.scenes import chores, udpscene, web
from lab.scenes.mail import deliver
from lab.scenes.smb import REFUSED
from lab.site import Host, Site
from lab.stage import MINUTE, SECOND
from lab.tcp import Tcp


@dataclass(frozen=True, slots=True)
class Pace:
    """How busy the site is: means of the pauses (seconds) between pages, files and reports, and sizes of bodies."""

    page_s: int = 2000
    file_s: int = 3600
    secure_s: int = 5400
    report_s: int = 900
    mail_s: int = 600
    body: int = 1000


class Life:
    """Plans the ordinary day of every host from `start_us` on."""

    def __init__(self, site: Site, start_us: int, end_us: int, pace: Pace, hooked: AbstractSet[str] = frozenset()) -> None:
        self.site = site
        self.stage = site.stage
        self.pace = pace
        self._start_us = start_us
        self._end_us = end_us
        self._hooked = hooked

    def plan(self) -> None:
        """Put everybody's day on the stage."""
        for host in self.site.by_role("client", "admin"):
            rng = self.stage.rng("life", host.address)
            self.stage.at(self._start_us + rng.randrange(25 * MINUTE), self._get_up(host, rng))
        for host in self.site.by_role("device"):
            rng = self.stage.rng("life", host.address)
            self._often(self._start_us + rng.randrange(10 * MINUTE), rng, self.pace.report_s, self._report(host, rng))
        for host in self.site.by_role("printer"):
            rng = self.stage.rng("life", host.address)
            self._often(self._start_us + rng.randrange(5 * MINUTE), rng, 1800, self._poll(host))
        mail = self.stage.rng("mail")
        if not self.site.closed:
            self._often(self._start_us + MINUTE, mail, self.pace.mail_s, self._mail(mail))
            sharing = self.stage.rng("sharing")
            lucky = next(h for h in self.site.by_role("client") if h.system == "seven")
            self._often(self._start_us + 31 * MINUTE, sharing, 240, self._sync(lucky, sharing))
        stale = self.stage.rng("stale")
        self._often(self._start_us + 3 * MINUTE, stale, 900, self._stale_service(stale))
        half = (self._start_us + self._end_us) // 2
        self.stage.at(half + 7 * MINUTE, self._scan_all)
        self.stage.at(self._start_us + (self._end_us - self._start_us) // 3, self._administer)

    def _often(self, time_us: int, rng: random.Random, mean_s: int, act: Callable[[int], object]) -> None:
        """Do `act` at `time_us` and again and again, with pauses of `mean_s` on average."""

        def turn(now: int) -> None:
            act(now)
            self.stage.at(now + int(rng.expovariate(1 / mean_s) * SECOND) + 5 * SECOND, turn)

        self.stage.at(time_us, turn)

    def _get_up(self, host: Host, rng: random.Random) -> Callable[[int], None]:
        def act(now: int) -> None:
            site, names = self.site, self.site.names
            self.stage.packet(now - now % SECOND + SECOND, host, arp_request(host, site.gateway))
            end = udpscene.renew_lease(self.stage, now + 2 * SECOND, host, site.controller, site.gateway.address, site.domain.dns)
            end = names.ask(end + SECOND, host, f"_ldap._tcp.dc._msdcs.{site.domain.dns}", "SRV").end_us
            end = udpscene.ask_time(self.stage, end + SECOND, host, site.controller)
            self._log_on(end + 3 * SECOND, host, rng)
            if host.system == "seven":
                self._try_resolver(now + 20 * SECOND, host, rng)
            pace = self.pace
            deeds = ((pace.page_s, self._browse), (pace.file_s, self._work), (pace.secure_s, self._secure))
            for mean_s, deed in deeds:
                self._often(now + 40 * SECOND + rng.randrange(mean_s * SECOND), rng, mean_s, deed(host, rng))

        return act

    def _log_on(self, now: int, host: Host, rng: random.Random) -> None:
        """At the domain controller; one in six mistypes first, once or twice."""
        for _ in range(rng.choice((1, 1, 2)) if rng.random() < 1 / 6 else 0):
            session = self.site.smb(now, host, self.site.controller)
            session.logon(host.account(), REFUSED)
            now = session.end() + rng.randrange(4, 12) * SECOND
        session = self.site.smb(now, host, self.site.controller)
        session.logon(host.account())
        session.tree("netlogon")
        session.read_file("logon.bat", b"@echo off\r\nnet use h: \\\\fs1\\data\r\n")
        session.leave()

    def _try_resolver(self, now: int, host: Host, rng: random.Random) -> None:
        """A browser asks for three names that nobody has, to see whether the resolver lies."""
        for _ in range(3):
            label = "".join(rng.choices(string.ascii_lowercase, k=rng.randrange(7, 16)))
            now = self.site.names.ask(now, host, f"{label}.{self.site.domain.dns}").end_us + 300

    def _sync(self, host: Host, rng: random.Random) -> Callable[[int], object]:
        """A file-sharing program speaks to its peers, at whatever ports they chose."""

        def act(now: int) -> None:
            peer = self.site.outside(public_address(rng))
            ask, answer = other.dht_ping(rng, reply=False), other.dht_ping(rng, reply=True)
            ports = (51_413, rng.randrange(2048, 65_536))
            udpscene.exchange(self.stage, now, host, peer, ports, ask, answer if rng.random() < 0.4 else None)

        return act

    def _browse(self, host: Host, rng: random.Random) -> Callable[[int], object]:
        agent = XP_AGENT if host.system == "xp" else rng.choice((SEVEN_AGENT, LATER_AGENT))
        home = rng.choice(("www.msn.com", "update.microsoft.com", "time.windows.com"))

        def act(now: int) -> None:
            if self.site.closed and rng.random() < 0.3:
                self.site.names.ask(now, host, home)  # what it was set up with answers nobody here
            if rng.random() < 0.3 or self.site.closed:
                self._visit(now, host, rng, f"web1.{self.site.domain.dns}", agent)
                return
            name = rng.choice(SITES)
            end = self._visit(now, host, rng, name, agent)
            if rng.random() < 0.5:
                self._visit(end + 200_000, host, rng, rng.choice(PARTS), agent, f"http://{name}/")

        return act

    def _visit(self, now: int, host: Host, rng: random.Random, name: str, agent: str, referer: str | None = None) -> int:
        """Look a name up and read a page or a part there."""
        reply = self.site.find(now, host, name)
        if not reply.addresses:
            return reply.end_us
        exchanges = []
        for number in range(1 if referer else rng.choice((1, 1, 2))):
            body = web.page(rng, int(min(20_000, rng.lognormvariate(0, 0.8) * self.pace.body)))
            uri = "/" if not number and not referer else f"/{rng.choice(('news', 'img', 'js', 'a'))}/{rng.randrange(9999)}.html"
            request = browser_get(name, uri, agent, referer or (f"http://{name}/" if number else None))
            exchanges.append(web.Exchange(request, Response(200, body), rng.randrange(SECOND) if number else 0))
        return self.site.fetch(reply.end_us + 500, host, reply.addresses[0], exchanges)

    def _secure(self, host: Host, rng: random.Random) -> Callable[[int], object]:
        def act(now: int) -> None:
            if self.site.closed:
                return
            name = rng.choice(SECURE)
            reply = self.site.names.ask(now, host, name)
            sizes = [(rng.randrange(200, 900), rng.randrange(300, 2400)) for _ in range(rng.choice((1, 2)))]
            web.tls(self.stage, reply.end_us + 600, host, self.site.outside(reply.addresses[0]), name, sizes)

        return act

    def _work(self, host: Host, rng: random.Random) -> Callable[[int], object]:
        """Read and write letters on the file server."""

        def act(now: int) -> None:
            server = self.site.only("files")
            end = self.site.names.ask(now, host, f"{server.name}.{self.site.domain.dns}").end_us
            session = self.site.smb(end + 800, host, server)
            session.logon(host.account())
            session.tree("data")
            folder = f"users\\{host.user}"
            session.read_file(f"{folder}\\letter{rng.randrange(99)}.doc", web.filler(rng, rng.randrange(600, self.pace.body * 2)))
            if rng.random() < 0.5:
                session.write_file(f"{folder}\\note{rng.randrange(99)}.doc", web.filler(rng, rng.randrange(300, self.pace.body)))
            session.leave()

        return act

    def _report(self, device: Host, rng: random.Random) -> Callable[[int], object]:
        """A device sends a result to the hospital's system."""

        def act(now: int) -> None:
            tcp = Tcp(self.stage, now, device, self.site.only("web"), 2575)
            tcp.open()
            control = rng.randrange(10_000)
            tcp.send(0, other.hl7_message(control, device.number & 0xFF), 800)
            tcp.send(1, other.hl7_acknowledgement(control), 3000)
            tcp.close(0)

        return act

    def _poll(self, printer: Host) -> Callable[[int], object]:
        return lambda now: udpscene.poll(self.stage, now, self.site.only("admin"), printer)

    def _mail(self, rng: random.Random) -> Callable[[int], object]:
        """The mail server delivers a letter somewhere."""

        def act(now: int) -> None:
            server, domain = self.site.only("mail"), rng.choice(MAIL_DOMAINS)
            end = self.site.names.ask(now, server, domain, "MX").end_us
            reply = self.site.names.ask(end + 300, server, f"mx1.{domain}")
            body = web.filler(rng, rng.randrange(200, 1200))
            deliver(self.stage, reply.end_us + 400, server, self.site.outside(reply.addresses[0]), domain, body)

        return act

    def _stale_service(self, rng: random.Random) -> Callable[[int], object]:
        """A backup service knocks at the file server with last month's password, all day, one try at a time."""

        def act(now: int) -> None:
            host = self.site.only("web")
            session = self.site.smb(now, host, self.site.only("files"))
            session.logon(Host(host.address, host.mac, host.name, user="svc-backup").account(), REFUSED)
            session.end(rng.randrange(3000))

        return act

    def _administer(self, now: int) -> None:
        """The administrator installs a program on some machines: by a service here, by a job there."""
        admin, rng = self.site.only("admin"), self.stage.rng("administer")
        targets = rng.sample(self.site.by_role("client"), min(4, len(self.site.by_role("client"))))
        for number, target in enumerate(targets):
            push = chores.push_job if number % 2 else chores.push_service
            now = push(self.site, now, admin, target) + rng.randrange(10, 90) * SECOND
        chores.push_job(self.site, now, admin, self.site.only("files"))

    def _scan_all(self, now: int) -> None:
        """The scanner asks every host of the site, one after the other."""
        scanner = self.site.only("scanner")
        targets = [h for h in self.site.hosts.values() if h is not scanner and h.role != "controller"]

        def turn(time: int) -> None:
            if targets:
                end = chores.question(self.site, time, scanner, targets.pop(0), self._hooked)
                self.stage.at(end + SECOND, turn)

        self.stage.at(now, turn)
