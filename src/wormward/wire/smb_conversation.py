"""One SMB connection, over NetBIOS sessions or direct hosting, SMB1 and SMB2 as they come.

Limitations: encrypted messages (SMB 3 transform headers) and compressed ones (SMB 3.1.1) are not looked into;
`encrypted_messages` and `compressed_messages` count them, so that coverage can say so.
"""

from __future__ import annotations

from wormward.wire import nbss
from wormward.wire.facts import Fact, Stamp
from wormward.wire.smb1 import Smb1
from wormward.wire.smb2 import Smb2
from wormward.wire.smb_session import Session


class SmbConversation:
    """See `facts.Conversation`."""

    __slots__ = ("_client", "_one", "_server", "_two", "compressed_messages", "encrypted_messages", "session")

    def __init__(self) -> None:
        self.session = Session()
        self._one = Smb1(self.session)
        self._two = Smb2(self.session)
        self._client = nbss.Cutter(self, True)
        self._server = nbss.Cutter(self, False)
        self.encrypted_messages = 0
        self.compressed_messages = 0

    def feed(self, to_server: bool, data: bytes, stamp: Stamp) -> None:
        """See `facts.Conversation`."""
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
        self.session.end()

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
            self.encrypted_messages += 1
        else:
            self.compressed_messages += 1

    def raw(self, data: bytes, at: int, end: int, stamp: Stamp) -> None:
        """See `nbss.Decoder`."""
        self._one.raw(data, at, end, stamp)
