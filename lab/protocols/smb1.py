"""SMB1 messages ([MS-CIFS], [MS-SMB]) behind a NetBIOS session header (RFC 1002), unicode strings.

Every builder takes a `Place` (where in the session the message stands) and returns bytes ready for TCP.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace

NEGOTIATE, SESSION_SETUP, LOGOFF, TREE_CONNECT, TREE_DISCONNECT = 0x72, 0x73, 0x74, 0x75, 0x71
NT_CREATE, READ, WRITE, CLOSE, TRANSACTION = 0xA2, 0x2E, 0x2F, 0x04, 0x25
LOGON_FAILURE, LOCKED_OUT, ACCESS_DENIED, MORE_NEEDED = 0xC000006D, 0xC0000234, 0xC0000022, 0xC0000016
_NO_ANDX = b"\xff\0\0\0"
DIALECTS = ("PC NETWORK PROGRAM 1.0", "LANMAN1.0", "Windows for Workgroups 3.1a", "LM1.2X002", "LANMAN2.1", "NT LM 0.12")
DIALECTS_TWO = (*DIALECTS, "SMB 2.002", "SMB 2.???")
"""What Windows Vista and later offer first: the last two invite SMB2."""

_EPOCH_100NS = 116_444_736_000_000_000


def filetime(time_us: int) -> int:
    """Microseconds since 1970 as 100-nanosecond ticks since 1601."""
    return _EPOCH_100NS + time_us * 10


@dataclass(frozen=True, slots=True)
class Place:
    """Identifiers of one message: multiplex, process, user, tree; answers carry a status and the reply flag."""

    mid: int = 1
    pid: int = 0xFEFF
    uid: int = 0
    tid: int = 0
    status: int = 0
    reply: bool = False
    flags2: int = 0xC807  # unicode, NT status, extended security, long names

    def answer(self, status: int = 0) -> Place:
        """The same place on the way back."""
        return replace(self, reply=True, status=status)


def session(message: bytes) -> bytes:
    """A NetBIOS session message around an SMB message."""
    return struct.pack(">I", len(message)) + message


def session_request(client: str) -> tuple[bytes, bytes]:
    """A NetBIOS session request to `*SMBSERVER` and its positive answer (RFC 1002 4.3), as port 139 wants them first."""

    def half_ascii(name: str) -> bytes:
        raw = name.upper().encode()[:15].ljust(15) + b"\0"
        return b"\x20" + bytes(65 + nibble for byte in raw for nibble in (byte >> 4, byte & 15)) + b"\0"

    body = half_ascii("*SMBSERVER") + half_ascii(client or "LAB")
    return b"\x81" + len(body).to_bytes(3, "big") + body, b"\x82\0\0\0"


def _message(place: Place, command: int, words: bytes, data: bytes) -> bytes:
    flags = 0x98 if place.reply else 0x18
    ids = (place.tid, place.pid, place.uid, place.mid)
    head = b"\xffSMB" + struct.pack("<BIBHH8sHHHHH", command, place.status, flags, place.flags2, 0, b"", 0, *ids)
    return session(head + bytes([len(words) // 2]) + words + struct.pack("<H", len(data)) + data)


def _pad(words: int) -> bytes:
    """The byte that puts unicode strings after so many parameter words on an even offset."""
    return b"\0" * ((32 + 1 + 2 * words + 2) % 2)


def _wide(*texts: str) -> bytes:
    return b"".join((text + "\0").encode("utf-16-le") for text in texts)


def error(place: Place, command: int) -> bytes:
    """An answer that is only a status."""
    return _message(place, command, b"", b"")


def negotiate(place: Place, dialects: tuple[str, ...] = DIALECTS) -> bytes:
    """The first request."""
    return _message(place, NEGOTIATE, b"", b"".join(b"\x02" + d.encode() + b"\0" for d in dialects))


def negotiate_reply(place: Place, index: int, time_us: int, security: bytes, *, extended: bool, names: tuple[str, str]) -> bytes:
    """NT LM 0.12 is taken. `security` is the SPNEGO hint behind a GUID, or the 8-byte challenge."""
    capabilities = 0x8001F3FD if extended else 0x0001F3FD
    limits = (50, 1, 16644, 65536, 0)
    words = struct.pack("<HBHHIIIIQhB", index, 3, *limits, capabilities, filetime(time_us), 0, 0 if extended else 8)
    return _message(place, NEGOTIATE, words, security if extended else security + _wide(*names))


def session_setup(place: Place, blob: bytes, native: tuple[str, str]) -> bytes:
    """Session setup with a security blob (extended security)."""
    words = _NO_ANDX + struct.pack("<HHHIHII", 16644, 50, 0, 0, len(blob), 0, 0xA00000D4)
    pad = b"\0" * ((32 + 1 + 24 + 2 + len(blob)) % 2)
    return _message(place, SESSION_SETUP, words, blob + pad + _wide(*native, ""))


def session_setup_reply(place: Place, blob: bytes, native: tuple[str, str]) -> bytes:
    """Its answer."""
    words = _NO_ANDX + struct.pack("<HH", 0, len(blob))
    pad = b"\0" * ((32 + 1 + 8 + 2 + len(blob)) % 2)
    return _message(place, SESSION_SETUP, words, blob + pad + _wide(*native))


def session_setup_plain(place: Place, native: tuple[str, str]) -> bytes:
    """Session setup without extended security, account and response: an anonymous session."""
    words = _NO_ANDX + struct.pack("<HHHIHHII", 16644, 2, 1, 0, 0, 0, 0, 0xD4)
    return _message(place, SESSION_SETUP, words, _pad(13) + _wide("", "", *native))


def probe_setup(native: tuple[str, str]) -> bytes:
    """The worm's own session setup (facts 6): 13 words, one capability, ASCII strings, all ids from one template."""
    place = Place(mid=0, pid=0x025C, flags2=0)
    words = _NO_ANDX + struct.pack("<HHHIHHII", 0xFFFF, 2, 0x025C, 0, 0, 0, 0, 1)
    data = b"\0\0" + b"".join(text.encode() + b"\0" for text in native)
    return _message(place, SESSION_SETUP, words, data)


def session_setup_plain_reply(place: Place, native: tuple[str, str], domain: str) -> bytes:
    """Its answer."""
    words = _NO_ANDX + struct.pack("<H", 0)
    if place.flags2 & 0x8000:
        return _message(place, SESSION_SETUP, words, _pad(3) + _wide(*native, domain))
    return _message(place, SESSION_SETUP, words, b"".join(t.encode() + b"\0" for t in (*native, domain)))


def tree_connect(place: Place, path: str) -> bytes:
    r"""Open a share, given as ``\\server\share``."""
    words = _NO_ANDX + struct.pack("<HH", 8, 1)
    return _message(place, TREE_CONNECT, words, b"\0" + _wide(path) + b"?????\0")


def tree_connect_reply(place: Place, service: str, file_system: str) -> bytes:
    """Its answer; `service` is `IPC` or `A:`."""
    words = _NO_ANDX + struct.pack("<HII", 1, 0x001F01FF, 0)
    kind = service.encode() + b"\0"
    pad = b"\0" * ((32 + 1 + 14 + 2 + len(kind)) % 2)
    return _message(place, TREE_CONNECT, words, kind + pad + _wide(file_system))


def create(place: Place, name: str, *, write: bool = False) -> bytes:
    """Open a file or pipe, or make a file."""
    raw = name.encode("utf-16-le")
    access, share, disposition = (0x00120116, 0, 5) if write else (0x0002019F, 3, 1)
    words = _NO_ANDX + struct.pack("<BHIIIQIIIIIB", 0, len(raw), 0x16, 0, access, 0, 0x80, share, disposition, 0x40, 2, 3)
    return _message(place, NT_CREATE, words, b"\0" + raw + b"\0\0")


def create_reply(place: Place, fid: int, size: int, time_us: int, *, pipe: bool, made: bool) -> bytes:
    """Its answer; pipes carry no times."""
    times = struct.pack("<4Q", *([0] * 4 if pipe else [filetime(time_us)] * 4))
    words = _NO_ANDX + struct.pack("<BHI", 0, fid, 2 if made else 1) + times
    words += struct.pack("<IQQHHB", 0x80, size, size, 2 if pipe else 0, 0x05FF if pipe else 7, 0)
    return _message(place, NT_CREATE, words, b"")


def write(place: Place, fid: int, offset: int, data: bytes) -> bytes:
    """Write to a file or pipe."""
    words = _NO_ANDX + struct.pack("<HIIHHHHHI", fid, offset, 0, 0, len(data), 0, len(data), 64, 0)
    return _message(place, WRITE, words, b"\0" + data)


def write_reply(place: Place, count: int) -> bytes:
    """Its answer."""
    return _message(place, WRITE, _NO_ANDX + struct.pack("<HHHH", count, 0xFFFF, 0, 0), b"")


def read(place: Place, fid: int, offset: int, count: int) -> bytes:
    """Read from a file or pipe."""
    return _message(place, READ, _NO_ANDX + struct.pack("<HIHHIHI", fid, offset, count, count, 0, count, 0), b"")


def read_reply(place: Place, data: bytes) -> bytes:
    """Its answer."""
    words = _NO_ANDX + struct.pack("<HHHHHH8s", 0xFFFF, 0, 0, len(data), 60, 0, b"")
    return _message(place, READ, words, b"\0" + data)


def transact_pipe(place: Place, fid: int, data: bytes) -> bytes:
    """TransactNmPipe: write to a pipe and read its answer in one message."""
    words = struct.pack("<HHHHBBHIHHHHHBB", 0, len(data), 0, 1024, 0, 0, 0, 0, 0, 0, 84, len(data), 84, 2, 0)
    words += struct.pack("<HH", 0x0026, fid)
    return _message(place, TRANSACTION, words, b"\0" + _wide("\\PIPE\\") + b"\0\0" + data)


def transact_reply(place: Place, data: bytes) -> bytes:
    """Its answer."""
    words = struct.pack("<HHHHHHHHHBB", 0, len(data), 0, 0, 56, 0, len(data), 56, 0, 0, 0)
    return _message(place, TRANSACTION, words, b"\0" + data)


def close(place: Place, fid: int) -> bytes:
    """Close a file or pipe."""
    return _message(place, CLOSE, struct.pack("<HI", fid, 0xFFFFFFFF), b"")


def tree_disconnect(place: Place) -> bytes:
    """Leave a share."""
    return _message(place, TREE_DISCONNECT, b"", b"")


def logoff(place: Place) -> bytes:
    """End the session."""
    return _message(place, LOGOFF, _NO_ANDX, b"")


def logoff_reply(place: Place) -> bytes:
    """Its answer."""
    return _message(place, LOGOFF, _NO_ANDX, b"")
