"""DHCP in captures: who got which address, against tshark on the example; damaged messages."""

from __future__ import annotations

import struct
from ipaddress import ip_address
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.capture_help import START, in_turn, ipv4, pcap, read, read_bytes, tshark, udp
from wormward.model.errors import WireError
from wormward.wire.dhcp import decode

CARD = bytes.fromhex("020000000107")
MAC = "02:00:00:00:01:07"
SERVER, NOBODY, ALL = "10.1.1.1", "0.0.0.0", "255.255.255.255"  # noqa: S104 - a client without an address


def dhcp(kind: int, *options: tuple[int, bytes], given: str = NOBODY, own: str = NOBODY, number: int = 9) -> bytes:
    head = struct.pack(">BBBBIHH", 1 if kind in (1, 3, 8) else 2, 1, 6, 0, number, 0, 0)
    addresses = ip_address(own).packed + ip_address(given).packed + bytes(8)
    every = ((53, bytes([kind])), *options)
    return (
        head + addresses + CARD + bytes(202) + b"\x63\x82\x53\x63" + b"".join(bytes([n, len(d)]) + d for n, d in every) + b"\xff"
    )


def asked(data: bytes) -> bytes:
    return ipv4(udp(data, 68, 67), 17, NOBODY, ALL)


def told(data: bytes) -> bytes:
    return ipv4(udp(data, 67, 68), 17, SERVER, ALL)


def bindings(folder: Path, *packets: bytes) -> list[tuple[object, ...]]:
    rows, _ = read_bytes(folder, pcap(in_turn(packets)))
    return [(r["place"], r["time_end"], r["address"], r["kind"], r["value"]) for r in rows["bindings"]]


def test_a_lease_binds_card_and_name(tmp_path: Path) -> None:
    hour = (51, (3600).to_bytes(4, "big"))
    end = START + 1000 + 3_600_000_000
    assert bindings(tmp_path, asked(dhcp(3, (12, b"PC7"))), told(dhcp(5, hour, given="10.1.1.7"))) == [
        (2, end, "10.1.1.7", "mac", "02:00:00:00:01:07"),
        (2, end, "10.1.1.7", "dhcp-name", "pc7"),
    ]


@pytest.mark.parametrize(
    ("packets", "expected"),
    [
        ((asked(dhcp(3, (12, b"PC7"))), told(dhcp(6))), []),  # refused
        ((told(dhcp(2, given="10.1.1.7")),), []),  # offered only
        ((asked(dhcp(3, (12, b"PC7"), number=8)), told(dhcp(5, given="10.1.1.7"))), [("mac", MAC)]),
        ((asked(dhcp(8, (12, b"PC"), (12, b"7"))), told(dhcp(5, own="10.1.1.7"))), [("mac", MAC), ("dhcp-name", "pc7")]),
        ((told(dhcp(5, (51, b"\xff" * 4), (12, b"X\x1b[2J"), given="10.1.1.7")),), [("mac", MAC), ("dhcp-name", "x\\x1b[2j")]),
        ((told(dhcp(5)),), []),
    ],
)  # fmt: skip
def test_what_binds_and_what_does_not(tmp_path: Path, packets: tuple[bytes, ...], expected: list[tuple[str, str]]) -> None:
    found = bindings(tmp_path, *packets)
    assert [row[3:] for row in found] == expected
    assert {row[1] for row in found} <= {None}


def test_tshark_sees_the_same_leases(repo: Path) -> None:
    path = repo / "examples/outbreak/outbreak.pcap"
    rows, _ = read([path])
    fields = ("frame.number", "dhcp.ip.your", "dhcp.hw.mac_addr", "dhcp.option.dhcp")
    acks = [row for row in tshark(path, fields, show="dhcp") if row["dhcp.option.dhcp"] == "5"]
    cards = [(str(r["place"]), r["address"], r["value"]) for r in rows["bindings"] if r["kind"] == "mac"]
    assert cards == [(row["frame.number"], row["dhcp.ip.your"], row["dhcp.hw.mac_addr"]) for row in acks]
    assert len(cards) > 10
    names = {r["address"]: r["value"] for r in rows["bindings"] if r["kind"] == "dhcp-name"}
    zeek = (repo / "examples/outbreak/zeek/dhcp.log").read_text()
    assert names
    assert all(name in zeek for name in names.values())


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 290), st.integers(0, 255)), max_size=6), st.integers(0, 400), st.binary(max_size=40))
def test_any_bytes_are_a_message_or_none(edits: list[tuple[int, int]], cut: int, tail: bytes) -> None:
    data = bytearray(dhcp(5, (12, b"PC7"), (51, b"\0\0\x0e\x10"), given="10.1.1.7"))
    for place, value in edits:
        data[place % len(data)] = value
    try:
        found = decode(bytes(data[: len(data) - cut // 4]) + tail)
    except WireError:
        return
    assert len(found.card) == 17
    assert found.host_name != b""
