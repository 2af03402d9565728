"""`make offline`: what it builds installs and runs where there is no network at all."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.need import need_program
from tests.tree import REPO

CUT_OFF = ("unshare", "--net")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder, as `make offline` builds it."""
    made = tmp_path_factory.mktemp("offline") / "folder"
    done = subprocess.run(
        [sys.executable, REPO / "scripts" / "offline.py", made], check=False, capture_output=True, text=True, timeout=600
    )
    if done.returncode and "No matching distribution" in done.stderr and not os.environ.get("CI"):
        pytest.skip("the package source does not have all wheels of the lock")
    assert done.returncode == 0, done.stderr
    return made


@pytest.mark.slow
def test_every_file_has_its_sum(folder: Path) -> None:
    sums = dict(reversed(line.split("  ", 1)) for line in (folder / "SHA256SUMS").read_text().splitlines())
    files = {str(p.relative_to(folder)): p for p in folder.rglob("*") if p.is_file() and p.name != "SHA256SUMS"}
    assert set(sums) == set(files)
    for name, path in files.items():
        assert hashlib.sha256(path.read_bytes()).hexdigest() == sums[name]
    assert sum(name.startswith("wheels/") for name in files) > 20
    assert {"install.sh", "README.md", "LICENSE", "requirements/runtime.txt", "examples/outbreak/outbreak.pcap"} <= set(files)


@pytest.mark.slow
def test_it_is_the_same_each_time(folder: Path, tmp_path: Path) -> None:
    subprocess.run([sys.executable, REPO / "scripts" / "offline.py", tmp_path / "again"], check=True, timeout=600)
    assert (tmp_path / "again" / "SHA256SUMS").read_bytes() == (folder / "SHA256SUMS").read_bytes()


@pytest.mark.slow
@pytest.mark.root
def test_it_installs_and_runs_in_a_namespace_without_routes(folder: Path, tmp_path: Path) -> None:
    need_program("unshare")
    if os.geteuid() != 0:
        pytest.skip("a network namespace needs root")
    plain = {
        "PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull, "LC_ALL": "C.UTF-8",
        "PYTHON": f"{sys.base_prefix}/bin/python3",
    }  # fmt: skip

    def cut_off(*words: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*CUT_OFF, *words], check=False, capture_output=True, text=True, timeout=600, cwd=tmp_path, env=plain
        )

    assert cut_off("cat", "/proc/net/route").stdout.count("\n") <= 1  # its heading at most
    installed = cut_off("sh", folder / "install.sh", tmp_path / "venv")
    assert installed.returncode == 0, installed.stderr
    program, kept = tmp_path / "venv" / "bin" / "wormward", tmp_path / "workspace"
    said = cut_off(program, "assess", folder / "examples" / "outbreak", "--workspace", kept)
    assert said.returncode == 1, said.stderr
    assert "10 infected" in said.stdout
    # Here are the packages of the runtime lock and no others: what looks into a workspace must not need more.
    for words, told in ((("why", "10.20.1.2"), "2026-03-02T08:38:14"), (("sql", "SELECT min(time) FROM flows"), "2026-03-02T08")):
        said = cut_off(program, *words, "--workspace", kept)
        assert (said.returncode, said.stderr) == (0, "")
        assert told in said.stdout


@pytest.mark.slow
def test_a_damaged_folder_is_not_installed(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    subprocess.run(["cp", "-r", folder, copy], check=True)
    with (copy / "README.md").open("a") as file:
        file.write("more\n")
    env = {**os.environ, "PYTHON": sys.executable}
    done = subprocess.run(["sh", copy / "install.sh", tmp_path / "venv"], check=False, capture_output=True, text=True, env=env)
    assert done.returncode != 0
    assert "README.md" in done.stdout + done.stderr
    assert not (tmp_path / "venv").exists()
