"""Systems other than Linux: everything imports and the example is assessed without what only POSIX has."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tree import PACKAGE, REPO

# What Windows' Python lacks. `os.name` stays: libraries load other files by it, which are not on this disk.
POOR = """
import os, sys
import babel, duckdb, ibis, jinja2, numba, numpy, pyarrow.parquet, pydantic, rich, sqlite3, subprocess, typer  # these know theirs
for name in ("fcntl", "resource", "pwd", "grp", "termios", "tty", "pty", "syslog"):
    sys.modules[name] = None
for name in (
    "sched_getaffinity", "O_NOFOLLOW", "O_DIRECTORY", "O_NONBLOCK", "O_CLOEXEC", "mkfifo", "mknod", "fork", "geteuid", "getuid",
    "getgid", "statvfs", "sysconf", "pread", "pwrite", "posix_fadvise", "fchmod", "fchown", "chown", "killpg", "setsid",
):
    if hasattr(os, name):
        delattr(os, name)
import signal
for name in ("SIGHUP", "SIGPIPE", "SIGALRM", "SIGUSR1", "alarm", "setitimer", "pthread_sigmask"):
    if hasattr(signal, name):
        delattr(signal, name)
"""
IMPORT = (
    POOR
    + """
import importlib, pkgutil, wormward
for module in pkgutil.walk_packages(wormward.__path__, "wormward."):
    if not module.name.startswith("wormward.engine.spark"):
        importlib.import_module(module.name)
print("all")
"""
)
ASSESS = (
    POOR
    + """
from wormward.cli import main
main()
"""
)
BYTE_LOCK = (
    POOR
    + """
import types
locked = []
sys.modules["msvcrt"] = types.SimpleNamespace(LK_NBLCK=2, locking=lambda handle, how, count: locked.append((how, count)))
import tempfile
from pathlib import Path
from wormward.store import layout
with tempfile.TemporaryDirectory() as folder:
    layout.lock(Path(folder)).close()
assert locked == [(2, 1)], locked
print("held")
"""
)


def run(code: str, *words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *words], check=False, capture_output=True, text=True, timeout=300, cwd=REPO
    )


def test_every_module_imports_without_posix() -> None:
    done = run(IMPORT)
    assert (done.returncode, done.stdout.strip()) == (0, "all"), done.stderr


def test_a_workspace_is_held_by_windows_own_lock() -> None:
    done = run(BYTE_LOCK)
    assert (done.returncode, done.stdout.strip()) == (0, "held"), done.stderr


@pytest.mark.slow
def test_the_example_is_assessed_without_posix(tmp_path: Path) -> None:
    example = REPO / "examples" / "outbreak"
    done = run(ASSESS, "assess", example, "--json", tmp_path / "poor.json", "--workspace", tmp_path / "workspace")
    assert done.returncode == 1, done.stderr
    said = json.loads((tmp_path / "poor.json").read_text())
    truth = json.loads((example / "truth.json").read_text())
    assert {h["address"] for h in said["hosts"] if h["verdict"] == "infected"} == set(truth["infected"])


def test_only_one_module_knows_systems_apart() -> None:
    own = ("import fcntl", "import msvcrt", "sched_getaffinity", "import resource", "os.uname", "geteuid", "O_NOFOLLOW")
    found = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if any(word in path.read_text(encoding="utf-8") for word in own)
    }
    assert found <= {"machine.py"}
