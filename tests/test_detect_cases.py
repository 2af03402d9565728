"""Every detector has a case: it fires on its own example and on nothing of its benign one that is not listed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.detectors import make, play, toy
from wormward.detect import DETECTORS, Scope, detector_table

CASES = Path(__file__).parent / "detectors"
RESOLVERS = frozenset({make.RESOLVER})


def case(rule: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Input and expectation of one rule."""
    folder = CASES / rule
    return json.loads((folder / "input.json").read_text()), json.loads((folder / "expected.json").read_text())


def test_every_rule_has_a_case_and_every_case_a_rule() -> None:
    folders = {path.name for path in CASES.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert folders == {d.rule for d in DETECTORS} == set(make.MAKERS)


@pytest.mark.parametrize("rule", make.MAKERS)
def test_input_is_what_the_maker_makes(rule: str) -> None:
    folder = CASES / rule
    assert (folder / "input.json").read_text() == make.text(rule)
    readme = (folder / "README.md").read_text()
    assert all(word in readme for word in ("**Origin.**", "**Positive.**", "**Benign.**"))


@pytest.mark.parametrize("rule", make.MAKERS)
def test_fires_on_its_example(rule: str) -> None:
    rows, expected = case(rule)
    found = [play.short(f) for f in play.assess(rows["positive"], rules=[rule], resolvers=RESOLVERS)]
    assert found == expected["positive"]
    assert found


@pytest.mark.parametrize("rule", make.MAKERS)
def test_silent_on_its_benign_example(rule: str) -> None:
    rows, expected = case(rule)
    found = [[f.rule, f.actor, f.target] for f in play.assess(rows["benign"], resolvers=RESOLVERS)]
    assert found == expected["benign"]
    assert all(name != rule for name, *_ in found)


@pytest.mark.slow
@pytest.mark.parametrize("rule", make.MAKERS)
def test_what_is_not_asked_would_have_found_nothing(rule: str) -> None:
    rows, _ = case(rule)
    asked = play.assess(rows["positive"], resolvers=RESOLVERS, empty=frozenset(), ports=None)
    assert asked == play.assess(rows["positive"], resolvers=RESOLVERS)


def test_a_detector_is_idle_without_its_tables_or_its_ports() -> None:
    scanning = next(d for d in DETECTORS if d.rule == "scan.smb")
    scope = Scope(toy.DAY, toy.DAY, 7, ports=frozenset({80, *toy.PACK.spreading.scan_ports}))
    assert not scanning.idle(toy.PACK, scope)
    assert not scanning.idle(toy.PACK, replace(scope, ports=None))
    assert scanning.idle(toy.PACK, replace(scope, ports=frozenset({80})))
    assert scanning.idle(toy.PACK, replace(scope, empty=frozenset({"flows"})))


def test_every_detector_says_what_it_stands_on() -> None:
    page = detector_table()
    for detector in DETECTORS:
        assert detector.references, detector.rule
        assert detector.limitations, detector.rule
        assert f"## {detector.rule}\n" in page
    assert len({d.rule for d in DETECTORS}) == len(DETECTORS)
