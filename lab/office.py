"""The `office` mix of the benchmarks: any number of packets of an ordinary office, fast, in bounded memory.

Template flows (`office_flows`) are played again and again with other addresses, ports and sequence numbers, as many at
a time as an office has. Which class comes next is whatever is furthest behind its share, so that the shares hold for
any number of packets.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lab.capture import GLOBAL_HEADER
from lab.office_flows import CLASSES, Template, make_pool
from lab.office_kernel import RECORD, Fields, Pool, emit

START_US = 1_772_438_400_000_000
"""2026-03-02 08:00 UTC."""
PACKETS_PER_SECOND = 5000
SHARES = {"http": 0.60, "tls": 0.20, "smb": 0.10, "other": 0.10}
"""Of all bytes. DNS is part of the rest; it is 2 % of all packets."""
DNS_PACKETS = 0.02
MEAN_BYTES = 700
BATCH = 60_000
"""Packets of new flows between two writes."""
_CLIENTS, _SERVERS, _FILE_SERVERS = 600, 3000, 6


@dataclass(slots=True)
class _Tally:
    """What has been planned so far."""

    packets: int = 0
    size: int = 0
    dns: int = 0
    by_share: dict[str, int] = field(default_factory=lambda: dict.fromkeys(SHARES, 0))

    def add(self, template: Template) -> None:
        """One more flow."""
        self.packets += template.packets
        self.size += template.size
        self.dns += template.packets if template.kind == "dns" else 0
        self.by_share[template.kind if template.kind in SHARES else "other"] += template.size

    def wanted(self) -> str:
        """The class that is furthest behind."""
        if self.dns < DNS_PACKETS * self.packets:
            return "dns"
        behind = max(SHARES, key=lambda share: SHARES[share] * self.size - self.by_share[share])
        if behind != "other":
            return behind
        return "thin" if self.size > MEAN_BYTES * self.packets else "thick"


class _Mixer:
    """Draws flows and gives each its own addresses and numbers."""

    def __init__(self, seed: int, templates: dict[str, list[Template]]) -> None:
        self._rng = np.random.Generator(np.random.PCG64(seed))
        self._templates = templates
        self._tally = _Tally()
        self._time = START_US

    def batch(self) -> tuple[list[npt.NDArray[np.int64]], int]:
        """About `BATCH` packets' columns (as `Fields`, int64), and the time before which no later flow begins."""
        parts, count = [], 0
        while count < BATCH:
            kind = self._tally.wanted()
            choice = self._templates[kind]
            template = choice[int(self._rng.integers(len(choice)))]
            self._tally.add(template)
            count += template.packets
            parts.append(self._flow(template))
            self._time += int(self._rng.exponential() * template.packets / PACKETS_PER_SECOND * 1_000_000)
        return [np.concatenate(column) for column in zip(*parts, strict=True)], self._time

    def _flow(self, template: Template) -> tuple[npt.NDArray[np.int64], ...]:
        rng, count = self._rng, template.packets
        client = 0x0A1E0000 + 256 + int(rng.integers(_CLIENTS))
        if template.kind in ("smb", "dns"):
            server = 0x0A1E0001 + int(rng.integers(_FILE_SERVERS))
        else:
            server = 0xC6120000 + int(rng.integers(_SERVERS))  # 198.18.0.0/15: set aside for benchmarks
        own = (client, server, 50_000 + int(rng.integers(15_000)), int(rng.integers(1 << 32)), int(rng.integers(1 << 32)))
        packet = np.arange(template.first, template.first + count, dtype=np.int64)
        return (packet, template.times + self._time, *(np.full(count, value, np.int64) for value in own))


def records(seed: int, packets: int) -> Iterator[memoryview]:
    """The capture's bytes after the global header, in pieces; each piece is valid until the next is taken."""
    pool, templates = make_pool(seed)
    assert set(templates) == set(CLASSES)  # noqa: S101 - the two files belong together
    mixer = _Mixer(seed, templates)
    pending: list[npt.NDArray[np.int64]] = [np.empty(0, np.int64) for _ in Fields._fields]
    buffer = np.empty(0, np.uint8)
    while packets:
        fresh, until = mixer.batch()
        pending = [np.concatenate(pair) for pair in zip(pending, fresh, strict=True)]
        order = np.argsort(pending[1], kind="stable")
        ready = min(packets, int(np.searchsorted(pending[1][order], until)))
        columns = [column[order] for column in pending]
        now, pending = [c[:ready] for c in columns], [c[ready:] for c in columns]
        packets -= ready
        size = int(pool.length[now[0]].sum()) + RECORD * ready
        if size > len(buffer):
            buffer = np.empty(size, np.uint8)
        yield _written(buffer, pool, now)


def _written(buffer: npt.NDArray[np.uint8], pool: Pool, columns: list[npt.NDArray[np.int64]]) -> memoryview:
    packet, time, client, server, port, client_seq, server_seq = columns
    narrow = (client.astype(np.uint32), server.astype(np.uint32), port.astype(np.uint16))
    fields = Fields(packet, time, *narrow, client_seq.astype(np.uint32), server_seq.astype(np.uint32))
    return buffer.data[: int(emit(buffer, pool, fields))]


def write_office(path: Path, packets: int, seed: int) -> int:
    """Write the mix as a pcap file; returns its size in bytes."""
    size = len(GLOBAL_HEADER)
    with path.open("wb", buffering=0) as file:
        file.write(GLOBAL_HEADER)
        for piece in records(seed, packets):
            file.write(piece)
            size += len(piece)
    return size
