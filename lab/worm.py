"""A worm as the lab plays it: what a threat pack says of it, turned from recognising into doing.

A pack (`pack.toml`) is all the lab needs, so that a made-up worm is played without a line of code. Texts are drawn from
the pack's own expressions (`lab.sample`); generators of names and ports are the algorithms that the pack names.
"""

from __future__ import annotations

import csv
import random
import re
import string
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from lab import algorithms
from lab.protocols.http import Request
from lab.protocols.p2p import ENCODERS, Encoder
from lab.sample import draw
from wormward.model.pack import DomainAlgorithm, PortAlgorithm

SPREADING = ("exploit", "password")
"""Ways in which an infected host brings the worm to another over the network."""
PICKED = 500
"""Of a list longer than `IN_ORDER` names a host asks for so many, at random (facts 2.4); else for all, in order."""
IN_ORDER = 1000


@dataclass(frozen=True, slots=True)
class Form:
    """An HTTP request that the worm makes."""

    rule: str
    variants: tuple[str, ...]
    method: str
    uri: str
    host: str
    hosts: tuple[str, ...]
    header_sets: tuple[tuple[str, ...], ...]

    def request(self, rng: random.Random, host: str, agent: str) -> Request:
        """One request of the form to `host`; `Pragma` belongs to HTTP/1.0."""
        values = {"user-agent": agent, "host": host, "pragma": "no-cache", "cache-control": "no-cache", "connection": "close"}
        names = rng.choice(self.header_sets)
        headers = tuple((name, values.get(name.lower(), "*/*")) for name in names)
        version = "1.0" if any(name.lower() == "pragma" for name in names) else "1.1"
        return Request(self.method, draw(self.uri, rng), headers, version)


@dataclass(frozen=True, slots=True)
class Files:
    """A path that the worm writes."""

    shares: tuple[str, ...]
    path: str


@dataclass(frozen=True, slots=True)
class Build:
    """One variant."""

    letter: str
    order: int
    ways: tuple[str, ...]
    names: DomainAlgorithm | None
    peers: bool
    _lists: dict[int, list[str]] = field(default_factory=dict, compare=False, repr=False)

    @property
    def spreads(self) -> tuple[str, ...]:
        """The ways in which its hosts bring it to others over the network."""
        return tuple(way for way in self.ways if way in SPREADING)

    @property
    def greets(self) -> bool:
        """Whether its hosts probe others under names of their own: known of the build that guesses passwords (facts 6)."""
        return "password" in self.ways

    def list_of(self, day: int, rng: random.Random) -> list[str]:
        """The names that one host asks for on a day (days since 1970), in its order."""
        if self.names is None:
            return []
        if day not in self._lists:
            self._lists[day] = self.names.names(day)
        names = self._lists[day]
        return names if len(names) <= IN_ORDER else rng.sample(names, PICKED)


@dataclass(frozen=True, slots=True)
class Peers:
    """The peer-to-peer part: which ports an address opens, and how its packets look (None: unknown to the lab)."""

    ports: PortAlgorithm
    encoder: Encoder | None

    def opened(self, address: int, time_us: int) -> dict[str, tuple[int, int]]:
        """Ports that an infected host at `address` opens at a time: (of the address, of the week) by protocol."""
        week = self.ports.week(np.array([time_us], np.int64))
        tcp, udp, tcp_week, udp_week = self.ports.ports(np.array([address], np.uint32), week)[0].tolist()
        return {"tcp": (tcp, tcp_week), "udp": (udp, udp_week)}


@dataclass(frozen=True, slots=True)
class Play:
    """A worm, ready to be played."""

    name: str
    builds: tuple[Build, ...]
    forms: tuple[Form, ...]
    files: tuple[Files, ...]
    peers: Peers | None
    sinkholes: tuple[str, ...]
    date_sites: tuple[str, ...]
    spreading: Mapping[str, Any]

    @property
    def updates(self) -> tuple[Build, ...]:
        """Builds that come to a host only as an update of an earlier one."""
        return tuple(b for b in self.builds if not b.spreads and "usb" not in b.ways)

    def build(self, letter: str) -> Build:
        """The build of that letter."""
        return next(b for b in self.builds if b.letter == letter)

    def of_rule(self, rule: str, letter: str) -> list[Form]:
        """The forms of that rule that the build uses."""
        return [f for f in self.forms if f.rule == rule and (not f.variants or letter in f.variants)]

    def asks_date(self, form: Form) -> bool:
        """Whether the form is the one that asks for the date."""
        return bool(set(form.hosts) & set(self.date_sites))

    def admin_file(self, rng: random.Random) -> str:
        """A path under ADMIN$ that the worm writes its copy to."""
        return draw(next(f.path for f in self.files if f.shares), rng)

    def share_files(self, rng: random.Random) -> list[str]:
        """The paths that the worm writes to a share that people open; packs have them in lower case, folders are not."""
        drawn = [draw(f.path, rng).rpartition("\\") for f in self.files if not f.shares]
        return [folder.upper() + slash + name for folder, slash, name in drawn]

    def job_command(self, rng: random.Random, path: str) -> str:
        """The command line of the remote job that starts the file at `path`; the plainest that fits the pack."""
        pattern, name = str(self.spreading.get("job_command", "")), path.rpartition("\\")[2]
        plain = f"rundll32.exe {name},{''.join(rng.choices(string.ascii_lowercase, k=rng.randrange(4, 10)))}"
        if not pattern or re.fullmatch(pattern, plain):
            return plain
        drawn = draw(pattern, rng)
        for token in reversed(re.findall(r"[\w$-]+\.[\w$-]+", drawn)):
            named = drawn.replace(token, name)
            if re.fullmatch(pattern, named):
                return named
        return drawn


def load_play(path: Path) -> Play:
    """A worm from `pack.toml` (or its folder). Raises KeyError or ValueError for what no pack has."""
    file = path / "pack.toml" if path.is_dir() else path
    pack = tomllib.loads(file.read_text(encoding="utf-8"))
    peer = pack.get("peer_to_peer")
    peer_variants = peer.get("variants", ()) if peer else ()
    builds = tuple(_build(v, v["letter"] in peer_variants) for v in pack["variants"] if v.get("domains"))
    return Play(
        name=pack["pack"]["name"],
        builds=tuple(sorted(builds, key=lambda b: b.order)),
        forms=tuple(_form(f, pack.get("http", {})) for f in pack.get("http_forms", ())),
        files=tuple(Files(tuple(f.get("shares", ())), f["path"]) for f in pack.get("file_forms", ())),
        peers=_peers(peer) if peer else None,
        sinkholes=_sinkholes(file.parent / "indicators" / "sinkholes.csv"),
        date_sites=tuple(pack.get("closed_network", {}).get("date_sites", ())),
        spreading=pack.get("spreading", {}),
    )


def _build(table: Mapping[str, Any], peers: bool) -> Build:
    names = algorithms.domains(table["domains"])
    return Build(table["letter"], table.get("order", 0), tuple(table.get("spreads", ())), names, peers)


def _form(table: Mapping[str, Any], common: Mapping[str, Any]) -> Form:
    """A form with the shortest of its header sets: what the worm sends where no proxy is set."""
    sets = table.get("header_sets") or common.get("header_sets") or [["User-Agent", "Host"]]
    least = min(map(len, sets))
    return Form(
        table["rule"], tuple(table.get("variants", ())), table.get("method", "GET"), table["uri"],
        table.get("host", "any"), tuple(table.get("hosts", ())), tuple(tuple(s) for s in sets if len(s) == least),
    )  # fmt: skip


def _peers(table: Mapping[str, Any]) -> Peers:
    threat = str(table["packets"]["algorithm"]).partition(".")[0]
    return Peers(algorithms.ports(table["ports"]), ENCODERS.get(threat))


def _sinkholes(path: Path) -> tuple[str, ...]:
    if not path.is_file():
        return ()
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
    return tuple(sorted({value for row in rows for value in row.values() if value and re.fullmatch(r"\d+(\.\d+){3}", value)}))


def day_of(time_us: int) -> int:
    """Days since 1970 of a time."""
    return time_us // 86_400_000_000


def iso(day: int) -> str:
    """Days since 1970 as an ISO date."""
    return date.fromordinal(date(1970, 1, 1).toordinal() + day).isoformat()
