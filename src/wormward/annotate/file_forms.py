"""Which paths on shares have one of the pack's forms.

Zeek does not name the share of an SMB1 file: an unnamed share may be any, and only the path is judged.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from wormward.annotate.base import Annotator, Days, Tables, side_table
from wormward.model.pack import ThreatPack

VERSION = 1


def keys(tables: Tables, pack: ThreatPack) -> Any | None:
    """The distinct shares and paths; None if the pack has no file form."""
    if not pack.file_forms:
        return None
    return tables["smb_files"].select("share", "path").distinct()


def annotate(distinct: pa.Table, pack: ThreatPack, _days: Days) -> Mapping[str, pa.Table]:
    """Side table `file_forms`, ordered by share, path and form."""
    forms = [(f.id, frozenset(s.upper() for s in f.shares), re.compile(f.path).fullmatch) for f in pack.file_forms]
    rows = []
    for key in distinct.to_pylist():
        share, path = key["share"] or "", (key["path"] or "").lower()
        for form, shares, fits in forms:
            if (not shares or not share or share.upper() in shares) and fits(path):
                rows.append((key["share"], key["path"], form, path.rpartition("\\")[2]))
    rows.sort()
    names = ("share", "path", "form", "file_name")
    return {"file_forms": side_table("file_forms", {n: [row[i] for row in rows] for i, n in enumerate(names)})}


FILE_FORMS = Annotator("file_forms", VERSION, "smb_files", ("file_forms",), keys, annotate, dull_by=("share", "path"))
