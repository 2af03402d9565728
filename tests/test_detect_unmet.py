"""Names of a generator's shape that no tried day holds: told as a remark, for made names only, and no answer changes."""

from __future__ import annotations

import random
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tests.cli_help import LOOKUPS, assessed_json, lookups, wormward
from wormward.detect.names_unmet import MANY, MOST_HOSTS
from wormward.packs import builtin_packs

CLIENT = "10.0.0.77"
PARTS = ("cloud", "data", "note", "home", "mail", "shop", "live", "side", "auto", "open", "area", "team", "game", "page")


def asked(names: list[str], client: str = CLIENT) -> str:
    """Lines of a list of lookups."""
    return "".join(f"2009-02-02T{8 + n // 60:02}:{n % 60:02}:00Z,{client},{name},\n" for n, name in enumerate(names))


def made(day: str, count: int) -> list[str]:
    """The first names of a day's list of the first variant."""
    domains = builtin_packs()[0].variants[0].domains
    assert domains is not None
    return domains.names((date.fromisoformat(day) - date(1970, 1, 1)).days)[:count]


def hints(folder: Path, text: str, *words: str, code: int = 0) -> tuple[list[str], dict[str, Any]]:
    """The notes that name `--all-time` or go on from there, and the whole assessment."""
    said = assessed_json(lookups(folder, LOOKUPS + text), *words, folder=folder, code=code)
    return [note for note in said["notes"] if "--all-time" in note or "such names" in note], said


def test_a_clock_that_is_years_off_is_a_hint_and_no_verdict(tmp_path: Path) -> None:
    notes, said = hints(tmp_path, asked(made("2012-06-01", 250)))
    assert notes == [
        "10.0.0.77 looked up 250 names of the shape that variant A makes, and none is on a list of the days that were tried: "
        "if a clock may be off by more than 7 days, try again with --all-time or a larger "
        "--tolerance."
    ]
    assert {h["verdict"] for h in said["hosts"]} == {"unknown"}
    done = wormward("assess", tmp_path / "queries.csv", "--html", tmp_path / "o.html")
    assert notes[0] in done.out
    assert "try again with --all-time" in (tmp_path / "o.html").read_text(encoding="utf-8")


def test_what_a_list_holds_or_every_day_was_tried_needs_no_hint(tmp_path: Path) -> None:
    assert hints(tmp_path, asked(made("2009-02-02", 250)), code=1)[0] == []


@pytest.mark.slow
def test_the_advice_is_good(tmp_path: Path) -> None:
    assert hints(tmp_path, asked(made("2012-06-01", 250)))[0]
    log = lookups(tmp_path, LOOKUPS + asked(made("2008-12-01", 250)))
    said = assessed_json(log, "--all-time", folder=tmp_path, code=1)
    assert [h["address"] for h in said["hosts"] if h["verdict"] == "infected"] == [CLIENT]


def test_few_names_and_names_that_people_chose_are_no_hint(tmp_path: Path) -> None:
    assert hints(tmp_path, asked(made("2012-06-01", MANY - 1)))[0] == []
    pairs = sorted({f"{a}{b}.com" for a in PARTS for b in PARTS})
    random.Random(1).shuffle(pairs)
    assert hints(tmp_path, asked(pairs[:150]))[0] == []


def test_many_hosts_are_told_in_few_lines(tmp_path: Path) -> None:
    text = "".join(asked(made("2012-06-01", MANY), f"10.0.1.{n}") for n in range(MOST_HOSTS + 1))
    notes, _ = hints(tmp_path, text)
    assert [note.partition(" ")[0] for note in notes] == [*(f"10.0.1.{n}" for n in range(MOST_HOSTS)), "1"]
    assert notes[-1] == "1 more host looked up such names."
    notes, _ = hints(tmp_path, text, "--tolerance", "1")
    assert "more than 1 day, try" in notes[0]
