"""The whole way on the committed example: what its truth says is what `assess` says, whatever the form."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "outbreak"


def run(*words: str, out: Path) -> tuple[int, bytes]:
    """Run the real command; its exit code and the bytes of its JSON."""
    command = [sys.executable, "-m", "wormward.cli", "assess", *words, "--json", str(out)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=300)
    assert done.returncode in (0, 1, 3), done.stderr
    return done.returncode, out.read_bytes()


@pytest.fixture(scope="module")
def say(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Assess parts of the example, each combination once."""
    folder = tmp_path_factory.mktemp("example")

    @cache
    def of(*parts: str) -> tuple[int, dict[str, Any]]:
        out = folder / ("-".join(p.replace("/", "_") or "all" for p in parts) + ".json")
        code, text = run(*(str(EXAMPLE / p) for p in parts), out=out)
        return code, json.loads(text)

    return of


@pytest.fixture(scope="module")
def truth() -> dict[str, Any]:
    """What the lab says happened."""
    told: dict[str, Any] = json.loads((EXAMPLE / "truth.json").read_text())
    return told


CAPTURE, ZEEK, DNS = "outbreak.pcap", "zeek", "dns"


def answers(said: dict[str, Any]) -> dict[str, tuple[str, Any]]:
    """Infection answers by address, without the hosts of which nothing is known."""
    return {h["address"]: (h["verdict"], h["variant"]) for h in said["hosts"] if h["verdict"] != "unknown"}


def infected(said: dict[str, Any]) -> dict[str, Any]:
    """Variant by address of the convicted."""
    return {a: variant for a, (verdict, variant) in answers(said).items() if verdict == "infected"}


def test_every_infected_host_with_its_variant_and_nobody_else(say: Any, truth: dict[str, Any]) -> None:
    code, said = say("")
    assert code == 1
    assert infected(said) == {a: t["variant"] for a, t in truth["infected"].items()}
    assert not [h for h in said["hosts"] if h["verdict"] == "suspected"]


def test_attacked_hosts_are_told_from_infected_ones(say: Any, truth: dict[str, Any]) -> None:
    _, said = say("")
    assert {a for a, (verdict, _) in answers(said).items() if verdict == "attacked"} == set(truth["attacked"])


@pytest.mark.slow
@pytest.mark.parametrize("parts", [(CAPTURE,), (ZEEK,), (CAPTURE, ZEEK), (CAPTURE, ZEEK, DNS)])
def test_each_form_gives_the_same_infection_answers(say: Any, parts: tuple[str, ...]) -> None:
    assert answers(say(*parts)[1]) == answers(say("")[1])


def test_the_dns_form_convicts_whom_names_convict_and_contradicts_nobody(say: Any) -> None:
    whole = answers(say("")[1])
    for form in (DNS, f"{DNS}/queries.log", f"{DNS}/queries.csv"):
        code, said = say(form)
        assert code == 1
        alone = answers(said)
        assert alone
        assert {a: whole.get(a) for a in alone} == alone


@pytest.mark.parametrize("parts", [("",), *(pytest.param((p,), marks=pytest.mark.slow) for p in (CAPTURE, ZEEK))])
def test_nine_in_ten_edges_are_right(say: Any, parts: tuple[str, ...], truth: dict[str, Any]) -> None:
    said = say(*parts)[1]
    likely = {h["address"]: h["infected_by"][0]["address"] for h in said["hosts"] if h["infected_by"]}
    true = {a: t["infected_by"] for a, t in truth["infected"].items() if t["infected_by"]}
    right = sum(true.get(a) == by for a, by in likely.items())
    assert right >= 0.9 * len(likely)
    assert right >= 0.9 * len(true)


def test_patient_zero_is_named_first(say: Any, truth: dict[str, Any]) -> None:
    assert say("")[1]["graph"]["patient_zero"][0]["address"] in truth["patient_zero"]


def test_an_updated_host_carries_its_latest_letter_and_its_past(say: Any, truth: dict[str, Any]) -> None:
    hosts = {h["address"]: h for h in say("")[1]["hosts"]}
    updated = {a: t["history"] for a, t in truth["infected"].items() if t.get("history")}
    assert updated
    for address, past in updated.items():
        assert [p["variant"] for p in hosts[address]["history"]] == [p["variant"] for p in past]


@pytest.mark.slow
def test_the_truth_is_never_opened(say: Any, tmp_path: Path) -> None:
    copy = tmp_path / "outbreak"
    shutil.copytree(EXAMPLE, copy)
    (copy / "truth.json").unlink()
    _, without = run(str(copy), out=tmp_path / "without.json")
    (copy / "truth.json").write_text('{"infected": {}}')
    _, lying = run(str(copy), out=tmp_path / "lying.json")
    # That a file lies there and is no evidence is said, and nothing else is of it.
    said = [{**json.loads(text), "passed_over": None} for text in (without, lying)]
    assert said[0] == said[1]
    assert answers(json.loads(without)) == answers(say("")[1])


@pytest.mark.slow
def test_same_input_same_bytes_whatever_the_order(tmp_path: Path) -> None:
    one = [str(EXAMPLE / p) for p in (CAPTURE, DNS, ZEEK)]
    assert run(*one, out=tmp_path / "a.json")[1] == run(*reversed(one), out=tmp_path / "b.json")[1]


def test_a_finding_cites_every_form_that_saw_it(say: Any) -> None:
    """With all forms together, what capture and Zeek each show by themselves cites both; `count` does not add them."""
    kinds = {c["sha256"]: c["kind"].partition("-")[0] for c in say("")[1]["coverage"]}
    alone = [{f["id"]: f for f in say(part)[1]["findings"]} for part in (CAPTURE, ZEEK)]
    together = {f["id"]: f for f in say("")[1]["findings"]}
    both = sorted(set(alone[0]) & set(alone[1]))
    assert len(both) > 20
    for finding in both:
        cited = {kinds[c["sha256"]] for c in together[finding]["cites"]}
        assert {"pcap", "zeek"} <= cited, together[finding]
        assert together[finding]["count"] <= max(form[finding]["count"] for form in alone)


def test_every_finding_can_be_traced(say: Any) -> None:
    """Each cite names a source of the coverage, and a frame or line that exists."""
    said = say("")[1]
    kinds = {c["sha256"]: c["kind"] for c in said["coverage"]}
    assert said["findings"]
    for finding in said["findings"]:
        assert finding["cites"]
        for cite in finding["cites"]:
            assert cite["sha256"] in kinds
            assert cite.get("frame", cite.get("line", 0)) >= 1
    known = {f["id"] for f in said["findings"]}
    for host in said["hosts"]:
        for reason in host["reasons"]:
            assert set(reason["findings"]) <= known
