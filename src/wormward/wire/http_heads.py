"""Heads of HTTP/1 messages: first lines, header fields, lengths; what a message can begin with."""

from __future__ import annotations

import re

METHODS = frozenset(
    {
        b"GET", b"POST", b"HEAD", b"PUT", b"DELETE", b"OPTIONS", b"TRACE", b"CONNECT", b"PATCH", b"QUERY", b"PROPFIND",
        b"PROPPATCH", b"MKCOL", b"COPY", b"MOVE", b"LOCK", b"UNLOCK", b"SEARCH", b"REPORT", b"NOTIFY", b"SUBSCRIBE",
        b"UNSUBSCRIBE", b"M-SEARCH", b"RPC_IN_DATA", b"RPC_OUT_DATA",
    }
)  # fmt: skip
"""Methods that are believed without looking further; others need a version at their line's end."""
is_token = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}").fullmatch
field_names = re.compile(rb"\n([^\s:][^:\r\n]*):").findall
absolute = re.compile(rb"[A-Za-z][A-Za-z0-9+.-]*://(?:[^/?#@]*@)?([^/?#]*)").match
status_line = re.compile(rb"HTTP/1\.[0-9] +([0-9]{3})(?![0-9])", re.IGNORECASE).match
chunk_size = re.compile(rb"[ \t]*([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\n]*)?\r?\n").match
_digits = re.compile(rb"0*[0-9]{1,18}").fullmatch
_lengths = re.compile(rb"\ncontent-length:[ \t]*([^\r\n]*)").findall
_codings = re.compile(rb"\ntransfer-encoding:([^\r\n]*(?:\r?\n[ \t][^\r\n]*)*)").findall
_by_length = sorted(METHODS, key=lambda method: (-len(method), method))
request_line = re.compile(rb"(?:" + b"|".join(_by_length) + rb") [^ \r\n]{1,1900} HTTP/1\.[01]\r?\n").search
answer_line = re.compile(rb"HTTP/1\.[01] [0-9]{3}[ \r\n]").search
MOST_START = 1 << 10
"""Bytes of a first line that are waited for to believe an unknown method."""


def looks_like_request(data: bytes) -> bool | None:
    """True if `data` begins like a request, False if it cannot, None if more bytes are needed."""
    space = data.find(b" ", 0, 33)
    if space < 0:
        return None if data and any(method.startswith(data) for method in METHODS) else False
    if data[:space] in METHODS:
        return True
    if not is_token(data[:space]):
        return False
    end = data.find(b"\n", 0, MOST_START)
    if end < 0:
        return None if len(data) < MOST_START else False
    return b" HTTP/" in data[:end]


def looks_like_answer(data: bytes) -> bool | None:
    """True if `data` begins like an answer, False if it cannot, None if more bytes are needed."""
    if len(data) >= 7:
        return data[:7].upper() == b"HTTP/1."
    return None if data and b"HTTP/1.".startswith(data.upper()) else False


def field(head: bytes, low: bytes, name: bytes) -> bytes | None:
    """Value of the first header with this lower-case name (line feed before, colon behind); None if absent."""
    at = low.find(name)
    if at < 0:
        return None
    at += len(name)
    return head[at : head.find(b"\n", at)].strip()


def length(low: bytes) -> int | None:
    """Content-Length of a lower-case head: -1 if it is malformed or contradicts itself, None if absent."""
    at = low.find(b"\ncontent-length:")
    if at < 0:
        return None
    end = low.find(b"\n", at + 16)
    single = low[at + 16 : end].strip()
    if single.isdigit() and len(single) <= 18 and low.find(b"\ncontent-length:", end) < 0:
        return int(single)
    values = {value.strip() for value in _lengths(low, at)}
    value = values.pop()
    return int(value) if not values and _digits(value) else -1


def is_chunked(low: bytes) -> bool:
    """True if the last transfer coding is chunked; `low` is the head in lower case, from its first line feed on."""
    return b"\ntransfer-encoding:" in low and b",".join(_codings(low)).strip().endswith(b"chunked")


def head_end(data: bytes, line_end: int) -> tuple[int, int]:
    """Where a head ends (behind its last line feed) whose first line ends at `line_end`, and the place behind it.

    (-1, -1) if its end is not there. A head whose first line ends without a carriage return may do without any.
    """
    usual = data.find(b"\n\r\n", line_end)
    if data[line_end - 1] != 13:
        bare = data.find(b"\n\n", line_end, usual + 1 if usual >= 0 else len(data))
        if bare >= 0:
            return bare + 1, bare + 2
    return (usual + 1, usual + 3) if usual >= 0 else (-1, -1)
