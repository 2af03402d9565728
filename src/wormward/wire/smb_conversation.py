"""One SMB connection, over NetBIOS sessions or direct hosting, SMB1 and SMB2 as they come.

Limitations: encrypted messages (SMB 3 transform headers) and compressed ones (SMB 3.1.1) are not looked into;
`encrypted_messages` and `compressed_messages` count them, and `close` tells of them (`facts.Unseen`).
"""

from __future__ import annotations

from wormward.wire import nbss
from wormward.wire.facts import Fact, Stamp, Unseen
from wormward.wire.smb1 import Smb1
from wormward.wire.smb2 import Smb2
from wormward.wire.smb_session import Session

_NOWHERE = Stamp(-1, 0, 0)  # before anything was seen


class SmbConversation:
    """See `facts.Conversation`."""

    __slots__ = (
        "_began", "_client", "_compressed", "_encrypted", "_one", "_server", "_two", "compressed_messages", "encrypted_messages",
        "session",
    )  # fmt: skip

    def __init__(self) -> None:
        self.session = Session()
        self._one = Smb1(self.session)
        self._two = Smb2(self.session)
        self._client = nbss.Cutter(self, True)
        self._server = nbss.Cutter(self, False)
        self.encrypted_messages = 0
        self.compressed_messages = 0
        self._began = self._encrypted = self._compressed = _NOWHERE

    def feed(self, to_server: bool, data: bytes, stamp: Stamp) -> None:
        """See `facts.Conversation`."""
        if self._began is _NOWHERE:
            self._began = stamp
        (self._client if to_server else self._server).feed(data, stamp)

    def gap(self, to_server: bool, length: int) -> None:
        """See `facts.Conversation`."""
        (self._client if to_server else self._server).gap(length)

    def skippable(self, to_server: bool) -> int:
        """See `facts.Conversation`."""
        return self._client.skippable if to_server else self._server.skippable

    def close(self) -> None:
        """See `facts.Conversation`."""
        self._one.end()
        self._two.end()
        session = self.session
        session.end()
        for what, count, stamp in (
            ("encrypted", self.encrypted_messages, self._encrypted),
            ("compressed", self.compressed_messages, self._compressed),
            ("sealed", session.sealed, session.sealed_at or self._began),
            ("dropped", session.dropped, self._began),
            ("lost", self.resyncs, self._began),
        ):
            if count:
                session.facts.append(Unseen(stamp, what, count))

    def take(self) -> list[Fact]:
        """See `facts.Conversation`."""
        facts = self.session.facts
        if not facts:
            return []
        taken = facts[:]
        facts.clear()
        return taken

    @property
    def held(self) -> int:
        """Bytes that are kept of unfinished things."""
        return self.session.budget.held + self._client.held + self._server.held

    @property
    def resyncs(self) -> int:
        """How often the thread was lost and had to be found again."""
        return self._client.resyncs + self._server.resyncs

    @property
    def raw_bytes(self) -> int:
        """See `nbss.Decoder`."""
        return self._one.raw_bytes

    def wanted(self, to_server: bool, data: bytes, at: int, have: int, size: int) -> int:
        """See `nbss.Decoder`."""
        least = min(size, nbss.PREFIX)
        kind = data[at]
        if have < least or kind < 0xFE:
            return least
        decoder = self._two if kind == 0xFE else self._one
        return decoder.wanted(to_server, data, at, size)

    def message(self, to_server: bool, data: bytes, at: int, end: int, *, first: bool, stamp: Stamp) -> None:
        """See `nbss.Decoder`."""
        kind = data[at]
        if kind == 0xFE:
            self._two.message(to_server, data, at, end, first=first, stamp=stamp)
        elif kind == 0xFF:
            self._one.message(to_server, data, at, end, stamp)
        elif kind == 0xFD:
            if not self.encrypted_messages:
                self._encrypted = stamp
            self.encrypted_messages += 1
        else:
            if not self.compressed_messages:
                self._compressed = stamp
            self.compressed_messages += 1

    def raw(self, data: bytes, at: int, end: int, stamp: Stamp) -> None:
        """See `nbss.Decoder`."""
        self._one.raw(data, at, end, stamp)
