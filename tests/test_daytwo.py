"""A workspace lives for months: what came day by day is judged as if it had come at once, and nothing of it is read twice."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from tests.capture_help import dns, in_turn, ipv4, pcap, udp
from tests.cli_help import LOOKUPS, infected_lookups, lookups, wormward
from wormward import annotate, intake, pipeline
from wormward.evidence import known
from wormward.evidence.files import EvidenceFile
from wormward.packs import builtin_packs
from wormward.report.jsonout import to_json

EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "outbreak"
Order = Sequence[int]


def said(*words: str | Path, out: Path) -> bytes:
    """The bytes of the JSON report."""
    done = wormward("assess", *words, "--json", out, "--quiet")
    assert done.code in (0, 1, 3), done.err
    return out.read_bytes()


def settled(folder: Path) -> None:
    """Let the files of a folder be older than the moment in which they might still change unseen."""
    del folder
    time.sleep(known._SETTLED_NS / 1e9 + 0.1)


@pytest.fixture(scope="module")
def days(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ...]:
    """The example as three days' folders, with a copy, a damaged file, one that cannot be read, and what is no evidence."""
    folder = tmp_path_factory.mktemp("days")
    one, two, three = (folder / name for name in ("day1", "day2", "day3"))
    for day in (one, two, three):
        day.mkdir()
    shutil.copy(EXAMPLE / "outbreak.pcap", one)
    shutil.copytree(EXAMPLE / "zeek", two / "zeek")
    lines = (EXAMPLE / "dns" / "queries.log").read_bytes().splitlines(keepends=True)
    (one / "queries.log").write_bytes(b"".join(lines[: len(lines) // 2]))
    (three / "queries.log").write_bytes(b"".join(lines[len(lines) // 2 :]))
    shutil.copy(EXAMPLE / "dns" / "queries.csv", two)
    (three / "again.csv.gz").write_bytes(gzip.compress((EXAMPLE / "dns" / "queries.csv").read_bytes()))
    shutil.copy(EXAMPLE / "outbreak.pcap", two / "a-second-tap.pcap")
    (two / "cut.csv.gz").write_bytes(gzip.compress(LOOKUPS.encode())[:-20])
    (one / "nothing.pcap").write_bytes(b"x" * 500)
    (three / "packed.pcap").write_bytes(b"PK\x03\x04" + b"x" * 500)
    (one / "README.md").write_text("# none")
    (two / "link.csv").symlink_to(two / "queries.csv")
    return one, two, three


@pytest.fixture(scope="module")
def at_once(days: tuple[Path, ...], tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return said(*days, out=tmp_path_factory.mktemp("once") / "once.json")


def test_day_by_day_is_at_once_byte_for_byte(days: tuple[Path, ...], at_once: bytes, tmp_path: Path) -> None:
    for day in days:
        text = said(day, "--workspace", tmp_path / "w", out=tmp_path / "day.json")
        assert (text == at_once) is (day == days[-1])
    assert said("--workspace", tmp_path / "w", out=tmp_path / "day.json") == at_once, "with nothing new"
    assert said(*days, "--workspace", tmp_path / "w", out=tmp_path / "day.json") == at_once, "with everything given again"


def test_evidence_may_be_far_larger_than_memory_and_come_in_any_order(
    days: tuple[Path, ...], at_once: bytes, tmp_path: Path
) -> None:
    memory = 1 << 13
    for day in reversed(days):
        whole = pipeline.assess([day], packs=builtin_packs(), workspace=tmp_path / "w", memory_bytes=memory)
    assert to_json(whole) == at_once.decode()
    parts = list((tmp_path / "w").rglob("part-*.parquet"))
    assert len(parts) > 15
    assert sum(part.stat().st_size for part in parts) > 10 * memory


def test_what_is_in_needs_its_file_no_more_and_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "given"
    folder.mkdir()
    log = lookups(folder, infected_lookups())
    read: list[str] = []
    original = intake.read_all

    def reading(files: Sequence[EvidenceFile], context: Any) -> Any:
        read.extend(file.name for file in files)
        return original(files, context)

    monkeypatch.setattr(intake, "read_all", reading)
    settled(folder)
    first = said(folder, "--workspace", tmp_path / "w", out=tmp_path / "1.json")
    assert read == ["given/queries.csv"]
    with monkeypatch.context() as patch:
        patch.setattr(known, "_head", lambda file: pytest.fail(f"{file.name} lies where it lay and did not change"))
        assert said(folder, "--workspace", tmp_path / "w", out=tmp_path / "2.json") == first
    # Under another name, packed otherwise, elsewhere: the bytes are known, and coverage names the copy.
    with gzip.open(tmp_path / "z.txt.gz", "wb") as packed:
        packed.write(log.read_bytes())
    log.unlink()
    more = json.loads(said(tmp_path / "z.txt.gz", "--workspace", tmp_path / "w", out=tmp_path / "3.json"))
    assert read == ["given/queries.csv"]
    assert [(c["source"], c["duplicate_of"]) for c in more["coverage"]] == [
        ("given/queries.csv", None), ("z.txt.gz", "given/queries.csv")
    ]  # fmt: skip
    assert more["hosts"] == json.loads(first)["hosts"]
    # The same name with other bytes is another file.
    log.write_text(infected_lookups("2009-02-05", "10.0.0.78"))
    other = json.loads(said(folder, "--workspace", tmp_path / "w", out=tmp_path / "4.json"))
    assert read == ["given/queries.csv"] * 2
    assert {h["address"] for h in other["hosts"] if h["verdict"] == "infected"} == {"10.0.0.77", "10.0.0.78"}


def test_what_could_not_be_read_and_comes_again_whole_is_no_hole_any_more(tmp_path: Path) -> None:
    lookups(tmp_path)
    broken = tmp_path / "x.pcap"
    broken.write_bytes(b"nothing")
    first = json.loads(said(tmp_path / "queries.csv", broken, "--workspace", tmp_path / "w", out=tmp_path / "1.json"))
    assert [bool(c["problems"]) for c in first["coverage"]] == [False, True]
    assert said("--workspace", tmp_path / "w", out=tmp_path / "2.json") == (tmp_path / "1.json").read_bytes()
    broken.write_bytes(pcap(in_turn([ipv4(udp(dns()), 17)])))
    second = json.loads(said(broken, "--workspace", tmp_path / "w", out=tmp_path / "1.json"))
    assert [(c["source"], c["problems"]) for c in second["coverage"]] == [("queries.csv", []), ("x.pcap", [])]


def test_two_places_of_one_name_stay_apart(tmp_path: Path) -> None:
    folders = [tmp_path / name / "logs" for name in ("a", "b")]
    for n, folder in enumerate(folders):
        folder.mkdir(parents=True)
        lookups(folder, infected_lookups().replace("10.0.0.77", f"10.0.0.8{n}"))
        said(folder, "--separate", "--workspace", tmp_path / "w", out=tmp_path / "1.json")
    got = json.loads((tmp_path / "1.json").read_text())
    assert [c["source"] for c in got["coverage"]] == ["b/logs/queries.csv", "logs/queries.csv"]
    assert sorted((h["address"], h["site"]) for h in got["hosts"] if h["verdict"] == "infected") == [
        ("10.0.0.80", "logs/queries.csv"), ("10.0.0.81", "b/logs/queries.csv"),
    ]  # fmt: skip


def test_a_capture_that_goes_on_from_an_earlier_run_says_that_it_was_cut(tmp_path: Path) -> None:
    frames = in_turn([ipv4(udp(b"x" * n, 7, 9), 17) for n in range(1, 200)], gap_us=100_000)
    for name, part in (("1", frames[:60]), ("2", frames[60:120]), ("4", frames[190:])):
        (tmp_path / f"{name}.pcap").write_bytes(pcap(part))
    (tmp_path / "3.pcap").write_bytes(pcap(frames[120:130], snaplen=96))  # another sensor's
    for name in "1234":
        said(tmp_path / f"{name}.pcap", "--workspace", tmp_path / "w", out=tmp_path / "1.json")
    notes = {c["source"]: c["notes"] for c in json.loads((tmp_path / "1.json").read_text())["coverage"]}
    assert notes == {"1.pcap": [], "2.pcap": [known.CUT], "3.pcap": [], "4.pcap": []}


def test_a_pack_that_asks_for_other_contents_is_told_what_it_lacks(tmp_path: Path) -> None:
    (pack,) = builtin_packs()
    log = lookups(tmp_path)
    pipeline.assess([log], packs=[pack], workspace=tmp_path / "w")
    same = pipeline.assess([], packs=[replace(pack, version="later")], workspace=tmp_path / "w")
    assert not same.remarks
    other = pipeline.assess([], packs=[replace(pack, wants=())], workspace=tmp_path / "w")
    assert "1 source was read when the threat pack asked for other contents" in json.loads(to_json(other))["notes"][-1]


def test_an_empty_workspace_has_nothing_to_judge(tmp_path: Path) -> None:
    done = wormward("assess", "--workspace", tmp_path / "w")
    assert (done.code, "there is no evidence in the workspace" in done.one_sentence()) == (2, True)
    assert wormward("assess", tmp_path / "absent.pcap", "--workspace", tmp_path / "w").code == 2
    assert wormward("assess", lookups(tmp_path), "--workspace", tmp_path / "w", "--quiet").code == 0
    assert os.stat(tmp_path / "w" / "ledger.sqlite").st_mode & 0o777 == 0o600


@pytest.mark.slow
def test_only_new_keys_are_annotated_unless_the_pack_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys that gave nothing are remembered under the annotator's version and the pack's digest; the answer is the same."""
    asked: dict[str, list[set[tuple[Any, ...]]]] = {}

    def counted(annotator: annotate.Annotator) -> annotate.Annotator:
        if not annotator.dull_by:
            return annotator

        def look(distinct: pa.Table, pack: Any, days: Any) -> Any:
            keys = set(zip(*(distinct.column(c).to_pylist() for c in annotator.dull_by), strict=True))
            asked.setdefault(annotator.name, []).append(keys)
            return annotator.annotate(distinct, pack, days)

        return replace(annotator, annotate=look)

    monkeypatch.setattr(annotate, "ANNOTATORS", tuple(map(counted, annotate.ANNOTATORS)))
    packs = builtin_packs()
    days = [EXAMPLE / "zeek" / f"{log}.log" for log in ("conn", "http", "smb_files")], [EXAMPLE / "outbreak.pcap"]
    at_once = to_json(pipeline.assess([path for day in days for path in day], packs=packs))
    for day in days:
        told = pipeline.assess(day, packs=packs, workspace=tmp_path / "w")
    assert to_json(told) == at_once
    pipeline.assess([], packs=packs, workspace=tmp_path / "w")
    pipeline.assess([], packs=[replace(packs[0], digest="another")], workspace=tmp_path / "w")
    # What was remembered is only a cache.
    for part in (tmp_path / "w" / "notes").rglob("*.parquet"):
        part.write_bytes(b"damaged")
    assert to_json(pipeline.assess([], packs=packs, workspace=tmp_path / "w")) == at_once
    assert set(asked) == {"contact_ports", "request_forms", "file_forms"}
    for whole, first, second, nothing_new, another_pack, damaged in asked.values():
        assert first & (whole - second), "of the first day's keys those that tell nothing are not looked at again"
        assert nothing_new < whole, "without new evidence only those are that tell something"
        assert another_pack == damaged == whole
