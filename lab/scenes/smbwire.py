"""Both dialects of SMB behind one face: each step of a session as (request, reply).

`One` speaks SMB1 as Windows XP does, `Two` SMB 2.1 as Windows 7 does. They keep the identifiers, the session its story.
"""

from __future__ import annotations

import random
from typing import Protocol

from lab.protocols import ntlm, smb1, smb2

Pair = tuple[bytes, bytes]
"""A request and its reply, ready for TCP."""

XP_CLIENT = ("Windows 2002 Service Pack 3 2600", "Windows 2002 5.1")
XP_SERVER = ("Windows 5.1", "Windows 2000 LAN Manager")


class Wire(Protocol):
    """One SMB connection's messages."""

    @property
    def chunk(self) -> int:
        """Most bytes of one read or write."""
        ...

    def negotiate(self, time_us: int) -> list[Pair]:
        """Agree on the dialect."""
        ...

    def setup(self, blob: bytes, answer: bytes, status: int) -> Pair:
        """One leg of a session setup; a status other than 0 and more-needed is a refusal without a blob."""
        ...

    def tree(self, path: str, pipe: bool, status: int) -> Pair:
        """Open a share."""
        ...

    def create(self, name: str, size: int, time_us: int, *, pipe: bool, make: bool, status: int) -> Pair:
        """Open or make a file, or open a pipe."""
        ...

    def read(self, offset: int, data: bytes) -> Pair:
        """Read `data` from the open file."""
        ...

    def write(self, offset: int, data: bytes) -> Pair:
        """Write `data` to the open file."""
        ...

    def transact(self, data: bytes, answer: bytes) -> Pair:
        """Write to the open pipe and read its answer."""
        ...

    def close(self) -> Pair:
        """Close the open file or pipe."""
        ...

    def leave(self) -> list[Pair]:
        """Leave the share and end the session."""
        ...


class One:
    """SMB1. `extended` false: no NTLMSSP, as the worm's own code and old scanners speak it."""

    chunk = 61_440

    def __init__(self, rng: random.Random, names: tuple[str, str], *, extended: bool = True) -> None:
        self._rng = rng
        self._names = names
        self._extended = extended
        self._native = XP_CLIENT
        self._place = smb1.Place(mid=0, pid=rng.randrange(256, 65000, 4), flags2=0xC807 if extended else 0xC003)
        self._fid = 0

    def _next(self) -> smb1.Place:
        p = self._place
        self._place = smb1.Place((p.mid + 64) & 0xFFFF, p.pid, p.uid, p.tid, flags2=p.flags2)
        return self._place

    def _keep(self, uid: int | None = None, tid: int | None = None) -> None:
        p = self._place
        self._place = smb1.Place(p.mid, p.pid, p.uid if uid is None else uid, p.tid if tid is None else tid, flags2=p.flags2)

    def negotiate(self, time_us: int) -> list[Pair]:
        """NT LM 0.12 is the last dialect offered and the one taken."""
        place = self._place
        security = self._rng.randbytes(16) + ntlm.hint() if self._extended else self._rng.randbytes(8)
        reply = smb1.negotiate_reply(place.answer(), 5, time_us, security, extended=self._extended, names=self._names)
        return [(smb1.negotiate(place), reply)]

    def setup(self, blob: bytes, answer: bytes, status: int) -> Pair:
        """The user id is given with the first answer."""
        place = self._next()
        request = smb1.session_setup(place, blob, XP_CLIENT)
        if not place.uid:
            self._keep(uid=self._rng.randrange(2048, 2304))
        back = smb1.Place(place.mid, place.pid, self._place.uid, place.tid, flags2=place.flags2).answer(status)
        if status not in (0, smb1.MORE_NEEDED):
            return request, smb1.error(back, smb1.SESSION_SETUP)
        return request, smb1.session_setup_reply(back, answer, XP_SERVER)

    def setup_anonymous(self) -> Pair:
        """A null session without extended security."""
        place = self._next()
        self._keep(uid=self._rng.randrange(2048, 2304))
        back = smb1.Place(place.mid, place.pid, self._place.uid, place.tid, flags2=place.flags2).answer()
        return smb1.session_setup_plain(place, XP_CLIENT), smb1.session_setup_plain_reply(back, XP_SERVER, self._names[0])

    def tree(self, path: str, pipe: bool, status: int) -> Pair:
        """The tree id is given with the answer."""
        place = self._next()
        if status:
            return smb1.tree_connect(place, path), smb1.error(place.answer(status), smb1.TREE_CONNECT)
        self._keep(tid=self._rng.randrange(2048, 2304))
        back = smb1.Place(place.mid, place.pid, place.uid, self._place.tid, flags2=place.flags2).answer()
        kind = ("IPC", "") if pipe else ("A:", "NTFS")
        return smb1.tree_connect(place, path), smb1.tree_connect_reply(back, *kind)

    def create(self, name: str, size: int, time_us: int, *, pipe: bool, make: bool, status: int) -> Pair:
        """Names begin with a backslash."""
        place = self._next()
        request = smb1.create(place, "\\" + name, write=make)
        if status:
            return request, smb1.error(place.answer(status), smb1.NT_CREATE)
        self._fid = self._rng.randrange(0x4000, 0x4FFF)
        return request, smb1.create_reply(place.answer(), self._fid, size, time_us, pipe=pipe, made=make)

    def read(self, offset: int, data: bytes) -> Pair:
        """ReadAndX."""
        place = self._next()
        return smb1.read(place, self._fid, offset, len(data)), smb1.read_reply(place.answer(), data)

    def write(self, offset: int, data: bytes) -> Pair:
        """WriteAndX."""
        place = self._next()
        return smb1.write(place, self._fid, offset, data), smb1.write_reply(place.answer(), len(data))

    def transact(self, data: bytes, answer: bytes) -> Pair:
        """TransactNmPipe."""
        place = self._next()
        return smb1.transact_pipe(place, self._fid, data), smb1.transact_reply(place.answer(), answer)

    def close(self) -> Pair:
        """Close."""
        place = self._next()
        return smb1.close(place, self._fid), smb1.error(place.answer(), smb1.CLOSE)

    def leave(self) -> list[Pair]:
        """Tree disconnect, logoff."""
        one = self._next()
        two = self._next()
        return [
            (smb1.tree_disconnect(one), smb1.error(one.answer(), smb1.TREE_DISCONNECT)),
            (smb1.logoff(two), smb1.logoff_reply(two.answer())),
        ]


class Two:
    """SMB 2.1."""

    chunk = 65_536

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._mid = 0
        self._tree = 0
        self._session = 0
        self._guid = rng.randbytes(16)
        self._fid = bytes(16)

    def _next(self) -> smb2.Place:
        self._mid += 1
        return smb2.Place(self._mid, self._tree, self._session)

    def negotiate(self, time_us: int) -> list[Pair]:
        """An SMB1 greeting that offers SMB2, then SMB2's own."""
        first, second = smb2.Place(0), self._next()
        hint = ntlm.hint()
        greeting = smb1.negotiate(smb1.Place(mid=0), smb1.DIALECTS_TWO)
        return [
            (greeting, smb2.negotiate_reply(first.answer(), 0x02FF, self._guid, time_us, hint)),
            (smb2.negotiate(second, self._guid[::-1]), smb2.negotiate_reply(second.answer(), 0x0210, self._guid, time_us, hint)),
        ]

    def setup(self, blob: bytes, answer: bytes, status: int) -> Pair:
        """The session id is given with the first answer."""
        place = self._next()
        if not self._session:
            self._session = 0x400000000000 | self._rng.randrange(1, 1 << 20) << 2 | 1
        back = smb2.Place(place.mid, 0, self._session).answer(status)
        if status not in (0, smb1.MORE_NEEDED):
            return smb2.session_setup(place, blob), smb2.error(back, smb2.SESSION_SETUP)
        return smb2.session_setup(place, blob), smb2.session_setup_reply(back, answer)

    def tree(self, path: str, pipe: bool, status: int) -> Pair:
        """The tree id is given with the answer."""
        place = smb2.Place(self._next().mid, 0, self._session)
        if status:
            return smb2.tree_connect(place, path), smb2.error(place.answer(status), smb2.TREE_CONNECT)
        self._tree = self._rng.randrange(1, 64)
        back = smb2.Place(place.mid, self._tree, self._session).answer()
        return smb2.tree_connect(place, path), smb2.tree_connect_reply(back, 2 if pipe else 1)

    def create(self, name: str, size: int, time_us: int, *, pipe: bool, make: bool, status: int) -> Pair:  # noqa: ARG002 - the share tells a pipe here
        """Names do not begin with a backslash."""
        place = self._next()
        if status:
            return smb2.create(place, name, write=make), smb2.error(place.answer(status), smb2.CREATE)
        self._fid = self._rng.randbytes(4) + bytes(4) + self._rng.randbytes(4) + bytes(4)
        return smb2.create(place, name, write=make), smb2.create_reply(place.answer(), self._fid, size, time_us, made=make)

    def read(self, offset: int, data: bytes) -> Pair:
        """Read."""
        place = self._next()
        return smb2.read(place, self._fid, offset, len(data)), smb2.read_reply(place.answer(), data)

    def write(self, offset: int, data: bytes) -> Pair:
        """Write."""
        place = self._next()
        return smb2.write(place, self._fid, offset, data), smb2.write_reply(place.answer(), len(data))

    def transact(self, data: bytes, answer: bytes) -> Pair:
        """FSCTL_PIPE_TRANSCEIVE."""
        place = self._next()
        return smb2.transceive(place, self._fid, data), smb2.transceive_reply(place.answer(), self._fid, answer)

    def close(self) -> Pair:
        """Close."""
        place = self._next()
        return smb2.close(place, self._fid), smb2.close_reply(place.answer())

    def leave(self) -> list[Pair]:
        """Tree disconnect, logoff."""
        one, two = self._next(), self._next()
        return [
            (smb2.tree_disconnect(one), smb2.tree_disconnect(one.answer())),
            (smb2.logoff(two), smb2.logoff(two.answer())),
        ]
