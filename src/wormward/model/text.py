"""Hostile text stays text: the escaped printable form, and the marker for translatable sentences."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Container, Mapping

# Categories that can hide, reorder or forge what a reader sees: control, format (bidi), surrogate,
# private use, unassigned, line and paragraph separators.
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_PLACE = re.compile(r"\{(\w+)(?:\|([^{}|]*)\|([^{}|]*))?\}")
_UNREADABLE = range(0xDC80, 0xDD00)  # what `surrogateescape` makes of bytes that it cannot read
_SHORT = {"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def N_(sentence: str) -> str:  # noqa: N802 - the name gettext tools look for
    """Mark `sentence` for translation where it is defined; the report layer translates it."""
    return sentence


def filled(sentence: str, fields: Mapping[str, str | int]) -> str:
    """`sentence` with its ``{named}`` places filled from `fields`; a place that has no field stays.

    ``{number|word|words}`` is `word` where that field is 1, else `words`: a sentence may hold several numbers.
    Not `str.format`: a sentence comes from a pack, and formats can reach into objects.
    """

    def value(place: re.Match[str]) -> str:
        if place[1] not in fields:
            return place[0]
        text = str(fields[place[1]])
        return text if place[2] is None else place[2] if text == "1" else place[3]

    return _PLACE.sub(value, sentence)


def printable(text: str, limit: int = 4096) -> str:
    """`text` with every hidden character escaped, at most `limit` characters (an ellipsis marks the cut).

    Idempotence is not promised: a backslash is escaped too, so that the form can be read back.
    """
    return _printable(text, limit, ())


def _printable(text: str, limit: int, bytes_at: Container[int]) -> str:
    """See `printable`; code points of `bytes_at` stand for the byte in their last eight bits."""
    if text.isascii() and text.isprintable() and "\\" not in text:
        return text if len(text) <= limit else text[: limit - 1] + "…"
    out: list[str] = []
    for char in text[:limit]:
        if char in _SHORT:
            out.append(_SHORT[char])
        elif unicodedata.category(char) in _HIDDEN:
            code = ord(char)
            code = code & 0xFF if code in bytes_at else code
            out.append(f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}")
        else:
            out.append(char)
    if len(text) > limit:
        out.append("…")
    return "".join(out)


def printable_bytes(raw: bytes, encoding: str = "utf-8", limit: int = 4096) -> str:
    r"""The printable form of `raw`; bytes that `encoding` cannot read appear as ``\\xNN``."""
    return _printable(raw[: limit * 4].decode(encoding, "surrogateescape"), limit, _UNREADABLE)


def escaped_path(text: str) -> str:
    """Like `printable`, but backslashes stay single: for Windows paths, where doubling them misleads."""
    return printable(text.replace("\\", "\x00")).replace("\\x00", "\\")
