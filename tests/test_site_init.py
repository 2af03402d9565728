"""`wormward site init`: what it writes loads, changes no answer, says why it suggests what, and overwrites nothing."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.judge_help import DAY, Told, capture_coverage, clock, pack, transcript
from wormward.judge import judge
from wormward.model.site import Site
from wormward.model.states import SeenHost
from wormward.sitefile import load_site
from wormward.sitefile.draft import Suggestion, draft, from_assessment

MARK = re.compile(r"^# (?=\w+ = |\[)", re.MULTILINE)


def wormward(*words: object) -> subprocess.CompletedProcess[str]:
    """The real command."""
    command = [sys.executable, "-m", "wormward.cli", *map(str, words)]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=300)


def assessed(*words: object) -> dict[str, Any]:
    """An assessment as JSON."""
    out = Path(str(words[-1]))
    assert wormward("assess", *words[:-1], "--quiet", "--json", out).returncode == 1
    found: dict[str, Any] = json.loads(out.read_text())
    return found


@pytest.mark.slow
def test_what_it_writes_changes_no_answer_and_is_not_overwritten(repo: Path, tmp_path: Path) -> None:
    evidence = repo / "examples/outbreak"
    out = tmp_path / "site.toml"
    done = wormward("site", "init", evidence, "-o", out)
    assert (done.returncode, done.stderr) == (0, "")
    text = out.read_text()
    assert re.search(r"#   10\.20\.0\.10: answers to _ldap\._tcp name it.* \(outbreak/\S+, (line|frame) \d+\)", text)
    assert re.search(r"#   10\.20\.0\.10: \d+ hosts asked it for names \(outbreak/\S+, (line|frame) \d+\)", text)
    assert '# ranges = ["10.20.0.0/23"' in text
    assert assessed(evidence, "--site", out, tmp_path / "with.json") == assessed(evidence, tmp_path / "without.json")
    (tmp_path / "inventory.csv").write_text("ホスト名,IPアドレス,MACアドレス,設置場所,用途,OS,拠点\npc,10.20.0.9,,,,,\n")
    (tmp_path / "all.toml").write_text(MARK.sub("", text))
    site = load_site(tmp_path / "all.toml")
    assert site.domain_controllers == site.resolvers == {"10.20.0.10"}
    assert {rule.files for rule in site.sources} >= {
        "outbreak/outbreak.pcap",
        "outbreak/dns/queries.log",
        "outbreak/zeek/conn.log",
    }
    again = wormward("site", "init", evidence, "-o", out)
    assert again.returncode == 2
    assert "is there already and is not overwritten" in again.stderr
    assert out.read_text() == text


def test_without_evidence_nothing_is_written(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing")
    done = wormward("site", "init", tmp_path, "-o", tmp_path / "site.toml")
    assert done.returncode == 2
    assert not (tmp_path / "site.toml").exists()


STORY = """
    08:00 10.0.0.5 scan.smb
    08:00 10.0.0.9 names.day-list A milli=14000 until=18:00
    08:01 10.0.0.9 names.day-list C milli=14000 until=18:00
"""


def told() -> Told:
    seen = [SeenHost("site", a, DAY, clock("23:59")) for a in ("10.0.0.5", "10.0.0.9", "2001:db8::1", "fe80::1")]
    return Told(judge(transcript(STORY), [capture_coverage()], seen, Site(), pack(), as_of=DAY, tolerance_days=7))


def test_scanners_and_addresses_of_many_are_suggested_with_their_place(tmp_path: Path) -> None:
    found = from_assessment(told().assessment)
    assert {(s.key, s.value) for s in found} >= {("nat", "10.0.0.9"), ("ranges", "10.0.0.0/24")}
    assert all("fe80" not in s.value for s in found)
    hostile = [Suggestion("proxies", "10.0.0.7", "why\\x0aname = 3", "x\\x1b[31m.log, line 3")]
    path = tmp_path / "site.toml"
    path.write_text(draft(told().assessment, [*found, *hostile], 'si"te.toml'))
    assert load_site(path) == Site()
    path.write_text(MARK.sub("", path.read_text()).replace('inventory = "inventory.csv"', ""))
    assert load_site(path).proxies == {"10.0.0.7"}
