"""Flow records on two cores: all detectors over the Parquet of a workspace, from the start of Python to the findings.

WORMWARD_BENCH_FLOWS (default 100,000,000; 6 GB of disk in TMPDIR or less) sets the size. A week of a large site, and an
outbreak in it whose hosts, and nobody else, must be found by each of the detectors that flows tell something.
`python -m bench.flows FOLDER` looks for findings in a workspace and does nothing else; `python -m bench.flows FOLDER ROWS`
makes one.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from bench.compare import Row, limit, show
from wormward.store import SourceRow, Workspace

ROWS = int(os.environ.get("WORMWARD_BENCH_FLOWS", "100000000"))
REPO = Path(__file__).resolve().parent.parent
MOST_S, MOST_MB = 180, 4096
BEGIN = int(datetime(2009, 3, 30, tzinfo=UTC).timestamp())
WEEK_S = 7 * 86_400
CHUNK = 1_000_000

CLIENTS, FILE_SERVERS, WEB_SERVERS, OTHERS = 20_000, 200, 100_000, 50_000
SHARES = {"smb": 20, "web": 40, "dns": 25, "other": 10, "scan": 5}  # percent of flows
ILL = 20
SCANNED, PEERS, EXCHANGERS = 10_000, 400, 200  # that each ill host tries

Codes = npt.NDArray[np.int32]
PROTOCOLS, STATES = ["tcp", "udp"], ["established", "attempt", "refused"]
TCP, UDP = 0, 1
ESTABLISHED, ATTEMPT, REFUSED = 0, 1, 2


def addresses(first: str, count: int, step: int = 1) -> list[str]:
    """So many addresses from one on."""
    begin = int(IPv4Address(first))
    return [str(IPv4Address(begin + i * step)) for i in range(count)]


class Site:
    """Who is there: one list of addresses, and where in it each group begins."""

    def __init__(self) -> None:
        rng = np.random.default_rng(7)
        scanned = sorted(set(rng.integers(0, 1 << 22, ILL * SCANNED * 2).tolist()))[: ILL * SCANNED]
        groups = {
            "clients": addresses("10.1.0.0", CLIENTS),
            "files": addresses("10.200.0.1", FILE_SERVERS),
            "resolvers": addresses("10.201.0.1", 4),
            "web": addresses("198.18.0.1", WEB_SERVERS),
            "others": addresses("100.64.0.1", OTHERS, 11),
            "scanned": [str(IPv4Address(int(IPv4Address("172.16.0.0")) + n % (1 << 20))) for n in scanned],
            "peers": addresses("203.0.113.1", PEERS, 257),
            "exchangers": addresses("192.0.2.1", EXCHANGERS),
            "sinkhole": ["38.229.70.125"],
        }
        self.first: dict[str, int] = {}
        self.texts: list[str] = []
        for name, group in groups.items():
            self.first[name] = len(self.texts)
            self.texts += group
        self.ill = [int(i) for i in rng.choice(CLIENTS, ILL, replace=False)]

    def pick(self, rng: np.random.Generator, name: str, size: int, count: int) -> Codes:
        """So many members of a group, evenly."""
        return (self.first[name] + rng.integers(0, size, count)).astype(np.int32)


def ordinary(site: Site, rng: np.random.Generator, count: int) -> dict[str, npt.NDArray[Any]]:
    """Columns of so many flows of a site without a worm, in codes."""
    kind = rng.choice(len(SHARES), count, p=[share / 100 for share in SHARES.values()])
    server = np.empty(count, np.int32)
    port = np.empty(count, np.int32)
    protocol = np.zeros(count, np.int32)
    sizes = {"smb": ("files", FILE_SERVERS), "web": ("web", WEB_SERVERS), "dns": ("resolvers", 4), "other": ("others", OTHERS)}
    sizes["scan"] = ("scanned", ILL * SCANNED)
    for number, name in enumerate(SHARES):
        (rows,) = np.nonzero(kind == number)
        server[rows] = site.pick(rng, *sizes[name], len(rows))
        if name == "other":
            # Most servers have a port of their own; every second flow is of a program that makes ports up.
            own = 5000 + server[rows] % 397
            made = rng.integers(1024, 65536, len(rows))
            port[rows] = np.where(rng.integers(0, 2, len(rows)) == 0, made, own)
            protocol[rows] = rng.integers(0, 2, len(rows))
        else:
            port[rows] = {"smb": 445, "web": 443, "dns": 53, "scan": 445}[name]
            protocol[rows] = UDP if name == "dns" else TCP
    # One in fifty is not answered, one in a hundred refused.
    luck = rng.integers(0, 100, count)
    scan = kind == list(SHARES).index("scan")
    state = np.where(scan | (luck < 2), ATTEMPT, np.where(luck == 2, REFUSED, ESTABLISHED)).astype(np.int32)
    client = np.where(scan, np.array(site.ill)[rng.integers(0, ILL, count)], rng.integers(0, CLIENTS, count)).astype(np.int32)
    return {
        "client": client, "server": server, "server_port": port,
        "protocol": protocol, "state": state, "second": np.sort(rng.integers(0, WEEK_S * 1_000_000, count)),
    }  # fmt: skip


def outbreak(site: Site) -> dict[str, npt.NDArray[Any]]:
    """Columns of what the ill hosts do, in time order: scans, peers, mail of the first one, a sinkhole of the second."""
    from wormward import packs  # noqa: PLC0415

    rule = packs.builtin_packs()[0].peer_to_peer
    assert rule is not None
    peers = np.array([int(IPv4Address(site.texts[site.first["peers"] + i])) for i in range(PEERS)], np.uint32)
    ports = rule.ports.ports(peers, np.zeros(PEERS, np.int32))[:, 0]  # the TCP port that the address alone tells
    deeds = []
    for number, who in enumerate(site.ill):
        begin = 86_400 + 3600 * number
        scanned = site.first["scanned"] + number * SCANNED + np.arange(SCANNED)
        deeds.append(_deed(who, scanned, 445, (begin, 1.5)))
        deeds.append(_deed(who, site.first["peers"] + np.arange(PEERS), ports, (begin + 60, 90)))
    deeds.append(_deed(site.ill[0], site.first["exchangers"] + np.arange(EXCHANGERS), 25, (200_000, 5), ESTABLISHED))
    deeds.append(_deed(site.ill[1], np.array([site.first["sinkhole"]]), 80, (300_000, 1), ESTABLISHED))
    columns = {name: np.concatenate([deed[name] for deed in deeds]) for name in deeds[0]}
    order = np.argsort(columns["second"], kind="stable")
    return {name: values[order] for name, values in columns.items()} | {"protocol": np.zeros(len(order), np.int32)}


def _deed(
    who: int, whom: npt.NDArray[Any], port: Any, when: tuple[int, float], state: int = ATTEMPT
) -> dict[str, npt.NDArray[Any]]:
    """One host tries others, one after the other; `when` is the second of the first try and the pause between two."""
    begin, step = when
    count = len(whom)
    return {
        "client": np.full(count, who, np.int32),
        "server": whom.astype(np.int32),
        "server_port": np.broadcast_to(np.asarray(port, np.int32), count),
        "state": np.full(count, state, np.int32),
        "second": ((begin + np.arange(count) * step) * 1_000_000).astype(np.int64),
    }


def kept(folder: Path, rows: int) -> None:
    """`rows` flows as a workspace that `assess --workspace` made of one file of flow records."""
    site, rng = Site(), np.random.default_rng(3)
    texts = {
        name: pa.array(values, pa.string())
        for name, values in (("address", site.texts), ("protocol", PROTOCOLS), ("state", STATES))
    }
    words = {"client": "address", "server": "address", "protocol": "protocol", "state": "state"}
    bad = outbreak(site)
    place = 0
    with Workspace(folder) as workspace:
        for start in range(0, rows, CHUNK):
            count = min(CHUNK, rows - start)
            first, last = (WEEK_S * 1_000_000 * n // rows for n in (start, start + count))
            inside = np.flatnonzero((bad["second"] >= first) & (bad["second"] < last))
            columns = ordinary(site, rng, count - len(inside))
            columns["second"] = first + columns["second"] * (last - first) // (WEEK_S * 1_000_000)
            columns = {name: np.concatenate([values, bad[name][inside]]) for name, values in columns.items()}
            order = np.argsort(columns["second"], kind="stable")
            columns = {name: values[order] for name, values in columns.items()}
            workspace.add("flows", 0, _as_table(columns, texts, words, place))
            place += count
        workspace.finish([SourceRow(0, "0" * 64, "bench", "nfdump-csv", "line")])


def _as_table(
    columns: dict[str, npt.NDArray[Any]], texts: dict[str, pa.Array], words: dict[str, str], place: int
) -> dict[str, Any]:
    """Columns of `flows`."""
    count = len(columns["second"])
    when = pa.array(BEGIN * 1_000_000 + columns["second"])
    rng = np.random.default_rng(place)
    answered = columns["state"] == ESTABLISHED
    size = rng.integers(100, 20_000, count)
    coded = {n: pa.DictionaryArray.from_arrays(pa.array(columns[n]), texts[kind]) for n, kind in words.items()}
    return {
        "place": pa.array(np.arange(place + 1, place + count + 1)),
        "site": pa.DictionaryArray.from_arrays(pa.array(np.zeros(count, np.int32)), pa.array(["bench"])),
        "time": when, "time_end": when, **coded,
        "client_port": pa.array(rng.integers(1024, 65536, count).astype(np.int32)),
        "server_port": pa.array(columns["server_port"].astype(np.int32)),
        "bytes_out": pa.array(size // 4), "bytes_in": pa.array(np.where(answered, size, 0)),
        "packets_out": pa.array(np.ones(count, np.int64)), "packets_in": pa.array(answered.astype(np.int64)),
    }  # fmt: skip


def query(folder: Path) -> dict[str, Any]:
    """What `look` says of a workspace, and the seconds of the whole process on two cores."""
    command = ["taskset", "-c", "0,1", sys.executable, "-m", "bench.flows", str(folder)]
    begin = time.perf_counter()
    done = subprocess.run(command, check=True, cwd=REPO, capture_output=True, text=True)
    said: dict[str, Any] = json.loads(done.stdout)
    return {**said, "seconds": time.perf_counter() - begin}


def look(folder: Path) -> None:
    """Look over the workspace, annotate and detect on two threads, as `assess` does; and say what it cost."""
    from wormward import packs, pipeline  # noqa: PLC0415 - after the files are made
    from wormward.engine import Duck, survey  # noqa: PLC0415
    from wormward.model.site import Site as Known  # noqa: PLC0415
    from wormward.model.tables import FACTS  # noqa: PLC0415

    with Workspace.open(folder) as tables:
        parts = {table.name: tables.parts(table.name) for table in FACTS}
        with Duck(parts, tables.sources(), threads=2) as engine:
            looked = survey(engine)
            _, findings = pipeline._findings(engine, packs.builtin_packs()[0], looked, Known(), all_time=False, notes=None)
    found: dict[str, list[str]] = {}
    for finding in findings:
        found.setdefault(finding.rule, []).append(finding.actor)
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"found": {rule: sorted(set(who)) for rule, who in found.items()}, "megabytes": round(most)}))


def wanted() -> dict[str, list[str]]:
    """Whom each detector must find."""
    site = Site()
    ill = [site.texts[i] for i in site.ill]
    return {"bots.mail": ill[:1], "p2p.ports": sorted(ill), "scan.smb": sorted(ill), "sinkhole.contact": ill[1:2]}


def figures() -> list[Row]:
    """Make the workspace and look at it: the best of two looks."""
    with tempfile.TemporaryDirectory(prefix="wormward-bench-") as name:
        folder = Path(name) / "workspace"
        kept(folder, ROWS)
        looks = [query(folder) for _ in range(2)]
        for said in looks:
            assert said["found"] == wanted(), said
        size = sum(part.stat().st_size for part in folder.rglob("*.parquet"))
    best = min(looks, key=lambda said: said["seconds"])
    print(
        f"flows: {ROWS:,} rows, {size / 1e6:.0f} MB, {best['seconds']:.1f} s from the start of Python to the findings, "
        f"{best['megabytes']} MB of memory at most, libraries counted"
    )
    return [
        limit("flows in a workspace, all detectors", ours=best["seconds"], most=MOST_S * ROWS / 100_000_000),
        limit("the same, memory", ours=best["megabytes"], most=MOST_MB, unit="MB"),
    ]


if __name__ == "__main__":
    if len(sys.argv) > 2:
        kept(Path(sys.argv[1]), int(sys.argv[2]))
    elif sys.argv[1:]:
        look(Path(sys.argv[1]))
    else:
        raise SystemExit(show(figures()))
