"""SMB1 transactions (MS-CIFS 2.2.4.33 to 2.2.4.47, 2.2.5 to 2.2.7): calls through pipes, and deletes by handle.

A transaction may come in pieces: a primary request, then secondary ones whose displacements say where each piece
belongs. It is complete when as many bytes came as its total says; overlapping pieces overwrite, as servers do.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from wormward.wire.nbss import MOST_MESSAGE
from wormward.wire.smb1_files import Act, Create
from wormward.wire.smb1_message import Message
from wormward.wire.smb1_state import Record, State
from wormward.wire.smb_session import Opened, succeeded

MOST_TRANSACTIONS = 64
"""Unfinished transactions of one connection; Windows servers take 50 requests at once (MaxMpxCount)."""

TRANSACT, WRITE, RAW_WRITE, CALL = 0x26, 0x37, 0x31, 0x54
_PIPE_TRANSCEIVE = 0x0011C017
_u16 = struct.Struct("<H").unpack_from


class _Pipe(Record):
    """A call through a pipe: what comes back is the server's side of it."""

    __slots__ = ("closes", "file", "said")

    def __init__(self, file: Opened, said: int, closes: bool) -> None:
        self.file = file
        self.said = said
        self.closes = closes

    def answer(self, state: State, m: Message) -> bool:
        done = True
        if not succeeded(m.status):
            state.session.unwrite(self.file, self.said)
        elif m.command == 0xA0 and m.has(18):
            state.session.answer(self.file, m.slice(m.u32(23), m.u32(19)), m.stamp)
            done = m.u32(27) + m.u32(19) >= m.u32(7)
        elif m.command == 0x25 and m.has(10):
            state.session.answer(self.file, m.slice(m.u16(14), m.u16(12)), m.stamp)
            done = m.u16(16) + m.u16(12) >= m.u16(2)
        if done and self.closes:
            state.session.close(self.file)
        return done


class _SetDelete(Record):
    __slots__ = ("file", "on")

    def __init__(self, file: Opened, on: bool) -> None:
        self.file = file
        self.on = on

    def answer(self, state: State, m: Message) -> bool:  # noqa: ARG002 - the protocol's signature
        if succeeded(m.status):
            self.file.deleted = self.on
            self.file.stamp = m.stamp
        return True


class _Gathering:
    """One transaction whose pieces are still coming."""

    __slots__ = ("data", "got", "key", "owner", "run", "total")

    def __init__(self, owner: Transactions, key: int, total: int, run: Callable[[bytes, Message], Record | None]) -> None:
        self.owner = owner
        self.key = key
        self.total = min(total, MOST_MESSAGE)
        self.run = run
        self.got = 0
        self.data = bytearray()

    def add(self, piece: bytes, displacement: int) -> bool:
        """Put a piece in its place; True when all came."""
        if displacement <= self.total:
            if displacement > len(self.data):
                self.data.extend(bytes(displacement - len(self.data)))
            self.data[displacement : displacement + len(piece)] = piece
        self.got += len(piece)
        return self.got >= self.total

    def let_go(self) -> None:
        """See `budget.Holder`."""
        self.owner.drop(self.key)


class Transactions:
    """The unfinished transactions of one connection, by process and multiplex id."""

    __slots__ = ("_gathering", "_state")

    def __init__(self, state: State) -> None:
        self._state = state
        self._gathering: dict[int, _Gathering] = {}

    def _begin(self, m: Message, total: int, piece: bytes, run: Callable[[bytes, Message], Record | None]) -> Record | None:
        key = m.pid << 16 | m.mid
        self.drop(key)
        if len(piece) >= total:
            return run(piece, m)
        if len(self._gathering) >= MOST_TRANSACTIONS:
            self.drop(next(iter(self._gathering)))
        gathering = self._gathering[key] = _Gathering(self, key, total, run)
        gathering.add(piece, 0)
        self._state.session.budget.hold(gathering, len(gathering.data) + 1)
        return None

    def drop(self, key: int) -> None:
        """Let an unfinished transaction go, if there is one."""
        gathering = self._gathering.pop(key, None)
        if gathering is not None:
            self._state.session.budget.hold(gathering, 0)

    def _go_on(self, m: Message, total: int, piece: bytes, displacement: int) -> Record | None:
        key = m.pid << 16 | m.mid
        gathering = self._gathering.get(key)
        if gathering is None:
            return None
        gathering.total = min(gathering.total, total)
        if not gathering.add(piece, displacement):
            self._state.session.budget.hold(gathering, len(gathering.data) + 1)
            return None
        self.drop(key)
        return gathering.run(bytes(gathering.data), m)

    def primary(self, state: State, m: Message) -> Record | None:
        """SMB_COM_TRANSACTION; only what is written to pipes matters."""
        if not m.has(15):
            return None
        function, fid = m.u16(28), m.u16(30) if m.has(16) else 0
        if function not in (TRANSACT, WRITE, RAW_WRITE, CALL):
            return None
        name = m.text(m.b)[0]
        tree = state.tree(m)

        def run(data: bytes, now: Message) -> Record:
            file = Opened(tree, name, now.stamp) if function == CALL else state.file(now, fid)
            return self._say(file, name, data, now, function == CALL)

        return self._begin(m, m.u16(2), m.slice(m.u16(24), m.u16(22)), run)

    def secondary(self, _state: State, m: Message) -> Record | None:
        """SMB_COM_TRANSACTION_SECONDARY."""
        if not m.has(8):
            return None
        return self._go_on(m, m.u16(2), m.slice(m.u16(12), m.u16(10)), m.u16(14))

    def nt_primary(self, state: State, m: Message) -> Record | None:
        """SMB_COM_NT_TRANSACT; only FSCTL_PIPE_TRANSCEIVE matters."""
        if not m.has(23) or m.u16(36) != 2 or m.u32(38) != _PIPE_TRANSCEIVE:
            return None
        fid = m.u16(42)

        def run(data: bytes, now: Message) -> Record:
            return self._say(state.file(now, fid), "", data, now, False)

        return self._begin(m, m.u32(7), m.slice(m.u32(31), m.u32(27)), run)

    def nt_secondary(self, _state: State, m: Message) -> Record | None:
        """SMB_COM_NT_TRANSACT_SECONDARY."""
        if not m.has(18):
            return None
        return self._go_on(m, m.u32(7), m.slice(m.u32(27), m.u32(23)), m.u32(31))

    def _say(self, file: Opened, name: str, data: bytes, m: Message, closes: bool) -> Record:
        file.pipe = True
        file.path = file.path or name
        self._state.session.ask(file, data, m.stamp)
        return _Pipe(file, len(data), closes)


def _open2_told(m: Message) -> tuple[int, bool, bool | None, bool] | None:
    parameters = m.slice(m.u16(8), m.u16(6)) if m.has(10) else b""
    if len(parameters) < 20:
        return None
    return _u16(parameters, 0)[0], _u16(parameters, 18)[0] & 3 in (2, 3), None, False


def transaction2(state: State, m: Message) -> Record | None:
    """SMB_COM_TRANSACTION2: open, delete by handle, rename by handle."""
    if not m.has(15):
        return None
    function, at, size = m.u16(28), m.u16(20), m.u16(18)
    if function == 0 and size > 28:
        return Create(Opened(state.tree(m), m.text(m.at + at + 28)[0], m.stamp), _open2_told)
    if function != 8 or size < 4:
        return None
    parameters, data = m.slice(at, 4), m.slice(m.u16(24), m.u16(22))
    if len(parameters) < 4 or not data:
        return None
    file = state.file(m, _u16(parameters, 0)[0])
    level = _u16(parameters, 2)[0]
    if level in (0x102, 0x3F5):
        return _SetDelete(file, bool(data[0]))
    if level == 0x3F2 and len(data) > 12:
        return Act(file, "rename", m.text(m.at + m.u16(24) + 12, wide=True)[0])
    return None
