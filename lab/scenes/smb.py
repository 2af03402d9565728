"""An SMB session as a story: greet, log on, open shares, files and pipes, call, leave; with Zeek's rows of it."""

from __future__ import annotations

from dataclasses import dataclass

from lab.network import Machine
from lab.protocols import dcerpc, ntlm, smb1
from lab.protocols.dcerpc import Interface
from lab.scenes.smbwire import One, Pair, Two, Wire
from lab.stage import SECOND, Stage
from lab.tcp import Span, Tcp

OK, REFUSED, LOCKED, DENIED = 0, smb1.LOGON_FAILURE, smb1.LOCKED_OUT, smb1.ACCESS_DENIED


@dataclass(frozen=True, slots=True)
class Domain:
    """The Windows domain of the site: short and DNS name."""

    short: str
    dns: str


class Smb:
    """One SMB connection.

    `dialect` is 1 or 2; `extended` false is SMB1 without NTLMSSP; on port 139 a NetBIOS session is opened first;
    `by_address`: shares are named by the server's address, as programs do that never learnt its name.
    """

    def __init__(
        self,
        stage: Stage,
        time_us: int,
        client: Machine,
        server: Machine,
        domain: Domain,
        dialect: int,
        *,
        extended: bool = True,
        port: int = 445,
        by_address: bool = False,
    ) -> None:
        self.stage = stage
        self.server = server
        self.domain = domain
        self.tcp = Tcp(stage, time_us, client, server, port)
        self._called = server.address if by_address or not server.name else server.name.upper()
        self.rng = stage.rng("smb", self.tcp.uid)
        self.wire: Wire = One(self.rng, (domain.short, server.name.upper()), extended=extended) if dialect == 1 else Two(self.rng)
        self._share = ""
        self._pipe = ""
        self._interface: Interface | None = None
        self._call = 0
        self._later: dict[str, object] = {}
        self.tcp.services.append("smb")
        self.tcp.open()
        if port == 139:
            self.say(smb1.session_request(client.name))
        for pair in self.wire.negotiate(self.tcp.now):
            self.say(pair)

    @property
    def now(self) -> int:
        """Time of the last packet."""
        return self.tcp.now

    def say(self, pair: Pair, think_us: int | None = None) -> tuple[Span, Span]:
        """A request and its reply."""
        asked = self.tcp.send(0, pair[0], self.rng.randrange(150, 2500))
        return asked, self.tcp.send(1, pair[1], self.rng.randrange(120, 900) if think_us is None else think_us)

    def logon(self, account: ntlm.Account, status: int = OK) -> bool:
        """Log on by NTLMSSP; `status` is what the server says in the end. False if it refused."""
        rng, domain, server = self.rng, self.domain, self.server.name
        challenge = ntlm.wrap_challenge(ntlm.challenge(rng, server, domain.short, domain.dns))
        first = self.say(self.wire.setup(ntlm.wrap_first(ntlm.negotiate()), challenge, smb1.MORE_NEEDED))
        stamp = smb1.filetime(self.now)
        proof = ntlm.authenticate(rng, account, server, domain.dns, stamp)
        last = self.say(self.wire.setup(ntlm.wrap_second(proof), ntlm.accepted(), status), 2000 if status == OK else 5000)
        self.tcp.services += ["gssapi", "ntlm"]
        # Zeek takes the outcome from the last token; Windows sends none when it refuses, so the column stays empty
        # and the row is written when the connection ends.
        self._later = {
            "ts": first[0].begin_us, **self.tcp.names, "username": account.user or None, "hostname": account.workstation,
            "domainname": account.domain or None, "server_nb_computer_name": server.upper(),
            "server_dns_computer_name": f"{server.lower()}.{domain.dns}", "server_tree_name": domain.dns,
            "success": True if status == OK else None,
        }  # fmt: skip
        if status == OK:
            self.stage.row(last[1].end_us, "ntlm", self._later)
            self._later = {}
        return status == OK

    def anonymous(self) -> None:
        """A null session without NTLMSSP (SMB1 only)."""
        assert isinstance(self.wire, One)  # noqa: S101 - a caller's slip, not data
        self.say(self.wire.setup_anonymous())

    def tree(self, share: str, status: int = OK) -> bool:
        r"""Open ``\\server\share``; False if the server refuses."""
        path, pipe = f"\\\\{self._called}\\{share}", share.upper() == "IPC$"
        asked, answered = self.say(self.wire.tree(path, pipe, status))
        if status == OK:
            self._share = path
            one = isinstance(self.wire, One)
            self.stage.row(
                answered.end_us,
                "smb_mapping",
                {
                    "ts": asked.begin_us, **self.tcp.names, "path": path,
                    "service": ("IPC" if pipe else "A:") if one else None,
                    "native_file_system": "NTFS" if one and not pipe else None, "share_type": "PIPE" if pipe else "DISK",
                },
            )  # fmt: skip
        return status == OK

    def open(self, name: str, size: int, *, make: bool = False) -> None:
        """Open or make a file on the open share."""
        time = self.now - 86_400 * SECOND if not make else self.now
        asked, answered = self.say(self.wire.create(name, size, time, pipe=False, make=make, status=OK))
        self._opened(asked, answered, name, size, time)

    def _opened(self, asked: Span, answered: Span, name: str, size: int, time: int | None) -> None:
        """Zeek's row of an opened file; for SMB1 it knows no share yet and takes pipes for files."""
        one = isinstance(self.wire, One)
        times = {f"times.{key}": time for key in ("modified", "accessed", "created", "changed")} if time else {}
        self.stage.row(
            answered.end_us,
            "smb_files",
            {
                "ts": asked.begin_us, **self.tcp.names, "action": "SMB::FILE_OPEN",
                "path": None if one else self._share, "name": ("\\" if one else "") + name, "size": size, **times,
            },
        )  # fmt: skip

    def read_file(self, name: str, data: bytes) -> None:
        """Open, read and close a file."""
        self.open(name, len(data))
        for offset in range(0, len(data), self.wire.chunk):
            self.say(self.wire.read(offset, data[offset : offset + self.wire.chunk]))
        self.say(self.wire.close())

    def write_file(self, name: str, data: bytes, piece: int = 4096) -> int:
        """Make, write and close a file; returns when the last piece was acknowledged."""
        self.open(name, 0, make=True)
        end = self.now
        for offset in range(0, len(data), piece):
            end = self.say(self.wire.write(offset, data[offset : offset + piece]))[1].end_us
        self.say(self.wire.close())
        return end

    def bind(self, pipe: str, interface: Interface) -> None:
        """Open a pipe and bind to an interface over it."""
        asked, answered = self.say(self.wire.create(pipe, 0, self.now, pipe=True, make=False, status=OK))
        if isinstance(self.wire, One):
            self._opened(asked, answered, pipe, 0, None)
        self._pipe, self._interface, self._call = pipe, interface, 1
        self.say(self.wire.transact(dcerpc.bind(1, interface), dcerpc.bind_ack(1, pipe)))
        self.tcp.services.append("dce_rpc")

    def call(self, opnum: int, stub: bytes, answer: bytes | None) -> int:
        """Call an operation; no answer means that the server never says a word again. Returns the request's end."""
        assert self._interface is not None  # noqa: S101 - a caller's slip, not data
        self._call += 1
        reply = dcerpc.response(self._call, answer) if answer is not None else b""
        pair = self.wire.transact(dcerpc.request(self._call, opnum, stub), reply)
        if answer is None:
            return self.tcp.send(0, pair[0], self.rng.randrange(300, 3000)).end_us
        asked, answered = self.say(pair)
        self.stage.row(
            answered.begin_us,
            "dce_rpc",
            {
                "ts": asked.begin_us, **self.tcp.names, "rtt": (answered.begin_us - asked.begin_us) / SECOND,
                "named_pipe": f"\\PIPE\\{self._pipe}", "endpoint": self._interface.name,
                "operation": self._interface.operation(opnum),
            },
        )  # fmt: skip
        return asked.end_us

    def shut(self) -> None:
        """Close the open pipe."""
        self.say(self.wire.close())

    def leave(self) -> int:
        """Leave politely; returns the last packet's time."""
        for pair in self.wire.leave():
            self.say(pair)
        return self._over(self.tcp.close(0, think_us=self.rng.randrange(400)))

    def hang_up(self, side: int = 0, think_us: int = 0) -> int:
        """Break off; returns the last packet's time."""
        return self._over(self.tcp.reset(side, think_us))

    def end(self, think_us: int = 0) -> int:
        """Close the connection without taking leave, as after a refusal; returns the last packet's time."""
        return self._over(self.tcp.close(0, think_us))

    def _over(self, time_us: int) -> int:
        if self._later:
            self.stage.row(time_us + 5 * SECOND, "ntlm", self._later)
            self._later = {}
        return time_us
