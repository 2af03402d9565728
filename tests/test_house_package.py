"""What is installed: reasons and hashes of dependencies, and a wheel that has its data and nothing beside it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from tests.tree import PACKAGE, REPO

PROJECT = tomllib.loads((REPO / "pyproject.toml").read_text(encoding="utf-8"))
LOCKS = sorted((REPO / "requirements").glob("*.txt"))
PIN = re.compile(r"^([a-z0-9][a-z0-9.-]*)==([^ ]+) \\$")


def declared(extra: str | None = None) -> list[str]:
    """The requirements of the project, or of one of its extras."""
    project = PROJECT["project"]
    return list(project["optional-dependencies"][extra] if extra else project["dependencies"])


def pins(lock: Path) -> dict[str, str]:
    """Package to version of a lock."""
    found = (PIN.match(line) for line in lock.read_text(encoding="utf-8").splitlines())
    return {match[1]: match[2] for match in found if match}


def plain(requirement: str) -> str:
    """The package's name in its normal form."""
    return re.split(r"[\[<>=!~; ]", requirement)[0].lower().replace("_", "-")


def test_each_dependency_has_its_reason() -> None:
    lines = (REPO / "pyproject.toml").read_text(encoding="utf-8").splitlines()
    for requirement in [*declared(), *(r for extra in PROJECT["project"]["optional-dependencies"] for r in declared(extra))]:
        line = next(line for line in lines if f'"{requirement}"' in line)
        assert "#" in line, f"{requirement} has no reason"
        assert len(line.partition("#")[2].strip()) > 10, f"{requirement}: its reason says nothing"


@pytest.mark.parametrize("lock", LOCKS, ids=lambda p: p.name)
def test_locks_are_pinned_by_hash_and_name_no_index(lock: Path) -> None:
    text = lock.read_text(encoding="utf-8")
    assert text.startswith("# Made by `make lock`")
    assert "://" not in text
    assert "--index-url" not in text
    assert "--find-links" not in text
    for line in text.splitlines():
        assert not line or line.startswith(("#", "    #", "    --hash=sha256:")) or PIN.match(line), line
    for block in re.split(r"\n(?=[a-z0-9])", text)[1:]:
        assert "--hash=sha256:" in block, block.splitlines()[0]


def test_locks_hold_what_is_declared_in_one_version() -> None:
    runtime, dev = (pins(REPO / "requirements" / f"{name}.txt") for name in ("runtime", "dev"))
    assert {plain(r) for r in declared()} <= set(runtime)
    assert {plain(r) for r in [*declared(), *declared("dev")]} <= set(dev)
    assert "setuptools" in runtime, "the install of this checkout asks no index, so the lock brings its build tool"
    assert {name: dev[name] for name in runtime} == runtime


def test_the_declared_version_is_the_programs() -> None:
    import wormward

    assert PROJECT["project"]["version"] == wormward.__version__


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy, so that nothing is left in the checkout."""
    copy = tmp_path_factory.mktemp("checkout")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(REPO / name, copy)
    for name in ("src", "lab", "bench", "tests"):
        shutil.copytree(REPO / name, copy / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info", "*.nbi", "*.nbc"))
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", "dist", "."]
    subprocess.run(command, cwd=copy, check=True, capture_output=True, text=True)
    (built,) = (copy / "dist").glob("*.whl")
    return built


@pytest.mark.slow
def test_the_wheel_holds_the_package_and_nothing_beside_it(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {n.partition("/")[0] for n in names} == {"wormward", f"wormward-{PROJECT['project']['version']}.dist-info"}
    wanted = {
        f"wormward/{path.relative_to(PACKAGE).as_posix()}"
        for path in PACKAGE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.suffix not in (".nbi", ".nbc", ".pyc")
    }
    assert wanted <= names, f"not in the wheel: {sorted(wanted - names)}"
    assert any(n.endswith("licenses/LICENSE") for n in names)


@pytest.mark.slow
def test_the_wheel_runs_by_itself(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path)
    script = (
        "import wormward, pathlib, wormward.packs as packs\n"
        "assert pathlib.Path(wormward.__file__).is_relative_to(pathlib.Path.cwd()), wormward.__file__\n"
        "assert packs.builtin_packs()\n"
        "from wormward.report.i18n import load\n"
        "assert load('ja', packs.builtin_packs())('Hosts') == '\u30db\u30b9\u30c8'\n"
        "from wormward.cli import main\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=tmp_path, env=environment, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_licence_is_whole() -> None:
    text = (REPO / "LICENSE").read_text(encoding="utf-8")
    assert text.lstrip().startswith("GNU AFFERO GENERAL PUBLIC LICENSE")
    assert [f"  {n}. " in text for n in range(18)] == [True] * 18
    assert text.rstrip().endswith("<https://www.gnu.org/licenses/>.")
