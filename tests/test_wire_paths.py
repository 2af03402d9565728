r"""Would a path run the canonicaliser off its buffer? Facts 5.2, every reading, an independent reference."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests import path_reference
from tests import wire_make as make
from wormward.wire import holes
from wormward.wire.holes.ms08_067 import NAME, judge_path

# path, effect, step, depth
TABLE = [
    # harmless
    ("", "harmless", None, None),
    ("\\", "harmless", None, None),
    ("\\share\\dir\\file.txt", "harmless", None, None),
    ("\\share\\dir\\..\\file.txt", "harmless", None, None),
    ("..", "harmless", None, None),
    ("\\..\\", "harmless", None, None),
    ("\\..\\..\\..\\x", "harmless", None, None),
    ("\\a\\b\\..\\c\\..\\d", "harmless", None, None),
    ("\\a\\...\\b", "harmless", None, None),
    ("\\a\\.. \\..b\\b..", "harmless", None, None),
    ("\\a\\.\\.\\.\\b", "harmless", None, None),
    ("\\" + "A" * 5000, "harmless", None, None),
    # looks before
    ("\\a\\..\\b", "looks-before", 2, 0),
    ("\\a\\b\\..\\..", "looks-before", 4, 0),
    ("/a/../b", "looks-before", 2, 0),
    ("\\a\\.\\..\\b", "looks-before", 3, 0),
    ("\\..\\a\\..\\b", "looks-before", 3, 0),
    ("\\\\server\\share\\..\\x", "looks-before", 3, 0),
    # writes before: the worm's shape, then the same in other clothes
    ("\\" + "x" * 100 + "\\..\\..\\ABCDEFG", "writes-before", 3, 1),
    ("a\\..\\..", "writes-before", 3, 1),
    ("/a/../../b", "writes-before", 3, 1),
    ("\\a/..\\../b", "writes-before", 3, 1),
    ("\\a\\.\\..\\.\\..\\b", "writes-before", 5, 1),
    ("\\a\\b\\..\\..\\..\\..\\c", "writes-before", 5, 2),
    ("\\..\\a\\..\\..\\b", "writes-before", 4, 1),
    ("\\a\\\\..\\..\\..\\b", "writes-before", 3, 2),
    # silent places: the worst reading counts
    ("\\\\a\\..\\..\\y", "writes-before", 3, 1),  # server or component
    ("//a/../../y", "writes-before", 3, 1),
    ("\\\\server\\share\\..\\..\\x", "writes-before", 4, 1),
    ("\\\\?\\C:\\a\\..\\..\\x", "writes-before", 5, 1),
    ("\\??\\C:\\a\\..\\..\\x", "writes-before", 5, 1),
    ("\\\\.\\a\\..\\..\\x", "writes-before", 4, 1),
    ("\\\\?\\UNC\\server\\share\\..\\..\\x", "writes-before", 6, 1),
    ("C:\\a\\..\\..\\x", "writes-before", 4, 1),
    ("C:\\..\\..\\x", "writes-before", 3, 1),
]


@pytest.mark.parametrize(("path", "effect", "step", "depth"), TABLE)
def test_the_table(path: str, effect: str, step: int | None, depth: int | None) -> None:
    verdict = judge_path(path)
    assert (verdict.effect, verdict.step, verdict.depth) == (effect, step, depth)
    assert path_reference.judge(path)[0] == effect


PARTS = ["a", "bb", "..", "..", "..", ".", "", "...", "C:", "?", "??", "UNC", "unc", "..x", "\ud800", "x" * 300, "\ufffd"]
PATHS = st.lists(st.tuples(st.sampled_from(PARTS), st.sampled_from(["\\", "\\", "\\", "/", "\\\\", "//"])), max_size=12).map(
    lambda pairs: "".join(part + end for part, end in pairs)
)
LEADS = st.sampled_from(["", "", "\\", "\\", "/", "\\\\", "//", "\\\\?\\", "\\??\\", "\\\\.\\", "\\\\\\", "C:\\"])


def _agree(path: str) -> None:
    verdict = judge_path(path)
    effect, steps = path_reference.judge(path)
    assert verdict.effect == effect, path
    assert verdict.step in steps, path
    assert (verdict.depth or 0) >= (effect == "writes-before")


@given(LEADS, PATHS)
@settings(max_examples=2000, deadline=None)
@example("\\\\", "..\\..\\x")
def test_model_and_reference_agree(lead: str, path: str) -> None:
    _agree(lead + path)
    _agree((lead + path).rstrip("\\/"))


def test_model_and_reference_agree_on_a_hundred_thousand_paths() -> None:
    chance = random.Random(20081023)
    leads = ["", "\\", "\\", "/", "\\\\", "\\\\?\\", "\\??\\", "\\\\.\\", "\\\\?\\UNC\\"]
    seen = {"harmless": 0, "looks-before": 0, "writes-before": 0}
    for _ in range(100_000):
        count = chance.randrange(10)
        parts = (chance.choice([chance.choice(PARTS), ".."]) + chance.choice(["\\", "\\", "/", "\\\\"]) for _ in range(count))
        path = chance.choice(leads) + "".join(parts)
        _agree(path)
        seen[judge_path(path).effect] += 1
    assert min(seen.values()) > 10_000


@given(st.text(alphabet="\\/.ab:?\0\ud800", max_size=40))
@settings(max_examples=500, deadline=None)
def test_any_text_is_judged(path: str) -> None:
    _agree(path)


# Calls: which argument, which prefix, whose question ------------------------------------------------------------------


def _judge(stub: bytes, opnum: int = 31, **how: bool) -> holes.Effect:
    return holes.judge(make.SRVSVC, opnum, "big" if how.get("big") else "little", bool(how.get("ndr64")), stub)


ATTACK = "\\" + "x" * 30 + "\\..\\..\\ABCDEFG"


@pytest.mark.parametrize("how", [{"big": big, "ndr64": wide} for big in (False, True) for wide in (False, True)])
def test_an_attack_is_one_whatever_its_encoding(how: dict[str, bool]) -> None:
    for opnum, stub in (
        (31, make.canonicalize(ATTACK, **how)),
        (32, make.compare(ATTACK, "\\b", **how)),
        (32, make.compare("\\b", ATTACK, **how)),
        (34, make.name_canonicalize(ATTACK, **how)),
    ):
        effect = _judge(stub, opnum, **how)
        assert (effect.hole, effect.effect, effect.step, effect.depth) == (NAME, "writes-before", 3, 1)
        assert effect.path == ATTACK


def test_published_stubs(shared: Path) -> None:
    effects = {}
    for line in (shared / "facts/data/srvsvc-stubs.txt").read_text("utf-8").splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) == 8 and line[0] != "#":
            effects[cells[0]] = _judge(bytes.fromhex(cells[7]))
    assert {name: effect.effect for name, effect in effects.items()} == {
        "scanner-1 (SCS v1)": "question",
        "scanner-2 (SCS v2)": "question",
        "benign-plain": "harmless",
        "benign-dotdot-inside-root": "harmless",
    }
    assert effects["scanner-1 (SCS v1)"].asker != effects["scanner-2 (SCS v2)"].asker


@pytest.mark.parametrize(
    ("first", "second"),
    [("\\" + "A" * 39 + "\\..\\n", "\\n"), ("\\" + "B" * 35 + "\\..\\nessus", "\\nessus"), ("\\AAAAA\\..\\xyz", "\\xyz")],
)
def test_patch_checkers_ask(first: str, second: str) -> None:
    effect = _judge(make.compare(first, second), 32)
    assert (effect.effect, effect.path) == ("question", first)
    assert effect.asker
    # One step further and it is no question any more.
    worse = first.replace("\\..\\", "\\..\\..\\")
    assert _judge(make.compare(worse, second), 32).effect == "writes-before"
    assert _judge(make.compare(first, "\\other"), 32).effect == "looks-before"


def test_the_prefix_is_read_in_every_way() -> None:
    assert _judge(make.canonicalize("\\..\\..\\x", prefix="\\a")).effect == "writes-before"
    assert _judge(make.canonicalize("..\\x", prefix="a\\..")).effect == "writes-before"
    assert _judge(make.canonicalize("./../x", prefix="\\a\\.")).effect == "writes-before"  # a dot on either side of the seam
    assert _judge(make.canonicalize("\\..\\..\\x", prefix="\\")).effect == "harmless"
    assert _judge(make.canonicalize("\\share\\a\\..\\b", prefix="\\")).effect == "harmless"


def test_scanner_one_is_a_question_with_any_numbers() -> None:
    for out in (0, 2, 1000):
        assert _judge(make.canonicalize("\\..\\", prefix="\\", out=out, kind=1, flags=1)).effect == "question"
    assert _judge(make.canonicalize("\\", prefix="\\", out=1000)).effect == "harmless"


def test_lies_do_not_hide_an_attack() -> None:
    for lie in ({"most": 0}, {"most": 2**32 - 1}, {"offset": 7}, {"actual": 2**31}, {"end": ""}):
        stub = make.Stub().unique("a").string(ATTACK, **lie).u32(2).string("").u32(0).u32(0).data
        assert _judge(stub).effect == "writes-before"
        odd = make.Stub().unique("a").string("\\plain", **lie).u32(2).string("").u32(0).u32(0).data
        # A larger maximum is no lie: a string may be shorter than its buffer.
        assert _judge(odd).effect == ("harmless" if lie.get("most") == 2**32 - 1 else "malformed")
    assert _judge(b"").effect == "malformed"
    assert _judge(make.canonicalize("\\a\0\\b\\..\\..\\..\\..")).effect == "harmless"  # a string ends at its zero


def test_calls_of_nobody() -> None:
    stub = make.canonicalize(ATTACK)
    assert holes.judge(make.WKSSVC, 31, "little", False, stub).effect == "none"
    assert holes.judge(make.SRVSVC, 15, "little", False, stub).effect == "none"
    assert holes.judge(make.SRVSVC, 30, "little", False, stub).effect == "none"
    # Whose bind was not seen: only what can be nothing else counts.
    assert holes.judge(None, 31, "little", False, stub).effect == "writes-before"
    assert holes.judge(None, 31, "little", False, make.canonicalize("\\a\\..\\b")).effect == "none"


def test_hostile_paths_are_shown_escaped() -> None:
    effect = _judge(make.canonicalize("\\a\u202e\ud800\x07\\..\\..\\<b>"))
    assert effect.effect == "writes-before"
    assert effect.path is not None
    assert effect.path.isprintable()
    assert effect.path == "\\a\\u202e\\ud800\\x07\\..\\..\\<b>"


@given(st.lists(st.sampled_from(PARTS), max_size=8), st.integers(0, 7))
@settings(deadline=None)
def test_naming_a_directory_first_never_makes_it_better(parts: list[str], at: int) -> None:
    """One more `..` behind a path that writes before its buffer still does."""
    path = "\\" + "\\".join(parts)
    if judge_path(path).effect == "writes-before":
        assert judge_path(path + "\\..").effect == "writes-before"
        assert judge_path(path + "\\" + "x" * at).effect == "writes-before"
