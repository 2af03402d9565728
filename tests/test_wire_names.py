"""What hosts say of themselves: NetBIOS, LLMNR and mDNS in captures, against tshark where captures are real."""

from __future__ import annotations

import struct
from functools import cache
from ipaddress import ip_address
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.capture_help import START, Frame, captures, ethernet, in_turn, ipv4, ipv6, pcap, read, read_bytes, tshark, udp
from wormward.model.errors import WireError
from wormward.wire.datagrams import LLMNR, MDNS, NEIGHBOUR, NETBIOS_DATAGRAM, NETBIOS_NAME
from wormward.wire.name_claims import MAC, MOST_STATUS, Claim, claims

HOST, WINS, EVERYBODY = "10.1.1.7", "10.1.1.1", "10.1.1.255"
NOBODY = "0.0.0.0"  # noqa: S104 - a host without an address yet
UNIQUE, GROUP, ACTIVE = 0x0000, 0x8000, 0x0400


def number(address: str) -> int:
    found = ip_address(address)
    return int(found) if found.version == 6 else 0xFFFF << 32 | int(found)


def coded(name: bytes, suffix: int = 0) -> bytes:
    raw = name.ljust(15, b"\0" if name == b"*" else b" ") + bytes([suffix])
    return b"\x20" + bytes(x for byte in raw for x in (65 + (byte >> 4), 65 + (byte & 15))) + b"\0"


def held(address: str, flags: int = UNIQUE) -> bytes:
    return struct.pack(">H", flags) + ip_address(address).packed


def record(kind: int, data: bytes, owner: bytes = b"\xc0\x0c") -> bytes:
    return owner + struct.pack(">HHIH", kind, 1, 60, len(data)) + data


def message(
    flags: int, question: bytes = b"", answers: tuple[bytes, ...] = (), extra: tuple[bytes, ...] = (), kind: int = 32
) -> bytes:
    counts = struct.pack(">HHHHHH", 7, flags, 1 if question else 0, len(answers), 0, len(extra))
    return counts + (question + struct.pack(">HH", kind, 1) if question else b"") + b"".join(answers) + b"".join(extra)


def registration(name: bytes = b"PC7", suffix: int = 0, address: str = HOST, flags: int = UNIQUE, opcode: int = 5) -> bytes:
    return message(opcode << 11 | 0x110, coded(name, suffix), extra=(record(32, held(address, flags)),))


def status(*names: tuple[bytes, int, int], card: bytes = bytes.fromhex("020000000107")) -> bytes:
    body = bytes([len(names)]) + b"".join(
        name.ljust(15) + bytes([suffix]) + struct.pack(">H", flags) for name, suffix, flags in names
    )
    return message(0x8400, answers=(record(33, body + card + bytes(40), coded(b"*")),))


def signed(name: bytes = b"PC7", suffix: int = 0, address: str = HOST, kind: int = 0x11) -> bytes:
    return (
        struct.pack(">BBH", kind, 2, 9)
        + ip_address(address).packed
        + struct.pack(">HHH", 138, 100, 0)
        + coded(name, suffix)
        + coded(b"W", 0x1E)
    )


def dns_answer(name: bytes, address: str, flags: int = 0x8000) -> bytes:
    owner = b"".join(bytes([len(label)]) + label for label in name.split(b".")) + b"\0"
    packed = ip_address(address).packed
    return message(flags, owner, (record(1 if len(packed) == 4 else 28, packed),), kind=1)


def said(kind: int, data: bytes, source: str = HOST) -> list[tuple[str, bytes, bool]]:
    return [(c.kind, c.value, c.asked) for c in claims(kind, number(source), data)]


PC7 = [("netbios-name", b"pc7", False)]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (registration(), PC7),
        (registration(suffix=0x20), PC7),
        (registration(opcode=8), PC7),
        (registration(opcode=15), PC7),
        (registration(opcode=6), []),  # a release
        (registration(suffix=0x03), []),  # a user, or a messenger
        (registration(b"WARD", 0x1E, flags=GROUP), []),
        (registration(b"WARD", 0x00, flags=GROUP), []),
        (registration(address="10.1.1.8"), []),  # of somebody else
        (registration(b"IS~PC7"), []),
        (message(0x0110, coded(b"SRV")), []),  # who asks does not say who it is
        (message(0x8500, answers=(record(32, held(HOST), coded(b"PC7", 0x20)),)), [("netbios-name", b"pc7", True)]),
        (message(0x8583, answers=(record(32, held(HOST), coded(b"PC7", 0x20)),)), []),  # it does not have it
        (message(0x8500, answers=(record(32, held("10.1.1.8"), coded(b"PC8", 0x20)),)), []),  # a WINS server of another
        (
            status(
                (b"PC7", 0, ACTIVE), (b"WARD", 0, ACTIVE | GROUP), (b"PC7", 0x20, ACTIVE), (b"ANNE", 3, ACTIVE),
                (b"OLD", 0, ACTIVE | 0x0800),
            ),
            [*PC7, ("mac", b"02:00:00:00:01:07", False)],
        ),
        (status((b"PC7", 0, ACTIVE), card=bytes(6)), PC7),  # Samba tells no card
        (status((b"PC7", 0, ACTIVE), card=bytes.fromhex("005345000000")), PC7),  # a dial-up adapter
        (
            status(*((b"PC%d" % i, 0, ACTIVE) for i in range(9)), card=bytes(6)),
            [("netbios-name", b"pc%d" % i, False) for i in range(MOST_STATUS)],
        ),
    ],
)  # fmt: skip
def test_netbios_name_service(data: bytes, expected: list[tuple[str, bytes, bool]]) -> None:
    assert said(NETBIOS_NAME, data) == expected


def test_netbios_datagrams_are_signed() -> None:
    assert said(NETBIOS_DATAGRAM, signed()) == PC7
    assert said(NETBIOS_DATAGRAM, signed(address="10.1.1.8")) == []
    assert said(NETBIOS_DATAGRAM, signed(b"ANNE", 3)) == []
    assert said(NETBIOS_DATAGRAM, signed(kind=0x13)) == []  # an error


def test_link_local_names() -> None:
    assert said(LLMNR, dns_answer(b"PC7", HOST)) == [("dns-name", b"pc7", True)]
    assert said(MDNS, dns_answer(b"PC7.local", "fe80::7", 0x8400), "fe80::7") == [("dns-name", b"pc7.local", True)]
    assert said(LLMNR, dns_answer(b"PC7", "10.1.1.8")) == []  # a proxy
    assert said(LLMNR, dns_answer(b"PC7", HOST, 0x0000)) == []  # a question
    pointer = record(12, b"\3PC7\0", b"\x017\x011\x011\x0210\7in-addr\4arpa\0")
    assert said(LLMNR, message(0x8000, answers=(pointer,))) == [("dns-name", b"pc7", False)]
    assert said(LLMNR, message(0x8000, answers=(pointer,)), "10.1.1.8") == []


def from_host(data: bytes, port: int, source: str = HOST) -> bytes:
    return ipv4(udp(data, port, port), 17, source, EVERYBODY)


def test_bindings_of_a_capture(tmp_path: Path) -> None:
    frames: list[Frame] = in_turn(
        [
            from_host(registration(), 137),
            from_host(registration(suffix=0x20), 137),
            from_host(registration(b"\x82\xa0 \x1b[2J"), 137, "10.1.1.7"),
            ipv4(udp(status((b"PC8", 0, ACTIVE)), 137, 137), 17, "10.1.1.8", HOST),
            from_host(b"no name service's message", 137),
            ipv4(udp(registration(address=NOBODY), 137, 137), 17, NOBODY, EVERYBODY),
        ]
    )
    frames.append((START + 600_000_000, ethernet(from_host(registration(), 137))))
    frames.append((START + 1_300_000_000, ethernet(from_host(registration(), 137))))
    frames.append(
        (START + 1_300_000_001, b"\x33" * 12 + b"\x86\xdd" + ipv6(udp(dns_answer(b"pc9", "2001:db8::1"), 5355, 5000), 17))
    )
    rows, (coverage,) = read_bytes(tmp_path, pcap(frames))
    assert [(row["place"], row["address"], row["kind"], row["value"]) for row in rows["bindings"]] == [
        (1, "10.1.1.7", "netbios-name", "pc7"),
        (3, "10.1.1.7", "netbios-name", "\\x82\\xa0 \\x1b[2j"),
        (4, "10.1.1.8", "netbios-name", "pc8"),
        (4, "10.1.1.8", "mac", "02:00:00:00:01:07"),
        (7, "10.1.1.7", "netbios-name", "pc7"),
        (8, "10.1.1.7", "netbios-name", "pc7"),
        (9, "2001:db8::1", "dns-name", "pc9"),
    ]
    assert not coverage.notes
    assert coverage.rows["bindings"] == 7


def test_who_answers_for_everything_is_nobodys_name(tmp_path: Path) -> None:
    packets = [from_host(registration(b"EVIL", address="10.1.1.66"), 137, "10.1.1.66")]
    packets += [ipv4(udp(dns_answer(b"srv%d" % i, "10.1.1.66"), 5355, 50_000), 17, "10.1.1.66", HOST) for i in range(9)]
    packets += [ipv4(udp(dns_answer(b"pc7", HOST), 5355, 50_000), 17, HOST, WINS)]
    rows, (coverage,) = read_bytes(tmp_path, pcap(in_turn(packets)))
    assert [(row["address"], row["value"]) for row in rows["bindings"]] == [("10.1.1.66", "evil"), (HOST, "pc7")]
    assert coverage.notes == (
        "9 names were answered for by 1 address that answered for more than 4 each (first in frame 2): nothing of that is taken "
        "for its own name",
    )


# -- neighbours ----------------------------------------------------------------------------------------------------------

TEMPORARY = "2001:db8::a1b2:c3d4:e5f6:789a"
CARD = bytes.fromhex("020000000107")


def neighbour(kind: int, target: str, option: int, source: str = TEMPORARY, hops: int = 255) -> bytes:
    """A neighbour's solicitation or advertisement as an Ethernet frame."""
    body = struct.pack(">BBHI", kind, 0, 0, 0) + ip_address(target).packed + bytes([option, 1]) + CARD
    packet = bytearray(ipv6(body, 58, source, "ff02::1"))
    packet[7] = hops
    return b"\x33" * 12 + b"\x86\xdd" + bytes(packet)


def test_neighbours_tell_the_card_of_the_address_that_they_send_from(tmp_path: Path) -> None:
    frames = [
        neighbour(135, "2001:db8::1", 1),
        neighbour(136, "fe80::7", 2, "fe80::7"),
        neighbour(136, "2001:db8::99", 2, "2001:db8::98"),  # it speaks for somebody else
        neighbour(135, "2001:db8::1", 1, "2001:db8::97", hops=254),  # it came through a router
        neighbour(135, "2001:db8::1", 2, "2001:db8::96"),  # the option of the other message
        neighbour(135, "2001:db8::95", 1, "::"),  # it asks whether the address is free
        neighbour(135, "2001:db8::1", 1)[:-3],
    ]
    rows, _ = read_bytes(tmp_path, pcap([(START + n, frame) for n, frame in enumerate(frames)]))
    assert [(row["place"], row["address"], row["kind"], row["value"]) for row in rows["bindings"]] == [
        (1, TEMPORARY, "mac", "02:00:00:00:01:07"),
        (2, "fe80::7", "mac", "02:00:00:00:01:07"),
    ]
    path = tmp_path / "again.pcap"
    path.write_bytes(pcap([(START, frames[0])]))
    (shown,) = tshark(path, ("frame.number", "icmpv6.opt.linkaddr", "ipv6.src"))
    assert (shown["icmpv6.opt.linkaddr"], shown["ipv6.src"]) == ("02:00:00:00:01:07", TEMPORARY)


# -- tshark ------------------------------------------------------------------------------------------------------------

FIELDS = (
    "frame.number", "ip.src", "ipv6.src", "nbns.name", "nbns.addr", "nbns.netbios_name", "nbdgm.source_name",
    "dns.flags.response", "dns.resp.name", "dns.a", "dns.aaaa", "dns.ptr.domain_name",
)  # fmt: skip


def test_tshark_sees_each_name_in_the_frame_that_is_cited(corpora: Path) -> None:
    """Every claim of real captures stands in its frame, as tshark decodes it, and the sender is the address it is for."""
    found = 0
    for path in captures(corpora):
        rows, _ = read([path])
        if not rows["bindings"]:
            continue
        shown = {int(row["frame.number"]): row for row in tshark(path, FIELDS, show="nbns || nbdgm || llmnr || mdns || icmpv6")}
        for row in rows["bindings"]:
            frame = shown[row["place"]]
            assert row["address"] in {frame["ip.src"], frame["ipv6.src"]}
            texts = " ".join(frame.values()).lower()
            if row["kind"] == MAC:
                continue  # tshark shows it in a field of its own for some versions only
            assert row["value"] in texts, (path.name, row)
            found += 1
    assert found >= 6


# -- garbage -----------------------------------------------------------------------------------------------------------


@cache
def seeds() -> tuple[tuple[int, bytes], ...]:
    return (
        (NETBIOS_NAME, registration()),
        (NETBIOS_NAME, status((b"PC7", 0, ACTIVE), (b"PC7", 0x20, ACTIVE))),
        (NETBIOS_DATAGRAM, signed()),
        (LLMNR, dns_answer(b"PC7", HOST)),
        (NEIGHBOUR, neighbour(135, "2001:db8::1", 1)[54:]),
        (MDNS, message(0x8400, answers=(record(12, b"\3PC7\xc0\x0c", b"\x017\x011\x011\x0210\7in-addr\4arpa\0"),) * 70)),
    )


@settings(max_examples=500, deadline=None)
@given(
    st.sampled_from(range(6)),
    st.lists(st.tuples(st.integers(0, 150), st.integers(0, 255)), max_size=5),
    st.integers(0, 400),
    st.binary(max_size=60),
)
def test_any_bytes_claim_within_bounds(which: int, edits: list[tuple[int, int]], cut: int, tail: bytes) -> None:
    kind, seed = seeds()[which]
    data = bytearray(seed)
    for place, value in edits:
        data[place % len(data)] = value
    for candidate in (bytes(data[: max(0, len(data) - cut // 4)]) + tail, tail):
        try:
            found = claims(kind, number(HOST), candidate)
        except WireError:
            continue
        assert len(found) <= 400
        assert all(isinstance(c, Claim) and c.value and len(c.value) <= 1024 for c in found)
