"""A threat that nobody has: a pack with its own names, ports, packets and forms, so that a case is readable.

Nothing here is like a real worm except in kind; what fires on it is shaped by the pack alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from wormward.model.pack import (
    Alerts,
    ClosedNetwork,
    ExploitMark,
    FileForm,
    HttpForm,
    JudgeRules,
    PeerToPeer,
    Spreading,
    ThreatPack,
    Variant,
)

DAY = 18_000  # 2019-04-14, the day of most cases
LETTERS = (5, 6, 7, 8, 9)
SUFFIXES = ("toy", "example")
HOLE = "4b324fc8-1670-01d3-1278-5a47bf6ee188"
JOBS = "1ff70682-0a51-30e8-076d-740be8cee98b"


def _number(*parts: object) -> int:
    return int.from_bytes(hashlib.sha256("|".join(map(str, parts)).encode()).digest()[:8], "big")


@dataclass(frozen=True)
class ToyNames:
    """So many names a day; the last quarter of the list has two branches."""

    seed: str
    names_per_day: int = 40
    lists_per_day: int = 2

    def _name(self, day: int, place: int, branch: str) -> str:
        length = LETTERS[_number(self.seed, day, place, branch, "length") % len(LETTERS)]
        letters = "".join(chr(97 + _number(self.seed, day, place, branch, i) % 26) for i in range(length))
        return f"{letters}.{SUFFIXES[_number(self.seed, day, place, branch, 'suffix') % len(SUFFIXES)]}"

    @lru_cache(maxsize=4096)  # noqa: B019 - frozen, lives as long as the tests
    def both(self, day: int) -> tuple[tuple[str, int, str], ...]:
        """(name, position, branch) of a day."""
        shared = self.names_per_day * 3 // 4
        rows = [(self._name(day, p, "both"), p, "both") for p in range(shared)]
        for branch in ("x87", "libm"):
            rows += [(self._name(day, p, branch), p, branch) for p in range(shared, self.names_per_day)]
        return tuple(rows)

    def names(self, day: int) -> list[str]:
        return [name for name, _, branch in self.both(day) if branch != "libm"]

    def letters(self, names: pa.Array) -> npt.NDArray[np.int32]:
        return np.array([self._letters(name) for name in names.to_pylist()], dtype=np.int32)

    def _letters(self, name: str) -> int:
        word, _, suffix = name.rpartition(".")
        fits = suffix in SUFFIXES and len(word) in LETTERS and word.isascii() and word.isalpha() and word.islower()
        return len(word) if fits else 0

    def find(self, names: Sequence[str], first_day: int, last_day: int) -> pa.Table:
        index = {name: i for i, name in enumerate(names)}
        rows = [
            (index[name], day, position, branch)
            for day in range(first_day, last_day + 1)
            for name, position, branch in self.both(day)
            if name in index
        ]
        columns = zip(*rows, strict=True) if rows else ((), (), (), ())
        types = (pa.int64(), pa.int32(), pa.int32(), pa.string())
        return pa.table([pa.array(c, t) for c, t in zip(columns, types, strict=True)], ["index", "day", "position", "branch"])

    def chance(self, letters: int) -> float:
        return self.names_per_day / len(LETTERS) / len(SUFFIXES) / 26.0**letters if letters in LETTERS else 0.0


@dataclass(frozen=True)
class ToyPorts:
    """Ports of sha256(address, week), all above 20,000; weeks begin on Thursdays, as the epoch did."""

    usable_ports: int = 40_000

    def week(self, time_us: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
        return (np.asarray(time_us) // 1_000_000 // 604_800).astype(np.int32)

    def ports(self, address: npt.NDArray[np.uint32], week: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
        rows = [[self.port(int(a), int(w), kind) for kind in range(4)] for a, w in zip(address, week, strict=True)]
        return np.array(rows, dtype=np.int32).reshape(-1, 4)

    def port(self, address: int, week: int, kind: int) -> int:
        return 20_000 + _number(address, week if kind > 1 else "any", kind) % self.usable_ports

    def usable(self, port: npt.NDArray[np.int32]) -> npt.NDArray[np.bool_]:
        return (port >= 20_000) & (port < 20_000 + self.usable_ports)


@dataclass(frozen=True)
class ToyPackets:
    """`TOY`, a text, and its sha256's first four bytes."""

    def make(self, text: str) -> bytes:
        return b"TOY" + text.encode() + hashlib.sha256(text.encode()).digest()[:4]

    def decode(self, protocol: str, payload: bytes) -> str | None:
        if protocol != "udp" or payload[:3] != b"TOY" or len(payload) < 8:
            return None
        text = payload[3:-4]
        return text.decode() if hashlib.sha256(text).digest()[:4] == payload[-4:] else None


NAMES = {"X": ToyNames("x"), "Y": ToyNames("y", names_per_day=60)}
PORTS = ToyPorts()
PACKETS = ToyPackets()

PACK = ThreatPack(
    name="toy",
    title="Toy",
    version="1",
    digest="0" * 64,
    since_day=DAY - 400,
    tolerance_days=7,
    names_convict_milli=9000,
    least_names=3,
    variants=tuple(Variant(letter, {}, DAY - 400, order=i, domains=names) for i, (letter, names) in enumerate(NAMES.items())),
    http_forms=(
        HttpForm(
            "x-beacon",
            "http.beacon",
            ("X",),
            "GET",
            r"/hello\?n=\d+",
            "dotted-quad",
            header_sets=(("User-Agent", "Host"),),
            proxy_headers=("Via",),
        ),
        HttpForm("x-file", "http.download", ("X",), "GET", "/toy/box[.]exe", "listed", ("toys.example",)),
        HttpForm("x-date", "http.support", (), "GET", "/", "listed", ("clock.example",), (("User-Agent", "Host"),)),
    ),
    file_forms=(
        FileForm("job-file", ("ADMIN$",), r"toys\\[a-z]+\.[a-z]{1,3}"),
        FileForm("starter", (), r"start\.me"),
        FileForm("started", (), r"bin\\z-\d+\\[a-z]+\.zip"),
    ),
    peer_to_peer=PeerToPeer(("Y",), PORTS, PACKETS, 1, 2000, frozenset({("tcp", 30_000)})),
    sinkholes=frozenset({"198.51.100.66"}),
    spreading=Spreading(
        scan_ports=(445, 139),
        scan_window_s=60,
        scan_targets=10,
        scan_failed_share_percent=60,
        hole_interface=HOLE,
        hole_opnums=(31, 32),
        fetch_window_s=60,
        job_interface=JOBS,
        job_opnums=(0,),
        job_window_s=120,
        job_command="^run ",
        burst_window_s=60,
        burst_failures=10,
        burst_targets=3,
        variants_exploit=("X",),
        variants_password=("X",),
        variants_share=("X",),
        probe_native_os="TOY-OS",
        probe_native_lanman="TOY-LM",
        burst_accounts=2,
        exploit_marks=(ExploitMark(0x55, r"toy://[0-9.]{7,15}/[a-z]+"),),
    ),
    closed_network=ClosedNetwork(("clock.example", "time.example", "date.example", "day.example"), 3, 3, ("X", "Y")),
    wants=(),
    wanted_calls=(),
    judge=JudgeRules(-4000, 5000, 1000, (), (), -1000, -500),
    texts={},
    reported_names=frozenset({"toybox", "toy.x"}),
    alerts=Alerts(frozenset({7_000_001}), ("toybox",)),
)
