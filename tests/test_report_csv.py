"""The tables for spreadsheets: whole, safe, and nothing lost on the way."""

from __future__ import annotations

import csv
import io
import itertools
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.cli_help import lookups, wormward
from tests.need import need_program
from tests.report_help import outbreak, poisoned
from wormward.command.outputs import OUTPUTS, Output
from wormward.model.own import OWN_MARKS
from wormward.report.csvout import FILES, MOST_CELL, Column, sheets, table, to_csv

FORMULA = "=+-@\t\r\uff1d\uff0b\uff0d\uff20"


def rows(text: str) -> list[list[str]]:
    assert text.startswith("\ufeff")
    return list(csv.reader(io.StringIO(text[1:], newline=""), strict=True))


def test_every_host_finding_and_edge_is_a_row() -> None:
    told = outbreak().assessment
    made = to_csv(told)
    hosts, findings, edges = (rows(made[name]) for name in FILES)
    assert len(hosts) == 1 + len(told.hosts)
    assert [r[1:3] for r in hosts[1:]] == [[h.site, h.address] for h in told.hosts]
    assert [r[1] for r in findings[1:]] == [f.id for f in told.findings]
    assert [(r[1], r[2]) for r in edges[1:]] == [(e.start, e.end) for e in told.edges]
    assert {r[0] for sheet in (hosts, findings, edges) for r in sheet[1:]} == {"TLP:AMBER"}
    assert [[name for name, _ in columns] for _, _, columns in sheets()] == [s[0][1:-1] for s in (hosts, findings, edges)]


def test_the_registry_names_the_files_that_are_made() -> None:
    (output,) = [o for o in OUTPUTS if o.option == "csv"]
    assert output.files == FILES
    assert all(any(mark in text.encode()[:4096] for mark in OWN_MARKS) for text in to_csv(outbreak().assessment).values())


def test_no_cell_is_a_formula() -> None:
    for text in to_csv(poisoned().assessment).values():
        for row in rows(text):
            assert not [c for c in row if c[:1] in set(FORMULA)]
            assert not [c for c in row if not c.isprintable()]


@settings(deadline=None)
@given(st.text(max_size=50))
def test_any_text_comes_back_as_text(text: str) -> None:
    (_, (_, cell)) = rows(table((Column("x", "", str),), [text], "m"))
    assert cell[:1] not in set(FORMULA) or not cell
    if text.isprintable():
        assert cell.removeprefix("'") == text.removeprefix("'")
        assert cell == text or text[0] in FORMULA


def test_numbers_and_addresses_are_left_alone() -> None:
    for value in ("::1", "2001:db8::1", "10.0.0.1", "2026-03-02T08:00:00Z", -5, 0.25):
        (_, (_, cell)) = rows(table((Column("x", "", lambda v: v),), [value], "m"))
        assert cell == str(value)


def test_a_cell_is_not_longer_than_excel_bears() -> None:
    (_, (_, cell)) = rows(table((Column("x", "", str),), ["a" * 40_000], "m"))
    assert len(cell) == MOST_CELL


def test_another_program_reads_the_same(tmp_path: Path) -> None:
    """DuckDB's reader, told nothing."""
    told = poisoned().assessment
    for name, text in to_csv(told).items():
        (tmp_path / name).write_bytes(text.encode())
    hosts = duckdb.read_csv(str(tmp_path / "hosts.csv"), all_varchar=True)
    assert hosts.columns == rows(to_csv(told)["hosts.csv"])[0]
    assert len(hosts.fetchall()) == len(told.hosts)


@pytest.mark.parametrize("other", ["json", "html"])
def test_files_of_a_folder_are_checked_like_any_other(tmp_path: Path, other: str) -> None:
    log = lookups(tmp_path)
    (tmp_path / "out").mkdir()
    done = wormward("assess", log, f"--{other}", tmp_path / "out" / "hosts.csv", "--csv", tmp_path / "out")
    assert done.code == 2
    assert "both name" in done.one_sentence()
    (tmp_path / "out" / "hosts.csv").write_bytes(log.read_bytes())
    done = wormward("assess", tmp_path, "--csv", tmp_path / "out")
    assert "not overwritten" in done.one_sentence()
    assert wormward("assess", log, "--csv", log).code == 2
    assert wormward("assess", log, "--csv", tmp_path / "a" / "b").code == 2
    assert wormward("assess", log, "--csv", tmp_path / "new", "--quiet").code == 0
    assert (
        wormward("assess", log, tmp_path / "new", "--csv", tmp_path / "new", "--quiet").code == 3
    )  # ours is overwritten, no evidence


def test_libreoffice_opens_them_and_computes_nothing(tmp_path: Path) -> None:
    """Even where its user has it evaluate formulas, which an unguarded cell shows."""
    (tmp_path / "hosts.csv").write_bytes(to_csv(poisoned().assessment)["hosts.csv"].encode())
    (tmp_path / "control.csv").write_bytes(b'"x"\r\n"=1+1"\r\n')
    options = "Text - txt - csv (StarCalc):44,34,76,1,,0,false,true,false,false,false,0,true"
    profile = f"-env:UserInstallation={(tmp_path / 'profile').as_uri()}"
    words = [profile, "--headless", f"--infilter={options}", "--convert-to", "fods", "--outdir", str(tmp_path / "out")]
    command = [need_program("soffice"), *words, str(tmp_path / "hosts.csv"), str(tmp_path / "control.csv")]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    assert "table:formula" in (tmp_path / "out" / "control.fods").read_text(encoding="utf-8")
    text = (tmp_path / "out" / "hosts.fods").read_text(encoding="utf-8")
    assert "table:formula" not in text
    name = "{urn:oasis:names:tc:opendocument:xmlns:%s:1.0}%s"
    shown = ["".join(p.itertext()).replace(" ", "") for p in ElementTree.fromstring(text).iter(name % ("text", "p"))]  # noqa: S314 - made just now
    hosts = rows(to_csv(poisoned().assessment)["hosts.csv"])
    for row in hosts[:3]:  # several blanks are an element there
        assert {c.replace(" ", "") for c in (*row[1:5], *row[12:14]) if c} <= set(shown)


@pytest.mark.parametrize(("one", "other"), list(itertools.combinations([o for o in OUTPUTS if not o.files], 2)))
def test_no_two_outputs_are_one_file(tmp_path: Path, one: Output, other: Output) -> None:
    done = wormward("assess", lookups(tmp_path), f"--{one.option}", tmp_path / "o", f"--{other.option}", tmp_path / "." / "o")
    assert done.code == 2
    assert f"--{one.option} and --{other.option} both name" in done.one_sentence()


def test_days_to_come_need_a_place(tmp_path: Path) -> None:
    assert "--blocklists" in wormward("assess", lookups(tmp_path), "--block-days", "3").one_sentence()
