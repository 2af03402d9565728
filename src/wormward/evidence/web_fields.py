"""What the logs of web servers and proxies share: whole URLs, stamps of the common log format, numbers."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from wormward.evidence.lines import Clock
from wormward.evidence.values import address

_WHOLE: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://([^/?#]*)(.*)", re.DOTALL)
_STAMP: Final = re.compile(r"\[?(\d{1,2})/([A-Za-z]{3})/(\d{4}):(\d\d):(\d\d):(\d\d)(?: ([+-])(\d\d)(\d\d))?\]?")
_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


class Target(NamedTuple):
    """What a request was for, as `http_requests` has it: `host` may still carry a port."""

    host: str | None
    uri: str
    whole: bool


def target(method: str, url: str) -> Target:
    """What a request line names; scheme and host are cut off a whole URL, a CONNECT names a host and port."""
    whole = _WHOLE.fullmatch(url)
    if whole is not None:
        rest = whole[2].partition("#")[0]
        host = whole[1].rpartition("@")[2]
        return Target(host or None, rest if rest.startswith("/") else "/" + rest, True)
    if method == "CONNECT":
        return Target(url or None, url, True)
    return Target(None, url, False)


def clf_time(clock: Clock, text: str) -> int:
    """Time of a stamp such as `[23/Nov/2026:08:49:33 +0900]`, local to the site if it has no offset. Raises ValueError."""
    found = _STAMP.fullmatch(text)
    if found is None or found[2].lower() not in _MONTHS:
        raise ValueError("no such stamp")
    offset = None
    if found[7]:
        offset = (int(found[8]) * 3600 + int(found[9]) * 60) * (-1 if found[7] == "-" else 1)
    month = _MONTHS.index(found[2].lower()) + 1
    numbers = (int(found[3]), month, int(found[1]), int(found[4]), int(found[5]), int(found[6]))
    return clock.at(*numbers, offset_s=offset)


def ip(text: str | None) -> str | None:
    """An address that somebody can have, in its usual form; None if the text is none."""
    found = address(text.encode("utf-8", "replace")) if text else None
    return None if found in ("0.0.0.0", "::") else found  # noqa: S104 - "none", not a place to listen


def count(text: str | None, most: int = (1 << 31) - 1) -> int | None:
    """A number that is not negative; None where the log has none, such as `-`."""
    if text is None or not (text.isascii() and text.isdigit() and len(text) < 20):
        return None
    number = int(text)
    return number if number <= most else None


def status(text: str | None) -> int | None:
    """A response status; None for `000`, `-` and what is none."""
    number = count(text, 999)
    return number if number else None


def port(text: str | None) -> int | None:
    """A port; None where the log has none."""
    return count(text, 65_535)
