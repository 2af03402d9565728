"""Zeek's logs: real ones, every kind, both forms, odd headers, damage."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.evidence_help import Read, problems, read_bytes, read_paths
from wormward.evidence import blocks, zeek, zeek_json, zeek_rpc, zeek_tables
from wormward.evidence.zeek_fields import unescape

ID = {"ts": 1601998366.786397, "uid": "Cx", "id.orig_h": "10.0.0.1", "id.orig_p": 1234, "id.resp_h": "10.0.0.2", "id.resp_p": 445}
HEAD = "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n"


def tsv_value(value: Any) -> str:
    """A value as Zeek's ASCII writer prints it."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "T" if value else "F"
    if isinstance(value, list):
        return ",".join(tsv_value(v).replace(",", "\\x2c") for v in value) or "(empty)"
    if isinstance(value, float):
        return f"{value:.6f}"
    text = str(value).encode()
    out = "".join("\\\\" if b == 0x5C else chr(b) if 32 <= b < 127 else f"\\x{b:02x}" for b in text)
    return {"-": "\\x2d", "(empty)": "\\x28empty)", "": "(empty)"}.get(out, out)


def tsv(log: str, *rows: dict[str, Any]) -> bytes:
    """A tab-separated log with all columns that some row has."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    lines = ["\t".join(tsv_value(row.get(name)) for name in names) for row in rows]
    return (
        HEAD + f"#path\t{log}\n#fields\t" + "\t".join(names) + "\n" + "\n".join(lines) + "\n#close\t2020-10-06-17-34-00\n"
    ).encode()


def ndjson(*rows: dict[str, Any]) -> bytes:
    """The same rows as JSON; Zeek leaves unset fields out."""
    return "".join(json.dumps({k: v for k, v in row.items() if v is not None}) + "\n" for row in rows).encode()


def facts(read: Read) -> dict[str, list[dict[str, Any]]]:
    """Rows without what differs between two files of the same story."""
    left_out = {"place", "file_no"}
    return {table: [{k: v for k, v in row.items() if k not in left_out} for row in rows] for table, rows in read.tables.items()}


def both_forms(folder: Path, log: str, *rows: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows of the only table, read from both forms of a log, which must agree."""
    one, other = read_bytes(folder, tsv(log, *rows), "a.log"), read_bytes(folder, ndjson(*rows), "b.log")
    assert problems(one.reads) == problems(other.reads) == []
    assert one.coverage.kind == other.coverage.kind == f"zeek-{log}"
    assert facts(one) == facts(other)
    ((_, found),) = one.tables.items()
    return found


# -- real logs -------------------------------------------------------------------------------------------------------


def plain_rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    """A real log as plain Python reads it: line numbers, and the fields that are set, as text."""
    rows, names = [], []
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        if line.lstrip().startswith("#"):
            if line.startswith("#fields"):
                names = line.split("\t")[1:]
        elif line.startswith("{"):
            rows.append((number, {k: v if isinstance(v, str) else json.dumps(v) for k, v in json.loads(line).items()}))
        else:
            cells = zip(names, line.split("\t"), strict=True)
            rows.append((number, {k: v for k, v in cells if v != "-"}))
    return rows


@pytest.mark.parametrize("log", ["zeek-portscan/conn.log", "zeek-test9/conn.log", "zeek-test10/conn.log"])
def test_real_connections(corpora: Path, log: str) -> None:
    path = corpora / "logs" / log
    read, expected = read_paths(path), plain_rows(path)
    assert problems(read.reads) == []
    rows = read.tables["flows"]
    assert [r["place"] for r in rows] == [n for n, _ in expected]
    for row, (_, want) in zip(rows, expected, strict=True):
        assert (row["client"], row["server"], row["protocol"]) == (want["id.orig_h"], want["id.resp_h"], want["proto"])
        assert abs(row["time"].timestamp() - float(want["ts"])) < 1e-6
        assert abs((row["time_end"] - row["time"]).total_seconds() - float(want.get("duration", 0))) < 2e-6
        assert (row["packets_out"], row["packets_in"]) == (int(want["orig_pkts"]), int(want["resp_pkts"]))
        if "orig_bytes" in want:
            assert (row["bytes_out"], row["bytes_in"]) == (int(want["orig_bytes"]), int(want["resp_bytes"]))
        if want["proto"] != "icmp":
            assert row["state"] == zeek_tables.STATES[want["conn_state"]]
            assert (row["client_port"], row["server_port"]) == (int(want["id.orig_p"]), int(want["id.resp_p"]))


@pytest.mark.parametrize("log", ["zeek-test9/dns.log", "zeek-test10/dns.log"])
def test_real_lookups(corpora: Path, log: str) -> None:
    path = corpora / "logs" / log
    read = read_paths(path)
    expected = [(n, w) for n, w in plain_rows(path) if "query" in w and int(w["id.resp_p"]) not in (137, 5353, 5355)]
    rows = read.tables["dns_queries"]
    assert [r["place"] for r in rows] == [n for n, _ in expected]
    for row, (_, want) in zip(rows, expected, strict=True):
        assert (row["name"], row["rcode"]) == (want["query"].lower(), want.get("rcode_name"))
        assert row["qtype"] == {"*": "ANY"}.get(want["qtype_name"], want["qtype_name"])


def test_real_requests_and_leases(corpora: Path) -> None:
    read = read_paths(corpora / "logs" / "zeek-test9")
    assert problems(read.reads) == []
    requests = plain_rows(corpora / "logs" / "zeek-test9" / "http.log")
    assert read.column("http_requests", "uri") == [re.sub(r"^[a-z]+://[^/]*", "", w["uri"]) for _, w in requests]
    assert read.column("http_requests", "host") == [w["host"].lower().partition(":")[0] for _, w in requests]
    assert {r["value"] for r in read.tables["bindings"]} == {"08:00:27:7f:09:e1", "john-pc"}
    assert {r["address"] for r in read.tables["bindings"]} == {"10.0.2.15"}


def test_real_folder_by_folder_kinds_and_zone(corpora: Path) -> None:
    for read in read_paths(corpora / "logs" / "zeek-test9").reads:
        coverage = read.coverage
        assert coverage.kind == f"zeek-{coverage.source.rpartition('/')[2].removesuffix('.log')}"
        assert (coverage.time_zone, coverage.time_zone_known, coverage.unit) == ("UTC", "stamped", "line")


# -- each kind, both forms --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("state", "expected"), [*zeek_tables.STATES.items(), (None, "established"), ("NEW", "established")])
def test_connection_states(tmp_path: Path, state: str | None, expected: str) -> None:
    row = {**ID, "proto": "tcp", "conn_state": state, "history": "S", "orig_pkts": 2, "resp_pkts": 1, "trans_id": None}
    (flow,) = read_bytes(tmp_path, tsv("conn", row)).tables["flows"]
    assert flow["state"] == expected


def test_connections_without_ports_and_bytes(tmp_path: Path) -> None:
    icmp = {**ID, "proto": "icmp", "id.orig_p": 8, "id.resp_p": 0, "conn_state": "OTH", "orig_pkts": 1, "resp_pkts": 0}
    other = {**ID, "proto": "unknown_transport", "ip_proto": 47, "conn_state": "OTH", "orig_pkts": 1, "resp_pkts": 1}
    lone = {**ID, "proto": "udp", "conn_state": "S0", "orig_pkts": 1, "orig_ip_bytes": 228, "resp_pkts": 0, "resp_ip_bytes": 0}
    six = {**lone, "id.orig_h": "2001:db8::1", "id.resp_h": "2001:db8::2"}
    rows = both_forms(tmp_path, "conn", icmp, other, lone, six)
    assert [(r["protocol"], r["client_port"], r["state"]) for r in rows[:2]] == [("icmp", 0, "attempt"), ("47", 0, "established")]
    assert [r["bytes_out"] for r in rows] == [0, 0, 200, 180]


def test_lookups(tmp_path: Path) -> None:
    base = {**ID, "id.resp_p": 53, "proto": "udp", "trans_id": 1, "qclass": 1, "rejected": False}
    asked = {**base, "query": "WWW.Exämple.COM", "qtype": 28, "qtype_name": "AAAA", "rcode": 0, "rcode_name": "NOERROR",
             "answers": ["Alias.Example", "2001:DB8::1", "TXT 3 a,b"]}  # fmt: skip
    silent = {**base, "query": "b.example", "qtype": 255, "qtype_name": "*"}
    failed = {**base, "query": "c.example", "qtype": 1, "qtype_name": "A", "rcode": 3, "rcode_name": "NXDOMAIN"}
    unasked = {**base, "rcode": 0}
    link_local = {**base, "id.resp_p": 5355, "query": "wpad", "qtype": 1}
    rows = both_forms(tmp_path, "dns", asked, silent, failed, unasked, link_local)
    assert [r["name"] for r in rows] == ["www.ex\\xc3\\xa4mple.com", "b.example", "c.example"]
    assert [r["qtype"] for r in rows] == ["AAAA", "ANY", "A"]
    assert [r["rcode"] for r in rows] == ["NOERROR", None, "NXDOMAIN"]
    assert [r["answers"] for r in rows] == [["alias.example", "2001:db8::1", "TXT 3 a,b"], None, []]


def test_requests(tmp_path: Path) -> None:
    base = {**ID, "id.resp_p": 80, "trans_depth": 1, "method": "GET"}
    rows = both_forms(
        tmp_path,
        "http",
        {**base, "host": "Example.COM:8080", "uri": "/search?q=5", "user_agent": "Mozilla\t1", "status_code": 200,
         "response_body_len": 7, "resp_mime_types": ["application/x-dosexec"], "client_header_names": ["HOST", "USER-AGENT"]},
        {**base, "uri": "http://10.9.9.9:81/search?q=7", "status_code": 404, "response_body_len": 0,
         "resp_mime_types": ["text/html"], "proxied": ["PROXY-CONNECTION -> Keep-Alive"]},
        {**base, "uri": "/x", "response_body_len": 0, "proxied": ["VIA -> 1.1 cache"]},
        {**base, "method": None, "uri": None, "status_code": 200},
    )  # fmt: skip
    assert [(r["host"], r["uri"], r["proxied"]) for r in rows] == [
        ("example.com", "/search?q=5", False), ("10.9.9.9", "/search?q=7", True), (None, "/x", False),
    ]  # fmt: skip
    assert [(r["status"], r["response_bytes"], r["executable"]) for r in rows] == [
        (200, 7, True),
        (404, 0, False),
        (None, None, None),
    ]
    assert [(r["user_agent"], r["header_names"]) for r in rows[:2]] == [("Mozilla\\t1", "HOST,USER-AGENT"), (None, None)]


def test_shares(tmp_path: Path) -> None:
    rows = both_forms(
        tmp_path,
        "smb_mapping",
        {**ID, "path": "\\\\10.0.0.2\\Admin$", "share_type": "DISK"},
        {**ID, "path": "\\\\PC\\IPC$", "share_type": "PIPE"},
        {**ID, "path": "<unknown>", "share_type": "PIPE"},
    )
    assert [(r["share"], r["outcome"]) for r in rows] == [("ADMIN$", "success"), ("IPC$", "success"), ("IPC$", "success")]


def test_files(tmp_path: Path) -> None:
    base = {**ID, "action": "SMB::FILE_OPEN", "path": "\\\\pc\\Admin$", "size": 100}
    rows = both_forms(
        tmp_path,
        "smb_files",
        {**base, "name": "\\System32\\\u202ex.dll"},
        {**base, "name": "new.dll", "size": 0, "times.created": ID["ts"]},
        {**base, "name": "old.txt", "size": 0, "times.created": ID["ts"] - 90},
        {**base, "name": "w", "action": "SMB::FILE_WRITE", "size": 5},
        {**base, "name": "d", "action": "SMB::FILE_DELETE"},
        {**base, "name": "r", "action": "SMB::FILE_RENAME", "prev_name": "q"},
        {**base, "name": "c", "action": "SMB::FILE_CLOSE"},
        {**base, "name": "\\browser", "path": None},
        {**base, "name": "\\pagefile", "path": None},
        {**base, "name": "srvsvc", "path": "\\\\pc\\IPC$"},
        {**base, "name": "<share_root>"},
    )
    assert [(r["share"], r["path"], r["action"], r["bytes"]) for r in rows] == [
        ("ADMIN$", "System32\\\\u202ex.dll", "open", 0), ("ADMIN$", "new.dll", "create", 0), ("ADMIN$", "old.txt", "open", 0),
        ("ADMIN$", "w", "write", 5), ("ADMIN$", "d", "delete", 0), ("ADMIN$", "r", "rename", 0), ("", "pagefile", "open", 0),
        ("ADMIN$", "", "open", 0),
    ]  # fmt: skip


def test_calls(tmp_path: Path) -> None:
    base = {**ID, "rtt": 0.1, "named_pipe": "\\PIPE\\Browser"}
    rows = both_forms(
        tmp_path,
        "dce_rpc",
        {**base, "endpoint": "srvsvc", "operation": "NetprPathCanonicalize"},
        {**base, "endpoint": "atsvc", "operation": "NetrJobAdd"},
        {**base, "endpoint": "unknown-0B0A6584-9E0F-11CF-A3CF-00805F68CB1B", "operation": "unknown-3"},
        {**base, "endpoint": "newsvc", "operation": "DoIt", "named_pipe": "135"},
        {**base, "endpoint": "samr", "operation": "SamrConnect", "named_pipe": None},
    )
    assert [(r["interface"], r["opnum"], r["pipe"]) for r in rows] == [
        ("4b324fc8-1670-01d3-1278-5a47bf6ee188", 31, "browser"),
        ("1ff70682-0a51-30e8-076d-740be8cee98b", 0, "browser"),
        ("0b0a6584-9e0f-11cf-a3cf-00805f68cb1b", 3, "browser"),
        (None, None, None),
        ("12345778-1234-abcd-ef00-0123456789ac", 0, None),
    ]
    assert {(r["outcome"], r["stub"], r["byte_order"], r["ndr64"], r["server_port"]) for r in rows} == {
        ("answered", None, None, None, 445)
    }


@pytest.mark.parametrize("spelling", ["NetprPathCompare", "NetrpPathCompare", "NetrPathCompare", "NetPathCompare"])
def test_operations_by_any_of_their_spellings(spelling: str) -> None:
    assert zeek_rpc.operation("srvsvc", spelling) == 32


def test_operation_numbers_are_those_of_the_specification() -> None:
    """Spot checks against MS-SRVS 3.1.4, MS-TSCH 3.2.5.2 and MS-SCMR 3.1.4: a word too many would shift all that follow."""
    wanted = {
        ("srvsvc", "NetrCharDevEnum"): 0, ("srvsvc", "NetrConnectionEnum"): 8, ("srvsvc", "NetrShareEnum"): 15,
        ("srvsvc", "NetrServerGetInfo"): 21, ("srvsvc", "NetrRemoteTOD"): 28, ("srvsvc", "NetprPathType"): 30,
        ("srvsvc", "NetprNameCompare"): 35, ("srvsvc", "NetrServerAliasAdd"): 54, ("srvsvc", "NetrShareDelEx"): 57,
        ("atsvc", "NetrJobGetInfo"): 3, ("svcctl", "CreateServiceW"): 12, ("svcctl", "StartServiceW"): 19,
        ("ITaskSchedulerService", "SchRpcRegisterTask"): 1, ("ITaskSchedulerService", "SchRpcRun"): 12,
        ("wkssvc", "NetrWkstaUserEnum"): 2, ("samr", "SamrEnumerateUsersInDomain"): 13,
    }  # fmt: skip
    assert {key: zeek_rpc.operation(*key) for key in wanted} == wanted


def test_logons(tmp_path: Path) -> None:
    base = {**ID, "hostname": "PC1", "domainname": "EX", "username": "anna"}
    rows = both_forms(
        tmp_path,
        "ntlm",
        {**base, "success": True},
        {**base, "success": False, "username": None},
        base,
        {**base, "id.resp_p": 389, "success": False},
    )
    assert [(r["user"], r["domain"], r["outcome"]) for r in rows] == [
        ("anna", "EX", "success"), (None, "EX", "failure"), ("anna", "EX", "unknown"),
    ]  # fmt: skip


def test_leases(tmp_path: Path) -> None:
    base = {"ts": 1000.5, "uids": ["Cx"], "client_addr": "10.0.0.7", "mac": "AA:BB:CC:00:11:22", "msg_types": ["REQUEST", "ACK"]}
    rows = both_forms(
        tmp_path,
        "dhcp",
        {**base, "assigned_addr": "10.0.0.8", "host_name": "Desk-1", "lease_time": 3600.0},
        {**base, "client_fqdn": "lap.Example.com.", "lease_time": 3600.0},
        {**base, "msg_types": ["DISCOVER", "OFFER"], "assigned_addr": "10.0.0.9"},
    )
    assert sorted((r["address"], r["kind"], r["value"], r["time_end"] is not None) for r in rows) == [
        ("10.0.0.7", "dhcp-name", "lap.example.com", False), ("10.0.0.7", "mac", "aa:bb:cc:00:11:22", False),
        ("10.0.0.8", "dhcp-name", "desk-1", True), ("10.0.0.8", "mac", "aa:bb:cc:00:11:22", True),
    ]  # fmt: skip
    assert {r["time_end"] for r in rows if r["time_end"]} == {datetime(1970, 1, 1, 1, 16, 40, 500000, UTC)}


# -- headers, forms, damage -------------------------------------------------------------------------------------------

CONN = {**ID, "proto": "tcp", "conn_state": "SF"}


def test_columns_in_any_order_and_number(tmp_path: Path) -> None:
    row = {"extra": "x", "conn_state": "S0", **dict(reversed(list(ID.items())))}
    (flow,) = read_bytes(tmp_path, tsv("conn", row)).tables["flows"]
    assert (flow["client"], flow["state"], flow["protocol"], flow["place"]) == ("10.0.0.1", "attempt", "0", 7)


def test_a_missing_column_is_said(tmp_path: Path) -> None:
    read = read_bytes(tmp_path, tsv("dns", {"ts": 1.0, "id.orig_h": "10.0.0.1", "rcode": 0}))
    assert problems(read.reads) == ["evidence.log, None: lacks the column query"]


def test_other_separators(tmp_path: Path) -> None:
    text = (
        tsv("conn", CONN, CONN)
        .decode()
        .replace("\t", "|")
        .replace("\\x09", "\\x7c")
        .replace("#unset_field|-", "#unset_field|NULL")
    )
    assert len(read_bytes(tmp_path, text.encode()).tables["flows"]) == 2


def test_logs_joined_end_to_end_keep_their_own_headers(tmp_path: Path) -> None:
    first = tsv("conn", CONN)
    second = tsv("conn", {"id.resp_h": "10.0.0.9", "id.orig_h": "10.0.0.8", "ts": 5.0})
    read = read_bytes(tmp_path, first + second + tsv("ssl", {"ts": 1.0}))
    assert [(r["client"], r["place"]) for r in read.tables["flows"]] == [("10.0.0.1", 7), ("10.0.0.8", 15)]
    assert problems(read.reads) == ["evidence.log, None: part of it is Zeek's 'ssl' log, which is not used"]


def test_bad_lines_are_counted_and_named(tmp_path: Path) -> None:
    good = tsv("conn", CONN).decode().splitlines()
    lines = [
        *good[:-1],
        "too\tfew",
        good[-2].replace("10.0.0.1", "nobody"),
        good[-2].replace("1601998366.786397", "-"),
        "",
        good[-2],
    ]
    read = read_bytes(tmp_path, "\n".join(lines).encode())
    assert read.column("flows", "place") == [7, 12]
    assert problems(read.reads) == ["evidence.log, line 8: 3 lines could not be read (line 8, 9, 10)"]


def test_damaged_objects_cost_only_themselves(tmp_path: Path) -> None:
    good = ndjson(CONN)
    data = good + b"{broken\n\n" + good + b"[1]\n" + b"\xff\xfe\n" + json.dumps({**CONN, "ts": "x"}).encode() + b"\n" + good[:50]
    read = read_bytes(tmp_path, data)
    assert read.column("flows", "place") == [1, 4]
    assert problems(read.reads) == ["evidence.log, line 2: 5 lines could not be read (line 2, 5, 6, …)"]


def test_json_forms(tmp_path: Path) -> None:
    iso = {**CONN, "ts": "2020-10-06T15:32:46.786397Z"}
    flat = {k.replace("id.", "id_"): v for k, v in CONN.items()}
    tagged = {"_path": "dns", **ID, "id.resp_p": 53, "query": "a.b", "qclass": 1, "qtype": 1}
    other = {"_path": "ssl", **ID, "version": "TLSv13"}
    time = datetime(2020, 10, 6, 15, 32, 46, 786397, UTC)
    for rows in ([iso, iso], [flat, flat], [iso, CONN], [{**CONN, "orig_pkts": "3"}, CONN]):
        read = read_bytes(tmp_path, ndjson(*rows))
        assert problems(read.reads) == []
        assert read.column("flows", "time") == [time, time]
        assert read.column("flows", "client") == ["10.0.0.1"] * 2
    mixed = read_bytes(tmp_path, ndjson({"_path": "conn", **CONN}, tagged, other, {"_path": "conn", **CONN}))
    assert [(len(mixed.tables[t]), mixed.column(t, "place")) for t in ("flows", "dns_queries")] == [(2, [1, 4]), (1, [2])]


def test_fast_and_careful_json_agree(corpora: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = sorted((corpora / "logs" / "zeek-test9").iterdir())
    fast = read_paths(*paths)
    monkeypatch.setattr(zeek_json, "_by_arrow", lambda _block: None)
    assert read_paths(*paths).tables == fast.tables


@pytest.mark.parametrize("size", [3000, 20_000])
def test_block_size_changes_nothing(corpora: Path, size: int) -> None:
    folder = corpora / "logs"
    paths = [folder / "zeek-test9", folder / "zeek-test10", folder / "zeek-portscan"]
    whole = read_paths(*paths)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "BLOCK", size)
        patch.setattr(zeek, "_ROWS", 5)
        assert read_paths(*paths).tables == whole.tables


@pytest.mark.parametrize(
    ("head", "log"),
    [
        (b"#separator \\x09\n#path\tconn\n", "conn"), (b"\t#separator \\x09\n#path\tdns\n", "dns"), (b"#separator \\x09\r\n", ""),
        (b'{"ts":1,"uid":"C","conn_state":"SF"}', "conn"), (b'{"_path":"ssl","ts":1,"uid":"C"}', "ssl"),
        (b'{"timestamp":"x","event_type":"dns","flow_id":1}', None), (b"# a comment\n", None), (b"", None), (b"{", None),
        (b'{"ts":1,"uid":"C","unknown":1}', ""),
    ],
)  # fmt: skip
def test_recognition(head: bytes, log: str | None) -> None:
    assert zeek.log_of(head) == log
    assert zeek.recognise(head, "x") == (log in zeek.LOGS)


@given(st.binary(max_size=30))
def test_unescape_undoes_zeeks_escaping(raw: bytes) -> None:
    escaped = "".join("\\\\" if b == 0x5C else chr(b) if 32 <= b < 127 else f"\\x{b:02x}" for b in raw)
    assert unescape(escaped.encode()) == raw


_text = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=8)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@example(rows=[("(empty)", "", [], False), ("", "(empty)", [], True)])
@given(rows=st.lists(st.tuples(_text, _text, st.lists(_text, max_size=3), st.booleans()), min_size=1, max_size=8))
def test_both_forms_of_any_text_agree(tmp_path: Path, rows: list[tuple[str, str, list[str], bool]]) -> None:
    made = [
        {**ID, "trans_depth": 1, "method": m, "uri": u, "client_header_names": h, "user_agent": u if f else None}
        for m, u, h, f in rows
    ]
    both_forms(tmp_path, "http", *made)
