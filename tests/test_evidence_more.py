"""Logs of proxies, servers and firewalls, and lease files: what their cases do not say."""

from __future__ import annotations

import itertools
import time
from pathlib import Path
from typing import Any

import pytest

from tests.evidence_help import Read, read_bytes, read_paths
from wormward.evidence import isc_leases, pfirewall, squid, w3c, windows_dns
from wormward.evidence.registry import READERS, reader_of
from wormward.model.site import Site
from wormward.packs import builtin_packs
from wormward.pipeline import assess

SOURCES = Path(__file__).parent / "sources"
OURS = ("isc-leases", "kea", "pfirewall", "shadowserver", "squid", "w3c", "windows-dhcp", "windows-dns")
FILES = sorted(path for source in OURS for path in SOURCES.glob(f"{source}/*/input/*"))
KINDS = {
    "isc-leases": "isc-dhcp-leases", "kea": "kea-leases", "pfirewall": "windows-firewall",
    "shadowserver": "shadowserver-sinkhole", "squid": "squid", "w3c": "w3c-extended",
    "windows-dhcp": "windows-dhcp", "windows-dns": "windows-dns",
}  # fmt: skip


def ids(path: Path) -> str:
    return "/".join(path.relative_to(SOURCES).parts)


def rows(read: Read) -> dict[str, list[dict[str, Any]]]:
    return read.tables


def unpacked(path: Path) -> str:
    """The text of a case's file."""
    raw = path.read_bytes()
    if raw[:2] == b"\xff\xfe":
        return raw.decode("utf-16")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("cp932")


@pytest.mark.parametrize("path", FILES, ids=ids)
def test_exactly_one_reader_recognises_each(path: Path) -> None:
    head = path.read_bytes()[:4096]
    assert [r.kind for r in READERS if r.recognise(head, "x")] == [KINDS[path.relative_to(SOURCES).parts[0]]]


def test_no_other_case_is_taken_for_one_of_these() -> None:
    others = [path for path in SOURCES.glob("*/*/input/*") if path.relative_to(SOURCES).parts[0] not in OURS]
    assert others
    for path in others:
        reader = reader_of(path.read_bytes()[:4096], path.name)
        assert reader is None or reader.kind not in KINDS.values(), path


@pytest.mark.parametrize("path", FILES, ids=ids)
def test_the_size_of_a_window_changes_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, path: Path) -> None:
    whole = read_bytes(tmp_path, path.read_bytes())
    monkeypatch.setattr("wormward.evidence.blocks.BLOCK", 1500)  # longer than any line
    assert rows(read_bytes(tmp_path, path.read_bytes())) == rows(whole)


@pytest.mark.parametrize("path", FILES, ids=ids)
def test_long_lines_of_anything_take_no_time(tmp_path: Path, path: Path) -> None:
    """What takes a line apart is linear: 60,000 characters of what means something are done at once."""
    head = unpacked(path).replace("\r\n", "\n")
    parts = [" ", "\t", '"', "[", "(1)a", "/", "] [", '" "', "{", ",", "a;", "9", "\\", "%41"]
    lines = [word * (60_000 // len(word)) for word in parts]
    lines += [line.rstrip() + word * 50_000 for line, word in itertools.product(head.split("\n")[-3:], (" ", '"'))]
    begin = time.process_time()
    read_bytes(tmp_path, (head + "\n" + "\n".join(lines) + "\n").encode())
    assert time.process_time() - begin < 5


# --- local times ----------------------------------------------------------------------------------------------------

TOKYO = Site(time_zone="Asia/Tokyo")


@pytest.mark.parametrize(
    "source", ["pfirewall/every-action/input/pfirewall.log", "windows-dhcp/english/input/DhcpSrvLog-Mon.log"]
)
def test_local_times_are_the_site_s(source: str) -> None:
    there = read_paths(SOURCES / source, site=TOKYO)
    here = read_paths(SOURCES / source)
    (table,) = here.tables
    hours = {(a - b).total_seconds() for a, b in zip(here.column(table, "time"), there.column(table, "time"), strict=True)}
    assert hours == {9 * 3600.0}
    assert (there.coverage.time_zone, there.coverage.time_zone_known) == ("Asia/Tokyo", "site")


def test_times_of_w3c_logs_are_utc_wherever_the_site_is() -> None:
    path = SOURCES / "w3c/iis/input/u_ex261123.log"
    assert rows(read_paths(path, site=TOKYO)) == rows(read_paths(path))


# --- Windows DNS ----------------------------------------------------------------------------------------------------


def packet(stamp: str, rest: str = "UDP Rcv 10.0.0.7        0001   Q [0001   D   NOERROR] A      (1)a(0)") -> str:
    return f"{stamp} 0FE0 PACKET  000002C53117D990 {rest}\n"


@pytest.mark.parametrize(
    ("stamps", "first"),
    [
        (["11/5/2026 8:49:33 AM", "11/13/2026 8:49:33 AM"], "2026-11-05T08:49:33"),
        (["05/11/2026 08:49:33", "13/11/2026 08:49:33"], "2026-11-05T08:49:33"),
        (["05-11-2026 08:49:33", "13-11-2026 08:49:33"], "2026-11-05T08:49:33"),
        (["5.11.2026 8:49:33"], "2026-11-05T08:49:33"),
        (["05.11.2026 8.49.33"], "2026-11-05T08:49:33"),
        (["2026-11-05 08:49:33"], "2026-11-05T08:49:33"),
        (["2026/11/5 8:49:33"], "2026-11-05T08:49:33"),
        (["20261105 08:49:33"], "2026-11-05T08:49:33"),
        (["11/5/2026 12:49:33 AM", "11/13/2026 8:49:33 AM"], "2026-11-05T00:49:33"),
        (["11/5/2026 12:49:33 p.m.", "11/13/2026 8:49:33 a.m."], "2026-11-05T12:49:33"),
        (["11/11/2026 08:49:33"], "2026-11-11T08:49:33"),
    ],
)
def test_how_dates_are_written(tmp_path: Path, stamps: list[str], first: str) -> None:
    read = read_bytes(tmp_path, "".join(packet(s) for s in stamps).encode())
    assert read.coverage.kind == windows_dns.KIND
    assert read.column("dns_queries", "time")[0].isoformat()[:19] == first
    assert read.coverage.problems == ()


def test_a_date_that_could_be_two_is_not_guessed(tmp_path: Path) -> None:
    read = read_bytes(tmp_path, (packet("5/11/2026 08:49:33") + packet("6/11/2026 08:49:33")).encode())
    assert read.tables == {}
    (problem,) = read.coverage.problems
    assert problem.what == "its dates do not tell the day from the month"
    assert "after the 12th" in (problem.remedy or "")
    assert read.coverage.sha256


def test_the_date_of_the_file_s_own_beginning_decides_too(tmp_path: Path) -> None:
    text = "DNS Server log file creation at 13/10/2026 08:49:00\n\n" + packet("05/11/2026 08:49:33")
    assert read_bytes(tmp_path, text.encode()).column("dns_queries", "time")[0].month == 11


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("(3)www(7)example(3)com(0)", "www.example.com"), ("(0)", "."), (".www.example.", "www.example"),
        ("(4)a(1)(1)b(0)", "a(1).b"), ("(9)総務(7)example(0)", "総務.example"),
    ],
)  # fmt: skip
def test_names_of_the_debug_log(text: str, name: str) -> None:
    assert windows_dns.name_of(text) == name


@pytest.mark.parametrize("text", ["(3)ww", "(3)www(7)exam", "(99)x", "("])
def test_a_name_that_is_cut(text: str) -> None:
    with pytest.raises(ValueError, match="cut"):
        windows_dns.name_of(text)


def test_an_answer_to_another_name_is_not_the_answer(tmp_path: Path) -> None:
    text = packet("13/11/2026 08:49:33") + packet(
        "13/11/2026 08:49:34", "UDP Snd 10.0.0.7        0001 R Q [8183   DR NXDOMAIN] A      (1)b(0)"
    )
    read = read_bytes(tmp_path, text.encode())
    said = {row["name"]: row["rcode"] for row in read.tables["dns_queries"]}
    assert said == {"a": None, "b": "NXDOMAIN"}


# --- others ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        '10.0.0.7 - - [23/Nov/2026:08:49:33 +0000] "GET / HTTP/1.1" 200 327',
        '10.0.0.7 - - [23/Nov/2026:08:49:33 +0000] "GET / HTTP/1.1" 200 327 "-" "curl/8.0"',
        "1233456789.123 250 10.0.0.7 word",
    ],
)
def test_a_web_server_s_log_is_not_squid_s(line: str) -> None:
    assert not squid.recognise(line.encode() + b"\n", "access.log")


def test_fields_of_a_firewall_are_not_those_of_requests() -> None:
    firewall = (SOURCES / "pfirewall/every-action/input/pfirewall.log").read_bytes()
    server = (SOURCES / "w3c/iis/input/u_ex261123.log").read_bytes()
    assert pfirewall.recognise(firewall, "x")
    assert not w3c.recognise(firewall, "x")
    assert w3c.recognise(server, "x")
    assert not pfirewall.recognise(server, "x")


def test_a_client_s_own_lease_file_is_not_the_server_s() -> None:
    assert not isc_leases.recognise(b'lease {\n  interface "eth0";\n  fixed-address 10.0.0.7;\n}\n', "dhclient.leases")


def test_users_and_passwords_of_a_proxy_s_log_are_not_kept() -> None:
    for path in [*SOURCES.glob("squid/*/input/*"), *SOURCES.glob("w3c/*/input/*")]:
        kept = str(read_paths(path).tables)
        assert not [word for word in ("alice", "secret", "YWxpY2U6c2VjcmV0", "user:pass") if word in kept]


def test_lines_before_their_fields_are_named_and_the_rest_is_read(tmp_path: Path) -> None:
    lines = b"#Version: 1.0\n2026-11-23 08:49:33 10.0.0.7 GET /a\n#Fields: date time c-ip cs-method cs-uri-stem\n"
    read = read_bytes(tmp_path, lines + b"2026-11-23 08:49:34 10.0.0.7 GET /b\n")
    (problem,) = read.coverage.problems
    assert problem.place == "line 2"
    assert "#Fields" in (problem.remedy or "")
    assert read.column("http_requests", "uri") == ["/b"]


@pytest.mark.parametrize("source", ["squid/real-native", "squid/real-forms", "w3c/bluecoat"])
def test_a_call_home_in_a_proxy_s_log_is_the_client_s(source: str) -> None:
    """Whom the proxy asked, and the proxy, are not to blame."""
    said = assess([SOURCES / source / "input"], packs=builtin_packs())
    clients = {"10.0.0.7"} if source == "w3c/bluecoat" else {"10.9.0.3"} | ({"10.9.0.2"} if "forms" in source else set())
    assert {(f.rule, f.actor) for f in said.findings} == {("http.beacon-loose", client) for client in clients}


def test_a_dropped_answer_belongs_to_who_asked(tmp_path: Path) -> None:
    head = b"#Version: 1.5\n#Fields: date time action protocol src-ip dst-ip src-port dst-port size tcpflags\n"
    late = b"2026-11-23 08:49:33 DROP UDP 10.0.0.2 10.0.0.7 53 50123 80 -\n"
    (flow,) = read_bytes(tmp_path, head + late).tables["flows"]
    assert (flow["client"], flow["client_port"], flow["server"], flow["server_port"]) == ("10.0.0.7", 50123, "10.0.0.2", 53)
    assert (flow["packets_out"], flow["packets_in"]) == (0, 1)
