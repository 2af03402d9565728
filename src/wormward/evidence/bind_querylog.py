"""BIND 9 query logs: who asked for which name, when, at which server.

All forms of `print-time` (local, iso8601, iso8601-utc), with or without category and severity, with or without the
client object's number, a key and a view. Other messages in the same file are passed over. A query log says nothing of
answers. References: BIND 9 ARM, "logging" and "querylog"; checked against a running BIND in the tests.

Limitations: without `print-time` a line has no time and cannot be used; the same goes for syslog's stamps, which have
no year. Local times of the hour that a change to winter time repeats are taken for the first.
"""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from wormward.evidence import bind_scan as bs
from wormward.evidence import kernels
from wormward.evidence.blocks import Block, TextFile, text_of
from wormward.evidence.files import EvidenceFile
from wormward.evidence.rows import LEAST_TIME, MOST_TIME, Tally, Zone, constant
from wormward.evidence.values import Decoder, address, bind_name
from wormward.evidence.vocabulary import MOST, Vocabulary, odd_names
from wormward.model.errors import EvidenceError
from wormward.model.reading import Coded, FileRead, ReadContext
from wormward.model.text import N_

KIND = "bind-querylog"
BLIND = (
    N_("A query log does not show answers: whether a name existed cannot be told."),
    N_("A query log shows lookups at this server only; hosts that ask another resolver are not in it."),
    N_("Where hosts ask through a forwarder, its address stands in the log instead of theirs."),
)

_ROWS = 1 << 16  # queries that one call of the scanner may give; its arrays stay in the processor's cache
_NOTED = 3  # bad lines that a report names

_TIME = rb"(?:\d\d-[A-Za-z]{3}-\d{4} \d\d:\d\d:\d\d(?:\.\d+)?|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\S*)"
_QUERY_LINE = re.compile(rb"client (?:@0x[0-9A-Fa-f]+ )?[0-9A-Fa-f.:%a-z]+#\d+[^\r\n]*: query: \S+ \S+ \S+")
_OTHER_LINE = re.compile(
    rb"^" + _TIME + rb" (?:starting BIND 9|(?:general|default|config|database|network|notify|queries|query-errors|resolver|"
    rb"client|security|update|xfer-in|xfer-out|zoneload|lame-servers|dnssec|rate-limit|rpz|serve-stale|trust-anchor-telemetry): "
    rb"(?:critical|error|warning|notice|info|debug \d+): )"
)


def recognise(head: bytes, name: str) -> bool:  # noqa: ARG001 - names are not asked
    """True if one of the first lines is a BIND query, or the first is another message of BIND."""
    text = text_of(head)
    return bool(_QUERY_LINE.search(text) or _OTHER_LINE.match(text))


class _Scratch(threading.local):
    """What one thread uses again for each block: arrays cost more to make than to fill, and names come again."""

    def __init__(self, decoder: Decoder) -> None:
        self.times = np.empty(_ROWS, np.int64)
        self.stamps = np.empty(_ROWS, np.int8)
        self.lines = np.empty(_ROWS, np.int32)
        self.spans = np.empty((4, _ROWS), np.int32)
        self.ends = np.empty(_ROWS, np.int32)
        self.endings = np.empty((6, _ROWS), np.int32)
        self.known = np.empty(bs.ENDINGS, np.int32)
        self.known_marks = np.empty(_ROWS, np.uint64)
        self._decoder = decoder
        self._renew()

    def _renew(self) -> None:
        self.client = Vocabulary(kernels.no_dotted_quads, address)
        self.server = Vocabulary(kernels.no_dotted_quads, address)
        self.name = Vocabulary(odd_names, bind_name, fold=True)
        self.qtype = Vocabulary(kernels.unprintable, self._decoder.text)

    def bound(self) -> None:
        """Begin with new vocabularies if these grew large."""
        if self.client.size + self.server.size + self.name.size + self.qtype.size > MOST:
            self._renew()


@dataclass(frozen=True, slots=True)
class _Queries:
    """The queries of some lines; `lines` count from 0 at the block's first."""

    times: npt.NDArray[np.int64]
    lines: npt.NDArray[np.int64]
    client: Coded
    server: Coded
    name: Coded
    qtype: Coded

    def kept(self, rows: npt.NDArray[np.bool_]) -> _Queries:
        """Only some of them."""
        columns = (c.kept(rows) for c in (self.client, self.server, self.name, self.qtype))
        return _Queries(self.times[rows], self.lines[rows], *columns)

    def columns(self, first_line: int) -> dict[str, pa.Array | Coded]:
        """What the table needs besides site and time; `first_line` is the block's, counted from 1."""
        count = len(self.times)
        return {
            "place": pa.array(self.lines + first_line),
            "client": self.client,
            "server": self.server,
            "name": self.name,
            "qtype": self.qtype,
            "rcode": constant(None, count),
            "answers": constant(None, count),
            "additional": constant(None, count),
        }


@dataclass(slots=True)
class _Scanned:
    """What one block gave; line numbers count from 0 at its first."""

    queries: list[_Queries] = field(default_factory=list)
    lines: int = 0
    bad: int = 0
    timeless: int = 0
    naive: bool = False
    bad_lines: list[int] = field(default_factory=list)


class _Scanner:
    """Blocks in, queries out; may be called from several threads."""

    def __init__(self, zone: Zone, fast: bool) -> None:
        self.zone = zone
        self.decoder = Decoder()
        self._fast = fast
        self._scratch = _Scratch(self.decoder)

    def __call__(self, block: Block) -> _Scanned:
        done = _Scanned()
        at = block.begin
        while at < block.stop:
            at = self._some(block, at, done)
        return done

    def _some(self, block: Block, at: int, done: _Scanned) -> int:
        """Scan as many lines as the scratch arrays have room for; where the next one begins."""
        s = self._scratch
        s.bound()
        counts, bad = np.zeros(5, np.int64), np.zeros(_NOTED, np.int64)
        rows = (s.times, s.stamps, s.lines, s.spans, s.ends, s.endings)
        scanned = bs.scan(block.buffer, at, block.stop, self._fast, *rows, s.known, s.known_marks, counts, bad)
        count, endings, at = scanned
        unusable = int(counts[bs.BAD] + counts[bs.TIMELESS])
        done.bad_lines += [done.lines + int(line) for line in bad[: min(unusable, _NOTED)]]
        done.bad += int(counts[bs.BAD])
        done.timeless += int(counts[bs.TIMELESS])
        if count:
            done.queries.append(self._queries(block.buffer, count, endings, done))
        done.lines += int(counts[bs.LINES])
        return at

    def _queries(self, buffer: kernels.Bytes, count: int, endings: int, done: _Scanned) -> _Queries:
        """What `_scratch` holds, without queries whose client is no address or whose time cannot be."""
        s = self._scratch
        stamps = s.stamps[:count]
        done.naive = done.naive or bool((stamps == kernels.NAIVE).any())
        spans, ends = s.spans[:, :count], s.ends[:count]
        qtype = s.qtype.coded(buffer, s.endings[bs.QTYPE, :endings], s.endings[bs.QTYPE_END, :endings])
        server = s.server.coded(buffer, s.endings[bs.SERVER, :endings], s.endings[bs.SERVER_END, :endings])
        queries = _Queries(
            self.zone.to_utc(s.times[:count], stamps).copy(),
            s.lines[:count].astype(np.int64) + done.lines,
            s.client.coded(buffer, spans[bs.CLIENT], spans[bs.CLIENT_END]),
            Coded(server.codes[ends], server.words),
            s.name.coded(buffer, spans[bs.NAME], spans[bs.NAME_END]),
            Coded(qtype.codes[ends], qtype.words),
        )
        good = s.client.good(queries.client.codes) & (queries.times > LEAST_TIME) & (queries.times < MOST_TIME)
        if good.all():
            return queries
        done.bad += int((~good).sum())
        done.bad_lines += queries.lines[~good][:_NOTED].tolist()
        return queries.kept(good)


def read(file: EvidenceFile, context: ReadContext, fast: bool = True) -> FileRead:
    """Read one query log into `dns_queries`. Trouble becomes problems of its coverage, never an exception.

    `fast` False takes the general path for every line; the rows are the same (tests compare). Raises WorkspaceError.
    """
    tally = Tally(file, context)
    sha256, naive, timeless, zone = "", False, 0, Zone()
    try:
        zone = Zone.of_site(context.site.source(file.name, KIND).time_zone)
    except EvidenceError as error:
        tally.trouble(error)
    scanner = _Scanner(zone, fast)
    try:
        with file.open(context.progress) as stream:
            text = TextFile(stream)
            line = 1
            for scanned in text.parsed(scanner):
                for queries in scanned.queries:
                    tally.add("dns_queries", queries.times, queries.columns(line))
                tally.bad_at([line + n for n in sorted(scanned.bad_lines)], scanned.bad + scanned.timeless)
                naive, timeless, line = naive or scanned.naive, timeless + scanned.timeless, line + scanned.lines
            sha256 = stream.sha256
            if text.error is not None:
                raise text.error
    except EvidenceError as error:
        tally.trouble(error)
    remedy = (
        "switch on print-time for this channel in named.conf (syslog's stamps have no year)"
        if timeless
        else "look at these lines: a copy may be cut or damaged"
    )
    return tally.finish(sha256, KIND, zone=(zone.name, zone.known) if naive else ("UTC", "stamped"), remedy=remedy, blind=BLIND)
