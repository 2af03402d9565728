"""Server service calls ([MS-SRVS]): listing shares, asking for the server, and path canonicalisation.

`worm_path` has the *shape* of the worm's request (facts 6: a backslash, filler, two steps up, capitals) and nothing
else: where code would stand there are letters. Only the lab builds it, and only into files.
"""

from __future__ import annotations

import random
import string
import struct

from lab.protocols.ndr import Stub

SHARE_ENUM, SERVER_INFO, CANONICALIZE, COMPARE = 15, 21, 31, 32
INVALID_NAME, INVALID_PARAMETER = 123, 87


def server_info(server: str) -> bytes:
    """NetrServerGetInfo, level 101."""
    return Stub().unique(f"\\\\{server}").u32(101).bytes()


def server_info_reply(name: str, comment: str) -> bytes:
    """Its answer."""
    stub = Stub().u32(101).pointer().u32(500).pointer().u32(5, 1, 0x1003).pointer()
    return stub.string(name).string(comment).u32(0).bytes()


def share_enum(server: str) -> bytes:
    """NetrShareEnum, level 1."""
    stub = Stub().unique(f"\\\\{server}").u32(1, 1).pointer().u32(0).pointer(False)
    return stub.u32(0xFFFFFFFF).pointer().u32(0).bytes()


def share_enum_reply(shares: tuple[tuple[str, int, str], ...]) -> bytes:
    """Its answer: (name, type, remark) of each share."""
    stub = Stub().u32(1, 1).pointer().u32(len(shares)).pointer().u32(len(shares))
    for _, kind, _ in shares:
        stub.pointer().u32(kind).pointer()
    for name, _, remark in shares:
        stub.string(name).string(remark)
    return stub.u32(len(shares)).pointer().u32(0, 0).bytes()


def canonicalize(server: str, path: bytes, out_length: int, prefix: str, path_type: int, flags: int) -> bytes:
    """NetprPathCanonicalize; `path` is UTF-16 units as bytes, its end mark included."""
    stub = Stub().unique(server).units(path).u32(out_length).string(prefix)
    return stub.u32(path_type, flags).bytes()


def canonicalize_reply(out: bytes, path_type: int, result: int) -> bytes:
    """Its answer: the out buffer as far as it is filled, the type, the return code."""
    return Stub().u32(len(out)).raw(out).u32(path_type, result).bytes()


def worm_path(rng: random.Random) -> bytes:
    r"""A path of the exploit's shape: ``\`` letters ``\..\..\`` seven capitals, filler of letters before and after.

    The filler stands as single bytes, two a unit, as in the worm's own request (facts 6).
    """
    filler = "".join(rng.choices(string.ascii_letters, k=100 + 300)).encode()
    tail = "".join(rng.choices(string.ascii_letters, k=2 * rng.randrange(18, 30))).encode()
    capitals = "".join(rng.choices(string.ascii_uppercase, k=7))
    return "\\".encode("utf-16-le") + filler + ("\\..\\..\\" + capitals).encode("utf-16-le") + tail + b"\0\0"


def first_dword(value: int) -> bytes:
    """The out buffer's first four bytes."""
    return struct.pack("<I", value)
