r"""HTTP/1 requests and answers on one connection (RFC 9110, 9112), and the requests of HTTP/0.9.

Bodies are measured, not kept, except the first bytes of an answer's. A gap inside a body counts as body; after a
larger one, each direction goes on at the next thing that can only be a message's first line.

Limitations: bodies are not uncompressed; after CONNECT or an upgrade nothing more is read; a message whose lengths
contradict each other is told, and what follows it is searched for anew; an answer without a status line (HTTP/0.9)
is taken only after a request of that version. A request's `stamp` is where its header ends, not its body.
"""

from __future__ import annotations

from collections import deque

from wormward.wire import http_heads as heads
from wormward.wire.facts import Fact, HttpExchange, Stamp

BODY_START = 64
"""First bytes of an answer's body that are kept: enough to tell an executable from what is none."""
MOST_HEAD = 1 << 16
"""Bytes of one message head; servers refuse more than 8 to 64 KiB."""
MOST_LINE = 1 << 10
"""Bytes of a chunk's size line or of a trailer line."""
MOST_WAITING = 256
"""Requests without an answer; browsers pipeline none, proxies a few."""
ENDLESS = 1 << 62
"""What `skippable` says of bytes that go on until the connection ends."""

_HEAD, _BODY, _SIZE, _CHUNK, _CHUNK_END, _TRAILER, _REST, _LOST, _DEAF = range(9)
_LINE_END = (b"\n",)
_HEAD_END = (b"\n\r\n", b"\n\n")
_LOST_KEEP = 2048  # of bytes searched in vain, how many may be the beginning of a first line


class _Side:
    """One direction: what is expected next."""

    __slots__ = ("held", "left", "mode", "most", "to_server", "until")

    def __init__(self, to_server: bool) -> None:
        self.to_server = to_server
        self.mode = _HEAD
        self.left = 0  # bytes of the body or chunk; while the thread is lost, held bytes that were searched already
        self.held = bytearray()
        self.until: tuple[bytes, ...] = ()  # what must come before the held bytes can be used,
        self.most = 0  # unless there are more than so many

    def ready(self, data: bytes) -> bool:
        """Put `data` behind the held bytes; True if they can be used now."""
        held = self.held
        new = max(0, len(held) - 2)
        held += data
        if len(held) > self.most or not self.until:
            return True
        return any(held.find(end, new) >= 0 for end in self.until)


class HttpConversation:
    """See `facts.Conversation`."""

    __slots__ = ("_answering", "_client", "_facts", "_frozen", "_old", "_server", "_waiting", "resyncs")

    def __init__(self) -> None:
        self._facts: list[Fact] = []
        self._client = _Side(True)
        self._server = _Side(False)
        self._waiting: deque[HttpExchange] = deque()
        self._answering: HttpExchange | None = None
        self._old: HttpExchange | None = None  # the last request, if it was HTTP/0.9
        self._frozen = True  # no more first bytes of a body are wanted
        self.resyncs = 0  # how often the thread was lost and had to be found again

    @property
    def held(self) -> int:
        """Bytes that are kept of incomplete heads."""
        return len(self._client.held) + len(self._server.held)

    def take(self) -> list[Fact]:
        """See `facts.Conversation`."""
        facts = self._facts
        if facts:
            self._facts = []
            return facts
        return []

    def close(self) -> None:
        """See `facts.Conversation`."""
        self._finish()
        self._facts.extend(self._waiting)
        self._waiting.clear()
        self._client, self._server = _Side(True), _Side(False)

    def skippable(self, to_server: bool) -> int:
        """See `facts.Conversation`."""
        side = self._client if to_server else self._server
        mode = side.mode
        if mode == _DEAF:
            return ENDLESS
        if to_server or self._frozen:
            return side.left if mode in (_BODY, _CHUNK) else ENDLESS if mode == _REST else 0
        return 0

    def gap(self, to_server: bool, length: int) -> None:
        """See `facts.Conversation`."""
        side = self._client if to_server else self._server
        mode = side.mode
        if mode == _DEAF or length <= 0:
            return
        if mode == _REST or (mode in (_BODY, _CHUNK) and length <= side.left):
            if not to_server:
                self._frozen = True
            self._consume(side, length)
        else:
            self._lose(side)

    def feed(self, to_server: bool, data: bytes, stamp: Stamp) -> None:
        """See `facts.Conversation`."""
        side = self._client if to_server else self._server
        if side.held:
            if not side.ready(data):
                return
            data = bytes(side.held)
            side.held = bytearray()
        pos, end = 0, len(data)
        while 0 <= pos < end:
            mode = side.mode
            if mode == _HEAD:
                pos = self._request(side, data, pos, stamp) if to_server else self._answer(side, data, pos)
            elif mode in (_BODY, _CHUNK, _REST):
                pos = self._body(side, data, pos, end)
            elif mode == _DEAF:
                return
            elif mode == _LOST:
                pos = self._search(side, data, pos)
            else:
                pos = self._framing(side, data, pos)

    def _hold(self, side: _Side, data: bytes, pos: int, until: tuple[bytes, ...], most: int = MOST_HEAD) -> int:
        """Keep the bytes from `pos` on until more come; the place to go on at if there are too many already."""
        if len(data) - pos > most:
            return self._lose(side, pos + most)
        side.held = bytearray(data[pos:])
        side.until = until
        side.most = most
        return -1

    def _lose(self, side: _Side, pos: int = 0) -> int:
        """The thread is lost: from `pos` on search for the next message.

        `pos` is always behind what made no sense, so that the search cannot find the same again.
        """
        self.resyncs += 1
        side.mode = _LOST
        side.left = 0
        side.held = bytearray()
        if not side.to_server:
            # Which answer belongs to which request is no longer known: what was asked so far stays unanswered.
            self._finish()
            self._facts.extend(self._waiting)
            self._waiting.clear()
        return pos

    def _request(self, side: _Side, data: bytes, pos: int, stamp: Stamp) -> int:
        if data[pos] in b"\r\n":
            return pos + 1
        line_end = data.find(b"\n", pos)
        if line_end < 0:
            return self._hold(side, data, pos, _LINE_END)
        method, _, rest = data[pos:line_end].rstrip().partition(b" ")
        uri, _, version = rest.rpartition(b" ")
        if line_end - pos > MOST_HEAD:
            return self._lose(side, pos + MOST_HEAD)
        if not version.startswith(b"HTTP/"):
            if method not in heads.METHODS or not rest or b" " in rest:
                return self._lose(side, pos + 1)
            self._old = self._wait(HttpExchange(stamp, method, rest, None, None, (), False))
            return line_end + 1
        stop, after = heads.head_end(data, line_end)
        if stop < 0:
            return self._hold(side, data, pos, _HEAD_END)
        if stop - pos > MOST_HEAD:
            return self._lose(side, pos + MOST_HEAD)
        if method not in heads.METHODS and not heads.is_token(method):
            return self._lose(side, pos + 1)
        head = data[line_end:stop]
        low = head.lower()
        host = heads.field(head, low, b"\nhost:")
        proxied = False
        if uri[:1] != b"/":
            whole = heads.absolute(uri)
            if whole is not None:
                proxied = True
                host = whole[1] if host is None else host
                uri = uri[whole.end() :]
                uri = uri if uri[:1] == b"/" else b"/" + uri
        agent = heads.field(head, low, b"\nuser-agent:")
        self._wait(HttpExchange(stamp, method, uri, host, agent, tuple(heads.field_names(head)), proxied))
        self._expect_body(side, low, answer=False)
        return after

    def _wait(self, exchange: HttpExchange) -> HttpExchange:
        if len(self._waiting) >= MOST_WAITING:
            self._facts.append(self._waiting.popleft())
        self._waiting.append(exchange)
        self._old = None
        return exchange

    def _expect_body(self, side: _Side, low: bytes, *, answer: bool) -> None:
        """What follows a head, by its lengths."""
        if heads.is_chunked(low):
            side.mode = _SIZE
            return
        length = heads.length(low)
        if length is None and answer:
            side.mode = _REST
        elif not length:
            self._done(side)
        elif length < 0:
            self._lose(side)
        else:
            side.mode = _BODY
            side.left = length

    def _answer(self, side: _Side, data: bytes, pos: int) -> int:
        begin = data[pos : pos + 7]
        if begin != b"HTTP/1." and begin.upper() != b"HTTP/1.":
            if begin[:1] in (b"\r", b"\n"):
                return pos + 1
            if b"HTTP/1.".startswith(begin.upper()):
                return self._hold(side, data, pos, ())
            if self._old is not None and self._waiting and self._waiting[0] is self._old:
                self._begin(self._waiting.popleft())
                side.mode = _REST
                return pos
            return self._lose(side, pos + 1)
        line_end = data.find(b"\n", pos)
        stop, after = heads.head_end(data, line_end) if line_end >= 0 else (-1, -1)
        if stop < 0:
            return self._hold(side, data, pos, _HEAD_END)
        status = heads.status_line(data, pos, stop)
        if stop - pos > MOST_HEAD:
            return self._lose(side, pos + MOST_HEAD)
        if status is None:
            return self._lose(side, pos + 1)
        code = int(status[1])
        if code < 200 and code != 101:
            return after
        exchange = self._waiting.popleft() if self._waiting else None
        method = b""
        if exchange is not None:
            method = exchange.method
            exchange.status = code
            self._begin(exchange)
        if code == 101 or (method == b"CONNECT" and code < 300):
            self._done(side)
            side.mode = self._client.mode = _DEAF
        elif method == b"HEAD" or code in (204, 304):
            self._done(side)
        else:
            self._expect_body(side, data[line_end:stop].lower(), answer=True)
        return after

    def _begin(self, exchange: HttpExchange) -> None:
        exchange.response_bytes = 0
        self._answering = exchange
        self._frozen = False

    def _done(self, side: _Side) -> None:
        """A message ended."""
        side.mode = _HEAD
        if not side.to_server:
            self._finish()

    def _finish(self) -> None:
        """The answer ended: its exchange is complete."""
        self._frozen = True
        if self._answering is not None:
            self._facts.append(self._answering)
            self._answering = None

    def _body(self, side: _Side, data: bytes, pos: int, end: int) -> int:
        size = end - pos
        if side.mode != _REST and size > side.left:
            size = side.left
        exchange = self._answering
        if not side.to_server and not self._frozen and exchange is not None:
            have = exchange.body_start or b""
            exchange.body_start = have + data[pos : pos + min(size, BODY_START - len(have))]
            self._frozen = len(exchange.body_start) >= BODY_START
        self._consume(side, size)
        return pos + size

    def _consume(self, side: _Side, size: int) -> None:
        """So many bytes of a body passed, seen or not."""
        exchange = self._answering
        if not side.to_server and exchange is not None and exchange.response_bytes is not None:
            exchange.response_bytes += size
        if side.mode == _REST:
            return
        side.left -= size
        if not side.left:
            if side.mode == _CHUNK:
                side.mode = _CHUNK_END
            else:
                self._done(side)

    def _framing(self, side: _Side, data: bytes, pos: int) -> int:
        """The lines between and behind chunks."""
        line_end = data.find(b"\n", pos, pos + MOST_LINE)
        if line_end < 0:
            return self._hold(side, data, pos, _LINE_END, MOST_LINE - 1)
        if side.mode == _SIZE:
            size = heads.chunk_size(data, pos)
            if size is None:
                return self._lose(side, pos)
            side.left = int(size[1], 16)
            side.mode = _CHUNK if side.left else _TRAILER
        elif not data[pos:line_end].strip():
            if side.mode == _CHUNK_END:
                side.mode = _SIZE
            else:
                self._done(side)
        elif side.mode == _CHUNK_END:
            return self._lose(side, pos)
        return line_end + 1

    def _search(self, side: _Side, data: bytes, pos: int) -> int:
        """Go on at the next first line; -1 if there is none yet."""
        if side.to_server:
            version = data.find(b" HTTP/1.", pos + side.left)
            begin = pos
            while version >= 0:
                found = heads.request_line(data, max(begin, version - _LOST_KEEP), version + 11)
                if found is not None:
                    side.mode = _HEAD
                    return found.start()
                # No address has a space in it: a line that ends at the next version begins behind this one, unless
                # this one is its address.
                begin = max(pos, version - 16)
                version = data.find(b" HTTP/1.", version + 8)
            keep = _LOST_KEEP
        else:
            found = heads.answer_line(data, pos)
            if found is not None:
                side.mode = _HEAD
                return found.start()
            keep = 12
        keep = min(keep, len(data) - pos)
        side.left = max(0, keep - 11) if side.to_server else 0
        return self._hold(side, data, len(data) - keep, ())
