"""Captures made of bytes, a sink that keeps rows, and tshark as the other opinion."""

from __future__ import annotations

import struct
import subprocess
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from tests.need import need_program
from wormward.evidence import capture_stream
from wormward.evidence.capture import read_captures
from wormward.evidence.files import EvidenceFile
from wormward.model.pack import Want, WantedCall
from wormward.model.reading import ReadContext
from wormward.model.states import Coverage

START = 1_600_000_000 * 1_000_000  # microseconds
CLIENT, SERVER = "10.1.2.3", "10.9.8.7"
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16


# -- frames ------------------------------------------------------------------------------------------------------------


def ethernet(payload: bytes, kind: int = 0x0800) -> bytes:
    return b"\x02\0\0\0\0\x01\x02\0\0\0\0\x02" + kind.to_bytes(2, "big") + payload


def vlan(payload: bytes, kind: int = 0x0800, tag: int = 7) -> bytes:
    """What follows the EtherType 0x8100 (or 0x88a8, 0x9100)."""
    return struct.pack(">HH", tag, kind) + payload


def ipv4(payload: bytes, protocol: int = 6, src: str = CLIENT, dst: str = SERVER, *, options: bytes = b"", ident: int = 1,
         offset: int = 0, more: bool = False, length: int | None = None) -> bytes:  # fmt: skip
    head = 20 + len(options)
    total = head + len(payload) if length is None else length
    field = offset // 8 | (0x2000 if more else 0)
    fixed = struct.pack(">BBHHHBBH", 0x40 | head // 4, 0, total, ident, field, 64, protocol, 0)
    return fixed + ip_address(src).packed + ip_address(dst).packed + options + payload


def ipv6(payload: bytes, protocol: int = 6, src: str = "2001:db8::1", dst: str = "2001:db8:0:1::ff") -> bytes:
    return struct.pack(">IHBB", 6 << 28, len(payload), protocol, 64) + ip_address(src).packed + ip_address(dst).packed + payload


def tcp(  # noqa: PLR0917 - written in the header's order all over the tests
    data: bytes = b"", flags: int = ACK, seq: int = 0, ack: int = 0, sport: int = 40000, dport: int = 80
) -> bytes:
    return struct.pack(">HHIIBBHHH", sport, dport, seq & 0xFFFFFFFF, ack & 0xFFFFFFFF, 0x50, flags, 8192, 0, 0) + data


def udp(data: bytes = b"", sport: int = 40000, dport: int = 53) -> bytes:
    return struct.pack(">HHHH", sport, dport, 8 + len(data), 0) + data


def dns(name: str = "example.com", number: int = 1, answer: str | None = None, rcode: int = 0, is_answer: bool = False) -> bytes:
    """A query for an address, or its answer."""
    question = b"".join(bytes([len(p)]) + p.encode() for p in name.split(".")) + b"\0\0\x01\0\x01"
    records = b"" if answer is None else b"\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04" + ip_address(answer).packed
    flags = 0x8180 | rcode if is_answer else 0x0100
    return struct.pack(">HHHHHH", number, flags, 1, 1 if records else 0, 0, 0) + question + records


# -- files -------------------------------------------------------------------------------------------------------------

Frame = tuple[int, bytes]  # microseconds since the Epoch, bytes


def pcap(frames: Iterable[Frame], link: int = 1, *, order: str = "<", nano: bool = False, snaplen: int = 262144) -> bytes:
    """A pcap file; frames longer than the snap length are cut as a sensor would."""
    out = bytearray(struct.pack(order + "IHHiIII", 0xA1B23C4D if nano else 0xA1B2C3D4, 2, 4, 0, 0, snaplen, link))
    for time_us, frame in frames:
        part = time_us % 1_000_000 * (1000 if nano else 1)
        out += struct.pack(order + "IIII", time_us // 1_000_000, part, min(len(frame), snaplen), len(frame)) + frame[:snaplen]
    return bytes(out)


def block(kind: int, body: bytes, order: str = "<") -> bytes:
    """A pcapng block."""
    body += bytes(-len(body) % 4)
    return struct.pack(order + "II", kind, len(body) + 12) + body + struct.pack(order + "I", len(body) + 12)


def section(order: str = "<") -> bytes:
    return block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1), order)


def interface(
    link: int = 1, snaplen: int = 0, resolution: int | None = None, offset: int | None = None, order: str = "<"
) -> bytes:
    options = b""
    if resolution is not None:
        options += struct.pack(order + "HHB3x", 9, 1, resolution)
    if offset is not None:
        options += struct.pack(order + "HHq", 14, 8, offset)
    return block(1, struct.pack(order + "HHI", link, 0, snaplen) + options + (bytes(4) if options else b""), order)


def enhanced(ticks: int, frame: bytes, which: int = 0, wirelen: int | None = None, order: str = "<") -> bytes:
    sizes = (len(frame), len(frame) if wirelen is None else wirelen)
    return block(
        6, struct.pack(order + "IIIII", which, ticks >> 32, ticks & 0xFFFFFFFF, *sizes) + frame + bytes(-len(frame) % 4), order
    )


def in_turn(payloads: Sequence[bytes], gap_us: int = 1000, link: Any = ethernet) -> list[Frame]:
    """Packets one after the other, in link headers."""
    return [(START + i * gap_us, link(payload)) for i, payload in enumerate(payloads)]


def talk(said: Sequence[tuple[bool, bytes]], *, seqs: tuple[int, int] = (1000, 5000), sport: int = 40000, dport: int = 80,
         size: int = 1460, close: bool = True) -> list[bytes]:  # fmt: skip
    """IP packets of a whole TCP connection; `said` is (to the server, bytes) in order."""
    ends = ((CLIENT, SERVER, sport, dport), (SERVER, CLIENT, dport, sport))
    seq = [seqs[0] + 1, seqs[1] + 1]

    def one(side: int, data: bytes, flags: int, number: int, ack: int) -> bytes:
        src, dst, source, target = ends[side]
        return ipv4(tcp(data, flags, number, ack, source, target), 6, src, dst)

    out = [one(0, b"", SYN, seqs[0], 0), one(1, b"", SYN | ACK, seqs[1], seq[0]), one(0, b"", ACK, seq[0], seq[1])]
    for to_server, data in said:
        side = 0 if to_server else 1
        for at in range(0, len(data), size):
            part = data[at : at + size]
            out.append(one(side, part, PSH | ACK, seq[side], seq[1 - side]))
            seq[side] += len(part)
    if close:
        out += [
            one(0, b"", FIN | ACK, seq[0], seq[1]),
            one(1, b"", FIN | ACK, seq[1], seq[0] + 1),
            one(0, b"", ACK, seq[0] + 1, seq[1] + 1),
        ]
    return out


# -- reading -----------------------------------------------------------------------------------------------------------


class Rows:
    """A sink that keeps rows as dicts, each with its file's number."""

    def __init__(self) -> None:
        self.tables: dict[str, list[dict[str, Any]]] = defaultdict(list)

    def add(self, table: str, file_no: int, columns: Mapping[str, Any]) -> None:
        lists = {name: c.to_pylist() if hasattr(c, "to_pylist") else list(c) for name, c in columns.items()}
        assert len({len(c) for c in lists.values()}) == 1
        self.tables[table] += [
            {"file_no": file_no, **dict(zip(lists, row, strict=True))} for row in zip(*lists.values(), strict=True)
        ]

    def __getitem__(self, table: str) -> list[dict[str, Any]]:
        return self.tables[table]


def evidence(paths: Sequence[Path], site: str = "site", sites: Sequence[str] | None = None) -> list[EvidenceFile]:
    return [
        EvidenceFile(path, path.name, number, sites[number] if sites else site, path.stat().st_size)
        for number, path in enumerate(paths)
    ]


def read(
    paths: Sequence[Path], wants: tuple[Want, ...] = (), calls: tuple[WantedCall, ...] = (), sites: Sequence[str] | None = None
) -> tuple[Rows, list[Coverage]]:
    """Rows and coverage of captures, in the order of `paths`."""
    rows = Rows()
    reads = read_captures(evidence(paths, sites=sites), ReadContext(rows, wants=wants, wanted_calls=calls))
    assert [r.file_no for r in reads] == list(range(len(paths)))
    return rows, [r.coverage for r in reads]


def read_bytes(folder: Path, *contents: bytes, **more: Any) -> tuple[Rows, list[Coverage]]:
    """The same of captures' bytes."""
    paths = []
    for number, content in enumerate(contents):
        path = folder / f"{number}.pcap"
        path.write_bytes(content)
        paths.append(path)
    return read(paths, **more)


class small_windows:  # noqa: N801 - reads as a word: with small_windows(1024, 7)
    """Within it captures are read in windows of `window` bytes and chunks of `chunk` frames."""

    def __init__(self, window: int, chunk: int) -> None:
        self._now = (window, chunk)

    def __enter__(self) -> None:
        self._before = capture_stream.Sensor.__init__.__defaults__
        capture_stream.Sensor.__init__.__defaults__ = (*self._now, *self._before[2:])  # type: ignore[misc]

    def __exit__(self, *_: object) -> None:
        capture_stream.Sensor.__init__.__defaults__ = self._before  # type: ignore[misc]


# -- tshark ------------------------------------------------------------------------------------------------------------


def captures(corpora: Path) -> list[Path]:
    """All captures of the corpora, sorted."""
    return sorted(p for p in (corpora / "captures").rglob("*") if ".pcap" in p.name or p.suffix == ".cap")


def tshark(path: Path, fields: Sequence[str], *options: str, show: str = "frame") -> list[dict[str, str]]:
    """The fields of the frames that the filter `show` passes, each with all its occurrences, joined by commas."""
    command = [need_program("tshark"), "-n", "-r", str(path), "-Y", show, *options, "-T", "fields"]
    command += ["-E", "occurrence=a", "-E", "aggregator=,", "-E", "separator=|"]
    for field in fields:
        command += ["-e", field]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return [dict(zip(fields, line.split("|"), strict=False)) for line in done.stdout.splitlines()]
