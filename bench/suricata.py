"""Runs the peer, Suricata 7, over a capture on one core, with a configuration in its favour (`suricata.yaml`).

No rules and no detection engine at all; flow, dns, http, smb and dcerpc events as JSON; checksums not looked at.
What is measured is the wall time of the whole process, its start included, with the capture in the page cache.

    python -m bench.suricata CAPTURE [CORE]
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

CONFIG = Path(__file__).with_name("suricata.yaml")


class PeerMissingError(Exception):
    """Suricata is not installed, or is another version than 7; the text says what to do."""


@dataclass(frozen=True, slots=True)
class PeerRun:
    """One run: wall time in seconds, and how many events of each type it wrote (that it did its work)."""

    seconds: float
    events: dict[str, int]


def version() -> str:
    """Its version, as text ("7.0.10"); raises `PeerMissingError`."""
    program = shutil.which("suricata")
    if program is None:
        raise PeerMissingError("Suricata is not installed: scripts/system.sh bench (`make bench` runs it)")
    line = subprocess.run([program, "-V"], check=True, capture_output=True, text=True).stdout
    words = [word for word in line.split() if word[:1].isdigit()]
    if not words or not words[0].startswith("7."):
        raise PeerMissingError(f"Suricata 7 is the peer, this is: {line.strip()}")
    return words[0]


def command(capture: Path, output: Path, core: int) -> list[str]:
    """The whole command line: single run mode on one core, no rules, its files under `output`."""
    return [
        "taskset", "-c", str(core), "suricata", "-c", str(CONFIG), "-r", str(capture), "-l", str(output),
        "--runmode", "single", "-k", "none", "--disable-detection",
        "--pidfile", str(output / "pid"),
    ]  # fmt: skip


def warm(capture: Path) -> None:
    """Read a file once, so that neither side waits for the disk."""
    with capture.open("rb") as file:
        while file.read(1 << 24):
            pass


def run(capture: Path, *, core: int = 0, runs: int = 1) -> PeerRun:
    """The fastest of `runs` runs over `capture`, pinned to `core`; raises `PeerMissingError`."""
    version()
    warm(capture)
    return min((_once(capture, core) for _ in range(runs)), key=lambda one: one.seconds)


def _once(capture: Path, core: int) -> PeerRun:
    with tempfile.TemporaryDirectory(prefix="suricata-") as folder:
        output = Path(folder)
        begin = time.perf_counter()
        done = subprocess.run(command(capture, output, core), check=False, capture_output=True, text=True)
        seconds = time.perf_counter() - begin
        if done.returncode != 0:
            raise RuntimeError(f"Suricata ended with {done.returncode} on {capture}: {done.stderr.strip()[-500:]}")
        return PeerRun(seconds, count_events(output / "eve.json"))


def count_events(eve: Path) -> dict[str, int]:
    """How many events of each type stand in its JSON output."""
    counts: Counter[str] = Counter()
    with eve.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            _, found, rest = line.partition('"event_type":"')
            if found:
                counts[rest.partition('"')[0]] += 1
    return dict(sorted(counts.items()))


def main(words: list[str]) -> int:
    """Run it over the capture named on the command line and print what was measured."""
    if not words:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        result = run(Path(words[0]), core=int(words[1]) if len(words) > 1 else 0)
    except PeerMissingError as error:
        print(error, file=sys.stderr)
        return 3
    print(f"Suricata {version()}: {result.seconds:.2f} s; events: {result.events}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
