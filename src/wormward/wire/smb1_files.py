"""SMB1 files and pipes: open, read, write, close, delete, rename (MS-CIFS 2.2.4)."""

from __future__ import annotations

from collections.abc import Callable

from wormward.wire.smb1_message import Message
from wormward.wire.smb1_state import Record, State
from wormward.wire.smb_session import Opened, succeeded

_CREATED = frozenset({0, 2, 3})
"""CreateAction of an answer: superseded, created, overwritten; 1 is opened."""
RAW_START = 0x0C
"""Write mode of the first write of a raw pipe message (0x08 start, 0x04 raw): its length stands before the data."""
_DIRECTORY = 0x10


class Create(Record):
    """An open or create of any form; `reads` takes (fid, made anew, is a pipe or None, directory) off the answer."""

    __slots__ = ("_reads", "file")

    def __init__(self, file: Opened, reads: Callable[[Message], tuple[int, bool, bool | None, bool] | None]) -> None:
        self.file = file
        self._reads = reads

    def answer(self, state: State, m: Message) -> bool:
        """See `Record`."""
        file = self.file
        told = self._reads(m) if succeeded(m.status) else None
        if told is None:
            state.session.refuse(file)
            return True
        fid, created, pipe, directory = told
        file.pipe = file.tree.pipes or (file.pipe if pipe is None else pipe)
        state.session.bind(fid, file)
        if created or not directory:
            state.session.act(file, "create" if created else "open", m.stamp)
        return True

    def unanswered(self, state: State) -> None:
        """See `Record`."""
        state.session.close(self.file)


def _pipe_type(kind: int) -> bool | None:
    """Resource type of an answer: 0 disk, 1 and 2 pipe."""
    return None if kind > 2 else kind > 0


def _nt_create_told(m: Message) -> tuple[int, bool, bool | None, bool] | None:
    if not m.has(34):
        return None
    directory = bool(m.u32(43) & _DIRECTORY)
    return m.u16(5), m.u32(7) in _CREATED, None if directory else _pipe_type(m.u16(63)), directory


def _open_andx_told(m: Message) -> tuple[int, bool, bool | None, bool] | None:
    if not m.has(12):
        return None
    # The low bits of the action: 1 opened, 2 created, 3 truncated.
    return m.u16(4), m.u16(22) & 3 in (2, 3), _pipe_type(m.u16(18)), False


def _open_told(m: Message) -> tuple[int, bool, bool | None, bool] | None:
    return (m.u16(0), m.command in (0x03, 0x0F), None, False) if m.has(1) else None


def _opens(
    words: int, at_offset: int, reads: Callable[[Message], tuple[int, bool, bool | None, bool] | None]
) -> Callable[[State, Message], Record | None]:
    def handle(state: State, m: Message) -> Record | None:
        if not m.has(words):
            return None
        path = m.buffer_text(m.b)[0] if at_offset else m.text(m.b)[0]
        state.chained_file = Opened(state.tree(m), path, m.stamp)
        return Create(state.chained_file, reads)

    return handle


nt_create_andx = _opens(24, 0, _nt_create_told)
open_andx = _opens(15, 0, _open_andx_told)
open_old = _opens(1, 1, _open_told)


class Read(Record):
    """A read of a pipe."""

    __slots__ = ("file",)

    def __init__(self, file: Opened) -> None:
        self.file = file

    def answer(self, state: State, m: Message) -> bool:
        """See `Record`."""
        if m.command == 0x0A:
            data = m.data[m.b + 3 : min(m.end, m.b + 3 + m.u16(0))] if m.has(1) else b""
        else:
            data = m.slice(m.u16(12), m.u16(10)) if m.has(12) else b""
        if data:
            state.session.answer(self.file, data, m.stamp)
        return True


def read_andx(state: State, m: Message) -> Record | None:
    """Only what is read from a pipe matters."""
    file = state.chained_file or state.session.opened.get(m.u16(4)) if m.has(3) else None
    return Read(file) if file is not None and file.rpc is not None else None


def read_old(state: State, m: Message) -> Record | None:
    """The old form."""
    file = state.session.opened.get(m.u16(0)) if m.has(1) else None
    return Read(file) if file is not None and file.rpc is not None else None


class _Write(Record):
    __slots__ = ("closes", "file", "size")

    def __init__(self, file: Opened, size: int, closes: bool = False) -> None:
        self.file = file
        self.size = size
        self.closes = closes

    def answer(self, state: State, m: Message) -> bool:
        if not succeeded(m.status):
            state.session.unwrite(self.file, self.size)
        elif self.closes:
            state.session.close(self.file)
        return True


def _write(state: State, m: Message, fid: int, at: int, *, size: int, offset: int, closes: bool = False) -> Record | None:
    file = state.file(m, fid)
    state.session.write(file, m.data, at, m.end, size=size, offset=offset, stamp=m.stamp)
    return _Write(file, size, closes)


def write_andx(state: State, m: Message) -> Record | None:
    """12 words, or 14 with the offset's high half; the first write of a raw message begins with its length."""
    if not m.has(12):
        return None
    size = m.u16(20) | m.u16(18) << 16
    start = m.u16(22)
    offset = m.u32(6) | (m.u32(24) << 32 if m.has(14) else 0)
    if m.u16(14) & RAW_START == RAW_START and size >= 2:
        start, size = start + 2, size - 2
    return _write(state, m, m.u16(4), m.at + start, size=size, offset=offset)


def write_old(state: State, m: Message) -> Record | None:
    """Write, and write and unlock: the data behind a format byte and a length."""
    return _write(state, m, m.u16(0), m.b + 3, size=m.u16(2), offset=m.u32(4)) if m.has(5) else None


def write_and_close(state: State, m: Message) -> Record | None:
    """The data behind one byte of padding."""
    return _write(state, m, m.u16(0), m.b + 1, size=m.u16(2), offset=m.u32(4), closes=True) if m.has(6) else None


class _WriteRaw(Record):
    """Two answers: an interim one that asks for the rest, and (unless the client wants none) a final one."""

    __slots__ = ("asked", "file", "size")

    def __init__(self, file: Opened, size: int) -> None:
        self.file = file
        self.size = size
        self.asked = False

    def answer(self, state: State, m: Message) -> bool:
        if not succeeded(m.status):
            state.session.unwrite(self.file, self.size)
            if not self.asked:
                state.raw_bytes = 0
            return True
        first = not self.asked
        self.asked = True
        return not first


def write_raw(state: State, m: Message) -> Record | None:
    """Some data at once, the rest in the next session message, which has no header at all."""
    if not m.has(12):
        return None
    file = state.file(m, m.u16(0))
    total, now, offset = m.u16(2), m.u16(20), m.u32(6)
    state.session.write(file, m.data, m.at + m.u16(22), m.end, size=now, offset=offset, stamp=m.stamp)
    state.raw_bytes = max(0, total - now)
    state.raw_file = file
    state.raw_offset = offset + now
    return _WriteRaw(file, total)


class _Close(Record):
    __slots__ = ("fid",)

    def __init__(self, fid: int) -> None:
        self.fid = fid

    def answer(self, state: State, m: Message) -> bool:
        file = state.session.opened.get(self.fid)
        if file is not None and succeeded(m.status):
            state.session.close(file)
        return True


def close(_state: State, m: Message) -> Record | None:
    """Close one file."""
    return _Close(m.u16(0)) if m.has(1) else None


class Act(Record):
    """Something done to a file by name, told if it succeeds."""

    __slots__ = ("action", "file", "path")

    def __init__(self, file: Opened, action: str, path: str | None = None) -> None:
        self.file = file
        self.action = action
        self.path = path

    def answer(self, state: State, m: Message) -> bool:
        """See `Record`."""
        if succeeded(m.status):
            state.session.act(self.file, self.action, m.stamp, self.path)
        return True


def delete(state: State, m: Message) -> Record | None:
    """Delete by name."""
    return Act(Opened(state.tree(m), m.buffer_text(m.b)[0], m.stamp), "delete")


def rename(state: State, m: Message) -> Record | None:
    """Rename, both forms; the fact names what it is called afterwards."""
    old, at = m.buffer_text(m.b)
    return Act(Opened(state.tree(m), old, m.stamp), "rename", m.buffer_text(at)[0])
