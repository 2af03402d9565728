"""BIND query logs: every form that BIND writes, a running BIND, and damage."""

from __future__ import annotations

import re
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.evidence_help import problems, read_bytes
from tests.need import need_program
from wormward.evidence import bind_querylog, blocks
from wormward.evidence.files import EvidenceFile
from wormward.evidence.values import address, bind_name
from wormward.model.reading import ReadContext
from wormward.model.site import Site
from wormward.model.text import printable
from wormward.store import SourceRow, Workspace

QUERY = "client @0x7f7a8c0ad5d8 10.1.2.3#50044 (Www.Example.COM): query: Www.Example.COM IN A +E(0)K (10.0.0.53)"
STAMP = "23-Nov-2026 08:49:33.123"


def rows_of(folder: Path, text: str, site: Site | None = None) -> list[dict]:
    """The lookups in a log that can be read without trouble."""
    read = read_bytes(folder, text.encode(), site=site)
    assert problems(read.reads) == []
    return read.tables["dns_queries"]


@pytest.mark.parametrize(
    "prefix",
    [
        f"{STAMP} ", f"{STAMP} queries: ", f"{STAMP} info: ", f"{STAMP} queries: info: ",
        "2026-11-23T08:49:33.123 queries: info: ",
        "2026-11-23T08:49:33.123Z ", "2026-11-23T09:49:33.123+01:00 queries: info: ",
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    "query",
    [
        QUERY,
        QUERY.replace("@0x7f7a8c0ad5d8 ", ""),
        QUERY.replace(" (Www.Example.COM)", ""),
        QUERY.replace("): query", "): view internal: query"),
        QUERY.replace("#50044", "#50044/key tsig.example"),
        QUERY + " [ECS 10.1.0.0/16/0]",
        QUERY.replace("+E(0)K", "-SETDC"),
    ],
)
def test_every_form_says_the_same(tmp_path: Path, prefix: str, query: str) -> None:
    (row,) = rows_of(tmp_path, f"{prefix}{query}\n")
    assert row["time"] == datetime(2026, 11, 23, 8, 49, 33, 123000, UTC)
    assert (row["client"], row["server"], row["name"], row["qtype"]) == ("10.1.2.3", "10.0.0.53", "www.example.com", "A")
    assert (row["rcode"], row["answers"], row["additional"], row["place"]) == (None, None, None, 1)


def test_old_logs_have_no_server(tmp_path: Path) -> None:
    (row,) = rows_of(tmp_path, f"{STAMP} client 10.1.2.3#1035: query: 3.example.com.nl IN A +\n")
    assert (row["server"], row["name"]) == (None, "3.example.com.nl")


@pytest.mark.parametrize(
    ("printed", "name"),
    [
        (r"we\032ird\(x\;.te\.st", r"we ird(x;.te\x2est"),
        (r"b\195\188cher.example", r"b\xc3\xbccher.example"),
        (r"a\\b.example", r"a\\b.example"),
        (".", "."),
        ("a:query:b.example", "a:query:b.example"),
        (r"tab\009.example", r"tab\x09.example"),
    ],
)
def test_names_are_unescaped_then_escaped_as_captures_do(tmp_path: Path, printed: str, name: str) -> None:
    (row,) = rows_of(tmp_path, f"{STAMP} {QUERY.replace('Www.Example.COM', printed)}\n")
    assert row["name"] == name


def test_addresses_are_in_their_usual_form(tmp_path: Path) -> None:
    text = "".join(
        f"{STAMP} {QUERY.replace('10.1.2.3', a)}\n" for a in ("2001:DB8:0:0::1", "::ffff:10.9.8.7", "fe80::1%eth0", "10.1.2.3")
    )
    assert [r["client"] for r in rows_of(tmp_path, text)] == ["2001:db8::1", "10.9.8.7", "fe80::1", "10.1.2.3"]


def test_times_without_zone_are_the_sites(tmp_path: Path) -> None:
    text = f"25-Oct-2026 01:30:00.000 {QUERY}\n25-Oct-2026 02:30:00.000 {QUERY}\n25-Oct-2026 03:30:00.000 {QUERY}\n"
    read = read_bytes(tmp_path, text.encode(), site=Site(time_zone="Europe/Berlin"))
    assert [t.hour for t in read.column("dns_queries", "time")] == [23, 0, 2]  # the hour that comes twice: its first
    assert (read.coverage.time_zone, read.coverage.time_zone_known) == ("Europe/Berlin", "site")


@pytest.mark.parametrize(("stamp", "known"), [(STAMP, "assumed"), ("2026-11-23T08:49:33.123Z", "stamped")])
def test_coverage_says_how_the_zone_is_known(tmp_path: Path, stamp: str, known: str) -> None:
    coverage = read_bytes(tmp_path, f"{stamp} {QUERY}\n".encode()).coverage
    assert (coverage.time_zone, coverage.time_zone_known, coverage.unit) == ("UTC", known, "line")
    assert coverage.begin == coverage.end == datetime(2026, 11, 23, 8, 49, 33, 123000, UTC)
    assert coverage.blind


def test_other_messages_are_passed_over_and_damage_is_named(tmp_path: Path) -> None:
    lines = [
        f"{STAMP} general: info: shutting down",
        f"{STAMP} {QUERY}",
        f"{STAMP} query-errors: info: client @0x1 10.1.2.3#5 (x): query failed (REFUSED) for x/IN/A at query.c:5708",
        "garbage \x00\x01",
        "",
        f"{STAMP} {QUERY.replace('10.1.2.3', 'pc.example')}",
        f"{STAMP} {QUERY}\r",
        f"{STAMP} {QUERY[:-40]}",
    ]
    read = read_bytes(tmp_path, "\n".join(lines).encode())
    assert read.column("dns_queries", "place") == [2, 7]
    assert problems(read.reads) == ["evidence.log, line 4: 3 lines could not be read (line 4, 6, 8)"]


def test_lines_without_a_time_are_named_with_the_remedy(tmp_path: Path) -> None:
    read = read_bytes(tmp_path, f"{QUERY}\nNov 23 08:49:33 ns named[7]: {QUERY}\n".encode())
    assert read.tables.get("dns_queries") is None
    (problem,) = read.coverage.problems
    assert problem.what == "2 lines could not be read (line 1, 2)"
    assert "print-time" in problem.remedy


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-8-sig"])
def test_other_encodings(tmp_path: Path, encoding: str) -> None:
    text = f"{STAMP} {QUERY}\r\n" * 3
    data = text.encode(encoding) if encoding != "utf-16-be" else b"\xfe\xff" + text.encode(encoding)
    assert read_bytes(tmp_path, data).column("dns_queries", "place") == [1, 2, 3]


def read_as(path: Path, fast: bool) -> tuple[list[dict], object]:
    """Rows and coverage of a log that the fast or the general path read."""
    with Workspace() as store:
        read = bind_querylog.read(EvidenceFile(path, path.name, 0, "site", 0), ReadContext(store), fast)
        store.finish([SourceRow(0, read.coverage.sha256, "x", "x", "line")])
        rows = store.parts("dns_queries").memory
        return [] if rows is None else rows.to_pylist(), read.coverage


ORACLE = re.compile(
    rb"^(?>(?:(?:(?!: ).)*: ){0,3}?client )(?>(?:@[^ ]* )?)([^# ]+)#.*?: query: "
    rb"([^ ]+) [^ ]+ ([^ ]+)(?: [^ ]*(?: \(([^)]*)\).*)?)?"
)


def oracle(line: bytes) -> tuple[str, str, str, str | None] | None:
    """Client, name, type and server of a line with the stamp in front, by a regular expression."""
    if not line.startswith(STAMP.encode() + b" "):
        return None
    found = ORACLE.match(line[len(STAMP) + 1 :].rstrip(b" \r"))
    return found and tuple(part.decode("latin-1") if part is not None else None for part in found.groups())


ADDRESSES = ("10.1.2.3", "10.1.2.4", "::1", "10.0.0.53")
_piece = st.sampled_from(
    [
        "queries: ", "info: ", "client ", "@0x7f ", "@0x", "10.1.2.3", "::1", "#53", "#", " (a.b)", " ()", ": ", ": query: ",
        "query: ", "a.b", "A.B", "x\\032y", " IN ", " A", " +E", " (10.0.0.53)", " (", ")", "/key k", ": view v", " ", "\r",
        "[ECS 1/2]", "-",
    ]
)  # fmt: skip
_line = st.one_of(
    st.lists(_piece, max_size=16).map("".join),
    st.tuples(
        st.just("queries: info: client @0x7f 10.1.2.3#5 (a.b): query: a.b IN A + (10.0.0.53)"), st.integers(0, 90), _piece
    ).map(lambda t: t[0][: t[1]] + t[2] + t[0][t[1] + len(t[2]) :]),
    st.just("queries: info: client @0x7f 10.1.2.4#5 (C.d): query: C.d IN AAAA + (10.0.0.53)"),
)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=st.lists(_line, min_size=1, max_size=12), end=st.sampled_from(["", "\n"]))
def test_fast_and_general_paths_agree_with_a_regular_expression(tmp_path: Path, lines: list[str], end: str) -> None:
    path = tmp_path / "q.log"
    path.write_bytes(("\n".join(f"{STAMP} {line}" for line in lines) + end).encode())
    rows, coverage = read_as(path, fast=True)
    assert (rows, coverage) == read_as(path, fast=False)
    by_line = {row["place"]: row for row in rows}
    for number, line in enumerate(lines, start=1):
        found = oracle(f"{STAMP} {line}".encode())
        row = by_line.get(number)
        if row is not None:
            assert found is not None, line
            assert (row["client"], row["qtype"]) == (found[0], printable(found[2]))
            assert row["server"] == (found[3] and address(found[3].encode()))
            assert row["name"] == bind_name(found[1].encode())
        elif found is not None:
            assert found[0] not in ADDRESSES, line


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(size=st.integers(150, 3000), rows=st.integers(1, 9), count=st.integers(1, 60))
def test_block_size_changes_nothing(tmp_path: Path, size: int, rows: int, count: int) -> None:
    path = tmp_path / "q.log"
    text = "".join(
        f"23-Nov-2026 08:{i:02d}:33.123 {QUERY.replace('Www', f'n{i % 7}')}\n" + "\n" * (i % 3 == 0) for i in range(count)
    )
    path.write_text(text)
    whole = read_as(path, fast=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "BLOCK", size)
        patch.setattr(bind_querylog, "_ROWS", rows)
        assert read_as(path, fast=True) == whole
    assert len(whole[0]) == count


def test_a_line_longer_than_a_block_costs_only_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "BLOCK", 1000)
    path = tmp_path / "q.log"
    path.write_text(f"{STAMP} {QUERY}\n{'x' * 5000}\n{STAMP} {QUERY}\n{'y' * 2500}")
    rows, coverage = read_as(path, fast=True)
    assert [row["place"] for row in rows] == [1, 3]
    assert "line 2, 4" in coverage.problems[0].what


@pytest.mark.parametrize("bound", [0, 3000])
def test_vocabularies_are_replaced_when_they_grow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bound: int) -> None:
    path = tmp_path / "q.log"
    odd = ["x" * 255, "we\\032ird", "b\\195\\188cher", "a.", "."]
    names = [f"{'N' * (i % 250)}{i}.Example" for i in range(400)] + odd * 20
    path.write_text("".join(f"{STAMP} {QUERY.replace('Www.Example.COM', name)}\n" for name in names * 2))
    whole = read_as(path, fast=True)
    monkeypatch.setattr(blocks, "BLOCK", 2000)
    monkeypatch.setattr(bind_querylog, "MOST", bound)
    assert read_as(path, fast=True) == whole
    assert [row["name"] for row in whole[0]] == [bind_name(name.lower().encode()) for name in names * 2]


@pytest.mark.parametrize("count", [300, 70_000])
def test_every_ending_may_differ(tmp_path: Path, count: int) -> None:
    path = tmp_path / "q.log"
    tails = [f"IN TYPE{i} +E({i % 9})K (10.{i % 7}.0.{i % 250}){' ' * (i % 3)}" for i in range(count)]
    path.write_text("".join(f"{STAMP} {QUERY.partition(' IN ')[0]} {tail}\n" for tail in tails))
    rows, coverage = read_as(path, fast=True)
    assert (rows, coverage) == read_as(path, fast=False)
    assert [(row["qtype"], row["server"]) for row in rows] == [
        (t.split()[1], t[t.rindex("(") + 1 : t.rindex(")")]) for t in tails
    ]


NAMED = """
options {{ directory "{folder}"; pid-file none; session-keyfile none; listen-on port {port} {{ 127.0.0.1; }};
  listen-on-v6 {{ none; }}; recursion no; querylog yes; }};
controls {{ }};
logging {{ channel q {{ file "{folder}/q.log"; print-time {form}; print-category {words}; print-severity {words}; }};
  category default {{ q; }}; category queries {{ q; }}; }};
"""


@pytest.mark.slow
@pytest.mark.parametrize(("form", "words"), [("local", "yes"), ("iso8601-utc", "no")])
def test_a_running_bind(tmp_path: Path, form: str, words: str) -> None:
    named, dig = need_program("named"), need_program("dig")
    port = 35353
    (tmp_path / "named.conf").write_text(NAMED.format(folder=tmp_path, port=port, form=form, words=words))
    server = subprocess.Popen([named, "-4", "-f", "-c", str(tmp_path / "named.conf")], stderr=subprocess.PIPE, env={"TZ": "UTC"})
    asked = [
        ("Example.COM", "A"),
        ("_ldap._tcp.dc._msdcs.example.com", "SRV"),
        ("odd\\032name.example", "AAAA"),
        ("x.test", "TYPE65333"),
    ]
    try:
        started = datetime.now(UTC)
        answered = False
        for _ in range(50):
            ready = subprocess.run(
                [dig, "+tries=1", "+time=1", "-p", str(port), "@127.0.0.1", "ready.test"], capture_output=True, check=False
            )
            answered = ready.returncode == 0
            if answered:
                break
            time.sleep(0.1)
        if not answered:
            pytest.skip(f"named did not start here: {server.stderr.read(300) if server.poll() is not None else b'no answer'!r}")
        for name, kind in asked:
            subprocess.run(
                [dig, "+tries=1", "+time=2", "-p", str(port), "@127.0.0.1", name, kind], capture_output=True, check=True
            )
    finally:
        server.terminate()
        server.wait(10)
    read = read_bytes(tmp_path, (tmp_path / "q.log").read_bytes(), "copy.log")
    rows = [row for row in read.tables["dns_queries"] if row["name"] != "ready.test"]
    assert [(r["name"], r["qtype"]) for r in rows] == [(n.lower().replace("\\032", " "), q) for n, q in asked]
    assert {(r["client"], r["server"]) for r in rows} == {("127.0.0.1", "127.0.0.1")}
    assert all(abs((r["time"] - started).total_seconds()) < 60 for r in rows)
    assert problems(read.reads) == []
