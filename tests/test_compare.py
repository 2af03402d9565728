"""`--compare`: what is new, gone or changed since an earlier assessment, in every form."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.cli_help import LOOKUPS, infected_lookups, lookups, wormward
from wormward.model.differences import Difference, Subject
from wormward.report.compare import SENTENCES, compare

Pairs = list[tuple[str, str, str]]


def changes(said: dict[str, Any]) -> Pairs:
    return [(c["difference"], c["subject"], c.get("address") or c.get("source") or "") for c in said["compared"]["changes"]]


def assess(*words: str | Path, folder: Path) -> dict[str, Any]:
    done = wormward("assess", *words, "--json", folder / "o.json")
    assert done.code in (0, 1), done.err
    said: dict[str, Any] = json.loads((folder / "o.json").read_text())
    return {**said, "out": done.out}


@pytest.fixture
def days(tmp_path: Path) -> tuple[Path, Path]:
    """Two days: on the second a host of the first turns out to be infected, and another one appears."""
    one = lookups(tmp_path, LOOKUPS, "one.csv")
    two = lookups(tmp_path, infected_lookups(client="10.0.0.5").replace("10.0.0.6", "10.0.0.8"), "two.csv")
    return one, two


def test_since_the_last_run_of_a_workspace(days: tuple[Path, Path], tmp_path: Path, repo: Path) -> None:
    one, two = days
    first = assess(one, "--workspace", tmp_path / "w", "--compare", "last", folder=tmp_path)
    assert first["compared"] is None
    assert "There is no earlier run of this workspace to compare with." in first["notes"]
    second = assess(two, "--workspace", tmp_path / "w", "--compare", "last", "--html", tmp_path / "r.html", folder=tmp_path)
    assert changes(second) == [
        ("changed", "state", "10.0.0.5"), ("changed", "variant", "10.0.0.5"), ("new", "host", "10.0.0.8"),
        ("new", "coverage", "two.csv"),
    ]  # fmt: skip
    (state,) = [c for c in second["compared"]["changes"] if c["subject"] == "state"]
    assert (state["before"], state["after"]) == ("unknown", "infected")
    assert "Since the assessment of evidence until 2009-02-02 09:30:00 UTC:" in second["out"]
    assert "  10.0.0.5 is infected, it was unknown\n" in second["out"]
    html = (tmp_path / "r.html").read_text()
    assert "What changed" in html
    assert "10.0.0.5 is infected, it was unknown" in html
    schema = json.loads((repo / "docs" / "assessment.schema.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(second)
    listed = schema["properties"]["compared"]["properties"]["changes"]["items"]["properties"]
    assert listed["difference"]["enum"] == [d.value for d in Difference]
    assert listed["subject"]["enum"] == [s.value for s in Subject]
    # The same run once more: nothing is new. And against the first, by its number: all of it again.
    again = assess("--workspace", tmp_path / "w", "--compare", "last", folder=tmp_path)
    assert again["compared"]["changes"] == []
    assert "nothing is new, gone or changed" in again["out"]
    numbered = assess("--workspace", tmp_path / "w", "--compare", "1", folder=tmp_path)
    assert numbered["compared"] == second["compared"]


def test_with_a_report_and_with_another_workspace(days: tuple[Path, Path], tmp_path: Path) -> None:
    one, two = days
    wormward("assess", two, "--json", tmp_path / "two.json", "--workspace", tmp_path / "w2", "--quiet")
    said = assess(one, "--compare", tmp_path / "two.json", folder=tmp_path)
    assert ("gone", "host", "10.0.0.8") in changes(said)
    assert ("gone", "coverage", "two.csv") in changes(said)
    assert assess(one, "--compare", tmp_path / "w2", folder=tmp_path)["compared"] == said["compared"]


def test_edges_settings_and_coverage(repo: Path, tmp_path: Path) -> None:
    example = repo / "examples" / "outbreak"
    wormward("assess", example / "dns", "--json", tmp_path / "dns.json", "--quiet")
    said = assess(example, "--tolerance", "8", "--compare", tmp_path / "dns.json", folder=tmp_path)
    edges = [c for c in said["compared"]["changes"] if c["subject"] == "edge" and c["difference"] == "new"]
    assert len(edges) == len(said["graph"]["edges"]) > 5
    assert all(c["address"] and c["other"] and c["after"] for c in edges)
    assert ("changed", "settings", "tolerance_days") in changes(said)
    assert "… and " in said["out"]


def test_a_shareable_copy_shares_no_address(days: tuple[Path, Path], tmp_path: Path) -> None:
    one, two = days
    key = tmp_path / "key"
    assert wormward("keygen", key).code == 0
    wormward("assess", one, "--workspace", tmp_path / "w", "--quiet")
    out = tmp_path / "out"
    out.mkdir()
    done = wormward(
        "assess", two, "--workspace", tmp_path / "w", "--compare", "last", "--pseudonymous", key, "--json", out / "s.json"
    )
    assert done.code == 1, done.err
    text = (out / "s.json").read_text()
    assert json.loads(text)["compared"]["changes"]
    assert not any(secret in text + done.out for secret in ("10.0.0.5", "10.0.0.8", "two.csv"))
    # What the workspace keeps is what was found, not the copy.
    assert "10.0.0.5" in wormward("why", "10.0.0.5", "--workspace", tmp_path / "w").out


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["--compare", "last"], "name that with --workspace"),
        (["--compare", "7"], "name that with --workspace"),
        (["--compare", "7", "--workspace", "w"], "keeps no run 7"),
        (["--compare", "absent.json"], "cannot be read"),
        (["--compare", "one.csv"], "is no report in JSON"),
        (["--compare", "."], "holds no workspace"),
        (["--compare", "bad.json"], "no report of the form that is compared"),
    ],
)
def test_what_cannot_be_compared_is_a_sentence(
    days: tuple[Path, Path], words: list[str], what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    wormward("assess", days[0], "--workspace", "w", "--quiet")
    Path("bad.json").write_text('{"schema": "wormward.assessment/1", "as_of": null, "hosts": [{}]}')
    done = wormward("assess", days[0], *words)
    assert done.code == 2
    assert what in done.one_sentence()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["hosts", "graph", "edges", "coverage", "as_of", "pack", "digest", "site", "address", "variant"]),
            inner,
        )
    ),
    max_leaves=20,
)


@settings(deadline=None, max_examples=60)
@given(JSON)
def test_a_report_of_any_form_is_compared_or_refused(other: Any) -> None:
    whole = {"as_of": None, "pack": {"digest": "x"}, "hosts": [], "graph": {"edges": []}, "coverage": []}
    for report in (other, {**whole, **other} if isinstance(other, dict) else whole):
        try:
            compare(report, whole)
        except (KeyError, TypeError, ValueError, AttributeError):
            continue


def test_every_sort_of_change_has_its_sentence() -> None:
    made = {(Subject.HOST, d) for d in (Difference.NEW, Difference.GONE)}
    made |= {(s, d) for s in (Subject.EDGE, Subject.COVERAGE) for d in Difference}
    made |= {(s, Difference.CHANGED) for s in (Subject.STATE, Subject.VARIANT, Subject.SETTINGS)}
    assert set(SENTENCES) == made
