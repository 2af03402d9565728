"""SMB2 messages ([MS-SMB2]), dialect 2.1 as Windows 7 speaks it, unsigned, one message a NetBIOS session message."""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace

from lab.protocols.smb1 import filetime, session

NEGOTIATE, SESSION_SETUP, LOGOFF, TREE_CONNECT, TREE_DISCONNECT = 0, 1, 2, 3, 4
CREATE, CLOSE, READ, WRITE, IOCTL = 5, 6, 8, 9, 11
PIPE_TRANSCEIVE = 0x0011C017
_HEAD = 64


@dataclass(frozen=True, slots=True)
class Place:
    """Identifiers of one message: message id, tree, session; answers carry a status and the reply flag."""

    mid: int = 0
    tree: int = 0
    session: int = 0
    status: int = 0
    reply: bool = False

    def answer(self, status: int = 0) -> Place:
        """The same place on the way back."""
        return replace(self, reply=True, status=status)


def _message(place: Place, command: int, body: bytes) -> bytes:
    head = b"\xfeSMB" + struct.pack(
        "<HHIHHIIQIIQ16s", _HEAD, 1, place.status, command, 1 if place.reply else 31, 1 if place.reply else 0, 0,
        place.mid, 0xFEFF, place.tree, place.session, b"",
    )  # fmt: skip
    return session(head + body)


def error(place: Place, command: int) -> bytes:
    """An answer that is only a status."""
    return _message(place, command, struct.pack("<HBBIB", 9, 0, 0, 0, 0))


def negotiate(place: Place, guid: bytes) -> bytes:
    """Dialects 2.0.2 and 2.1."""
    return _message(place, NEGOTIATE, struct.pack("<HHHHI16sQHH", 36, 2, 1, 0, 0, guid, 0, 0x0202, 0x0210))


def negotiate_reply(place: Place, dialect: int, guid: bytes, time_us: int, blob: bytes) -> bytes:
    """Its answer; dialect 0x02FF answers the SMB1 negotiate that offered `SMB 2.???`."""
    now = filetime(time_us)
    most = 1 << 20
    body = struct.pack("<HHHH16sIIII", 65, 1, dialect, 0, guid, 7, most, most, most)
    body += struct.pack("<QQHHI", now, now - 10**13, _HEAD + 64, len(blob), 0)
    return _message(place, NEGOTIATE, body + blob)


def session_setup(place: Place, blob: bytes) -> bytes:
    """Session setup with a security blob."""
    return _message(place, SESSION_SETUP, struct.pack("<HBBIIHHQ", 25, 0, 1, 1, 0, _HEAD + 24, len(blob), 0) + blob)


def session_setup_reply(place: Place, blob: bytes) -> bytes:
    """Its answer."""
    return _message(place, SESSION_SETUP, struct.pack("<HHHH", 9, 0, _HEAD + 8, len(blob)) + blob)


def tree_connect(place: Place, path: str) -> bytes:
    r"""Open a share, given as ``\\server\share``."""
    raw = path.encode("utf-16-le")
    return _message(place, TREE_CONNECT, struct.pack("<HHHH", 9, 0, _HEAD + 8, len(raw)) + raw)


def tree_connect_reply(place: Place, share_type: int) -> bytes:
    """Its answer; share type 1 is a disk, 2 a pipe."""
    return _message(place, TREE_CONNECT, struct.pack("<HBBIII", 16, share_type, 0, 0, 0, 0x001F01FF))


def create(place: Place, name: str, *, write: bool = False) -> bytes:
    """Open a file or pipe, or make a file."""
    raw = name.encode("utf-16-le")
    access, share, disposition = (0x00120196, 0, 5) if write else (0x0012019F, 7, 1)
    body = struct.pack("<HBBIQQIIIIIHHII", 57, 0, 0, 2, 0, 0, access, 0x80, share, disposition, 0x40, _HEAD + 56, len(raw), 0, 0)
    return _message(place, CREATE, body + (raw or b"\0"))


def create_reply(place: Place, fid: bytes, size: int, time_us: int, *, made: bool) -> bytes:
    """Its answer; `fid` is 16 bytes."""
    times = [filetime(time_us)] * 4
    body = struct.pack("<HBBI4QQQII16sII", 89, 0, 0, 2 if made else 1, *times, size, size, 0x80, 0, fid, 0, 0)
    return _message(place, CREATE, body)


def close(place: Place, fid: bytes) -> bytes:
    """Close a file or pipe."""
    return _message(place, CLOSE, struct.pack("<HHI16s", 24, 0, 0, fid))


def close_reply(place: Place) -> bytes:
    """Its answer."""
    return _message(place, CLOSE, struct.pack("<HHI4QQQI", 60, 0, 0, 0, 0, 0, 0, 0, 0, 0))


def read(place: Place, fid: bytes, offset: int, count: int) -> bytes:
    """Read from a file or pipe."""
    return _message(place, READ, struct.pack("<HBBIQ16sIIIHHB", 49, 0x50, 0, count, offset, fid, 0, 0, 0, 0, 0, 0))


def read_reply(place: Place, data: bytes) -> bytes:
    """Its answer."""
    return _message(place, READ, struct.pack("<HBBIII", 17, _HEAD + 16, 0, len(data), 0, 0) + data)


def write(place: Place, fid: bytes, offset: int, data: bytes) -> bytes:
    """Write to a file or pipe."""
    body = struct.pack("<HHIQ16sIIHHI", 49, _HEAD + 48, len(data), offset, fid, 0, 0, 0, 0, 0)
    return _message(place, WRITE, body + data)


def write_reply(place: Place, count: int) -> bytes:
    """Its answer."""
    return _message(place, WRITE, struct.pack("<HHIIHH", 17, 0, count, 0, 0, 0))


def transceive(place: Place, fid: bytes, data: bytes) -> bytes:
    """FSCTL_PIPE_TRANSCEIVE: write to a pipe and read its answer in one message."""
    body = struct.pack("<HHI16sIIIIIIII", 57, 0, PIPE_TRANSCEIVE, fid, _HEAD + 56, len(data), 0, _HEAD + 56, 0, 1024, 1, 0)
    return _message(place, IOCTL, body + data)


def transceive_reply(place: Place, fid: bytes, data: bytes) -> bytes:
    """Its answer."""
    body = struct.pack("<HHI16sIIIIII", 49, 0, PIPE_TRANSCEIVE, fid, _HEAD + 48, 0, _HEAD + 48, len(data), 0, 0)
    return _message(place, IOCTL, body + data)


def tree_disconnect(place: Place) -> bytes:
    """Leave a share; the answer has the same form."""
    return _message(place, TREE_DISCONNECT, struct.pack("<HH", 4, 0))


def logoff(place: Place) -> bytes:
    """End the session; the answer has the same form."""
    return _message(place, LOGOFF, struct.pack("<HH", 4, 0))
