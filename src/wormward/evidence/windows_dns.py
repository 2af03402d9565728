"""The debug log of the Windows DNS server (`dns.log`), with or without details: who asked for which name.

References: the key that begins each such log; Microsoft, "DNS Logging and Diagnostics"; forms of lines of Windows 2003 to
2022 as public parsers' tests have them. A packet received that is a question is a lookup of the address that it came
from; the answer sent there with the same id, name and type gives its code, and, where details are on, its records.
Questions that the server itself sends to others, and their answers, are not a host's lookups and are passed over.

Times are local. How a date is written depends on the server's region: year first, day first (always so with full
stops), or with slashes or dashes either way. Then a date after the 12th, anywhere in the file, decides for all; where
there is none, the file is not read and coverage says what to do.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from wormward.evidence.blocks import TextFile, text_of
from wormward.evidence.files import EvidenceFile
from wormward.evidence.lines import Clock, Fact, read_lines
from wormward.evidence.web_fields import ip
from wormward.model.errors import EvidenceError
from wormward.model.reading import FileRead, ReadContext
from wormward.model.text import N_

KIND: Final = "windows-dns"
BLIND: Final = (
    N_("A DNS debug log shows lookups at this server only, and only the packets that it is set to write."),
    N_("The server's own address stands in no line of its log."),
    N_("Where hosts ask through a forwarder, its address stands in the log instead of theirs."),
)
_NO_DETAILS: Final = N_("Its details are switched off: whether a name existed is shown, what it leads to is not.")
_AMBIGUOUS: Final = "its dates do not tell the day from the month"
_REMEDY: Final = "join it with another log of the same server that holds a day after the 12th, and give that file"

_KEY: Final = re.compile(rb"^Message logging key", re.MULTILINE)
_PACKET: Final = re.compile(
    r" PACKET +(?:[0-9A-Fa-f]{8,16} +)?(UDP|TCP) +(Rcv|Snd) +(\S{2,60}) +([0-9A-Fa-f]{4}) (.*)", re.DOTALL
)
_MEANS: Final = re.compile(r" *(R?) +([A-Z?]) \[([0-9A-Fa-f]{4}) ([^\]]{0,40})\] +(.*)", re.DOTALL)
_PACKET_BYTES: Final = re.compile(
    rb"^\d{1,8}\D.{4,40}? [0-9A-Fa-f]{2,8} PACKET +(?:[0-9A-Fa-f]{8,16} +)?(?:UDP|TCP) +(?:Rcv|Snd) ", re.M
)
_STAMP: Final = re.compile(
    r"(\d{1,4})([/.-])(\d{1,2})\2 ?(\d{1,4}),? (\d{1,2})[:.](\d\d)[:.](\d\d)(?: ?([AaPp])\.?[Mm]\.?)? [0-9A-Fa-f]{2,8}"
)
_RUN_STAMP: Final = re.compile(r"(\d{4})(\d\d)(\d\d) (\d{1,2})[:.](\d\d)[:.](\d\d) [0-9A-Fa-f]{2,8}")
_DATES: Final = re.compile(rb"(?:^|\bat )(\d{1,2})([/-])(\d{1,2})[/-]\d{4}\b", re.MULTILINE)
_LABEL: Final = re.compile(r"\((\d{1,3})\)")
_MOST_WAITING: Final = 65_536
_LONGEST_US: Final = 60_000_000
"""So long a question waits for its answer."""
_QTYPES: Final = {"ALL": "ANY"}
_MOST_ANSWERS: Final = 64


def recognise(head: bytes, name: str) -> bool:  # noqa: ARG001 - names are not asked
    """True if the first lines hold a packet of such a log, or the key that begins it."""
    raw = text_of(head)
    return bool(_PACKET_BYTES.search(raw)) or (b"DNS Server" in raw[:200] and bool(_KEY.search(raw)))


def month_first(file: EvidenceFile) -> bool | None:
    """How the file's dates with slashes or dashes are written, by the first whose day is after the 12th; None if none is.

    Raises EvidenceError if the file cannot be read.
    """
    with file.open(hashed=False) as stream:
        text = TextFile(stream)
        for block in text.blocks():
            for found in _DATES.finditer(bytes(block.view)):
                first, second = int(found[1]), int(found[3])
                if first > 12 >= second or second > 12 >= first:
                    return second > 12
            text.recycle(block.buffer)
    return None


def name_of(text: str) -> str:
    """A name as the log writes it, `(3)www(7)example(0)` or `.www.example.`, with dots. Raises ValueError if it is none."""
    if not text.startswith("("):
        return text.strip(".") or "."
    labels: list[str] = []
    at = 0
    while found := _LABEL.match(text, at):
        length = int(found[1])
        if not length:
            return ".".join(labels) or "."
        end = found.end() + length
        if not _LABEL.match(text, end):  # it is counted in bytes, or cut
            after = _LABEL.search(text, found.end())
            if after is None:
                break
            end = after.start()
        labels.append(text[found.end() : end])
        at = end
    raise ValueError("a name that is cut")


@dataclass(slots=True)
class _Lookup:
    """A question and what is known of its answer."""

    time: int
    place: int
    client: str
    name: str
    qtype: str | None
    rcode: str | None = None
    answers: list[str] | None = None

    def fact(self) -> Fact:
        columns: dict[str, Any] = {
            "place": self.place, "client": self.client, "name": self.name, "qtype": self.qtype, "rcode": self.rcode,
            "answers": self.answers,
        }  # fmt: skip
        return Fact("dns_queries", self.time, columns)


class _Packets:
    """The parser of one file (see `lines.Parser`)."""

    def __init__(self, clock: Clock, month_first: bool | None) -> None:
        self._clock = clock
        self._month_first = month_first
        self._waiting: dict[tuple[str, str, str], _Lookup] = {}
        self._answered: _Lookup | None = None  # whose details may follow
        self._section = ""
        self._details = self._answers = False

    def line(self, text: str, number: int) -> Iterable[Fact] | None:
        """See `lines.Parser`."""
        found = _PACKET.search(text)
        if found is None:
            if text[:1].isdigit() and " PACKET " in text:
                raise ValueError("a packet that is cut")
            if text[:1].isdigit() and text[:12].strip().count(" ") and (_STAMP.match(text) or _RUN_STAMP.match(text)):
                return [*self._released()] or None  # an event of another kind
            self._detail(text)
            return ()
        facts = [*self._released()]
        time = self._time(text[: found.start()].strip())
        means = _MEANS.match(found[5])
        if means is None:
            raise ValueError("a packet that is cut")
        facts += self._packet(found, means, time, number)
        return facts

    def end(self) -> Iterable[Fact]:
        """See `lines.Parser`."""
        yield from self._released()
        for lookup in self._waiting.values():
            yield lookup.fact()
        self._waiting.clear()

    def notes(self) -> tuple[str, ...]:
        """See `lines.Parser`."""
        return (_NO_DETAILS,) if self._answers and not self._details else ()

    def _time(self, text: str) -> int:
        """Time of a packet. Raises ValueError; EvidenceError if day and month cannot be told."""
        run = _RUN_STAMP.fullmatch(text)
        if run is not None:
            return self._clock.at(*map(int, run.groups()))
        found = _STAMP.fullmatch(text)
        if found is None:
            raise ValueError("no such stamp")
        year, month, day = self._date(found[1], found[2], int(found[3]), found[4])
        hour, half = int(found[5]), (found[8] or "").lower()
        if half:
            if not 1 <= hour <= 12:
                raise ValueError("no hour of half a day")
            hour = hour % 12 + (12 if half == "p" else 0)
        return self._clock.at(year, month, day, hour, int(found[6]), int(found[7]))

    def _date(self, first: str, between: str, second: int, third: str) -> tuple[int, int, int]:
        """Year, month and day."""
        if len(first) == 4:
            return int(first), second, int(third)
        if len(third) != 4:
            raise ValueError("no year")
        if between == "." or self._month_first is False:
            return int(third), second, int(first)
        if self._month_first is None:
            if int(first) == second:
                return int(third), second, second
            raise EvidenceError(_AMBIGUOUS, remedy=_REMEDY)
        return int(third), int(first), second

    def _packet(self, found: re.Match[str], means: re.Match[str], time: int, number: int) -> Iterator[Fact]:
        """Facts that a packet completes."""
        _, way, remote, xid = found[1], found[2], found[3], found[4].lower()
        is_answer = bool(means[1])
        if means[2] != "Q" or is_answer != (way == "Snd"):
            return  # a transfer or an update, or the server's own question
        client, asked = ip(remote), means[5].split()
        if client is None or not asked:
            raise ValueError("a packet that is cut")
        name, qtype = name_of(asked[-1]), asked[-2].upper() if len(asked) > 1 else None
        qtype = f"TYPE{qtype}" if qtype and qtype.isdigit() else _QTYPES.get(qtype or "", qtype)
        key = (client, xid, name.lower())
        before = self._waiting.pop(key, None)
        if not is_answer:
            if before is not None and before.qtype == qtype and time - before.time <= _LONGEST_US:
                self._waiting[key] = before  # asked again: the first stands
                return
            if before is not None:
                yield before.fact()
            yield from self._wait(key, _Lookup(time, number, client, name, qtype))
            return
        self._answers = True
        if before is not None and (before.qtype != qtype or not 0 <= time - before.time <= _LONGEST_US):
            yield before.fact()
            before = None
        codes = means[4].split()
        lookup = before or _Lookup(time, number, client, name, qtype)
        lookup.place, lookup.rcode = number, codes[-1].upper() if codes else None
        self._answered, self._section = lookup, ""

    def _wait(self, key: tuple[str, str, str], lookup: _Lookup) -> Iterator[Fact]:
        if len(self._waiting) >= _MOST_WAITING:
            yield self._waiting.pop(next(iter(self._waiting))).fact()
        self._waiting[key] = lookup

    def _released(self) -> Iterator[Fact]:
        """The lookup whose details have ended."""
        if self._answered is not None:
            yield self._answered.fact()
            self._answered = None

    def _detail(self, text: str) -> None:
        """A line of a packet's details: the records of an answer."""
        word, _, rest = text.strip().partition(" ")
        if rest == "SECTION:":
            self._section, self._details = word, True
            if self._answered is not None and word == "ANSWER":
                self._answered.answers = []
        elif word == "DATA" and self._section == "ANSWER" and self._answered is not None:
            answers = self._answered.answers
            value = rest.strip()
            if answers is not None and value and len(answers) < _MOST_ANSWERS:
                answers.append(_answer(value))


def _answer(value: str) -> str:
    """A record's data: an address, a name, or what it says."""
    try:
        return name_of(value) if value.startswith("(") else value
    except ValueError:
        return value


def read(file: EvidenceFile, context: ReadContext) -> FileRead:
    """Read one log into `dns_queries`. Trouble becomes problems, never an exception. Raises WorkspaceError."""
    try:
        order = month_first(file)
    except EvidenceError:
        order = None  # said again where the file is read
    return read_lines(file, context, KIND, lambda clock: _Packets(clock, order), blind=BLIND)
