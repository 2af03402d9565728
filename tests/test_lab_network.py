"""The lab's packets: sums, sequence numbers, order, files."""

from __future__ import annotations

import struct
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from lab.capture import Capture
from lab.network import MSS, Machine, checksum, finish, tcp_frame, udp_frame
from lab.stage import SECOND, Stage
from lab.tcp import Tcp
from tests.lab_help import tshark

ONE = Machine("10.0.0.1", b"\x02\0\0\0\0\1")
TWO = Machine("10.0.0.2", b"\x02\0\0\0\0\2", distance_us=900)


def folded(data: bytes) -> int:
    """The one's complement sum of 16-bit words, by the book (RFC 1071)."""
    even = data + bytes(len(data) % 2)
    total = sum(struct.unpack(f">{len(even) // 2}H", even))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def test_checksum_is_that_of_the_rfc() -> None:
    assert checksum(bytes.fromhex("0001f203f4f5f6f7")) == 0xFFFF - 0xDDF2


@given(st.binary(max_size=1500))
def test_checksum_agrees_with_the_sum_by_the_book(data: bytes) -> None:
    assert checksum(data) == (0xFFFF - folded(data)) % 0xFFFF


@given(st.binary(max_size=MSS), st.integers(0, 2**40), st.booleans())
def test_frames_carry_right_sums(payload: bytes, seq: int, udp: bool) -> None:
    frame = udp_frame(ONE, TWO, (5, 6), payload) if udp else tcp_frame(ONE, TWO, (5, 6), seq, 0, 0x18, payload)
    finish(frame, 77)
    length = int.from_bytes(frame[16:18], "big")
    header, body = bytes(frame[14:34]), bytes(frame[34 : 14 + length])
    assert folded(header) == 0xFFFF
    assert folded(header[12:20] + struct.pack(">HH", header[9], len(body)) + body) == 0xFFFF
    assert len(frame) == max(60, 14 + length)


def test_identifications_rise_in_time_order_whatever_the_order_of_writing(tmp_path: Path) -> None:
    stage = Stage(1, (Capture(tmp_path / "a.pcap"),))
    for time in (3, 1, 2):
        stage.packet(time, ONE, udp_frame(ONE, TWO, (1, time), b"x"))
    first = ONE.next_id + 1
    stage.run(SECOND)
    seen = tshark(tmp_path / "a.pcap", ["udp.dstport", "ip.id"])
    assert [int(port) for port, _ in seen] == [1, 2, 3]
    assert [int(ident, 16) for _, ident in seen] == [first, first + 1, first + 2]


def test_a_conversation_is_whole_for_tshark(tmp_path: Path) -> None:
    """Nothing lost, out of order or acknowledged unseen; the streams' bytes are what was said."""
    stage = Stage(1, (Capture(tmp_path / "a.pcap"),))
    said = [(0, b"a" * 10), (1, b"b" * 40_000), (0, b"c" * 3000), (0, b"d"), (1, b"e" * MSS)]

    def act(now: int) -> None:
        tcp = Tcp(stage, now, ONE, TWO, 80)
        tcp.open()
        for side, data in said:
            tcp.send(side, data)
        tcp.pause(2 * SECOND)
        tcp.send(1, b"f" * 99)
        tcp.close(0)

    stage.at(SECOND, act)
    stage.run(2 * SECOND)
    assert not tshark(tmp_path / "a.pcap", ["frame.number"], "tcp.analysis.flags")
    lengths = [0, 0]
    for source, length in tshark(tmp_path / "a.pcap", ["ip.src", "tcp.len"]):
        lengths[source == TWO.address] += int(length)
    assert lengths == [3011, 40_000 + MSS + 99]


def test_a_rotated_capture_is_the_same_capture(tmp_path: Path) -> None:
    whole, parts = Capture(tmp_path / "whole.pcap"), Capture(tmp_path / "part.pcap", 10 * SECOND)
    for sink in (whole, parts):
        for time in range(0, 100 * SECOND, 700_001):
            sink.packet(time, udp_frame(ONE, TWO, (1, 2), b"x"))
        sink.close()
    assert len(parts.paths) == 10
    joined = b"".join(path.read_bytes()[24:] for path in parts.paths)
    assert joined == (tmp_path / "whole.pcap").read_bytes()[24:]
