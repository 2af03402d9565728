"""Catalogues: every sentence can be extracted, a catalogue is found and used."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from babel.messages.pofile import read_po
from hypothesis import given
from hypothesis import strategies as st

from tests.judge_help import pack
from wormward.model.errors import UsageError
from wormward.report import i18n
from wormward.report.words import fill, harmless


def test_places_are_filled_once_and_unknown_ones_stay() -> None:
    assert fill("{a} met {b} and {c}", {"a": "{b}", "b": 2}) == "{b} met 2 and {c}"
    assert fill("{a.__class__} {0} {{a}}", {"a": 1}) == "{a.__class__} {0} {1}"


@given(st.text())
def test_harmless_text_is_printable_and_stays_so(text: str) -> None:
    once = harmless(text)
    assert harmless(once) == once
    assert all(c.isprintable() or c.isspace() for c in once)
    once.encode("utf-8")


def test_english_needs_no_catalogue_and_others_do() -> None:
    assert i18n.load("en")("Hosts") == "Hosts"
    assert i18n.languages()[0] == "en"
    with pytest.raises(UsageError, match="no catalogue"):
        i18n.load("tlh")
    with pytest.raises(UsageError, match="no catalogue"):
        i18n.load("../en")


def test_a_packs_own_sentences_come_from_the_pack() -> None:
    told = i18n.load("en", [pack(texts={"en": {"It wrote a file.": "It left a file."}})])
    assert told("It wrote a file.") == "It left a file."


def test_a_catalogue_is_read_with_its_plurals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "locale" / "xx"
    folder.mkdir(parents=True)
    (folder / "wormward.po").write_text(
        'msgid ""\nmsgstr "Content-Type: text/plain; charset=UTF-8\\nPlural-Forms: nplurals=1; plural=0;\\n"\n\n'
        'msgid "Hosts"\nmsgstr "ホスト"\n\nmsgid "{number} host"\nmsgid_plural "{number} hosts"\nmsgstr[0] "{number} 台"\n\n'
        'msgid "Names"\nmsgstr ""\n',
        encoding="utf-8",
    )
    monkeypatch.setattr(i18n, "files", lambda _package: tmp_path)
    language = i18n.load("xx")
    assert language("Hosts") == "ホスト"
    assert language("Names") == "Names", "what is not translated yet stays English"
    assert [language.many("{number} host", "{number} hosts", n) for n in (1, 5)] == ["1 台", "5 台"]


def test_the_documented_command_extracts_every_sentence(repo: Path, tmp_path: Path) -> None:
    page = (repo / "docs" / "translating.md").read_text(encoding="utf-8")
    (line,) = (x.strip() for x in page.splitlines() if "pybabel extract" in x and x.startswith("    "))
    out = tmp_path / "wormward.pot"
    words = line.replace("src/wormward/report/locale/wormward.pot", str(out)).split()[2:]
    pybabel = [sys.executable, "-m", "babel.messages.frontend", "extract"]
    subprocess.run([*pybabel, *(w.strip("'") for w in words)], cwd=repo, check=True, capture_output=True)
    with out.open("rb") as stream:
        ids = {m.id if isinstance(m.id, str) else m.id[0] for m in read_po(stream) if m.id}
    for sentence in (
        "What happened",  # a template
        "{number} of {hosts} {hosts|host|hosts} is infected",  # a plural in a template
        "infected",  # a label
        "Traffic alone never shows that a host is clean; a host that showed nothing is unknown.",  # the judge
        "By variant: {counted}.",  # say() in a template
    ):
        assert sentence in ids, sentence
