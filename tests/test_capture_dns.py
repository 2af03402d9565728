"""DNS: names and codes against tshark, joins of queries and answers, names made to hurt."""

from __future__ import annotations

import struct
from collections import Counter
from ipaddress import IPv6Address
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.capture_help import (
    CLIENT,
    SERVER,
    START,
    Frame,
    captures,
    dns,
    ethernet,
    in_turn,
    ipv4,
    pcap,
    read,
    read_bytes,
    small_windows,
    talk,
    tshark,
    udp,
)
from wormward.wire.addresses import address_column, address_text
from wormward.wire.dns import MESSAGE, MOST_STRINGS, RCODES, ROOM_TEXT, decode_message, qtype_text, rcode_text

_NUMBERS = {name: number for number, name in RCODES.items()}


FIELDS = ("dns.flags.response", "dns.qry.name", "dns.flags.rcode", "dns.flags.opcode", "dns.count.queries")
SHOWN = "dns && !mdns && !llmnr && !icmp && (udp.port == 53 || tcp.port == 53)"
SAMPLE = ("dns-wiresharkrepo.pcap", "dns-tcp.pcap", "dns_extended_rcode.pcap", "max-compression-depth.pcap", "dns_notify2.pcap")


def compare(path: Path) -> int:
    """Names asked and codes answered, ours and tshark's; how many rows there were."""
    asked: Counter[str] = Counter()
    answered: Counter[tuple[str, int]] = Counter()
    for row in tshark(path, FIELDS, show=SHOWN):
        name = row["dns.qry.name"].split(",")[0].lower()
        if row["dns.flags.opcode"] != "0" or not int(row["dns.count.queries"].split(",")[0] or 0) or not name or "<" in name:
            continue
        if row["dns.flags.response"] in ("0", "False"):
            asked[name] += 1
        else:
            answered[name, int(row["dns.flags.rcode"])] += 1
    rows, _ = read([path])
    names = Counter(r["name"] for r in rows["dns_queries"])
    codes = Counter((r["name"], _NUMBERS[r["rcode"]] & 15) for r in rows["dns_queries"] if r["rcode"])
    assert codes == answered, path.name
    assert not asked - names, path.name
    assert sum(names.values()) <= sum(asked.values()) + sum(answered.values())
    return sum(names.values())


@pytest.mark.parametrize("name", SAMPLE)
def test_names_and_codes_are_tsharks(corpora: Path, name: str) -> None:
    assert compare(next(p for p in captures(corpora) if p.name == name)) > 0


@pytest.mark.slow
def test_names_and_codes_of_all_captures_are_tsharks(corpora: Path) -> None:
    assert sum(compare(path) for path in captures(corpora)) > 60


def _queries(folder: Path, frames: list[Frame]) -> list[tuple[object, ...]]:
    rows, _ = read_bytes(folder, pcap(frames))
    return [(r["place"], r["client"], r["name"], r["qtype"], r["rcode"], r["answers"]) for r in rows["dns_queries"]]


def _ask(name: str, number: int = 1, sport: int = 4000) -> bytes:
    return ipv4(udp(dns(name, number), sport, 53), 17)


def _tell(name: str, number: int = 1, sport: int = 4000, answer: str | None = "192.0.2.1", rcode: int = 0) -> bytes:
    return ipv4(udp(dns(name, number, answer, rcode, True), 53, sport), 17, SERVER, CLIENT)


def test_answers_find_their_queries(tmp_path: Path) -> None:
    packets = [
        _ask("A.Example", 1), _ask("b.example", 2), _tell("b.example", 2, rcode=3, answer=None), _tell("a.example", 1),
        _ask("c.example", 3), _tell("c.example", 4), _tell("c.example", 3, 4001), _tell("d.example", 3),
    ]  # fmt: skip
    assert _queries(tmp_path, in_turn(packets)) == [
        (1, CLIENT, "a.example", "A", "NOERROR", ["192.0.2.1"]),
        (2, CLIENT, "b.example", "A", "NXDOMAIN", []),
        (5, CLIENT, "c.example", "A", None, None),
        (6, CLIENT, "c.example", "A", "NOERROR", ["192.0.2.1"]),
        (7, CLIENT, "c.example", "A", "NOERROR", ["192.0.2.1"]),
        (8, CLIENT, "d.example", "A", "NOERROR", ["192.0.2.1"]),
    ]


def test_repeated_queries_are_answered_in_order(tmp_path: Path) -> None:
    packets = [_ask("a.example"), _ask("a.example"), _tell("a.example", rcode=2, answer=None), _tell("a.example")]
    assert [(q[0], q[4]) for q in _queries(tmp_path, in_turn(packets))] == [(1, "SERVFAIL"), (2, "NOERROR")]


def test_an_answer_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    packets = [_ask("a.example"), _tell("a.example")]
    assert [q[4] for q in _queries(tmp_path, in_turn(packets, 10_000_000))] == ["NOERROR"]
    assert [q[4] for q in _queries(tmp_path, in_turn(packets, 10_000_001))] == [None, "NOERROR"]


def test_order_does_not_depend_on_windows(tmp_path: Path) -> None:
    packets = [_ask(f"n{n}.example", n) for n in range(300)] + [_tell(f"n{n}.example", n) for n in range(300)]
    whole = _queries(tmp_path, in_turn(packets, 10))
    assert [q[4] for q in whole] == ["NOERROR"] * 300
    with small_windows(512, 5):
        assert _queries(tmp_path, in_turn(packets, 10)) == whole


def test_many_lookups_leave_in_batches(tmp_path: Path) -> None:
    packets = []
    for n in range(30_000):
        packets.append(_ask(f"n{n}.example", n & 0xFFFF))
        if n % 3:
            packets.append(_tell(f"n{n}.example", n & 0xFFFF, rcode=n % 3))
    queries = _queries(tmp_path, in_turn(packets, 1000))
    assert [q[2] for q in queries] == [f"n{n}.example" for n in range(30_000)]
    assert [q[4] for q in queries] == [(None, "FORMERR", "SERVFAIL")[n % 3] for n in range(30_000)]


def test_dns_over_tcp(tmp_path: Path) -> None:
    def framed(message: bytes) -> bytes:
        return len(message).to_bytes(2, "big") + message

    said = [
        (True, framed(dns("a.example", 1)) + framed(dns("b.example", 2))),
        (False, framed(dns("b.example", 2, "192.0.2.7", 0, True)) + framed(dns("a.example", 1, None, 3, True))),
    ]
    for size in (1460, 1):
        queries = _queries(tmp_path, in_turn(talk(said, dport=53, size=size)))
        assert [q[2:] for q in queries] == [("a.example", "A", "NXDOMAIN", []), ("b.example", "A", "NOERROR", ["192.0.2.7"])]


def test_messages_that_are_none_are_counted(tmp_path: Path) -> None:
    _, (coverage,) = read_bytes(tmp_path, pcap(in_turn([_ask("a.example"), ipv4(udp(b"nonsense, really", 4000, 53), 17)])))
    (problem,) = coverage.problems
    assert problem.place == "frame 2"


# -- messages -------------------------------------------------------------------------------------------------------------


def decoded(message: bytes) -> tuple[int, dict[str, int], list[str]]:
    """Result of the decoder, its row, and all its strings."""
    data = np.frombuffer(bytearray(message) or bytearray(1), np.uint8)
    outcomes = []
    for function in (decode_message, decode_message.py_func):
        row, text = np.zeros(1, MESSAGE), np.zeros(ROOM_TEXT + 10, np.uint8)
        lengths = np.zeros(MOST_STRINGS, np.int32)
        result = int(function(data, 0, len(message), row[0], text, 10, lengths, 0))
        m = {name: int(row[name][0]) for name in MESSAGE.names or ()}
        strings, place = [], 10
        for size in [m["name_size"], *lengths[: m["answers"] + m["additional"]].tolist()]:
            strings.append(text[place : place + size].tobytes().decode("ascii"))
            place += size
        assert place - 10 == m["text_size"] or result == 0
        outcomes.append((result, m, strings))
    assert outcomes[0] == outcomes[1], "the plain twin disagrees"
    return outcomes[0]


def _message(
    question: bytes, records: list[bytes] | None = None, counts: tuple[int, int, int] | None = None, flags: int = 0x8180
) -> bytes:
    records = records or []
    return struct.pack(">HHHHHH", 7, flags, 1, *(counts or (len(records), 0, 0))) + question + b"\0\1\0\1" + b"".join(records)


def _record(kind: int, data: bytes, owner: bytes = b"\xc0\x0c") -> bytes:
    return owner + struct.pack(">HHIH", kind, 1, 60, len(data)) + data


def test_names_are_escaped_and_lower_case() -> None:
    label = b"A.b\\\xc3\xa9 \x01Z"
    assert decoded(_message(bytes([len(label)]) + label + b"\3COM\0"))[2] == ["a\\x2eb\\\\\\xc3\\xa9 \\x01z.com"]
    assert decoded(_message(b"\0"))[2] == ["."]


def test_records_of_all_kinds() -> None:
    six = IPv6Address("2001:db8::7").packed
    records = [
        _record(1, b"\xc0\0\2\1"), _record(28, six), _record(5, b"\3www\xc0\x0c"), _record(12, b"\xc0\x0c"),
        _record(2, b"\2ns\0"),
        _record(15, b"\0\x0a\4mail\xc0\x0c"), _record(33, b"\0\0\0\0\1\x85\2dc\xc0\x0c"), _record(16, b"\4text"),
        _record(39, b"\1d\0"),
        _record(1, b"\1\2\3"), _record(2, b"\2ns\0"), _record(1, b"\xc0\0\2\2", b"\2dc\xc0\x0c"), _record(28, six),
        b"\0" + struct.pack(">HHIH", 41, 4096, 1 << 24, 0),
    ]  # fmt: skip
    result, m, strings = decoded(_message(b"\1x\4home\0", records, (10, 1, 3)))
    assert result == 2
    assert strings == [
        "x.home", "192.0.2.1", "2001:db8::7", "www.x.home", "x.home", "ns", "mail.x.home", "dc.x.home", "d",
        "dc.x.home 192.0.2.2", "x.home 2001:db8::7",
    ]  # fmt: skip
    assert (m["answers"], m["additional"], m["rcode"]) == (8, 2, 16)
    assert (rcode_text(16), rcode_text(99), qtype_text(33), qtype_text(9999)) == ("BADVERS", "RCODE99", "SRV", "TYPE9999")


@pytest.mark.parametrize(
    "question",
    [
        b"\xc0\x0c",  # points to itself
        b"\1a\xc0\x0c",  # loops
        b"\xc0\xff",  # points ahead
        b"\x40abc\0",  # a label type that is none
        b"\5ab",  # runs over the end
        (b"\x3f" + b"a" * 63) * 4 + b"\0",  # 257 bytes
    ],
)
def test_names_that_are_none(question: bytes) -> None:
    assert decoded(struct.pack(">HHHHHH", 1, 0, 1, 0, 0, 0) + question)[0] == 0


def test_many_records_are_bounded() -> None:
    name = (b"\x3f" + b"\1" * 63) * 3 + b"\x3b" + b"\1" * 59 + b"\0"
    result, m, strings = decoded(_message(name, [_record(5, b"\xc0\x0c")] * 5000))
    assert result == 2
    assert 0 < m["answers"] <= MOST_STRINGS
    assert m["text_size"] < ROOM_TEXT
    assert strings[1] == strings[0]


def test_records_that_break_off_keep_what_stands_before() -> None:
    whole = _message(b"\1x\0", [_record(1, b"\1\2\3\4"), _record(1, b"\5\6\7\x08")])
    result, _, strings = decoded(whole[:-2])
    assert (result, strings) == (1, ["x", "1.2.3.4"])


_SEEDS = (
    dns("www.example.com", 3),
    dns("www.example.com", 3, "192.0.2.1", 0, True),
    _message(b"\1x\0", [_record(33, b"\0" * 6 + b"\2dc\xc0\x0c")]),
)


@settings(max_examples=400, deadline=None)
@given(
    st.one_of(st.sampled_from(_SEEDS), st.binary(max_size=80)),
    st.lists(st.tuples(st.integers(0, 99), st.integers(0, 255)), max_size=5),
    st.integers(0, 99),
)
def test_any_bytes_are_decoded_within_bounds(message: bytes, edits: list[tuple[int, int]], cut: int) -> None:
    data = bytearray(message)
    for place, value in edits:
        if data:
            data[place % len(data)] = value
    result, m, strings = decoded(bytes(data[: max(0, len(data) - cut // 4)]))
    assert result in (0, 1, 2)
    assert all(s.isprintable() for s in strings)
    assert m["text_size"] <= ROOM_TEXT


@settings(max_examples=200)
@given(
    st.one_of(
        st.integers(0, (1 << 128) - 1),
        st.integers(0, (1 << 32) - 1),
        st.lists(st.sampled_from([0, 1, 0xFFFF, 0xAB]), min_size=8, max_size=8),
    )
)
def test_addresses_are_written_as_pythons(number: int | list[int]) -> None:
    value = number if isinstance(number, int) else int.from_bytes(b"".join(g.to_bytes(2, "big") for g in number), "big")
    half = (1 << 64) - 1
    offsets, text = address_column(np.array([value >> 64], np.uint64), np.array([value & half], np.uint64))
    want = str(IPv6Address(value)) if value >> 32 != 0xFFFF else str(IPv6Address(value).ipv4_mapped)
    assert text[: offsets[1]].tobytes().decode() == want == address_text(value)


def test_frames_of_one_time(tmp_path: Path) -> None:
    frames = [(START, ethernet(_ask("a.example"))), (START, ethernet(_tell("a.example")))]
    assert [q[4] for q in _queries(tmp_path, frames)] == ["NOERROR"]
