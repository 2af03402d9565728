"""Hostile text from evidence to outputs: names, paths, agents and file names that want to be markup, code or commands."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
import unicodedata
from pathlib import Path

import jsonschema
import pytest

from tests.cli_help import Done, process
from tests.need import need_program
from tests.test_report_html import Page
from wormward.report.terminal import MOST_NAME

MARK = "p0ison"
DEED = "document.documentElement.dataset.pwned=1"
POISON = (
    f"{MARK}</script></title><script>{DEED}</script><img src=x onerror={DEED}>'\"><svg/onload={DEED}>{{{{7*7}}}}{{actor}}"
    '\u202egpj.\u2066\u200b\x1b]0;x\x07\x1b[2J\x9b31m\x00\r[red]x[/red]\ud800\\u0022,"x":1}]}\\'
)
"""Ends tags and strings, runs in four ways, fills places, turns text round, speaks to terminals, is half a character."""
LONG = POISON * 60
FILE_NAME = f"{MARK}<img src=x onerror={DEED}>\u202e\x1b]0;x\x07\n'\"$(id)"

# What an attacker chooses in each of Zeek's logs. Some values are ten thousand characters long.
CHOSEN = {
    "dns": ("query", "answers"),
    "http": ("host", "uri", "user_agent"),
    "smb_files": ("path",),
    "smb_mapping": ("path",),
    "ntlm": ("username", "hostname", "domainname"),
    "dhcp": ("host_name",),
    "dce_rpc": ("named_pipe",),
}
# Half of the lookups, and the requests that convict, stay as they are, or nobody would be shown.
KEPT = re.compile(rb"\t/search\?q=|\tudp\t\d*[02468]\t")


ADDRESS = re.compile(rb"[0-9.]+")
SHARE = rb"\\\\FS1\\"


def as_zeek(text: str) -> bytes:
    """As Zeek would write it, but with all that its reader must not choke on."""
    raw = text.encode("utf-8", "surrogatepass").replace(b"\\", b"\\\\")
    return raw.replace(b"\t", b"\\x09").replace(b"\n", b"\\x0a")


def poisoned(log: bytes, chosen: tuple[str, ...]) -> bytes:
    """A log whose `chosen` columns end in hostile text. Shares are all the same, for files of one share belong together."""
    out: list[bytes] = []
    places: list[tuple[int, bool]] = []
    for number, line in enumerate(log.split(b"\n")):
        if line.startswith(b"#fields\t"):
            names = line.decode().split("\t")[1:]
            places = [(names.index(name), name != "path") for name in chosen if name in names]
        fields = line.split(b"\t")
        if line and not line.startswith(b"#") and not KEPT.search(line):
            for place, varies in places:
                if ADDRESS.fullmatch(fields[place]):
                    continue  # the worm's victims ask by address
                fields[place] = SHARE if fields[place] == b"-" and not varies else fields[place]
                fields[place] += as_zeek(LONG if varies and number % 3 == 0 else POISON)
        out.append(b"\t".join(fields))
    return b"\n".join(out)


@pytest.fixture(scope="module")
def ran(repo: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Done, Path]:
    """The example's logs with poison in them, under poisoned names, assessed; the folder with the outputs."""
    folder = tmp_path_factory.mktemp("hostile")
    site = folder / "site"
    site.mkdir()
    for name, chosen in CHOSEN.items():
        data = poisoned((repo / "examples" / "outbreak" / "zeek" / f"{name}.log").read_bytes(), chosen)
        assert MARK.encode() in data, name
        (site / f"{name} {FILE_NAME}").write_bytes(data)
    (site / f"conn{FILE_NAME}").write_bytes((repo / "examples" / "outbreak" / "zeek" / "conn.log").read_bytes())
    (site / f"no evidence {FILE_NAME}").write_bytes(b"nothing")
    (site / f"{FILE_NAME}.pcap").write_bytes(b"no capture")
    (site / f"link{FILE_NAME}").symlink_to("nowhere")
    os.makedirs(os.fsencode(site) + b"/\xff\xfe" + FILE_NAME.encode()[:40].replace(b"/", b""))
    done = process("assess", site, "--json", folder / "o.json", "--html", folder / "o.html")
    return done, folder


def hidden(text: str) -> set[str]:
    """Characters that can hide, reorder or forge what a reader sees."""
    return {c for c in text if c != "\n" and unicodedata.category(c) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}}


def test_the_terminal_gets_text_only(ran: tuple[Done, Path]) -> None:
    done, _ = ran
    assert done.code == 1, done.err
    assert done.out.count(MARK) > 10, "what was planted must come out"
    assert not hidden(done.out)
    assert done.err == ""
    rows = done.out.partition("\n\n")[0].splitlines()
    assert max(map(len, rows)) < 400, "a long name does not make the table wide"
    assert any(f"{MARK}" in row and "…" in row for row in rows)
    assert MOST_NAME < 60


def test_a_real_terminal_gets_colours_and_nothing_else(ran: tuple[Done, Path]) -> None:
    leader, follower = pty.openpty()
    command = [sys.executable, "-m", "wormward.cli", "assess", str(ran[1] / "site")]
    env = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "150"}
    with subprocess.Popen(command, stdout=follower, stderr=subprocess.DEVNULL, env=env) as running:
        os.close(follower)
        seen = b""
        while chunk := _read(leader):
            seen += chunk
        assert running.wait(timeout=120) == 1
    os.close(leader)
    text = re.sub(r"\x1b\[[0-9;]*m", "", seen.decode("utf-8")).replace("\r\n", "\n")
    assert MARK in text
    assert not hidden(text)


def _read(leader: int) -> bytes:
    try:
        return os.read(leader, 1 << 16)
    except OSError:  # what Linux says when the other end was closed
        return b""


def test_json_is_whole_and_as_the_schema_says(ran: tuple[Done, Path], repo: Path) -> None:
    text = (ran[1] / "o.json").read_text(encoding="utf-8")
    assert not hidden(text)
    said = json.loads(text)
    schema = json.loads((repo / "docs" / "assessment.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(schema).validate(said)
    assert MARK in json.dumps(said["hosts"])
    assert MARK in json.dumps(said["findings"])
    assert MARK in json.dumps(said["coverage"])
    assert MARK in json.dumps(said["passed_over"])
    assert "{actor}" not in {f["sentence"].split(MARK)[0] for f in said["findings"]}


def test_html_keeps_its_own_tags_only(ran: tuple[Done, Path]) -> None:
    text = (ran[1] / "o.html").read_text(encoding="utf-8")
    assert not hidden(text)
    page = Page(text)
    tags = {tag for tag, _, _ in page.attributes}
    assert not tags & {"img", "iframe", "object"}
    assert not [name for _, name, _ in page.attributes if name.startswith("on")]
    assert text.count("<script") == 1
    assert text.count(MARK) > 50


def dom(file: Path) -> tuple[str, str]:
    """What a browser makes of a page after its scripts ran, and what it complained of."""
    chromium = need_program("chromium")
    words = ["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--virtual-time-budget=3000", "--dump-dom"]
    done = subprocess.run([chromium, *words, file.as_uri()], check=True, capture_output=True, text=True, timeout=180)
    return done.stdout, done.stderr


@pytest.mark.slow
def test_a_browser_shows_it_and_runs_nothing(ran: tuple[Done, Path], tmp_path: Path) -> None:
    live = tmp_path / "live.html"
    live.write_text(f"<html><body><script>{DEED}</script><img src=x onerror={DEED}></body></html>")
    assert "data-pwned" in dom(live)[0], "the poison works where it is let"
    shown, complaints = dom(ran[1] / "o.html")
    assert "data-pwned" not in shown.partition(">")[2].partition("<body")[0]
    assert not re.search(r"<html[^>]*data-pwned", shown)
    assert "CONSOLE" not in complaints
    assert shown.count("<script") == 1
    assert not re.search(r"<(img|iframe|object)\b", shown)
    assert f"{MARK}&lt;/script&gt;" in shown
