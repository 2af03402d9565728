"""Header decoding: every frame of the corpora against tshark, and each kind of header made by hand."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import capture_help as make
from tests.capture_help import captures, ethernet, ipv4, ipv6, tcp, tshark, vlan
from wormward.wire import capture
from wormward.wire.addresses import address_text
from wormward.wire.fragments import Fragments
from wormward.wire.frames import FRAGMENT, HEADLESS, MALFORMED, MORE, NOT_IP, PACKET, TRUNCATED, decode
from wormward.wire.links import LINK_TYPES

FIELDS = (
    "frame.number",
    "frame.time_epoch",
    "ip.src",
    "ip.dst",
    "ipv6.src",
    "ipv6.dst",
    "tcp.srcport",
    "tcp.dstport",
    "tcp.len",
    "tcp.seq_raw",
    "tcp.ack_raw",
    "tcp.flags",
    "udp.srcport",
    "udp.dstport",
    "udp.length",
    "frame.protocols",
)
# tshark's own reassembly would show one frame's bytes at another one.
PLAIN = ("-o", "tcp.desegment_tcp_streams:FALSE", "-o", "tcp.relative_sequence_numbers:FALSE")


def decoded(path: Path) -> np.ndarray:
    """All frames of a capture as rows."""
    data = path.read_bytes()
    if data[:2] == b"\x1f\x8b":
        data = gzip.decompress(data)
    window = np.frombuffer(bytearray(data), np.uint8)
    records = capture.records(data[:24])
    parts, place, reason = [], records.begin, capture.FULL
    while reason == capture.FULL:
        rows = np.zeros(4096, PACKET)
        step = records.walk(window, place, len(data), rows)
        parts.append(rows[: step.count])
        place, reason = step.place, step.reason
    rows = np.concatenate(parts)
    Fragments().complete(window, len(window), rows, len(rows))
    return rows


def last(text: str) -> str:
    return text.rpartition(",")[2]


def wanted(row: dict[str, str]) -> dict[str, Any]:
    """What tshark says of a frame. Of an ICMP error only the frame itself: it shows the packet inside as well."""
    seconds, _, part = row["frame.time_epoch"].partition(".")
    out: dict[str, Any] = {"frame": int(row["frame.number"]), "time_us": int(seconds) * 1_000_000 + int(part[:6])}
    protocols = row["frame.protocols"].split(":")
    if "icmp" in protocols or "icmpv6" in protocols:
        return out
    family = next((p for p in reversed(protocols) if p in ("ip", "ipv6")), None)
    if family is None:
        return out | {"not_ip": True}
    out |= {"src": last(row[f"{family}.src"]), "dst": last(row[f"{family}.dst"]), "not_ip": False}
    if "tcp" in protocols and row["tcp.srcport"]:
        out |= {"ports": (int(last(row["tcp.srcport"])), int(last(row["tcp.dstport"]))), "size": int(last(row["tcp.len"]))}
        flags = int(last(row["tcp.flags"]), 0) & 255
        out |= {"seq": int(last(row["tcp.seq_raw"])), "ack": int(last(row["tcp.ack_raw"])), "flags": flags}
    elif "udp" in protocols and row["udp.srcport"]:
        out |= {"ports": (int(last(row["udp.srcport"])), int(last(row["udp.dstport"]))), "size": int(last(row["udp.length"])) - 8}
    return out


def shown(row: np.void) -> dict[str, Any]:
    """The same of one of our rows."""
    return {
        "frame": int(row["frame"]),
        "time_us": int(row["time_us"]),
        "not_ip": bool(row["marks"] & NOT_IP),
        "src": address_text(int(row["src_hi"]) << 64 | int(row["src_lo"])),
        "dst": address_text(int(row["dst_hi"]) << 64 | int(row["dst_lo"])),
        "ports": (int(row["sport"]), int(row["dport"])),
        "size": int(row["size"]) + int(row["missing"]),
        "seq": int(row["seq"]),
        "ack": int(row["ack"]),
        "flags": int(row["tcp_flags"]),
    }


def compare(path: Path) -> None:
    theirs, ours = tshark(path, FIELDS, *PLAIN), decoded(path)
    assert len(theirs) == len(ours), path.name
    for row, mine in zip(theirs, ours, strict=True):
        want = wanted(row)
        got = shown(mine)
        assert {name: got[name] for name in want} == want, (path.name, row["frame.protocols"])


# Every link type, tunnel and oddity of the corpora at least once.
SAMPLE = (
    "6-4-gre-ppp-udp-4-dns.pcap",
    "gre-sample.pcap",
    "twovlan.pcap",
    "get-to-ssh-server.pcap",
    "ech.pcap",
    "payload-syn.pcap",
    "variant-07-expect_100_cl0.pcap",
    "truncated-header.pcap",
    "retransmit-fast009.pcap",
    "kerberos135_auth.pcapng",
    "mapi.pcap",
    "timeout-with-pings.pcap",
    "smb_many_open_files_500.pcap.gz",
    "mdns.pcap",
)


@pytest.mark.parametrize("name", SAMPLE)
def test_frames_are_what_tshark_sees(corpora: Path, name: str) -> None:
    compare(next(p for p in captures(corpora) if p.name == name))


@pytest.mark.slow
def test_every_frame_of_the_corpora_is_what_tshark_sees(corpora: Path) -> None:
    paths = captures(corpora)
    assert len(paths) > 140
    for path in paths:
        compare(path)


def one(frame: bytes, link: int = 1, cut: int | None = None) -> np.void:
    """Decode one frame, of which only `cut` bytes were captured."""
    row = np.zeros(1, PACKET)
    caplen = len(frame) if cut is None else min(cut, len(frame))
    decode(np.frombuffer(bytearray(frame), np.uint8), 0, caplen, len(frame), link, row[0])
    return row[0]


PACKET4 = ipv4(tcp(b"payload", seq=7))
PACKET6 = ipv6(tcp(b"payload", seq=7))
GRE = b"\0\0\x08\0"
LINKS: dict[str, tuple[int, bytes]] = {
    "ethernet": (1, ethernet(PACKET4)),
    "ethernet, IPv6": (1, ethernet(PACKET6, 0x86DD)),
    "VLAN": (1, ethernet(vlan(PACKET4), 0x8100)),
    "QinQ": (1, ethernet(vlan(vlan(PACKET4), 0x8100), 0x88A8)),
    "old QinQ": (1, ethernet(vlan(vlan(PACKET6, 0x86DD), 0x8100), 0x9100)),
    "padding": (1, ethernet(PACKET4) + bytes(20)),
    "802.3 with SNAP": (1, ethernet(b"\xaa\xaa\x03\0\0\0\x08\0" + PACKET4, 8 + len(PACKET4))),
    "MPLS": (1, ethernet(b"\0\0\x20\x40\0\0\x31\x40" + PACKET4, 0x8847)),
    "PPPoE": (1, ethernet(b"\x11\0\0\x01\0\x40\0\x21" + PACKET4, 0x8864)),
    "Linux cooked": (113, b"\0\0\0\x01\0\x06\0\0\0\0\0\0\0\0\x08\0" + PACKET4),
    "Linux cooked with VLAN": (113, b"\0\0\0\x01\0\x06\0\0\0\0\0\0\0\0\x81\0" + vlan(PACKET4)),
    "Linux cooked v2": (276, b"\x86\xdd\0\0\0\0\0\x02\0\x01\0\x06\0\0\0\0\0\0\0\0" + PACKET6),
    "raw": (101, PACKET4),
    "raw, IPv6": (101, PACKET6),
    "raw (12)": (12, PACKET4),
    "raw (14)": (14, PACKET6),
    "raw IPv4": (228, PACKET4),
    "raw IPv6": (229, PACKET6),
    "BSD loopback, little": (0, b"\x02\0\0\0" + PACKET4),
    "BSD loopback, big": (0, b"\0\0\0\x1e" + PACKET6),
    "OpenBSD loopback": (108, b"\0\0\0\x18" + PACKET6),
    "PPP": (9, b"\xff\x03\0\x21" + PACKET4),
    "PPP, short": (50, b"\x21" + PACKET4),
    "options": (101, ipv4(tcp(b"payload", seq=7), options=b"\x94\x04\0\0")),
    "no total length (TSO)": (101, ipv4(tcp(b"payload", seq=7), length=0)),
    "IP in IP": (101, ipv4(PACKET4, 4, "1.1.1.1", "2.2.2.2")),
    "IPv6 in IPv4": (101, ipv4(PACKET6, 41, "1.1.1.1", "2.2.2.2")),
    "IPv4 in IPv6": (101, ipv6(PACKET4, 4)),
    "GRE": (101, ipv4(GRE + PACKET4, 47, "1.1.1.1", "2.2.2.2")),
    "GRE, key, sum and number": (101, ipv4(b"\xb0\0\x86\xdd" + bytes(12) + PACKET6, 47, "1.1.1.1", "2.2.2.2")),
    "GRE, bridged": (101, ipv4(b"\x20\0\x65\x58\0\0\0\x05" + ethernet(PACKET4), 47, "1.1.1.1", "2.2.2.2")),
    "GRE, PPP": (101, ipv4(b"\x30\x81\x88\x0b" + bytes(12) + b"\xff\x03\0\x21" + PACKET4, 47, "1.1.1.1", "2.2.2.2")),
    "ERSPAN": (101, ipv4(b"\x10\0\x88\xbe" + bytes(4) + b"\x10" + bytes(7) + ethernet(PACKET4), 47, "1.1.1.1", "2.2.2.2")),
    "IPv6 extensions": (
        101,
        ipv6(
            b"\x2b\0"
            + bytes(6)
            + b"\x3c\0"
            + bytes(6)
            + b"\x33\x01"
            + bytes(14)
            + b"\x06\x02"
            + bytes(14)
            + tcp(b"payload", seq=7),
            0,
        ),
    ),
    "IPv6 fragment header of a whole datagram": (101, ipv6(b"\x06\0\0\0\0\0\0\x09" + tcp(b"payload", seq=7), 44)),
}


@pytest.mark.parametrize("name", LINKS)
def test_headers(name: str, tmp_path: Path) -> None:
    link, frame = LINKS[name]
    row = one(frame, link)
    six = row["src_hi"] != 0
    assert row["marks"] == 0
    assert (row["sport"], row["dport"], row["seq"], row["tcp_flags"]) == (40000, 80, 7, make.ACK)
    assert frame[row["offset"] : row["offset"] + row["size"]] == b"payload"
    assert row["missing"] == 0
    source = address_text(int(row["src_hi"]) << 64 | int(row["src_lo"]))
    assert source == ("2001:db8::1" if six else make.CLIENT)
    assert link in LINK_TYPES
    path = tmp_path / "one.pcap"
    path.write_bytes(make.pcap([(make.START, frame)], link))
    compare(path)


def test_snap_length_cuts_payload_and_headers() -> None:
    frame = ethernet(ipv4(tcp(b"x" * 100)))
    row = one(frame, cut=64)
    assert (row["size"], row["missing"], row["marks"]) == (10, 90, TRUNCATED)
    row = one(frame, cut=50)
    assert row["marks"] & HEADLESS
    assert one(frame, cut=20)["marks"] & (NOT_IP | HEADLESS) == NOT_IP | HEADLESS


def test_fragments_keep_identification_and_place() -> None:
    row = one(ipv4(bytes(24), 17, ident=77, offset=16, more=True), 101)
    assert row["marks"] == FRAGMENT | MORE
    assert (row["seq"], row["ack"], row["size"], row["sport"]) == (77, 16, 24, 0)


@pytest.mark.parametrize(
    "frame",
    [
        ipv4(b"\0\x50\0\x50" + bytes(12) + b"\x20" + bytes(3)),  # TCP header of 8 bytes
        ipv4(b"", 6),
        b"\x44" + ipv4(tcp())[1:],  # IP header of 16 bytes
        ipv4(tcp(), length=10),
        ipv6(b"\x06", 0),
    ],
)
def test_broken_headers_are_marked(frame: bytes) -> None:
    assert one(frame, 101)["marks"] & MALFORMED


@pytest.mark.parametrize("frame", [ethernet(bytes(46), 0x0806), ethernet(b"", 0x88CC), ethernet(bytes(3), 3)])
def test_other_protocols_are_no_trouble(frame: bytes) -> None:
    assert one(frame)["marks"] == NOT_IP


def test_layers_are_bounded() -> None:
    packet = PACKET4
    for _ in range(40):
        packet = ipv4(packet, 4)
    row = one(packet, 101)
    assert row["sport"] == 0


def _mutated(frame: bytes, edits: list[tuple[int, int]], cut: int) -> bytes:
    data = bytearray(frame)
    for place, value in edits:
        data[place % len(data)] = value
    return bytes(data[: max(1, cut % (len(data) + 1))])


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(sorted(LINKS)), st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), max_size=6), st.integers(0, 300)
)
def test_any_bytes_give_a_row_within_bounds_and_the_plain_twin_agrees(name: str, edits: list[tuple[int, int]], cut: int) -> None:
    link, frame = LINKS[name]
    frame = _mutated(frame, edits, cut)
    _check_twin(frame, link, decode)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=120), st.sampled_from(sorted(LINK_TYPES)))
def test_garbage(frame: bytes, link: int) -> None:
    _check_twin(frame + b"\0", link, decode)


def _check_twin(frame: bytes, link: int, compiled: Callable[..., None]) -> None:
    data = np.frombuffer(bytearray(frame), np.uint8)
    ours, twin = np.zeros(1, PACKET), np.zeros(1, PACKET)
    compiled(data, 0, len(frame), len(frame) + 5, link, ours[0])
    compiled.py_func(data, 0, len(frame), len(frame) + 5, link, twin[0])  # type: ignore[attr-defined]
    assert ours.tobytes() == twin.tobytes()
    row = ours[0]
    assert 0 <= row["offset"] <= len(frame)
    assert row["size"] == 0 or row["offset"] + row["size"] <= len(frame)
    assert row["missing"] >= 0
