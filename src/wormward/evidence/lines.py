"""Logs of which each line is a text of its own: what all their readers share.

A source of this kind brings a `Parser`: it is told the lines in order and gives facts, says that a line is not its
concern, or that it cannot be read. Decoding, local times, missing years, batches and coverage are done here.
"""

from __future__ import annotations

import gc
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, NamedTuple, Protocol

import numpy as np
import pyarrow as pa

from wormward.evidence import kernels
from wormward.evidence.blocks import Block, TextFile, text_of
from wormward.evidence.capture_rows import host_text, pipe_text, share_text
from wormward.evidence.files import ByteStream, EvidenceFile
from wormward.evidence.rows import CP932, LEAST_TIME, MOST_TIME, Tally, Zone
from wormward.evidence.values import address, label_bytes
from wormward.model.errors import EvidenceError
from wormward.model.reading import Dated, FileRead, ReadContext
from wormward.model.tables import BY_NAME
from wormward.model.text import N_, escaped_path, filled, printable

ROWS: Final = 1 << 15
"""Rows of one table that are handed over at once."""
MOST_LINE: Final = 1 << 16
"""Characters of one line; a longer one is damage, no log line."""
PROVISIONAL: Final = 2000
"""The year that stamps without one are read with to find theirs; it has a 29 February."""
LOOKED_AT: Final = 1000
"""Lines in which a stamp without a year must stand for a log to be taken for one without years."""
YEAR_FOUND: Final = N_(
    "Its stamps carry no year and none was given: {names} looked-up {names|name stands|names stand} in the list that the worm "
    "makes for {day}, by chance less than {chance} over all years tried, so its first line is taken to be of {year}."
)
YEAR_GIVEN: Final = N_("Its stamps carry no year; the one given for this source was taken for its first line.")
OTHERS: Final = N_("Some of its lines are of other programs or of kinds that are not read; they were passed over.")
_MONTHS = {"janfebmaraprmayjunjulaugsepoctnovdec"[i : i + 3]: i // 3 + 1 for i in range(0, 36, 3)}
_ISO = re.compile(r"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d):(\d\d)(?:[.,](\d{1,9}))?\s?(Z|[+-]\d\d:?\d\d)?")
_STAMP = re.compile(
    r"([A-Z][a-z]{2}) {1,2}(\d{1,2}) (?:(\d{4}) )?(\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?(?: (\d{4}))?(?: (UTC|GMT)\b)?"
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_US = 86_400_000_000
_NO_YEAR = "its stamps carry no year"


class Fact(NamedTuple):
    """One row: its table, its time (UTC microseconds, from a `Clock`) and its columns; absent ones are null.

    Texts are as the log has them: they are escaped when the row is handed over, DNS names brought to their usual form.
    """

    table: str
    time_us: int
    values: Mapping[str, Any]


class Parser(Protocol):
    """Makes facts of the lines of one file, told in order."""

    def line(self, text: str, number: int) -> Iterable[Fact] | None:
        """Facts of a line (counted from 1); None if it is of another kind. Raises ValueError if it is damaged.

        `place` is the line unless the fact says another.
        """
        ...

    def end(self) -> Iterable[Fact]:
        """What was waiting for more lines."""
        ...

    def notes(self) -> tuple[str, ...]:
        """What coverage should say of how the file was read (msgids)."""
        ...


@dataclass(slots=True)
class Clock:
    """Stamps to UTC microseconds by one source's zone and year; remembers what had to be supplied.

    `year` is that of the first line whose stamp has none; where the months turn back by more than half a year in the
    order of the lines, the next year begins. A line of December among the first of January is a late one of the year before.
    """

    zone: Zone = field(default_factory=Zone)
    year: int | None = None
    naive: bool = False
    yearless: bool = False
    _month: int = 0
    _turned: bool = False
    _last: tuple[tuple[str | None, ...], int] = ((), 0)

    def at(self, *parts: int, micro: int = 0, offset_s: int | None = None) -> int:
        """Time of year, month, day, hour, minute and second; local unless `offset_s` (east is positive) is told.

        Raises ValueError if there is no such time.
        """
        year, month, day, hour, minute, second = parts
        leap = second == 60  # the day's last second may be 60: the one after 59
        when = datetime(year, month, day, hour, minute, 59 if leap else second, tzinfo=UTC)
        time = int((when - _EPOCH).total_seconds()) * 1_000_000 + micro + (1_000_000 if leap else 0)
        if offset_s is not None:
            return self._possible(time - offset_s * 1_000_000)
        self.naive = True
        stamps = np.array([kernels.NAIVE], np.int8)
        return self._possible(int(self.zone.to_utc(np.array([time], np.int64), stamps)[0]))

    def iso(self, text: str) -> int:
        """Time of an ISO 8601 stamp at the beginning of `text`, with or without a zone. Raises ValueError."""
        found = _ISO.match(text)
        if found is None:
            raise ValueError("no ISO 8601 time")
        micro = int((found[7] or "0")[:6].ljust(6, "0"))
        offset = None if found[8] is None else _offset_s(found[8])
        return self._cached(found, micro, lambda: self.at(*map(int, found.groups()[:5]), 0, offset_s=offset))

    def stamp(self, text: str) -> int:
        """Time of a syslog stamp (`Nov 23 08:49:33`, perhaps with a year) at the beginning of `text`.

        Raises ValueError if there is none, EvidenceError if no year is known.
        """
        found = _STAMP.match(text)
        month = _MONTHS.get(found[1].lower()) if found else None
        if found is None or month is None:
            raise ValueError("no syslog time")
        micro = int((found[7] or "0").ljust(6, "0"))
        year = found[3] or found[8]
        numbers = (month, int(found[2]), int(found[4]), int(found[5]), 0)
        offset = 0 if found[9] else None
        return self._cached(found, micro, lambda: self.at(int(year) if year else self.year_of(month), *numbers, offset_s=offset))

    def year_of(self, month: int) -> int:
        """The year of a stamp that has none. Raises EvidenceError if none was given for this source."""
        if self.year is None:
            raise EvidenceError(_NO_YEAR, remedy="say of which year its first line is: --year 2009, or `year` in site.toml")
        self.yearless = True
        if self._month == 1 and month == 12 and self._turned:
            return self.year - 1
        if self._month - month > 6:
            self.year += 1
            self._turned = True
        self._month = month
        return self.year

    def epoch(self, text: str) -> int:
        """Time of seconds since 1970, perhaps with a fraction. Raises ValueError."""
        whole, _, fraction = text.partition(".")
        if not (whole.isascii() and whole.isdigit() and len(whole) < 12 and (not fraction or fraction.isdigit())):
            raise ValueError("no seconds since 1970")
        return self._possible(int(whole) * 1_000_000 + int(fraction[:6].ljust(6, "0") or 0))

    def _cached(self, found: re.Match[str], micro: int, minute: Callable[[], int]) -> int:
        """Lines of one minute share its reckoning; seconds (group 6) and `micro` are added."""
        groups = found.groups()
        text, second = groups[:5] + groups[7:], int(groups[5])
        if second > 60:  # the day's last second may be 60
            raise ValueError("no such second")
        if self._last[0] != text:
            self._last = (text, minute())
        return self._last[1] + second * 1_000_000 + micro

    @staticmethod
    def _possible(time: int) -> int:
        if not LEAST_TIME < time < MOST_TIME:
            raise ValueError("no possible time")
        return time


def _offset_s(text: str) -> int:
    """Seconds east of Greenwich of `Z`, `+09:00` or `+0900`."""
    if text == "Z":
        return 0
    seconds = int(text[1:3]) * 3600 + int(text[-2:]) * 60
    return -seconds if text[0] == "-" else seconds


def decoded(raw: bytes) -> tuple[str, bool]:
    """Text of a line that is UTF-8 or, failing that, cp932 (then True); bytes of neither stay single surrogates."""
    try:
        return raw.decode("utf-8"), False
    except UnicodeDecodeError:
        pass
    try:
        return raw.decode("cp932"), True
    except UnicodeDecodeError:
        return raw.decode("utf-8", "surrogateescape"), False


def first_lines(head: bytes, count: int = 20) -> list[str]:
    """The first whole lines of a file's head that are not blank, for recognition."""
    lines = text_of(head).split(b"\n")
    if len(head) >= 4096 and len(lines) > 1:
        lines.pop()  # it may be cut
    return [decoded(line.rstrip(b"\r"))[0] for line in lines[:count] if line.strip()]


def dns_name(text: str) -> str:
    """A name as `dns_queries` has it: small letters, no final dot, escaped like those of captures."""
    if text.isascii() and text.isprintable() and "\\" not in text and len(text) <= kernels.MOST_TEXT:
        return text.lower().removesuffix(".") or "."
    return label_bytes(text.encode("utf-8", "surrogateescape"))


def _answer(text: str) -> str:
    """An item of an answer section as captures give it."""
    raw = text.encode("utf-8", "surrogateescape")
    return address(raw) or (printable(text) if " " in text else label_bytes(raw))


def _host(text: str) -> str:
    return host_text(text.encode("utf-8", "surrogateescape"))


# Columns whose usual form is more than the escaped text; parsers give what the log says.
_FORMS: dict[tuple[str, str], Callable[[str], str]] = {
    ("dns_queries", "name"): dns_name,
    ("dns_queries", "answers"): _answer,
    ("http_requests", "host"): _host,
    ("sightings", "host"): _host,
    ("smb_shares", "share"): share_text,
    ("smb_files", "share"): share_text,
    ("smb_files", "path"): escaped_path,
    ("rpc_calls", "pipe"): pipe_text,
}


class _Sheets:
    """Facts in, batches of columns out."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._facts: dict[str, list[tuple[Fact, int]]] = {}

    def add(self, facts: Iterable[Fact], line: int) -> None:
        for fact in facts:
            rows = self._facts.setdefault(fact.table, [])
            rows.append((fact, line))
            if len(rows) >= ROWS:
                self._hand_over(fact.table)

    def _hand_over(self, table: str) -> None:
        rows = self._facts.pop(table)
        columns: dict[str, Any] = {}
        times = np.array([fact.time_us for fact, _ in rows], np.int64)
        for column in BY_NAME[table].reader_columns:
            if column.name in ("site", "time"):
                continue
            if column.name == "place":
                columns["place"] = pa.array([fact.values.get("place", line) for fact, line in rows], pa.int64())
                continue
            name = column.name
            values = [fact.values.get(name) for fact, _ in rows]
            if pa.types.is_string(column.type) or pa.types.is_list(column.type):
                form = lru_cache(ROWS)(_FORMS.get((table, name), printable))
                values = [form(v) if isinstance(v, str) else [form(i) for i in v] if v is not None else None for v in values]
            columns[name] = pa.array(values, column.type)
        self._tally.add(table, times, columns)

    def finish(self) -> None:
        for table in sorted(self._facts):
            self._hand_over(table)


def _numbered(text: TextFile) -> Iterator[tuple[bytes, int]]:
    """All lines of a file with their numbers."""
    number = 1
    for block in text.blocks():
        for raw in _of_block(block):
            yield raw, number
            number += 1
        text.recycle(block.buffer)


def _year_note(dated: Dated | None) -> tuple[str]:
    """How the year of the stamps is known."""
    if dated is None:
        return (YEAR_GIVEN,)
    return (filled(YEAR_FOUND, {"names": dated.names, "day": dated.day, "chance": dated.chance, "year": dated.year}),)


def _of_block(block: Block) -> Sequence[bytes]:
    lines = bytes(block.view).split(b"\n")
    if lines and not lines[-1]:
        lines.pop()
    return lines


@contextmanager
def _without_collector() -> Iterator[None]:
    """Facts hold no cycles, and to look for some among so many of them costs a third of the time (measured)."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def _asked(facts: Iterable[Fact]) -> list[tuple[int, str]]:
    """Day and name of each lookup."""
    return [(f.time_us // _DAY_US, dns_name(str(f.values["name"]))) for f in facts if f.table == "dns_queries"]


def _dated(file: EvidenceFile, context: ReadContext, parser_of: Callable[[Clock], Parser], zone: Zone) -> Dated | None:
    """The year of the first line of a log whose stamps have none, by the names that were looked up in it."""
    if context.dating is None:
        return None
    clock, dating = Clock(zone, PROVISIONAL), context.dating()
    parser, facts = parser_of(clock), list[Fact]()
    with suppress(EvidenceError), file.open(lambda _done: None) as stream:
        for raw, number in _numbered(TextFile(stream)):
            if number > LOOKED_AT and not clock.yearless:
                return None
            with suppress(ValueError):
                facts += (parser.line(decoded(raw.rstrip(b"\r"))[0], number) if 0 < len(raw) <= MOST_LINE else None) or ()
            if len(facts) >= ROWS:
                dating.add(_asked(facts))
                facts.clear()
        dating.add(_asked([*facts, *parser.end()]))
    return dating.year(PROVISIONAL) if clock.yearless else None


def read_lines(
    file: EvidenceFile,
    context: ReadContext,
    kind: str,
    parser_of: Callable[[Clock], Parser],
    *,
    blind: tuple[str, ...],
    remedy: str = "look at these lines: a copy may be cut or damaged",
    lines_of: Callable[[ByteStream], Iterator[tuple[bytes, int]]] | None = None,
    unit: str = "line",
) -> FileRead:
    """Read one log line by line. Trouble becomes problems of its coverage, never an exception. Raises WorkspaceError.

    `remedy` says what to do about lines that cannot be read; `blind` are msgids of what the source cannot show.
    `lines_of` makes numbered lines of a file that is no text (then `unit` is what the numbers count); it must read the
    stream to its end, and may raise EvidenceError.
    """
    tally = Tally(file, context)
    clock, sha256, cp932, others, parser, dated = Clock(), "", False, 0, None, None
    try:
        rule = context.site.source(file.name, kind)
        clock = Clock(Zone.of_site(rule.time_zone), rule.year)
        dated = None if lines_of or rule.year is not None else _dated(file, context, parser_of, clock.zone)
        clock.year = dated.year if dated else clock.year
    except EvidenceError as error:
        tally.trouble(error)
    sheets = _Sheets(tally)
    try:
        parser = parser_of(clock)
        with file.open(context.progress) as stream, _without_collector():
            text = TextFile(stream)
            said: set[str] = set()
            try:
                for raw, number in _numbered(text) if lines_of is None else lines_of(stream):
                    line, odd = decoded(raw.rstrip(b"\r"))
                    cp932 = cp932 or odd
                    if not line.strip():
                        continue
                    try:
                        told = parser.line(line, number) if len(line) <= MOST_LINE else ()
                        facts = None if told is None else list(told)  # a generator's trouble belongs to this line
                    except ValueError:
                        tally.bad_at([number], 1)
                    except EvidenceError as error:  # what is wrong with one stamp is wrong with all like it: said once
                        if error.what not in said:
                            said.add(error.what)
                            tally.trouble(EvidenceError(error.what, place=error.place or f"line {number}", remedy=error.remedy))
                    else:
                        if facts is None:
                            others += 1
                        elif len(line) > MOST_LINE:
                            tally.bad_at([number], 1)
                        else:
                            sheets.add(facts, number)
            except EvidenceError as error:  # the lines end here; what they said before stands
                text.error = error
            sheets.add(parser.end(), 0)
            sha256 = stream.sha256
            if text.error is not None:
                raise text.error
    except EvidenceError as error:
        tally.trouble(error)
    sheets.finish()
    notes = (*(parser.notes() if parser else ()), *((CP932,) if cp932 else ()), *(_year_note(dated) if clock.yearless else ()))
    notes += (OTHERS,) if others else ()
    zone = (clock.zone.name, clock.zone.known) if clock.naive else ("UTC", "stamped")
    return tally.finish(sha256, kind, zone=zone, remedy=remedy, blind=blind, notes=notes, unit=unit)
