"""nfdump's own files, read through the real program; without it a sentence that says what to do."""

from __future__ import annotations

import gzip
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.evidence_help import read_paths
from wormward.report import checks

NEEDED = pytest.mark.skipif(not (shutil.which("nfdump") and shutil.which("nfpcapd")), reason="nfdump is not installed")


@pytest.fixture(scope="module")
def flows(repo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example's capture as nfdump's own file."""
    folder = tmp_path_factory.mktemp("nfdump")
    words = ["nfpcapd", "-r", str(repo / "examples/outbreak/outbreak.pcap"), "-l", str(folder), "-t", "86400"]
    subprocess.run(words, check=True, capture_output=True)
    (file,) = folder.glob("nfcapd.*")
    return file


@NEEDED
def test_a_file_says_what_its_printout_says(flows: Path, tmp_path: Path) -> None:
    printed = tmp_path / "flows.csv"
    utc = {"TZ": "UTC", "PATH": "/usr/bin:/bin"}
    with printed.open("wb") as out:
        subprocess.run(["nfdump", "-r", str(flows), "-o", "csv"], check=True, stdout=out, stderr=subprocess.DEVNULL, env=utc)
    whole, text = read_paths(flows), read_paths(printed)
    assert (whole.coverage.kind, whole.coverage.unit, whole.coverage.time_zone_known) == ("nfdump", "record", "stamped")
    assert not whole.coverage.problems
    ends = ("client", "client_port", "server", "server_port", "protocol", "state", "packets_out", "packets_in")

    def told(rows: list[dict[str, object]]) -> list[tuple[object, ...]]:
        return sorted(tuple(str(row[name]) for name in ends) for row in rows)

    # The printout has whole seconds; of two records within one second it cannot tell who spoke first.
    different = set(told(whole.tables["flows"])) ^ set(told(text.tables["flows"]))
    assert len(different) <= len(whole.tables["flows"]) // 50
    assert {row["state"] for row in whole.tables["flows"]} >= {"attempt", "refused", "established"}


@NEEDED
def test_a_record_is_cited_as_nfdump_numbers_it(flows: Path) -> None:
    row = max(read_paths(flows).tables["flows"], key=lambda r: r["place"])
    words = ["nfdump", "-r", str(flows), "-q", "-N", "-6", "-o", "fmt:%sa %sp %da %dp"]
    lines = subprocess.run(words, check=True, capture_output=True, text=True).stdout.splitlines()
    found = lines[row["place"] - 1].split()
    mine = (row["client"], str(row["client_port"]), row["server"], str(row["server_port"]))
    assert tuple(found) in (mine, mine[2:] + mine[:2])


@NEEDED
def test_the_line_that_shows_a_record_shows_it(flows: Path, tmp_path: Path) -> None:
    (tmp_path / "it's.gz").write_bytes(gzip.compress(flows.read_bytes()))
    for row in read_paths(flows).tables["flows"][:200:40]:
        for line in (checks.shown(str(flows), "record", [row["place"]]), checks.shown("it's.gz", "record", [row["place"]])):
            done = subprocess.run(["bash", "-c", line], cwd=tmp_path, check=True, capture_output=True, text=True)
            assert len(done.stdout.splitlines()) == 1
            assert {row["client"], row["server"], str(row["server_port"])} <= set(done.stdout.split())


@NEEDED
def test_real_flows_of_somebody_else(corpora: Path) -> None:
    read = read_paths(corpora / "logs" / "test1-malicious.nfdump")
    # nfdump's own summary says 4593 records; those of a conversation are joined.
    assert not read.coverage.problems
    assert 2296 <= len(read.tables["flows"]) <= 4593
    assert {row["state"] for row in read.tables["flows"]} >= {"refused", "established"}


@NEEDED
def test_a_cut_file_gives_what_can_be_read_and_says_so(flows: Path, tmp_path: Path) -> None:
    cut = tmp_path / "nfcapd.cut"
    cut.write_bytes(flows.read_bytes()[:5000])
    read = read_paths(cut)
    (problem,) = read.coverage.problems
    assert "nfdump could not read all of it" in problem.what
    assert str(tmp_path) not in problem.what


def test_without_the_program_a_sentence_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "nfcapd.202603020000"
    path.write_bytes(b"\x0c\xa5\x01\x00" + bytes(400))
    monkeypatch.setenv("PATH", str(tmp_path))
    read = read_paths(path)
    (problem,) = read.coverage.problems
    assert (problem.what, "apt install nfdump" in problem.remedy) == (
        "nfdump's own files are read through the program nfdump, which is not installed here", True,
    )  # fmt: skip
    assert len(read.coverage.sha256) == 64
