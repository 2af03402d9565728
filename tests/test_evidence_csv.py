"""DNS query CSV: columns by name, times, answers, encodings, damage."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.evidence_help import problems, read_bytes
from wormward.evidence import blocks, dns_csv
from wormward.evidence.values import Decoder
from wormward.model.site import Site


def test_columns_are_found_by_name(tmp_path: Path) -> None:
    text = (
        'note;Answer;CLIENT; name ;"time"\nx;192.0.2.1;10.1.2.3;Www.Example.com.;2026-11-23T08:49:33.5Z\n'
        "y;NXDomain;2001:DB8::1;b.example;2026-11-23 09:49:33+01:00\nz;;10.1.2.4;c.example;2026-11-23T08:49:33\n"
    )
    read = read_bytes(tmp_path, text.encode(), "list.txt", Site(time_zone="Asia/Tokyo"))
    assert problems(read.reads) == []
    rows = read.tables["dns_queries"]
    assert [r["client"] for r in rows] == ["10.1.2.3", "2001:db8::1", "10.1.2.4"]
    assert [r["name"] for r in rows] == ["www.example.com", "b.example", "c.example"]
    assert [(r["rcode"], r["answers"]) for r in rows] == [("NOERROR", ["192.0.2.1"]), ("NXDOMAIN", []), (None, None)]
    assert [r["time"].astimezone(UTC).hour for r in rows] == [8, 8, 23]
    assert [r["place"] for r in rows] == [2, 3, 4]
    assert {(r["server"], r["qtype"], r["additional"]) for r in rows} == {(None, None, None)}
    assert (read.coverage.kind, read.coverage.time_zone, read.coverage.time_zone_known) == ("dns-csv", "Asia/Tokyo", "site")


def test_more_columns_are_used_where_they_are_there(tmp_path: Path) -> None:
    line = "2026-11-23T08:49:33Z,10.0.0.1,a.b,"
    text = f"time,client,name,qtype,server,rcode\n{line}aaaa,10.0.0.53,servfail\n{line}-,,\n"
    rows = read_bytes(tmp_path, text.encode()).tables["dns_queries"]
    assert [(r["qtype"], r["server"], r["rcode"]) for r in rows] == [("AAAA", "10.0.0.53", "SERVFAIL"), (None, None, None)]


@pytest.mark.parametrize(
    ("answer", "rcode", "answers"),
    [
        ("192.0.2.1 192.0.2.2", "NOERROR", ["192.0.2.1", "192.0.2.2"]),
        ('"192.0.2.1, 2001:DB8::1"', "NOERROR", ["192.0.2.1", "2001:db8::1"]),
        ("192.0.2.1|cname.Example.", "NOERROR", ["192.0.2.1", "cname.example"]),
        ("SERVFAIL", "SERVFAIL", []),
        ("NOERROR", "NOERROR", []),
        ("-", None, None),
    ],
)
def test_answers(tmp_path: Path, answer: str, rcode: str | None, answers: list[str] | None) -> None:
    (row,) = read_bytes(tmp_path, f"time,client,name,answer\n2026-11-23T08:49:33Z,10.0.0.1,a.b,{answer}\n".encode()).tables[
        "dns_queries"
    ]
    assert (row["rcode"], row["answers"]) == (rcode, answers)


def test_what_shows_no_answers_says_so(tmp_path: Path) -> None:
    line = b"2026-11-23T08:49:33Z,10.0.0.1,a.b"
    without = read_bytes(tmp_path, b"time,client,name\n" + line).coverage.blind
    with_answers = read_bytes(tmp_path, b"time,client,name,answer\n" + line + b",").coverage.blind
    assert set(without) - set(with_answers)


def test_bad_lines_are_counted_and_named(tmp_path: Path) -> None:
    lines = [
        "time,client,name", "2026-11-23T08:49:33Z,10.0.0.1,a.b", "yesterday,10.0.0.1,a.b", "2026-11-23T08:49:33Z,printer,a.b",
        "2026-11-23T08:49:33Z,10.0.0.1", "", "2026-11-23T08:49:33Z,10.0.0.1,", "2026-11-23T08:49:34Z,10.0.0.1,a.c",
    ]  # fmt: skip
    read = read_bytes(tmp_path, "\n".join(lines).encode())
    assert read.column("dns_queries", "place") == [2, 8]
    assert problems(read.reads) == ["evidence.log, line 3: 4 lines could not be read (line 3, 4, 5, …)"]


@pytest.mark.parametrize(("encoding", "noted"), [("utf-8", False), ("utf-8-sig", False), ("utf-16", False), ("cp932", True)])
def test_japanese_text_is_read_in_every_encoding(tmp_path: Path, encoding: str, noted: bool) -> None:
    text = "time,client,name\r\n2026-11-23T08:49:33Z,10.0.0.1,総務部.Example\r\n"
    read = read_bytes(tmp_path, text.encode(encoding))
    assert read.column("dns_queries", "name") == ["総務部.example"]
    assert bool(read.coverage.notes) == noted


def test_bytes_of_no_encoding_are_escaped() -> None:
    decoder = Decoder()
    assert decoder.name(b"A\xff\xfe\x00.example.").startswith("a\\")
    assert decoder.cp932 is False


@pytest.mark.parametrize(
    "line", [b"time,client", b"zeit,client,name", b"", b"time,client,name,name", b"time,client,time,name", b"\xff\xfe"]
)
def test_other_first_lines_are_not_taken(line: bytes) -> None:
    assert not dns_csv.recognise(line + b"\n1,2,3\n", "x.csv")


_text = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0", exclude_categories=["Cs"]), min_size=1, max_size=8)
_row = st.tuples(
    st.datetimes(datetime(1971, 1, 1), datetime(2100, 1, 1)),
    st.ip_addresses(),
    _text,
    st.sampled_from(["", "192.0.2.1", "NXDOMAIN"]),
)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(_row, max_size=20),
    separator=st.sampled_from(",;\t"),
    size=st.sampled_from([300, 1 << 20]),
    batch=st.sampled_from([1, 7, 1000]),
)
def test_what_pythons_csv_wrote_is_read_back(tmp_path: Path, rows: list, separator: str, size: int, batch: int) -> None:
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=separator)
    writer.writerow(["time", "client", "name", "answer"])
    writer.writerows([when.isoformat() + "Z", who, what, answer] for when, who, what, answer in rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "BLOCK", size)
        patch.setattr(dns_csv, "_ROWS", batch)
        read = read_bytes(tmp_path, out.getvalue().encode())
    usable = [(number, row) for number, row in enumerate(rows, start=2) if row[2].strip(" ")]
    assert read.column("dns_queries", "place") == [number for number, _ in usable]
    assert read.column("dns_queries", "time") == [row[0].replace(tzinfo=UTC) for _, row in usable]
    decoder = Decoder()
    assert read.column("dns_queries", "name") == [decoder.name(row[2].strip(" ").encode()) for _, row in usable]
