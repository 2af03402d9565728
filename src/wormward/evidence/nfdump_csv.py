"""What `nfdump -o csv` prints: one record a line and direction, a summary behind them.

References: nfdump(1), output format csv; checked against nfdump 1.7.1. Newer versions (1.7.4 on) name their columns
otherwise; both title lines are known, columns are taken by name. Times are local to the machine that printed them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from wormward.evidence.columns import Unknown
from wormward.evidence.files import EvidenceFile
from wormward.evidence.flow_halves import Halves, half_of
from wormward.evidence.lines import Clock, Fact, first_lines, read_lines
from wormward.model.reading import FileRead, ReadContext
from wormward.model.text import N_

KIND: Final = "nfdump-csv"
BLIND: Final = (
    N_("Flow records show who talked to whom, not what was said."),
    N_("Their byte counts include headers: payload sizes are not shown."),
    N_("Routers often sample: a flow that is missing may have been there."),
)
_REMEDY: Final = "print them again with: nfdump -r FILE -o csv"
# What we need, by the title lines of 1.6 to 1.7.3 and of later versions.
_TITLES: Final = (
    {
        "begin": "ts", "length": "td", "source": "sa", "target": "da", "sport": "sp", "dport": "dp", "protocol": "pr",
        "flags": "flg", "packets": "ipkt",
    },
    {
        "begin": "firstSeen", "length": "duration", "source": "srcAddr", "target": "dstAddr", "sport": "srcPort",
        "dport": "dstPort", "protocol": "proto", "flags": "flags", "packets": "packets",
    },
)  # fmt: skip
_KNOWN: Final = frozenset(
    """ts te td sa da sp dp pr flg fwd stos ipkt ibyt opkt obyt in out sas das smk dmk dtos dir nh nhb svln dvln ismc odmc idmc
    osmc mpls1 mpls2 mpls3 mpls4 mpls5 mpls6 mpls7 mpls8 mpls9 mpls10 cl sl al ra eng exid tr firstseen duration proto srcaddr
    srcport dstaddr dstport packets bytes flows flags""".split()  # noqa: SIM905 - a table of words
)
_OPTIONAL: Final = ("flags", "length")


def _columns(line: str) -> dict[str, int] | None:
    """Where our columns stand in a title line; None if it is none."""
    names = line.strip().split(",")
    for titles in _TITLES:
        found = {ours: names.index(name) for ours, name in titles.items() if name in names}
        if all(ours in found or ours in _OPTIONAL for ours in titles):
            return found
    return None


def recognise(head: bytes, name: str) -> bool:  # noqa: ARG001 - names are not asked
    """True if the first line names nfdump's columns."""
    lines = first_lines(head, 1)
    return bool(lines) and _columns(lines[0]) is not None


class _Records:
    """The parser of one file (see `lines.Parser`)."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._columns: dict[str, int] = {}
        self._halves = Halves()
        self._summary = False
        self._unknown = Unknown(_KNOWN)

    def line(self, text: str, number: int) -> Iterable[Fact] | None:
        """See `lines.Parser`."""
        columns = _columns(text)
        if columns is not None:
            self._columns, self._summary = columns, False
            self._unknown.columns(text.split(","))
            return ()
        if self._summary or text.startswith("Summary"):
            self._summary = True
            return ()
        if not self._columns:
            raise ValueError("no titles")
        row = text.split(",")
        if len(row) <= max(self._columns.values()):
            raise ValueError("columns are missing")
        got = {ours: row[place].strip() for ours, place in self._columns.items()}
        return self._halves.add(half_of(self._clock.iso(got["begin"]), got, number))

    def end(self) -> Iterable[Fact]:
        """See `lines.Parser`."""
        return self._halves.end()

    def notes(self) -> tuple[str, ...]:
        """See `lines.Parser`."""
        return self._unknown.notes()


def read(file: EvidenceFile, context: ReadContext) -> FileRead:
    """Read one printout. Trouble becomes problems, never an exception. Raises WorkspaceError."""
    return read_lines(file, context, KIND, _Records, blind=BLIND, remedy=_REMEDY)
