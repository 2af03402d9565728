"""A test may skip for want of a program on a developer's machine, never in CI; and every such program is installed."""

from __future__ import annotations

import re

import pytest

from tests.need import PACKAGES, need_program
from tests.tree import REPO, files, text_of

pytest_plugins = ["pytester"]
ABSENT = "a-program-that-nobody-has"


def test_a_skip_says_which_package_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match=rf"{ABSENT} is not installed: apt-get install"):
        need_program(ABSENT)


def test_in_ci_it_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="nothing may be lacking"):
        need_program(ABSENT)


def test_what_the_package_source_lacks_is_skipped_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    monkeypatch.setenv("WORMWARD_WITHOUT", f"x {ABSENT}")
    with pytest.raises(pytest.skip.Exception, match="not to be had"):
        need_program(ABSENT)


def test_what_is_there_is_found() -> None:
    assert need_program("sh").endswith("/sh")


@pytest.mark.parametrize(("ci", "outcome"), [("true", {"failed": 1, "errors": 1, "skipped": 1}), ("", {"skipped": 3})])
def test_any_such_skip_fails_in_ci(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, ci: str, outcome: dict[str, int]
) -> None:
    monkeypatch.setenv("CI", ci)
    monkeypatch.setenv("PYTHONPATH", str(REPO))
    pytester.makeconftest("pytest_plugins = ['tests.house_skips']")
    pytester.makepyfile("""
        import pytest
        @pytest.fixture
        def peer(): pytest.skip("x is not installed: apt-get install x")
        def test_body(): pytest.skip("x is not installed: apt-get install x")
        def test_fixture(peer): pass
        def test_other(): pytest.skip("needs root")
    """)
    pytester.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(**outcome)


def installed(list_name: str) -> set[str]:
    """The packages of one list of `scripts/system.sh`."""
    text = (REPO / "scripts" / "system.sh").read_text(encoding="utf-8")
    found = re.search(rf"^{list_name}=\((.*?)\)", text, re.MULTILINE | re.DOTALL)
    assert found
    return set(found[1].split())


def test_every_package_that_a_test_needs_is_installed() -> None:
    assert set(PACKAGES.values()) - {"suricata"} <= installed("TEST")
    named: set[str] = set()
    own = [p for p in files() if p.suffix == ".py" and p.is_relative_to(REPO / "tests")]
    for path in own:
        named |= set(re.findall(r'need_program\("([a-z0-9-]+)"\)', text_of(path) or ""))
    assert named - {"sh"} <= set(PACKAGES), f"without a package: {sorted(named - set(PACKAGES))}"
