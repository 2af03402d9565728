"""The HTML report in the real Chromium, in both languages: offline, by keyboard, for screen readers, on paper, at 2,000 hosts."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from importlib.resources import files
from itertools import pairwise
from pathlib import Path

import pytest

from bench.report import outbreak as made_up
from tests.browser import Browser, Page
from tests.judge_help import pack
from tests.need import need_program
from tests.report_help import outbreak, poisoned
from wormward.model.states import Assessment
from wormward.packs import builtin_packs
from wormward.report.html import to_html
from wormward.report.i18n import languages, load

pytestmark = pytest.mark.slow
LANGUAGES = languages()
AXE = """axe.run(document, {resultTypes: ["violations"]}).then((found) => found.violations.map((v) =>
  v.id + ": " + v.nodes.slice(0, 5).map((n) => n.html.slice(0, 160) + " (" + n.failureSummary.slice(0, 300) + ")").join("; ")
))"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(need_program("chromium"), tmp_path_factory.mktemp("profile")) as running:
        yield running


def shown(browser: Browser, folder: Path, assessment: Assessment, code: str = "en") -> Page:
    """The report of this assessment, opened from a file."""
    file = folder / f"report-{code}.html"
    file.write_text(to_html(assessment, [pack()], load(code, [pack()])), encoding="utf-8")
    return browser.open(file)


@pytest.mark.parametrize("code", LANGUAGES)
def test_it_asks_for_nothing_and_complains_of_nothing(browser: Browser, tmp_path: Path, code: str) -> None:
    page = shown(browser, tmp_path, outbreak().assessment, code)
    page.run("new Promise((done) => setTimeout(done, 300))")
    assert page.complaints() == []
    assert page.requests() == [(tmp_path / f"report-{code}.html").as_uri()]
    assert page.run("document.documentElement.lang") == code


def test_the_policy_forbids_what_a_hostile_text_would_want(browser: Browser, tmp_path: Path) -> None:
    page = shown(browser, tmp_path, poisoned().assessment)
    page.run("new Promise((done) => Object.assign(new Image(), {onerror: done, src: 'http://192.0.2.1/x.png'}))")
    page.run("document.head.append(Object.assign(document.createElement('script'), {textContent: 'window.bad = 1'}))")
    assert page.run("typeof window.bad") == "undefined"
    page.run("fetch('http://192.0.2.1/').catch(() => 0)")
    assert set(page.blocked()) == {"csp"}


def test_hostile_names_are_text(browser: Browser, tmp_path: Path) -> None:
    page = shown(browser, tmp_path, poisoned().assessment)
    assert page.complaints() == []
    assert page.run("document.scripts.length") == 1
    assert "<script>alert(1)</script>" in page.run("document.getElementById('hosts').textContent")
    assert (
        page.run("[...document.body.textContent].filter((c) => c >= '\\u202a' && c <= '\\u2069' && c !== '\\u2026').join('')")
        == ""
    )


@pytest.mark.parametrize("code", LANGUAGES)
@pytest.mark.parametrize("width", [1180, 400])
def test_axe_finds_nothing_that_keeps_people_out(browser: Browser, tmp_path: Path, code: str, width: int) -> None:
    page = shown(browser, tmp_path, outbreak().assessment, code)
    page.resize(width, 900)
    page.run("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    page.run((files("axe_core_python") / "axe.min.js").read_text(encoding="utf-8") + ";0")
    assert page.run(AXE) == []


@pytest.mark.parametrize("code", LANGUAGES)
def test_headings_go_down_one_step_at_a_time(browser: Browser, tmp_path: Path, code: str) -> None:
    page = shown(browser, tmp_path, outbreak().assessment, code)
    levels = page.run("[...document.querySelectorAll('h1,h2,h3,h4')].map((h) => Number(h.tagName[1]))")
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b <= a + 1 for a, b in pairwise(levels))
    landmarks = "[...document.querySelectorAll('header,nav,main,footer')].map((e) => e.tagName).join(' ')"
    assert page.run(landmarks) == "HEADER NAV MAIN FOOTER"


@pytest.mark.parametrize("code", LANGUAGES)
def test_what_is_wide_scrolls_in_its_own_box_and_the_page_does_not(browser: Browser, tmp_path: Path, code: str) -> None:
    page = shown(browser, tmp_path, outbreak().assessment, code)
    page.run("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    for width in (380, 400, 800, 1200, 1600):
        page.resize(width, 900)
        wide, room = page.run("[document.scrollingElement.scrollWidth, document.scrollingElement.clientWidth]")
        assert wide <= room, width


def test_the_keyboard_sorts_filters_and_skips(browser: Browser, tmp_path: Path) -> None:
    page = shown(browser, tmp_path, outbreak().assessment)
    page.press("Tab")
    assert page.run("document.activeElement.className") == "skip"
    page.press("Enter")
    assert page.run("document.activeElement.id || location.hash") in ("main", "#main")
    first = "document.querySelector('#host-table tbody tr th b').textContent"
    page.run("document.querySelector('#host-table thead button').focus()")
    page.press("Enter")
    assert page.run("document.querySelector('#host-table th[aria-sort]').getAttribute('aria-sort')") == "ascending"
    lowest = page.run(first)
    page.press("Enter")
    assert page.run("document.querySelector('#host-table th[aria-sort]').getAttribute('aria-sort')") == "descending"
    assert page.run(first) != lowest
    page.run("document.querySelector('.tools input').focus()")
    page.type("10.0.0.3")
    page.run("new Promise((done) => setTimeout(done, 400))")
    visible = "[...document.querySelectorAll('#host-table tbody tr')].filter((r) => !r.hidden).length"
    some = page.run(visible)
    assert 1 <= some < page.run("document.querySelectorAll('#host-table tbody tr').length")
    assert (
        page.run("document.querySelector('[role=status]').textContent") == f"{some} of {len(outbreak().assessment.hosts)} hosts"
    )


def test_the_counts_of_hosts_add_up_to_the_headlines(browser: Browser, tmp_path: Path) -> None:
    page = shown(browser, tmp_path, outbreak().assessment)
    shown_now, of_all = page.run("document.querySelector('[role=status]').textContent").split(" of ")
    everyone = f"{len(outbreak().assessment.hosts)} hosts"
    assert of_all == everyone
    assert f"of {everyone} are infected" in page.run("document.querySelector('h1').textContent")
    link = "document.querySelector('.tools a[href=\"#silent\"]')"
    silent = page.run("document.querySelectorAll('#silent ul.silent li').length")
    assert silent
    assert page.run(f"{link}.textContent").startswith(f"{silent} that showed nothing")
    absent = page.run("document.querySelectorAll('#absent ul.silent li').length")
    assert int(shown_now) + silent + absent == len(outbreak().assessment.hosts)
    page.run(f"{link}.click()")
    page.run("new Promise((done) => setTimeout(done, 100))")
    assert page.run("document.getElementById('silent').open") is True


def test_a_link_opens_what_it_leads_to(browser: Browser, tmp_path: Path) -> None:
    page = shown(browser, tmp_path, outbreak().assessment)
    page.run("location.hash = document.querySelector('#host-table details a').hash")
    page.run("new Promise((done) => setTimeout(done, 100))")
    assert page.run("document.querySelector('#findings tr:target details').open") is True


def test_without_script_the_table_is_a_plain_table(browser: Browser, tmp_path: Path) -> None:
    text = to_html(outbreak().assessment, [pack()])
    file = tmp_path / "plain.html"
    file.write_text(re.sub(r"<script>.*?</script>", "", text, flags=re.DOTALL), encoding="utf-8")
    page = browser.open(file)
    assert page.run("getComputedStyle(document.querySelector('.tools')).display") == "none"
    assert page.run("document.querySelectorAll('#host-table thead th').length") == 6
    assert page.run("document.querySelector('#host-table button')") is None


def test_two_thousand_hosts_stay_readable(browser: Browser, tmp_path: Path) -> None:
    page = shown(browser, tmp_path, made_up(2000, builtin_packs()[0]))
    assert page.complaints() == []
    # The words of the drawings do not lie on each other: no two texts of one drawing meet.
    overlaps = """[...document.querySelectorAll('svg.drawing')].map((svg) => {
      const boxes = [...svg.querySelectorAll('text:not(.letter)')].map((t) => t.getBoundingClientRect()).filter((b) => b.width);
      let n = 0;
      boxes.forEach((a, i) => boxes.slice(i + 1).forEach((b) => {
        if (a.left < b.right - 2 && b.left < a.right - 2 && a.top < b.bottom - 4 && b.top < a.bottom - 4) n++;
      }));
      return n;
    })"""
    assert page.run(overlaps) == [0, 0]
    roles = (
        "[...new Set([...document.querySelectorAll('#host-table tr > *')].map((c) => c.getAttribute('role')))].sort().join(' ')"
    )
    assert page.run(roles) == "cell columnheader rowheader"
    page.run("document.querySelectorAll('#host-table thead button')[0].click()")
    addresses = page.run("[...document.querySelectorAll('#host-table tbody th b')].map((b) => b.textContent)")
    assert addresses == sorted(addresses, key=lambda a: [int(part) for part in a.split(".")])


@pytest.mark.parametrize("code", LANGUAGES)
def test_it_prints_on_a4(browser: Browser, tmp_path: Path, code: str) -> None:
    page = shown(browser, tmp_path, outbreak().assessment, code)
    file = tmp_path / "report.pdf"
    file.write_bytes(page.pdf())
    facts = subprocess.run([need_program("pdfinfo"), file], check=True, capture_output=True, text=True).stdout
    width, height = map(float, re.findall(r"Page size:\s+([\d.]+) x ([\d.]+)", facts)[0])
    assert (round(width), round(height)) == (595, 842)
    pages = subprocess.run(
        [need_program("pdftotext"), "-layout", file, "-"], check=True, capture_output=True, text=True
    ).stdout.split("\f")
    language = load(code, [pack()])
    assert language("At a glance") in pages[0]
    assert language("What to do now") in pages[0], "what a director reads is one page"
    assert all(p.count("TLP:AMBER") >= 2 for p in pages if p.strip()), "the marking stands on every page, above and below"
    assert language("The next hour") in pages[1], "what to do now begins on a page of its own"
    assert not any("Search" in p or "⇅" in p for p in pages), "what only a screen needs is not printed"
    # The head of a table is repeated on each page that the table goes on to.
    head = language("What was seen, and where")
    told = [p for p in pages if "tshark -r" in p]
    assert told
    assert all(head in p for p in told)


def test_rows_are_not_cut_between_pages(browser: Browser, tmp_path: Path) -> None:
    page = shown(browser, tmp_path, outbreak().assessment)
    page.call("Emulation.setEmulatedMedia", media="print")
    styles = "JSON.stringify([...document.querySelectorAll('tbody tr, .devices li')].map((r) => getComputedStyle(r).breakInside))"
    assert set(json.loads(page.run(styles))) == {"avoid"}
    assert page.run("getComputedStyle(document.querySelector('thead')).display") == "table-header-group"
