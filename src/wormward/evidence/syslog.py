"""Files of syslog lines of several programs and devices, and the own log files of dnsmasq and Unbound.

Each message goes to the first kind of `MESSAGES` that knows it: by the program that its tag names, or by a text that all
such messages hold. Lines of other programs are passed over, which coverage says. A file counts as syslog if one of its
first lines is a message that is read; else it stays unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from wormward.evidence.files import EvidenceFile
from wormward.evidence.lines import Clock, Fact, first_lines, read_lines
from wormward.evidence.messages import cisco_asa, dhcpd, dnsmasq, filterlog, fortigate, netfilter, unbound
from wormward.evidence.messages.base import Message, MessageKind
from wormward.evidence.syslog_lines import Header
from wormward.model.errors import EvidenceError
from wormward.model.reading import FileRead, ReadContext
from wormward.model.site import Site
from wormward.model.text import N_

KIND = "syslog"
BLIND = (
    N_("Syslog shows what its devices were told to log: packets, connections and lookups that no rule logs are not in it."),
    N_("A firewall's line of one packet shows that it was tried, not whether it was answered, nor what it said."),
    N_("Address translations logged on their own are not read; where a line shows both addresses, the real one counts."),
    N_("Bytes of a firewall's session are as the device counts them, with or without headers."),
    N_("A name server's log shows lookups at this server only; hosts that ask another resolver are not in it."),
    N_("Where hosts ask through a forwarder, its address stands in the log instead of theirs."),
)
MESSAGES: tuple[MessageKind, ...] = (
    dnsmasq.KIND,
    unbound.KIND,
    filterlog.KIND,
    dhcpd.KIND,
    cisco_asa.KIND,
    fortigate.KIND,
    netfilter.KIND,
)
_LOOKED_AT: Final = 200
"""Lines of a file's head that recognition tries."""
_SOME_YEAR: Final = 2000
_REMEDY: Final = N_("look at these lines: a copy may be cut or damaged, or a device writes them as no version known here does")


class _Parser:
    """Takes the lines apart and hands each message on."""

    def __init__(self, site: Site, clock: Clock) -> None:
        self._header = Header(clock)
        self._parsers = [kind.parser(site, clock) for kind in MESSAGES]
        self._by_program = {
            program: parser.message for kind, parser in zip(MESSAGES, self._parsers, strict=True) for program in kind.programs
        }
        self._by_mark = [
            (mark, parser.message) for kind, parser in zip(MESSAGES, self._parsers, strict=True) for mark in kind.marks
        ]

    def line(self, text: str, number: int) -> Sequence[Fact] | None:
        header = self._header
        header.take(text)
        reader: Callable[[Message], Sequence[Fact] | None] | None = self._by_program.get(header.program)
        if reader is not None:
            return reader(Message(header.program, header.host, header.text, number, header.time))
        rest = header.rest
        for mark, marked in self._by_mark:
            if mark in rest:
                return marked(Message(header.program, header.host, rest, number, header.time))
        return None

    def end(self) -> Iterable[Fact]:
        for parser in self._parsers:
            yield from parser.end()

    def notes(self) -> tuple[str, ...]:
        return ()


def recognise(head: bytes, name: str) -> bool:  # noqa: ARG001 - names are not asked
    """True if one of the first lines is a message that is read."""
    parser = _Parser(Site(), Clock(year=_SOME_YEAR))
    for line in first_lines(head, _LOOKED_AT):
        try:
            if parser.line(line, 1) is not None:
                return True
        except (ValueError, EvidenceError):
            continue
    return False


def read(file: EvidenceFile, context: ReadContext) -> FileRead:
    """Read one syslog file. Trouble becomes problems of its coverage, never an exception. Raises WorkspaceError."""
    return read_lines(file, context, KIND, lambda clock: _Parser(context.site, clock), blind=BLIND, remedy=_REMEDY)
