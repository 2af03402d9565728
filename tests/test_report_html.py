"""The HTML report: whole in itself, harmless, translated throughout, drawn without overlaps."""

from __future__ import annotations

import re
import shlex
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

from bench.report import HOSTS, MOST_BYTES
from bench.report import outbreak as made_up
from tests.judge_help import Told, assessed, pack
from tests.need import need_program
from tests.report_help import outbreak, poisoned
from wormward.packs import builtin_packs
from wormward.report.checks import shown as command
from wormward.report.html import to_html
from wormward.report.i18n import Language, load

VOID = {"meta", "br", "link", "img", "input", "hr"}


class Page(HTMLParser):
    """Elements, attributes, and texts with whether they may be translated."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.stack: list[tuple[str, bool]] = []
        self.texts: list[tuple[str, str]] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.feed(text)
        assert not self.stack, f"left open: {self.stack}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {k: v or "" for k, v in attrs}
        self.attributes += [(tag, k, v) for k, v in given.items()]
        self.ids += [given["id"]] if "id" in given else []
        self.links += [given["href"]] if "href" in given else []
        kept = given.get("translate") == "no" or tag in {"style", "script"} or (bool(self.stack) and self.stack[-1][1])
        if tag not in VOID:
            self.stack.append((tag, kept))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        opened, _ = self.stack.pop()
        assert opened == tag, f"<{opened}> closed by </{tag}>"

    def handle_data(self, data: str) -> None:
        if data.strip() and not (self.stack and self.stack[-1][1]):
            self.texts.append((self.stack[-1][0] if self.stack else "", data.strip()))


def page(told: Told, language: Language | None = None) -> str:
    return to_html(told.assessment, [pack()], language or Language())


def test_every_element_is_closed_and_every_link_leads_somewhere() -> None:
    parsed = Page(page(outbreak()))
    assert len(parsed.ids) == len(set(parsed.ids))
    inner = [link[1:] for link in parsed.links if link.startswith("#")]
    assert inner
    assert set(inner) <= set(parsed.ids)


def test_nothing_is_loaded_from_anywhere() -> None:
    text = page(outbreak())
    parsed = Page(text)
    assert not [link for link in parsed.links if not link.startswith("#")]
    assert not [a for a in parsed.attributes if a[1] in {"src", "srcset", "action", "data"} or a[1].startswith("on")]
    assert not [a for a in parsed.attributes if a[1] == "style"], "the policy forbids inline style attributes"
    assert not re.search(r"url\(|@import|https?://", text)
    assert "default-src &#39;none&#39;" in text


def test_every_sentence_passes_gettext() -> None:
    """A pseudo-language wraps each sentence; a text that is neither wrapped nor data was forgotten."""
    text = page(outbreak(), Language("qps", lambda sentence: f"⟦{sentence}⟧"))
    outside = [(tag, re.sub(r"⟦[^⟦⟧]*(⟦[^⟦⟧]*⟧[^⟦⟧]*)*⟧", "", t).strip()) for tag, t in Page(text).texts]
    assert not [o for o in outside if o[1]]
    assert [t for _, t in Page(text).texts if "⟦" in t]
    assert 'aria-label="⟦' in text
    assert "<title id=" in text
    assert 'placeholder="⟦' in text


def test_hostile_text_stays_text() -> None:
    text = to_html(poisoned().assessment, [pack()])
    assert not set("\u202e\u2066\x1b\x07\x00\ud800") & set(text)
    assert "<script>alert(1)" not in text
    assert text.count("<script>") == 1
    Page(text)


def test_commands_quote_hostile_names() -> None:
    for name in ("a b.pcap", "$(id).log", "-rf", "x';id;'.pcap", "a\nb"):
        for unit in ("frame", "line"):
            words = shlex.split(command(name, unit, [3, 4]))
            assert name in words or f"./{name}" in words
    assert command("dns.log.gz", "line", [7]) == "zcat dns.log.gz | sed -n '7p;'"
    assert command("-x.pcap", "frame", [1, 2]) == "tshark -r ./-x.pcap -Y 'frame.number == 1 || frame.number == 2'"


def test_the_commands_show_the_rows(tmp_path: Path, corpora: Path) -> None:
    capture = next(iter(sorted((corpora / "captures" / "zeek").rglob("*dns*.pcap"))))
    tshark = need_program("tshark")
    words = shlex.split(command(str(capture), "frame", [1]))
    shown = subprocess.run([tshark, *words[1:]], check=True, capture_output=True, text=True)
    assert shown.stdout.split()[0] == "1"
    log = tmp_path / "my log.txt"
    log.write_text("one\ntwo\nthree\n")
    done = subprocess.run(["/bin/sh", "-c", command(str(log), "line", [2, 3])], check=True, capture_output=True, text=True)
    assert done.stdout == "two\nthree\n"


def test_the_page_says_it_all() -> None:
    text = re.sub(r"\s+", " ", page(outbreak()))
    assert "3 of 22 hosts are infected" in text
    assert "MS08-067 (CVE-2008-4250)" in text
    assert "The outbreak most likely began with 10.0.0.1" in text
    assert "zcat dns.log.gz | sed -n" not in text, "nothing cites that source"
    assert "tshark -r tap.pcap -Y &#39;frame.number == 10&#39;" in text
    assert "time zone assumed: UTC" in text
    assert "12 hosts that showed nothing" in text
    assert "Whether data was read, changed or taken is not shown by this evidence." in text
    assert "It was found on 3 of the 22 devices that the evidence shows." in text


def test_a_page_about_nothing_is_whole_too() -> None:
    text = page(assessed("", silent=["10.0.0.5"]))
    Page(text)
    assert "No host was found infected" in text
    assert "<svg" not in text


def luminance(colour: str) -> float:
    """Relative luminance of #rgb or #rrggbb, by WCAG 2.1."""
    digits = colour.lstrip("#")
    digits = "".join(d * 2 for d in digits) if len(digits) == 3 else digits
    parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """How far two colours stand apart, 1 to 21, by WCAG 2.1."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_words_in_the_drawings_have_contrast() -> None:
    """axe looks at the page's own text; letters on coloured squares and numbers on shaded cells are looked at here."""
    css = re.search(r"<style>(.*?)</style>", page(outbreak()), re.DOTALL)
    assert css
    squares = re.findall(r"--k: (#\w+)|\.tab(?:\.v\d)? { fill: (#\w+)", css[1])
    assert len(squares) >= 15
    for colours in squares:
        assert contrast("#fff", colours[0] or colours[1]) >= 4.5, colours
    cells = dict(re.findall(r"\.cell\.s(\d) { fill: (#\w+)", css[1]))
    assert len(cells) == 4
    for shade, colour in cells.items():
        assert contrast("#fff" if shade in "34" else "#18222d", colour) >= 4.5, shade
    for name in ("ink", "soft", "link", "infected", "suspected", "attacked", "leftovers", "unknown", "clean"):
        colour = re.search(rf"--{name}: (#\w+)", css[1])
        assert colour
        assert contrast(colour[1], "#f6f7f5") >= 4.5, name


@pytest.mark.slow
def test_ten_thousand_hosts_are_one_file_that_a_mail_carries() -> None:
    """The heaviest case: everybody is infected, in the language that takes more bytes. `make bench` measures the time."""
    packs = builtin_packs()
    text = to_html(made_up(HOSTS, packs[0], everybody=True), packs, load("ja", packs))
    assert len(text.encode()) < MOST_BYTES
    assert set(re.findall(r'href="#([^"]+)"', text)) <= set(re.findall(r' id="([^"]+)"', text))
