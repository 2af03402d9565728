"""What holds of every output: same evidence, same bytes; the mark that was asked for."""

from __future__ import annotations

import os
from pathlib import Path

from tests.cli_help import infected_lookups, lookups, process, wormward
from wormward.command.outputs import OUTPUTS


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_same_evidence_same_bytes(tmp_path: Path) -> None:
    """Whatever the order of arguments and of Python's own sets."""
    first = lookups(tmp_path, infected_lookups())
    second = lookups(tmp_path, infected_lookups("2009-02-03", "10.0.0.78"), "more.csv")
    made = []
    for seed, given in (("1", (first, second)), ("2", (second, first))):
        folder = tmp_path / seed
        folder.mkdir()
        asked = [word for output in OUTPUTS for word in (f"--{output.option}", folder / output.option)]
        done = process("assess", *given, *asked, "--block-days", "1", env={**os.environ, "PYTHONHASHSEED": seed})
        assert done.code == 1, done.err
        made.append({**contents(folder), "stdout": done.out.encode()})
    assert made[0] == made[1]
    assert len(made[0]) > len(OUTPUTS)


def test_every_output_carries_the_mark_that_was_asked_for(tmp_path: Path) -> None:
    (tmp_path / "o").mkdir()
    asked = [part for output in OUTPUTS for part in (f"--{output.option}", tmp_path / "o" / output.option)]
    done = wormward("assess", lookups(tmp_path, infected_lookups()), *asked, "--tlp", "amber+strict")
    assert done.code == 1
    assert "TLP:AMBER+STRICT" in done.out.splitlines()
    for name, raw in contents(tmp_path / "o").items():
        assert b"TLP:AMBER+STRICT" in raw or name.endswith((".lst", "edges.csv", "left-out.csv")), name  # no rows, no mark
    assert wormward("assess", lookups(tmp_path), "--tlp", "white").code == 2
