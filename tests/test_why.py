"""`wormward why`: the lines that it prints are run with the real tools, and show what the cited rows say."""

from __future__ import annotations

import gzip
import json
import lzma
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import zstandard

from tests.cli_help import infected_lookups, lookups, wormward
from tests.need import need_program

EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "outbreak"


def shell(line: str, folder: Path | None = None) -> str:
    """What a line of shell prints; it must succeed."""
    done = subprocess.run(["bash", "-o", "pipefail", "-c", line], cwd=folder, check=False, capture_output=True, timeout=120)
    assert done.returncode == 0, (line, done.stderr)
    return done.stdout.decode("utf-8", "replace")


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The example in all ways of packing, assessed; the folder and the report."""
    folder = tmp_path_factory.mktemp("it's evidence")
    given = folder / "given"
    given.mkdir()
    (given / "outbreak.pcap.xz").write_bytes(lzma.compress((EXAMPLE / "outbreak.pcap").read_bytes(), preset=0))
    shutil.copy(EXAMPLE / "zeek" / "http.log", given / "-http $(touch x).log")
    shutil.copy(EXAMPLE / "zeek" / "dns.log", given)
    (given / "conn.log.gz").write_bytes(gzip.compress((EXAMPLE / "zeek" / "conn.log").read_bytes(), 1))
    # Named as if it were not packed: content tells, not the name.
    (given / "queries.log").write_bytes(zstandard.compress((EXAMPLE / "dns" / "queries.log").read_bytes()))
    (given / "utf16.csv").write_bytes((EXAMPLE / "dns" / "queries.csv").read_text().encode("utf-16"))
    done = wormward("assess", given, "--workspace", folder / "w", "--json", folder / "r.json", "--quiet")
    assert done.code == 1, done.err
    return folder, json.loads((folder / "r.json").read_text())


def whys(told: tuple[Path, dict[str, Any]]) -> list[str]:
    """What `why` prints of the first finding of each rule, and of each kind of source that such a finding cites."""
    folder, report = told
    out, seen = [], set()
    for finding in report["findings"]:
        kinds = {(finding["rule"], cite["sha256"]) for cite in finding["cites"]}
        if kinds - seen:
            seen |= kinds
            done = wormward("why", finding["id"], "--workspace", folder / "w")
            assert done.code == 0, done.err
            out.append(done.out)
    return out


ROW = re.compile(r"^\s+(frame|line|record) (\d+): (.*)$")


@pytest.mark.slow
def test_the_lines_show_what_the_rows_say(told: tuple[Path, dict[str, Any]]) -> None:
    for program in ("tshark", "xzcat", "zstdcat"):
        need_program(program)
    folder, report = told
    checked: dict[str, int] = {}
    digests: set[str] = set()
    shown_once: dict[str, str] = {}
    for text in whys(told):
        assert "not known" not in text
        rows: list[tuple[str, int, str]] = []
        lines = text.splitlines()
        for number, line in enumerate(lines):
            if row := ROW.match(line):
                rows.append((row[1], int(row[2]), row[3]))
            if not line.lstrip().startswith("$ "):
                continue
            words = line.lstrip()[2:]
            if "sha256sum" in words:
                digest = lines[number + 1].strip()
                if digest not in digests:
                    assert shell(words, folder).split()[0] == digest
                    digests.add(digest)
                continue
            places = {place for _, place, _ in rows}
            assert places, f"a row stands above each line: {text}"
            got = shown_once.get(words) or shown_once.setdefault(words, shell(words, folder))
            assert len(got.splitlines()) == len({*re.findall(r"== (\d+)", words), *re.findall(r"(\d+)p;", words)})
            for unit, place, row in rows:
                values = dict(re.findall(r"(\w+)=('[^']*'|\S*)", row))
                if unit == "frame":
                    (line_of,) = [one for one in got.splitlines() if one.split()[0] == str(place)]
                    assert {values["client"], values["server"]} <= set(line_of.split()), (row, got)
                else:
                    telling = {values[name].strip("'") for name in ("client", "name", "host", "uri") if name in values}
                    one_line = [one for one in got.splitlines() if all(value in one for value in telling)]
                    assert one_line, (row, got)
            tool = "tshark" if unit == "frame" else words.split()[0] if "iconv" not in words else "iconv"
            checked[tool] = checked.get(tool, 0) + len(places)
            rows = []
    assert set(checked) == {"tshark", "sed", "zcat", "zstdcat", "iconv"}, checked
    assert digests == {c["sha256"] for c in report["coverage"]} - {""} or len(digests) > 4
    assert not (folder / "x").exists()


def test_a_host_by_any_of_its_names_and_its_tree(told: tuple[Path, dict[str, Any]]) -> None:
    folder, report = told
    host = next(h for h in report["hosts"] if h["verdict"] == "infected" and h["infected_by"])
    texts = {
        wormward("why", name, "--workspace", folder / "w").out
        for name in (host["address"], host["device"], host["device"].upper(), f"{host['site']}/{host['address']}")
    }
    (text,) = texts
    assert re.match(rf"{re.escape(host['address'])}( \(.*\))?, site: infected, variant", text)
    for reason in host["reasons"]:
        assert f"{reason['milli'] / 1000:+.1f}  {reason['sentence']} [{reason['rule']}]" in text
    for edge in host["infected_by"]:
        assert f"Infected by {edge['address']} ({edge['way']})" in text
    assert all(finding in text for reason in host["reasons"] for finding in reason["findings"][:8])
    silent = next(h for h in report["hosts"] if not h["reasons"])
    assert "What would decide:" in wormward("why", silent["address"], "--workspace", folder / "w").out


def test_from_a_report_and_a_folder_that_moved(told: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    folder, report = told
    finding = next(f for f in report["findings"] if f["rule"] == "names.day-list")
    bare = wormward("why", finding["id"], "--json", folder / "r.json").out
    assert "is not known: go there first" in bare
    moved = tmp_path / "moved"
    shutil.copytree(folder / "given", moved)
    text = wormward("why", finding["id"], moved, "--json", folder / "r.json").out
    assert str(moved / "dns.log") in text
    assert "not known" not in text
    assert any("iconv -f UTF-16" in line for line in text.splitlines())


def test_what_is_not_there_is_a_sentence(told: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    folder, _ = told
    assert "near it: 10.20.1.1" in wormward("why", "10.20.1.", "--workspace", folder / "w").one_sentence()
    assert r"no finding F-000\x1b;" in wormward("why", "F-000\x1b", "--workspace", folder / "w").one_sentence()
    assert "say where the assessment is" in wormward("why", "x").one_sentence()
    for content, what in (("[1", "is no report"), ("{}", "of the form"), ('{"schema": "wormward.assessment/1"}', "of the form")):
        (tmp_path / "r.json").write_text(content)
        assert what in wormward("why", "x", "--json", tmp_path / "r.json").one_sentence()
    assert "cannot be read" in wormward("why", "x", "--json", tmp_path / "absent.json").one_sentence()


def test_a_hostile_report_stays_text(tmp_path: Path) -> None:
    log = lookups(tmp_path, infected_lookups())
    wormward("assess", log, "--json", tmp_path / "r.json", "--quiet")
    said = json.loads((tmp_path / "r.json").read_text())
    evil = "\x1b[2J$(touch x)'; touch x; '\u202e"
    for source in said["coverage"]:
        source["source"] = evil
    for finding in said["findings"]:
        finding["sentence"] = evil
    (tmp_path / "r.json").write_text(json.dumps(said))
    done = wormward("why", "10.0.0.77", "--json", tmp_path / "r.json")
    assert done.code == 0
    assert all(line.isprintable() for line in done.out.splitlines())
    for line in done.out.splitlines():
        if line.lstrip().startswith("$ "):
            subprocess.run(
                ["bash", "-c", line.lstrip()[2:].partition("  (where")[0]], cwd=tmp_path, check=False, capture_output=True
            )
    assert not (tmp_path / "x").exists()
