"""`make bench`: runs every benchmark of this folder, each in a process of its own, and gathers their figures.

    python -m bench [NAME ...]     all of them, or those named

A benchmark is a file here that can be run and prints rows of `compare.py`; it ends with 0 if its figures hold, 1 if
one is missed, 3 if a peer is lacking. In a process of its own, the memory and compile time of one never weigh on the
next.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from bench.compare import HEAD, MARK

HERE = Path(__file__).resolve().parent
# Not benchmarks themselves: the runner, the arithmetic and the peer.
PARTS = ("__init__", "__main__", "compare", "suricata")


def benchmarks() -> list[str]:
    """The names of all benchmarks: every file here that can be run, in alphabetical order."""
    files = sorted(HERE.glob("*.py"))
    return [f.stem for f in files if f.stem not in PARTS and '__name__ == "__main__"' in f.read_text(encoding="utf-8")]


def run(name: str) -> tuple[int, list[str]]:
    """Run one benchmark with its output passed through; its exit code and its rows."""
    rows = []
    command = [sys.executable, "-u", "-m", f"bench.{name}"]
    with subprocess.Popen(command, cwd=HERE.parent, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            if line.startswith(MARK):
                rows.append(line.rstrip("\n"))
    return process.returncode, rows


def main(words: list[str]) -> int:
    """Run what was asked for and print all rows once more, together."""
    names = words or benchmarks()
    unknown = sorted(set(names) - set(benchmarks()))
    if unknown:
        print(f"no such benchmark: {', '.join(unknown)}; there are: {', '.join(benchmarks())}", file=sys.stderr)
        return 2
    print(f"{os.cpu_count()} processors; Python {sys.version.split()[0]}")
    rows: list[str] = []
    codes: dict[str, int] = {}
    for name in names:
        print(f"\n== {name}", flush=True)
        begin = time.perf_counter()
        codes[name], found = run(name)
        rows += found
        print(f"-- {name}: exit {codes[name]}, {time.perf_counter() - begin:.0f} s", flush=True)
    print("\n" + "\n".join([HEAD, *rows]))
    for name, code in codes.items():
        if code not in (0, 1):
            print(f"{name} could not be finished (exit {code})")
    return 0 if all(code == 0 for code in codes.values()) else 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
