"""Flow exports in captures: what a real exporter says of the example, tshark's opinion of it, and made-up exporters."""

from __future__ import annotations

import json
import socket
import struct
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.capture_help import START, ethernet, ipv4, pcap, read, read_bytes, small_windows, tshark, udp
from tests.need import need_program
from wormward.model.states import Infection
from wormward.packs import builtin_packs
from wormward.pipeline import assess
from wormward.wire.addresses import address_text
from wormward.wire.datagrams import is_export
from wormward.wire.facts import Stamp
from wormward.wire.flow_export import MOST_HELD, Exports, Record
from wormward.wire.talks import Ends

NOW_S = START // 1_000_000
ROUTER, COLLECTOR = "10.0.0.1", "10.0.0.2"
ENDS = Ends(1, 40_000, 2, 2055)
MAPPED = 0xFFFF << 32
ENDS_OF_FLOW = ("client", "client_port", "server", "server_port", "protocol", "state", "packets_out", "packets_in")


# -- a real exporter -------------------------------------------------------------------------------------------------------


def recent(capture: bytes) -> bytes:
    """The capture (pcap of little-endian machines) with its last frame now: exporters count from when they came up."""
    raw, places, at = bytearray(capture), [], 24
    while at < len(raw):
        places.append(at)
        at += 16 + int.from_bytes(raw[at + 8 : at + 12], "little")
    shift = int(time.time()) - max(int.from_bytes(raw[p : p + 4], "little") for p in places)
    for p in places:
        raw[p : p + 4] = (int.from_bytes(raw[p : p + 4], "little") + shift).to_bytes(4, "little")
    return bytes(raw)


def exported(capture: Path, version: int) -> list[bytes]:
    """The datagrams that softflowd sends to a collector (on the loopback) of a capture."""
    got: list[bytes] = []
    program = need_program("softflowd")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as collector:
        collector.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 24)
        collector.bind(("127.0.0.1", 0))
        collector.settimeout(0.2)
        ended = threading.Event()

        def collect() -> None:
            while True:
                try:
                    got.append(collector.recv(65_535))
                except TimeoutError:
                    if ended.is_set():
                        return

        thread = threading.Thread(target=collect)
        thread.start()
        to = f"127.0.0.1:{collector.getsockname()[1]}"
        words = [program, "-r", str(capture), "-n", to, "-v", str(version), "-d"]
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
        ended.set()
        thread.join()
    assert done.returncode == 0, done.stderr[-500:]
    return got


def frames(packets: Sequence[bytes], port: int = 2055) -> bytes:
    """A capture of what an exporter sends."""
    return pcap(
        (START + i * 1000, ethernet(ipv4(udp(data, 40_000, port), 17, ROUTER, COLLECTOR))) for i, data in enumerate(packets)
    )


@pytest.fixture(scope="module")
def example(repo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("exports") / "example.pcap"
    path.write_bytes(recent((repo / "examples/outbreak/outbreak.pcap").read_bytes()))
    return path


@pytest.mark.parametrize("version", [5, 9, 10])
def test_a_real_exporter_says_what_the_capture_says(example: Path, tmp_path: Path, version: int) -> None:
    path = tmp_path / "export.pcap"
    path.write_bytes(frames(exported(example, version), 4739 if version == 10 else 2055))
    rows, (coverage,) = read([path])
    whole, _ = read([example])
    told = [row for row in rows["flows"] if row["client"] != ROUTER]
    assert _conversations(told) == _conversations(whole["flows"])
    assert not coverage.problems
    # softflowd knows when it came up to the second, and its clock is this machine's, not that of the frames.
    lengths = {row["time_end"] - row["time"] for row in told}
    assert max(lengths) > 1_000_000
    shown = tshark(path, ("cflow.srcaddr", "cflow.dstaddr", "cflow.srcport", "cflow.dstport", "cflow.packets"), show="cflow")
    assert Counter(_tsharks(shown)) == Counter(_ours(path))


@pytest.mark.slow
def test_exports_alone_blame_nobody_wrongly(repo: Path, example: Path, tmp_path: Path) -> None:
    """Of what a router exports of the example, whoever is infected or suspected is infected in the story."""
    path = tmp_path / "export.pcap"
    path.write_bytes(frames(exported(example, 9)))
    truth = json.loads((repo / "examples/outbreak/truth.json").read_text())["infected"]
    said = assess([path], packs=builtin_packs())
    blamed = {h.address for h in said.hosts if h.verdict in {Infection.INFECTED, Infection.SUSPECTED}}
    assert len(blamed) >= 5
    assert blamed <= set(truth)


def _conversations(rows: list[dict[str, Any]]) -> Counter[tuple[object, ...]]:
    """Ends, outcome and packets of each. Who asked whom on two high ports is not told by records with the same stamps."""
    found: Counter[tuple[object, ...]] = Counter()
    for row in rows:
        client, client_port, server, server_port, protocol, state, out, back = (row[name] for name in ENDS_OF_FLOW)
        ends = [(client, client_port, out), (server, server_port, back)]
        if min(client_port, server_port) >= 1024 or client_port == server_port:
            ends.sort()
        found[(*ends, protocol, state)] += 1
    return found


def _tsharks(rows: list[dict[str, str]]) -> Iterator[tuple[str, ...]]:
    for row in rows:
        yield from zip(*(row[name].split(",") for name in row if row["cflow.srcaddr"]), strict=True)


def _ours(path: Path) -> Iterator[tuple[str, ...]]:
    exports = Exports()
    for row in tshark(path, ("udp.payload",), show="udp"):
        for _, flow in exports.feed(ENDS, bytes.fromhex(row["udp.payload"].replace(":", "")), Stamp(0, 0, 1)):
            ends = (address_text(flow.source), address_text(flow.target), str(flow.source_port), str(flow.target_port))
            yield (*ends, str(flow.packets))


# -- made-up exporters -----------------------------------------------------------------------------------------------------


def a_set(number: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">HH", number, len(body) + 4) + body


def template(number: int, *fields: tuple[int, ...], scopes: int | None = None) -> bytes:
    """An IPFIX (option) template; a field is (element, length) or (element, length, enterprise)."""
    head = struct.pack(">HH", number, len(fields)) + (b"" if scopes is None else struct.pack(">H", scopes))
    out = [head]
    for element, length, *enterprise in fields:
        out.append(
            struct.pack(">HH", element | (0x8000 if enterprise else 0), length)
            + b"".join(e.to_bytes(4, "big") for e in enterprise)
        )
    return b"".join(out)


def template9(number: int, *fields: tuple[int, int]) -> bytes:
    return struct.pack(">HH", number, len(fields)) + b"".join(struct.pack(">HH", *f) for f in fields)


def ipfix(*sets: bytes, domain: int = 7, sent: int = NOW_S) -> bytes:
    body = b"".join(sets)
    return struct.pack(">HHIII", 10, 16 + len(body), sent, 0, domain) + body


def netflow9(*sets: bytes, domain: int = 7, up_ms: int = 1_000_000) -> bytes:
    return struct.pack(">HHIIII", 9, len(sets), up_ms, NOW_S, 0, domain) + b"".join(sets)


def netflow5(records: Sequence[tuple[str, str, int, int, int, int]], sampling: int = 0, up_ms: int = 1_000_000) -> bytes:
    """(source, target, source port, target port, protocol, flags) each; they lasted from 60 to 50 seconds ago."""
    out = [struct.pack(">HHIIIIBBH", 5, len(records), up_ms, NOW_S, 0, 0, 0, 0, sampling)]
    for source, target, sport, dport, protocol, flags in records:
        first, last = (up_ms - 60_000) & 0xFFFFFFFF, (up_ms - 50_000) & 0xFFFFFFFF
        out.append(
            socket.inet_aton(source) + socket.inet_aton(target) + bytes(8)
            + struct.pack(">IIIIHHBBBB", 3, 180, first, last, sport, dport, 0, flags, protocol, 0) + bytes(8)
        )  # fmt: skip
    return b"".join(out)


PLAIN = ((8, 4), (12, 4), (7, 2), (11, 2), (4, 1), (6, 1), (2, 4), (152, 8), (153, 8))


def plain(source: str = "10.1.1.1", target: str = "10.2.2.2", sport: int = 40_000, dport: int = 445, flags: int = 2) -> bytes:
    ends = socket.inet_aton(source) + socket.inet_aton(target) + struct.pack(">HHBB", sport, dport, 6, flags)
    return ends + struct.pack(">IQQ", 3, (NOW_S - 60) * 1000, (NOW_S - 50) * 1000)


def flows(*packets: bytes) -> list[Any]:
    exports = Exports()
    return [record.flow for i, data in enumerate(packets) for record in fed(exports, data, i + 1)]


def fed(exports: Exports, data: bytes, frame: int = 1) -> list[Record]:
    assert is_export(np.frombuffer(data, np.uint8), 0, len(data))
    return exports.feed(ENDS, data, Stamp(START, 0, frame))


def test_netflow_5(tmp_path: Path) -> None:
    there = ("10.1.1.1", "10.2.2.2", 40_000, 445, 6, 2)
    back = ("10.2.2.2", "10.1.1.1", 445, 40_000, 6, 20)
    rows, (coverage,) = read_bytes(tmp_path, frames([netflow5([there, back, ("10.1.1.1", "10.2.2.3", 8, 2048, 1, 0)])]))
    told = [tuple(row[name] for name in ENDS_OF_FLOW) for row in rows["flows"]]
    assert told[1:] == [
        ("10.1.1.1", 40_000, "10.2.2.2", 445, "tcp", "refused", 3, 3),
        ("10.1.1.1", 0, "10.2.2.3", 0, "icmp", "attempt", 3, 0),
    ]
    assert (rows["flows"][1]["time"], rows["flows"][1]["time_end"]) == (START - 60_000_000, START - 50_000_000)
    assert not coverage.notes
    assert told[0][3] == 2055  # the exporter's own packets are a flow, too


def test_a_counter_of_milliseconds_may_have_turned() -> None:
    (flow,) = flows(netflow5([("10.1.1.1", "10.2.2.2", 1, 2, 6, 2)], up_ms=10_000))
    assert (flow.begin_us, flow.end_us) == (START - 60_000_000, START - 50_000_000)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_data_may_come_before_its_template(order: tuple[int, int]) -> None:
    packets = [ipfix(a_set(2, template(300, *PLAIN))), ipfix(a_set(300, plain(), plain("10.1.1.9"), bytes(3)))]
    exports = Exports()
    told = [record for i in order for record in fed(exports, packets[i], i + 1)]
    assert [(address_text(r.flow.source), r.stamp.frame, r.flow.begin_us) for r in told] == [
        ("10.1.1.1", 2, START - 60_000_000), ("10.1.1.9", 2, START - 60_000_000),
    ]  # fmt: skip
    assert exports.held == 0


def test_templates_hold_for_their_exporter_and_domain_only(tmp_path: Path) -> None:
    packets = [ipfix(a_set(2, template(300, *PLAIN))), ipfix(a_set(300, plain()), domain=8), ipfix(a_set(300, plain()))]
    exports = Exports()
    assert [len(fed(exports, data)) for data in packets] == [0, 0, 1]
    other = exports.feed(Ends(9, 40_000, 2, 2055), packets[2], Stamp(START, 0, 9))
    assert not other
    rows, (coverage,) = read_bytes(tmp_path, frames(packets))
    assert len(rows["flows"]) == 2
    assert coverage.notes == (
        "1 set of exported flow records, of 1 exporter, had no template in the capture or broke off (the first such "
        "exporter's packets begin in frame 1): these records were not read",
    )


def test_a_template_may_be_withdrawn_and_given_anew() -> None:
    other = ((12, 4), (8, 4), (4, 1), (2, 4), (150, 4), (151, 4))
    data = socket.inet_aton("10.2.2.2") + socket.inet_aton("10.1.1.1") + struct.pack(">BIII", 17, 9, NOW_S - 9, NOW_S)
    told = flows(
        ipfix(a_set(2, template(300, *PLAIN)), a_set(300, plain())),
        ipfix(a_set(2, struct.pack(">HH", 300, 0)), a_set(300, data)),
        ipfix(a_set(2, template(300, *other))),
    )
    assert [(address_text(f.source), f.packets, f.protocol) for f in told] == [("10.1.1.1", 3, 6), ("10.1.1.1", 9, 17)]


def test_enterprise_fields_and_variable_lengths_are_passed_over() -> None:
    fields = ((1, 65_535, 9), (8, 4), (371, 65_535), (12, 4), (8, 4, 9), (4, 1), (2, 1), (154, 8), (155, 8))
    ntp = ((NOW_S + 2_208_988_800) << 32) + (1 << 31)
    tail = struct.pack(">BBQQ", 6, 3, ntp, ntp)
    ends = socket.inet_aton("10.1.1.1"), socket.inet_aton("10.2.2.2")
    long = b"\xff\x01\x00" + b"x" * 256
    records = [b"\x02ab" + ends[0] + b"\0" + ends[1] + b"evil" + tail, long + ends[0] + b"\x01u" + ends[1] + b"evil" + tail]
    told = flows(ipfix(a_set(2, template(300, *fields)), a_set(300, *records)))
    assert [(address_text(f.source), address_text(f.target), f.packets, f.begin_us) for f in told] == [
        ("10.1.1.1", "10.2.2.2", 3, START + 500_000)
    ] * 2


def test_records_of_both_directions(tmp_path: Path) -> None:
    fields = (*PLAIN, (2, 4, 29_305), (6, 1, 29_305))
    records = [plain(flags=2) + struct.pack(">IB", 2, 20), plain(target="10.2.2.9") + struct.pack(">IB", 0, 0)]
    rows, _ = read_bytes(tmp_path, frames([ipfix(a_set(2, template(300, *fields)), a_set(300, *records))]))
    told = [tuple(row[name] for name in ENDS_OF_FLOW) for row in rows["flows"]]
    assert told[1:] == [
        ("10.1.1.1", 40_000, "10.2.2.2", 445, "tcp", "refused", 3, 2),
        ("10.1.1.1", 40_000, "10.2.2.9", 445, "tcp", "attempt", 3, 0),
    ]


def test_what_firewalls_export() -> None:
    fields = ((27, 16), (28, 16), (7, 2), (11, 2), (4, 1), (231, 4), (232, 4), (323, 8))
    six = socket.inet_pton(socket.AF_INET6, "2001:db8::1"), socket.inet_pton(socket.AF_INET6, "2001:db8::2")
    data = b"".join(six) + struct.pack(">HHBIIQ", 40_000, 445, 6, 700, 0, NOW_S * 1000)
    (flow,) = flows(ipfix(a_set(2, template(300, *fields)), a_set(300, data)))
    assert (address_text(flow.source), flow.packets, flow.packets_back, flow.begin_us) == ("2001:db8::1", 1, 0, START)


def test_netflow_9_with_options(tmp_path: Path) -> None:
    fields = ((8, 4), (12, 4), (7, 2), (11, 2), (4, 1), (6, 1), (2, 4), (22, 4), (21, 4))
    data = plain()[:18] + struct.pack(">II", 940_000, 950_000)
    options = struct.pack(">HHH", 301, 4, 8) + struct.pack(">HHHHHH", 1, 4, 34, 4, 35, 1) + b"\0\0"
    sampled = struct.pack(">IIB", 0, 100, 2) + bytes(3)
    packet = netflow9(a_set(0, template9(300, *fields)), a_set(1, options), a_set(301, sampled), a_set(300, data))
    (flow,) = flows(packet)
    assert (flow.begin_us, flow.end_us, flow.flags) == (START - 60_000_000, START - 50_000_000, 2)
    _, (coverage,) = read_bytes(tmp_path, frames([packet]))
    assert coverage.notes == (
        "1 flow exporter looked at one packet of 100 only, or of fewer still: most flows are not in its records",
    )
    assert any("sampled" in blind for blind in coverage.blind)


def test_sampling_of_the_other_versions() -> None:
    for packet in (
        netflow5([("10.1.1.1", "10.2.2.2", 1, 2, 6, 2)], sampling=1 << 14 | 50),
        ipfix(a_set(3, template(301, (302, 8), (305, 4), (306, 4), scopes=1)), a_set(301, bytes(8) + struct.pack(">II", 2, 98))),
    ):
        exports = Exports()
        fed(exports, packet)
        assert exports.streams[ENDS].sampled == 50


def test_an_exporters_clock_is_told(tmp_path: Path) -> None:
    packet = ipfix(a_set(2, template(300, *PLAIN)), a_set(300, plain()), sent=NOW_S - 7200)
    _, (coverage,) = read_bytes(tmp_path, frames([packet]))
    assert coverage.notes == (
        "1 flow exporter's clock differed from the sensor's, at most by 7200 seconds: times of exported flows are its",
    )


def test_exports_are_known_on_any_port_and_nothing_else_is(tmp_path: Path) -> None:
    packet = ipfix(a_set(2, template(300, *PLAIN)), a_set(300, plain()))
    rows, _ = read_bytes(tmp_path, frames([packet], 50_505))
    assert [row["server_port"] for row in rows["flows"]] == [50_505, 445]
    for other in (packet[:-1], packet + b"\0", b"\0\x0a" + bytes(40), b"\0\x05\0\x01" + bytes(60), b"\0\x09\0\x01" + bytes(60)):
        rows, (coverage,) = read_bytes(tmp_path, frames([other], 50_505))
        assert [row["server_port"] for row in rows["flows"]] == [50_505]
        assert not coverage.notes


def test_rows_do_not_depend_on_windows(tmp_path: Path) -> None:
    packets = [ipfix(a_set(300, plain(sport=1024 + i))) for i in range(40)] + [ipfix(a_set(2, template(300, *PLAIN)))]
    whole, _ = read_bytes(tmp_path, frames(packets))
    with small_windows(512, 5):
        again, _ = read_bytes(tmp_path, frames(packets))
    assert again["flows"] == whole["flows"]
    assert len(whole["flows"]) == 41


# -- bounds and garbage ----------------------------------------------------------------------------------------------------


def test_what_waits_is_bounded() -> None:
    exports = Exports()
    for i in range(100):
        exports.feed(ENDS, ipfix(a_set(300 + i, bytes(60_000))), Stamp(START, 0, i))
        assert exports.held <= MOST_HELD
    exports.finish()
    assert exports.held == 0
    assert exports.streams[ENDS].untold == 100


def test_templates_that_ask_for_much() -> None:
    nothing = template(300, *[(8, 0)] * 300)
    many = struct.pack(">HH", 301, 60_000) + bytes(8)
    exports = Exports()
    assert not exports.feed(ENDS, ipfix(a_set(2, nothing), a_set(300, bytes(5000)), a_set(2, many)), Stamp(START, 0, 1))
    assert exports.streams[ENDS].damaged == 1


@cache
def seeds() -> tuple[bytes, ...]:
    return (
        netflow5([("10.1.1.1", "10.2.2.2", 1, 2, 6, 2)] * 3),
        ipfix(a_set(2, template(300, *PLAIN)), a_set(300, plain(), plain())),
        ipfix(a_set(2, template(300, (1, 65_535, 9), (8, 4), (12, 4), (4, 1))), a_set(300, b"\x02ab" + bytes(9))),
        ipfix(a_set(3, template(301, (302, 8), (305, 4), (306, 4), scopes=1)), a_set(301, bytes(16))),
        netflow9(a_set(0, template9(300, (8, 4), (12, 4), (4, 1), (22, 4), (21, 4))), a_set(300, bytes(34))),
        netflow9(a_set(1, struct.pack(">HHH", 301, 4, 8) + struct.pack(">HHHHHH", 1, 4, 34, 4, 35, 1)), a_set(301, bytes(9))),
    )


@settings(max_examples=400, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 5), st.lists(st.tuples(st.integers(0, 199), st.integers(0, 255)), max_size=5), st.integers(0, 60)
        ),
        max_size=5,
    )
)
def test_any_packets_are_decoded_within_bounds(packets: list[tuple[int, list[tuple[int, int]], int]]) -> None:
    exports = Exports()
    for which, edits, cut in packets:
        data = bytearray(seeds()[which])
        for place, value in edits:
            data[place % len(data)] = value
        data = data[: max(4, len(data) - cut // 4)]
        is_export(np.frombuffer(data, np.uint8), 0, len(data))
        if tuple(data[:2]) in {(0, 5), (0, 9), (0, 10)}:
            for _, flow in exports.feed(ENDS, bytes(data), Stamp(START, 0, 1)):
                assert flow.begin_us <= flow.end_us
                assert 0 <= flow.source_port < 1 << 16
        assert exports.held <= MOST_HELD
    exports.finish()


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=120))
def test_any_bytes_are_decided_upon_alike(data: bytes) -> None:
    for lead in (b"", b"\0\x05\0\x01", b"\0\x09\0\x01", b"\0\x0a"):
        raw = np.frombuffer(lead + data + b"\0", np.uint8)
        size = len(raw) - 1
        assert bool(is_export(raw, 0, size)) == bool(is_export.py_func(raw, 0, size))
