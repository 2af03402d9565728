"""Peer-to-peer ports against nmap's published outputs and the vectors of the facts."""

from __future__ import annotations

import csv
from datetime import UTC, datetime
from ipaddress import IPv4Address
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.threat_help import lines
from wormward.threats.conficker.algorithms import PORTS
from wormward.threats.conficker.ports import MOST_ROUNDS, PortParameters, Ports

WEEK_US = 604_800_000_000


def opened(address: str, week: int, rule: Ports = PORTS) -> list[int]:
    made: list[int] = rule.ports(np.array([int(IPv4Address(address))], np.uint32), np.array([week], np.int32))[0].tolist()
    return made


def week_of(text: str) -> int:
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    stamp = moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()
    return int(PORTS.week(np.array([int(stamp) * 1_000_000]))[0])


def test_vectors_of_the_facts(shared: Path) -> None:
    rows = [line.split("\t") for line in lines(shared / "facts" / "data" / "p2p-port-vectors.txt")]
    assert len(rows) == 53
    for address, time, week, tcp, udp, *_ in rows:
        tcp_a, tcp_w = map(int, tcp.split())
        udp_a, udp_w = map(int, udp.split())
        assert opened(address, int(week)) == [tcp_a, udp_a, tcp_w, udp_w]
        if time.endswith("Z"):
            assert week_of(time) == int(week)


def test_what_nmap_printed_for_others(corpora: Path) -> None:
    """Their lists have no order, so that the week is confirmed by the pair's other port."""
    text = lines(corpora / "p2p" / "nmap_p2p_conficker_vectors.csv")
    rows = list(csv.DictReader(text))
    assert len(rows) == 13
    for row in rows:
        tcp, udp, tcp_week, udp_week = opened(row["ip"], week_of(row["time_utc"]))
        assert {tcp, tcp_week} == {int(row["tcp_a"]), int(row["tcp_b"])}
        assert {udp, udp_week} == {int(row["udp_a"]), int(row["udp_b"])}


def test_blacklist_is_that_of_the_facts(shared: Path) -> None:
    path = shared / "facts" / "data" / "p2p-port-blacklist.txt"
    words = [int(line.split()[1], 16) for line in lines(path)]
    assert PORTS.parameters.blacklist == tuple(words)
    listed = next(line for line in path.read_text().splitlines() if line.startswith("# 0-2111"))
    ranges = [tuple(map(int, text.split("-"))) for text in listed[2:].split()]
    ports = np.arange(65536, dtype=np.int32)
    inside = np.zeros(65536, bool)
    for first, last in ranges:
        inside[first : last + 1] = True
    assert (PORTS.usable(ports) == ~inside).all()
    assert PORTS.usable_ports == 65536 - 9152
    assert not PORTS.usable(np.array([-1, 65536, 70000], np.int32)).any()


def plain(address: int, week: int, parameters: PortParameters) -> list[int]:
    """The rule as facts 3.1 write it."""

    def banned(port: int) -> int:
        return parameters.blacklist[port >> 10] >> (port >> 5 & 31) & 1

    def pair(v: int) -> tuple[int, int, int]:
        q = [0, 0]
        for _ in range(MOST_ROUNDS):
            for i in range(10):
                t = v * parameters.multiplier + 1
                v = t & 0xFFFFFFFF
                q[i % 2] ^= (t >> 32 >> i) & 0xFFFF
            if not banned(q[0]) and not banned(q[1]) and q[0] != q[1]:
                return q[0], q[1], v
        return 0, 0, v

    little = int.from_bytes(address.to_bytes(4, "big"), "little")
    tcp, udp, v = pair(~little & 0xFFFFFFFF)
    tcp_week, udp_week, _ = pair(v ^ week & 0xFFFFFFFF)
    return [tcp, udp, tcp_week, udp_week]


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 2**32 - 1), st.integers(-10, 10_000)), min_size=1, max_size=10), st.integers(2**16, 2**31)
)
def test_agrees_with_the_plain_twin(contacts: list[tuple[int, int]], odd: int) -> None:
    made_up = PortParameters(2 * odd - 1, (0xFFFFFFFF,) * 8 + (0x0F0F0F0F,) * 56, 1000, 86400)
    addresses = np.array([a for a, _ in contacts], np.uint32)
    weeks = np.array([w for _, w in contacts], np.int32)
    assert Ports(made_up).ports(addresses, weeks).tolist() == [plain(a, w, made_up) for a, w in contacts]
    assert PORTS.ports(addresses, weeks).tolist() == [plain(a, w, PORTS.parameters) for a, w in contacts]


def test_every_port_it_gives_is_usable_and_two_differ() -> None:
    rng = np.random.default_rng(7)
    made = PORTS.ports(rng.integers(0, 2**32, 20_000, dtype=np.uint32), rng.integers(0, 4000, 20_000).astype(np.int32))
    assert PORTS.usable(made.ravel()).all()
    assert (made[:, 0] != made[:, 1]).all()
    assert (made[:, 2] != made[:, 3]).all()


def test_weeks_roll_on_monday() -> None:
    monday = int(datetime(2026, 11, 30, tzinfo=UTC).timestamp()) * 1_000_000
    assert PORTS.week(np.array([monday - 1, monday, monday + WEEK_US - 1, -1])).tolist() == [2968, 2969, 2969, -1]


def test_a_rule_that_never_ends_gives_no_port() -> None:
    """Multiplier 1 counts up by one: the high half stays 0, and so do both ports."""
    stuck = Ports(PortParameters(1, (0xFFFFFFFF,) * 2 + (0,) * 62, 0, 604800))
    assert opened("10.0.0.1", 3000, stuck) == [0, 0, 0, 0]
    assert MOST_ROUNDS > 1000


BAD = {"multiplier": 0, "blacklist": (0xFFFFFFFF,) * 64, "epoch_offset_s": 1 << 50, "week_s": 0}


@pytest.mark.parametrize("name", BAD)
def test_impossible_parameters_are_refused(name: str) -> None:
    values = {field: getattr(PORTS.parameters, field) for field in PORTS.parameters.__dataclass_fields__}
    with pytest.raises(ValueError, match="must"):
        PortParameters(**{**values, name: BAD[name]})


@pytest.mark.parametrize("words", [(0,) * 63, (0,) * 65, (0,) * 63 + (1 << 32,), (-1,) * 64])
def test_impossible_blacklists_are_refused(words: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="blacklist"):
        PortParameters(3, words, 0, 604800)
