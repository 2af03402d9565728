"""DNS logs on two cores: BIND text from file to finding, and the Parquet of a workspace from table to finding.

WORMWARD_BENCH_LINES (default 10,000,000) and WORMWARD_BENCH_ROWS (default 100,000,000) set the sizes; the text is read
once more as one file of WORMWARD_BENCH_STREAM_GB (default 10), which outgrows what is kept in memory many times. In all,
200 hosts ask ordinary names and one asks for the names of a list, and must be convicted: a fast answer that is wrong is none.
`python -m bench.dns_logs FOLDER` looks for findings in a workspace and does nothing else.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from bench.compare import Row, limit, show
from wormward.store import SourceRow, Workspace
from wormward.threats.conficker.algorithms import domains

LINES = int(os.environ.get("WORMWARD_BENCH_LINES", "10000000"))
ROWS = int(os.environ.get("WORMWARD_BENCH_ROWS", "100000000"))
STREAM_GB = int(os.environ.get("WORMWARD_BENCH_STREAM_GB", "10"))
NAMES = 300_000
BEGIN = datetime(2026, 3, 2, 8, tzinfo=UTC)
DAY = (BEGIN - datetime(1970, 1, 1, tzinfo=UTC)).days
ILL = "10.1.0.77"
REPO = Path(__file__).resolve().parent.parent


def names() -> list[str]:
    """Ordinary names, then one day's list of one variant."""
    return [f"host{i:06}.service{i % 977}.example.com" for i in range(NAMES)] + domains("B").names(DAY)


def bind_log(path: Path) -> None:
    """LINES lines of BIND's querylog; every 10,000th is the ill host's."""
    known = names()
    rng = np.random.default_rng(1)
    asked = rng.integers(0, NAMES, LINES)
    client = rng.integers(1, 201, LINES)
    with path.open("w", encoding="ascii") as out:
        for start in range(0, LINES, 100_000):
            lines = []
            for i in range(start, min(start + 100_000, LINES)):
                ill = i % 10_000 == 0
                name = known[NAMES + i // 10_000 % 250] if ill else known[asked[i]]
                source = ILL if ill else f"10.1.1.{client[i]}"
                ms = i * 7200_000 // LINES
                stamp = f"02-Mar-2026 {8 + ms // 3600_000:02}:{ms // 60_000 % 60:02}:{ms // 1000 % 60:02}.{ms % 1000:03}"
                lines.append(
                    f"{stamp} queries: info: client @0x7f9e288e3098 {source}#{1024 + i % 60000} ({name}): "
                    f"query: {name} IN A +E(0)K (10.1.0.1)\n"
                )
            out.write("".join(lines))


def assess(given: Path) -> float:
    """Seconds of one whole `wormward assess` on two cores; the ill host, and nobody else, must be convicted."""
    out = given.parent / "out.json"
    command = ["taskset", "-c", "0,1", sys.executable, "-m", "wormward.cli", "assess", str(given), "--quiet", "--json", str(out)]
    begin = time.perf_counter()
    code = subprocess.run(command, check=False, cwd=REPO, capture_output=True).returncode
    seconds = time.perf_counter() - begin
    said = json.loads(out.read_text())
    convicted = [h["address"] for h in said["hosts"] if h["verdict"] == "infected"]
    assert (code, convicted) == (1, [ILL]), (code, convicted)
    return seconds


def streamed(log: Path) -> Path:
    """A log of STREAM_GB: that one again and again."""
    long = log.parent.parent / "long" / "queries.log"
    long.parent.mkdir()
    with long.open("wb") as out:
        for _ in range(max(1, round(STREAM_GB * 1e9 / log.stat().st_size))):
            with log.open("rb") as once:
                shutil.copyfileobj(once, out, 1 << 22)
    return long


def _coded(codes: npt.NDArray[np.int32], values: list[str]) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(codes), pa.array(values, pa.string()))


def kept(folder: Path) -> None:
    """ROWS lookups as a workspace that `assess --workspace` made of one query log."""
    rng = np.random.default_rng(2)
    known = names()
    clients = [f"10.1.1.{i}" for i in range(1, 201)] + [ILL]
    begin_us = int(BEGIN.timestamp() * 1e6)
    with Workspace(folder) as workspace:
        for start in range(0, ROWS, 1_000_000):
            count = min(1_000_000, ROWS - start)
            place = np.arange(start + 1, start + count + 1)
            ill = place % 10_000 == 0
            asked = np.where(ill, NAMES + place // 10_000 % 250, rng.integers(0, NAMES, count)).astype(np.int32)
            who = np.where(ill, 200, rng.integers(0, 200, count)).astype(np.int32)
            same = np.zeros(count, np.int32)
            columns = {
                "place": pa.array(place), "site": _coded(same, ["bench"]),
                "time": pa.array(begin_us + place * 7200 * 10**6 // ROWS), "client": _coded(who, clients),
                "server": pa.nulls(count), "name": _coded(asked, known), "qtype": _coded(same, ["A"]),
                "rcode": pa.nulls(count), "answers": pa.nulls(count), "additional": pa.nulls(count),
            }  # fmt: skip
            workspace.add("dns_queries", 0, columns)
        workspace.finish([SourceRow(0, "0" * 64, "bench", "bind-querylog", "line")])


def query(folder: Path) -> tuple[float, float]:
    """Seconds and most megabytes of memory of a whole process on two cores, from its start to the findings of a workspace."""
    command = ["taskset", "-c", "0,1", sys.executable, "-m", "bench.dns_logs", str(folder)]
    begin = time.perf_counter()
    done = subprocess.run(command, check=True, cwd=REPO, capture_output=True, text=True)
    seconds = time.perf_counter() - begin
    said = json.loads(done.stdout)
    assert said["convicted"] == [ILL], said
    return seconds, said["megabytes"]


def look(folder: Path) -> None:
    """What `query` measures: looking over the workspace, annotating and detecting on two threads; and what it cost."""
    from wormward import detect, packs  # noqa: PLC0415 - after the files are made
    from wormward.annotate import Days, annotate_all  # noqa: PLC0415
    from wormward.detect import Scope  # noqa: PLC0415
    from wormward.engine import Duck, survey  # noqa: PLC0415

    pack = packs.builtin_packs()[0]
    with (
        Workspace.open(folder) as tables,
        Duck({"dns_queries": tables.parts("dns_queries")}, tables.sources(), threads=2) as engine,
    ):
        looked = survey(engine)
        assert looked.days is not None
        first, last = looked.days
        annotate_all(engine, pack, Days(first, last, False, looked.spans))
        scope = Scope(first, last, pack.tolerance_days, answering=looked.answering, empty=engine.empty())
        findings = detect.run(engine.tables(), pack, scope, engine.fetch, engine.cites)
    convicted = sorted({f.actor for f in findings if f.rule == "names.day-list" and (f.milli or 0) > 9000})
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"convicted": convicted, "megabytes": round(most)}))


def figures() -> list[Row]:
    """Run both."""
    with tempfile.TemporaryDirectory(prefix="wormward-bench-") as name:
        log = Path(name) / "given" / "queries.log"
        log.parent.mkdir()
        bind_log(log)
        assess(log)  # compile or load what was compiled
        seconds = min(assess(log) for _ in range(2))
        print(f"BIND text: {LINES:,} lines, {log.stat().st_size / 1e6:.0f} MB, {seconds:.2f} s from file to finding")
        text = limit("BIND text, file to finding", ours=LINES / seconds, least=3e6, unit="lines/s")
        long = streamed(log)
        times = long.stat().st_size // log.stat().st_size
        seconds = assess(long)
        print(f"BIND text streamed: {LINES * times:,} lines, {long.stat().st_size / 1e9:.1f} GB, {seconds:.2f} s")
        stream = limit(f"{STREAM_GB} GB of BIND text streamed", ours=LINES * times / seconds, least=3e6, unit="lines/s")
        long.unlink()
        log.unlink()
        folder = Path(name) / "workspace"
        kept(folder)
        query(folder)
        seconds, most = min(query(folder) for _ in range(3))
        size = sum(part.stat().st_size for part in folder.rglob("*.parquet"))
        print(
            f"Parquet: {ROWS:,} rows, {size / 1e6:.0f} MB, {seconds:.2f} s from the start of Python to the finding, "
            f"{most:.0f} MB of memory at most, mapped files and libraries counted"
        )
        return [text, stream, limit("DNS Parquet, table to finding", ours=ROWS / seconds, least=20e6, unit="rows/s")]


if __name__ == "__main__":
    if sys.argv[1:]:
        look(Path(sys.argv[1]))
        raise SystemExit
    raise SystemExit(show(figures()))
