"""Documentation is checked against the code: README, generated pages, links, commands."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tree import REPO, files, name

PAGES = [p for p in files() if p.suffix == ".md"]
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(?:#[^)]*)?\)")


def fenced(text: str) -> list[str]:
    """The contents of a page's fenced blocks."""
    return [block.strip() for block in re.findall(r"^```[a-z]*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)]


def readme() -> str:
    """The front page."""
    return (REPO / "README.md").read_text(encoding="utf-8")


def targets() -> set[str]:
    """The targets of the Makefile that a person calls."""
    text = (REPO / "Makefile").read_text(encoding="utf-8")
    phony = re.search(r"^\.PHONY: (.*)$", text, re.MULTILINE)
    assert phony
    return set(phony[1].split())


def test_the_readme_begins_with_the_two_commands() -> None:
    assert fenced(readme())[:2] == ["make demo", "make test"]


def test_an_exit_of_1_is_explained_beside_the_first_command() -> None:
    after = readme().partition("make demo\n```")[2]
    assert "exit" in after.split("```")[0].lower()


@pytest.mark.slow
def test_generated_pages_are_up_to_date() -> None:
    done = subprocess.run([sys.executable, "docs/generate.py", "--check"], cwd=REPO, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    local = [link for link in LINK.findall(text) if "://" not in link and not link.startswith("mailto:")]
    assert not [link for link in local if not (page.parent / link).exists()]


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_make_targets_exist(page: Path) -> None:
    named = set(re.findall(r"`make ([a-z]+)[` ]", page.read_text(encoding="utf-8")))
    assert named <= targets()


@pytest.mark.parametrize("page", ["README.md", "docs/ARCHITECTURE.md", "docs/limitations.md", "CONTRIBUTING.md"])
def test_named_files_exist(page: str) -> None:
    """A path in backquotes that begins with one of our folders is one of ours."""
    named = re.findall(
        r"`((?:src|docs|tests|lab|bench|examples|scripts|requirements)/[\w./-]+)`", (REPO / page).read_text("utf-8")
    )
    assert not [path for path in named if not (REPO / path).exists()]


def test_the_options_that_the_readme_names_exist() -> None:
    commands = (REPO / "docs" / "commands.md").read_text(encoding="utf-8")
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", readme()))
    assert named
    assert not [option for option in sorted(named) if option not in commands]


def test_the_changelog_speaks_of_this_version() -> None:
    import wormward

    assert f"## {wormward.__version__}" in (REPO / "CHANGELOG.md").read_text(encoding="utf-8")
