"""The next hour, in order of clinical safety: who is asked, what is cut off, and what never is without a question."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from tests.cli_help import infected_lookups, lookups, wormward
from tests.judge_help import assessed, pack
from tests.report_help import outbreak
from wormward.model.inventory import Item
from wormward.model.states import Assessment, Host
from wormward.report.care import KEEPS_WORDS, NEAR_WORDS, Care, care
from wormward.report.html import to_html
from wormward.report.i18n import load
from wormward.report.next_hour import Step, steps

ORDER = ("ask", "near", "sources", "keeps", "way", "hole", "passwords", "shares", "rest", "look", "keep")


def described(told: Assessment, **words: str) -> Assessment:
    """The assessment with what an inventory says of devices, by the last number of their addresses."""
    names = {f"10.0.0.{number[1:]}": text for number, text in words.items()}
    return replace(told, hosts=tuple(with_place(h, names.get(h.address, "")) for h in told.hosts))


def with_place(host: Host, place: str) -> Host:
    return replace(host, inventory=Item(2, addresses=(host.address,), place=place) if place else None)


def by_id(told: Assessment) -> dict[str, Step]:
    return {step.id: step for step in steps(told, [pack()])}


def addresses(step: Step) -> list[str]:
    return [h.address for h in step.hosts]


def test_the_order_never_changes() -> None:
    every = described(outbreak().assessment, n1="ICU bedside monitor", n2="file server", n3="office", n6="office")
    for told in (outbreak().assessment, every):
        ids = [step.id for step in steps(told, [pack()])]
        assert ids == sorted(ids, key=ORDER.index)
        assert ids[0] == "ask"


def test_a_device_at_a_patient_is_never_among_those_to_cut_off() -> None:
    told = by_id(described(outbreak().assessment, n1="Ventilator, ICU 2", n2="office PC", n3="office PC"))
    assert addresses(told["near"]) == ["10.0.0.1"]
    assert addresses(told["sources"]) == ["10.0.0.2"]
    for id_, step in told.items():
        assert id_ in ("near", "hole", "way") or "10.0.0.1" not in addresses(step), id_
    words = " ".join(told["near"].how)
    assert "Do not unplug, switch off or restart" in words
    assert "clinical owner" in words


def test_what_nobody_described_is_cut_off_only_after_a_question() -> None:
    told = by_id(outbreak().assessment)
    assert told["sources"].what.startswith("Ask about the sources")
    assert told["sources"].how[0].startswith("What they are used for is not known here. Ask")
    assert any("No inventory says" in sentence for sentence in told["ask"].how)
    known = by_id(described(outbreak().assessment, n1="office PC", n2="office PC", n3="office PC"))
    assert known["sources"].what == "Cut the sources off the network"
    assert len(known["sources"].how) == 1


def test_the_worst_attackers_come_first() -> None:
    story = (
        "08:00 10.0.0.1 exploit.fetch > 10.0.0.50 A executable=yes\n08:00 10.0.0.2 http.beacon A\n08:00 10.0.0.1 http.beacon A\n"
    )
    story += "\n".join(f"08:{n:02} 10.0.0.2 exploit.fetch > 10.0.0.{60 + n} A executable=yes" for n in range(9))
    assert addresses(by_id(assessed(story).assessment)["sources"])[:2] == ["10.0.0.2", "10.0.0.1"]


def test_what_keeps_care_running_is_never_switched_off() -> None:
    told = by_id(described(outbreak().assessment, n2="電子カルテ サーバ", n3="office"))
    assert addresses(told["keeps"]) == ["10.0.0.2"]
    assert "10.0.0.2" not in addresses(told["sources"])
    assert told["keeps"].how[0].startswith("Do not switch them off.")


def test_no_step_tells_to_pull_power() -> None:
    for step in steps(described(outbreak().assessment, n1="ward", n2="server", n3="office"), [pack()]):
        for sentence in step.how:
            assert not re.search(
                r"(?<!not )\b(?:switch (?:it|them) off|power off|pull the plug|shut (?:it|them) down)\b", sentence
            )


def test_nothing_is_told_where_nothing_happened() -> None:
    assert steps(assessed("", silent=["10.0.0.5"]).assessment) == ()
    assert "The next hour" not in to_html(assessed("", silent=["10.0.0.5"]).assessment, [pack()])


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("ICU 3", Care.NEAR),
        ("人工呼吸器", Care.NEAR),
        ("3階東病棟", Care.NEAR),
        ("server in operating room 2", Care.NEAR),
        ("PLC line 4", Care.NEAR),
        ("PACS", Care.KEEPS),
        ("薬剤部門システム", Care.KEEPS),
        ("reception PC", Care.OTHER),
        ("duct cleaning office", Care.OTHER),
        ("", Care.UNKNOWN),
    ],
)
def test_what_an_inventory_says_decides(text: str, kind: Care) -> None:
    assert care(with_place(outbreak()("10.0.0.1"), text)) is kind


def test_roles_that_the_evidence_shows_count_too() -> None:
    assert care(replace(outbreak()("10.0.0.1"), roles=("domain-controller",))) is Care.KEEPS


def test_the_lists_of_words_do_not_contradict_each_other() -> None:
    assert not set(NEAR_WORDS) & set(KEEPS_WORDS)
    assert all(word == word.lower() for word in (*NEAR_WORDS, *KEEPS_WORDS))


def test_an_inventory_reaches_the_next_hour_from_a_file(tmp_path: Path) -> None:
    log = lookups(tmp_path, infected_lookups())
    (tmp_path / "assets.csv").write_text("name,address,place\nvent-7,10.0.0.77,ICU 2 ventilator\n", encoding="utf-8")
    (tmp_path / "site.toml").write_text('[site]\nname = "Ward"\ninventory = "assets.csv"\n', encoding="utf-8")
    html = tmp_path / "report.html"
    done = wormward("assess", log, "--site", tmp_path / "site.toml", "--html", html, "--quiet")
    assert done.code == 1, done.err
    text = html.read_text(encoding="utf-8")
    near = text.partition('id="step-near"')[2].partition("</li>\n    <li id")[0]
    assert "10.0.0.77" in near
    assert "ICU 2 ventilator" in near
    assert 'id="step-rest"' not in text, "the only infected host stands at a patient: nothing else is cut off"


def test_no_sentence_tells_to_pull_a_cable_without_the_owners_word() -> None:
    """Who reads in a hurry must not take the order without its condition."""
    japanese = load("ja", [pack()])
    told = [s for step in steps(outbreak().assessment, [pack()]) for s in step.how if "network cable" in s]
    assert told
    for sentence in told:
        assert all("owner agrees" in part for part in sentence.split(". ") if "network cable" in part), sentence
        assert all("同意" in part for part in japanese(sentence).split("。") if "ケーブルを抜" in part), sentence
