"""SMB2 and SMB3 without encryption (MS-SMB2 2.2): requests that matter leave a record each for their answer.

An answer is found by its message id; interim answers (STATUS_PENDING) leave the request waiting. Related requests of
a compound take file, tree and session from the one before, which may not be answered yet.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from wormward.wire import smb2_commands
from wormward.wire.facts import Stamp
from wormward.wire.nbss import PREFIX
from wormward.wire.smb2_state import HEADER, Message, Record, State
from wormward.wire.smb_session import MOST_PENDING, START_BYTES, UNSEEN, Session

_SESSION_SETUP, _TREE_CONNECT, _CREATE, _CLOSE, _READ, _WRITE, _IOCTL, _SET_INFO = 1, 3, 5, 6, 8, 9, 11, 17
_FLUSH, _LOCK, _QUERY_DIRECTORY, _CHANGE_NOTIFY, _QUERY_INFO = 7, 10, 14, 15, 16
_PENDING = 0x103
_WHOLE = frozenset({_SESSION_SETUP, _TREE_CONNECT, _CREATE, _SET_INFO, _IOCTL})
"""Requests of which everything matters; of most others what `PREFIX` shows is enough."""
_HANDLERS: dict[int, Callable[[State, Message], Record | None]] = {
    _SESSION_SETUP: smb2_commands.session_setup,
    _TREE_CONNECT: smb2_commands.tree_connect,
    _CREATE: smb2_commands.create,
    _CLOSE: smb2_commands.close,
    _READ: smb2_commands.read,
    _WRITE: smb2_commands.write,
    _IOCTL: smb2_commands.ioctl,
    _SET_INFO: smb2_commands.set_info,
}
_FILE_AT = {_FLUSH: 8, _LOCK: 8, _QUERY_DIRECTORY: 8, _CHANGE_NOTIFY: 8, _QUERY_INFO: 24}
"""Where requests that only matter as part of a compound name their file, from the body's start."""
_RELATED = 0x4
_head = struct.Struct("<8xIH2xIIQ").unpack_from  # status, command, flags, next command, message id
_u16 = struct.Struct("<H").unpack_from
_u64 = struct.Struct("<Q").unpack_from


class Smb2:
    """The SMB2 half of one connection."""

    __slots__ = ("_pending", "_state")

    def __init__(self, session: Session) -> None:
        self._state = State(session)
        self._pending: dict[int, Record] = {}

    def wanted(self, to_server: bool, data: bytes, at: int, size: int) -> int:
        """See `nbss.Decoder`; at least `PREFIX` bytes (or `size`) are there."""
        command = _u16(data, at + 12)[0] if size >= HEADER else -1
        if not to_server:
            asked = command >= 0 and _u64(data, at + 24)[0] in self._pending
            return size if asked else min(size, PREFIX)
        if command == _WRITE and size >= HEADER + 48:
            return self._write_wanted(data, at, size)
        return size if command in _WHOLE else min(size, PREFIX)

    def _write_wanted(self, data: bytes, at: int, size: int) -> int:
        if data[at + 16] & _RELATED:
            return size  # its file is known only when its turn comes
        start: int = _u16(data, at + HEADER + 2)[0]
        file = self._state.session.opened.get(data[at + HEADER + 16 : at + HEADER + 32] + data[at + 40 : at + 48])
        pipe = file.pipe if file is not None else self._state.trees.get(data[at + 36 : at + 48], UNSEEN).pipes
        if pipe is None and len(data) <= at + start:
            return min(size, max(PREFIX, start + 1))
        if pipe is None:
            pipe = data[at + start] == 5 or (file is not None and file.rpc is not None)
        return size if pipe else min(size, max(PREFIX, start + START_BYTES))

    def message(self, to_server: bool, data: bytes, at: int, end: int, *, first: bool, stamp: Stamp) -> None:
        """One message, the `first` of its session message or a later one of the compound."""
        if end - at < HEADER:
            return
        status, command, flags, following, mid = _head(data, at)
        if to_server:
            handler = _HANDLERS.get(command)
            if first and not following and (handler is None or (command == _READ and self._reads_file(data, at, end))):
                return
            m = Message(data, at, end, stamp, (status, flags, mid))
            self._state.begin(m, first)
            if handler is None:
                self._state.touch(m, _FILE_AT.get(command))
                return
            record = handler(self._state, m)
            if record is not None:
                self._wait(mid, record)
        elif status != _PENDING:
            waiting = self._pending.pop(mid, None)
            if waiting is not None:
                waiting.answer(self._state, Message(data, at, end, stamp, (status, flags, mid)))

    def _reads_file(self, data: bytes, at: int, end: int) -> bool:
        """True for a request of its own that reads what is known to be a file: nothing of it matters."""
        if end - at < HEADER + 32:
            return False
        file = self._state.session.opened.get(data[at + HEADER + 16 : at + HEADER + 32] + data[at + 40 : at + 48])
        return file is not None and not file.pipe and file.rpc is None

    def _wait(self, mid: int, record: Record) -> None:
        pending = self._pending
        if mid in pending:
            pending.pop(mid).unanswered(self._state)
        elif len(pending) >= MOST_PENDING:
            pending.pop(next(iter(pending))).unanswered(self._state)
        pending[mid] = record

    def end(self) -> None:
        """The connection ended."""
        for record in self._pending.values():
            record.unanswered(self._state)
        self._pending.clear()
