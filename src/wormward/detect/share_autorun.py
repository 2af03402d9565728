"""Files that make a share (or a stick) infectious: every form that the pack binds to no particular share."""

from __future__ import annotations

from typing import Any

from wormward.detect.base import EVENT, Detector, Draft, Row, Scope, Tables, grouped, merged, windows, witnessed
from wormward.model.findings import Kind
from wormward.model.pack import ThreatPack
from wormward.model.text import N_

WINDOW_S = 3600
"""All files of the set are written within this time."""
_SHARE = (*EVENT, "share")
SENTENCE = N_(
    "{actor} wrote {forms} {forms|kind|kinds} of files that spread the worm to share {share} of {target}, {path} among them"
)
UNNAMED = N_("{actor} wrote {forms} {forms|kind|kinds} of files that spread the worm to a share of {target}, {path} among them")


def find(tables: Tables, pack: ThreatPack, _scope: Scope) -> Any | None:
    """One row per source, target and share on which all forms were written within an hour."""
    forms = sorted(f.id for f in pack.file_forms if not f.shares)
    if not forms:
        return None
    files = tables["smb_files"]
    annotated = tables["file_forms"]
    written = files.filter(files.action.isin(["create", "write"]))
    written = written.join(annotated.filter(annotated.form.isin(forms)), ["share", "path"])
    per_window = windows(written, WINDOW_S, (*_SHARE, "form"))
    sets = per_window.group_by(*_SHARE, "window").agg(forms=per_window.form.nunique())
    complete = sets.filter(sets.forms >= len(forms)).select(*_SHARE).distinct()
    return witnessed(
        written.semi_join(complete, list(_SHARE)), _SHARE, forms=lambda t: t.form.nunique(), path=lambda t: t.path.min()
    )


def refine(rows: list[Row], pack: ThreatPack, _scope: Scope) -> list[Draft]:
    """One draft per source and target: one source names the share, another that saw the same does not."""
    return [_draft(key, group, pack) for key, group in grouped(rows, EVENT)]


def _draft(key: tuple[str, str, str], group: list[Row], pack: ThreatPack) -> Draft:
    shares = sorted({row["share"] for row in group} - {""})
    return Draft(
        actor=key[1],
        target=key[2],
        site=key[0],
        table="smb_files",
        witness=merged(group),
        sentence=SENTENCE if shares else UNNAMED,
        fields={
            "actor": key[1],
            "target": key[2],
            "share": ", ".join(shares),
            "path": min(row["path"] for row in group),
            "forms": max(row["forms"] for row in group),
        },
        variants=pack.spreading.variants_share,
    )


DETECTOR = Detector(
    rule="share.autorun",
    kind=Kind.SHARE_WRITE,
    title="The files that spread through shares and sticks",
    tables=("smb_files", "file_forms"),
    references=("Microsoft KB967715 and KB971029: what AutoRun does with such files",),
    limitations=(
        "Copying an infected stick's content to a share on purpose looks the same.",
        "A source that shows only that files were opened (Zeek by default) cannot tell writing from reading and says nothing.",
    ),
    find=find,
    refine=refine,
)
