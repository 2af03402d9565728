"""The command on real files: what it says, writes and answers, and what it does when files or disks are bad."""

from __future__ import annotations

import gzip
import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import jsonschema
import pytest

from tests.cli_help import LOOKUPS, assessed_json, infected_lookups, lookups, wormward
from tests.judge_help import assessed
from wormward.cli import exit_code, guarded
from wormward.packs import registry


def test_lookups_of_a_day_list_convict_and_the_rest_is_unknown(tmp_path: Path, repo: Path) -> None:
    said = assessed_json(lookups(tmp_path, infected_lookups()), folder=tmp_path, code=1)
    schema = json.loads((repo / "docs" / "assessment.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(schema).validate(said)
    hosts = {h["address"]: h for h in said["hosts"]}
    assert hosts["10.0.0.77"]["verdict"] == "infected"
    assert hosts["10.0.0.5"]["verdict"] == "unknown"
    cites = said["findings"][0]["cites"]
    assert all(c["line"] > 4 for c in cites)
    assert (tmp_path / "out.json").stat().st_mode & 0o777 == 0o600


def test_nothing_found_is_exit_0_with_a_table_and_a_warning(tmp_path: Path) -> None:
    done = wormward("assess", lookups(tmp_path))
    assert done.code == 0, done.err
    assert "traffic alone never shows that a host is clean" in done.out
    assert done.err == ""


def test_every_output_at_once(tmp_path: Path) -> None:
    log = lookups(tmp_path, infected_lookups())
    out = tmp_path / "out"
    out.mkdir()
    done = wormward("assess", log, "--json", out / "a.json", "--html", out / "a.html", "--workspace", out / "tables", "--quiet")
    assert (done.code, done.out, done.err) == (1, "", "")
    assert (out / "a.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert list((out / "tables").rglob("*.parquet"))


def test_the_same_bytes_again_and_in_any_order(tmp_path: Path) -> None:
    one = lookups(tmp_path, infected_lookups(), "one.csv")
    two = lookups(tmp_path, LOOKUPS.replace("10.0.0.5", "10.0.0.15"), "two.csv")
    texts = []
    for n, words in enumerate(([one, two], [two, one], [two, one, "--jobs", "1"])):
        out = tmp_path / f"{n}.json"
        assert wormward("assess", *words, "--json", out).code == 1
        texts.append(out.read_bytes())
    assert texts[0] == texts[1] == texts[2]


def test_the_same_file_twice_counts_once(tmp_path: Path) -> None:
    log = lookups(tmp_path, infected_lookups(), "a.csv")
    shutil.copy(log, tmp_path / "b.csv")
    with gzip.open(tmp_path / "c.csv.gz", "wb") as stream:
        stream.write(log.read_bytes())
    once = assessed_json(log, folder=tmp_path, code=1)
    thrice = assessed_json(log, tmp_path / "b.csv", tmp_path / "c.csv.gz", folder=tmp_path, code=1)
    assert [f["count"] for f in once["findings"]] == [f["count"] for f in thrice["findings"]]
    assert [c["duplicate_of"] for c in thrice["coverage"]] == [None, "a.csv", "a.csv"]


def test_no_evidence_is_exit_2_with_a_sentence(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "there is no such file" in wormward("assess", tmp_path / "nowhere.pcap").one_sentence()
    done = wormward("assess", empty)
    assert done.code == 2
    assert "holds no evidence" in done.one_sentence()
    nothing = tmp_path / "nothing.pcap"
    nothing.write_bytes(b"")
    assert wormward("assess", nothing).code == 2


def test_part_that_cannot_be_read_is_exit_3_and_the_rest_is_assessed(tmp_path: Path) -> None:
    log = lookups(tmp_path)
    noise = tmp_path / "noise.bin"
    noise.write_bytes(bytes(range(256)) * 40)
    done = wormward("assess", log, noise)
    assert done.code == 3
    assert "Could not be read:" in done.out
    assert "noise.bin" in done.out
    assert wormward("assess", tmp_path).code == 0, "in a folder, what is no evidence is passed over"
    whole = gzip.compress(b"".join(b"%d " % n for n in range(9)) + LOOKUPS.encode() + os.urandom(90_000))
    (tmp_path / "cut.csv.gz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "cut.pcap").write_bytes(b"\xd4\xc3\xb2\xa1\x02\x00")
    done = wormward("assess", tmp_path)
    assert done.code == 3
    assert "cut.pcap" in done.out


def test_found_wins_over_unread(tmp_path: Path) -> None:
    lookups(tmp_path, infected_lookups())
    (tmp_path / "cut.pcap").write_bytes(b"\xd4\xc3\xb2\xa1\x02\x00")
    assert wormward("assess", tmp_path).code == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file_is_a_row_in_coverage(tmp_path: Path) -> None:
    lookups(tmp_path)
    lookups(tmp_path, name="closed.csv").chmod(0)
    done = wormward("assess", tmp_path)
    assert done.code == 3
    assert "closed.csv" in done.out


def test_hostile_file_names_stay_text(tmp_path: Path) -> None:
    name = "[red]\x1b]0;x\x07<blink>\u202e.csv"
    lookups(tmp_path, infected_lookups(), name)
    done = wormward("assess", tmp_path, "--json", tmp_path.parent / "h.json", "--html", tmp_path.parent / "h.html")
    assert done.code == 1, done.err
    for text in (done.out, (tmp_path.parent / "h.json").read_text(), (tmp_path.parent / "h.html").read_text()):
        assert not set("\x1b\x07\u202e") & set(text)
    assert "<blink>" not in (tmp_path.parent / "h.html").read_text()


def test_reports_of_an_earlier_run_are_no_evidence(tmp_path: Path) -> None:
    lookups(tmp_path, infected_lookups())
    words = ("assess", tmp_path, "--json", tmp_path / "out.json", "--html", tmp_path / "out.html")
    assert wormward(*words).code == 1
    first = (tmp_path / "out.json").read_bytes()
    assert wormward(*words).code == 1
    assert (tmp_path / "out.json").read_bytes() == first
    assert wormward("assess", tmp_path).code == 1


def test_the_truth_beside_the_evidence_changes_nothing(tmp_path: Path) -> None:
    lookups(tmp_path)
    (tmp_path / "truth.json").write_text('{"infected": {"10.0.0.5": {"variant": "B"}}}')
    assert wormward("assess", tmp_path).code == 0


def test_since_and_until_cut_the_evidence(tmp_path: Path) -> None:
    log = lookups(tmp_path, infected_lookups("2009-02-05"))
    said = assessed_json(log, "--until", "2009-02-04", folder=tmp_path, code=0)
    assert "10.0.0.77" not in {h["address"] for h in said["hosts"]}
    said = assessed_json(log, "--since", "2009-02-04", folder=tmp_path, code=1)
    assert {h["address"] for h in said["hosts"]} == {"10.0.0.77"}
    done = wormward("assess", log, "--since", "2020-01-01")
    assert done.code == 2
    assert "--since" in done.one_sentence()


def test_tolerance_and_all_time(tmp_path: Path) -> None:
    text = infected_lookups("2009-02-12").replace("2009-02-12T", "2009-02-02T")
    log = lookups(tmp_path, text)
    assert assessed_json(log, folder=tmp_path)["scope"] == {
        "tolerance_days": 7, "all_time": False, "since": None, "until": None,
    }  # fmt: skip
    said = assessed_json(log, "--tolerance", "10", folder=tmp_path, code=1)
    assert next(h for h in said["hosts"] if h["verdict"] == "infected")["clock_offset_days"] == 10


def test_fail_on_adds_states_that_count_as_found(tmp_path: Path) -> None:
    told = assessed("08:00 10.0.0.5 logon.burst > 10.0.0.9")
    assert told.verdicts() == {"10.0.0.9": "attacked"}
    assert exit_code(told.assessment) == 0
    assert exit_code(told.assessment, ("leftovers", "exposed")) == 0
    assert exit_code(told.assessment, ("attacked",)) == 1
    assert wormward("assess", lookups(tmp_path), "--fail-on", "attacked", "--fail-on", "exposed").code == 0


def test_several_packs_give_each_host_its_worst_answer(tmp_path: Path) -> None:
    """The built-in pack and a copy of it under another name: nothing is lost, nothing counts twice."""
    log = lookups(tmp_path, infected_lookups())
    folder = Path(str(registry.folders()[0]))
    other = tmp_path / "other"
    shutil.copytree(folder, other, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    text = (other / "pack.toml").read_text(encoding="utf-8")
    (other / "pack.toml").write_text(text.replace('name = "conficker"', 'name = "another"', 1), encoding="utf-8")
    one = assessed_json(log, "--pack", folder, folder=tmp_path, code=1)
    two = assessed_json(log, "--pack", folder, "--pack", other, folder=tmp_path, code=1)
    assert two["pack"]["name"] == "conficker, another"
    assert [h["verdict"] for h in two["hosts"]] == [h["verdict"] for h in one["hosts"]]
    assert {h["threat"] for h in two["hosts"]} == {None, "conficker"}
    ids = [f["id"] for f in two["findings"]]
    assert len(ids) == len(set(ids)) == 2 * len(one["findings"])


def test_separate_files_are_separate_sites(tmp_path: Path) -> None:
    one = lookups(tmp_path, infected_lookups(), "one.csv")
    two = lookups(tmp_path, LOOKUPS, "two.csv")
    said = assessed_json(one, two, "--separate", folder=tmp_path, code=1)
    assert len({h["site"] for h in said["hosts"]}) == 2


def test_a_pipe_that_closes_early_is_no_error(tmp_path: Path) -> None:
    log = lookups(tmp_path, infected_lookups())
    command = f"'{sys.executable}' -m wormward.cli assess '{log}' | head -c 1"
    done = subprocess.run(["/bin/sh", "-c", command], check=True, capture_output=True, text=True)
    assert done.stderr == ""


def test_a_full_disk_is_a_sentence(tmp_path: Path) -> None:
    log = lookups(tmp_path, infected_lookups())
    done = wormward("assess", log, "--workspace", "/dev/full/x")
    assert done.code == 2
    done.one_sentence()


@pytest.mark.root
def test_a_disk_that_fills_leaves_nothing_half_written(tmp_path: Path) -> None:
    if os.geteuid():
        pytest.skip("only root can mount a small disk")
    disk = tmp_path / "disk"
    disk.mkdir()
    log = lookups(tmp_path, infected_lookups())
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", disk], check=False, capture_output=True)
    if mounted.returncode:
        pytest.skip("this machine lets nobody mount")
    try:
        for option in ("--json", "--html", "--workspace"):
            done = wormward("assess", log, option, disk / "out")
            assert done.code == 2, option
            done.one_sentence()
            left = [p for p in disk.rglob("*") if p.is_file() and p.stat().st_size]
            assert not left, option
            shutil.rmtree(disk / "out", ignore_errors=True)
    finally:
        subprocess.run(["umount", disk], check=True)


@pytest.mark.root
@pytest.mark.slow
def test_a_program_folder_that_is_read_only_is_no_hindrance(tmp_path: Path, repo: Path) -> None:
    """Compiled loops go to the user's cache; without one, to a folder that is gone after the run."""
    if os.geteuid():
        pytest.skip("only root can make a folder read-only for itself")
    log = lookups(tmp_path, infected_lookups())
    script = (
        f"mount --bind {repo}/src {repo}/src && mount -o remount,ro,bind {repo}/src || exit 77\n"
        f"exec {sys.executable} -m wormward.cli assess {log} --quiet\n"
    )
    for cache in (tmp_path / "cache", log / "no-folder"):
        (tmp_path / "tmp").mkdir(exist_ok=True)
        env = {**os.environ, "XDG_CACHE_HOME": str(cache), "TMPDIR": str(tmp_path / "tmp")}
        done = subprocess.run(["unshare", "-m", "sh", "-c", script], env=env, check=False, capture_output=True, text=True)
        if done.returncode == 77 or "unshare" in done.stderr:
            pytest.skip("this machine lets nobody mount")
        assert (done.returncode, done.stderr) == (1, "")
        assert not list((tmp_path / "tmp").iterdir())
    assert list((tmp_path / "cache" / "wormward" / "numba").iterdir())


def many_lookups(folder: Path) -> Path:
    """Enough lines that reading them takes a while."""
    path = folder / "long.csv"
    with path.open("w") as stream:
        stream.write("time,client,name\n")
        lines = "".join(
            f"2009-02-02T{n // 3600 % 24:02}:{n // 60 % 60:02}:{n % 60:02}Z,10.0.{n % 200}.{n % 250},h{n}.example.com\n"
            for n in range(1_000_000)
        )
        for _ in range(9):
            stream.write(lines)
    return path


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("delay", [0.0, 0.5, 1.5])
def test_an_interrupt_leaves_nothing_behind(tmp_path: Path, number: signal.Signals, delay: float) -> None:
    log = many_lookups(tmp_path)
    out = tmp_path / "out"
    out.mkdir()
    (out / "old.json").write_text('{\n  "schema": "wormward.assessment/1"\n}\n')
    words = ["assess", log, "--json", out / "old.json", "--html", out / "new.html", "--all-time"]
    with subprocess.Popen([sys.executable, "-m", "wormward.cli", *map(str, words)], stderr=subprocess.PIPE, text=True) as running:
        while running.poll() is None and "pyarrow" not in Path(f"/proc/{running.pid}/maps").read_text():
            time.sleep(0.02)  # before that, Python itself is starting
        time.sleep(delay)
        running.send_signal(number)
        _, err = running.communicate(timeout=60)
    assert running.returncode == 130
    assert "Traceback" not in err
    assert sorted(os.listdir(out)) == ["old.json"]
    assert "hosts" not in (out / "old.json").read_text()


def test_a_closed_or_broken_standard_output_does_not_change_the_answer(tmp_path: Path) -> None:
    log = lookups(tmp_path, infected_lookups())
    for end in (">&-", "| head -c 1 >/dev/null; exit ${PIPESTATUS[0]}"):
        out = tmp_path / "out.json"
        words = f"{sys.executable} -m wormward.cli assess {log} --json {out} {end}"
        done = subprocess.run(["bash", "-c", words], check=False, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (1, "")
        assert json.loads(out.read_text())["hosts"]
        out.unlink()


def test_a_dash_is_no_report(tmp_path: Path) -> None:
    log = lookups(tmp_path, infected_lookups())
    done = subprocess.run(
        [sys.executable, "-m", "wormward.cli", "assess", str(log), "--json", "-"],
        cwd=tmp_path, check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 2
    assert "name one" in done.stderr
    assert not (tmp_path / "-").exists()


def test_an_interrupt_that_a_library_puts_into_its_own_words_is_one() -> None:
    def run() -> int:
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt as error:
            raise RuntimeError("query was interrupted") from error
        return 0

    assert guarded(run) == 130


_INTERRUPTED_WITHIN = """
import signal, typer
from wormward import cli

@cli.app.command()
def again() -> None:
    text = "import signal; signal.raise_signal(signal.SIGTERM)"
    raise typer.Exit(cli.guarded(lambda: exec(text) or 0, None, cli.NO_REPORT))

cli.main()
"""


def test_an_interrupt_within_a_compiled_text_ends_with_our_code(tmp_path: Path) -> None:
    """As when a signal comes while a module makes its dataclasses: CPython would end by signal 2."""
    (tmp_path / "interrupted.py").write_text(_INTERRUPTED_WITHIN)
    words = [sys.executable, "-m", "interrupted", "again"]
    done = subprocess.run(words, cwd=tmp_path, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr == "wormward: interrupted; no report was written\n"


def test_progress_is_shown_on_a_terminal_only(tmp_path: Path) -> None:
    log = lookups(tmp_path, infected_lookups())
    leader, follower = pty.openpty()
    command = [sys.executable, "-m", "wormward.cli", "assess", str(log)]
    env = {**os.environ, "TERM": "xterm-256color"}
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=follower, env=env) as running:
        os.close(follower)
        seen = b""
        while chunk := _read(leader):
            seen += chunk
        assert running.wait(timeout=60) == 1
    os.close(leader)
    assert b"reading" in seen


def _read(leader: int) -> bytes:
    try:
        return os.read(leader, 4096)
    except OSError:  # what Linux says when the other end was closed
        return b""
