"""What users give by mistake, and what disks do: one line that says which file, where and what to do; the rest goes on."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.cli_help import Done, assessed_json, infected_lookups, lookups, process, wormward

WIDE_OPEN = 0o755


def unread(done: Done) -> list[str]:
    """The lines of what could not be read."""
    below = done.out.partition("Could not be read:\n")[2]
    return [line.strip() for line in below.split("\n\n")[0].splitlines()]


def test_one_path_that_is_not_there_is_a_line_and_the_rest_is_assessed(tmp_path: Path) -> None:
    clean, ill = lookups(tmp_path), lookups(tmp_path, infected_lookups(), "ill.csv")
    done = wormward("assess", clean, tmp_path / "typo.pcap")
    assert (done.code, unread(done)) == (3, ["typo.pcap: is not there (check the name)"])
    assert wormward("assess", ill, tmp_path / "typo.pcap").code == 1
    said = assessed_json(tmp_path / "typo.pcap", clean, folder=tmp_path, code=3)
    assert [(c["source"], c["problems"]) for c in said["coverage"]] == [
        ("queries.csv", []), ("typo.pcap", [{"what": "is not there", "place": None, "remedy": "check the name"}])
    ]  # fmt: skip


def test_only_paths_that_are_not_there_end_the_run_at_once(tmp_path: Path) -> None:
    gone = [tmp_path / f"gone{n}" for n in range(5)]
    began = time.process_time()
    done = wormward("assess", *gone)
    assert done.code == 2
    assert done.one_sentence().endswith("gone2 and 2 more: there is no such file or folder; check the names")
    assert time.process_time() - began < 1


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    """A folder with a list of lookups, and beside it paths that lead nowhere."""
    lookups(tmp_path)
    (tmp_path / "dangling.csv").symlink_to("nowhere.csv")
    (tmp_path / "circle.csv").symlink_to("circle.csv")
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        before = Path.cwd()
        os.chdir(tmp_path)  # a socket's path must be short
        try:
            listening.bind("socket")
        finally:
            os.chdir(before)
    return tmp_path


LEADS_NOWHERE = {
    "dangling.csv": "dangling.csv: is a link to something that is not there (check where it leads, or give the file itself)",
    "circle.csv": "circle.csv: is reached by links that lead in a circle (give the file or folder itself)",
    "circle.csv/x": "x: is reached by links that lead in a circle (give the file or folder itself)",
    "queries.csv/x": "x: is not there (check the name)",
    "pipe": "pipe: is a pipe, no regular file (write what comes out of it into a file and give that)",
    "socket": "socket: is a socket, no regular file (write what comes out of it into a file and give that)",
    "/dev/null": "null: is a device, no regular file (write what comes out of it into a file and give that)",
    "-": "-: is not there; standard input is not read (write it into a file and give that)",
}


@pytest.mark.parametrize("path", LEADS_NOWHERE)
def test_a_path_that_leads_nowhere(odd: Path, path: str) -> None:
    done = wormward("assess", odd / "queries.csv", path if path == "-" else odd / path)
    assert (done.code, unread(done)) == (3, [LEADS_NOWHERE[path]])


def test_a_link_that_is_given_is_followed_and_keeps_its_name(tmp_path: Path) -> None:
    lookups(tmp_path)
    (tmp_path / "given.csv").symlink_to("queries.csv")
    said = assessed_json(tmp_path / "given.csv", folder=tmp_path)
    assert [c["source"] for c in said["coverage"]] == ["given.csv"]


def test_what_a_folder_holds_besides_evidence_is_told_in_a_line_each(odd: Path, repo: Path) -> None:
    for n in range(4):
        (odd / f"note{n}.txt").write_text("no evidence\n")
    folder = odd.rename(odd.parent / "site")
    try:
        out = odd.parent / "o.json"
        done = wormward("assess", folder, "--json", out, "--html", odd.parent / "o.html")
    finally:
        folder.rename(odd)
    assert done.code == 0, done.err
    lines = [
        "4 files in folders are of no kind that is read and were passed over: site/note0.txt, site/note1.txt, site/note2.txt, ….",
        "2 links in folders were not followed (give what they lead to as paths of their own): site/circle.csv, "
        "site/dangling.csv.",
        "2 pipes, sockets or devices in folders were not read: site/pipe, site/socket.",
    ]
    shown = done.out.splitlines()
    assert [line for line in shown if "folders" in line] == lines
    page = (odd.parent / "o.html").read_text(encoding="utf-8")
    assert all(line in page for line in lines)
    said = json.loads(out.read_text())
    schema = json.loads((repo / "docs" / "assessment.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(schema).validate(said)
    assert [(p["why"], p["count"], len(p["names"])) for p in said["passed_over"]] == [
        ("no-evidence", 4, 3), ("link", 2, 2), ("special", 2, 2)
    ]  # fmt: skip


def test_a_folder_of_links_says_that_they_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "a.csv").symlink_to(lookups(tmp_path))
    done = wormward("assess", tmp_path / "links")
    assert done.code == 2
    assert "links/: holds no evidence; links in folders are not followed: give what they lead to" in done.one_sentence()


def test_a_report_given_as_evidence_is_named_as_that(tmp_path: Path) -> None:
    log = lookups(tmp_path)
    assessed_json(log, folder=tmp_path)
    done = wormward("assess", log, tmp_path / "out.json")
    assert unread(done) == ["out.json: is a report that this program wrote (give the evidence that the report names)"]


def test_folders_nested_deeper_than_the_stack(tmp_path: Path) -> None:
    before = Path.cwd()
    try:
        os.chdir(tmp_path)
        for _ in range(1200):
            os.mkdir("d")
            os.chdir("d")
        shutil.copy(lookups(tmp_path, infected_lookups()), "deep.csv")
        (tmp_path / "queries.csv").unlink()
    finally:
        os.chdir(before)
    done = wormward("assess", tmp_path)
    subprocess.run(["rm", "-rf", tmp_path / "d"], check=True)
    assert done.code == 1, done.err


def test_ten_thousand_tiny_files_cost_seconds(tmp_path: Path) -> None:
    folder = tmp_path / "site"
    for n in range(100):
        (folder / f"{n:02}").mkdir(parents=True)
        for m in range(100):
            (folder / f"{n:02}" / f"{m:02}.txt").write_bytes(b"x%d" % m)
    lookups(folder)
    began = time.process_time()
    done = wormward("assess", folder)
    assert done.code == 0, done.err
    assert "10,000 files in folders are of no kind that is read and were passed over: site/00/00.txt," in done.out
    assert time.process_time() - began < 10


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everybody may enter (pytest's own may be entered by its user only)."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(WIDE_OPEN)
        yield folder


def as_nobody(*words: str | Path) -> Done:
    """Run the command as a user that owns nothing. What it imports was imported before: that may be root's alone."""
    os.seteuid(65534)
    try:
        return wormward(*words)
    finally:
        os.seteuid(0)


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become somebody who may not read")
def test_somebody_who_may_not_read_everything(open_folder: Path) -> None:
    assert wormward("assess", lookups(open_folder), "--json", open_folder / "o.json", "--html", open_folder / "o.html").code == 0
    folder = open_folder / "site"
    for name in ("a", "listed", "locked", "secret"):
        (folder / name).mkdir(parents=True)
        lookups(folder / name, infected_lookups() if name == "a" else "time,client,name\n").chmod(0o644)
    (folder / "secret" / "queries.csv").chmod(0)
    (folder / "locked").chmod(0)
    (folder / "listed").chmod(0o744)  # its names may be seen, what they hold may not
    done = as_nobody("assess", folder)
    assert done.code == 1, done.err
    assert unread(done) == [
        "site/listed/queries.csv: cannot be opened (Permission denied) (check that it exists and that you may read it)",
        "site/locked: cannot be listed (Permission denied) (check that you may read and enter this folder)",
        "site/secret/queries.csv: cannot be opened (Permission denied) (check that it exists and that you may read it)",
    ]
    done = as_nobody("assess", folder / "a", folder / "locked" / "queries.csv")
    assert done.code == 1
    assert unread(done) == [
        "queries.csv: cannot be opened (Permission denied) (check that you may read it and enter the folders above it)"
    ]
    done = as_nobody("assess", folder / "a", "--json", folder / "o.json")
    assert done.code == 2
    assert "o.json cannot be written (Permission denied)" in done.one_sentence()
    done = as_nobody("assess", folder / "secret")
    assert done.code == 2
    done.one_sentence()


def in_small_disk(folder: Path, size: str, script: str) -> Done:
    """Run a shell script with a disk of `size` at `folder`/disk, seen by nobody else. Skips where that is not allowed."""
    if os.geteuid():
        pytest.skip("only root can mount a small disk")
    disk = folder / "disk"
    disk.mkdir(exist_ok=True)
    mount = f"mount -t tmpfs -o size={size} tmpfs '{disk}' || exit 77\ncd '{folder}'\n"
    command = ["unshare", "-m", "sh", "-c", mount + script]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode == 77 or "unshare" in done.stderr:
        pytest.skip("this machine lets nobody mount")
    assert "Traceback" not in done.stderr, done.stderr
    return Done(done.returncode, done.stdout, done.stderr)


FULL = {
    "json": ("4k", "--json disk/o.json"),
    "html": ("4k", "--html disk/o.html"),
    "both": ("28k", "--json disk/o.json --html disk/o.html"),
    "workspace": ("8k", "--workspace disk/w"),
}


@pytest.mark.root
@pytest.mark.slow
@pytest.mark.parametrize("case", FULL)
def test_a_disk_that_fills_is_a_sentence_and_leaves_nothing_half_written(tmp_path: Path, case: str) -> None:
    """Output, workspace and temporary folder on one small disk; reports are whole or not there."""
    lookups(tmp_path, infected_lookups())
    size, words = FULL[case]
    run = f"TMPDIR='{tmp_path}/disk' '{sys.executable}' -m wormward.cli assess queries.csv {words} --quiet\ncode=$?\n"
    whole = f"[ ! -e disk/o.json ] || '{sys.executable}' -m json.tool disk/o.json >/dev/null || echo o.json is cut\n"
    left = "find disk -type f -size +0 ! -name lock ! -name o.json\n"
    done = in_small_disk(tmp_path, size, f"{run}{whole}{left}exit $code")
    assert done.code == 2, (done.out, done.err)
    assert re.search(r"No space left on device|no room|full", done.one_sentence())
    assert done.out == "", "a report that was written is whole, and nothing else is left"


def test_two_runs_on_one_workspace(tmp_path: Path) -> None:
    from wormward.store import Workspace

    log = lookups(tmp_path)
    with Workspace(tmp_path / "w"):
        done = wormward("assess", log, "--workspace", tmp_path / "w")
    assert done.code == 2
    assert "is in use by another run; wait for its end, or name another folder" in done.one_sentence()
    assert wormward("assess", log, "--workspace", tmp_path / "w").code == 0


def test_a_workspace_of_another_version_or_a_folder_of_somebody_else(tmp_path: Path) -> None:
    log = lookups(tmp_path)
    workspace = tmp_path / "w"
    assert wormward("assess", log, "--workspace", workspace).code == 0
    with contextlib.closing(sqlite3.connect(workspace / "ledger.sqlite")) as ledger:
        ledger.execute("PRAGMA user_version = 9")
    before = (workspace / "ledger.sqlite").read_bytes()
    done = wormward("assess", log, "--workspace", workspace)
    assert done.code == 2
    assert re.search(r"another version \(version 9, .*name another folder", done.one_sentence())
    assert (workspace / "ledger.sqlite").read_bytes() == before
    done = wormward("assess", log, "--workspace", tmp_path)
    assert done.code == 2
    assert "is not empty and is no workspace of ours" in done.one_sentence()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--json", "."), "is a folder; name a file in it"),
        (("--json", "nowhere/o.json"), "nowhere is no folder; make it first, or write elsewhere"),
        (("--html", "queries.csv/o.html"), "queries.csv is no folder"),
        (("--html", "queries.csv"), "is among the evidence and no report of ours"),
        (("--json", "x", "--html", "x"), "--json and --html both name x: give each a file of its own"),
        (("--workspace", "queries.csv"), "queries.csv"),
        (("--site", "nowhere.toml"), "nowhere.toml: cannot be read (No such file or directory); check the name"),
        (("--site", "queries.csv"), "queries.csv: is no TOML in UTF-8"),
        (("--dc", "server"), "--dc: 'server' is no IP address; write one such as 10.20.0.5"),
        (("--tz", "Mars/Base"), "'Mars/Base' is no time zone; names look like Asia/Tokyo"),
        (("--since", "yesterday"), "--since 'yesterday' is no ISO 8601 time; write 2009-02-01"),
        (("--pack", "nowhere"), "nowhere: cannot be read (No such file or directory); give the folder of a threat pack."),
        (("--pack", "queries.csv"), "queries.csv: is a file; give the folder of a threat pack."),
        (("--pack", "empty"), "empty: is no threat pack, it has no pack.toml; A pack is a folder with pack.toml"),
        (("--pack", "above"), "above: is no threat pack, it has no pack.toml; did you mean its folder moth?"),
    ],
)  # fmt: skip
def test_wrong_usage_is_one_sentence_before_any_work(
    tmp_path: Path, repo: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    lookups(tmp_path)
    (tmp_path / "empty").mkdir()
    shutil.copytree(repo / "tests" / "packs" / "mothlantern", tmp_path / "above" / "moth")
    done = wormward("assess", "queries.csv", *words)
    assert done.code == 2
    assert said in done.one_sentence()
    assert not [p for p in tmp_path.rglob("*") if p.name.startswith((".wormward", "o."))]


def test_standard_input_as_a_file_or_as_a_pipe(tmp_path: Path) -> None:
    log = lookups(tmp_path, infected_lookups())
    command = [sys.executable, "-m", "wormward.cli", "assess", "/dev/stdin"]
    with log.open("rb") as stream:
        done = subprocess.run(command, stdin=stream, check=False, capture_output=True, text=True)
    assert done.returncode == 1, done.stderr
    done = subprocess.run(command, input=log.read_text(), check=False, capture_output=True, text=True)
    assert done.returncode == 2
    assert "stdin: is a pipe, no regular file" in done.stderr


def cases_without_header() -> dict[str, tuple[str, str]]:
    """Files that are evidence but for their first line, and what to do."""
    zeek = "1233561600.000000\tCAcJw21BbVedgFnYH3\t10.0.0.5\t1025\t10.0.0.53\t53\tudp\t1\t-\twww.example.com\n"
    row = "2009-02-02T08:00:00Z,10.0.0.5,www.example.com,192.0.2.1\n"
    return {
        "rows only": (row, "put this line before its first: time,client,name,other"),
        "another order": (
            "www.example.com;2009-02-02 08:00:00;x;10.0.0.5\n", "put this line before its first: name;time;other;client"
        ),
        "other names": (f"ts,src,query,reply\n{row}", "let its first line be: time,client,name,other"),
        "zeek rows": (zeek, "put Zeek's own first lines before it, #separator to #types"),
        "zeek without separator": (f"#fields\tts\tuid\n#types\ttime\tstring\n{zeek}", "let its first line be: #separator \\x09"),
        "zeek without path": (
            f"#separator \\x09\n#fields\tts\tuid\n{zeek}", "put a line of #path, a tab and the log's name below #separator"
        ),
    }  # fmt: skip


@pytest.mark.parametrize("case", cases_without_header())
def test_a_log_without_its_first_line_says_which_is_wanted(tmp_path: Path, case: str) -> None:
    text, remedy = cases_without_header()[case]
    folder = tmp_path / "site"
    folder.mkdir()
    lookups(folder)
    (folder / "export.txt").write_text(text)
    for given in ([folder], [folder / "queries.csv", folder / "export.txt"]):
        done = wormward("assess", *given)
        assert done.code == 3
        (line,) = unread(done)
        assert remedy in line
    wanted = remedy.partition(": ")[2]
    if wanted.count("time"):  # the line that is asked for makes it evidence
        kept = text if "before" in remedy else text.partition("\n")[2]
        (folder / "export.txt").write_text(f"{wanted}\n{kept}")
        assert wormward("assess", folder).code == 0


def test_what_only_looks_a_little_like_lookups_is_passed_over(tmp_path: Path) -> None:
    lookups(tmp_path)
    (tmp_path / "leases.csv").write_text("mac,address,from\n00:11:22:33:44:55,10.0.0.5,2009-02-02T08:00:00Z\n")
    (tmp_path / "notes.txt").write_text("2009-02-02 08:00 10.0.0.5 was slow, see example.com\n")
    done = wormward("assess", tmp_path)
    assert done.code == 0
    assert "2 files in folders are of no kind that is read" in done.out


def test_zeek_json_that_was_thinned_out_is_known_by_its_fields(tmp_path: Path) -> None:
    ill = [line.split(",")[:3] for line in infected_lookups().splitlines()[4:]]
    rows: list[dict[str, Any]] = [{"ts": time_, "id.orig_h": client, "query": name} for time_, client, name in ill]
    for keys in ({}, {"id.orig_h": "id_orig_h"}):
        log = tmp_path / "dns.json"
        log.write_text("".join(json.dumps({keys.get(k, k): v for k, v in row.items()}) + "\n" for row in rows))
        said = assessed_json(log, folder=tmp_path, code=1)
        assert [(c["kind"], c["problems"]) for c in said["coverage"]] == [("zeek-dns", [])]
    log.write_text('{"ts":1.0,"uid":"CAcJw21BbVedgFnYH3","id.orig_h":"10.0.0.5","cipher":"x"}\n')
    done = wormward("assess", log)
    assert done.code == 2
    assert "nothing in it tells which log" in done.one_sentence()


def test_several_sites_are_told_apart_in_every_output(tmp_path: Path) -> None:
    one = lookups(tmp_path, infected_lookups(), "one.csv")
    two = lookups(tmp_path, infected_lookups("2009-02-03"), "two.csv")
    out, page = tmp_path / "o.json", tmp_path / "o.html"
    done = wormward("assess", one, two, "--separate", "--json", out, "--html", page)
    assert done.code == 1
    first = [line for line in done.out.splitlines() if line.startswith("Most likely the first")]
    assert first == [f"Most likely the first of {name}.csv: 10.0.0.77 (100%)." for name in ("one", "two")]
    assert "10.0.0.77 [one.csv]" in done.out
    said = json.loads(out.read_text())
    assert [p["site"] for p in said["graph"]["patient_zero"]] == ["one.csv", "two.csv"]
    assert {n["site"] for n in said["graph"]["nodes"]} == {f["site"] for f in said["findings"]} == {"one.csv", "two.csv"}
    summary = page.read_text(encoding="utf-8").partition('id="summary"')[2].partition("</section>")[0]
    assert [summary.count(f'<b translate="no">{name}.csv</b>') for name in ("one", "two")] == [1, 1]
    assert "about equal" not in summary


def test_the_whole_command_in_a_process_with_a_fifo_as_path_ends_soon(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    done = process("assess", tmp_path / "pipe", timeout=60)
    assert done.code == 2
    assert "pipe: is a pipe, no regular file" in done.one_sentence()


def test_standard_input_by_a_dash_says_that_it_is_not_read() -> None:
    done = wormward("assess", "-")
    assert done.code == 2
    assert "standard input is not read, write it into a file and give that" in done.one_sentence()
