"""Every sentence with a number in it is English where that number is 1, and where it is 2."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from babel.messages.pofile import read_po

from wormward.model.text import filled

PLACE = re.compile(r"\{(\w+)")
# Places that hold a number. What else stands in braces is a name, an address, a time, a text.
NUMBERS = {
    "asked", "by_address", "by_week", "component", "connections", "contacts", "count", "days", "days_apart", "exchangers",
    "failed", "failures", "forms", "frame", "hosts", "hours", "minutes", "most", "names", "number", "offset", "opnum", "packets",
    "peers", "places", "sites", "sources", "step", "targets", "times", "users", "waves", "week_offset",
}  # fmt: skip
# Words that end in s and may follow a 1, and words between a 1 and what it does not count.
NO_PLURAL = {"is", "was", "has", "holds", "says", "shows", "its", "this", "us", "does"}
BETWEEN = {"of", "to", "by", "and", "in", "or", "that"}
NOUNS = (
    "account", "day", "file", "finding", "host", "hour", "kind", "line", "link", "minute", "name", "packet", "port", "row",
    "server", "source", "time",
)  # fmt: skip


def sentences(repo: Path, folder: Path) -> list[tuple[str, str]]:
    """Every sentence that a person reads, in its singular and its plural form (often the same)."""
    out = folder / "wormward.pot"
    words = ["extract", "-F", "src/wormward/report/babel.cfg", "-k", "N_", "-k", "say", "-k", "many:1,2", "-o", str(out)]
    command = [sys.executable, "-m", "babel.messages.frontend", *words, "src/wormward"]
    subprocess.run(command, cwd=repo, check=True, capture_output=True)
    with out.open("rb") as stream:
        ids = [m.id for m in read_po(stream) if m.id]
    return [(i, i) if isinstance(i, str) else (i[0], i[1]) for i in ids]


def said(sentence: str, number: int) -> str:
    """The sentence with `number` in each place of a number, and a word that is neither in the others."""
    places = set(PLACE.findall(sentence))
    return filled(sentence, {p: number if p in NUMBERS else "X" for p in places})


def plural_after_one(text: str) -> list[str]:
    """A 1 before a plural, with at most one word between: `1 days`, `1 different hours`."""
    found = re.findall(r"(?<![\d.,-])1 ((?:[a-z-]+ )?[a-z]+s)\b", text)
    plural = (w for w in map(str.split, found) if not w[-1].endswith("ss") and w[-1] not in NO_PLURAL)
    counted = [f"1 {' '.join(w)}" for w in plural if w[0] not in NO_PLURAL | BETWEEN]
    return counted + re.findall(r"\b1 (?:are|were|have|say|these|those)\b", text)


def singular_after_two(text: str) -> list[str]:
    """A 2 before a noun without its s."""
    return re.findall(rf"\b2 (?:[a-z-]+ )?(?:{'|'.join(NOUNS)})\b", text)


def wrong(one: str, several: str) -> list[str]:
    """What is wrong in the singular form of a sentence where its numbers are 1, and in its plural form where they are 2."""
    return plural_after_one(said(one, 1)) + singular_after_two(said(several, 2))


def test_every_sentence_agrees_with_its_numbers(repo: Path, tmp_path: Path) -> None:
    numbered = [pair for pair in sentences(repo, tmp_path) if set(PLACE.findall(pair[0])) & NUMBERS]
    assert len(numbered) > 50
    found = {}
    for one, several in numbered:
        bad = wrong(one, several)
        if one == several and "{number}" in one and "{number|" not in one:
            # One of the two forms that `many` takes: right for 1 or for more.
            bad = plural_after_one(said(one, 1)) if singular_after_two(said(one, 2)) else []
        if bad:
            found[one] = bad
    assert not found


def test_a_number_decides_between_two_words() -> None:
    sentence = "{a} {a|host|hosts}, {b} {b|day|days}, {c|x|y} {b|}"
    assert filled(sentence, {"a": 1, "b": 2}) == "1 host, 2 days, {c|x|y} {b|}"
    assert filled("{a} {a|host|hosts}", {"a": "1"}) == "1 host"
    assert filled("{a} {a|host|hosts}", {"a": "{b|c|d}"}) == "{b|c|d} hosts", "what was filled in is not filled again"


def test_the_test_would_see_a_wrong_one() -> None:
    assert plural_after_one(said("lists of {days} days", 1)) == ["1 days"]
    assert plural_after_one(said("in {hours} different hours, it", 1)) == ["1 different hours"]
    assert plural_after_one(said("{contacts} are those", 1)) == ["1 are"]
    assert singular_after_two(said("{names} name", 2)) == ["2 name"]
