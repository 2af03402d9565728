"""The STIX bundle: read strictly by the reference library, whole, deterministic, and no pattern that is not justified."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import stix2
from hypothesis import given, settings
from hypothesis import strategies as st
from stix2patterns import validator

from tests.cli_help import process
from tests.judge_help import pack
from tests.report_help import outbreak, poisoned
from wormward.model.own import STIX_AUTHOR
from wormward.model.states import Infection
from wormward.model.tlp import Tlp
from wormward.report.stix import to_stix
from wormward.report.stixbase import equals, pattern
from wormward.report.traces import is_name

Told = list[dict[str, Any]]


@pytest.fixture(scope="module")
def example(example_outputs: Path) -> tuple[str, dict[str, Any]]:
    bundle, whole = ((example_outputs / name).read_text(encoding="utf-8") for name in ("stix", "json"))
    return bundle, json.loads(whole)


def of(text: str, kind: str) -> Told:
    return [o for o in json.loads(text)["objects"] if o["type"] == kind]


def test_the_reference_library_reads_it_strictly(example: tuple[str, dict[str, Any]]) -> None:
    for text in (example[0], to_stix(outbreak().assessment, [pack()]), to_stix(poisoned().assessment, [pack()])):
        bundle = stix2.parse(text, allow_custom=False)
        ids = [o["id"] for o in bundle.objects]
        assert len(ids) == len(set(ids))
        for made in json.loads(text)["objects"]:
            refs = [v for k, v in made.items() if k.endswith("_ref")] + [
                r for k, v in made.items() if k.endswith("_refs") for r in v
            ]
            assert set(refs) <= set(ids), made
            if made["type"] == "indicator":
                assert validator.validate(made["pattern"])


def test_observables_have_the_ids_that_the_specification_gives_them(example: tuple[str, dict[str, Any]]) -> None:
    kinds = {"ipv4-addr": stix2.IPv4Address, "ipv6-addr": stix2.IPv6Address, "domain-name": stix2.DomainName}
    seen = 0
    for made in json.loads(example[0])["objects"]:
        if made["type"] in kinds:
            seen += 1
            assert made["id"] == kinds[made["type"]](value=made["value"]).id
    assert seen > 50


def test_hosts_sightings_and_edges_are_those_of_the_json_form(example: tuple[str, dict[str, Any]]) -> None:
    text, said = example
    ill = [h for h in said["hosts"] if h["verdict"] in ("infected", "suspected")]
    sightings = of(text, "sighting")
    assert len(of(text, "infrastructure")) == len(ill) == len(sightings)
    assert sorted(s["confidence"] for s in sightings) == sorted(round(100 * h["confidence"]) for h in ill)
    names = {o["id"]: o["name"] for o in of(text, "malware")}
    assert Counter(names[s["sighting_of_ref"]][-1] for s in sightings) == Counter(h["variant"] for h in ill)
    arrows = [r for r in of(text, "relationship") if r["relationship_type"] == "related-to"]
    assert len(arrows) == len(said["graph"]["edges"])
    assert [v["external_references"][0]["external_id"] for v in of(text, "vulnerability")] == ["CVE-2008-4250"]
    seen = {(o["first_observed"], o["last_observed"], o["number_observed"]) for o in of(text, "observed-data")}
    assert {f["count"] for f in said["findings"]} == {n for _, _, n in seen}
    assert {n["abstract"].split()[0] for n in of(text, "note")} >= {f["id"] for f in said["findings"]}


def test_only_what_gives_the_worm_away_is_an_indicator(example: tuple[str, dict[str, Any]]) -> None:
    text, said = example
    patterns = [i["pattern"] for i in of(text, "indicator")]
    values = {m for p in patterns for m in re.findall(r"value = '([^']*)'", p)}
    assert "trafficconverter.biz" in values
    assert "204.152.184.139" in values
    asked = {f["fields"].get("host") for f in said["findings"] if f["rule"] == "http.support"}
    assert {"www.google.com", "www.getmyip.co.uk"} & asked, "the example asks ordinary sites"
    assert not [v for v in values if v.endswith(("google.com", "getmyip.co.uk", "w3.org", "yahoo.com"))]
    assert not values & {h["address"] for h in said["hosts"]}
    dated = [i for i in of(text, "indicator") if i["name"].startswith("generated")]
    assert dated
    assert all(i["valid_until"] > i["valid_from"] for i in dated)


@pytest.mark.parametrize("tlp", list(Tlp))
def test_every_object_carries_the_mark(tlp: Tlp) -> None:
    text = to_stix(replace(outbreak().assessment, tlp=tlp), [pack()])
    stix2.parse(text, allow_custom=False)
    (mark,) = of(text, "marking-definition")
    assert mark["name"] == tlp.label
    others = [o for o in json.loads(text)["objects"] if o is not mark and o["type"] != "marking-definition"]
    assert {tuple(o["object_marking_refs"]) for o in others} == {(mark["id"],)}


def test_ids_come_from_content() -> None:
    told = outbreak().assessment
    assert to_stix(told, [pack()]) == to_stix(told, [pack()])
    changed = replace(told, hosts=tuple(replace(h, confidence=0.5) if h.verdict is Infection.INFECTED else h for h in told.hosts))
    before, after = of(to_stix(told, [pack()]), "infrastructure"), of(to_stix(changed, [pack()]), "infrastructure")
    assert {o["id"] for o in before if o["name"].startswith("infected")}.isdisjoint(o["id"] for o in after)
    assert json.loads(to_stix(told, [pack()]))["objects"][0]["id"] == STIX_AUTHOR


def test_an_assessment_that_found_nothing_is_a_bundle_too(tmp_path: Path) -> None:
    from tests.cli_help import lookups

    assert process("assess", lookups(tmp_path), "--stix", tmp_path / "o.stix", "--quiet").code == 0
    bundle = stix2.parse((tmp_path / "o.stix").read_text(encoding="utf-8"), allow_custom=False)
    assert not [o for o in bundle.objects if o["type"] in ("sighting", "indicator", "infrastructure")]


def test_addresses_of_both_families() -> None:
    told = outbreak().assessment
    hosts = tuple(replace(h, addresses=(h.address, "2001:db8::1")) for h in told.hosts)
    text = to_stix(replace(told, hosts=hosts), [pack()])
    stix2.parse(text, allow_custom=False)
    (six,) = of(text, "ipv6-addr")
    assert six["id"] == stix2.IPv6Address(value="2001:db8::1").id
    owners = [r for r in of(text, "relationship") if r["target_ref"] == six["id"]]
    assert {r["relationship_type"] for r in owners} == {"consists-of"}


@settings(deadline=None)
@given(st.text())
def test_no_value_breaks_out_of_a_pattern(text: str) -> None:
    tree = re.fullmatch(
        r"\[domain-name:value = '((?:[^'\\]|\\['\\])*)'\]", pattern([equals("domain-name:value", text)]), re.DOTALL
    )
    assert tree
    assert re.sub(r"\\(['\\])", r"\1", tree[1]) == text


@pytest.mark.parametrize("text", ["a'] OR [x", "a.b\n", "a..b", "-a.com", "a_b.com", "A.com", "x" * 64 + ".com", "a.1", "a", ""])
def test_what_is_no_plain_name_is_none(text: str) -> None:
    assert not is_name(text)
    assert is_name("xn--p1ai.com.tr")
