"""Captures end to end: rotation, copies, fragments, rows and coverage; the same rows whatever the windows and the order."""

from __future__ import annotations

import gzip
import hashlib
import itertools
import json
import lzma
import os
import random
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.capture_help import (
    ACK,
    CLIENT,
    SERVER,
    START,
    SYN,
    Frame,
    Rows,
    block,
    captures,
    dns,
    enhanced,
    ethernet,
    evidence,
    in_turn,
    interface,
    ipv4,
    ipv6,
    pcap,
    read,
    read_bytes,
    section,
    small_windows,
    talk,
    tcp,
    udp,
)
from wormward.evidence.capture import BLIND, CONTRADICTED, LOST, read_captures, recognise
from wormward.evidence.capture_rows import host_text, pipe_text, share_text
from wormward.model.pack import Want, WantedCall
from wormward.model.reading import ReadContext
from wormward.model.tables import BY_NAME
from wormward.wire import reassembly

BODY = b"MZ" + bytes(range(256)) * 40
WEB = [
    (True, b"GET /x\xff.exe HTTP/1.1\r\nHost: WWW.Example.COM:8080\r\nUser-Agent: a\tb\r\nAccept: *\r\n\r\n"),
    (False, b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY),
]
FRAMES = in_turn(
    [
        *talk(WEB),
        ipv4(udp(dns("a.example")), 17),
        ipv4(udp(dns("a.example", 1, "192.0.2.1", 0, True), 53, 40000), 17, SERVER, CLIENT),
    ]
)


def tables(rows: Rows) -> dict[str, list[dict[str, Any]]]:
    return {name: found for name, found in sorted(rows.tables.items()) if found}


def test_rows_have_the_documented_columns_and_types(tmp_path: Path) -> None:
    rows, (coverage,) = read_bytes(tmp_path, pcap(FRAMES))
    assert coverage.rows == {"dns_queries": 1, "flows": 2, "http_requests": 1}
    for name, found in tables(rows).items():
        wanted = [c.name for c in BY_NAME[name].reader_columns]
        assert all(list(row) == ["file_no", *wanted] for row in found)
    (request,) = rows["http_requests"]
    del request["file_no"]
    assert request == {
        "place": 4,
        "site": "site",
        "time": START + 3000,
        "client": CLIENT,
        "client_port": 40000,
        "server": SERVER,
        "server_port": 80,
        "method": "GET",
        "uri": "/x\\xff.exe",
        "host": "www.example.com",
        "user_agent": "a\\tb",
        "header_names": "Host,User-Agent,Accept",
        "proxied": False,
        "status": 200,
        "response_bytes": len(BODY),
        "executable": True,
    }


def test_coverage_says_what_was_looked_at(tmp_path: Path) -> None:
    data = pcap(FRAMES)
    _, (coverage,) = read_bytes(tmp_path, data)
    assert coverage.sha256 == hashlib.sha256(data).hexdigest()
    assert (coverage.source, coverage.kind, coverage.unit) == ("0.pcap", "pcap", "frame")
    assert coverage.begin == datetime.fromtimestamp(START / 1e6, UTC)
    assert (coverage.time_zone, coverage.time_zone_known) == ("UTC", "stamped")
    assert coverage.end is not None
    assert coverage.end > coverage.begin
    assert coverage.blind == BLIND
    assert (coverage.problems, coverage.duplicate_of, coverage.group) == ((), None, None)


def test_lost_frames_are_told(tmp_path: Path) -> None:
    _, (coverage,) = read_bytes(tmp_path, pcap(FRAMES[:4] + FRAMES[5:]))
    assert coverage.blind == (*BLIND, LOST)


def test_contradicting_bytes_are_told(tmp_path: Path) -> None:
    hello = talk([])[:3]
    late = [
        ipv4(tcp(data, ACK, 1001 + at, 5001))
        for at, data in ((8, b"HTTP/1.1\r\n\r\n"), (8, b"HTTP/1.0\r\n\r\n"), (0, b"GET /ab "))
    ]
    rows, (coverage,) = read_bytes(tmp_path, pcap(in_turn([*hello, *late])))
    assert coverage.notes == (CONTRADICTED,)
    assert [r["uri"] for r in rows["http_requests"]] == ["/ab"]


def test_too_many_conversations_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reassembly, "MOST_TALKS", 16)
    packets = [p for n in range(40) for p in talk([(True, b"GET /unfinished HTTP/1.1\r\n")], sport=2000 + n, close=False)]
    _, (coverage,) = read_bytes(tmp_path, pcap(in_turn(packets)))
    (problem,) = coverage.problems
    assert "too many" in problem.what


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress, zstandard.ZstdCompressor().compress], ids=["gz", "xz", "zst"])
def test_compressed_captures_are_the_same(tmp_path: Path, pack: Any) -> None:
    plain, (want,) = read_bytes(tmp_path, pcap(FRAMES))
    rows, (coverage,) = read_bytes(tmp_path, pack(pcap(FRAMES)))
    assert tables(rows) == tables(plain)
    assert coverage.sha256 == want.sha256
    cut = pack(pcap(FRAMES))[:-12]
    _, (damaged,) = read_bytes(tmp_path, cut)
    assert damaged.problems
    assert damaged.problems[0].remedy


def test_a_damaged_compressed_capture_keeps_what_stands_before(tmp_path: Path) -> None:
    noise = random.Random(5).randbytes(90_000)
    frames = [*FRAMES, *in_turn([ipv4(udp(noise[at : at + 900], 7, 9), 17) for at in range(0, 90_000, 900)])]
    packed = bytearray(gzip.compress(pcap(frames)))
    packed[60_000:60_100] = bytes(100)
    rows, (coverage,) = read_bytes(tmp_path, bytes(packed))
    assert rows["http_requests"]
    assert any("damaged" in p.what for p in coverage.problems)


def test_what_cannot_be_read_is_told_and_the_rest_is_read(tmp_path: Path) -> None:
    for name, data in (("a.pcap", b"\xd4\xc3\xb2\xa1junk"), ("b.pcap", pcap(FRAMES)), ("c.pcap", b"")):
        (tmp_path / name).write_bytes(data)
    gone = evidence([tmp_path / "a.pcap", tmp_path / "b.pcap", tmp_path / "c.pcap"])
    (tmp_path / "c.pcap").unlink()
    rows = Rows()
    bad, good, lost = (r.coverage for r in read_captures(gone, ReadContext(rows)))
    assert good.rows
    assert not good.problems
    assert bad.problems[0].place == "byte 0"
    assert lost.problems[0].remedy
    assert {r["file_no"] for r in rows["flows"]} == {1}


def test_recognition_is_by_content() -> None:
    assert recognise(pcap([]), "letter.txt")
    assert recognise(section(), "")
    assert not recognise(b"\n\r\r\nnot a capture", "x.pcapng")
    assert not recognise(b"", "x.pcap")


# -- rotation ---------------------------------------------------------------------------------------------------------------


def parts(count: int, gap_us: int = 0) -> list[bytes]:
    """FRAMES as a rotation of `count` files, with a pause between them."""
    size = -(-len(FRAMES) // count)
    pieces = [FRAMES[at : at + size] for at in range(0, len(FRAMES), size)]
    return [pcap([(time + number * gap_us, frame) for time, frame in piece]) for number, piece in enumerate(pieces)]


def test_a_rotation_is_one_stream_whatever_the_order(tmp_path: Path) -> None:
    pieces = parts(4)
    whole, _ = read_bytes(tmp_path, pcap(FRAMES))
    seen = []
    for order in itertools.permutations(range(4)):
        rows, coverages = read_bytes(tmp_path, *(pieces[i] for i in order))
        by_source = {order[number]: coverage for number, coverage in enumerate(coverages)}
        first = by_source[0].sha256
        assert [by_source[i].group for i in range(4)] == [None, first, first, first]
        assert not any(c.problems for c in coverages)
        assert all(c.blind == BLIND for c in coverages)
        renamed = {name: [{**row, "file_no": order[row["file_no"]]} for row in found] for name, found in tables(rows).items()}
        seen.append({name: sorted(found, key=lambda row: row["file_no"]) for name, found in renamed.items()})
    assert all(other == seen[0] for other in seen)
    (exchange,) = seen[0]["http_requests"]
    assert (exchange["file_no"], exchange["place"], exchange["response_bytes"]) == (0, 4, len(BODY))
    assert [r["packets_in"] for r in seen[0]["flows"]] == [r["packets_in"] for r in whole["flows"]]
    assert sum(c.rows.get("flows", 0) for c in coverages) == 2


def test_frames_count_anew_in_each_file(tmp_path: Path) -> None:
    rows, _ = read_bytes(tmp_path, *parts(4))
    (lookup,) = rows["dns_queries"]
    assert (lookup["file_no"], lookup["place"], lookup["rcode"]) == (3, len(FRAMES) - 3 * -(-len(FRAMES) // 4) - 1, "NOERROR")


def test_a_second_tap_is_no_rotation(tmp_path: Path) -> None:
    later = pcap([(time + 700, frame) for time, frame in FRAMES])
    rows, coverages = read_bytes(tmp_path, pcap(FRAMES), later)
    assert [c.group for c in coverages] == [None, None]
    assert len(rows["flows"]) == 4


@pytest.mark.parametrize(("gap_s", "together"), [(4, True), (6, False)])
def test_a_pause_parts_captures(tmp_path: Path, gap_s: int, together: bool) -> None:
    rows, coverages = read_bytes(tmp_path, *parts(2, gap_s * 1_000_000))
    assert (coverages[1].group is not None) == together
    assert len([r for r in rows["flows"] if r["protocol"] == "tcp"]) == (1 if together else 2)


def test_other_link_types_snap_lengths_and_sites_stand_alone(tmp_path: Path) -> None:
    one, two = parts(2)
    raw = pcap([(time, frame[14:]) for time, frame in FRAMES[len(FRAMES) // 2 + 1 :]], link=101)
    short = two[:16] + b"\0\4\0\0" + two[20:]
    for other in (raw, short):
        _, coverages = read_bytes(tmp_path, one, other)
        assert [c.group for c in coverages] == [None, None]
    _, coverages = read_bytes(tmp_path, one, two, sites=["a", "b"])
    assert [c.group for c in coverages] == [None, None]


def test_sensors_side_by_side_do_not_mix(tmp_path: Path) -> None:
    """Two rotations of the same hour: each file goes on with its own kind."""
    first = parts(2)
    second = [pcap([(time + 1, frame[14:]) for time, frame in piece], link=101) for piece in (FRAMES[:8], FRAMES[8:])]
    rows, coverages = read_bytes(tmp_path, first[0], second[0], first[1], second[1])
    assert [c.group for c in coverages] == [None, None, coverages[0].sha256, coverages[1].sha256]
    assert len(rows["http_requests"]) == 2


def test_the_same_bytes_are_read_once(tmp_path: Path) -> None:
    rows, coverages = read_bytes(tmp_path, pcap(FRAMES), gzip.compress(pcap(FRAMES)), pcap(FRAMES[:-1]), pcap(FRAMES))
    assert [c.duplicate_of for c in coverages] == [None, "0.pcap", None, "0.pcap"]
    assert len({c.sha256 for c in coverages}) == 2
    assert {r["file_no"] for r in rows["flows"]} == {0, 2}


def test_pcapng_whose_first_frame_stands_late(tmp_path: Path) -> None:
    secrets = block(10, bytes(300_000))
    pieces = [
        section() + secrets + interface() + b"".join(enhanced(time, frame) for time, frame in FRAMES[at : at + 8])
        for at in range(0, len(FRAMES), 8)
    ]
    rows, coverages = read_bytes(tmp_path, *reversed(pieces))
    assert len({c.group for c in coverages if c.group}) == 1
    assert rows["http_requests"][0]["response_bytes"] == len(BODY)


# -- fragments ----------------------------------------------------------------------------------------------------------------


def _in_pieces(payload: bytes, protocol: int, sizes: list[int], ident: int = 9) -> list[bytes]:
    out, at = [], 0
    for size in [*sizes, len(payload)]:
        piece = payload[at : at + size]
        if piece:
            out.append(ipv4(piece, protocol, ident=ident, offset=at, more=at + len(piece) < len(payload)))
        at += len(piece)
    return out


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 1, 0], [1, 0, 2, 1, 0]])
def test_fragments_come_together_in_any_order(tmp_path: Path, order: list[int]) -> None:
    pieces = _in_pieces(udp(dns("in.pieces.example")), 17, [16, 8])
    rows, _ = read_bytes(tmp_path, pcap(in_turn([pieces[i] for i in order])))
    (lookup,) = rows["dns_queries"]
    complete = max(order.index(i) for i in range(3)) + 1
    assert (lookup["name"], lookup["place"]) == ("in.pieces.example", complete)
    assert [(r["packets_out"], r["server_port"]) for r in rows["flows"]] == [(1, 53)]


def test_ipv6_fragments_and_fragments_in_tunnels(tmp_path: Path) -> None:
    payload = udp(dns("six.example"))
    head = [b"\x11\0\0\1" + b"\0\0\0\7", b"\x11\0\0\x18\0\0\0\7"]
    packets = [ipv6(head[0] + payload[:24], 44), ipv6(head[1] + payload[24:], 44)]
    tunnel = [ipv4(piece, 4, "1.1.1.1", "2.2.2.2") for piece in _in_pieces(udp(dns("inner.example")), 17, [24])]
    outer = _in_pieces(ipv4(udp(dns("outer.example")), 17), 4, [32], 11)
    frames: list[Frame] = [(START, ethernet(p, 0x86DD)) for p in packets] + in_turn([*tunnel, *outer])
    rows, _ = read_bytes(tmp_path, pcap(frames))
    assert [r["name"] for r in rows["dns_queries"]] == ["six.example", "inner.example", "outer.example"]


def test_first_fragment_wins_and_lost_ones_end_nothing(tmp_path: Path) -> None:
    first, second, third = _in_pieces(udp(dns("good.example")), 17, [16, 8])
    evil = ipv4(bytes(8), 17, ident=9, offset=16, more=True)
    too_long = ipv4(bytes(80), 17, ident=10, offset=65_528)
    rows, _ = read_bytes(tmp_path, pcap(in_turn([too_long, first, second, evil, evil, third, first])))
    assert [r["name"] for r in rows["dns_queries"]] == ["good.example"]


def test_tcp_in_fragments(tmp_path: Path) -> None:
    segments = [p[20:] for p in talk(WEB, size=20_000) if p[12:16] == bytes([10, 1, 2, 3])]
    pieces = [piece for n, segment in enumerate(segments) for piece in _in_pieces(segment, 6, [24, 40, 800], 100 + n)]
    rows, _ = read_bytes(tmp_path, pcap(in_turn(pieces)))
    assert [r["uri"] for r in rows["http_requests"]] == ["/x\\xff.exe"]


# -- the same whatever the windows ------------------------------------------------------------------------------------------


def _all(paths: list[Path]) -> tuple[Any, ...]:
    rows, coverages = read(paths)
    return tables(rows), coverages


CALLS = (WantedCall("4b324fc8-1670-01d3-1278-5a47bf6ee188", frozenset({15, 31, 32})),)


WANTS = (Want("udp", 14, 700, least_port=1024, per_flow=4), Want("tcp", 4, 700, least_port=1024))


@pytest.mark.slow
def test_windows_chunks_and_order_change_nothing(corpora: Path) -> None:
    paths = captures(corpora)
    want = _all(paths)
    assert sum(map(len, want[0].values())) > 1000
    for window, chunk in ((1 << 10, 1), (1 << 16, 50), (1 << 23, 8192)):
        with small_windows(window, chunk):
            assert _all(paths) == want
    backwards, coverages = read(paths[::-1])
    turned = {name: [{**r, "file_no": len(paths) - 1 - r["file_no"]} for r in found] for name, found in tables(backwards).items()}
    assert coverages[::-1] == want[1]
    for name, found in want[0].items():
        for number in range(len(paths)):
            assert [r for r in turned[name] if r["file_no"] == number] == [r for r in found if r["file_no"] == number]


def test_windows_change_nothing_for_a_few(corpora: Path) -> None:
    names = ("mapi.pcap", "smb2readwrite.pcap", "dns-wiresharkrepo.pcap", "concurrent-range-requests.pcap", "gre-sample.pcap")
    paths = [p for p in captures(corpora) if p.name in names]
    want = _all(paths)
    for window, chunk in ((1 << 10, 3), (1 << 16, 64)):
        with small_windows(window, chunk):
            assert _all(paths) == want


MOST_MUTATED = 60_000
"""Bytes of a corpus capture that is damaged again and again; uncompressed ones, or most damage would end the reading."""


@st.composite
def damage(draw: st.DrawFn, size: int) -> list[tuple[str, int, bytes, int]]:
    """What happens to a capture of `size` bytes: (what, where, bytes, length), in that order."""
    kinds = st.sampled_from(("change", "remove", "cut", "repeat"))
    place = st.integers(0, size - 1)
    return draw(
        st.lists(st.tuples(kinds, place, st.binary(min_size=1, max_size=6), st.integers(1, 3000)), min_size=1, max_size=8)
    )


def damaged(data: bytes, harms: list[tuple[str, int, bytes, int]]) -> bytes:
    out = bytearray(data)
    for kind, place, patch, length in harms:
        if kind == "change":
            out[place : place + len(patch)] = patch
        elif kind == "remove":
            del out[place : place + length]
        elif kind == "cut":
            del out[max(place, len(data) // 2) :]
        else:
            out[place:place] = out[place : place + length]
    return bytes(out)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_windows_change_nothing_of_damaged_captures(
    tmp_path_factory: pytest.TempPathFactory, corpora: Path, data: st.DataObject
) -> None:
    paths = [p for p in captures(corpora) if p.stat().st_size < MOST_MUTATED]
    path = data.draw(st.sampled_from(paths), "capture")
    content = path.read_bytes()
    content = damaged(content, data.draw(damage(len(content)), "damage"))
    window, chunk = data.draw(st.sampled_from(((1 << 10, 1), (1 << 11, 5), (1 << 13, 64), (1 << 16, 17))), "window, chunk")
    folder = tmp_path_factory.mktemp("damaged")
    want_rows, want = read_bytes(folder, content, wants=WANTS, calls=CALLS)
    with small_windows(window, chunk):
        rows, got = read_bytes(folder, content, wants=WANTS, calls=CALLS)
    assert tables(rows) == tables(want_rows)
    assert got == want


_PLAIN = """
import json, sys
from pathlib import Path
from tests.capture_help import captures, read
rows, coverages = read([p for p in captures(Path(sys.argv[1])) if p.stat().st_size < int(sys.argv[2])])
print(json.dumps([rows.tables, [repr(c) for c in coverages]], default=repr, sort_keys=True))
"""


@pytest.mark.slow
def test_uncompiled_loops_give_the_same_rows(corpora: Path, repo: Path) -> None:
    """The plain twin of every compiled loop: the same source, run by Python."""
    outputs = []
    for off in ("0", "1"):
        environment = {**os.environ, "NUMBA_DISABLE_JIT": off, "PYTHONWARNINGS": "ignore"}
        command = [sys.executable, "-c", _PLAIN, str(corpora), "300000"]
        done = subprocess.run(command, cwd=repo, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-2000:]
        outputs.append(json.loads(done.stdout))
    assert outputs[0] == outputs[1]
    assert sum(map(len, outputs[0][0].values())) > 500


# -- texts ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "text"),
    [
        (b"Example.COM", "example.com"),
        (b"a:80", "a"),
        (b"a:", "a"),
        (b"[2001:DB8:0::1]:80", "2001:db8::1"),  # as in all tables
        (b"[::ffff:10.0.0.1]", "10.0.0.1"),
        (b"[fe80::1%25eth0]:80", "fe80::1"),
        (b"[x]:80", "[x]"),
        (b"2001:db8::1", "2001:db8::1"),
        (b"a:b", "a:b"),
        (b"", ""),
        (b"10.0.0.1:8080", "10.0.0.1"),
        (b"x\x01", "x\\x01"),
        (b" a.b ", "a.b"),
    ],
)
def test_hosts(host: bytes, text: str) -> None:
    assert host_text(host) == text


def test_shares_and_pipes() -> None:
    assert share_text("\\\\Host\\admin$") == "ADMIN$"
    assert share_text("C$\\") == "C$"
    assert pipe_text("\\PIPE\\SrvSvc") == "srvsvc"
    assert pipe_text("browser") == "browser"


def test_stubs_are_kept_only_where_wanted(corpora: Path) -> None:
    path = next(p for p in captures(corpora) if p.name == "smb2-zero-byte-error-ioctl.pcapng")
    rows, _ = read([path], calls=CALLS)
    kept = {(r["interface"], r["opnum"]): r["stub"] for r in rows["rpc_calls"] if r["stub"] is not None}
    assert set(kept) <= {(CALLS[0].interface, opnum) for opnum in CALLS[0].opnums}
    plain, _ = read([path])
    assert all(r["stub"] is None for r in plain["rpc_calls"])
    assert len(plain["rpc_calls"]) == len(rows["rpc_calls"]) > 0


def test_a_conversation_seen_from_its_middle_is_turned_if_its_words_say_so(tmp_path: Path) -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    packets = [
        ipv4(tcp(answer, ACK, 77, 10, 5001, 5000), 6, SERVER, CLIENT),
        ipv4(tcp(b"GET /again HTTP/1.1\r\nHost: h\r\n\r\n", ACK, 10, 77 + len(answer), 5000, 5001)),
    ]
    rows, _ = read_bytes(tmp_path, pcap(in_turn(packets)))
    (flow,) = rows["flows"]
    assert (flow["client"], flow["server_port"], flow["packets_out"], flow["state"]) == (CLIENT, 5001, 1, "midstream")
    assert [(r["client"], r["uri"]) for r in rows["http_requests"]] == [(CLIENT, "/again")]


def test_syn_flood_is_many_attempts(tmp_path: Path) -> None:
    packets = [ipv4(tcp(b"", SYN, n, 0, 2000 + n, 445), 6, CLIENT, f"10.7.{n // 250}.{n % 250}") for n in range(2000)]
    rows, (coverage,) = read_bytes(tmp_path, pcap(in_turn(packets)))
    assert coverage.rows == {"flows": 2000}
    assert {(r["state"], r["bytes_out"]) for r in rows["flows"]} == {("attempt", 0)}
