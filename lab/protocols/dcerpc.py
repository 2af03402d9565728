"""Connection-oriented DCE/RPC, version 5.0 (C706 chapter 12): bind, request, response."""

from __future__ import annotations

import struct
import uuid
from dataclasses import dataclass

NDR = uuid.UUID("8a885d04-1ceb-11c9-9fe8-08002b104860")
_FRAGMENT = 4280
_WHOLE = 0x03  # first and last fragment


@dataclass(frozen=True, slots=True)
class Interface:
    """An RPC interface, the pipe where it is usually reached, and what Zeek calls it and its operations."""

    name: str
    uuid: str
    version: int
    pipe: str
    operations: tuple[tuple[int, str], ...]

    def operation(self, opnum: int) -> str:
        """Zeek's word for an operation."""
        return dict(self.operations).get(opnum, f"unknown-{opnum}")


SRVSVC = Interface(
    "srvsvc",
    "4b324fc8-1670-01d3-1278-5a47bf6ee188",
    3,
    "srvsvc",
    ((15, "NetrShareEnum"), (21, "NetrServerGetInfo"), (31, "NetprPathCanonicalize"), (32, "NetprPathCompare")),
)
ATSVC = Interface("atsvc", "1ff70682-0a51-30e8-076d-740be8cee98b", 1, "atsvc", ((0, "NetrJobAdd"),))
SVCCTL = Interface(
    "svcctl",
    "367abb81-9844-35f1-ad32-98f038001003",
    2,
    "svcctl",
    ((0, "CloseServiceHandle"), (12, "CreateServiceW"), (15, "OpenSCManagerW"), (19, "StartServiceW")),
)
KNOWN = {i.uuid: i for i in (SRVSVC, ATSVC, SVCCTL)}


def _head(kind: int, call: int, length: int) -> bytes:
    return struct.pack("<BBBB4sHHI", 5, 0, kind, _WHOLE, b"\x10\0\0\0", 16 + length, 0, call)


def bind(call: int, interface: Interface) -> bytes:
    """A bind with one context, NDR."""
    body = struct.pack("<HHI", _FRAGMENT, _FRAGMENT, 0) + b"\x01\0\0\0" + struct.pack("<HBB", 0, 1, 0)
    body += uuid.UUID(interface.uuid).bytes_le + struct.pack("<I", interface.version) + NDR.bytes_le + struct.pack("<I", 2)
    return _head(11, call, len(body)) + body


def bind_ack(call: int, pipe: str) -> bytes:
    """The bind is accepted; the secondary address is the pipe, as Windows writes it."""
    address = f"\\PIPE\\{pipe}".encode() + b"\0"
    body = struct.pack("<HHIH", _FRAGMENT, _FRAGMENT, 0x5A17, len(address)) + address
    body += bytes(-(16 + len(body)) % 4) + b"\x01\0\0\0" + struct.pack("<HH", 0, 0) + NDR.bytes_le + struct.pack("<I", 2)
    return _head(12, call, len(body)) + body


def request(call: int, opnum: int, stub: bytes) -> bytes:
    """A request in one fragment."""
    body = struct.pack("<IHH", len(stub), 0, opnum) + stub
    return _head(0, call, len(body)) + body


def response(call: int, stub: bytes) -> bytes:
    """A response in one fragment."""
    body = struct.pack("<IHBB", len(stub), 0, 0, 0) + stub
    return _head(2, call, len(body)) + body
