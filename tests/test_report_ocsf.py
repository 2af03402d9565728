"""OCSF events against the published schema, which `ocsf-json-schema` carries: strict, no unknown attribute passes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema

from tests.judge_help import pack
from tests.report_help import outbreak, poisoned
from wormward.model.findings import Kind
from wormward.model.tlp import Tlp
from wormward.report import ocsf
from wormward.report.ocsf import CLASS, SCHEMA, to_ocsf

Event = dict[str, Any]


@pytest.fixture(scope="module")
def published() -> dict[str, Any]:
    schema: dict[str, Any] = get_ocsf_schema(version=SCHEMA)
    return schema


@pytest.fixture(scope="module")
def checked(published: dict[str, Any]) -> jsonschema.Draft202012Validator:
    schema = OcsfJsonSchemaEmbedded(published)
    return jsonschema.Draft202012Validator(schema.get_class_schema(class_name=schema.lookup_class_name_from_uid(CLASS)))


@pytest.fixture(scope="module")
def example(example_outputs: Path) -> tuple[list[Event], dict[str, Any]]:
    lines, whole = ((example_outputs / name).read_text(encoding="utf-8") for name in ("ocsf", "json"))
    return events(lines), json.loads(whole)


def events(text: str) -> list[Event]:
    return [json.loads(line) for line in text.splitlines()]


def test_every_event_is_as_the_published_schema_says(
    example: tuple[list[Event], dict[str, Any]], checked: jsonschema.Draft202012Validator
) -> None:
    made = [*example[0], *events(to_ocsf(outbreak().assessment, [pack()])), *events(to_ocsf(poisoned().assessment, [pack()]))]
    for event in made:
        checked.validate(event)
    with pytest.raises(jsonschema.ValidationError):
        checked.validate({k: v for k, v in made[0].items() if k != "finding_info"})
    with pytest.raises(jsonschema.ValidationError):
        checked.validate({**made[0], "invented": 1})


def test_numbers_and_their_words_are_the_published_ones(
    example: tuple[list[Event], dict[str, Any]], published: dict[str, Any]
) -> None:
    said = published["classes"]["detection_finding"]["attributes"]
    for event in example[0]:
        for number, word in (("severity_id", "severity"), ("activity_id", "activity_name"), ("category_uid", "category_name"),
                             ("class_uid", "class_name"), ("type_uid", "type_name")):  # fmt: skip
            assert said[number]["enum"][str(event[number])]["caption"] == event[word]
        for malware in event.get("malware", ()):
            enum = published["objects"]["malware"]["attributes"]["classification_ids"]["enum"]
            assert [enum[str(i)]["caption"] for i in malware["classification_ids"]] == malware["classifications"]
        for seen in event["observables"]:
            enum = published["objects"]["observable"]["attributes"]["type_id"]["enum"]
            assert enum[str(seen["type_id"])]["caption"] == seen["type"]
    enum = published["objects"]["analytic"]["attributes"]["type_id"]["enum"]
    assert enum[str(ocsf._RULE)]["caption"] == "Rule"
    device = published["objects"]["device"]["attributes"]["type_id"]["enum"]
    assert device[str(ocsf._UNKNOWN_DEVICE)]["caption"] == "Unknown"


def test_findings_and_verdicts_are_those_of_the_json_form(example: tuple[list[Event], dict[str, Any]]) -> None:
    made, said = example
    findings = [e for e in made if e["finding_info"]["uid"].startswith("F-")]
    hosts = [e for e in made if e["finding_info"]["uid"].startswith("H-")]
    assert {e["finding_info"]["uid"] for e in findings} == {f["id"] for f in said["findings"]}
    assert len(made) == len(findings) + len(hosts)
    ill = {h["address"]: h for h in said["hosts"] if h["verdict"] in ("infected", "suspected")}
    assert {e["device"]["ip"] for e in hosts} == set(ill)
    known = {f["id"] for f in said["findings"]}
    for event in hosts:
        host = ill[event["device"]["ip"]]
        assert event["malware"][0]["name"] == f"Conficker {host['variant']}"
        assert {r["uid"] for r in event["finding_info"]["related_events"]} <= known
        assert event["severity"] == "Critical"
    assert any(e.get("vulnerabilities", [{}])[0].get("cve") == {"uid": "CVE-2008-4250"} for e in findings)
    times = [e["start_time"] for e in findings]
    assert times == sorted(times)


def test_every_kind_of_finding_has_its_place_in_attack_or_needs_none() -> None:
    assert set(Kind) - set(ocsf._TACTICS) == {Kind.ALERT, Kind.BOT_WORK, Kind.REPORTED}


def test_the_mark_is_on_every_line_and_the_text_is_the_same_twice() -> None:
    told = replace(outbreak().assessment, tlp=Tlp.RED)
    text = to_ocsf(told, [pack()])
    assert text == to_ocsf(told, [pack()])
    assert {tuple(e["metadata"]["labels"]) for e in events(text)} == {("TLP:RED",)}
