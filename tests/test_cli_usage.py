"""The command line: help is quick, mistakes get one sentence, and long work does not begin on a wrong word."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.cli_help import lookups, process, wormward
from wormward import __version__
from wormward.command.assess import between
from wormward.model.errors import UsageError
from wormward.model.site import Site
from wormward.outfile import check_writable, write_whole


def test_help_is_quick_and_imports_nothing_heavy() -> None:
    begin = time.monotonic()
    done = process("assess", "--help")
    assert time.monotonic() - begin < 3, "under a second is promised; this bound only catches a heavy import"
    assert done.code == 0
    for option in ("--json", "--html", "--workspace", "--since", "--until", "--dc", "--site", "--separate", "--all-time",
                   "--tolerance", "--tz", "--pack", "--fail-on", "--jobs", "--quiet"):  # fmt: skip
        assert option in done.out


def test_help_imports_none_of_the_engines(tmp_path: Path) -> None:
    probe = tmp_path / "probe.py"
    probe.write_text(
        "import sys\nfrom wormward.cli import app\n"
        "heavy = {'numba', 'numpy', 'pyarrow', 'duckdb', 'ibis', 'pandas', 'jinja2', 'babel', 'pydantic', 'rich'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, probe], check=True)


def test_a_small_run_loads_nothing_that_it_does_not_use(tmp_path: Path) -> None:
    probe = tmp_path / "probe.py"
    probe.write_text(
        "import sys\nfrom pathlib import Path\nfrom wormward.command.assess import Request, run\n"
        f"run(Request((Path({str(lookups(tmp_path))!r}),), quiet=True))\n"
        "unused = {'pandas', 'jinja2', 'babel', 'rich.table', 'pyspark'}\n"
        "assert not unused & {name for name, module in sys.modules.items() if module}, sorted(unused & set(sys.modules))\n"
        "import pandas, pyarrow as pa\n"
        "assert list(pa.array([1, 2]).to_pandas()) == [1, 2]\n"  # who wants pandas still gets it
    )
    subprocess.run([sys.executable, probe], check=True)


def test_the_version() -> None:
    assert process("--version").out.strip() == f"wormward {__version__}"


def test_without_a_path_it_explains_itself() -> None:
    for words in ((), ("assess",), ("assess", "--quiet")):
        done = wormward(*words)
        assert done.code == 2
        assert "Usage" in done.out + done.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--since", "yesterday"), "--since 'yesterday' is no ISO 8601 time"),
        (("--since", "2009-02-03", "--until", "2009-02-02"), "--since is not before --until"),
        (("--dc", "10.0.0.256"), "'10.0.0.256' is no IP address"),
        (("--tz", "Mars/Olympus"), "'Mars/Olympus' is no time zone"),
        (("--tz", "../../etc/passwd"), "is no time zone"),
        (("--site", "nowhere.toml"), "nowhere.toml: cannot be read"),
        (("--json", "no/such/folder/out.json"), "is no folder"),
        (("--html", "."), "is a folder"),
        (("--pack", "nowhere"), "nowhere"),
    ],
)
def test_a_wrong_word_gets_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    done = wormward("assess", lookups(Path()), *words)
    assert done.code == 2
    assert said in done.one_sentence()


def test_a_wrong_option_is_a_usage_error(tmp_path: Path) -> None:
    assert wormward("assess", lookups(tmp_path), "--fail-on", "rain").code == 2
    assert wormward("assess", lookups(tmp_path), "--tolerance", "-1").code == 2
    assert wormward("burn").code == 2


def test_times_are_read_in_the_zone_that_was_named() -> None:
    tokyo = Site(time_zone="Asia/Tokyo")
    assert between("2009-02-01", "2009-02-01", Site()) == (datetime(2009, 2, 1, tzinfo=UTC), datetime(2009, 2, 2, tzinfo=UTC))
    assert between("2009-02-01T09:00", None, tokyo)[0] == datetime(2009, 2, 1, tzinfo=UTC)
    assert between("2009-02-01T09:00Z", None, tokyo)[0] == datetime(2009, 2, 1, 9, tzinfo=UTC)
    with pytest.raises(UsageError):
        between("9999-12-31", "9999-12-31", Site())


def test_a_file_is_written_whole_and_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    write_whole(path, "one\n")
    write_whole(path, "two ホスト\n")
    assert path.read_text(encoding="utf-8") == "two ホスト\n"
    assert path.stat().st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path) == ["out.json"]


def test_what_cannot_be_encoded_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    write_whole(path, "one\n")
    with pytest.raises(UnicodeEncodeError):
        write_whole(path, "\ud800")
    assert path.read_text() == "one\n"
    assert os.listdir(tmp_path) == ["out.json"]


def test_evidence_is_never_overwritten(tmp_path: Path) -> None:
    evidence = lookups(tmp_path)
    with pytest.raises(UsageError, match="not overwritten"):
        check_writable(evidence, [tmp_path])
    with pytest.raises(UsageError, match="not overwritten"):
        check_writable(evidence, [evidence])
    check_writable(tmp_path / "new.json", [tmp_path])
    ours = tmp_path / "ours.json"
    write_whole(ours, '{\n  "schema": "wormward.assessment/1"\n}\n')
    check_writable(ours, [tmp_path])
    assert sorted(os.listdir(tmp_path)) == ["ours.json", "queries.csv"]


def test_an_interrupt_that_a_library_swallowed_still_ends_the_run() -> None:
    """Compiled code that calls Python back, and destructors, print an exception and go on."""
    code = (
        "import os, signal, sys\nfrom wormward.command.ending import check, guarded\n"
        "class Swallows:\n    def __del__(self):\n        os.kill(os.getpid(), signal.SIGTERM)\n        for _ in range(9): pass\n"
        "def run():\n    Swallows()\n    check()\n    return 0\nsys.exit(guarded(run))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert "Exception ignored" in done.stderr
    assert done.returncode == 130
