"""What the house tests look at: the files of this checkout, and Python modules as syntax trees."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

REPO = Path(__file__).resolve().parent.parent
PACKAGE = REPO / "src" / "wormward"
# The layers that only compute: their modules do no I/O and never ask for the present.
PURE = ("model", "wire", "annotate", "detect", "judge", "threats")


@cache
def files() -> tuple[Path, ...]:
    """Every file that is, or would be, under version control (what .gitignore names is left out)."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=REPO, check=True, capture_output=True).stdout.decode().split("\0")
    return tuple(path for name in sorted(set(names)) if name and (path := REPO / name).is_file())


def text_of(path: Path) -> str | None:
    """A file's text, or None if it is not text."""
    data = path.read_bytes()
    if b"\0" in data:
        return None
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return None


def modules(folder: Path) -> Iterator[tuple[Path, ast.Module]]:
    """Every Python module under a folder, with its syntax tree."""
    for path in sorted(folder.rglob("*.py")):
        yield path, ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def name(path: Path) -> str:
    """A path as a failure message shows it: from the checkout's root."""
    return path.relative_to(REPO).as_posix()
