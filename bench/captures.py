"""Captures: the office mix against Suricata 7, memory, a compressed copy, and 8,000 small files.

Each side is pinned to one core and given a file that is in the page cache. Suricata runs without rules and writes
flow, dns, http, smb and dcerpc events; Wormward does the whole of `wormward assess`, start-up, hashing and judging
included. A third row tells what the machine allows at all: hashing the file, which citing it by digest takes.

WORMWARD_BENCH_PACKETS (default 10,000,000: 7 GB of disk in TMPDIR) makes the capture smaller.
"""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from bench import suricata
from bench.compare import Row, limit, ratio, show

PACKETS = int(os.environ.get("WORMWARD_BENCH_PACKETS", "10000000"))
SMALL_FILES = 8_000
REPO = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Run:
    """Seconds of the whole process, and the most anonymous memory it held, in MB."""

    seconds: float
    anonymous_mb: float


def _watch(process: subprocess.Popen[bytes], seen: list[int]) -> None:
    """Note RssAnon until the process ends: VmHWM would count the page cache that mapped files share."""
    status = Path(f"/proc/{process.pid}/status")
    while process.poll() is None:
        try:
            line = next(x for x in status.read_text().splitlines() if x.startswith("RssAnon"))
        except (OSError, StopIteration):
            return
        seen.append(int(line.split()[1]))
        time.sleep(0.05)


def assess(given: Path, core: int = 0) -> Run:
    """One whole `wormward assess` on one core."""
    out = given.parent / "assessment.json"
    command = ["taskset", "-c", str(core), sys.executable, "-m", "wormward.cli", "assess", str(given), "--quiet"]
    command += ["--json", str(out)]
    seen = [0]
    begin = time.perf_counter()
    process = subprocess.Popen(command, cwd=REPO, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    watcher = threading.Thread(target=_watch, args=(process, seen))
    watcher.start()
    code = process.wait()
    seconds = time.perf_counter() - begin
    watcher.join()
    if code not in (0, 1):
        raise RuntimeError(f"assess ended with {code} on {given}")
    out.unlink()
    return Run(seconds, max(seen) / 1024)


def hashing(capture: Path) -> float:
    """Seconds to hash the file on one core: a floor for anything that cites it by digest."""
    begin = time.perf_counter()
    subprocess.run(["taskset", "-c", "0", "openssl", "dgst", "-sha256", str(capture)], check=True, capture_output=True)
    return time.perf_counter() - begin


def office(folder: Path) -> Path:
    """The office mix of seed 1."""
    capture = folder / "office.pcap"
    command = [sys.executable, "-m", "lab", "office", "--packets", str(PACKETS), "--seed", "1", "--out", str(capture)]
    subprocess.run(command, check=True, cwd=REPO, capture_output=True)
    return capture


def small(folder: Path) -> Path:
    """SMALL_FILES copies of the lab's small captures, each a little different so that none is a copy of another."""
    cases = folder / "cases"
    subprocess.run(
        [sys.executable, "-m", "lab", "case", "http.support", "--out", str(cases)], check=True, cwd=REPO, capture_output=True
    )
    pattern = min(cases.rglob("*.pcap"), key=lambda p: p.stat().st_size).read_bytes()
    many = folder / "many"
    many.mkdir()
    for number in range(SMALL_FILES):
        # Another fraction of the first frame's second: another file to every digest.
        (many / f"{number:05}.pcap").write_bytes(pattern[:28] + number.to_bytes(4, "little") + pattern[32:])
    return many


def compressed(capture: Path) -> Path:
    """A gzip copy, quickly made."""
    packed = capture.with_suffix(".pcap.gz")
    with capture.open("rb") as plain, gzip.open(packed, "wb", compresslevel=1) as out:
        shutil.copyfileobj(plain, out, 1 << 20)
    return packed


def figures() -> list[Row]:
    """Run it all; what is lacking is said and left out."""
    rows = []
    with tempfile.TemporaryDirectory(prefix="wormward-bench-") as name:
        folder = Path(name)
        capture = office(folder)
        size = capture.stat().st_size / 1e9
        suricata.warm(capture)
        assess(capture)  # compile or load what was compiled
        ours = min((assess(capture) for _ in range(2)), key=lambda r: r.seconds)
        print(f"office mix: {PACKETS:,} packets, {size:.2f} GB, {size / ours.seconds:.2f} GB/s, {ours.anonymous_mb:.0f} MB")
        floor = hashing(capture)
        print(f"hashing alone: {floor:.2f} s, {size / floor:.2f} GB/s; the file itself cannot be cited faster")
        try:
            peer = suricata.run(capture)
            print(f"Suricata {suricata.version()}: {peer.seconds:.2f} s, {size / peer.seconds:.2f} GB/s, events {peer.events}")
            rows.append(ratio("office mix, whole run against Suricata 7", ours=ours.seconds, peer=peer.seconds, wanted=12))
            rows.append(ratio("hashing alone against Suricata 7", ours=floor, peer=peer.seconds, wanted=12))
        except suricata.PeerMissingError as missing:
            print(missing)
        rows.append(limit("office mix, anonymous memory", ours=ours.anonymous_mb, most=1000, unit="MB"))
        packed = compressed(capture)
        capture.unlink()
        rows.append(limit("office mix as .gz, anonymous memory", ours=assess(packed).anonymous_mb, most=1000, unit="MB"))
        packed.unlink()
        many = small(folder)
        assess(many)
        rows.append(limit(f"{SMALL_FILES:,} small captures", ours=assess(many).seconds, most=5))
    return rows


if __name__ == "__main__":
    raise SystemExit(show(figures()))
