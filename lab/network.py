"""Ethernet, IPv4, TCP and UDP frames with right checksums.

References: RFC 791, 793, 768, 1071 (checksum), 894 (Ethernet). Frames leave here with IP identification and IP header
checksum zero; `finish` fills both when the frame is written, so that a host's identifications rise in time order.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from ipaddress import IPv4Address

FIN, SYN, RST, PSH, ACK = 0x01, 0x02, 0x04, 0x08, 0x10

MSS = 1460
"""Largest TCP payload of a segment: Ethernet's 1500 less two 20-byte headers."""

SYN_OPTIONS = bytes.fromhex("020405b401010402")
"""MSS 1460, two no-operations, selective acknowledgement permitted: what a Windows XP client sends."""

ETHERNET = 14
IP_HEADER = 20
UDP_HEADER = 8


@dataclass(slots=True)
class Machine:
    """One address of the story: what its packets carry.

    `mac` is what the sensor sees as its link address (the gateway's for what lies behind it).
    `distance_us` is the round trip between the sensor and this machine.
    """

    address: str
    mac: bytes
    name: str = ""
    ttl: int = 128
    distance_us: int = 200
    ports_from: int = 1025
    ports_to: int = 5000
    packed: bytes = field(init=False)
    next_port: int = field(init=False)
    next_id: int = field(init=False)

    def __post_init__(self) -> None:
        self.packed = IPv4Address(self.address).packed
        number = int(IPv4Address(self.address))
        self.next_port = self.ports_from + (number * 2654435761 >> 7) % max(1, (self.ports_to - self.ports_from) // 2)
        self.next_id = (number * 40503) & 0xFFFF

    @property
    def number(self) -> int:
        """The address as a big-endian number."""
        return int.from_bytes(self.packed, "big")

    def port(self) -> int:
        """The next ephemeral port, in turn, as Windows hands them out."""
        self.next_port = self.next_port + 1 if self.next_port < self.ports_to else self.ports_from
        return self.next_port

    def identification(self) -> int:
        """The next IP identification: one counter a host."""
        self.next_id = (self.next_id + 1) & 0xFFFF
        return self.next_id


def checksum(data: bytes | bytearray) -> int:
    """The Internet checksum of `data` (RFC 1071): sums of 16-bit words are remainders by 65,535."""
    if len(data) % 2:
        data = bytes(data) + b"\0"
    return (0xFFFF - int.from_bytes(data, "big") % 0xFFFF) % 0xFFFF


def _ip_header(source: Machine, target: Machine, protocol: int, payload_length: int) -> bytes:
    return struct.pack(
        ">BBHHHBBH4s4s", 0x45, 0, IP_HEADER + payload_length, 0, 0x4000, source.ttl, protocol, 0, source.packed, target.packed
    )


def _pseudo(source: Machine, target: Machine, protocol: int, length: int) -> bytes:
    return source.packed + target.packed + struct.pack(">BBH", 0, protocol, length)


def tcp_frame(
    source: Machine,
    target: Machine,
    ports: tuple[int, int],
    seq: int,
    ack: int,
    flags: int,
    payload: bytes = b"",
    options: bytes = b"",
    window: int = 64240,
) -> bytearray:
    """A TCP segment in IPv4 in Ethernet; `seq` and `ack` are taken modulo 2**32, `options` is a multiple of 4 bytes."""
    offset = 5 + len(options) // 4
    header = struct.pack(">HHIIBBHHH", ports[0], ports[1], seq & 0xFFFFFFFF, ack & 0xFFFFFFFF, offset << 4, flags, window, 0, 0)
    segment = bytearray(header + options + payload)
    segment[16:18] = checksum(_pseudo(source, target, 6, len(segment)) + segment).to_bytes(2, "big")
    return bytearray(target.mac + source.mac + b"\x08\x00" + _ip_header(source, target, 6, len(segment))) + segment


def udp_frame(source: Machine, target: Machine, ports: tuple[int, int], payload: bytes) -> bytearray:
    """A UDP datagram in IPv4 in Ethernet."""
    length = UDP_HEADER + len(payload)
    header = struct.pack(">HHHH", ports[0], ports[1], length, 0)
    total = checksum(_pseudo(source, target, 17, length) + header + payload) or 0xFFFF
    datagram = header[:6] + total.to_bytes(2, "big") + payload
    return bytearray(target.mac + source.mac + b"\x08\x00" + _ip_header(source, target, 17, length) + datagram)


def arp_request(source: Machine, wanted: Machine) -> bytearray:
    """An ARP question for `wanted`'s link address (RFC 826), padded to Ethernet's least size."""
    head = b"\xff" * 6 + source.mac + b"\x08\x06" + bytes.fromhex("0001080006040001")
    return bytearray(head + source.mac + source.packed + bytes(6) + wanted.packed).ljust(60, b"\0")


def is_ip(frame: bytes | bytearray) -> bool:
    """Whether the frame carries IPv4."""
    return frame[12:14] == b"\x08\x00"


def finish(frame: bytearray, identification: int) -> None:
    """Fill IP identification and IP header checksum, and pad to Ethernet's least size of 60 bytes."""
    frame[18:20] = identification.to_bytes(2, "big")
    frame[24:26] = b"\0\0"
    frame[24:26] = checksum(frame[ETHERNET : ETHERNET + IP_HEADER]).to_bytes(2, "big")
    if len(frame) < 60:
        frame.extend(bytes(60 - len(frame)))
