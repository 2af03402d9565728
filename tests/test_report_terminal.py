"""The terminal form: readable at any width, plain in a pipe, deaf to markup."""

from __future__ import annotations

import io
import re

import pytest
from rich.cells import cell_len

from tests.judge_help import assessed
from tests.report_help import outbreak, poisoned
from wormward.model.states import Assessment
from wormward.report.i18n import Language
from wormward.report.terminal import show

ESCAPES = re.compile(r"\x1b\[[0-9;]*m")


class Screen(io.StringIO):
    """What rich takes for a terminal."""

    def isatty(self) -> bool:
        return True


def piped(assessment: Assessment) -> str:
    out = io.StringIO()
    show(assessment, out)
    return out.getvalue()


def screened(assessment: Assessment, width: int, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    out = Screen()
    show(assessment, out, width=width)
    return out.getvalue()


def test_worst_first_and_silent_hosts_only_counted() -> None:
    lines = piped(outbreak().assessment).splitlines()
    verdicts = [line.split()[1] for line in lines[1 : lines.index("")]]
    assert verdicts == ["infected"] * 3 + ["suspected"] * 2 + ["attacked"] * 3 + ["unknown"] * 2
    assert not any("10.0.0.50" in line for line in lines)
    assert any(line.startswith("12 hosts showed nothing") for line in lines)


def test_it_says_what_could_not_be_read_and_seen() -> None:
    text = piped(outbreak().assessment)
    assert "cut.pcap, frame 12: the last record is cut off (copy the file again)" in text
    assert "pcap: Encrypted names are not seen." in text
    assert "Most likely the first: 10.0.0.1" in text


def test_a_pipe_gets_no_escape_and_no_wrapping() -> None:
    text = piped(outbreak().assessment)
    assert "\x1b" not in text
    (row,) = (line for line in text.splitlines() if line.startswith("10.0.0.3 "))
    assert "10.0.0.2 (password)" in row


@pytest.mark.parametrize("width", [40, 60, 80, 132, 220])
def test_no_line_is_wider_than_the_terminal(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    text = screened(outbreak().assessment, width, monkeypatch)
    assert "\x1b[" in text
    assert max(cell_len(ESCAPES.sub("", line)) for line in text.splitlines()) <= width


def test_hostile_text_stays_text(monkeypatch: pytest.MonkeyPatch) -> None:
    for text in (piped(poisoned().assessment), ESCAPES.sub("", screened(poisoned().assessment, 100, monkeypatch))):
        assert not set("\u202e\u2066\x1b\x07\x00\ud800") & set(text)
        flat = re.sub(r"\s+", "", text)
        assert "[red]x[/red]" in flat, "rich markup is shown, not obeyed"


def test_nothing_at_all_is_said_as_that() -> None:
    assert "The evidence shows no host of the site." in piped(assessed("", coverage=()).assessment)


def shout(sentence: str) -> str:
    """A pseudo-language: all letters large, places untouched."""
    return re.sub(r"\{\w+\}|[^{}]+", lambda m: m[0] if m[0].startswith("{") else m[0].upper(), sentence)


def test_every_sentence_passes_the_language() -> None:
    out = io.StringIO()
    show(outbreak().assessment, out, language=Language("qps", shout))
    data = r"tap.pcap|cut.pcap|dns.log.gz|pcap|frame 12|February"
    assert not re.findall(r"[a-z]{2,}", re.sub(data, "", out.getvalue()))
