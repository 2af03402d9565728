"""Lookups as a plain CSV file whose first line names its columns: `time`, `client`, `name`, and perhaps `answer`.

Columns come in any order, others are passed over (but `qtype`, `server` and `rcode`, if there, are used). Fields are
separated by comma, semicolon or tab, and may be quoted. Times are ISO 8601 with `Z`, an offset, or neither (then they
are of the site's zone). An answer is one or more addresses or names, or a word such as NXDOMAIN; empty or `-` means that
nobody looked.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from wormward.evidence import kernels, values
from wormward.evidence.blocks import Block, TextFile, text_of
from wormward.evidence.columns import Unknown
from wormward.evidence.files import EvidenceFile
from wormward.evidence.rows import CP932, LEAST_TIME, MOST_TIME, Tally, Zone, constant
from wormward.evidence.values import Column, Decoder
from wormward.evidence.zeek_fields import lists
from wormward.model.errors import EvidenceError
from wormward.model.reading import FileRead, ReadContext
from wormward.model.text import N_
from wormward.wire.dns import RCODES

KIND = "dns-csv"
BLIND = (
    N_("A list of lookups shows those at one server only; hosts that ask another resolver are not in it."),
    N_("Where hosts ask through a forwarder, its address stands in the list instead of theirs."),
)
_NO_ANSWERS = N_("This list of lookups does not show answers: whether a name existed cannot be told.")
_NEEDED = ("time", "client", "name")
_MORE = ("answer", "qtype", "server", "rcode")
_SEPARATORS = b",;\t"
_REMEDY = "each line needs an ISO 8601 time, the client's address and a name, in the order of the first line"
_ROWS = 1 << 15
_NOTED = 3
_CODES = frozenset(RCODES.values()) | {"NXRRSET", "TIMEOUT", "NODATA"}
_ITEMS = re.compile(r"[\s,;|]+")
_TIME_LIKE = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d")
_NAME_LIKE = re.compile(r"[^\s\[\](){}<>/@:]{1,253}\.[A-Za-z][A-Za-z0-9-]+\.?")


@dataclass(frozen=True, slots=True)
class Header:
    """What the first line says: the separator, and where the columns that we know stand."""

    separator: int
    names: tuple[str, ...]
    columns: dict[str, int]


def header_of(line: bytes) -> Header | None:
    """The header that a first line is; None if it does not name the needed columns, or one of ours twice."""
    for separator in _SEPARATORS:
        names = [name.strip().strip(b"\"'").strip().lower().decode("utf-8", "replace") for name in line.split(bytes([separator]))]
        known = [name for name in names if name in (*_NEEDED, *_MORE)]
        if set(_NEEDED) <= set(known) and len(known) == len(set(known)):
            return Header(separator, tuple(names), {name: names.index(name) for name in known})
    return None


def _first_line(head: bytes) -> bytes:
    return text_of(head).partition(b"\n")[0].rstrip(b"\r")


def recognise(head: bytes, name: str) -> bool:  # noqa: ARG001 - names are not asked
    """True if the first line names the columns that we need."""
    return header_of(_first_line(head)) is not None


def headless(head: bytes) -> EvidenceError | None:
    """That a file is a list of lookups but for its first line, and what that should be; None if it is something else."""
    for number, line in enumerate(text_of(head).split(b"\n")[:2], 1):
        wanted = _fitting_header(line.decode("utf-8", "replace").rstrip("\r"))
        if wanted is not None:
            what = "looks like a list of lookups, but its first line does not name the columns time, client and name"
            remedy = f"put this line before its first: {wanted}" if number == 1 else f"let its first line be: {wanted}"
            return EvidenceError(what, place="line 1", remedy=remedy)
    return None


def _fitting_header(line: str) -> str | None:
    """The header under which a line would be a lookup; None if it holds no time, address and name."""
    for separator in map(chr, _SEPARATORS):
        names: dict[int, str] = {}
        fields = [field.strip(" \"'") for field in line.split(separator)]
        for place, field_ in enumerate(fields):
            kind = "time" if _TIME_LIKE.match(field_) else "client" if values.address(field_.encode()) else None
            kind = kind or ("name" if _NAME_LIKE.fullmatch(field_) else None)
            if kind is not None and kind not in names.values():
                names[place] = kind
        if len(names) == len(_NEEDED):
            return separator.join(names.get(place, "other") for place in range(len(fields)))
    return None


def _answer(text: str) -> tuple[str | None, list[str] | None]:
    """Response code and answers of one answer column's text; both None where it says nothing."""
    if text in ("", "-"):
        return None, None
    if text.upper() in _CODES:
        return text.upper(), []
    return "NOERROR", [values.address(item.encode()) or item.lower().removesuffix(".") for item in _ITEMS.split(text) if item]


@dataclass(slots=True)
class _Parsed:
    """What one block gave; lines count from 0 at its first."""

    rows: list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], dict[str, pa.Array]]] = field(default_factory=list)
    lines: int = 0
    bad: int = 0
    bad_lines: list[int] = field(default_factory=list)
    naive: bool = False
    stamped: bool = False

    def note(self, lines: list[int], count: int) -> None:
        self.bad += count
        self.bad_lines += lines[:_NOTED]


class _Batch:
    """Lines that were split: spans of each known column."""

    def __init__(self, buffer: kernels.Bytes, spans: dict[str, tuple[kernels.Ints, kernels.Ints]], decoder: Decoder) -> None:
        self._buffer, self._spans, self._decoder = buffer, spans, decoder

    def __len__(self) -> int:
        return len(self._spans["time"][0])

    def times(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int8]]:
        times, stamps = np.empty(len(self), np.int64), np.empty(len(self), np.int8)
        kernels.iso_times(self._buffer, *self._trimmed("time"), times, stamps)
        return times, stamps

    def _trimmed(self, name: str) -> tuple[kernels.Ints, kernels.Ints]:
        """The spans of a column without blanks around what they hold."""
        begins, ends = self._spans[name]
        begins, ends = begins.copy(), ends.copy()
        while (blank := (begins < ends) & (self._buffer[begins] == 32)).any():
            begins += blank
        while (blank := (begins < ends) & (self._buffer[ends - 1] == 32)).any():
            ends -= blank
        return begins, ends

    def column(self, name: str) -> tuple[npt.NDArray[np.int32], kernels.Ints, kernels.Ints] | None:
        """Distinct values of a column: numbers a row, and the span of each."""
        if name not in self._spans:
            return None
        begins, ends = self._trimmed(name)
        count = len(begins)
        slots = np.full(1 << max(4, (2 * count).bit_length()), -1, np.int32)
        codes, firsts, lasts = np.empty((3, count), np.int32)
        used = kernels.number_spans(self._buffer, begins, ends, slots, codes, firsts, lasts)
        return codes, firsts[:used], lasts[:used]

    def address(self, name: str) -> Column:
        found = self.column(name)
        return values.addresses(self._buffer, *found) if found else values.absent(len(self))

    def domain(self, name: str) -> Column:
        found = self.column(name)
        if found is None:
            return values.absent(len(self))
        return _unquoted(values.names(self._buffer, *found, self._decoder.name))

    def text(self, name: str) -> Column:
        found = self.column(name)
        if found is None:
            return values.absent(len(self))
        return _unquoted(values.texts(self._buffer, *found, self._decoder.text))


def _unquoted(column: Column) -> Column:
    """A column with the quotes that were doubled within quotes single again."""
    if not pc.any(pc.match_substring(column.values, '""')).as_py():
        return column
    return column.fixed(lambda text: text.replace('""', '"'))


class _Parser:
    """Blocks in, rows out; may be called from several threads."""

    def __init__(self, header: Header, zone: Zone, decoder: Decoder) -> None:
        self._header, self._zone = header, zone
        self._wanted = {name: i for i, name in enumerate(header.columns)}
        self._columns = np.full(len(header.names), -1, np.int32)
        for name, place in header.columns.items():
            self._columns[place] = self._wanted[name]
        self._decoder = decoder

    def __call__(self, block: Block) -> _Parsed:
        done = _Parsed()
        at = block.begin
        if block.number == 0:  # the line with the names
            while at < block.stop and block.buffer[at] != kernels.NEWLINE:
                at += 1
            at += 1
            done.lines = 1
        while at < block.stop:
            at = self._some(block, at, done)
        return done

    def _some(self, block: Block, at: int, done: _Parsed) -> int:
        lines = np.empty(_ROWS, np.int32)
        begins, ends = np.empty((2, len(self._wanted), _ROWS), np.int32)
        bad, counts = np.zeros(_NOTED, np.int64), np.zeros(2, np.int64)
        count, at = kernels.split_lines(
            block.buffer, at, block.stop, self._header.separator, kernels.QUOTE, len(self._header.names), self._columns, lines,
            begins, ends, bad, counts,
        )  # fmt: skip
        done.note([done.lines + int(n) for n in bad[: min(int(counts[1]), _NOTED)]], int(counts[1]))
        if count:
            spans = {name: (begins[i, :count], ends[i, :count]) for name, i in self._wanted.items()}
            self._rows(_Batch(block.buffer, spans, self._decoder), lines[:count].astype(np.int64) + done.lines, done)
        done.lines += int(counts[0])
        return at

    def _rows(self, batch: _Batch, lines: npt.NDArray[np.int64], done: _Parsed) -> None:
        times, stamps = batch.times()
        done.naive = done.naive or bool((stamps == kernels.NAIVE).any())
        done.stamped = done.stamped or bool((stamps == kernels.STAMPED).any())
        times = self._zone.to_utc(times, stamps)
        client, name = batch.address("client"), batch.domain("name")
        named = name.table(lambda text: int(bool(text))) == 1
        good = (stamps != kernels.NO_STAMP) & (client.codes >= 0) & named & (times > LEAST_TIME) & (times < MOST_TIME)
        done.note(lines[~good][:_NOTED].tolist(), int((~good).sum()))
        columns = {"client": client.arrow(), "name": name.arrow(), **self._others(batch)}
        keep = pa.array(good)
        done.rows.append((times[good], lines[good], {k: v if good.all() else v.filter(keep) for k, v in columns.items()}))

    def _others(self, batch: _Batch) -> dict[str, pa.Array]:
        answer = batch.text("answer")
        parts = [_answer(text) for text in answer.values.to_pylist()]
        rcode = values.merged(answer.codes, pa.array([code for code, _ in parts], pa.string()))
        given = batch.text("rcode").fixed(lambda text: text.upper() if text not in ("", "-") else None)
        empty = Column(answer.codes, pa.array([str(int(items is None)) for _, items in parts], pa.string())).table(int)
        codes = np.where(empty == 0, answer.codes, -1).astype(np.int32)
        return {
            "qtype": batch.text("qtype").fixed(lambda text: text.upper() if text not in ("", "-") else None).arrow(),
            "server": batch.address("server").arrow(),
            "rcode": values.either(rcode, given, given.codes >= 0).arrow(),
            "answers": lists(codes, [items or [] for _, items in parts]),
            "additional": constant(None, len(batch)),
        }


def read(file: EvidenceFile, context: ReadContext) -> FileRead:
    """Read one list of lookups into `dns_queries`. Trouble becomes problems, never an exception. Raises WorkspaceError."""
    tally = Tally(file, context)
    sha256, naive, zone, shows_answers, decoder = "", False, Zone(), False, Decoder()
    unknown = Unknown((*_NEEDED, *_MORE))
    try:
        zone = Zone.of_site(context.site.source(file.name, KIND).time_zone)
    except EvidenceError as error:
        tally.trouble(error)
    try:
        header = header_of(_first_line(file.head()))
        if header is None:
            remedy = "let it begin with the line: time,client,name,answer"
            raise EvidenceError("its first line does not name its columns", place="line 1", remedy=remedy)
        unknown.columns(header.names)
        shows_answers = "answer" in header.columns or "rcode" in header.columns
        with file.open(context.progress) as stream:
            text = TextFile(stream)
            line = 1
            for parsed in text.parsed(_Parser(header, zone, decoder)):
                for times, lines, columns in parsed.rows:
                    tally.add("dns_queries", times, {"place": lines + line, **columns})
                tally.bad_at(sorted(line + n for n in parsed.bad_lines), parsed.bad)
                naive, line = naive or parsed.naive, line + parsed.lines
            sha256 = stream.sha256
            if text.error is not None:
                raise text.error
    except EvidenceError as error:
        tally.trouble(error)
    blind = BLIND if shows_answers else (_NO_ANSWERS, *BLIND)
    notes = (*((CP932,) if decoder.cp932 else ()), *unknown.notes())
    known = (zone.name, zone.known) if naive else ("UTC", "stamped")
    return tally.finish(sha256, KIND, zone=known, remedy=_REMEDY, blind=blind, notes=notes)
