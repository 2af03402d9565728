"""Flows and reassembly: order, loss, repetition, overlap, wrap, skips; and the states of connections."""

from __future__ import annotations

import random
import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.capture_help import (
    ACK,
    CLIENT,
    FIN,
    RST,
    SERVER,
    START,
    SYN,
    Frame,
    Rows,
    captures,
    ethernet,
    evidence,
    in_turn,
    ipv4,
    ipv6,
    pcap,
    read,
    read_bytes,
    talk,
    tcp,
    udp,
)
from tests.need import need_program
from wormward.evidence.capture_stream import Sensor, begin_conversation
from wormward.model.pack import Want
from wormward.model.reading import ReadContext
from wormward.wire import capture, reassembly, strangers
from wormward.wire.addresses import address_text
from wormward.wire.facts import Stamp
from wormward.wire.streams import DNS_PORT
from wormward.wire.talks import Ends


@dataclass
class Recorder:
    """A decoder that writes down what it is told; `wants(to_server, position)` says which bytes it has a use for."""

    ends: Ends
    wants: Callable[[bool, int], bool] = lambda _to_server, _position: True
    log: list[tuple[object, ...]] = field(default_factory=list)
    place: dict[bool, int] = field(default_factory=lambda: {True: 0, False: 0})
    closed: int = 0

    def feed(self, to_server: bool, data: bytes, stamp: Stamp) -> None:
        assert data
        self.log.append((to_server, self.place[to_server], bytes(data), stamp))
        self.place[to_server] += len(data)

    def gap(self, to_server: bool, length: int) -> None:
        assert length > 0
        self.log.append((to_server, self.place[to_server], length))
        self.place[to_server] += length

    def skippable(self, to_server: bool) -> int:
        place = self.place[to_server]
        while place < self.place[to_server] + 5000 and not self.wants(to_server, place):
            place += 1
        return place - self.place[to_server]

    def close(self) -> None:
        self.closed += 1

    def take(self) -> list[object]:
        return []

    def seen(self, to_server: bool) -> bytes:
        """The bytes of one direction, nothing for holes."""
        return b"".join(entry[2] for entry in self.log if entry[0] is to_server and isinstance(entry[2], bytes))

    def stream(self, to_server: bool, size: int | None = None) -> bytes:
        """The bytes of one direction, holes as zeros."""
        out = bytearray(self.place[to_server])
        for entry in self.log:
            if entry[0] is to_server and isinstance(entry[2], bytes):
                out[entry[1] : entry[1] + len(entry[2])] = entry[2]  # type: ignore[operator, index]
        return bytes(out[:size])


def play(
    folder: Path, data: bytes, window: int = 1 << 20, chunk: int = 4096, wants: Callable[[bool, int], bool] | None = None
) -> list[Recorder]:
    """The conversations of a capture."""
    heard: list[Recorder] = []

    def begin(ends: Ends, _client: bytes, _server: bytes) -> Recorder:
        heard.append(Recorder(ends, wants or (lambda _d, _p: True)))
        return heard[-1]

    path = folder / "played.pcap"
    path.write_bytes(data)
    sensor = Sensor(ReadContext(Rows()), window, chunk, begin)  # type: ignore[arg-type]
    (file,) = evidence([path])
    with file.open() as stream:
        sensor.read(stream, capture.records(data[:64]), 0)
    sensor.finish()
    for conversation in heard:
        assert conversation.closed == 1
    return heard


# -- one connection in all conditions ------------------------------------------------------------------------------------


@dataclass
class Road:
    """What happens to packets between sender and sensor."""

    seed: int
    handshake: bool
    lose: float
    repeat: float
    delay: float
    isn: tuple[int, int]
    cut: bool = False  # the snap length cuts every packet

    def packets(self, streams: tuple[bytes, bytes]) -> tuple[list[bytes], tuple[set[int], set[int]]]:
        """IP packets as the sensor sees them, and the positions of each direction that it saw."""
        rng = random.Random(self.seed)
        sent: list[tuple[int, int, bytes]] = []
        place = [0, 0]
        while place[0] < len(streams[0]) or place[1] < len(streams[1]):
            side = rng.randrange(2)
            size = min(rng.randrange(1, 40), len(streams[side]) - place[side])
            if size:
                sent.append((side, place[side], streams[side][place[side] : place[side] + size]))
                place[side] += size
        seen: tuple[set[int], set[int]] = (set(), set())
        out: list[tuple[float, bytes]] = []
        for number, (side, at, data) in enumerate(sent):
            if rng.random() >= self.lose or number < 2:
                out.append((number + rng.random() * self.delay, self._packet(side, at, data)))
                seen[side].update(range(at, at + len(data)))
            if rng.random() < self.repeat:  # sent again, together with what stood around it
                low, high = max(0, at - rng.randrange(9)), min(len(streams[side]), at + len(data) + rng.randrange(9))
                out.append((number + rng.random() * 2 * self.delay, self._packet(side, low, streams[side][low:high])))
                seen[side].update(range(low, high))
        packets = [packet for _, packet in sorted(out, key=lambda pair: pair[0])]
        return (self._greeting() if self.handshake else []) + packets, seen

    def _packet(self, side: int, at: int, data: bytes) -> bytes:
        seq = self.isn[side] + 1 + at
        if side == 0:
            return ipv4(tcp(data, ACK, seq, self.isn[1] + 1, 40000, 80), 6, CLIENT, SERVER)
        return ipv4(tcp(data, ACK, seq, self.isn[0] + 1, 80, 40000), 6, SERVER, CLIENT)

    def _greeting(self) -> list[bytes]:
        return [
            ipv4(tcp(b"", SYN, self.isn[0], 0, 40000, 80), 6, CLIENT, SERVER),
            ipv4(tcp(b"", SYN | ACK, self.isn[1], self.isn[0] + 1, 80, 40000), 6, SERVER, CLIENT),
        ]


ROADS = st.builds(
    Road,
    seed=st.integers(0, 1 << 30),
    handshake=st.just(True),
    lose=st.sampled_from([0.0, 0.0, 0.1]),
    repeat=st.sampled_from([0.0, 0.2]),
    delay=st.sampled_from([0.0, 0.0, 3.0, 12.0]),
    isn=st.tuples(st.sampled_from([0, 4711, 0xFFFFFFFF, 0xFFFFFF00]), st.sampled_from([9, 0xFFFFFFF0])),
)
STREAMS = st.tuples(st.integers(0, 600), st.integers(0, 600)).map(
    lambda sizes: (bytes(1 + i % 251 for i in range(sizes[0])), bytes(1 + i % 241 for i in range(sizes[1])))
)


def _check(
    conversation: Recorder, streams: tuple[bytes, bytes], seen: tuple[set[int], set[int]], wants: Callable[[bool, int], bool]
) -> None:
    for side, to_server in enumerate((True, False)):
        got = conversation.stream(to_server)
        for position in seen[side]:
            if wants(to_server, position):
                assert got[position] == streams[side][position], (side, position)
        assert len(got) <= len(streams[side])
        assert len(got) == (max(seen[side]) + 1 if seen[side] else 0)


@settings(max_examples=150, deadline=None)
@given(ROADS, STREAMS)
def test_a_stream_arrives_whole_and_in_order_whatever_the_road(
    tmp_path_factory: pytest.TempPathFactory, road: Road, streams: tuple[bytes, bytes]
) -> None:
    packets, seen = road.packets(streams)
    folder = tmp_path_factory.mktemp("road")
    data = pcap(in_turn(packets))
    heard = play(folder, data)
    if not any(streams):
        assert heard == []
        return
    (conversation,) = heard
    _check(conversation, streams, seen, lambda _d, _p: True)
    for window, chunk in ((1024, 1), (4096, 7)):
        (again,) = play(folder, data, window, chunk)
        assert again.log == conversation.log


@settings(max_examples=150, deadline=None)
@given(ROADS, STREAMS, st.integers(1, 60), st.integers(0, 200))
def test_what_is_skipped_is_never_missed(
    tmp_path_factory: pytest.TempPathFactory, road: Road, streams: tuple[bytes, bytes], useful: int, useless: int
) -> None:
    def wants(_to_server: bool, position: int) -> bool:
        return position % (useful + useless) < useful

    packets, seen = road.packets(streams)
    folder = tmp_path_factory.mktemp("road")
    data = pcap(in_turn(packets))
    heard = play(folder, data, wants=wants)
    for conversation in heard:
        _check(conversation, streams, seen, wants)
    for window, chunk in ((1024, 1), (4096, 7)):
        assert [c.log for c in play(folder, data, window, chunk, wants)] == [c.log for c in heard]


def test_from_the_middle(tmp_path: Path) -> None:
    packets = talk([(True, b"abc" * 1000), (False, b"xyz" * 1000)], size=500)[5:]
    (conversation,) = play(tmp_path, pcap(in_turn(packets)))
    assert conversation.stream(True) == (b"abc" * 1000)[1000:]
    assert conversation.stream(False) == b"xyz" * 1000


@pytest.mark.parametrize("snaplen", [54 + 10, 54 + 1000])
def test_cut_payload_is_a_gap(tmp_path: Path, snaplen: int) -> None:
    data = bytes(range(1, 251)) * 40
    (conversation,) = play(tmp_path, pcap(in_turn(talk([(True, data)], size=1000)), snaplen=snaplen))
    got = conversation.stream(True)
    assert len(got) == len(data)
    keep = snaplen - 54
    assert all(got[i] == (data[i] if i % 1000 < keep else 0) for i in range(len(data)))


def _three(tmp_path: Path, order: list[int], acks: dict[int, int] | None = None) -> Recorder:
    """Five pieces of a hundred bytes, some of them, in an order; the server acknowledges as told behind a piece."""
    packets = talk([])[:3]
    for number in order:
        packets.append(ipv4(tcp(bytes([65 + number]) * 100, ACK, 1001 + 100 * number, 5001)))
        if acks and number in acks:
            packets.append(ipv4(tcp(b"", ACK, 5001, 1001 + acks[number], 80, 40000), 6, SERVER, CLIENT))
    (conversation,) = play(tmp_path, pcap(in_turn(packets)))
    return conversation


def _shape(conversation: Recorder) -> list[object]:
    return [entry[2] if isinstance(entry[2], int) else entry[2][:1].decode() for entry in conversation.log]  # type: ignore[index]


def test_an_acknowledgement_shows_what_the_capture_lost(tmp_path: Path) -> None:
    conversation = _three(tmp_path, [0, 2, 3, 4], {3: 400})
    assert _shape(conversation) == ["A", 100, "C", "D", "E"]
    frames = [entry[3].frame for entry in conversation.log if len(entry) == 4]  # type: ignore[attr-defined]
    assert frames == [4, 5, 6, 8]


def test_without_an_acknowledgement_a_gap_is_waited_for(tmp_path: Path) -> None:
    assert _shape(_three(tmp_path, [0, 2, 3, 1, 4], {2: 100})) == ["A", "B", "C", "D", "E"]
    assert _shape(_three(tmp_path, [0, 2, 3])) == ["A", 100, "C", "D"]


def test_waiting_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reassembly, "MOST_HELD", 150)
    assert _shape(_three(tmp_path, [0, 2, 3, 1, 4])) == ["A", 100, "C", "D", "E"]
    monkeypatch.setattr(reassembly, "MOST_HELD", 1 << 20)
    monkeypatch.setattr(reassembly, "MOST_HELD_TOTAL", 150)
    assert _shape(_three(tmp_path, [0, 2, 3, 1, 4])) == ["A", 100, "C", "D", "E"]


def test_first_bytes_win_and_contradictions_are_counted(tmp_path: Path) -> None:
    packets = talk([])[:3]
    for at, data in ((0, b"a" * 10), (20, b"b" * 10), (15, b"c" * 10), (28, b"d" * 4), (10, b"e" * 30)):
        packets.append(ipv4(tcp(data, ACK, 1001 + at, 5001)))
    (conversation,) = play(tmp_path, pcap(in_turn(packets)))
    assert conversation.stream(True) == b"a" * 10 + b"e" * 5 + b"c" * 5 + b"b" * 10 + b"d" * 2 + b"e" * 8


def test_too_many_conversations_close_the_most_silent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reassembly, "MOST_TALKS", 16)
    frames: list[Frame] = []
    for number in range(64):
        for packet in talk([(True, b"x" * 50)], sport=1000 + number, close=False):
            frames.append((START + len(frames) * 1000, ethernet(packet)))
    heard = play(tmp_path, pcap(frames))
    assert [c.stream(True) for c in heard] == [b"x" * 50] * 64


# -- against tshark --------------------------------------------------------------------------------------------------------

FOLLOWED = (
    "get-gzip.pcap",
    "concurrent-range-requests.pcap",
    "http-single-conn-22.pcap",
    "smb2readwrite.pcap",
    "smb1.pcap",
    "handshake-reorder.pcap",
    "twovlan.pcap",
    "20-fids-no-close.pcap",
    "kerberos445_auth.pcapng",
    "deeply-nested-mime.pcap",
)


def _followed(path: Path, ends: Ends) -> dict[bool, bytes]:
    """What tshark's follow shows of one connection, by whether it goes to the server."""
    client, server = address_text(ends.client), address_text(ends.server)
    which = f"{client}:{ends.client_port},{server}:{ends.server_port}"
    command = [need_program("tshark"), "-n", "-r", str(path), "-q", "-z", f"follow,tcp,raw,{which}"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    first = next(line for line in lines if line.startswith("Node 0: ")).removeprefix("Node 0: ")
    sides = {True: bytearray(), False: bytearray()}
    for line in lines:
        if re.fullmatch(r"\t?[0-9a-f]+", line):
            sides[line.startswith("\t") != (first == f"{client}:{ends.client_port}")].extend(bytes.fromhex(line.strip()))
    hole = re.compile(rb"\[\d+ bytes missing in capture file\]\0")
    return {side: hole.sub(b"", bytes(data)) for side, data in sides.items()}


@pytest.mark.parametrize("name", FOLLOWED)
def test_streams_are_what_tshark_follows(corpora: Path, tmp_path: Path, name: str) -> None:
    path = next(p for p in captures(corpora) if p.name == name)
    heard = play(tmp_path, path.read_bytes())
    assert heard
    for conversation in heard:
        assert {side: conversation.seen(side) for side in (True, False)} == _followed(path, conversation.ends)


# -- flows ----------------------------------------------------------------------------------------------------------------

_C, _S = (CLIENT, SERVER, 40000, 80), (SERVER, CLIENT, 80, 40000)


def _packet(ends: tuple[str, str, int, int], flags: int, seq: int = 0, ack: int = 0, data: bytes = b"") -> bytes:
    src, dst, sport, dport = ends
    return ipv4(tcp(data, flags, seq, ack, sport, dport), 6, src, dst)


def _flows(folder: Path, packets: list[bytes], gap_us: int = 1000) -> list[tuple[object, ...]]:
    rows, _ = read_bytes(folder, pcap(in_turn(packets, gap_us)))
    flows = sorted(rows["flows"], key=lambda r: r["place"])
    return [
        (r["client"], r["client_port"], r["server_port"], r["protocol"], r["state"], r["packets_out"], r["packets_in"])
        for r in flows
    ]


_HELLO = [_packet(_C, SYN, 9), _packet(_S, SYN | ACK, 99, 10), _packet(_C, ACK, 10, 100)]
STATES = {
    "attempt": ([_packet(_C, SYN, 9)] * 3, [(CLIENT, 40000, 80, "tcp", "attempt", 3, 0)]),
    "refused": ([_packet(_C, SYN, 9), _packet(_S, RST | ACK, 0, 10)], [(CLIENT, 40000, 80, "tcp", "refused", 1, 1)]),
    "established": (_HELLO, [(CLIENT, 40000, 80, "tcp", "established", 2, 1)]),
    "half-open scan": ([*_HELLO[:2], _packet(_C, RST, 10)], [(CLIENT, 40000, 80, "tcp", "established", 2, 1)]),
    "only the client's side": ([_HELLO[0], _HELLO[2]], [(CLIENT, 40000, 80, "tcp", "established", 2, 0)]),
    "only the server's side": ([_HELLO[1]], [(CLIENT, 40000, 80, "tcp", "established", 0, 1)]),
    "SYN-ACK before SYN": ([_HELLO[1], _HELLO[0], _HELLO[2]], [(CLIENT, 40000, 80, "tcp", "established", 2, 1)]),
    "from the middle": ([_packet(_C, ACK, 5, 5, b"x")], [(CLIENT, 40000, 80, "tcp", "midstream", 1, 0)]),
    "from the middle, server first": ([_packet(_S, ACK, 5, 5, b"x")], [(CLIENT, 40000, 80, "tcp", "midstream", 0, 1)]),
    "reset afterwards": ([*_HELLO, _packet(_S, RST, 100)], [(CLIENT, 40000, 80, "tcp", "established", 2, 2)]),
    "port used again after FIN": (
        [
            *_HELLO,
            _packet(_C, FIN | ACK, 10, 100),
            _packet(_S, FIN | ACK, 100, 11),
            _packet(_C, ACK, 11, 101),
            _packet(_C, SYN, 5000),
        ],
        [(CLIENT, 40000, 80, "tcp", "established", 4, 2), (CLIENT, 40000, 80, "tcp", "attempt", 1, 0)],
    ),
    "port used again after a try": (
        [_packet(_C, SYN, 9), _packet(_C, SYN, 77)],
        [(CLIENT, 40000, 80, "tcp", "attempt", 1, 0)] * 2,
    ),
    "a SYN out of nowhere is not believed": ([*_HELLO, _packet(_C, SYN, 777)], [(CLIENT, 40000, 80, "tcp", "established", 3, 1)]),
    "unless the server accepts it": (
        [*_HELLO, _packet(_C, SYN, 777), _packet(_S, SYN | ACK, 3, 778)],
        [(CLIENT, 40000, 80, "tcp", "established", 3, 1), (CLIENT, 40000, 80, "tcp", "established", 0, 1)],
    ),
}


@pytest.mark.parametrize("name", STATES)
def test_states_of_connections(tmp_path: Path, name: str) -> None:
    packets, want = STATES[name]
    assert _flows(tmp_path, packets) == want


def test_other_protocols_are_flows_too(tmp_path: Path) -> None:
    packets = [
        ipv4(udp(b"q", 5000, 161), 17),
        ipv4(udp(b"a", 161, 5000), 17, SERVER, CLIENT),
        ipv4(b"\x08\0" + bytes(6), 1),
        ipv4(bytes(8), 1, SERVER, CLIENT),
        ipv4(bytes(8), 2),
        ipv6(b"\x80" + bytes(7), 58),
    ]
    found = [(r[3], r[4], r[5], r[6]) for r in _flows(tmp_path, packets[:5])]
    assert found == [("udp", "established", 1, 1), ("icmp", "established", 1, 1), ("2", "attempt", 1, 0)]


def test_silence_ends_flows(tmp_path: Path) -> None:
    question = ipv4(udp(b"q", 5000, 161), 17)
    assert len(_flows(tmp_path, [question] * 3, 100_000_000)) == 1
    assert len(_flows(tmp_path, [question] * 3, 200_000_000)) == 3
    assert len(_flows(tmp_path, [*_HELLO, _packet(_C, ACK, 10, 100, b"x")], 100 * 1_000_000)) == 1
    assert len(_flows(tmp_path, [_packet(_C, SYN, 9)] * 3, 100 * 1_000_000)) == 1
    assert len(_flows(tmp_path, [_packet(_C, SYN, 9)] * 3, 200 * 1_000_000)) == 3


def test_many_flows_grow_the_table_and_are_all_told(tmp_path: Path) -> None:
    packets = [
        ipv4(tcp(b"", SYN, 1, 0, 1000 + n % 60_000, 445), 6, CLIENT, f"10.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}")
        for n in range(70_000)
    ]
    rows, _ = read_bytes(tmp_path, pcap(in_turn(packets, 10)))
    assert len(rows["flows"]) == len(packets)
    assert len({(r["server"], r["client_port"]) for r in rows["flows"]}) == len(packets)
    assert {r["state"] for r in rows["flows"]} == {"attempt"}


@pytest.mark.slow
def test_packets_and_bytes_of_all_captures_are_tsharks(corpora: Path) -> None:
    from collections import Counter

    from tests.capture_help import tshark

    fields = (
        "tcp.stream",
        "tcp.srcport",
        "tcp.dstport",
        "tcp.len",
        "ip.src",
        "ip.dst",
        "ipv6.src",
        "ipv6.dst",
        "frame.protocols",
    )
    for path in captures(corpora):
        theirs: Counter[tuple[str, str, str]] = Counter()
        streams = set()
        for row in tshark(path, fields, "-o", "tcp.desegment_tcp_streams:FALSE", show="tcp && !icmp && tcp.srcport"):
            family = "ip" if row["frame.protocols"].rfind("ip:") > row["frame.protocols"].rfind("ipv6:") else "ipv6"
            ends = [f"{row[f'{family}.{w}'].split(',')[-1]} {row[f'tcp.{w}port'].split(',')[-1]}" for w in ("src", "dst")]
            theirs[ends[0], ends[1], "packets"] += 1
            theirs[ends[0], ends[1], "bytes"] += int(row["tcp.len"].split(",")[-1])
            streams.add(row["tcp.stream"])
        rows, _ = read([path])
        ours: Counter[tuple[str, str, str]] = Counter()
        flows = [r for r in rows["flows"] if r["protocol"] == "tcp"]
        for r in flows:
            client, server = f"{r['client']} {r['client_port']}", f"{r['server']} {r['server_port']}"
            ours[client, server, "packets"] += r["packets_out"]
            ours[client, server, "bytes"] += r["bytes_out"]
            ours[server, client, "packets"] += r["packets_in"]
            ours[server, client, "bytes"] += r["bytes_in"]
        assert +ours == +theirs, path.name
        assert len(flows) == len(streams), path.name


# -- payloads for packs -----------------------------------------------------------------------------------------------------


def test_wanted_payloads_are_kept_and_no_others(tmp_path: Path) -> None:
    wants = (
        Want("udp", 14, 100, least_port=1024, not_ports=frozenset({5353}), per_flow=2),
        Want("tcp", 4, 60, ports=frozenset({6000}), first_bytes=b"\x10"),
    )
    frames = [ipv4(udp(bytes([n]) * 20, 4000, 5000), 17) for n in range(4)]
    frames += [
        ipv4(udp(b"r" * 20, 5000, 4000), 17, SERVER, CLIENT),
        ipv4(udp(b"p" * 20, 4000, 80), 17),
        ipv4(udp(b"m" * 20, 5353, 5353), 17),
    ]
    frames += [ipv4(udp(b"s" * 13, 4001, 5000), 17), ipv4(udp(b"l" * 101, 4002, 5000), 17)]
    frames += talk([(True, b"\x10" + b"a" * 90), (False, b"\x10bc"), (True, b"\x10never")], sport=4100, dport=6000, size=30)
    frames += talk([(False, b"\x10" + b"z" * 9), (True, b"\x11" + b"a" * 9)], sport=4101, dport=6000)
    frames += talk([(True, b"\x10" + b"a" * 9)], sport=4101, dport=6001)
    rows, _ = read_bytes(tmp_path, pcap(in_turn(frames)), wants=wants)
    kept = [(r["client"], r["client_port"], r["server_port"], r["protocol"], r["payload"]) for r in rows["payloads"]]
    assert kept == [
        (CLIENT, 4000, 5000, "udp", b"\0" * 20),
        (CLIENT, 4000, 5000, "udp", b"\1" * 20),
        (SERVER, 5000, 4000, "udp", b"r" * 20),
        (CLIENT, 4100, 6000, "tcp", b"\x10" + b"a" * 59),
        (SERVER, 6000, 4101, "tcp", b"\x10" + b"z" * 9),
    ]


# -- what is declined without asking -------------------------------------------------------------------------------------

_WORDS = [
    b"GET ", b"get ", b"M-SEARCH", b"RPC_OUT_DATA", b" / HTTP/1.1\r\n", b"HTTP/1.1 200", b"hTTp/1.", b"\xffSMB", b"\xfeSMB",
    b"SMB", b"\0\0\0\x40", b"\x81\0\0\x44 ", b"\x05\0\x0b\x03\x10\0\0\0", b"\x16\x03\x01", b"SSH-2.0-x\r\n", b" ", b"\n", b"\0",
    bytes(64), b"a" * 40,
]  # fmt: skip
_FIRST = st.lists(st.one_of(st.sampled_from(_WORDS), st.binary(max_size=24)), min_size=1, max_size=5).map(b"".join)
_PORTS = st.one_of(st.sampled_from([53, 80, 135, 139, 443, 445, 593, 8080]), st.integers(1, 65535))


@settings(max_examples=2000, deadline=None)
@given(_FIRST.filter(bool), _PORTS, _PORTS, st.binary(max_size=9))
def test_the_compiled_loop_declines_only_what_nobody_wants(first: bytes, client: int, server: int, before: bytes) -> None:
    rules = strangers.port_rules()
    rules[DNS_PORT] = strangers.ALWAYS_ASK
    rule = max(rules[client] if rules[client] == strangers.ALWAYS_ASK else 0, rules[server])
    data = np.frombuffer(before + first, np.uint8)
    if strangers.is_strange(data, len(before), len(first), rule):
        assert begin_conversation(Ends(1, client, 2, server), first, b"") is None


def test_strange_beginnings_are_declined_by_the_compiled_loop(tmp_path: Path) -> None:
    hello = b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03" + bytes(range(60))
    asked = []
    for port, first in ((443, hello), (445, hello), (9001, b"\x0b\x01" + hello), (9001, b"GET / HTTP/1.1\r\n\r\n"), (53, hello)):
        sensor = Sensor(ReadContext(Rows()))
        sensor._reassembly._begin = lambda ends, *first: asked.append((ends.server_port, *first))
        path = tmp_path / "a.pcap"
        path.write_bytes(pcap(in_turn(talk([(True, first), (False, hello)], dport=port))))
        with evidence([path])[0].open() as stream:
            sensor.read(stream, capture.records(path.read_bytes()[:64]), 0)
        sensor.finish()
    assert asked == [(9001, b"GET / HTTP/1.1\r\n\r\n", b""), (53, hello, b"")]
