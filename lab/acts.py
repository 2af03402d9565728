"""What an infected host does to others and to the world, one act each; nothing here decides when.

Every attack is a shape without content: the exploit's path holds letters, the file is `MZ` and a sentence, a guess is
random bytes.
"""

from __future__ import annotations

import random
import string
from datetime import UTC, datetime

from lab.network import Machine
from lab.protocols import atsvc, dcerpc, ntlm, smb1, srvsvc
from lab.protocols.http import XP_AGENT, Response, download_get
from lab.scenes import web
from lab.scenes.smb import OK, REFUSED, Smb
from lab.scenes.smbwire import XP_SERVER
from lab.site import Host, Site
from lab.stage import MINUTE, SECOND
from lab.tcp import Tcp
from lab.udp import Udp
from lab.worm import Form, Play

ACCOUNTS = ("Administrator", "admin", "user", "service", "backup", "test")
INERT_BYTES = 5_000
"""Size of the inert file; a real one has 60 to 170 KB."""


class Acts:
    """The acts of one infected host."""

    def __init__(self, site: Site, play: Play, host: Host, rng: random.Random) -> None:
        self.site = site
        self.stage = site.stage
        self.play = play
        self.host = host
        self.rng = rng
        self.http_port = rng.randrange(1024, 10_000)
        self.infected = 0

    def ask(self, now: int, name: str) -> tuple[int, str | None]:
        """Look a name up: when the answer came, and the address in it."""
        reply = self.site.names.ask(now, self.host, name)
        return reply.end_us, (reply.addresses[0] if reply.addresses else None)

    def request(self, now: int, form: Form, address: str, name: str, response: Response) -> int:
        """One request of the worm's own form to `address`; `name` goes into the Host header unless the form wants none."""
        host = address if form.host == "dotted-quad" else name
        request = form.request(self.rng, host, XP_AGENT)
        return self.site.fetch(now, self.host, address, [web.Exchange(request, response)], close_side=1)

    def scan(self, now: int, target: Machine, *, greets: bool = False) -> int:
        """Knock at a target's first scan port: nobody there, no service there, or a service; `greets`: it is probed."""
        port = self._scan_port
        found = self.site.hosts.get(target.address)
        if found is None:
            return Tcp(self.stage, now, self.host, target, port).attempt(refused=False)
        if not found.windows:
            return Tcp(self.stage, now, self.host, target, port).attempt(refused=True, tries=3)
        if greets:
            return self.probe(now, found)
        tcp = Tcp(self.stage, now, self.host, target, port)
        tcp.open()
        return tcp.close(0)

    @property
    def _scan_port(self) -> int:
        ports = self.play.spreading.get("scan_ports") or [445]
        return int(ports[0])

    def probe(self, now: int, target: Host) -> int:
        """The worm's own greeting: SMB1, one dialect, a session setup under its own names (facts 6)."""
        native = (self.play.spreading.get("probe_native_os", ""), self.play.spreading.get("probe_native_lanman", ""))
        tcp = Tcp(self.stage, now, self.host, target, self._scan_port)
        tcp.services.append("smb")
        tcp.open()
        place = smb1.Place(mid=0, pid=0x025C, flags2=0)
        names = (self.site.domain.short, target.name.upper())
        tcp.send(0, smb1.negotiate(place, ("NT LM 0.12",)), 300)
        security = self.rng.randbytes(8)
        tcp.send(1, smb1.negotiate_reply(place.answer(), 0, tcp.now, security, extended=False, names=names), 500)
        tcp.send(0, smb1.probe_setup(native), 300)
        back = smb1.Place(mid=0, pid=0x025C, uid=2048, flags2=0).answer()
        tcp.send(1, smb1.session_setup_plain_reply(back, XP_SERVER, self.site.domain.short), 600)
        return tcp.close(0)

    def _hole_session(self, now: int, target: Host) -> Smb:
        session = Smb(
            self.stage, now, self.host, target, self.site.domain, 1, extended=False, port=self._scan_port, by_address=True
        )
        session.anonymous()
        session.tree("IPC$")
        session.bind("browser", dcerpc.KNOWN[str(self.play.spreading["hole_interface"])])
        return session

    def exploit(self, now: int, target: Host, *, works: bool, already: bool = False) -> int:
        """Send a request of the exploit's shape. If it works nobody answers and the target fetches; returns the end."""
        session = self._hole_session(now, target)
        path = srvsvc.worm_path(self.rng)
        stub = srvsvc.canonicalize(target.address, path, self.rng.randrange(2, 900), "\\", 1, 0)
        opnum = int(self.play.spreading["hole_opnums"][0])
        if not works:
            code = srvsvc.INVALID_PARAMETER if already else srvsvc.INVALID_NAME
            session.call(opnum, stub, srvsvc.canonicalize_reply(bytes(4), 0, code))
            return session.end()
        sent = session.call(opnum, stub, None)
        end = self.serve(sent + self.rng.randrange(400_000, 3 * SECOND), target)
        session.hang_up(0, max(SECOND, end - session.now + SECOND))
        self.infected += 1
        return end

    def serve(self, now: int, victim: Host) -> int:
        """The victim fetches the inert file from this host; returns when it has it."""
        name = "".join(self.rng.choices(string.ascii_lowercase, k=self.rng.randrange(4, 9)))
        request = download_get(f"{self.host.address}:{self.http_port}", f"/{name}", XP_AGENT)
        response = Response(200, web.inert_executable(self.rng, INERT_BYTES), "application/octet-stream")
        return web.talk(self.stage, now, victim, self.host, self.http_port, [web.Exchange(request, response)])

    def guess(self, now: int, target: Host, failures: int, *, hit: bool) -> int:
        """Try accounts on a target, each try on its own connection; with `hit` the last one is let in and used."""
        for number in range(failures):
            session = self.site.smb(now, self.host, target)
            account = ntlm.Account(ACCOUNTS[number % len(ACCOUNTS)], target.name.upper(), self.host.name.upper())
            session.logon(account, REFUSED)
            now = session.end(self.rng.randrange(2000)) + self.rng.randrange(80_000, 900_000)
        return self.drop(now, target) if hit else now

    def drop(self, now: int, target: Host) -> int:
        """Log on, write the inert file to ADMIN$, plan a job that would start it; returns when the job runs."""
        path = self.play.admin_file(self.rng)
        session = self.site.smb(now, self.host, target)
        session.logon(ntlm.Account("Administrator", target.name.upper(), self.host.name.upper()), OK)
        session.tree("ADMIN$")
        session.write_file(path, web.inert_executable(self.rng, INERT_BYTES))
        session.tree("IPC$")
        session.bind("atsvc", dcerpc.KNOWN[str(self.play.spreading["job_interface"])])
        command = self.play.job_command(self.rng, path)
        clock_ms = (now // 1000 + 60_000) % 86_400_000
        session.call(
            int(self.play.spreading["job_opnums"][0]), atsvc.job_add(target.name, clock_ms, 0x7F, command), atsvc.job_add_reply(1)
        )
        session.shut()
        self.infected += 1
        return session.leave() + MINUTE

    def sow(self, now: int, server: Host, share: str) -> int:
        """Write the files that spread through shares."""
        session = self.site.smb(now, self.host, server)
        session.logon(self.host.account())
        session.tree(share)
        for path in self.play.share_files(self.rng):
            body = web.filler(self.rng, 3000) if path.lower().endswith(".inf") else web.inert_executable(self.rng, 4000)
            session.write_file(path, body)
        return session.leave()

    def meet(self, now: int, target: Machine, protocol: str, *, answered: bool) -> int:
        """Speak to a peer at an address, at one of the ports that this address would open."""
        peers = self.play.peers
        if peers is None:
            return now
        port = self.rng.choice(peers.opened(target.number, now)[protocol])
        if protocol == "tcp":
            return self.knock(now, target, port)
        own = peers.opened(self.host.number, now)["udp"][0]
        talk = Udp(self.stage, self.host, target, (own, port))
        talk.send(now, 0, self._packet("udp"))
        if answered:
            talk.send(now + talk.answer_us(1) + 4000, 1, self._packet("udp"))
        return talk.book()

    def knock(self, now: int, target: Machine, port: int) -> int:
        """Try a TCP port where nobody answers."""
        return Tcp(self.stage, now, self.host, target, port).attempt(refused=False)

    def _packet(self, protocol: str) -> bytes:
        encoder = self.play.peers.encoder if self.play.peers else None
        return encoder(self.rng, protocol) if encoder else self.rng.randbytes(self.rng.randrange(24, 80))


def date_reply(now: int) -> Response:
    """What a site that is asked for the date answers: the worm reads the Date header."""
    stamp = datetime.fromtimestamp(now // SECOND, UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")
    return Response(200, b"<html><body>ok</body></html>", headers=(("Date", stamp),))
