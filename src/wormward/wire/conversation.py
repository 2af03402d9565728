"""Which protocol a connection speaks, told by its first bytes, not by its port; and the decoder for it.

The port is asked only where the bytes say nothing, because the connection's beginning was not seen.
"""

from __future__ import annotations

from enum import Enum

from wormward.wire import dcerpc_pdu, http_heads, nbss
from wormward.wire.dcerpc import RpcConversation
from wormward.wire.facts import Conversation, Fact, Stamp
from wormward.wire.http import HttpConversation
from wormward.wire.smb_conversation import SmbConversation

ENOUGH = 1024
"""First bytes of one direction after which a decision is always possible: an unknown method's request line is the
longest thing waited for."""
MOST_SEARCHED = 1 << 16
"""Of a connection that begins in its middle, how far an SMB message is looked for."""
SMB_PORTS = frozenset({139, 445})
RPC_PORTS = frozenset({135, 593})
HTTP_PORTS = frozenset({80, 81, 591, 3128, 8000, 8008, 8080, 8081, 8088, 8118, 8888})


class Undecided(Enum):
    """More first bytes are needed."""

    MORE = "more"


UNDECIDED = Undecided.MORE


class Turned:
    """A conversation whose client and server are the other way round than the caller thinks."""

    __slots__ = ("inner",)

    def __init__(self, inner: Conversation) -> None:
        self.inner = inner

    def feed(self, to_server: bool, data: bytes, stamp: Stamp) -> None:
        """See `facts.Conversation`."""
        self.inner.feed(not to_server, data, stamp)

    def gap(self, to_server: bool, length: int) -> None:
        """See `facts.Conversation`."""
        self.inner.gap(not to_server, length)

    def skippable(self, to_server: bool) -> int:
        """See `facts.Conversation`."""
        return self.inner.skippable(not to_server)

    def close(self) -> None:
        """See `facts.Conversation`."""
        self.inner.close()

    def take(self) -> list[Fact]:
        """See `facts.Conversation`."""
        return self.inner.take()


class _Speaks(Enum):
    """What one direction's first bytes are."""

    NOTHING = 0  # no bytes
    UNKNOWN = 1
    MORE = 2
    HTTP_REQUEST = 3
    HTTP_ANSWER = 4
    SMB_REQUEST = 5
    SMB_ANSWER = 6
    SMB = 7  # a session message that does not say which side sends it
    RPC_REQUEST = 8
    RPC_ANSWER = 9


_REQUESTS = frozenset({_Speaks.HTTP_REQUEST, _Speaks.SMB_REQUEST, _Speaks.RPC_REQUEST})
_ANSWERS = frozenset({_Speaks.HTTP_ANSWER, _Speaks.SMB_ANSWER, _Speaks.RPC_ANSWER})
_SMB = frozenset({_Speaks.SMB, _Speaks.SMB_REQUEST, _Speaks.SMB_ANSWER})
_HTTP = frozenset({_Speaks.HTTP_REQUEST, _Speaks.HTTP_ANSWER})
_RPC_ANSWER_TYPES = frozenset({2, 3, 12, 13, 15})
_SMB_REPLY = {0xFF: (13, 0x80), 0xFE: (20, 0x01)}  # where the flag of answers stands, from the session header on
_OTHERS = (b"\x16\x03", b"SSH-")  # first bytes of TLS and SSH, which speak on anybody's port


def _smb(data: bytes) -> _Speaks:
    """Which side sends the SMB message that begins here."""
    where, flag = _SMB_REPLY.get(data[4] if len(data) > 4 else 0, (0, 0))
    if not flag or len(data) <= where or data[0]:
        return _Speaks.SMB
    return _Speaks.SMB_ANSWER if data[where] & flag else _Speaks.SMB_REQUEST


def _speaks(data: bytes) -> _Speaks:
    """What these first bytes are."""
    if not data:
        return _Speaks.NOTHING
    if 0x20 < data[0] < 0x7F:
        return _speaks_text(data)
    if nbss.looks_like_start(data):
        return _smb(data)
    if dcerpc_pdu.looks_like_start(data):
        if len(data) < 10:
            return _Speaks.MORE
        return _Speaks.RPC_ANSWER if data[2] in _RPC_ANSWER_TYPES else _Speaks.RPC_REQUEST
    return _Speaks.MORE if len(data) < 8 and data[0] in (0x00, 0x81) else _Speaks.UNKNOWN


def _speaks_text(data: bytes) -> _Speaks:
    """What these first bytes are, of which the first is a printable character, as in none of the binary protocols."""
    request = http_heads.looks_like_request(data)
    if request:
        return _Speaks.HTTP_REQUEST
    answer = http_heads.looks_like_answer(data)
    if answer:
        return _Speaks.HTTP_ANSWER
    return _Speaks.MORE if answer is None or request is None else _Speaks.UNKNOWN


def _by_port(client: bytes, server: bytes, port: int) -> Conversation | None:
    """The decoder for a connection whose first bytes are no message's beginning."""
    if client.startswith(_OTHERS) or server.startswith(_OTHERS):
        return None
    if port in SMB_PORTS or any(nbss.find_start(data[:MOST_SEARCHED]) >= 0 for data in (client, server)):
        return SmbConversation()
    if port in RPC_PORTS:
        return RpcConversation()
    return HttpConversation() if port in HTTP_PORTS else None


def start(first_client_bytes: bytes, first_server_bytes: bytes, server_port: int) -> Conversation | Undecided | None:
    """The decoder for a connection that begins like this; None if nothing here speaks its protocol.

    `UNDECIDED` asks to be called again with more of the first bytes of either direction; when the connection ends, or
    after `ENOUGH` bytes of the client, it means None. The bytes given must still be fed. A `Turned` decoder says that
    the one who asks is the caller's server.
    """
    client, server = _speaks(first_client_bytes), _speaks(first_server_bytes)
    known = [side for side in (client, server) if side.value > _Speaks.MORE.value]
    if not known:
        if _Speaks.MORE in (client, server) or (client is _Speaks.NOTHING and len(first_server_bytes) < ENOUGH):
            return UNDECIDED
        return _by_port(first_client_bytes, first_server_bytes, server_port)
    conversation: Conversation
    if known[0] in _SMB:
        conversation = SmbConversation()
        if server_port in SMB_PORTS:
            return conversation
    else:
        conversation = HttpConversation() if known[0] in _HTTP else RpcConversation()
    turned = (client in _ANSWERS and server not in _ANSWERS) or (server in _REQUESTS and client not in _REQUESTS)
    return Turned(conversation) if turned else conversation
