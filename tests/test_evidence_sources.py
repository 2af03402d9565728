"""Each folder `sources/<source>/<case>` is a test: README (where it comes from), `input/`, and `expected.json`.

`expected.json` says of each file its kind, zone, rows and problems, and of each table all rows, a text each.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.evidence_help import Read, problems, read_bytes, read_paths
from tests.sources_make import CAPTURES

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


TEXTS = sorted(path for path in SOURCES.glob("*/*/input/*") if path.suffix != ".pcap" and path.stat().st_size)
FORMS = ("utf-8-sig", "utf-16", "crlf")


def as_text(path: Path) -> str:
    """The text of a case's file."""
    raw = path.read_bytes()
    if raw[:2] == b"\xff\xfe":
        return raw.decode("utf-16")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("cp932")


@pytest.mark.parametrize("path", TEXTS, ids=lambda p: "/".join(p.relative_to(SOURCES).parts))
def test_the_same_text_in_another_form_is_the_same_evidence(tmp_path: Path, path: Path) -> None:
    lines = as_text(path).replace("\r\n", "\n")
    plain = read_bytes(tmp_path, lines.encode())
    for form in FORMS:
        raw = lines.replace("\n", "\r\n").encode() if form == "crlf" else lines.encode(form)
        other = read_bytes(tmp_path, raw)
        assert other.tables == plain.tables, form
        assert problems(other.reads) == problems(plain.reads), form


STRANGE = "x-Frob\u202enitz"


def _more(path: str, separator: str, head: Callable[[str], bool]) -> bytes:
    """A case's file with one column more, of a name that nobody gave."""
    out = []
    for line in as_text(SOURCES / path).replace("\r\n", "\n").split("\n"):
        end = line.removesuffix("|")
        more = STRANGE if head(line) else "7"
        out.append(f"{end}{separator}{more}" if line.strip() and (head(line) or line[:1] != "#") else line)
    return ("\n".join(out) + "\n").encode()


@pytest.mark.parametrize(
    ("path", "separator", "head"),
    [
        ("argus/argus3/input/flows.binetflow", ",", "StartTime"),
        ("nfdump/csv17/input/flows.csv", ",", "ts,"),
        ("nfdump/csv-newer/input/flows.csv", ",", "firstSeen"),
        ("silk/rwcut/input/flows.txt", "|", "            sIP"),
        ("kea/states/input/kea-leases4.csv", ",", "address"),
        ("shadowserver/http/input/event4_sinkhole_http.csv", ",", "timestamp"),
        ("csv/cp932/input/lookups.csv", ",", "time"),
        ("pfirewall/every-action/input/pfirewall.log", " ", "#Fields"),
    ],
)
def test_a_column_that_is_not_known_is_said(tmp_path: Path, path: str, separator: str, head: str) -> None:
    plain = read_bytes(tmp_path, as_text(SOURCES / path).encode())
    read = read_bytes(tmp_path, _more(path, separator, lambda line: line.removeprefix('"').startswith(head)))
    assert "It has 1 column not known here, passed over: x-frob\\u202enitz." in read.coverage.notes
    assert {name: len(rows) for name, rows in read.tables.items()} == {name: len(rows) for name, rows in plain.tables.items()}
    assert not any("column" in note for note in plain.coverage.notes)


@pytest.mark.parametrize(
    ("path", "old", "new", "known"),
    [
        ("w3c/iis/input/u_ex261123.log", "#Version: 1.0", "#Version: 9.9", "1.0"),
        ("pfirewall/every-action/input/pfirewall.log", "#Version: 1.5", "#Version: 9.9", "1.5"),
        ("eve/suricata7/input/eve.json", '"version":2', '"version":9.9', "3"),
    ],
)
def test_a_version_that_is_not_known_is_said(tmp_path: Path, path: str, old: str, new: str, known: str) -> None:
    lines = as_text(SOURCES / path)
    assert old in lines
    plain, read = read_bytes(tmp_path, lines.encode()), read_bytes(tmp_path, lines.replace(old, new).encode())
    assert read.coverage.notes == (
        *plain.coverage.notes,
        f"It says to be of version 9.9, which is not known here; it was read as if it were {known}.",
    )
    assert read.tables.keys() == plain.tables.keys()


@pytest.mark.parametrize("name", CAPTURES)
def test_a_capture_is_what_its_maker_makes(name: str) -> None:
    assert (SOURCES / name).read_bytes() == CAPTURES[name]()


def test_there_are_cases_of_every_source() -> None:
    assert {case.parent.name for case in CASES} >= {"argus", "bind", "capture", "csv", "eve", "nfdump", "silk", "zeek"} | {
        "isc-leases", "kea", "pfirewall", "shadowserver", "squid", "syslog", "w3c", "windows-dhcp", "windows-dns",
    }  # fmt: skip


if __name__ == "__main__":  # writes all expectations anew: look at the difference before keeping it
    for folder in CASES:
        (folder / "expected.json").write_text(text(told(read_paths(folder / "input"))), encoding="utf-8")
