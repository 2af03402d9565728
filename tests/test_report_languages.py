"""Japanese: chosen by option or locale, told on the terminal and on errors; numbers and dates as the language writes them."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cli_help import infected_lookups, lookups, process, wormward
from wormward.packs import builtin_packs
from wormward.report import i18n
from wormward.report.words import harmless

KANA = tuple(map(chr, range(0x3041, 0x30FF)))


def japanese(text: str) -> bool:
    """Whether any kana stands in it."""
    return any(c in KANA for c in text)


@pytest.mark.parametrize(
    ("wishes", "code"),
    [
        (("ja_JP.UTF-8",), "ja"),
        ((None, "", "ja"), "ja"),
        (("Japanese_Japan", "en_US"), "ja"),
        (("de_DE.UTF-8", "ja_JP.UTF-8"), "en"),
        (("C.UTF-8",), "en"),
        (("../ja",), "en"),
        ((), "en"),
    ],
)
def test_the_locale_chooses_and_what_is_unknown_is_english(wishes: tuple[str | None, ...], code: str) -> None:
    assert i18n.preferred(*wishes) == code


def test_numbers_shares_and_dates_are_written_as_the_language_does() -> None:
    english, told = i18n.load("en"), i18n.load("ja")
    time = datetime(2026, 3, 2, 10, 59, 59, tzinfo=UTC)
    assert (english.moment(time), told.moment(time)) == ("2 March 2026, 10:59", "2026年3月2日 10:59")
    assert english.moment(None) == "-"
    assert (english.number(12345), told.number(12345), told.number(7)) == ("12,345", "12,345", "7")
    assert (english.percent(0.5), told.percent(0.999)) == ("50%", "100%")
    assert told.listed(["a", "b"]) == "a、b"


def test_a_plural_has_the_forms_that_its_language_has() -> None:
    one, several = "{number} row shows it", "{number} rows show it"
    assert [i18n.load("en").many(one, several, n) for n in (0, 1, 2)] == ["0 rows show it", "1 row shows it", "2 rows show it"]
    assert [i18n.load("ja").many(one, several, n) for n in (1, 1200)] == ["1 行が示している", "1,200 行が示している"]


def test_an_error_is_told_with_what_stood_in_its_places() -> None:
    told = i18n.load("ja").told
    assert told("cannot be read (Permission denied)") == "読めない（Permission denied）"
    assert told("frame 12, byte 4711") == "フレーム 12、4711 バイト目"
    nested = told("nothing could be read: a.pcap: ends inside a record; check the name")
    assert nested == "何も読めなかった：a.pcap: レコードの途中で終わっている。名前を確認してください"
    note = "10.0.0.1 contacted 192.0.2.1, a known sinkhole of the worm"
    assert told(note) == "10.0.0.1 は、ワームの既知のシンクホール 192.0.2.1 に接続した", "and a sentence that came filled"
    assert told("infected (exploit)") == "infected (exploit)", "what has hardly a fixed word fits nothing"
    assert told("something that no catalogue knows") == "something that no catalogue knows"


@given(st.text(max_size=300))
def test_a_hostile_place_stays_in_its_place(name: str) -> None:
    told = i18n.load("ja").told(f"{name} cannot be written ({name}); write elsewhere")
    assert told == harmless(told)
    assert japanese(told) or "cannot be written" in told


def test_a_long_hostile_error_costs_no_time() -> None:
    text = "nothing could be read: " + ", : (and more); " * 20_000 + "!"
    assert len(i18n.load("ja").told(text)) > 100_000


def test_the_terminal_speaks_the_language_of_the_locale(tmp_path: Path) -> None:
    log = lookups(tmp_path, infected_lookups())
    plain = {k: v for k, v in os.environ.items() if k not in ("LC_ALL", "LC_MESSAGES", "LANG", "LANGUAGE")}
    done = process("assess", log, env={**plain, "LANG": "ja_JP.UTF-8", "PYTHONUTF8": "1"})
    assert done.code == 1
    assert done.out.splitlines()[0].split() == ["アドレス", "判定", "亜種", "最初の兆候（UTC）", "感染元", "主な理由"]
    assert "10.0.0.77" in done.out
    english = process("assess", log, "--lang", "en", env={**plain, "LANG": "ja_JP.UTF-8"})
    assert not japanese(english.out)
    unknown = process("assess", log, env={**plain, "LANG": "tlh_QO.UTF-8"})
    assert unknown.out == english.out


def test_json_is_the_same_in_every_language(tmp_path: Path) -> None:
    log = lookups(tmp_path, infected_lookups())
    for code in i18n.languages():
        wormward("assess", log, "--lang", code, "--json", tmp_path / f"{code}.json", "--quiet")
    assert len({(tmp_path / f"{code}.json").read_bytes() for code in i18n.languages()}) == 1


def test_errors_are_told_in_the_language(tmp_path: Path) -> None:
    done = wormward("assess", tmp_path / "nix", "--lang", "ja")
    assert (done.code, done.out) == (2, "")
    assert "そのようなファイルやフォルダーはない" in done.one_sentence()
    assert wormward("assess", tmp_path, "--lang", "tlh").one_sentence().endswith("choose one of en, ja")


def test_the_packs_own_sentences_are_all_translated() -> None:
    for pack in builtin_packs():
        own = {w.sentence for w in pack.judge.weights} | {v.detail for v in pack.variants if v.detail}
        assert set(pack.texts["ja"]) == own
        assert all(map(japanese, pack.texts["ja"].values()))
