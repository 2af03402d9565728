"""What else runs on a site's network: TLS-like flows, mail, HL7, SNMP, NTP; only as much of each as a dissector checks."""

from __future__ import annotations

import random
import struct

_SUITES = bytes.fromhex("c02bc02fc02cc030c013c014009c009d002f0035")


def _extension(kind: int, data: bytes) -> bytes:
    return struct.pack(">HH", kind, len(data)) + data


def _record(kind: int, data: bytes) -> bytes:
    return struct.pack(">BHH", kind, 0x0303, len(data)) + data


def _handshake(kind: int, data: bytes) -> bytes:
    return _record(22, bytes([kind]) + len(data).to_bytes(3, "big") + data)


def tls_client_hello(rng: random.Random, host: str) -> bytes:
    """A ClientHello of TLS 1.2 with the server's name (RFC 5246, 6066)."""
    name = host.encode()
    extensions = _extension(0, struct.pack(">HBH", len(name) + 3, 0, len(name)) + name)
    extensions += _extension(10, struct.pack(">HHH", 4, 23, 24)) + _extension(11, b"\x01\x00")
    extensions += _extension(13, bytes.fromhex("000804030401050302 03".replace(" ", "")))
    body = b"\x03\x03" + rng.randbytes(32) + b"\x20" + rng.randbytes(32)
    body += struct.pack(">H", len(_SUITES)) + _SUITES + b"\x01\x00" + struct.pack(">H", len(extensions)) + extensions
    return _handshake(1, body)


def tls_server_hello(rng: random.Random) -> bytes:
    """A ServerHello that resumes the client's session: no certificate has to follow. Then the change of cipher."""
    body = b"\x03\x03" + rng.randbytes(32) + b"\x20" + rng.randbytes(32) + _SUITES[2:4] + b"\x00"
    return _handshake(2, body) + tls_finish(rng)


def tls_finish(rng: random.Random) -> bytes:
    """ChangeCipherSpec and an enciphered Finished."""
    return _record(20, b"\x01") + _record(22, rng.randbytes(40))


def tls_data(rng: random.Random, length: int) -> bytes:
    """`length` bytes of enciphered application data in records of at most 16 KiB."""
    out = b""
    while length > 0:
        size = min(length, 16_384)
        out += _record(23, rng.randbytes(size))
        length -= size
    return out


def hl7_message(control: int, room: int) -> bytes:
    """An HL7 observation result of no patient, framed as MLLP."""
    text = (
        f"MSH|^~\\&|LABDEVICE|ROOM{room}|HIS|SITE|20260302||ORU^R01|{control}|P|2.3\r"
        f"OBX|1|NM|TEST^INERT||{control % 100}|unit|||||F\r"
    )
    return b"\x0b" + text.encode() + b"\x1c\r"


def hl7_acknowledgement(control: int) -> bytes:
    """Its acknowledgement."""
    return b"\x0b" + f"MSH|^~\\&|HIS|SITE|LABDEVICE||20260302||ACK|{control}|P|2.3\rMSA|AA|{control}\r".encode() + b"\x1c\r"


def ntp(rng: random.Random, *, reply: bool) -> bytes:
    """An NTP message of version 3 (RFC 1305)."""
    first = 0x1C if reply else 0x1B
    return bytes([first, 3 if reply else 0, 10, 0xE9]) + bytes(12) + rng.randbytes(8) * 4


def snmp_get(ident: int, value: bytes | None = None) -> bytes:
    """SNMPv1 (RFC 1157): a question for sysUpTime, or its answer if `value` is given."""
    variable = bytes.fromhex("06082b06010201010300") + (b"\x05\x00" if value is None else b"\x43" + bytes([len(value)]) + value)
    bindings = b"\x30" + bytes([len(variable)]) + variable
    body = b"\x02\x04" + struct.pack(">I", ident & 0x7FFFFFFF) + b"\x02\x01\x00\x02\x01\x00"
    body += b"\x30" + bytes([len(bindings)]) + bindings
    unit = (b"\xa0" if value is None else b"\xa2") + bytes([len(body)]) + body
    whole = b"\x02\x01\x00\x04\x06public" + unit
    return b"\x30" + bytes([len(whole)]) + whole


def dht_ping(rng: random.Random, *, reply: bool) -> bytes:
    """A ping among peers of a file-sharing network (BitTorrent BEP 5), or its answer."""
    node = b"d2:id20:" + rng.randbytes(20) + b"e"
    return b"d1:r" + node + b"1:t2:aa1:y1:re" if reply else b"d1:a" + node + b"1:q4:ping1:t2:aa1:y1:qe"
