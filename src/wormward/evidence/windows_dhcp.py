"""The audit log of the Windows DHCP server (`DhcpSrvLog-Mon.log`), in any language: who got which address, when.

References: Microsoft, "Analyze DHCP Server Log Files" (Windows 2000 to Server 2022): the first seven columns are id,
date, time, description, address, host name and MAC in this order, with headings in the system's language. Later columns
are passed over. Dates are written month/day/year whatever the system's language, in local time.

The log does not say how long a lease runs: a binding ends where the log shows its release, its end or its deletion, or
somebody else at the address. The log of the DHCPv6 server (ids from 11000) names no hardware address and is not read.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from typing import Final

from wormward.evidence.blocks import text_of
from wormward.evidence.files import EvidenceFile
from wormward.evidence.leases import Lease, Leases, host_name, mac
from wormward.evidence.lines import Clock, Fact, first_lines, read_lines
from wormward.evidence.web_fields import ip
from wormward.model.reading import FileRead, ReadContext
from wormward.model.text import N_

KIND: Final = "windows-dhcp"
BLIND: Final = (
    N_("A DHCP server's record shows only addresses that this server gave out; fixed addresses are not in it."),
    N_("The log does not say how long a lease runs."),
)
_GIVEN: Final = frozenset({10, 11, 20, 21})  # new, renewed, BOOTP, dynamic BOOTP
_TAKEN: Final = frozenset({12, 16, 17, 18, 23})  # released, deleted, expired (twice), BOOTP deleted
_LEAST_FIELDS: Final = 7
_ENTRY: Final = re.compile(r"\d\d,\d\d/\d\d/\d\d(?:\d\d)?,\d\d:\d\d:\d\d,")
_LEGEND: Final = re.compile(rb"^00[ ]*\t.*\n01[ ]*\t", re.MULTILINE)
_DATE: Final = re.compile(r"(\d\d)/(\d\d)/(\d\d(?:\d\d)?)")
_TIME: Final = re.compile(r"(\d\d):(\d\d):(\d\d)")


def recognise(head: bytes, name: str) -> bool:  # noqa: ARG001 - names are not asked
    """True if one of the first lines is an entry, or they are the explanation that begins such a log."""
    raw = text_of(head)
    if b"DHCP" in raw and _LEGEND.search(raw):
        return True
    return any(_ENTRY.match(line) for line in first_lines(head, 80))


class _Entries:
    """The parser of one file (see `lines.Parser`)."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._leases = Leases()

    def line(self, text: str, number: int) -> Iterable[Fact] | None:
        """See `lines.Parser`."""
        word = text.partition(",")[0].strip()
        if not (word.isascii() and word.isdigit() and "," in text):
            return ()  # the explanation, in the system's language
        try:
            fields = next(csv.reader([text], strict=False), [])
        except csv.Error as error:
            raise ValueError("no fields") from error
        if len(fields) < _LEAST_FIELDS:
            raise ValueError("a line that is cut")
        event = int(word) if len(word) < 6 else -1
        if event not in _GIVEN | _TAKEN:
            return ()
        time, address = self._time(fields[1].strip(), fields[2].strip()), ip(fields[4].strip())
        if address is None:
            raise ValueError("no address")
        if event in _TAKEN:
            return self._leases.ends(address, time)
        return self._leases.begins(Lease(address, time, None, mac(fields[6]), host_name(fields[5]), number))

    def end(self) -> Iterable[Fact]:
        """See `lines.Parser`."""
        return self._leases.finish()

    def notes(self) -> tuple[str, ...]:
        """See `lines.Parser`."""
        return ()

    def _time(self, date: str, time: str) -> int:
        day, hours = _DATE.fullmatch(date), _TIME.fullmatch(time)
        if day is None or hours is None:
            raise ValueError("no such stamp")
        year = int(day[3]) + (2000 if len(day[3]) == 2 else 0)
        return self._clock.at(year, int(day[1]), int(day[2]), int(hours[1]), int(hours[2]), int(hours[3]))


def read(file: EvidenceFile, context: ReadContext) -> FileRead:
    """Read one log into `bindings`. Trouble becomes problems, never an exception. Raises WorkspaceError."""
    return read_lines(file, context, KIND, _Entries, blind=BLIND)
