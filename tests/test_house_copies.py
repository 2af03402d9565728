"""What a shareable copy says of each field and each place of a sentence was decided on, not forgotten."""

from __future__ import annotations

import ast
import dataclasses
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

from wormward.model.differences import Change, Comparison
from wormward.model.findings import Cite, Finding
from wormward.model.states import Assessment, Coverage, Edge, Host, PassedOver, Past, PatientZero, Problem, Reason, Remark
from wormward.report import pseudonyms

DECIDED: dict[type, str] = {
    Assessment: "pack as_of site tolerance_days all_time hosts findings edges patient_zero coverage notes since until "
    "passed_over remarks tlp listed compared pseudonymous",
    Host: "address addresses device site verdict unknown_because exposure protection threat variant detail names confidence "
    "first_seen last_seen infected_by reasons history would_decide clock_offset_days roles way "
    "known_by inventory",
    Finding: "rule kind actor target site time time_last count sentence fields rows cites table variants vulnerability milli key "
    "id",
    Coverage: "source sha256 kind unit begin end time_zone time_zone_known rows problems blind duplicate_of group notes "
    "clock_error_s clock_shift_s",
    Edge: "start end time way likelihood findings",
    PatientZero: "address site likelihood first_seen",
    PassedOver: "why count names",
    Past: "variant first_seen last_seen",
    Problem: "what place remedy",
    Reason: "rule sentence fields findings milli",
    Remark: "sentence fields",
    Cite: "sha256 unit place",
    Comparison: "as_of changes hosts_before",
    Change: "difference subject site address other source before after",
}


def test_every_field_was_decided_on() -> None:
    """Who adds a field to one of these decides here, and in `report/pseudonyms.py`, what a shareable copy says of it."""
    for kind, fields in DECIDED.items():
        assert [f.name for f in dataclasses.fields(kind)] == fields.split(), kind


def test_every_place_of_a_sentence_was_decided_on(repo: Path) -> None:
    """A text that fills a place is a token unless it is named in one of the two lists; the tokens are these."""
    tokens = {
        "command",
        "device",
        "examples",
        "mark",
        "name",
        "path",
        "pipe",
        "reporter",
        "sensor",
        "share",
        "signature",
        "source",
        "uri",
    }
    used = {place for text in sentences(repo) for place in re.findall(r"\{([a-z_]\w*)[}|]", text)}
    texts = used - NUMBERS
    assert texts <= pseudonyms.KEPT_FIELDS | pseudonyms.ADDRESS_FIELDS | tokens


NUMBERS = {
    "asked", "by_address", "by_week", "contacts", "count", "days", "days_apart", "exchangers", "failed", "failures", "forms",
    "hours", "minutes", "most", "names", "number", "offset", "offset_days", "opnum", "others", "packets", "peers", "requests",
    "servers", "sites", "step",
    "infected", "observed", "total", "unlisted", "unseen", "targets", "tried", "users", "waves", "week_offset",
}  # fmt: skip
"""Places that numbers fill."""


def sentences(repo: Path) -> Iterator[str]:
    """Every text of the layers that make findings, reasons and remarks, and of the packs; f-strings and docstrings aside."""
    for folder in ("detect", "judge"):
        for path in sorted((repo / "src" / "wormward" / folder).glob("*.py")):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            aside = {id(v) for n in ast.walk(tree) if isinstance(n, ast.JoinedStr) for v in n.values}
            aside |= {id(n.value) for n in ast.walk(tree) if isinstance(n, ast.Expr)}
            constants = [n for n in ast.walk(tree) if isinstance(n, ast.Constant) and id(n) not in aside]
            yield from (n.value for n in constants if isinstance(n.value, str))
    for path in (repo / "src" / "wormward" / "threats").rglob("*.toml"):
        yield from strings(tomllib.loads(path.read_text(encoding="utf-8")))


def strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from strings(key)
            yield from strings(inner)
    elif isinstance(value, list | tuple | frozenset):
        for inner in value:
            yield from strings(inner)
    elif dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            yield from strings(getattr(value, field.name))
