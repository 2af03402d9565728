"""The benchmarks' mix: shares, sizes, sums, sequence numbers; the same bytes again; the compiled loop and its plain twin."""

from __future__ import annotations

import hashlib
import struct
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from lab.office import BATCH, DNS_PACKETS, MEAN_BYTES, SHARES, records, write_office
from lab.office_flows import make_pool
from lab.office_kernel import RECORD, Fields, emit
from tests.lab_help import WRONG, tshark

PACKETS, FEW = 200_000, 40_000


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A beginning that tshark reads in a moment."""
    path = tmp_path_factory.mktemp("office") / "office.pcap"
    assert write_office(path, FEW, 1) == path.stat().st_size
    return path


def frames(packets: int) -> list[tuple[int, bytes]]:
    """Time in microseconds and the first 54 bytes of every frame, with its length in front of them."""
    found = []
    for piece in records(1, packets):
        data, at = bytes(piece), 0
        while at < len(data):
            seconds, micros, length, _ = struct.unpack_from("<IIII", data, at)
            found.append((seconds * 10**6 + micros, struct.pack("<I", length) + data[at + 16 : at + 70]))
            at += 16 + length
    return found


def kind(frame: bytes) -> str:
    """The share that a frame belongs to, by its well-known port; DNS apart."""
    ports = struct.unpack_from(">HH", frame, 4 + 34)
    if frame[4 + 23] == 17:
        return "dns" if 53 in ports else "other"
    return next((name for port, name in ((80, "http"), (443, "tls"), (445, "smb")) if port in ports), "other")


def test_shares_sizes_and_order_are_those_of_the_page() -> None:
    """With 10 million packets they hold to a tenth of a percent; here flows that are cut off at the end still show."""
    rows = frames(PACKETS)
    assert len(rows) == PACKETS
    assert [time for time, _ in rows] == sorted(time for time, _ in rows)
    size: Counter[str] = Counter()
    count: Counter[str] = Counter()
    for _, frame in rows:
        size[kind(frame)] += struct.unpack_from("<I", frame)[0]
        count[kind(frame)] += 1
    total = sum(size.values())
    size["other"] += size.pop("dns")
    for name, wanted in SHARES.items():
        assert abs(size[name] / total - wanted) < 0.03
    assert abs(total / PACKETS - MEAN_BYTES) < 40
    assert abs(count["dns"] / PACKETS - DNS_PACKETS) < 0.004


def test_tshark_finds_nothing_wrong_and_nothing_lost(office: Path) -> None:
    lost = "tcp.analysis.lost_segment || tcp.analysis.ack_lost_segment || tcp.analysis.out_of_order"
    assert tshark(office, ["frame.number", "_ws.col.Info"], f"{WRONG} || {lost}") == []


def test_requests_are_answered_by_bodies_that_are_whole(office: Path) -> None:
    lengths = [int(n) for (n,) in tshark(office, ["http.content_length_header"], "http.response && http.file_data")]
    assert len(lengths) > 80
    assert 10_000 < sum(lengths) / len(lengths) < 80_000


def test_same_seed_same_bytes_and_more_packets_begin_alike() -> None:
    def head(seed: int, packets: int, length: int = 1 << 20) -> str:
        data = b"".join(bytes(piece) for piece in records(seed, packets))
        return hashlib.sha256(data[:length]).hexdigest()

    assert head(1, 2000) == head(1, 2000)
    assert head(1, 2000, 900_000) == head(1, BATCH // 10, 900_000)
    assert head(1, 2000) != head(2, 2000)


def test_the_compiled_loop_is_its_plain_twin() -> None:
    pool, _ = make_pool(3)
    rng = np.random.Generator(np.random.PCG64(5))
    count = 300
    fields = Fields(
        rng.integers(len(pool.length), size=count),
        rng.integers(10**15, size=count),
        rng.integers(1 << 32, size=count).astype(np.uint32),
        rng.integers(1 << 32, size=count).astype(np.uint32),
        rng.integers(1 << 16, size=count).astype(np.uint16),
        rng.integers(1 << 32, size=count).astype(np.uint32),
        rng.integers(1 << 32, size=count).astype(np.uint32),
    )
    size = int(pool.length[fields.packet].sum()) + RECORD * count
    compiled, plain = np.zeros(size, np.uint8), np.zeros(size, np.uint8)
    assert emit(compiled, pool, fields) == emit.py_func(plain, pool, fields) == size
    assert compiled.tobytes() == plain.tobytes()
