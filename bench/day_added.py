"""A day of evidence added to a month that is in a workspace, against assessing the whole month: what a day two costs.

Each of DAYS days is one BIND query log of LINES lines with its own share of names that no other day has, and one host
asks for names that a variant makes for that day. The month comes in first, then one more day: reading and annotating are
that day's; the queries look at all rows once more. The other side reads all days at once, without a workspace.

    python -m bench.day_added
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path

import numpy as np

from bench.compare import Row, limit, show
from wormward.packs import builtin_packs

DAYS = 30
LINES = 500_000
NAMES = 20_000  # that every day has; and a tenth as many of its own
ILL = "10.1.9.9"
FIRST = date(2026, 2, 1)
REPO = Path(__file__).resolve().parent.parent


def query_log(path: Path, day: date) -> None:
    """One day's queries, in order of time."""
    rng = np.random.default_rng(day.toordinal())
    variant = next(v for v in builtin_packs()[0].variants if v.domains is not None)
    assert variant.domains is not None
    made = variant.domains.names((day - date(1970, 1, 1)).days)
    own = [f"host{n}.d{day.toordinal()}.example.net" for n in range(NAMES // 10)]
    names = [*(f"www{n}.example.com" for n in range(NAMES)), *own]
    asked, client = rng.integers(0, len(names), LINES), rng.integers(1, 250, LINES)
    lines = []
    for i in range(LINES):
        ms = i * 86_400_000 // LINES
        ill = i % (LINES // 200) == 0
        name = made[i // (LINES // 200)] if ill else names[asked[i]]
        source = ILL if ill else f"10.1.1.{client[i]}"
        stamp = f"{day:%d-%b-%Y} {ms // 3600_000:02}:{ms // 60_000 % 60:02}:{ms // 1000 % 60:02}.{ms % 1000:03}"
        lines.append(
            f"{stamp} queries: info: client @0x7f9e288e3098 {source}#{1024 + i % 60000} ({name}): "
            f"query: {name} IN A +E(0)K (10.1.0.1)\n"
        )
    path.write_text("".join(lines), encoding="ascii")


def assess(out: Path, *words: str | Path) -> tuple[float, bytes]:
    """Seconds of one whole `wormward assess` on two cores, and what it said; the ill host must be convicted."""
    command = ["taskset", "-c", "0,1", sys.executable, "-m", "wormward.cli", "assess", *words, "--quiet", "--json", out]
    begin = time.perf_counter()
    code = subprocess.run(command, check=False, cwd=REPO, capture_output=True).returncode
    seconds = time.perf_counter() - begin
    said = out.read_bytes()
    convicted = [h["address"] for h in json.loads(said)["hosts"] if h["verdict"] == "infected"]
    assert (code, convicted) == (1, [ILL]), (code, convicted)
    return seconds, said


def figures() -> list[Row]:
    """The month at once, and one day added to what was there; both must say the same."""
    with tempfile.TemporaryDirectory(prefix="wormward-bench-") as name:
        folder = Path(name)
        month, last = folder / "month", folder / "last"
        for n in range(DAYS + 1):
            place = last if n == DAYS else month
            place.mkdir(exist_ok=True)
            query_log(place / f"{FIRST + timedelta(days=n):%Y-%m-%d}.log", FIRST + timedelta(days=n))
        workspace = folder / "workspace"
        assess(folder / "o.json", last)  # compile or load what was compiled
        day, _ = assess(folder / "o.json", last)
        before, _ = assess(folder / "o.json", month, "--workspace", workspace)
        added, one = assess(folder / "o.json", last, "--workspace", workspace)  # once: the second time it is known
        judged, again = assess(folder / "o.json", "--workspace", workspace)
        whole, other = assess(folder / "o.json", month, last)
        assert one == again == other, "a day added says what all at once says"
        print(
            f"{DAYS} days of {LINES:,} lookups: {before:.2f} s into a workspace; a day added {added:.2f} s, the day alone "
            f"{day:.2f} s, all {DAYS + 1} at once {whole:.2f} s"
        )
        print(f"judging what is there, with nothing new: {judged:.2f} s")
        return [
            limit("a day added, of judging all and that day", ours=added, most=judged + day),
            limit("a day added to a month, of the month", ours=whole / added, least=2.0, unit="times faster"),
        ]


if __name__ == "__main__":
    raise SystemExit(show(figures()))
