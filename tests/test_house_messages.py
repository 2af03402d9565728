"""Every sentence has its Japanese: complete, with its places, in the glossary's words; and the two READMEs agree."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache

import pytest
from babel.messages.pofile import read_po

from tests.tree import PACKAGE, REPO

LOCALE = PACKAGE / "report" / "locale"
PLACE = re.compile(r"\{(\w+)\}")
ALL_PLACES = re.compile(r"\{(\w+)(?:\|[^{}]*)?\}")
FENCED = re.compile(r"^```[a-z]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
# Options, files, keys of site.toml, columns: they are the same in every language.
NO_WORDS = re.compile(
    r"--[\w-]+|`[^`]*`|site\.toml(?: \([\w, ]+\))?|\[site\]|site\.\w*|\(a worm\)|[\w.]+/[\w./]+|\b\w+_\w+\b|\w+(?:,\w+)+"
    r"|[\w.]+\.log\b"
)
CODES = sorted(folder.name for folder in LOCALE.iterdir() if folder.is_dir() and folder.name != "__pycache__")


@cache
def pairs(code: str) -> tuple[tuple[str, str], ...]:
    """English and translated sentences of the catalogue and of the packs; of plurals each form."""
    return tuple(_pairs(code))


def _pairs(code: str) -> Iterator[tuple[str, str]]:
    with (LOCALE / code / "wormward.po").open("rb") as stream:
        for message in read_po(stream):
            ids = (message.id,) if isinstance(message.id, str) else message.id
            strings = (message.string,) if isinstance(message.string, str) else message.string
            if ids and ids[0]:
                # The last of the English forms has all the places.
                yield from ((ids[-1], string) for string in strings)
    for pack in sorted((PACKAGE / "threats").glob("*/pack.toml")):
        texts = tomllib.loads(pack.read_text(encoding="utf-8")).get("texts", {})
        yield from texts.get(code, {}).items()


@cache
def glossary() -> tuple[tuple[re.Pattern[str], tuple[str, ...]], ...]:
    """What finds each English word, and the Japanese ones it may be."""
    page = (REPO / "docs" / "glossary.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([^|]+) \| ([^|]+) \|[^|\n]*\|$", page, re.MULTILINE)[2:]
    return tuple(
        (re.compile(rf"\b{re.escape(english)}(?:s|es)?\b", re.IGNORECASE), tuple(word.strip() for word in japanese.split(",")))
        for english, japanese in rows
    )


def against_glossary(english: str, japanese: str) -> list[str]:
    """Which words of the glossary the English has and the Japanese has not."""
    words = NO_WORDS.sub(" ", ALL_PLACES.sub(" ", english))
    return [
        found[0] for pattern, agreed in glossary() if (found := pattern.search(words)) and not any(a in japanese for a in agreed)
    ]


def test_no_sentence_is_missing_untranslated_or_fuzzy() -> None:
    done = subprocess.run([sys.executable, "docs/messages.py", "--check"], cwd=REPO, check=False, capture_output=True, text=True)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}\nrun `make messages` and translate what it lists"


@pytest.mark.parametrize("code", CODES)
def test_no_place_is_lost_or_invented(code: str) -> None:
    wrong = []
    for english, told in pairs(code):
        needed, known, has = set(PLACE.findall(english)), set(ALL_PLACES.findall(english)), set(ALL_PLACES.findall(told))
        # A number that only chooses between two words is not needed where the language has one word.
        if not needed <= has or not has <= known:
            wrong.append((english, told, sorted(needed ^ has)))
    assert not wrong


def test_every_sentence_keeps_to_the_glossary() -> None:
    found = [(words, english, told) for english, told in pairs("ja") if (words := against_glossary(english, told))]
    assert not found


def test_the_glossary_test_would_see_a_wrong_word() -> None:
    assert len(glossary()) > 35
    assert against_glossary("{hosts} infected hosts", "{hosts} 台の感染端末") == ["hosts"]
    assert against_glossary("site.toml names no --site", "設定") == []
    used = [pattern.pattern for pattern, _ in glossary() if not any(pattern.search(english) for english, _ in pairs("ja"))]
    assert not used, "a word that no sentence uses"


def test_japanese_sentences_are_japanese() -> None:
    """What is the same in both languages holds no word."""
    same = [
        english for english, told in pairs("ja") if english == told and re.search(r"[A-Za-z]{3}", ALL_PLACES.sub("", english))
    ]
    assert not same
    ascii_marks = [told for _, told in pairs("ja") if re.search(r"[ぁ-んァ-ヶ一-龠][,.;!?](?:\s|$)", told)]
    assert not ascii_marks


def test_the_japanese_readme_says_what_the_english_says() -> None:
    english, japanese = ((REPO / name).read_text(encoding="utf-8") for name in ("README.md", "README.ja.md"))
    levels = [re.findall(r"^(#+) ", re.sub(FENCED, "", text), re.MULTILINE) for text in (english, japanese)]
    assert levels[0] == levels[1], "the same sections"
    commands = [
        [line for block in FENCED.findall(text) for line in block.splitlines() if line.startswith((".venv", "make "))]
        for text in (english, japanese)
    ]
    assert commands[0] == commands[1], "the same commands"
    english, japanese = (re.sub(r"<!--.*?-->", "", text) for text in (english, japanese))
    for pattern in (r"(?<![\w-])--[a-z][a-z-]+", r"\]\(([^)#]+)", r"`make [a-z]+`"):
        said = [
            set(re.findall(pattern, text)) - {"README.md", "README.ja.md", "docs/report.png", "docs/report.ja.png"}
            for text in (english, japanese)
        ]
        assert said[0] == said[1], pattern
    codes = [re.findall(r"^\| (\d+) \|", text, re.MULTILINE) for text in (english, japanese)]
    assert codes[0] == codes[1] == ["0", "1", "2", "3", "130"]
