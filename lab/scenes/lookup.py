"""Name lookups: a client asks the site's name server, which asks the world behind it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from lab.network import Machine
from lab.protocols import dns
from lab.scenes.udpscene import exchange
from lab.stage import SECOND, Stage

World = Callable[[str, str], dns.Answer]
"""Name and record type to what the Internet's name servers say."""


class Reply(NamedTuple):
    """When the client has its answer, and the addresses in it."""

    end_us: int
    addresses: tuple[str, ...]


class NameServer:
    """The site's name server: its own zone, a cache, and a forwarder to the world (None: a closed network)."""

    def __init__(
        self,
        stage: Stage,
        host: Machine,
        world: World,
        zone: Mapping[tuple[str, str], dns.Answer],
        suffix: str,
        upstream: Machine | None,
    ) -> None:
        self.stage = stage
        self.host = host
        self._world = world
        self._zone = zone
        self._suffix = "." + suffix
        self._upstream = upstream
        self._cache: dict[tuple[str, str], tuple[int, dns.Answer]] = {}
        self._rng = stage.rng("name server", host.address)

    def ask(self, time_us: int, client: Machine, name: str, kind: str = "A") -> Reply:
        """`client` looks `name` up at `time_us`."""
        think = 150 + self._rng.randrange(400)
        answer, wait = self._find(time_us + think, name.lower().rstrip("."), kind)
        end = question(self.stage, time_us, client, self.host, name, kind, answer, think + wait, log=True)
        return Reply(end, tuple(r.data for r in answer.records if r.kind == "A"))

    def ask_itself(self, time_us: int, name: str) -> None:
        """The server's own machine looks `name` up: nobody asked it to."""
        self._find(time_us, name.lower().rstrip("."), "A")

    def _find(self, time_us: int, name: str, kind: str) -> tuple[dns.Answer, int]:
        """The answer, and how long the server needs to get it."""
        known = self._zone.get((name, kind))
        if known is not None:
            return known, 0
        if name.endswith(self._suffix):
            return dns.Answer("NXDOMAIN", authoritative=True), 0
        if self._upstream is None:
            return dns.Answer("SERVFAIL"), 20_000 + self._rng.randrange(30_000)
        until, answer = self._cache.get((name, kind), (0, None))
        if answer is not None and time_us < until:
            return answer, 0
        answer = self._world(name, kind)
        end = question(self.stage, time_us, self.host, self._upstream, name, kind, answer, 900 + self._rng.randrange(9000))
        self._cache[(name, kind)] = (time_us + (300 if answer.records else 900) * SECOND, answer)
        return answer, end - time_us


def question(
    stage: Stage,
    time_us: int,
    client: Machine,
    server: Machine,
    name: str,
    kind: str,
    answer: dns.Answer,
    think_us: int,
    *,
    log: bool = False,
) -> int:
    """One question and its answer over UDP; returns when the answer passes the sensor. `log`: the server keeps a querylog."""
    ident = stage.rng("dns", stage.seed, time_us, client.address, name).randrange(65536)
    said = exchange(
        stage, time_us, client, server, (client.port(), 53), dns.query(ident, name, kind),
        dns.response(ident, name, kind, answer), think_us, "dns",
    )  # fmt: skip
    texts = [r.data.split()[-1] if r.kind in ("SRV", "MX") else r.data for r in answer.records]
    stage.row(
        said.end_us,
        "dns",
        {
            "ts": time_us, **said.names, "proto": "udp", "trans_id": ident, "rtt": (said.end_us - time_us) / SECOND,
            "query": name.lower(), "qclass": 1, "qclass_name": "C_INTERNET", "qtype": dns.TYPES[kind], "qtype_name": kind,
            "rcode": dns.CODES[answer.code], "rcode_name": answer.code, "AA": answer.authoritative, "TC": False,
            "RD": True, "RA": True, "Z": 0, "answers": texts or None,
            "TTLs": [r.ttl for r in answer.records] or None, "rejected": False,
        },
    )  # fmt: skip
    if log:
        stage.row(
            time_us,
            "lookup",
            {"client": client.address, "port": said.names["id.orig_p"], "name": name, "qtype": kind,
             "server": server.address, "answers": texts},
        )  # fmt: skip
    return said.end_us
