"""The lab's cases and stories, read by the program itself: each rule fires on its positive and is silent on its twin."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lab.__main__ import main
from lab.cases import CASES
from tests.lab_help import REPO
from wormward.model.pack import ThreatPack
from wormward.model.rules import RULES
from wormward.model.states import Assessment, Infection
from wormward.packs import builtin_packs, load
from wormward.pipeline import assess


@pytest.fixture(scope="module")
def pack() -> ThreatPack:
    return builtin_packs()[0]


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cases")
    assert main(["case", "all", "--out", str(folder)]) == 0
    return folder


def test_every_rule_has_its_case() -> None:
    """All but what no traffic of the site shows: a third party's report, whose case is in `test_reported.py`."""
    assert set(CASES) == set(RULES) - {"reported.sinkhole", "alert.rule"}


@pytest.mark.slow
@pytest.mark.parametrize("rule", CASES)
def test_the_rule_fires_on_its_case_and_not_on_the_twin(cases: Path, pack: ThreatPack, rule: str) -> None:
    expected = json.loads((cases / rule / "expect.json").read_text())
    said = {twin: assess([cases / rule / twin / expected["form"]], packs=[pack]) for twin in ("positive", "benign")}
    found = [f for f in said["positive"].findings if f.rule == rule and f.actor == expected["actor"]]
    assert found
    assert expected["target"] is None or expected["target"] in {f.target for f in found}
    assert not [f for f in said["benign"].findings if f.rule == rule and f.actor == expected["actor"]]
    assert not [h for h in said["benign"].hosts if h.verdict is not Infection.UNKNOWN]


def answers(said: Assessment, verdict: Infection) -> dict[str, str]:
    return {h.address: ",".join(h.variant) for h in said.hosts if h.verdict is verdict}


def check(folder: Path, said: Assessment) -> None:
    """Who is infected, by which variant, who was attacked, and whose word the edges are."""
    truth: dict[str, Any] = json.loads((folder / "truth.json").read_text())
    assert answers(said, Infection.INFECTED) == {a: h["variant"] for a, h in truth["infected"].items()}
    assert not answers(said, Infection.SUSPECTED)
    assert set(answers(said, Infection.ATTACKED)) == set(truth["attacked"])
    likely = {h.address: h.infected_by[0].start for h in said.hosts if h.infected_by}
    true = {a: h["infected_by"] for a, h in truth["infected"].items() if h["infected_by"]}
    right = sum(true.get(a) == by for a, by in likely.items())
    assert right >= 0.9 * max(len(likely), len(true))
    assert said.patient_zero[0].address in truth["patient_zero"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    ["--seed 2", "--seed 3 --proxy", "--seed 4 --date-offset 3", "--seed 5 --rotate 7", "--seed 6 --hosts 60 --infected 50"],
)
def test_stories_are_told_back(words: str, tmp_path: Path, pack: ThreatPack) -> None:
    assert main(["outbreak", "--out", str(tmp_path), *words.split()]) == 0
    check(tmp_path, assess(sorted(tmp_path.glob("*.pcap")), packs=[pack]))


@pytest.mark.slow
@pytest.mark.parametrize("form", ["outbreak.pcap", "zeek"])
@pytest.mark.parametrize("folder", sorted(p.parent for p in (REPO / "tests" / "packs").glob("*/pack.toml")), ids=lambda p: p.name)
def test_a_made_up_worm_is_found_end_to_end(folder: Path, form: str, tmp_path: Path) -> None:
    assert main(["outbreak", "--worm", str(folder), "--out", str(tmp_path)]) == 0
    check(tmp_path, assess([tmp_path / form], packs=[load(folder)]))


@pytest.mark.slow
def test_on_a_closed_network_the_same_hosts_are_found(tmp_path: Path, pack: ThreatPack) -> None:
    """Without names the build often stays open; it must not be told wrongly."""
    assert main(["outbreak", "--seed", "5", "--closed", "--out", str(tmp_path)]) == 0
    truth = json.loads((tmp_path / "truth.json").read_text())["infected"]
    said = assess([tmp_path / "outbreak.pcap"], packs=[pack])
    assert set(answers(said, Infection.INFECTED)) == set(truth)
    for address, variant in answers(said, Infection.INFECTED).items():
        assert truth[address]["variant"] in variant.split(",")
