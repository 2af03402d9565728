"""Peer-to-peer packets: nmap's accepted ones decode, everything else is refused without complaint."""

from __future__ import annotations

import struct
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.threat_help import lines
from wormward.threats.conficker.algorithms import PACKETS
from wormward.threats.conficker.packets import LEAST_SIZE, checksum

SAID = {
    "udp probe as nmap sends it": "flags 0x8001: mode, encoded",
    "tcp probe as nmap sends it": "flags 0x8005: mode, tcp, encoded",
    "udp, key 0 (no encryption)": "flags 0x8001: mode, encoded",
    "udp, IP+port included": "flags 0x8009: mode, address, encoded; address 192.168.1.10, port 34008",
    "udp, both unknown dwords + noise": (
        "flags 0x8030: first unknown, second unknown, encoded; first unknown 0x00000001; second unknown 0x00000002"
    ),
    "udp, data": "flags 0x8041: mode, data, encoded; data of kind 0, 5 bytes",
    "tcp, sysinfo (26 bytes)": "flags 0x8085: mode, tcp, system, encoded; system 5.1 build 2600, service pack 2.0",
}


def built(protocol: str, key: int, flags: int, fields: bytes = b"", noise: bytes = b"") -> bytes:
    """A packet, enciphered with numbers of Python's own: no code of the decoder but the sum, which vectors prove."""
    clear = struct.pack("<QH", key, flags) + fields
    clear += struct.pack("<I", checksum(clear)) + noise
    out = bytearray(clear[:8])
    for byte in clear[8:]:
        key = (key << 1 | key >> 63) % 2**64
        out.append(byte ^ key & 0xFF)
        key = (key + (key & 0xFF)) % 2**64
    return (struct.pack("<H", len(out)) if protocol == "tcp" else b"") + bytes(out)


def vectors(shared: Path) -> list[list[str]]:
    return [[part.strip() for part in line.split("|")] for line in lines(shared / "facts" / "data" / "p2p-packet-vectors.txt")]


def test_packets_that_nmap_accepts(shared: Path) -> None:
    rows = vectors(shared)
    assert {row[0] for row in rows} == set(SAID)
    for name, key1, key2, flags, body, summed, noise, wire in rows:
        protocol, payload = name[:3], bytes.fromhex(wire)
        assert PACKETS.decode(protocol, payload) == SAID[name]
        key = int(key2, 16) << 32 | int(key1, 16)
        assert built(protocol, key, int(flags, 16), bytes.fromhex(body), bytes.fromhex(noise)) == payload
        assert checksum(struct.pack("<QH", key, int(flags, 16)) + bytes.fromhex(body)) == int(summed, 16)


def test_one_wrong_bit_is_enough(shared: Path) -> None:
    """Every bit of key, fields and sum counts; noise does not."""
    for name, *_, noise, wire in vectors(shared):
        payload = bytes.fromhex(wire)
        protocol = name[:3]
        first = 2 if protocol == "tcp" else 0
        for place in range(first, len(payload) - len(noise) // 2):
            for bit in range(8):
                changed = bytearray(payload)
                changed[place] ^= 1 << bit
                assert PACKETS.decode(protocol, bytes(changed)) is None, (name, place, bit)


def test_a_cut_packet_is_none(shared: Path) -> None:
    for name, *_, noise, wire in vectors(shared):
        payload = bytes.fromhex(wire)
        for size in range(len(payload) - len(noise) // 2):
            assert PACKETS.decode(name[:3], payload[:size]) is None
        assert PACKETS.decode("udp" if name.startswith("tcp") else "tcp", payload) is None


def test_more_of_the_stream_may_follow(shared: Path) -> None:
    for name, *_, wire in vectors(shared):
        assert PACKETS.decode(name[:3], bytes.fromhex(wire) + b"and more") == SAID[name]


@settings(deadline=None)
@given(
    st.sampled_from(["tcp", "udp"]),
    st.integers(0, 2**64 - 1),
    st.integers(0, 2**16 - 1),
    st.binary(min_size=4, max_size=4),
    st.integers(0, 65535),
    st.binary(max_size=300),
    st.binary(min_size=26, max_size=26),
    st.binary(max_size=40),
)
def test_any_fields_in_any_combination(  # noqa: PLR0917 - a packet has as many fields as it has
    protocol: str, key: int, flags: int, address: bytes, port: int, data: bytes, system: bytes, noise: bytes
) -> None:
    flags = flags | 4 if protocol == "tcp" else flags & ~4
    fields = b""
    fields += address + struct.pack("<H", port) if flags & 8 else b""
    fields += b"\1\2\3\4" if flags & 16 else b""
    fields += b"\5\6\7\10" if flags & 32 else b""
    fields += struct.pack("<BH", 9, len(data)) + data if flags & 64 else b""
    fields += system if flags & 128 else b""
    said = PACKETS.decode(protocol, built(protocol, key, flags, fields, noise))
    assert said is not None
    assert said.isprintable()
    assert said.startswith(f"flags 0x{flags:04x}: ")
    assert (f", port {port}" in said) == bool(flags & 8)
    assert (f"kind 9, {len(data)} bytes" in said) == bool(flags & 64)


@settings(deadline=None)
@given(st.sampled_from(["tcp", "udp", "sctp", ""]), st.binary(max_size=400))
@example("udp", bytes(LEAST_SIZE))
@example("tcp", b"\x0e\0" + bytes(LEAST_SIZE))
@example("udp", b"\0" * 8 + b"\x40\0" + b"\0\xff\xff" + b"\0" * 40)
def test_noise_is_no_packet(protocol: str, payload: bytes) -> None:
    assert PACKETS.decode(protocol, payload) is None


def test_no_filler_is_a_packet() -> None:
    for filler in range(256):
        for size in range(LEAST_SIZE, 64):
            assert PACKETS.decode("udp", bytes([filler]) * size) is None
            assert PACKETS.decode("tcp", struct.pack("<H", size) + bytes([filler]) * size) is None
