"""Real traffic that nobody here made accuses nobody: captures and logs of `shared/corpora`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

CONVICTING = {"infected", "suspected", "attacked"}


def assess(folder: Path, out: Path, *words: str) -> dict[str, Any]:
    """Run the real command over a folder of the corpora."""
    command = [sys.executable, "-m", "wormward.cli", "assess", str(folder), "--json", str(out), *words]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=300)
    assert done.returncode in (0, 3), done.stderr + done.stdout[-2000:]
    said: dict[str, Any] = json.loads(out.read_text())
    return said


LONGER = [
    pytest.param(("--all-time",), id="all-time", marks=pytest.mark.slow),
    pytest.param(("--separate",), id="separate", marks=pytest.mark.slow),
]


@pytest.mark.parametrize("words", [pytest.param((), id="plain"), *LONGER])
@pytest.mark.parametrize("part", ["captures", "logs"])
def test_real_traffic_accuses_nobody(corpora: Path, tmp_path: Path, part: str, words: tuple[str, ...]) -> None:
    said = assess(corpora / part, tmp_path / "out.json", *words)
    assert len(said["hosts"]) > 5
    assert {h["address"]: h["verdict"] for h in said["hosts"] if h["verdict"] in CONVICTING} == {}


def test_what_is_odd_in_the_logs_is_said(corpora: Path, tmp_path: Path) -> None:
    """The horizontal port scan of the corpus is a finding, and convicts nobody."""
    said = assess(corpora / "logs", tmp_path / "out.json")
    assert {f["kind"] for f in said["findings"]} <= {"scan", "bot-work", "call-home"}
