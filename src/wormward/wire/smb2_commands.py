"""SMB2 requests that matter and what their answers mean (MS-SMB2 2.2.5 to 2.2.40)."""

from __future__ import annotations

import struct

from wormward.wire import ntlmssp
from wormward.wire.facts import SmbLogon, Stamp
from wormward.wire.smb2_state import HEADER, Message, Record, State
from wormward.wire.smb_session import MORE_PROCESSING, MOST_TREES, Opened, Tree, outcome, succeeded

_CREATED = frozenset({0, 2, 3})
"""CreateAction of an answer: superseded, created, overwritten; 1 is opened."""
_DELETE_ON_CLOSE = 0x1000
_DIRECTORY = 0x10
_PIPE_SHARE = 2
_PIPE_TRANSCEIVE = 0x0011C017
_FILE_INFO, _RENAME, _DISPOSITION, _DISPOSITION_EX = 1, 10, 13, 64

_buffer = struct.Struct("<HH").unpack_from  # offset, length
_u32 = struct.Struct("<I").unpack_from
_u64 = struct.Struct("<Q").unpack_from
_long_buffer = struct.Struct("<II").unpack_from
_write_form = struct.Struct("<2xHIQ").unpack_from  # data offset, length, file offset
_read_form = struct.Struct("<2xBxI").unpack_from  # data offset, length
_info_form = struct.Struct("<2xBBIH").unpack_from  # kind, class, length, offset


class _Logon(Record):
    __slots__ = ("fact", "opens")

    def __init__(self, fact: SmbLogon, opens: bool) -> None:
        self.fact = fact
        self.opens = opens  # the first round of several: without its answer it is no attempt yet

    def answer(self, state: State, m: Message) -> None:
        if m.status != MORE_PROCESSING:
            self.fact.stamp = m.stamp
            self.fact.status = m.status
            self.fact.outcome = outcome(m.status)
            state.session.logon(self.fact)

    def unanswered(self, state: State) -> None:
        if not self.opens:
            state.session.logon(self.fact)


def session_setup(_state: State, m: Message) -> Record | None:
    """One round of a logon; the last one carries the names."""
    if not m.holds(16):
        return None
    blob = m.slice(*_buffer(m.data, m.body + 12))
    user, domain = ntlmssp.account(blob) or (None, None)
    return _Logon(SmbLogon(m.stamp, user, domain, "unknown", None), ntlmssp.opens(blob))


class _TreeConnect(Record):
    __slots__ = ("stamp", "tree")

    def __init__(self, tree: Tree, stamp: Stamp) -> None:
        self.tree = tree
        self.stamp = stamp

    def answer(self, state: State, m: Message) -> None:
        if succeeded(m.status):
            if m.holds(3):
                self.tree.pipes = m.data[m.body + 2] == _PIPE_SHARE
            if len(state.trees) >= MOST_TREES:
                del state.trees[next(iter(state.trees))]
            state.trees[m.tree] = self.tree
        state.session.share(self.tree.share, m.status, m.stamp)

    def unanswered(self, state: State) -> None:
        state.session.share(self.tree.share, None, self.stamp)


def tree_connect(state: State, m: Message) -> Record | None:
    """A share's whole path."""
    if not m.holds(8):
        return None
    state.last_tree = Tree(ntlmssp.wide_text(m.slice(*_buffer(m.data, m.body + 4))))
    return _TreeConnect(state.last_tree, m.stamp)


class _Create(Record):
    __slots__ = ("deletes", "file")

    def __init__(self, file: Opened, deletes: bool) -> None:
        self.file = file
        self.deletes = deletes

    def answer(self, state: State, m: Message) -> None:
        file = self.file
        if not succeeded(m.status) or not m.holds(80):
            state.session.refuse(file)
            return
        if file.tree.pipes is not None:
            file.pipe = file.tree.pipes
        created = _u32(m.data, m.body + 4)[0] in _CREATED
        directory = bool(_u32(m.data, m.body + 56)[0] & _DIRECTORY)
        state.session.bind(m.slice(HEADER + 64, 16) + m.session, file)
        if created or not directory:
            state.session.act(file, "create" if created else "open", m.stamp)
        if self.deletes:
            file.deleted, file.stamp = True, m.stamp

    def unanswered(self, state: State) -> None:
        state.session.close(self.file)


def create(state: State, m: Message) -> Record | None:
    """Open or create a file or pipe."""
    if not m.holds(48):
        return None
    options = _u32(m.data, m.body + 40)[0]
    path = ntlmssp.wide_text(m.slice(*_buffer(m.data, m.body + 44)))
    state.last_file = Opened(state.tree(m), path, m.stamp)
    return _Create(state.last_file, bool(options & _DELETE_ON_CLOSE))


class _Close(Record):
    __slots__ = ("file",)

    def __init__(self, file: Opened) -> None:
        self.file = file

    def answer(self, state: State, m: Message) -> None:
        if succeeded(m.status):
            state.session.close(self.file)


def close(state: State, m: Message) -> Record | None:
    """Close one file or pipe."""
    return _Close(state.file(m, m.slice(HEADER + 8, 16))) if m.holds(24) else None


class _Pipe(Record):
    """A read of a pipe, or a call through one: what comes back is the server's side of it."""

    __slots__ = ("file", "said")

    def __init__(self, file: Opened, said: int | None) -> None:
        self.file = file
        self.said = said  # bytes that the client said by it; None for a read

    def answer(self, state: State, m: Message) -> None:
        if not succeeded(m.status):
            state.session.unwrite(self.file, self.said or 0)
            return
        if self.said is not None:
            place = _long_buffer(m.data, m.body + 32) if m.holds(40) else None
        else:
            place = _read_form(m.data, m.body) if m.holds(8) else None
        if place is not None:
            state.session.answer(self.file, m.slice(*place), m.stamp)


def read(state: State, m: Message) -> Record | None:
    """Only what is read from a pipe matters."""
    if not m.holds(32):
        return None
    file = state.file(m, m.slice(HEADER + 16, 16))
    return _Pipe(file, None) if file.pipe or file.rpc is not None else None


class _Write(Record):
    __slots__ = ("file", "size")

    def __init__(self, file: Opened, size: int) -> None:
        self.file = file
        self.size = size

    def answer(self, state: State, m: Message) -> None:
        if not succeeded(m.status):
            state.session.unwrite(self.file, self.size)


def write(state: State, m: Message) -> Record | None:
    """Write to a file or pipe."""
    if not m.holds(32):
        return None
    start, size, offset = _write_form(m.data, m.body)
    file = state.file(m, m.slice(HEADER + 16, 16))
    state.session.write(file, m.data, m.at + start, m.end, size=size, offset=offset, stamp=m.stamp)
    return _Write(file, size)


def ioctl(state: State, m: Message) -> Record | None:
    """Only FSCTL_PIPE_TRANSCEIVE matters: a write and a read of a pipe in one."""
    if not m.holds(48):
        return None
    file = state.file(m, m.slice(HEADER + 8, 16))
    if _u32(m.data, m.body + 4)[0] != _PIPE_TRANSCEIVE:
        return None
    file.pipe = True
    data = m.slice(*_long_buffer(m.data, m.body + 24))
    state.session.ask(file, data, m.stamp)
    return _Pipe(file, len(data))


class _SetDelete(Record):
    __slots__ = ("file", "on")

    def __init__(self, file: Opened, on: bool) -> None:
        self.file = file
        self.on = on

    def answer(self, state: State, m: Message) -> None:  # noqa: ARG002 - the protocol's signature
        if succeeded(m.status):
            self.file.deleted, self.file.stamp = self.on, m.stamp


class _Rename(Record):
    __slots__ = ("file", "path")

    def __init__(self, file: Opened, path: str) -> None:
        self.file = file
        self.path = path

    def answer(self, state: State, m: Message) -> None:
        if succeeded(m.status):
            state.session.act(self.file, "rename", m.stamp, self.path)


def set_info(state: State, m: Message) -> Record | None:
    """Delete and rename by handle; a rename's fact names what the file is called afterwards."""
    if not m.holds(32):
        return None
    kind, form, size, start = _info_form(m.data, m.body)
    file = state.file(m, m.slice(HEADER + 16, 16))
    data = m.slice(start, size)
    if kind != _FILE_INFO or not data:
        return None
    if form in (_DISPOSITION, _DISPOSITION_EX):
        return _SetDelete(file, bool(data[0] & 1))
    if form == _RENAME and len(data) > 20:
        return _Rename(file, ntlmssp.wide_text(data[20 : 20 + _u32(data, 16)[0]]))
    return None
