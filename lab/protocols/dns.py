"""DNS messages (RFC 1035, 2782): one question, answers, the authority of a denial."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from ipaddress import IPv4Address

TYPES = {"A": 1, "NS": 2, "SOA": 6, "PTR": 12, "MX": 15, "TXT": 16, "AAAA": 28, "SRV": 33}
CODES = {"NOERROR": 0, "FORMERR": 1, "SERVFAIL": 2, "NXDOMAIN": 3, "REFUSED": 5}


@dataclass(frozen=True, slots=True)
class Record:
    """A resource record; `data` is an address, a name, or `priority weight port name` for SRV, `preference name` for MX."""

    name: str
    kind: str
    data: str
    ttl: int = 300


@dataclass(frozen=True, slots=True)
class Answer:
    """What a name server says to a question."""

    code: str = "NOERROR"
    records: tuple[Record, ...] = ()
    additional: tuple[Record, ...] = ()
    authoritative: bool = False


def name_bytes(name: str) -> bytes:
    """A name as labels, uncompressed; the root is one zero byte."""
    out = b""
    for label in name.rstrip(".").split("."):
        if label:
            raw = label.encode("ascii")
            out += bytes([len(raw)]) + raw
    return out + b"\0"


def _record(record: Record, question: str) -> bytes:
    # A pointer to the question's name at offset 12 where it is the same, as every server compresses.
    owner = b"\xc0\x0c" if record.name == question else name_bytes(record.name)
    parts = record.data.split()
    if record.kind == "A":
        data = IPv4Address(record.data).packed
    elif record.kind == "SRV":
        data = struct.pack(">HHH", *map(int, parts[:3])) + name_bytes(parts[3])
    elif record.kind == "MX":
        data = struct.pack(">H", int(parts[0])) + name_bytes(parts[1])
    elif record.kind == "TXT":
        data = bytes([len(record.data)]) + record.data.encode("ascii")
    elif record.kind == "SOA":
        data = name_bytes(parts[0]) + name_bytes(parts[1]) + struct.pack(">5I", 2026030200, 1800, 900, 604800, 900)
    else:
        data = name_bytes(record.data)
    return owner + struct.pack(">HHIH", TYPES[record.kind], 1, record.ttl, len(data)) + data


def query(ident: int, name: str, kind: str) -> bytes:
    """A recursive question."""
    return struct.pack(">6H", ident, 0x0100, 1, 0, 0, 0) + name_bytes(name) + struct.pack(">HH", TYPES[kind], 1)


def response(ident: int, name: str, kind: str, answer: Answer) -> bytes:
    """The answer to `query(ident, name, kind)`; a denial carries the authority's SOA record."""
    flags = 0x8180 | CODES[answer.code] | (0x0400 if answer.authoritative else 0)
    authority: tuple[Record, ...] = ()
    if answer.code == "NXDOMAIN":
        zone = name.rsplit(".", 1)[-1] if "." in name else "."
        authority = (Record(zone, "SOA", f"a.{zone}-servers.example hostmaster.{zone}-servers.example", 900),)
    head = struct.pack(">6H", ident, flags, 1, len(answer.records), len(authority), len(answer.additional))
    body = b"".join(_record(r, name) for r in (*answer.records, *authority, *answer.additional))
    return head + name_bytes(name) + struct.pack(">HH", TYPES[kind], 1) + body
