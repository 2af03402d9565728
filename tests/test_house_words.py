"""Words that must not stand where they stand: a worm's name outside its pack, a machine's paths, unfinished work."""

from __future__ import annotations

import re
import tomllib

import pytest

from tests.tree import PACKAGE, files, name, text_of

THREATS = PACKAGE / "threats"
# Parts of vendors' names that say nothing about which worm it is.
GENERIC = {"generic", "trojan", "variant", "family", "win32", "win64", "worm32"}
KNOWN = {"conficker", "downadup", "kido", "downad"}


def cut(words: str) -> list[str]:
    """The words of a text, with the cuts taken out."""
    return words.replace("~", "").split()


def worm_words() -> set[str]:
    """Every word that names a worm: the packs' folders, titles' and vendors' names, cut into words."""
    words = set(KNOWN)
    for pack in sorted(THREATS.glob("*/pack.toml")):
        words.add(pack.parent.name)
        variants = tomllib.loads(pack.read_text(encoding="utf-8")).get("variants", [])
        for vendor_name in (n for v in variants for n in v.get("names", {}).values()):
            words |= {w for w in re.findall(r"[a-z]+(?:32|64)?", vendor_name.lower()) if len(w) >= 5}
    return words - GENERIC


def test_the_words_are_those_of_the_pack() -> None:
    assert (THREATS / "conficker" / "pack.toml").is_file()
    assert worm_words() >= KNOWN


def test_no_worm_is_named_outside_its_pack() -> None:
    named = re.compile("|".join(sorted(map(re.escape, worm_words()))), re.IGNORECASE)
    outside = [p for p in files() if p.is_relative_to(PACKAGE) and not p.is_relative_to(THREATS)]
    found = [f"{name(p)}: its own name" for p in outside if named.search(name(p))]
    for path in outside:
        for number, line in enumerate((text_of(path) or "").splitlines(), 1):
            found += [f"{name(path)}:{number}: {hit}" for hit in named.findall(line)]
    assert not found


# Cut by `~`, so that this file does not itself hold what it forbids.
MACHINE = cut("/wo~rk/ /ro~ot/ py~pi.org files.python~hosted deb.deb~ian.org /opt/wh~eels")
# Who or what wrote the code is no matter of the code.
WRITERS = cut("assi~stant chat~bot cla~ude anth~ropic cop~ilot open~ai co-auth~ored-by work~place")


@pytest.mark.parametrize("word", MACHINE)
def test_no_path_or_host_of_a_machine(word: str) -> None:
    assert not [name(p) for p in files() if word.encode() in p.read_bytes()]


@pytest.mark.parametrize("word", WRITERS)
def test_no_word_about_who_wrote_it(word: str) -> None:
    found = re.compile(rf"\b{re.escape(word)}\b", re.IGNORECASE)
    assert not [name(p) for p in files() if found.search(text_of(p) or "")]


def test_nothing_is_left_undone() -> None:
    """What is missing stands in an issue or in `docs/limitations.md`, never as a note in the code."""
    stub = re.compile(rf"\b({'|'.join(cut('TO~DO FIX~ME'))})\b")
    found = []
    for path in files():
        lines = enumerate((text_of(path) or "").splitlines(), 1)
        found += [f"{name(path)}:{number}" for number, line in lines if stub.search(line)]
    assert not found
