"""The last guard before text leaves the program, and the small forms that all reports share.

Texts of evidence were escaped when they entered a table (`model.text`). A report does not rely on that: whatever could
hide, reorder or forge what a reader sees is escaped here again, and nothing else is changed (a backslash stays one).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from wormward.model.text import N_, filled

NOBODYS = N_("The addresses here are pseudonyms and belong to nobody: do not block or blame whoever really has such addresses.")
"""What each output of a shareable copy says, for a recipient who knows nothing of it."""
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def harmless(text: str) -> str:
    """`text` with control, format (bidi), surrogate, private and unassigned characters written out as escapes."""
    if text.isprintable():
        return text
    return "".join(_escape(c) if unicodedata.category(c) in _HIDDEN else c for c in text)


def cleaned(value: Any) -> Any:
    """Plain values as JSON has them, all texts within harmless."""
    if isinstance(value, str):
        return harmless(value)
    if isinstance(value, dict):
        return {harmless(k): cleaned(v) for k, v in value.items()}
    return [cleaned(v) for v in value] if isinstance(value, list) else value


def _escape(char: str) -> str:
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def fill(sentence: str, fields: Mapping[str, str | int]) -> str:
    """`sentence` with its places filled from `fields` (see `model.text.filled`), harmless."""
    return harmless(filled(sentence, fields))


def shortened(text: str, most: int) -> str:
    """`text`, harmless and of at most `most` characters; what is cut is its middle, for names often differ at an end."""
    text = harmless(text)
    half = (most - 1) // 2
    return text if len(text) <= most else f"{text[: most - 1 - half]}…{text[-half:]}"


def stamp(time: datetime | None) -> str | None:
    """ISO 8601 in UTC with `Z`; fractions of a second only where there are any, without trailing zeros."""
    if time is None:
        return None
    utc = time.astimezone(UTC)
    fraction = f".{utc.microsecond:06d}".rstrip("0") if utc.microsecond else ""
    return f"{utc:%Y-%m-%dT%H:%M:%S}{fraction}Z"


def minute(time: datetime | None) -> str:
    """A time as people read it in a table, UTC to the second; empty if there is none."""
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M:%S}" if time else ""
