"""Squid's access.log: the native format, and its `common` and `combined` formats.

References: Squid's documentation of `logformat` and `access_log`; checked against lines of Squid 5.7. Older result
codes (`DIRECT` for `HIER_DIRECT`) and `log_mime_hdrs` are read as well. Names of users are not kept.

The proxy's own address stands in no line, so `server` is null. The address behind the hierarchy code is that of whom
the *proxy* asked; taking it for the server would make a proxy of every host that a client reached through one.
Header names are not taken from `log_mime_hdrs`: Squid writes `Host` last, wherever it was sent. The stamp is that of
the answer's end; where the elapsed time is told (native format), the request's time is so much earlier.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from wormward.evidence.files import EvidenceFile
from wormward.evidence.lines import Clock, Fact, first_lines, read_lines
from wormward.evidence.web_fields import clf_time, ip, status, target
from wormward.model.reading import FileRead, ReadContext
from wormward.model.text import N_

KIND: Final = "squid"
BLIND: Final = (
    N_("A proxy's log shows only what went through the proxy."),
    N_("A proxy's log does not show the order of request headers: calls home are judged without them."),
    N_("Of an encrypted connection through the proxy only host and port are shown."),
    N_("Where hosts come through another proxy or address translation, its address stands in the log instead of theirs."),
)
_NO_AGENT: Final = N_("This form of the log does not show user agents.")
_NAMED: Final = N_("Some lines name the client by name or not at all, so nobody can be blamed for them; they were passed over.")
_EPOCH: Final = re.compile(r"\d{9,11}\.\d{3}")
_RESULT: Final = re.compile(r"([A-Z][A-Z0-9_]{2,60})/(\d{3})")
_PEER: Final = re.compile(r"[A-Z][A-Z0-9_]{1,60}/\S+")
_TAIL: Final = re.compile(r"([A-Z][A-Z0-9_]{2,60}):([A-Z][A-Z0-9_]{1,60})")
_CLF_HEAD: Final = re.compile(r'(\S{1,255}) (\S{1,255}) (\S{1,255}) (\[[^\]]{1,40}\]) "')
_CLF_CODES: Final = re.compile(r'" (\d{1,3}) (-?\d{1,19}|-)(?= |$)')
_ESCAPED: Final = re.compile(rb"\\(.)|%([0-9a-fA-F]{2})")
_ESCAPES: Final = {b"r": b"\r", b"n": b"\n", b"t": b"\t"}


class _Line:
    """One line taken apart; raises ValueError if it is none of Squid's."""

    def __init__(self, text: str) -> None:
        self.elapsed_ms = 0
        self.agent: str | None = None
        self.host: str | None = None
        self.shows_agent = False
        head = text.split(None, 6)
        if len(head) == 7 and _EPOCH.fullmatch(head[0]):
            self._native(head)
        else:
            self._common(text)

    def _native(self, head: list[str]) -> None:
        self.stamp, self.client, self.method, rest = head[0], head[2], head[5], head[6]
        result = _RESULT.fullmatch(head[3])
        if result is None:
            raise ValueError("no result code")
        self.code, self.status = result[1], result[2]
        self.elapsed_ms = int(head[1]) if head[1].isascii() and head[1].isdigit() and len(head[1]) < 12 else 0
        at = rest.find(" [") if rest.endswith("]") else -1
        if at >= 0:
            self._headers(rest[at + 2 :].partition("] [")[0])
        tail = (rest if at < 0 else rest[:at]).rsplit(None, 3)
        if len(tail) != 4 or not _PEER.fullmatch(tail[2]):
            raise ValueError("no hierarchy code")
        self.url = tail[0]

    def _headers(self, text: str) -> None:
        """What `log_mime_hdrs` shows of the request: its agent and its host; nothing else is kept (passwords stand there)."""
        self.shows_agent = True
        raw = _ESCAPED.sub(_unescaped, text.encode("utf-8", "surrogateescape"))
        for line in raw.split(b"\r\n"):
            name, _, value = line.partition(b":")
            said = value.strip().decode("utf-8", "surrogateescape")
            if name.lower() == b"user-agent":
                self.agent = said
            elif name.lower() == b"host":
                self.host = said

    def _common(self, text: str) -> None:
        rest, _, tail = text.rstrip().rpartition(" ")
        head, code = _CLF_HEAD.match(rest), _TAIL.fullmatch(tail)
        if head is None or code is None:
            raise ValueError("no line of Squid")
        codes = _CLF_CODES.search(rest, head.end() - 1)
        if codes is None:
            raise ValueError("no status")
        self.client, self.stamp, self.code, self.status = head[1], head[4], code[1], codes[1]
        request = rest[head.end() : codes.start()]
        self.method, _, url = request.partition(" ")
        self.url = url.rpartition(" ")[0] or url
        quoted = rest[codes.end() :]
        if quoted.startswith(' "') and quoted.endswith('"'):
            self.shows_agent = True
            agent = quoted[2:-1].partition('" "')[2]  # Squid does not escape quotes within it
            self.agent = None if agent == "-" else agent


def _unescaped(found: re.Match[bytes]) -> bytes:
    if found[2] is not None:
        return bytes([int(found[2], 16)])
    return _ESCAPES.get(found[1], found[1])


def recognise(head: bytes, name: str) -> bool:  # noqa: ARG001 - names are not asked
    """True if one of the first lines is one of Squid's."""
    for line in first_lines(head, 5):
        try:
            _Line(line)
        except ValueError:
            continue
        return True
    return False


class _Requests:
    """The parser of one file (see `lines.Parser`)."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._agents = self._any = self._named = False

    def line(self, text: str, number: int) -> Iterable[Fact] | None:  # noqa: ARG002 - places are the lines
        """See `lines.Parser`."""
        line = _Line(text)
        stamped = line.stamp[:1] == "["
        time = clf_time(self._clock, line.stamp) if stamped else self._clock.epoch(line.stamp) - line.elapsed_ms * 1000
        # What other caches ask (ICP), and what was no request at all.
        if line.code.startswith("UDP_") or line.method in ("-", "NONE") or line.url.startswith("error:"):
            return None
        self._any = True
        self._agents = self._agents or line.shows_agent
        client = ip(line.client)
        if client is None:
            self._named = True
            return ()
        return (Fact("http_requests", time, _columns(line, client)),)

    def end(self) -> Iterable[Fact]:
        """See `lines.Parser`."""
        return ()

    def notes(self) -> tuple[str, ...]:
        """See `lines.Parser`."""
        agents = (_NO_AGENT,) if self._any and not self._agents else ()
        return agents + ((_NAMED,) if self._named else ())


def _columns(line: _Line, client: str) -> Mapping[str, Any]:
    asked = target(line.method, line.url)
    return {
        "client": client,
        "method": line.method,
        "uri": asked.uri,
        "host": asked.host or line.host,
        "user_agent": line.agent,
        "proxied": asked.whole,
        "status": status(line.status),
    }


def read(file: EvidenceFile, context: ReadContext) -> FileRead:
    """Read one log into `http_requests`. Trouble becomes problems, never an exception. Raises WorkspaceError."""
    return read_lines(file, context, KIND, _Requests, blind=BLIND)
