"""One event seen by many witnesses is one event: all forms of the example together say what the best one says alone."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from tests.suricata_help import events
from tests.test_alerts import RULE


@pytest.fixture(scope="module")
def eve(repo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What Suricata says of the example's capture; a rule of ours fires on paths of the exploit."""
    folder = tmp_path_factory.mktemp("suricata")
    (folder / "own.rules").write_text(RULE)
    return events(repo / "examples/outbreak/outbreak.pcap", folder, folder / "own.rules")


def assessed(out: Path, *paths: Path) -> dict[str, Any]:
    """The assessment of some evidence, as JSON."""
    words = [sys.executable, "-m", "wormward.cli", "assess", *map(str, paths), "--quiet", "--json", str(out)]
    assert subprocess.run(words, check=False).returncode == 1
    found: dict[str, Any] = json.loads(out.read_text())
    return found


def answers(assessment: dict[str, Any]) -> dict[str, Any]:
    """Per host its answer, its confidence and who infected it with what likelihood."""
    return {
        host["address"]: (
            host["verdict"],
            host["variant"],
            host["confidence"],
            [(by["address"], by["way"], by["likelihood"]) for by in host["infected_by"]],
        )
        for host in assessment["hosts"]
    }


def edges(assessment: dict[str, Any]) -> list[tuple[Any, ...]]:
    """The graph's edges."""
    return [(e["from"], e["to"], e["way"], e["likelihood"]) for e in assessment["graph"]["edges"]]


@pytest.mark.slow
def test_all_forms_together_say_what_the_capture_says(repo: Path, eve: Path, tmp_path: Path) -> None:
    example = repo / "examples/outbreak"
    capture = assessed(tmp_path / "capture.json", example / "outbreak.pcap")
    every = assessed(tmp_path / "every.json", example / "outbreak.pcap", example / "zeek", example / "dns", eve)
    assert answers(every) == answers(capture)
    assert edges(every) == edges(capture)
    kinds = {source["sha256"]: source["kind"] for source in every["coverage"]}
    cited = {kinds[cite["sha256"]] for finding in every["findings"] for cite in finding["cites"]}
    assert {"suricata-eve", "zeek-dns", "bind-querylog", "dns-csv"} <= cited
    assert any(kind.startswith("pcap") for kind in cited)


KINDS = {"capture": "pcap", "zeek": "zeek-", "eve": "suricata-eve", "dns": ("bind-querylog", "dns-csv")}
"""Forms of the example, the best first, and how the kinds of their sources begin."""


@pytest.mark.slow
def test_any_two_forms_say_what_the_better_one_says_and_cite_both(repo: Path, eve: Path, tmp_path: Path) -> None:
    example = repo / "examples/outbreak"
    forms = {"capture": example / "outbreak.pcap", "zeek": example / "zeek", "eve": eve, "dns": example / "dns"}
    alone = {form: assessed(tmp_path / f"{form}.json", path) for form, path in forms.items() if form != "dns"}
    for better, other in combinations(KINDS, 2):
        both = assessed(tmp_path / "both.json", forms[better], forms[other])
        assert answers(both) == answers(alone[better]), (better, other)
        assert edges(both) == edges(alone[better]), (better, other)
        kinds = {source["sha256"]: source["kind"] for source in both["coverage"]}
        cited = {kinds[cite["sha256"]] for finding in both["findings"] for cite in finding["cites"]}
        assert all(any(kind.startswith(KINDS[form]) for kind in cited) for form in (better, other)), (better, other)


@pytest.mark.slow
def test_events_alone_contradict_nobody(repo: Path, eve: Path, tmp_path: Path) -> None:
    truth = json.loads((repo / "examples/outbreak/truth.json").read_text())["infected"]
    found = answers(assessed(tmp_path / "eve.json", eve))
    assert {address for address, answer in found.items() if answer[0] == "infected"} == set(truth)
    assert all(found[address][1] == truth[address]["variant"] for address in truth)
