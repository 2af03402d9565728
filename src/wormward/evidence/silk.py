"""What SiLK's `rwcut` prints: one record a line and direction, `|` between columns, a title line before them.

References: rwcut(1) of SiLK 3: default columns, `--timestamp-format` (default UTC), flags as letters. Protocols
are numbers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from wormward.evidence.columns import Unknown
from wormward.evidence.files import EvidenceFile
from wormward.evidence.flow_halves import Halves, half_of
from wormward.evidence.lines import Clock, Fact, first_lines, read_lines
from wormward.model.reading import FileRead, ReadContext
from wormward.model.text import N_

KIND: Final = "silk"
BLIND: Final = (
    N_("Flow records show who talked to whom, not what was said."),
    N_("Their byte counts include headers: payload sizes are not shown."),
)
_UTC: Final = N_("Its times were read as UTC, which rwcut prints unless it is told otherwise.")
_NEEDED: Final = frozenset({"source", "target", "sport", "dport", "protocol", "packets", "begin"})
_OURS: Final = {
    "sip": "source", "dip": "target", "pro": "protocol", "stime": "begin", "dur": "length", "duration": "length",
}  # fmt: skip
_KNOWN: Final = _NEEDED | set(
    """length etime sensor sen in out nhip initialflags initialf sessionflags sessionf attributes attribut application appli
    class type typ itype icode ity ico scc dcc sip dip flags bytes stime+msec dur+msec etime+msec stype dtype proto""".split()  # noqa: SIM905
)
_TIME: Final = re.compile(r"(\d{4})/(\d\d)/(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?")
_REMEDY: Final = "print them again with: rwcut --fields=sIP,dIP,sPort,dPort,protocol,packets,bytes,flags,sTime,duration"


def _columns(line: str) -> list[str] | None:
    names = [name.strip().lower() for name in line.rstrip().rstrip("|").split("|")]
    names = [_OURS.get(name, name) for name in names]
    return names if set(names) >= _NEEDED else None


def recognise(head: bytes, name: str) -> bool:  # noqa: ARG001 - names are not asked
    """True if the first line names rwcut's columns."""
    lines = first_lines(head, 1)
    return bool(lines) and _columns(lines[0]) is not None


class _Records:
    """The parser of one file (see `lines.Parser`)."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._columns: list[str] = []
        self._unknown = Unknown(_KNOWN)
        self._halves = Halves()

    def line(self, text: str, number: int) -> Iterable[Fact] | None:
        """See `lines.Parser`."""
        columns = _columns(text)
        if columns is not None:
            self._columns = columns
            self._unknown.columns(columns)
            return ()
        row = [field.strip() for field in text.rstrip().removesuffix("|").split("|")]
        if not self._columns or len(row) != len(self._columns):
            raise ValueError("columns are missing")
        got = dict(zip(self._columns, row, strict=True))
        return self._halves.add(half_of(self._time(got["begin"]), got, number))

    def _time(self, text: str) -> int:
        found = _TIME.match(text)
        if found is None:
            return self._clock.epoch(text)
        micro = int((found[7] or "0").ljust(6, "0"))
        return self._clock.at(*map(int, found.groups()[:6]), micro=micro, offset_s=0)

    def end(self) -> Iterable[Fact]:
        """See `lines.Parser`."""
        return self._halves.end()

    def notes(self) -> tuple[str, ...]:
        """See `lines.Parser`."""
        return (_UTC, *self._unknown.notes())


def read(file: EvidenceFile, context: ReadContext) -> FileRead:
    """Read one printout. Trouble becomes problems, never an exception. Raises WorkspaceError."""
    return read_lines(file, context, KIND, _Records, blind=BLIND, remedy=_REMEDY)
