"""Hostile text from evidence to outputs: names, paths, agents and file names that want to be markup, code or commands."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import re
import subprocess
import sys
import unicodedata
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest
import stix2
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema
from stix2patterns import validator as stix2_pattern

from tests.cli_help import Done, process
from tests.need import need_program
from tests.test_report_blocklists import RULE, suricata
from tests.test_report_html import Page
from wormward.command.outputs import OUTPUTS
from wormward.report import ocsf
from wormward.report.terminal import MOST_NAME

MARK = "p0ison"
DEED = "document.documentElement.dataset.pwned=1"
POISON = (
    f"{MARK}</script></title><script>{DEED}</script><img src=x onerror={DEED}>'\"><svg/onload={DEED}>{{{{7*7}}}}{{actor}}"
    '\u202egpj.\u2066\u200b\x1b]0;x\x07\x1b[2J\x9b31m\x00\r[red]x[/red]\ud800\\u0022,"x":1}]}\\'
    "]]></style></svg>*/}html{display:none}`${1}\n2026-03-02 08:00:00 INFO wormward: no host is infected\n"
    "'] OR [ipv4-addr:value = '0.0.0.0\n@ CNAME .\n* CNAME rpz-passthru.\n$INCLUDE /etc/passwd\n"
    '"; sid:1; rev:1;)\ndrop ip any any -> any any (sid:2;)\n#","=cmd|\'/c calc\'!A1"\r\n"=1+1'
)
"""Ends tags, strings, style sheets, drawings, patterns, zone entries, rules and cells; runs in four ways, fills places,
turns text round, speaks to terminals, forges lines of logs, is half a character."""
FORMULA = b"=1+1 "
"""Begins what a device calls itself."""
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
                begin = FORMULA if chosen == CHOSEN["dhcp"] else b""
                fields[place] = begin + fields[place] + as_zeek(LONG if varies and number % 3 == 0 else POISON)
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
    asked = [word for output in OUTPUTS for word in (f"--{output.option}", folder / f"o.{output.option}")]
    done = process("assess", site, *asked, "--block-days", "1")
    return done, folder


def files_of(folder: Path, option: str) -> dict[str, str]:
    """The text of each file of one output, by name."""
    place = folder / f"o.{option}"
    found = sorted(place.iterdir()) if place.is_dir() else [place]
    return {path.name: path.read_bytes().decode("utf-8") for path in found}


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


def as_stix(files: dict[str, str]) -> None:
    (text,) = files.values()
    bundle = stix2.parse(text, allow_custom=False)
    assert MARK in text
    for made in bundle.objects:
        assert made["type"] != "indicator" or stix2_pattern.validate(made["pattern"])


def as_ocsf(files: dict[str, str]) -> None:
    (text,) = files.values()
    schema = OcsfJsonSchemaEmbedded(get_ocsf_schema(version=ocsf.SCHEMA)).get_class_schema(class_name="detection_finding")
    check = jsonschema.Draft202012Validator(schema)
    for line in text.splitlines():
        check.validate(json.loads(line))
    assert text.count(MARK) > 10


def as_csv(files: dict[str, str]) -> None:
    for name, text in files.items():
        rows = list(csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True))
        assert len({len(row) for row in rows}) == 1, name
        assert not [c for row in rows for c in row if c[:1] in set("=+-@\t\r\uff1d\uff0b\uff0d\uff20")], name
    assert "'=1+1 " in files["hosts.csv"]
    assert MARK in files["findings.csv"]


def as_blocklists(files: dict[str, str]) -> None:
    assert not [name for name, text in files.items() if name != "left-out.csv" and MARK in text]
    for line in files["wormward.rules"].splitlines()[1:]:
        assert re.fullmatch(r"# F-[0-9a-f]{12}( F-[0-9a-f]{12})*( and \d+ more)?", line) or RULE.fullmatch(line), line
    names = re.findall(r"(.*) CNAME \.\n", files["names.rpz"])
    assert names
    assert all(re.fullmatch(r"(\*\.)?[a-z0-9.-]+", name) for name in names)


def as_json(files: dict[str, str]) -> None:
    (text,) = files.values()
    assert MARK in json.dumps(json.loads(text))


def as_html(files: dict[str, str]) -> None:
    (text,) = files.values()
    Page(text)


CHECKS: dict[str, Callable[[dict[str, str]], None]] = {
    "json": as_json, "html": as_html, "stix": as_stix, "ocsf": as_ocsf, "csv": as_csv, "blocklists": as_blocklists,
}  # fmt: skip
"""What each form must still be, whatever stands in it. A new output needs its own line."""


def test_every_output_has_its_check() -> None:
    assert set(CHECKS) == {output.option for output in OUTPUTS}


@pytest.mark.parametrize("option", sorted(CHECKS))
def test_every_output_stays_what_it_is(ran: tuple[Done, Path], option: str) -> None:
    files = files_of(ran[1], option)
    (output,) = [o for o in OUTPUTS if o.option == option]
    assert set(files) == set(output.files or {f"o.{option}"})
    for name, text in files.items():
        assert not hidden(text.removeprefix("\ufeff").replace("\r\n", "\n")), name
        assert "\n2026-03-02 08:00:00 INFO" not in text
        assert name.endswith(".lst") or "TLP:AMBER" in text, name
    CHECKS[option](files)


def test_real_readers_of_block_lists_take_them(ran: tuple[Done, Path], tmp_path: Path) -> None:
    folder = ran[1] / "o.blocklists"
    for name in ("names.rpz", "upcoming.rpz"):
        words = [need_program("named-checkzone"), "rpz.example", str(folder / name)]
        assert subprocess.run(words, check=False, capture_output=True, timeout=60).returncode == 0
    for name in ("wormward.rules", "upcoming.rules"):
        assert suricata(tmp_path / name, folder / name, "-T").code == 0


def test_no_shareable_copy_holds_any_of_it(ran: tuple[Done, Path], tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(bytes(range(32)))
    (tmp_path / "key").chmod(0o600)
    asked = [w for o in OUTPUTS if o.shareable for w in (f"--{o.option}", tmp_path / f"o.{o.option}")]
    done = process("assess", ran[1] / "site", *asked, "--pseudonymous", tmp_path / "key")
    assert done.code == 1
    assert MARK not in done.out
    for output in OUTPUTS:
        if output.shareable:
            for name, text in files_of(tmp_path, output.option).items():
                assert MARK not in text, name
                assert "=1+1" not in text, name


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
