"""The JSON contract: what its schema says, in the order it says, byte for byte again."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.judge_help import assessed
from tests.report_help import outbreak, poisoned
from wormward.model.findings import Kind
from wormward.model.states import Exposure, Infection, Protection, Skip, Way, Why
from wormward.report.jsonout import to_json


@pytest.fixture(scope="module")
def schema(repo: Path) -> Any:
    return json.loads((repo / "docs" / "assessment.schema.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def said() -> Any:
    return json.loads(to_json(outbreak().assessment))


def test_it_follows_its_schema(schema: Any, said: Any) -> None:
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(said)
    jsonschema.Draft202012Validator(schema).validate(json.loads(to_json(assessed("", coverage=()).assessment)))


def test_the_closed_lists_of_the_schema_are_those_of_the_model(schema: Any) -> None:
    lists = schema["$defs"]
    assert lists["infection"]["enum"] == [s.value for s in Infection]
    assert lists["kind"]["enum"] == [k.value for k in Kind]
    assert lists["way"]["enum"] == [w.value for w in Way]
    assert lists["unknown_reason"]["enum"] == [*(w.value for w in Why), None]
    passed_over = schema["properties"]["passed_over"]["items"]["properties"]
    assert passed_over["why"]["enum"] == [s.value for s in Skip]
    host = lists["host"]["properties"]
    assert host["exposure"]["enum"] == [e.value for e in Exposure]
    assert host["protection"]["enum"] == [p.value for p in Protection]


@pytest.mark.parametrize("definition", ["host", "finding", "coverage"])
def test_every_field_is_in_the_schema(schema: Any, said: Any, definition: str) -> None:
    known = set(schema["$defs"][definition]["properties"])
    things = {"host": said["hosts"], "finding": said["findings"], "coverage": said["coverage"]}[definition]
    assert {name for thing in things for name in thing} == known
    assert set(said) == set(schema["properties"])


def test_fields_stand_in_the_order_of_the_contract(said: Any) -> None:
    assert list(said)[:9] == ["schema", "program", "pack", "as_of", "site", "hosts", "findings", "graph", "coverage"]
    wanted = (
        "address addresses device site verdict exposure protection threat variant names confidence first_seen last_seen "
        "infected_by reasons history"
    )
    assert [n for n in said["hosts"][0] if n in wanted.split()] == wanted.split()


def test_the_answers(said: Any) -> None:
    hosts = {h["address"]: h for h in said["hosts"]}
    assert hosts["10.0.0.1"]["verdict"] == "infected"
    assert hosts["10.0.0.1"]["variant"] == "B"
    assert hosts["10.0.0.1"]["names"] == {"Acme": "Worm.B", "Zeta": "W32.B"}
    assert hosts["10.0.0.1"]["clock_offset_days"] == 1
    assert hosts["10.0.0.2"]["infected_by"][0]["address"] == "10.0.0.1"
    assert hosts["10.0.0.3"]["history"][0]["variant"] == "B"
    assert hosts["10.0.0.5"]["verdict"] == "suspected"
    assert (hosts["10.0.0.50"]["verdict"], hosts["10.0.0.50"]["verdict_reason"]) == ("unknown", "silent")
    assert (hosts["10.0.0.50"]["exposure"], hosts["10.0.0.50"]["exposure_reason"]) == ("unknown", "not_observed")
    assert said["summary"]["infected"] == 3
    undecided = json.loads(to_json(assessed("08:00 10.0.0.5 http.beacon B,A").assessment))
    assert undecided["hosts"][0]["variant"] == ["A", "B"]


def test_an_edge_says_of_which_site_it_is(said: Any) -> None:
    assert said["graph"]["edges"]
    assert {edge["site"] for edge in said["graph"]["edges"]} == {"site"}


def test_a_cite_names_a_frame_or_a_line(said: Any) -> None:
    cites = {tuple(sorted(c)) for f in said["findings"] for c in f["cites"]}
    assert cites == {("frame", "sha256"), ("line", "sha256")}


def test_numbers_have_three_places_and_times_a_z(said: Any) -> None:
    shares = [e["likelihood"] for e in said["graph"]["edges"]] + [h["confidence"] for h in said["hosts"]]
    assert all(round(x, 3) == x for x in shares)
    times = re.findall(r"\d{4}-\d\d-\d\dT[^\"]*", json.dumps(said))
    assert times
    assert all(t.endswith("Z") for t in times)


def test_the_same_again_byte_for_byte() -> None:
    text = to_json(outbreak().assessment)
    outbreak.cache_clear()
    assert to_json(outbreak().assessment) == text
    assert text.endswith("}\n")
    assert '\n  "schema": "wormward.assessment/1",' in text


def test_hostile_text_is_escaped_and_the_form_stays_whole(schema: Any) -> None:
    text = to_json(poisoned().assessment)
    jsonschema.Draft202012Validator(schema).validate(json.loads(text))
    assert not set("\u202e\u2066\x1b\x07\x00\ud800") & set(text)
    text.encode("utf-8")
    sentence = next(f["sentence"] for f in json.loads(text)["findings"] if f["rule"] == "names.day-list")
    assert "\\u202e" in sentence
    assert "{actor}" in sentence, "a place in a hostile value is not filled"
