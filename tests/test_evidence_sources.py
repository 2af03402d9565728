"""Each folder `sources/<source>/<case>` is a test: README (where it comes from), `input/`, and `expected.json`.

`expected.json` says of each file its kind, zone, rows and problems, and of each table all rows, a text each.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.evidence_help import Read, read_paths

SOURCES = Path(__file__).parent / "sources"
CASES = sorted(path.parent for path in SOURCES.glob("*/*/README.md"))


def plain(value: Any) -> Any:
    """A value as JSON has it."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return value.hex() if isinstance(value, bytes) else value


def told(read: Read) -> dict[str, Any]:
    """What reading gave, as `expected.json` says it; nulls are left out of rows."""
    files = {}
    for done in [*read.found.unreadable, *read.reads]:
        c = done.coverage
        files[c.source] = {
            "kind": c.kind, "zone": f"{c.time_zone}, {c.time_zone_known}", "from": plain(c.begin), "to": plain(c.end),
            "rows": dict(c.rows), "problems": [f"{p.place}: {p.what}" for p in c.problems], "notes": list(c.notes),
        }  # fmt: skip
    left_out = {"site", "file_no", "ordinal"}
    tables = {
        table: [{k: plain(v) for k, v in row.items() if v is not None and k not in left_out} for row in rows]
        for table, rows in read.tables.items()
    }
    return {"files": files, "tables": tables}


def text(case: dict[str, Any]) -> str:
    """`expected.json`: a row a line, so that a difference can be read."""
    files = ",\n".join(f"    {json.dumps(k)}: {json.dumps(v, ensure_ascii=False)}" for k, v in case["files"].items())
    tables = ",\n".join(
        f"    {json.dumps(name)}: [\n" + ",\n".join(f"      {json.dumps(r, ensure_ascii=False)}" for r in rows) + "\n    ]"
        for name, rows in case["tables"].items()
    )
    return '{\n  "files": {\n' + files + '\n  },\n  "tables": {\n' + tables + "\n  }\n}\n"


@pytest.mark.parametrize("case", CASES, ids=lambda p: f"{p.parent.name}/{p.name}")
def test_case(case: Path) -> None:
    assert told(read_paths(case / "input")) == json.loads((case / "expected.json").read_text(encoding="utf-8"))


def test_there_are_cases_of_every_source() -> None:
    assert {case.parent.name for case in CASES} >= {"argus", "bind", "csv", "eve", "nfdump", "silk", "zeek"} | {
        "isc-leases", "kea", "pfirewall", "shadowserver", "squid", "syslog", "w3c", "windows-dhcp", "windows-dns",
    }  # fmt: skip


if __name__ == "__main__":  # writes all expectations anew: look at the difference before keeping it
    for folder in CASES:
        (folder / "expected.json").write_text(text(told(read_paths(folder / "input"))), encoding="utf-8")
