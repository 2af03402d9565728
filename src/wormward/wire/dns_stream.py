"""DNS over TCP: messages behind two bytes of length each (RFC 7766), cut out of the streams."""

from __future__ import annotations

from dataclasses import dataclass

from wormward.wire.facts import Stamp


@dataclass(frozen=True, slots=True)
class DnsMessage:
    """One whole message; `to_server` tells who sent it."""

    stamp: Stamp
    to_server: bool
    payload: bytes


class DnsStream:
    """Decoder of one connection, see `facts.Conversation`; its facts are `DnsMessage`s.

    After a gap a direction is lost: nothing marks where the next message begins.
    """

    __slots__ = ("_lost", "_messages", "_pending")

    def __init__(self) -> None:
        self._pending = (bytearray(), bytearray())
        self._lost = [False, False]
        self._messages: list[DnsMessage] = []

    def feed(self, to_server: bool, data: bytes, stamp: Stamp) -> None:
        """See `facts.Conversation`."""
        if self._lost[to_server]:
            return
        pending = self._pending[to_server]
        pending += data
        while len(pending) >= 2:
            size = int.from_bytes(pending[:2], "big")
            if len(pending) < 2 + size:
                break
            self._messages.append(DnsMessage(stamp, to_server, bytes(pending[2 : 2 + size])))
            del pending[: 2 + size]

    def gap(self, to_server: bool, length: int) -> None:
        """See `facts.Conversation`."""
        if length:
            self._lost[to_server] = True
            self._pending[to_server].clear()

    def skippable(self, to_server: bool) -> int:
        """See `facts.Conversation`."""
        return 1 << 30 if self._lost[to_server] else 0

    def close(self) -> None:
        """See `facts.Conversation`."""
        for pending in self._pending:
            pending.clear()

    def take(self) -> list[DnsMessage]:
        """See `facts.Conversation`."""
        messages, self._messages = self._messages, []
        return messages
