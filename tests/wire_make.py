"""Bytes for tests of the wire decoders: NDR arguments, DCE/RPC PDUs, SMB1 and SMB2 messages.

Written from MS-SRVS, MS-RPCE, MS-CIFS and MS-SMB2, not from the decoders; inert: what would be code is filler.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

SRVSVC = "4b324fc8-1670-01d3-1278-5a47bf6ee188"
ATSVC = "1ff70682-0a51-30e8-076d-740be8cee98b"
WKSSVC = "6bffd098-a112-3610-9833-46c3f87e345a"
NDR = ("8a885d04-1ceb-11c9-9fe8-08002b104860", 2)
NDR64 = ("71710533-beba-4937-8319-b5dbef9ccc36", 1)


class Stub:
    """Arguments, one after the other, aligned as the syntax wants it."""

    def __init__(self, *, big: bool = False, ndr64: bool = False) -> None:
        self.data = b""
        self.order = ">" if big else "<"
        self.big = big
        self.ndr64 = ndr64

    def _align(self, size: int) -> None:
        self.data += b"\xbf" * (-len(self.data) % size)

    def u8(self, value: int) -> Stub:
        self.data += bytes([value])
        return self

    def u32(self, value: int) -> Stub:
        self._align(4)
        self.data += struct.pack(self.order + "I", value)
        return self

    def size(self, value: int) -> Stub:
        if not self.ndr64:
            return self.u32(value)
        self._align(8)
        self.data += struct.pack(self.order + "Q", value)
        return self

    def structure(self) -> Stub:
        self._align(8 if self.ndr64 else 4)
        return self

    def string(self, text: str, *, most: int | None = None, offset: int = 0, actual: int | None = None, end: str = "\0") -> Stub:
        raw = (text + end).encode("utf-16-be" if self.big else "utf-16-le", "surrogatepass")
        units = len(raw) // 2
        self.size(units if most is None else most).size(offset).size(units if actual is None else actual)
        self.data += raw
        return self

    def unique(self, text: str | None) -> Stub:
        return self.size(0) if text is None else self.size(0x20000).string(text)


def canonicalize(
    path: str, *, server: str | None = "a", prefix: str = "", out: int = 1000, kind: int = 0, flags: int = 0, **how: bool
) -> bytes:
    """NetprPathCanonicalize."""
    return Stub(**how).unique(server).string(path).u32(out).string(prefix).u32(kind).u32(flags).data


def compare(first: str, second: str, *, server: str | None = "a", kind: int = 1, flags: int = 0, **how: bool) -> bytes:
    """NetprPathCompare."""
    return Stub(**how).unique(server).string(first).string(second).u32(kind).u32(flags).data


def name_canonicalize(name: str, *, server: str | None = "a", out: int = 1000, **how: bool) -> bytes:
    """NetprNameCanonicalize."""
    return Stub(**how).unique(server).string(name).u32(out).u32(0).u32(0).data


def job_add(command: str | None, *, server: str | None = "a", **how: bool) -> bytes:
    """NetrJobAdd."""
    stub = Stub(**how).unique(server).structure().u32(3600000).u32(0).u8(0x7F).u8(0x11)
    return stub.unique(command).data


def uuid_bytes(text: str, order: str = "<") -> bytes:
    """A UUID as it stands in a PDU."""
    a, b, c, d, e = text.split("-")
    return struct.pack(order + "IHH", int(a, 16), int(b, 16), int(c, 16)) + bytes.fromhex(d + e)


def pdu(
    kind: int, body: bytes, *, call: int = 1, flags: int = 3, big: bool = False, auth: bytes = b"", size: int | None = None
) -> bytes:
    """One DCE/RPC PDU; `auth` is the whole trailer with its 8-byte header."""
    order = ">" if big else "<"
    whole = 16 + len(body) + len(auth) if size is None else size
    drep = b"\0\0\0\0" if big else b"\x10\0\0\0"
    return bytes([5, 0, kind, flags]) + drep + struct.pack(order + "HHI", whole, max(0, len(auth) - 8), call) + body + auth


def bind(
    contexts: Sequence[tuple[int, str, Sequence[tuple[str, int]]]] = ((0, SRVSVC, (NDR,)),), *, kind: int = 11, call: int = 1,
    flags: int = 3, big: bool = False,
) -> bytes:  # fmt: skip
    """A bind (11) or alter context (14): context id, interface, transfer syntaxes."""
    order = ">" if big else "<"
    body = struct.pack(order + "HHIBxH", 4280, 4280, 0, len(contexts), 0)
    for number, interface, syntaxes in contexts:
        body += (
            struct.pack(order + "HBB", number, len(syntaxes), 0) + uuid_bytes(interface, order) + struct.pack(order + "HH", 3, 0)
        )
        for syntax, version in syntaxes:
            body += uuid_bytes(syntax, order) + struct.pack(order + "I", version)
    return pdu(kind, body, call=call, flags=flags, big=big)


def bind_answer(
    results: Sequence[tuple[int, tuple[str, int]]] = ((0, NDR),),
    *,
    kind: int = 12,
    call: int = 1,
    address: bytes = b"\\PIPE\\browser\0",
) -> bytes:
    """The answer to a bind (12) or alter context (15): result and syntax per context."""
    body = struct.pack("<HHIH", 4280, 4280, 7, len(address)) + address
    body += b"\0" * (-(len(body) + 16) % 4) + struct.pack("<BxH", len(results), 0)
    for result, (syntax, version) in results:
        body += struct.pack("<HH", result, 0) + uuid_bytes(syntax) + struct.pack("<I", version)
    return pdu(kind, body, call=call)


def request(
    stub: bytes,
    *,
    opnum: int = 31,
    context: int = 0,
    call: int = 2,
    flags: int = 3,
    big: bool = False,
    auth: bytes = b"",
    thing: bool = False,
) -> bytes:
    """A request, with an object UUID if `thing`."""
    order = ">" if big else "<"
    body = struct.pack(order + "IHH", len(stub), context, opnum) + (b"O" * 16 if thing else b"")
    return pdu(0, body + stub, call=call, flags=flags | (0x80 if thing else 0), big=big, auth=auth)


def fragments(stub: bytes, step: int, **how: int) -> list[bytes]:
    """A request in fragments of `step` stub bytes."""
    pieces = [stub[at : at + step] for at in range(0, len(stub), step)] or [b""]
    last = len(pieces) - 1
    return [request(piece, flags=(1 if i == 0 else 0) | (2 if i == last else 0), **how) for i, piece in enumerate(pieces)]


def response(stub: bytes = b"\0\0\0\0", *, call: int = 2, flags: int = 3) -> bytes:
    """A response."""
    return pdu(2, struct.pack("<IHBB", len(stub), 0, 0, 0) + stub, call=call, flags=flags)


def fault(status: int, *, call: int = 2) -> bytes:
    """A fault."""
    return pdu(3, struct.pack("<IHBBII", 0, 0, 0, 0, status, 0), call=call)


def nbss(*messages: bytes, kind: int = 0) -> bytes:
    """Session messages, one a message."""
    return b"".join(struct.pack(">I", len(m) | kind << 24) + m for m in messages)


# SMB1 -----------------------------------------------------------------------------------------------------------------

ANDX_COMMANDS = frozenset({0x24, 0x2D, 0x2E, 0x2F, 0x73, 0x74, 0x75, 0xA2})


def smb1(
    *commands: tuple[int, bytes, bytes],
    answer: bool = False,
    status: int = 0,
    tid: int = 8,
    uid: int = 100,
    mid: int = 1,
    pid: int = 77,
    wide: bool = True,
    flags2: int | None = None,
) -> bytes:
    """One SMB1 message: (command, words, bytes) each; words of AndX commands without their first two."""
    flags2 = (0xC801 if wide else 0x4801) if flags2 is None else flags2
    out = struct.pack(
        "<4sBIBHH8sHHHHH", b"\xffSMB", commands[0][0], status, 0x88 if answer else 0x18, flags2, 0, b"", 0, tid, pid, uid, mid
    )
    blocks = []
    for command, words, data in commands:
        head = b"\xff\0\0\0" if command in ANDX_COMMANDS and words else b""
        blocks.append([command, head + words, data])
    offset = 32
    for i, (_, own, data) in enumerate(blocks):
        size = 1 + len(own) + 2 + len(data)
        words = own
        if i + 1 < len(blocks):
            words = struct.pack("<BBH", blocks[i + 1][0], 0, offset + size) + own[4:]
        assert len(words) % 2 == 0
        out += bytes([len(words) // 2]) + words + struct.pack("<H", len(data) & 0xFFFF) + data
        offset += size
    return out


def text1(text: str, at: int, wide: bool = True) -> bytes:
    """A zero-ended string as it stands at this distance from the header."""
    if not wide:
        return text.encode("cp932") + b"\0"
    return b"\0" * (at & 1) + (text + "\0").encode("utf-16-le", "surrogatepass")


def tree_connect1(share: str, *, wide: bool = True, service: bytes = b"?????\0", **how: int) -> bytes:
    at = 32 + 1 + 8 + 2
    data = b"\0" + text1(share, at + 1, wide) + service
    return smb1((0x75, struct.pack("<HH", 0, 1), data), wide=wide, **how)


def tree_answer1(service: bytes = b"IPC\0", **how: int) -> bytes:
    return smb1((0x75, struct.pack("<H", 1), service + b"\0\0"), answer=True, **how)


def create1_words(size: int, disposition: int = 1, access: int = 0x12019F) -> bytes:
    return struct.pack("<BHIIIQIIIIIB", 0, size, 0x16, 0, access, 0, 0, 3, disposition, 0, 2, 3)


def create1(path: str, *, wide: bool = True, **how: int) -> bytes:
    data = text1(path, 32 + 1 + 48 + 2, wide)
    return smb1((0xA2, create1_words(len(data)), data), wide=wide, **how)


def create_answer1(fid: int, *, action: int = 1, kind: int = 0, directory: bool = False, **how: int) -> bytes:
    words = struct.pack("<BHI32sIQQHHB", 0, fid, action, b"", 0x10 if directory else 0x20, 0, 0, kind, 0, directory)
    return smb1((0xA2, words, b""), answer=True, **how)


def write1_words(fid: int, size: int, start: int, *, offset: int = 0, mode: int = 8, high: bool = True) -> bytes:
    words = struct.pack("<HIIHHHHH", fid, offset, 0xFFFFFFFF, mode, 0, size >> 16, size & 0xFFFF, start)
    return words + (struct.pack("<I", 0) if high else b"")


def write1(fid: int, data: bytes, *, offset: int = 0, mode: int = 8, high: bool = True, pad: int = 1, **how: int) -> bytes:
    start = 32 + 1 + (28 if high else 24) + 2 + pad
    return smb1((0x2F, write1_words(fid, len(data), start, offset=offset, mode=mode, high=high), b"\xee" * pad + data), **how)


def write_answer1(size: int, **how: int) -> bytes:
    return smb1((0x2F, struct.pack("<HHI", size & 0xFFFF, 0, 0), b""), answer=True, **how)


def read1(fid: int, size: int = 1024, **how: int) -> bytes:
    return smb1((0x2E, struct.pack("<HIHHIH", fid, 0, size, size, 0xFFFFFFFF, 0) + struct.pack("<I", 0), b""), **how)


def read_answer1(data: bytes, **how: int) -> bytes:
    words = struct.pack("<HHHHHHI4x", 0xFFFF, 0, 0, len(data) & 0xFFFF, 60, len(data) >> 16, 0)
    return smb1((0x2E, words, b"\0" + data), answer=True, **how)


def close1(fid: int, **how: int) -> bytes:
    return smb1((0x04, struct.pack("<HI", fid, 0), b""), **how)


def plain_answer1(command: int, **how: int) -> bytes:
    return smb1((command, b"", b""), answer=True, **how)


def trans1(
    fid: int,
    data: bytes,
    *,
    function: int = 0x26,
    name: str = "\\PIPE\\",
    total: int | None = None,
    wide: bool = True,
    pad: int = 0,
    **how: int,
) -> bytes:
    words_size = 2 * 16
    where = 32 + 1 + words_size + 2
    text = text1(name, where, wide)
    start = where + len(text) + pad
    total = len(data) if total is None else total
    words = struct.pack("<HHHHBBHIHHHHHBBHH", 0, total, 0, 1024, 0, 0, 0, 0, 0, 0, start, len(data), start, 2, 0, function, fid)
    return smb1((0x25, words, text + b"\xee" * pad + data), wide=wide, **how)


def trans_secondary1(data: bytes, displacement: int, total: int, *, pad: int = 1, **how: int) -> bytes:
    start = 32 + 1 + 16 + 2 + pad
    words = struct.pack("<HHHHHHHH", 0, total, 0, start, 0, len(data), start, displacement)
    return smb1((0x26, words, b"\xee" * pad + data), **how)


def trans_answer1(data: bytes, *, total: int | None = None, displacement: int = 0, **how: int) -> bytes:
    start = 32 + 1 + 20 + 2 + 1
    words = struct.pack(
        "<HHHHHHHHHBB", 0, len(data) if total is None else total, 0, 0, start, 0, len(data), start, displacement, 0, 0
    )
    return smb1((0x25, words, b"\0" + data), answer=True, **how)


# SMB2 -----------------------------------------------------------------------------------------------------------------

ANY = b"\xff" * 16


def smb2(
    command: int,
    body: bytes,
    *,
    mid: int,
    answer: bool = False,
    status: int = 0,
    tid: int = 5,
    session: int = 9,
    flags: int = 0,
    following: int = 0,
) -> bytes:
    head = struct.pack(
        "<4sHHIHHIIQIIQ16s", b"\xfeSMB", 64, 1, status, command, 1, flags | answer, following, mid, 0xFEFF, tid, session, b""
    )
    return head + body


def compound2(*messages: bytes, related: bool = True) -> bytes:
    """Chain SMB2 messages; all but the first related, with nothing of their own."""
    out = b""
    for i, one in enumerate(messages):
        last = i + 1 == len(messages)
        message = bytearray(one if last else one + b"\0" * (-len(one) % 8))
        if not last:
            struct.pack_into("<I", message, 20, len(message))
        if i and related:
            struct.pack_into("<I", message, 16, struct.unpack_from("<I", message, 16)[0] | 4)
            message[36:48] = b"\xff" * 12
        out += message
    return out


def tree_connect2(share: str, **how: int) -> bytes:
    raw = share.encode("utf-16-le")
    return smb2(3, struct.pack("<HHHH", 9, 0, 72, len(raw)) + raw, **how)


def tree_answer2(kind: int = 2, **how: int) -> bytes:
    return smb2(3, struct.pack("<HBBIII", 16, kind, 0, 0, 0, 0), answer=True, **how)


def create2(path: str, *, disposition: int = 1, options: int = 0, **how: int) -> bytes:
    raw = path.encode("utf-16-le", "surrogatepass")
    body = struct.pack("<HBBIQQIIIIIHHII", 57, 0, 0, 2, 0, 0, 0x12019F, 0, 7, disposition, options, 120, len(raw), 0, 0)
    return smb2(5, body + (raw or b"\0"), **how)


def create_answer2(fid: bytes, *, action: int = 1, attributes: int = 0x20, **how: int) -> bytes:
    body = struct.pack("<HBBI32sQQII16sII", 89, 0, 0, action, b"", 0, 0, attributes, 0, fid, 0, 0)
    return smb2(5, body, answer=True, **how)


def write2(fid: bytes, data: bytes, *, offset: int = 0, pad: int = 0, **how: int) -> bytes:
    body = struct.pack("<HHIQ16sIIHHI", 49, 112 + pad, len(data), offset, fid, 0, 0, 0, 0, 0)
    return smb2(9, body + b"\xee" * pad + data, **how)


def write_answer2(size: int, **how: int) -> bytes:
    return smb2(9, struct.pack("<HHIIHH", 17, 0, size, 0, 0, 0), answer=True, **how)


def read2(fid: bytes, size: int = 1024, **how: int) -> bytes:
    return smb2(8, struct.pack("<HBBIQ16sIIIHH", 49, 0, 0, size, 0, fid, 0, 0, 0, 0, 0) + b"\0", **how)


def read_answer2(data: bytes, **how: int) -> bytes:
    return smb2(8, struct.pack("<HBBIII", 17, 80, 0, len(data), 0, 0) + data, answer=True, **how)


def ioctl2(fid: bytes, data: bytes, *, code: int = 0x11C017, **how: int) -> bytes:
    return smb2(11, struct.pack("<HHI16sIIIIIIII", 57, 0, code, fid, 120, len(data), 0, 0, 0, 1024, 1, 0) + data, **how)


def ioctl_answer2(fid: bytes, data: bytes, *, code: int = 0x11C017, **how: int) -> bytes:
    return smb2(11, struct.pack("<HHI16sIIIIII", 49, 0, code, fid, 112, 0, 112, len(data), 0, 0) + data, answer=True, **how)


def close2(fid: bytes, **how: int) -> bytes:
    return smb2(6, struct.pack("<HHI16s", 24, 0, 0, fid), **how)


def close_answer2(**how: int) -> bytes:
    return smb2(6, struct.pack("<HHI", 60, 0, 0) + bytes(52), answer=True, **how)


def set_info2(fid: bytes, form: int, data: bytes, **how: int) -> bytes:
    return smb2(17, struct.pack("<HBBIHHI16s", 33, 1, form, len(data), 96, 0, 0, fid) + data, **how)


def ntlm(kind: int, user: str = "", domain: str = "", *, wide: bool = True) -> bytes:
    """An NTLM message, authenticate (3) with names."""
    if kind != 3:
        return b"NTLMSSP\0" + struct.pack("<I", kind) + bytes(24)
    encode = "utf-16-le" if wide else "ascii"
    d, u = domain.encode(encode), user.encode(encode)
    at = 64

    def field(size: int, offset: int) -> bytes:
        return struct.pack("<HHI", size, size, offset)

    out = b"NTLMSSP\0" + struct.pack("<I", 3) + field(0, at) * 2 + field(len(d), at) + field(len(u), at + len(d))
    out += field(0, at) * 2 + struct.pack("<I", 1 if wide else 2)
    return out + d + u
