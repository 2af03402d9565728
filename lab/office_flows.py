"""Template flows of the office mix: real conversations of the lab, kept as packets.

Classes and their flows (see bench/README.md for the figures of the mix):

    http    1 to 15 exchanges on a kept-alive connection, bodies log-normal with a mean of about 48 KB
    tls     greeting, then 1 to 12 rounds of enciphered records
    smb     logon, shares, letters read in 64 KiB and small pieces, now and then a call over a pipe; one in five is SMB1
    dns     one question, one answer; two hundred names, one in eight is unknown
    thin    other traffic in small packets: keep-alives, measurements, SYNs that nobody answers
    thick   other traffic in large packets: media over UDP
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lab.network import Machine
from lab.office_kernel import Pool
from lab.protocols import dcerpc, dns, ntlm, srvsvc
from lab.protocols.http import LATER_AGENT, SEVEN_AGENT, Response, browser_get
from lab.scenes import web
from lab.scenes.lookup import question
from lab.scenes.smb import Domain, Smb
from lab.stage import SECOND, Stage
from lab.tcp import Tcp
from lab.udp import Udp

CLASSES = ("http", "tls", "smb", "dns", "thin", "thick")
_COUNTS = {"http": 90, "tls": 60, "smb": 40, "dns": 200, "thin": 60, "thick": 20}
_DOMAIN = Domain("OFFICE", "office.example")
_MEAN_BODY, _SPREAD = 48_000, 1.5


@dataclass(frozen=True, slots=True)
class Template:
    """One flow: its class, its packets' places in the pool, their times (microseconds from its start), its bytes."""

    kind: str
    first: int
    times: npt.NDArray[np.int64]
    size: int

    @property
    def packets(self) -> int:
        """How many packets it has."""
        return len(self.times)


class _Tape:
    """A sink that keeps frames."""

    keeps_packets = True

    def __init__(self) -> None:
        self.frames: list[tuple[int, bytes]] = []

    def packet(self, time_us: int, frame: bytearray) -> None:
        self.frames.append((time_us, bytes(frame)))

    def row(self, time_us: int, log: str, values: Mapping[str, object]) -> None:
        """A tape keeps no rows."""

    def close(self) -> None:
        """Nothing to finish."""


def _body(rng: random.Random) -> int:
    """A body's length: log-normal with a mean of `_MEAN_BODY`, at most 2 MB."""
    middle = _MEAN_BODY * 2.718281828 ** (-_SPREAD * _SPREAD / 2)
    return min(2_000_000, max(60, int(rng.lognormvariate(0, _SPREAD) * middle)))


def _http(stage: Stage, rng: random.Random, client: Machine, server: Machine) -> None:
    count = min(15, 1 + int(rng.expovariate(1 / 4)))
    agent, host = rng.choice((SEVEN_AGENT, LATER_AGENT)), f"www.site{rng.randrange(900)}.example"
    text = web.filler(rng, 8192)
    exchanges = []
    for number in range(count):
        size = _body(rng)
        body = b"<html>" + (text * (size // len(text) + 1))[:size]
        uri = f"/{rng.randrange(10**9):x}/item{number}.html?v={rng.randrange(10**6)}"
        exchanges.append(web.Exchange(browser_get(host, uri, agent), Response(200, body), rng.randrange(2 * SECOND)))
    web.talk(stage, 0, client, server, 80, exchanges)


def _tls(stage: Stage, rng: random.Random, client: Machine, server: Machine) -> None:
    rounds = rng.randrange(1, 13)
    sizes = [(rng.randrange(120, 1500), min(400_000, int(rng.lognormvariate(8.2, 1.4)))) for _ in range(rounds)]
    web.tls(stage, 0, client, server, f"secure{rng.randrange(900)}.example", sizes)


def _smb(stage: Stage, rng: random.Random, client: Machine, server: Machine) -> None:
    session = Smb(stage, 0, client, server, _DOMAIN, 1 if rng.random() < 0.2 else 2)
    session.logon(ntlm.Account(f"user{rng.randrange(400)}", "OFFICE", f"PC{rng.randrange(400)}"))
    text = web.filler(rng, 4096)
    if rng.random() < 0.4:
        session.tree("IPC$")
        session.bind("srvsvc", dcerpc.SRVSVC)
        session.call(srvsvc.SHARE_ENUM, srvsvc.share_enum("FILES"), srvsvc.share_enum_reply((("data", 0, "Data"),)))
        session.shut()
    session.tree("data")
    for number in range(rng.randrange(1, 8)):
        session.tcp.pause(rng.randrange(2 * SECOND))
        size = rng.choice((300, 2000, 9000, 30_000, 65_536, 131_072, 262_144))
        session.read_file(f"team\\plan{number}.doc", (text * (size // 4096 + 1))[:size])
        if rng.random() < 0.3:
            session.write_file(f"team\\note{number}.doc", (text * 8)[: rng.randrange(100, 30_000)])
    session.leave()


def _dns(stage: Stage, rng: random.Random, client: Machine, server: Machine) -> None:
    name = f"{''.join(rng.choices('abcdefghijklmnopqrstuvwxyz', k=rng.randrange(4, 14)))}.office{rng.randrange(90)}.example"
    known = rng.random() < 7 / 8
    answer = dns.Answer(records=(dns.Record(name, "A", "198.51.100.7"),)) if known else dns.Answer("NXDOMAIN")
    question(stage, 0, client, server, name, "A", answer, 800)


def _thin(stage: Stage, rng: random.Random, client: Machine, server: Machine) -> None:
    """Keep-alives of a dialogue, a burst of measurements, or a SYN that nobody answers; ports that no protocol claims."""
    form = rng.random()
    if form < 0.2:
        Tcp(stage, 0, client, server, rng.choice((445, 8080, 3389))).attempt(refused=form < 0.1)
    elif form < 0.6:
        talk = Udp(stage, client, server, (client.port(), rng.choice((31_001, 31_007, 31_013))))
        for number in range(rng.randrange(2, 40)):
            talk.send(number * 40_000, 0, web.filler(rng, rng.randrange(60, 180)))
            talk.send(number * 40_000 + 9000, 1, web.filler(rng, rng.randrange(60, 180)))
        talk.book()
    else:
        tcp = Tcp(stage, 0, client, server, rng.choice((31_101, 31_107)))
        tcp.open()
        for _ in range(rng.randrange(5, 60)):
            tcp.send(0, web.filler(rng, rng.randrange(20, 140)), rng.randrange(900_000))
            tcp.send(1, web.filler(rng, rng.randrange(20, 180)), 4000)
        tcp.close(0)


def _thick(stage: Stage, rng: random.Random, client: Machine, server: Machine) -> None:
    talk = Udp(stage, client, server, (client.port(), 32_000 + rng.randrange(500)))
    for number in range(rng.randrange(30, 400)):
        talk.send(number * 8000, number % 2, web.filler(rng, rng.randrange(700, 1200)))
    talk.book()


_MAKERS: dict[str, Callable[[Stage, random.Random, Machine, Machine], None]] = {
    "http": _http, "tls": _tls, "smb": _smb, "dns": _dns, "thin": _thin, "thick": _thick,
}  # fmt: skip


def _record(seed: int, kind: str, number: int) -> list[tuple[int, bytes]]:
    tape = _Tape()
    stage = Stage(seed * 1_000_003 + number, (tape,))
    rng = stage.rng("office", kind, number)
    near = kind in ("smb", "dns")
    client = Machine("10.0.0.1", b"\x02\x57\x0a\0\0\1", distance_us=200, ports_from=1024, ports_to=1100)
    distance = rng.randrange(150, 500) if near else rng.randrange(4000, 60_000)
    server = Machine("10.0.0.2", b"\x02\x57\x0a\0\0\2", "files", 64, distance)
    stage.at(0, lambda _: _MAKERS[kind](stage, rng, client, server))
    stage.run(1)
    return tape.frames


def make_pool(seed: int) -> tuple[Pool, dict[str, list[Template]]]:
    """All templates of a seed: the pool of their packets, and the templates by class."""
    frames: list[bytes] = []
    templates: dict[str, list[Template]] = {kind: [] for kind in CLASSES}
    for kind in CLASSES:
        for number in range(_COUNTS[kind]):
            taped = _record(seed, kind, number)
            times = np.array([time for time, _ in taped], np.int64)
            size = sum(len(frame) for _, frame in taped)
            templates[kind].append(Template(kind, len(frames), times - times[0], size))
            frames += [frame for _, frame in taped]
    length = np.array([len(frame) for frame in frames], np.int32)
    start = np.concatenate(([0], np.cumsum(length, dtype=np.int64)[:-1]))
    side = np.array([frame[29] != 1 for frame in frames], np.uint8)
    udp = np.array([frame[23] == 17 for frame in frames], np.uint8)
    return Pool(np.frombuffer(b"".join(frames), np.uint8), start, length, side, udp), templates
