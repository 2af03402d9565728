"""The layers that only compute do no I/O and never ask for the present; all errors stand on one page."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator

from tests.tree import PACKAGE, PURE, modules, name
from wormward.model import errors

FORBIDDEN_MODULES = {
    "os",
    "time",
    "random",
    "secrets",
    "socket",
    "asyncio",
    "subprocess",
    "threading",
    "multiprocessing",
    "shutil",
}
FORBIDDEN_METHODS = {"now", "utcnow", "today"}
FORBIDDEN_BUILTINS = {"open", "input", "print", "eval", "exec", "__import__"}


def imported(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Every imported top-level module with its line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name.partition(".")[0]) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.lineno, node.module.partition(".")[0]


def called(tree: ast.Module) -> Iterator[tuple[int, str, bool]]:
    """Every call: its line, the last part of what is called, and whether that is an attribute."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Attribute):
                yield node.lineno, node.func.attr, True
            elif isinstance(node.func, ast.Name):
                yield node.lineno, node.func.id, False


def test_pure_layers_import_nothing_that_acts() -> None:
    found = []
    for layer in PURE:
        for path, tree in modules(PACKAGE / layer):
            found += [f"{name(path)}:{line}: {module}" for line, module in imported(tree) if module in FORBIDDEN_MODULES]
    assert not found


def test_pure_layers_ask_for_nothing() -> None:
    found = []
    for layer in PURE:
        for path, tree in modules(PACKAGE / layer):
            for line, what, attribute in called(tree):
                if what in (FORBIDDEN_METHODS if attribute else FORBIDDEN_BUILTINS):
                    found.append(f"{name(path)}:{line}: {what}()")
    assert not found


def test_the_checks_see_what_they_forbid() -> None:
    tree = ast.parse("import os.path\nfrom time import time\nfrom datetime import datetime\ndatetime.now()\nopen('x')")
    assert [module for _, module in imported(tree)] == ["os", "time", "datetime"]
    assert [(what, attribute) for _, what, attribute in called(tree)] == [("now", True), ("open", False)]


def test_every_error_stands_on_the_page_with_a_sentence() -> None:
    classes = [c for _, c in inspect.getmembers(errors, inspect.isclass) if issubclass(c, Exception)]
    assert len(classes) > 5
    assert errors.__doc__ is not None
    for error in classes:
        assert error.__doc__, error
        assert error.__doc__.rstrip().endswith("."), error
        assert f"{error.__name__} " in errors.__doc__ or f"{error.__name__}\n" in errors.__doc__, f"{error} is not in the tree"


def test_no_other_module_makes_errors_that_leave_it() -> None:
    """A private one (its name begins with `_`) may stand where it is caught."""
    found = []
    for path, tree in modules(PACKAGE):
        if path == PACKAGE / "model" / "errors.py":
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                bases = [b.id if isinstance(b, ast.Name) else b.attr if isinstance(b, ast.Attribute) else "" for b in node.bases]
                found += [f"{name(path)}:{node.lineno}: {node.name}" for b in bases if b.endswith(("Error", "Exception"))]
    assert not found
