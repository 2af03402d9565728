"""The shape: layers as import-linter sees them, packages that say what they are, files one can read in one go."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

from tests.tree import PACKAGE, REPO, files, modules, name

MEGABYTE = 1_000_000
# A file longer than this needs a reason here.
MOST_LINES = 400
LONGER: dict[str, str] = {
    "src/wormward/evidence/kernels.py": "the compiled loops over the bytes of logs, small ones beside each other",
    "src/wormward/wire/flows.py": "the flow table: its arrays and the compiled loops over them",
    "src/wormward/wire/frames.py": "one compiled loop from a frame's bytes to a row",
    "src/wormward/wire/http.py": "one protocol, one state machine",
    "src/wormward/wire/reassembly.py": "ordering, gaps and who decodes share one state, and its rules stand above it",
    "src/wormward/wire/streams.py": "one compiled loop and the lists that it fills",
}


def test_layers() -> None:
    program = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([program, "--no-cache"], cwd=REPO, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_only_packs_imports_threats_and_lab_stays_outside() -> None:
    """What import-linter cannot see, since lab and bench are no part of the package."""
    allowed = ("wormward.wire", "wormward.model", "wormward.threats")
    found = []
    for path, tree in modules(REPO / "lab"):
        for node in ast.walk(tree):
            module = node.module if isinstance(node, ast.ImportFrom) else None
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else [module] if module else []
            found += [f"{name(path)}: {n}" for n in names if n.startswith("wormward.") and not n.startswith(allowed)]
    assert not found


def test_every_package_says_what_it_is() -> None:
    for path, tree in modules(PACKAGE):
        text = ast.get_docstring(tree)
        assert text, f"{name(path)} has no docstring"
        assert len(text) > 10, f"{name(path)} says nothing: {text!r}"


def test_no_file_is_too_long_to_read() -> None:
    found = {}
    for path in files():
        if path.suffix == ".py" and path.is_relative_to(PACKAGE):
            lines = len(path.read_text(encoding="utf-8").splitlines())
            if lines > MOST_LINES and name(path) not in LONGER:
                found[name(path)] = lines
    assert not found


def test_the_repository_stays_small() -> None:
    sizes = {name(path): path.stat().st_size for path in files()}
    assert sum(sizes.values()) < 20 * MEGABYTE, sorted(sizes.items(), key=lambda item: -item[1])[:10]
