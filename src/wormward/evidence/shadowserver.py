"""Shadowserver's reports of sinkhole events (`event4_sinkhole`, `event6_sinkhole`, and their `_http` forms) as CSV.

Reference: Shadowserver, "Sinkhole Events Report" and "Sinkhole HTTP Events Report" (fields, and that times are UTC);
forms of lines as IntelMQ's tests have them. Columns are read by name. Microsoft's sinkhole events have the same columns
and are read as well; what tells the reports apart is their file name, which is not asked.

They say what Shadowserver saw, not what the site saw: nothing of them goes into `flows` or `http_requests`. Reports of
honeypots, of DNS sinkholes (whose source is a resolver) and of referers have columns of their own and are not taken for
these.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from typing import Any, Final

from wormward.evidence.columns import Unknown
from wormward.evidence.files import EvidenceFile
from wormward.evidence.lines import Clock, Fact, first_lines, read_lines
from wormward.evidence.web_fields import ip, port, target
from wormward.model.reading import FileRead, ReadContext
from wormward.model.text import N_

KIND: Final = "shadowserver-sinkhole"
REPORTER: Final = "shadowserver"
BLIND: Final = (
    N_("A third party's report names an address as the Internet sees it: many hosts may stand behind it."),
    N_("It shows only what reached the third party's sinkholes: an address that is not in it may still be infected."),
)
_NEEDED: Final = frozenset({"timestamp", "src_ip", "src_port", "dst_ip", "dst_port", "infection", "family", "tag"})
_HTTP: Final = frozenset({"http_url", "http_host", "http_agent"})
_OTHER_REPORTS: Final = frozenset(
    {
        "service", "start_time", "end_time", "duration", "count", "packets", "packet_count", "pattern", "dns_query",
        "dns_query_type", "http_request_method", "http_referer_ip", "routedspoof", "request", "session_tags", "target_protocol",
        "attack_src_ip",
    }
)  # fmt: skip
"""Columns of reports that have the needed ones too: honeypots, darknets, DNS sinkholes."""
_KNOWN: Final = _NEEDED | _HTTP | {
    "protocol", "src_asn", "src_geo", "src_region", "src_city", "src_hostname", "src_naics", "src_sector", "device_vendor",
    "device_type", "device_model", "severity", "dst_asn", "dst_geo", "dst_region", "dst_city", "dst_hostname", "dst_naics",
    "dst_sector", "public_source", "application", "version", "event_id", "forwarded_by", "ssl_cipher", "http_referer",
}  # fmt: skip


def _fields(text: str) -> list[str]:
    """The values of a line. Raises ValueError if it cannot be split."""
    try:
        return next(csv.reader([text], strict=True), [])
    except csv.Error as error:
        raise ValueError("no fields") from error


def _names(text: str) -> dict[str, int] | None:
    """Where the columns that a first line names stand; None if it is none of these reports."""
    try:
        words = [word.strip().lower() for word in _fields(text)]
    except ValueError:
        return None
    found = set(words)
    if not found >= _NEEDED or found & _OTHER_REPORTS or len(found) != len(words):
        return None
    return {word: place for place, word in enumerate(words)}


def recognise(head: bytes, name: str) -> bool:  # noqa: ARG001 - names are not asked
    """True if the first line names the columns of such a report."""
    lines = first_lines(head, 1)
    return bool(lines) and _names(lines[0]) is not None


class _Events:
    """The parser of one file (see `lines.Parser`)."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._columns: dict[str, int] = {}
        self._feed = ""
        self._unknown = Unknown(_KNOWN)

    def line(self, text: str, number: int) -> Iterable[Fact] | None:  # noqa: ARG002 - places are the lines
        """See `lines.Parser`."""
        columns = _names(text)
        if columns is not None:  # joined files have several
            self._columns = columns
            self._feed = "sinkhole-http" if set(columns) >= _HTTP else "sinkhole"
            self._unknown.columns(columns)
            return ()
        fields = _fields(text)
        if len(fields) != len(self._columns):
            raise ValueError("not as many values as columns")
        row = {name: fields[place].strip() for name, place in self._columns.items()}
        address = ip(row["src_ip"])
        if address is None:
            raise ValueError("no address")
        stamp = row["timestamp"]
        time = self._clock.iso(stamp if stamp[-1:] == "Z" or "+" in stamp else stamp + "Z")
        return (Fact("sightings", time, self._sighting(row, address)),)

    def end(self) -> Iterable[Fact]:
        """See `lines.Parser`."""
        return ()

    def notes(self) -> tuple[str, ...]:
        """See `lines.Parser`."""
        return self._unknown.notes()

    def _sighting(self, row: Mapping[str, str], address: str) -> dict[str, Any]:
        url = row.get("http_url") or None
        asked = None if url is None else target("GET", url)
        host = row.get("http_host") or (asked.host if asked else None)
        device = " ".join(row[name] for name in ("device_vendor", "device_type", "device_model") if row.get(name))
        return {
            "address": address,
            "port": port(row["src_port"]),
            "protocol": row.get("protocol", "").lower() or None,
            "reporter": REPORTER,
            "feed": self._feed,
            "infection": row["infection"] or None,
            "family": row["family"] or None,
            "tag": row["tag"] or None,
            "observer": ip(row["dst_ip"]),
            "observer_port": port(row["dst_port"]),
            "host": host,
            "uri": asked.uri if asked else None,
            "user_agent": row.get("http_agent") or None,
            "device": device or None,
        }


def read(file: EvidenceFile, context: ReadContext) -> FileRead:
    """Read one report into `sightings`. Trouble becomes problems, never an exception. Raises WorkspaceError."""
    return read_lines(file, context, KIND, _Events, blind=BLIND)
