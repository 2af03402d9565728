"""A kill at any point loses nothing that was in a workspace, and leaves one that opens and takes the batch again."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from wormward.store import Workspace

# Brings one batch, and dies before the Nth thing that it asks of the system (files opened, renamed, removed, folders made,
# statements and steps of SQLite). One process forks for each N: starting Python each time would take minutes.
CHILD = """
import json, os, signal, sys
from pathlib import Path
from wormward.model.reading import SourceRow
from wormward.store import Workspace, ledger
import pyarrow.parquet

def batch(folder, number):
    with Workspace(folder, memory_bytes=1) as workspace:
        for n in range(3):
            for start in (0, 600):
                rows = list(range(start, start + 600))
                workspace.add("bindings", number + n, {
                    "place": rows, "site": ["s"] * 600, "time": rows, "time_end": [None] * 600, "address": ["10.0.0.1"] * 600,
                    "kind": ["mac"] * 600, "value": [str(r) for r in rows]})
        workspace.finish([SourceRow(number + n, f"{number + n:064x}", f"f{number + n}", "pcap", "frame") for n in range(3)])

def doomed(folder, number, left):
    def count(event=None, args=None):
        nonlocal left
        if event in (None, "open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.scandir", "sqlite3.connect"):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(count)
    real = ledger.sqlite3.connect
    def connect(*args, **more):
        db = real(*args, **more)
        db.set_trace_callback(lambda _statement: count())
        db.set_progress_handler(lambda: count() and None, 5)
        return db
    ledger.sqlite3.connect = connect
    fsync = os.fsync
    os.fsync = lambda handle: (count(), fsync(handle))
    batch(folder, number)
    os._exit(0)

first, points = Path(sys.argv[1]), Path(sys.argv[2])
batch(first, 0)
left = 1
while True:
    folder = points / str(left)
    import shutil
    shutil.copytree(first, folder)
    if os.fork() == 0:
        doomed(folder, 3, left)
    _, status = os.wait()
    if os.WIFEXITED(status):
        assert os.WEXITSTATUS(status) == 0, left
        break
    left += 1
print(json.dumps(left))
"""


def files(folder: Path) -> list[str]:
    with Workspace.open(folder) as workspace:
        rows = sum(pq.read_table(part).num_rows for part in workspace.parts("bindings").parquet)
        assert rows == 1200 * len(workspace.known), "every file has all its rows"
        return [row.name for row in workspace.known]


@pytest.mark.slow
def test_killed_at_every_step_of_taking_in_a_batch(tmp_path: Path) -> None:
    points = tmp_path / "points"
    points.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", CHILD, tmp_path / "first", points], check=False, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    count = json.loads(done.stdout)
    assert count > 60, "it was killed at many points"
    before, after = ["f0", "f1", "f2"], [f"f{n}" for n in range(6)]
    outcomes = [files(points / str(n)) for n in range(1, count + 1)]
    assert outcomes[0] == before
    assert outcomes[-1] == after
    assert all(outcome in (before, after) for outcome in outcomes)
    assert outcomes.count(after) > 1, "also after it was in"
    # What is left over counts for nothing, and the next run clears it.
    for n in range(1, count + 1, 7):
        with Workspace(points / str(n)) as workspace:
            assert workspace.next_file_no in (3, 6)
            named = set(workspace.parts("bindings").parquet)
        assert {p for p in (points / str(n)).rglob("*") if p.is_file() and p.parent.parent.name == "tables"} == named


@pytest.mark.slow
def test_the_command_killed_at_any_time_loses_nothing(tmp_path: Path) -> None:
    """SIGKILL at seeded moments of a whole run; then the same run again must say what an undisturbed one says."""
    example = Path(__file__).resolve().parent.parent / "examples" / "outbreak"
    given, more = example / "dns" / "queries.csv", example / "dns" / "queries.log"

    out = tmp_path / "o.json"

    def command(workspace: Path, *given: Path) -> list[str | Path]:
        return [sys.executable, "-m", "wormward.cli", "assess", *given, "--quiet", "--workspace", workspace, "--json", out]

    def run(workspace: Path, *given: Path) -> bytes:
        done = subprocess.run(command(workspace, *given), check=False, capture_output=True, text=True, timeout=300)
        assert done.returncode == 1, done.stderr
        return out.read_bytes()

    first = run(tmp_path / "w", given)
    shutil.copytree(tmp_path / "w", tmp_path / "undisturbed")
    begin = time.monotonic()
    wanted = run(tmp_path / "undisturbed", more)
    took = time.monotonic() - begin
    random.seed(20081121)
    for n in range(3):
        folder = tmp_path / f"w{n}"
        shutil.copytree(tmp_path / "w", folder)
        with subprocess.Popen(command(folder, more), start_new_session=True) as process:
            time.sleep(took * random.uniform(0.4, 1.0))
            os.killpg(process.pid, signal.SIGKILL)
        if n == 0:
            assert run(folder) in (first, wanted)
        assert run(folder, more) == wanted
