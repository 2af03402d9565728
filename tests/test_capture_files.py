"""pcap and pcapng: byte orders, clocks, interfaces, damage."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.capture_help import (
    START,
    block,
    enhanced,
    ethernet,
    in_turn,
    interface,
    ipv4,
    pcap,
    read_bytes,
    section,
    small_windows,
    talk,
    udp,
)
from wormward.model.errors import WireError
from wormward.wire import capture
from wormward.wire.frames import PACKET

FRAME = ethernet(ipv4(udp(b"hello", dport=9999), 17))
GET = [
    (True, b"GET /a HTTP/1.1\r\nHost: x.example\r\n\r\n"),
    (False, b"HTTP/1.1 200 OK\r\nContent-Length: 3000\r\n\r\n" + b"x" * 3000),
]
FRAMES = in_turn(talk(GET) * 1 + [ipv4(udp(b"%d" % i * 50, 4000 + i, 9999), 17) for i in range(30)])


def walked(data: bytes, window: int = 1 << 16) -> tuple[np.ndarray, int]:
    """All rows of a file, and why the walk stopped."""
    walker = capture.records(data[:64])
    rows = np.zeros(1000, PACKET)
    place, count, reason = walker.begin, 0, capture.FULL
    array = np.frombuffer(bytearray(data), np.uint8)
    while reason == capture.FULL:
        step = walker.walk(array, place, len(data), rows[count:])
        place, count, reason = step.place, count + step.count, step.reason
    del window
    return rows[:count], reason


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("nano", [False, True])
def test_pcap_of_both_byte_orders_and_clocks(order: str, nano: bool) -> None:
    rows, reason = walked(pcap([(START + 123_456, FRAME), (START + 9_999_999, FRAME)], order=order, nano=nano))
    assert reason == capture.MORE
    assert rows["time_us"].tolist() == [START + 123_456, START + 9_999_999]
    assert rows["frame"].tolist() == [1, 2]
    assert rows["dport"].tolist() == [9999, 9999]


def test_pcap_with_long_record_headers() -> None:
    plain = pcap([(START, FRAME), (START + 5, FRAME)])
    data = b"\x34\xcd\xb2\xa1" + plain[4:24]
    for at in (24, 24 + 16 + len(FRAME)):
        data += plain[at : at + 16] + bytes(8) + FRAME
    assert walked(data)[0]["time_us"].tolist() == [START, START + 5]


@pytest.mark.parametrize("order", ["<", ">"])
def test_pcapng_with_interfaces_of_all_clocks(order: str) -> None:
    ticks = START + 123_456
    blocks = [
        section(order),
        interface(order=order),
        interface(resolution=9, order=order),
        interface(link=101, resolution=0x80 | 20, offset=-3600, order=order),
        interface(resolution=0, order=order),
        interface(resolution=12, order=order),
        enhanced(ticks, FRAME, 0, order=order),
        block(0xBAD, b"custom", order),
        enhanced(ticks * 1000 + 999, FRAME, 1, order=order),
        enhanced((ticks // 1_000_000 + 3600) << 20 | 1 << 19, FRAME[14:], 2, order=order),
        enhanced(ticks // 1_000_000, FRAME, 3, order=order),
        enhanced(5_000_000_123_456 * 1_000_000 + 999_999, FRAME, 4, order=order),
        block(3, len(FRAME).to_bytes(4, "little" if order == "<" else "big") + FRAME, order),
        enhanced(ticks, FRAME, 99, order=order),
    ]
    rows, reason = walked(b"".join(blocks))
    assert reason == capture.MORE
    second = ticks // 1_000_000 * 1_000_000
    assert rows["time_us"].tolist()[:5] == [ticks, ticks, second + 500_000, second, 5_000_000_123_456]
    assert rows["dport"].tolist()[:6] == [9999] * 6
    assert rows["frame"].tolist() == [1, 2, 3, 4, 5, 6, 7]


def test_pcapng_old_packet_blocks() -> None:
    for order in "<>":
        name = "little" if order == "<" else "big"
        body = (1).to_bytes(2, name) + bytes(2) + (START >> 32).to_bytes(4, name) + (START & 0xFFFFFFFF).to_bytes(4, name)
        body += len(FRAME).to_bytes(4, name) * 2 + FRAME
        rows, _ = walked(section(order) + interface(113, order=order) + interface(order=order) + block(2, body, order))
        assert (rows["time_us"].tolist(), rows["dport"].tolist()) == ([START], [9999])


def test_pcapng_sections_begin_anew() -> None:
    one = section() + interface() + enhanced(START, FRAME)
    two = section(">") + interface(101, order=">") + enhanced(START + 1, FRAME[14:], order=">")
    rows, _ = walked(one + two)
    assert rows["dport"].tolist() == [9999, 9999]
    assert rows["frame"].tolist() == [1, 2]


@pytest.mark.parametrize("data", [b"", b"\xd4\xc3\xb2\xa1", b"PK\x03\x04" + bytes(40), b"\n\r\r\n" + bytes(20)])
def test_what_is_no_capture_is_refused(data: bytes) -> None:
    with pytest.raises(WireError):
        capture.records(data)


def flows(folder: Path, data: bytes) -> tuple[int, list[str | None], int]:
    rows, (coverage,) = read_bytes(folder, data)
    return (
        sum(r["packets_out"] + r["packets_in"] for r in rows["flows"]),
        [p.place for p in coverage.problems],
        len(rows["http_requests"]),
    )


def test_a_cut_file_keeps_what_stands_before(tmp_path: Path) -> None:
    whole = pcap(FRAMES)
    total, places, _ = flows(tmp_path, whole)
    assert (total, places) == (len(FRAMES), [])
    total, places, _ = flows(tmp_path, whole[:-1])
    last = 16 + len(FRAMES[-1][1])
    assert (total, places) == (len(FRAMES) - 1, [f"frame {len(FRAMES)}, byte {len(whole) - last}"])
    assert flows(tmp_path, whole[:24]) == (0, [], 0)
    assert flows(tmp_path, whole[:30]) == (0, ["frame 1, byte 24"], 0)
    assert flows(tmp_path, whole[:20])[1] == ["byte 0"]


@pytest.mark.parametrize("window", [512, 1 << 20])
def test_behind_damage_records_are_found_again(tmp_path: Path, window: int) -> None:
    whole = bytearray(pcap(FRAMES))
    place = 24 + sum(16 + len(frame) for _, frame in FRAMES[:20])
    whole[place + 8 : place + 12] = b"\xff\xff\xff\x7f"
    with small_windows(window, 8):
        total, places, exchanges = flows(tmp_path, bytes(whole))
    assert (total, places) == (len(FRAMES) - 1, [f"frame 21, byte {place}"])
    assert exchanges == 1


def test_zeros_in_the_middle_are_damage(tmp_path: Path) -> None:
    whole = bytearray(pcap(FRAMES))
    place = 24 + sum(16 + len(frame) for _, frame in FRAMES[:20])
    whole[place : place + 300] = bytes(300)
    total, places, _ = flows(tmp_path, bytes(whole))
    assert places == [f"frame 21, byte {place}"]
    assert len(FRAMES) - 6 < total < len(FRAMES)


def test_damaged_pcapng_goes_on_at_the_next_block(tmp_path: Path) -> None:
    blocks = [section(), interface(), *(enhanced(time, frame) for time, frame in FRAMES)]
    data = bytearray(b"".join(blocks))
    place = sum(map(len, blocks[:12]))
    data[place + 4] ^= 0x40
    total, places, _ = flows(tmp_path, bytes(data))
    assert (total, places) == (len(FRAMES) - 1, [f"frame 11, byte {place}"])


def test_clocks_that_jump_are_told(tmp_path: Path) -> None:
    late = [(time + 40 * 86_400_000_000, frame) for time, frame in FRAMES[20:30]]
    _, (coverage,) = read_bytes(tmp_path, pcap(FRAMES[:20] + late + FRAMES[30:]))
    (problem,) = coverage.problems
    assert problem.what.startswith("2 time stamps")
    assert problem.place == "frame 21"
    assert problem.remedy


def test_cut_payload_is_told_and_headers_are_used(tmp_path: Path) -> None:
    _, (before,) = read_bytes(tmp_path, pcap(FRAMES))
    rows, (coverage,) = read_bytes(tmp_path, pcap(FRAMES, snaplen=96))
    assert before.problems == ()
    (problem,) = coverage.problems
    assert "are cut" in problem.what
    (exchange,) = rows["http_requests"]
    assert (exchange["status"], exchange["response_bytes"]) == (200, 3000)
    assert next(r for r in rows["flows"] if r["protocol"] == "tcp")["bytes_in"] == len(GET[1][1])


def test_unread_link_types_are_told(tmp_path: Path) -> None:
    _, (coverage,) = read_bytes(tmp_path, pcap([(START, bytes(60))], link=105))
    assert "link type 105" in coverage.problems[0].what


def test_a_record_longer_than_the_window(tmp_path: Path) -> None:
    big = [*in_turn([ipv4(udp(bytes(60_000), 1, 2), 17)]), (START + 5_000, ethernet(ipv4(udp(b"x", 3, 4), 17)))]
    with small_windows(1024, 4):
        total, places, _ = flows(tmp_path, pcap(big))
    assert (total, places) == (2, [])
    with small_windows(1024, 4):
        secrets = block(10, bytes(900_000))
        total, places, _ = flows(
            tmp_path, section() + secrets + interface() + enhanced(START, FRAME) + secrets + enhanced(START, FRAME)
        )
    assert (total, places) == (2, [])


_SAMPLES = (
    pcap(FRAMES[:12]),
    pcap(FRAMES[:12], order=">", nano=True),
    section() + interface() + b"".join(enhanced(time, frame) for time, frame in FRAMES[:12]),
)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(_SAMPLES),
    st.lists(st.tuples(st.integers(0, 10_000), st.binary(min_size=1, max_size=9)), max_size=4),
    st.one_of(st.none(), st.integers(0, 10_000)),
)
def test_any_damage_ends_in_rows_and_problems(
    tmp_path_factory: pytest.TempPathFactory, sample: bytes, edits: list[tuple[int, bytes]], cut: int | None
) -> None:
    data = bytearray(sample)
    for wish, junk in edits:
        place = wish % len(data)
        data[place : place + len(junk)] = junk
    if cut is not None:
        del data[cut % len(data) :]
    _, (coverage,) = read_bytes(tmp_path_factory.mktemp("fuzz"), bytes(data))
    for problem in coverage.problems:
        assert problem.what
    if not coverage.rows:
        assert coverage.problems or coverage.notes or len(data) <= 100


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=400), st.sampled_from([s[:24] for s in _SAMPLES[:2]] + [section() + interface()]))
def test_garbage_behind_a_header(tmp_path_factory: pytest.TempPathFactory, junk: bytes, head: bytes) -> None:
    _, (coverage,) = read_bytes(tmp_path_factory.mktemp("fuzz"), head + junk)
    assert coverage.kind in ("pcap", "pcapng")
