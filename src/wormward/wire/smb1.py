"""SMB1 (MS-CIFS, MS-SMB): requests that matter leave a record each, which their answer completes.

An answer is found by process and multiplex id. Its AndX chain runs beside the request's; in a chain that failed,
the last command answered has the message's status and those behind it were never tried.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from wormward.wire import smb1_files, smb1_logon, smb1_transact
from wormward.wire.facts import Stamp
from wormward.wire.nbss import PREFIX
from wormward.wire.smb1_message import HEADER, Message
from wormward.wire.smb1_state import Record, State
from wormward.wire.smb_session import MOST_PENDING, START_BYTES, UNSEEN, Session

_WRITE_ANDX = 0x2F
_write_form = struct.Struct("<4xH8xH6xH").unpack_from  # FID, mode and data offset in the words of a write
_u16 = struct.Struct("<H").unpack_from

_Handler = Callable[[State, Message], Record | None]
_HANDLERS: dict[int, _Handler] = {
    0x02: smb1_files.open_old,
    0x03: smb1_files.open_old,
    0x04: smb1_files.close,
    0x06: smb1_files.delete,
    0x07: smb1_files.rename,
    0x0A: smb1_files.read_old,
    0x0B: smb1_files.write_old,
    0x0F: smb1_files.open_old,
    0x13: smb1_files.read_old,
    0x14: smb1_files.write_old,
    0x1D: smb1_files.write_raw,
    0x2C: smb1_files.write_and_close,
    0x2D: smb1_files.open_andx,
    0x2E: smb1_files.read_andx,
    _WRITE_ANDX: smb1_files.write_andx,
    0x32: smb1_transact.transaction2,
    0x70: smb1_logon.tree_connect,
    0x73: smb1_logon.session_setup,
    0x75: smb1_logon.tree_connect_andx,
    0xA2: smb1_files.nt_create_andx,
    0xA5: smb1_files.rename,
}


class Smb1:
    """The SMB1 half of one connection."""

    __slots__ = ("_handlers", "_pending", "_state")

    def __init__(self, session: Session) -> None:
        self._state = State(session)
        self._pending: dict[int, list[Record | None]] = {}
        transactions = smb1_transact.Transactions(self._state)
        self._handlers: dict[int, _Handler] = {
            **_HANDLERS,
            0x25: transactions.primary,
            0x26: transactions.secondary,
            0xA0: transactions.nt_primary,
            0xA1: transactions.nt_secondary,
        }

    @property
    def raw_bytes(self) -> int:
        """Bytes that the client announced without any header."""
        return self._state.raw_bytes

    def wanted(self, to_server: bool, data: bytes, at: int, size: int) -> int:
        """See `nbss.Decoder`; at least `PREFIX` bytes (or `size`) are there."""
        if size < HEADER + 3:
            return size
        if to_server:
            alone = data[at + HEADER + 1] == 0xFF  # no other command follows
            if data[at + 4] == _WRITE_ANDX and alone and data[at + HEADER] >= 12:
                return self._write_wanted(data, at, size)
        elif self._key(data, at) not in self._pending:
            return min(size, PREFIX)
        return size

    def _write_wanted(self, data: bytes, at: int, size: int) -> int:
        start: int
        fid, mode, start = _write_form(data, at + HEADER + 1)
        if mode & smb1_files.RAW_START == smb1_files.RAW_START:
            start += 2
        file = self._state.session.opened.get(fid)
        pipe = file.pipe if file is not None else self._state.trees.get(_u16(data, at + 24)[0], UNSEEN).pipes
        if pipe is None and len(data) <= at + start:
            return min(size, max(PREFIX, start + 1))
        if pipe is None:
            pipe = data[at + start] == 5 or (file is not None and file.rpc is not None)
        return size if pipe else min(size, max(PREFIX, start + START_BYTES))

    @staticmethod
    def _key(data: bytes, at: int) -> int:
        key: int = _u16(data, at + 26)[0] << 16 | _u16(data, at + 30)[0]
        return key

    def message(self, to_server: bool, data: bytes, at: int, end: int, stamp: Stamp) -> None:
        """One message."""
        if end - at <= HEADER:
            return
        if to_server:
            self._request(Message(data, at, end, stamp))
        elif self._pending:
            records = self._pending.pop(self._key(data, at), None)
            if records is not None:
                self._answer(records, Message(data, at, end, stamp))

    def _request(self, m: Message) -> None:
        state = self._state
        state.chained_file = None
        state.chained_tree = None
        records: list[Record | None] = []
        some = False
        for command in m.commands():
            handler = self._handlers.get(command)
            record = handler(state, m) if handler is not None else None
            records.append(record)
            some = some or record is not None
        if some:
            pending = self._pending
            key = m.pid << 16 | m.mid
            if key in pending:
                self._give_up(pending.pop(key))
            elif len(pending) >= MOST_PENDING:
                self._give_up(pending.pop(next(iter(pending))))
            pending[key] = records

    def _answer(self, records: list[Record | None], m: Message) -> None:
        status = m.status
        for record, command in zip(records, m.commands(), strict=False):
            m.command = command
            m.status = status if m.last else 0
            if record is not None and not record.answer(self._state, m):
                self._pending[m.pid << 16 | m.mid] = records

    def raw(self, data: bytes, at: int, end: int, stamp: Stamp) -> None:
        """The rest of a raw write."""
        state = self._state
        if state.raw_file is not None:
            size = min(state.raw_bytes, end - at)
            state.session.write(state.raw_file, data, at, end, size=size, offset=state.raw_offset, stamp=stamp)
        state.raw_bytes = 0
        state.raw_file = None

    def _give_up(self, records: list[Record | None]) -> None:
        for record in records:
            if record is not None:
                record.unanswered(self._state)

    def end(self) -> None:
        """The connection ended."""
        for records in self._pending.values():
            self._give_up(records)
        self._pending.clear()
