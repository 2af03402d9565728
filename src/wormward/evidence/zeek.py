"""Zeek's logs: conn, dns, http, smb_mapping, smb_files, dce_rpc, ntlm and dhcp, as tab-separated text or JSON.

A tab-separated log says itself what it is (`#separator`, `#path`, `#fields`, …); in JSON a field `_path` does, or the
fields that only one of the logs has. Columns are found by name: a log that lacks some is read for what it has.
Logs that were joined end to end are read each by its own header. Reference: Zeek's logging framework, `LogAscii`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from wormward.evidence import kernels, zeek_json, zeek_tables
from wormward.evidence.blocks import Block, TextFile, text_of
from wormward.evidence.files import EvidenceFile
from wormward.evidence.rows import LEAST_TIME, MOST_TIME, Tally
from wormward.evidence.values import Decoder
from wormward.evidence.zeek_fields import Fields, TsvFields
from wormward.model.errors import EvidenceError
from wormward.model.reading import FileRead, ReadContext
from wormward.model.states import Problem
from wormward.model.text import N_, printable, printable_bytes

LOGS = tuple(zeek_tables.LOGS)
BLIND = (
    N_("Zeek's logs do not show what calls and payloads said: exploit requests and peer-to-peer packets cannot be judged."),
    N_("Zeek's smb_files log shows which files were opened, not what was written; for SMB1 it does not name the share."),
    N_("Zeek's ntlm log often has no outcome for logons that were refused, and one row a connection."),
    N_("Zeek's dce_rpc log has answered calls only: a call that made the service crash is not in it."),
    N_("Zeek's http log shows the names of request headers only where the script header-names is loaded."),
    N_("Zeek's smb_mapping log shows shares that were opened, not attempts that were refused."),
)
"""What Zeek's logs cannot show."""
_BLIND_OF = {
    "conn": (BLIND[0],),
    "http": (BLIND[4],),
    "smb_files": (BLIND[1],),
    "smb_mapping": (BLIND[5],),
    "dce_rpc": (BLIND[0], BLIND[3]),
    "ntlm": (BLIND[2],),
}
_REMEDY = "look at these lines: a copy may be cut or damaged"
_ROWS = 1 << 15
_NOTED = 3

_HEADER = re.compile(rb"^\s*#separator (\S+)[\r\n]")
_KEY = re.compile(rb'"([A-Za-z0-9_.]{1,40})"\s*:')
_DIRECTIVE = re.compile(rb"^#(?:fields|types|path)\t", re.MULTILINE)
_ROW = re.compile(rb"\d{9,10}\.\d{1,6}\tC[A-Za-z0-9]{8,24}\t[0-9A-Fa-f.:]{3,45}\t")
_JSON_PATH = re.compile(rb'"_path"\s*:\s*"([a-z0-9_]{1,40})"')
# Keys of which a log's objects have some that no other log has; the first that fits counts.
_TELLING: tuple[tuple[str, frozenset[str]], ...] = (
    ("conn", frozenset({"conn_state"})),
    ("sip", frozenset({"request_path"})),
    ("http", frozenset({"trans_depth", "method", "uri"})),
    ("dns", frozenset({"query", "qclass"})),
    ("dns", frozenset({"trans_id", "rejected"})),
    ("smb_files", frozenset({"action", "name", "size"})),
    ("smb_mapping", frozenset({"share_type", "path"})),
    ("dce_rpc", frozenset({"endpoint", "operation"})),
    ("dhcp", frozenset({"uids", "msg_types"})),
    ("ntlm", frozenset({"domainname"})),
    ("ntlm", frozenset({"server_nb_computer_name"})),
    ("ntlm", frozenset({"server_dns_computer_name"})),
    # What logs have that a collector thinned out; other logs of Zeek have these keys only beside some of the above.
    ("dns", frozenset({"query"})),
    ("http", frozenset({"method", "uri"})),
    ("smb_mapping", frozenset({"path", "service"})),
)


def _tsv_log(text: bytes) -> str | None:
    """The log that a tab-separated header names; None if there is no such header."""
    header = _HEADER.match(text)
    if not header:
        return None
    path = re.search(rb"^#path" + re.escape(_separator(header[1])) + rb"([^\r\n]+)", text, re.MULTILINE)
    return path[1].decode("ascii", "replace") if path else ""


def _json_log(text: bytes) -> str | None:
    """The log that JSON objects belong to, as far as their keys tell; None if these are none of Zeek's."""
    if not text.lstrip().startswith(b"{"):
        return None
    keys = {key.decode() for key in _KEY.findall(text)}
    if "ts" not in keys or not keys & {"uid", "uids", "id.orig_h", "id_orig_h"}:
        return None
    path = _JSON_PATH.search(text)
    if path:
        return path[1].decode()
    return next((log for log, telling in _TELLING if telling <= keys), "")


def log_of(head: bytes) -> str | None:
    """Which of Zeek's logs begins like `head`: its name, "" if it does not tell, None if it is none of Zeek's."""
    text = text_of(head)
    log = _tsv_log(text)
    return log if log is not None else _json_log(text)


def recognise(head: bytes, name: str) -> bool:  # noqa: ARG001 - names are not asked
    """True if these are the first bytes of one of the LOGS."""
    return log_of(head) in LOGS


def other_log(text: bytes) -> str | None:
    """The name of a Zeek log that we do not use; None if this is none."""
    log = log_of(text)
    return log if log and log not in LOGS else None


def headless(head: bytes) -> EvidenceError | None:
    """That a file is one of Zeek's logs but for what tells which one, and what is missing; None if it is something else."""
    text = text_of(head)
    if _tsv_log(text) == "":
        remedy = "put a line of #path, a tab and the log's name below #separator, or give the log as Zeek wrote it"
        return EvidenceError("is a Zeek log whose first lines do not say which log (#path is missing)", remedy=remedy)
    if _DIRECTIVE.search(text) and not _HEADER.match(text):
        remedy = r"let its first line be: #separator \x09"
        return EvidenceError("looks like a Zeek log without its first line", place="line 1", remedy=remedy)
    if _ROW.match(text):
        remedy = "put Zeek's own first lines before it, #separator to #types: another file of the same log has them"
        return EvidenceError("looks like a Zeek log without the lines that name its columns", place="line 1", remedy=remedy)
    return None


def untold(head: bytes) -> EvidenceError | None:
    """That a file is one of Zeek's logs in JSON, but which one cannot be told: most often one that is not used."""
    if _json_log(text_of(head)) != "":
        return None
    what = "looks like a Zeek log in JSON, but nothing in it tells which log"
    remedy = f'used are {", ".join(LOGS)}; if it is one of them, let each object name it, for example "_path":"dns"'
    return EvidenceError(what, remedy=remedy)


@dataclass(slots=True)
class _Made:
    """What one block gave; lines count from 0 at its first."""

    rows: list[zeek_tables.Rows] = field(default_factory=list)
    lines: int = 0
    bad: int = 0
    bad_lines: list[int] = field(default_factory=list)

    def note(self, lines: list[int], count: int) -> None:
        self.bad += count
        self.bad_lines += lines[:_NOTED]

    def add(self, log: zeek_tables.Log, fields: Fields) -> None:
        """Map rows of one log; those without time or addresses are bad lines."""
        times, known = fields.number("ts", 6)
        made, good = log.rows(fields, times)
        good = good & known & (times > LEAST_TIME) & (times < MOST_TIME)
        self.note(fields.lines[~good][:_NOTED].tolist(), int((~good).sum()))
        self.rows += made if good.all() else [rows.kept(np.isin(rows.lines, fields.lines[good])) for rows in made]


class _Header:
    """What a tab-separated log's directives have said so far."""

    def __init__(self) -> None:
        self.separator = b"\t"
        self.sets, self.empty, self.unset = b",", b"(empty)", b"-"
        self.path = ""
        self.fields: tuple[str, ...] = ()

    def directive(self, line: bytes) -> None:
        """Take in one line that begins with `#`."""
        if line.startswith(b"#separator "):
            self.separator = _separator(line.partition(b" ")[2])
            return
        word, _, rest = line.partition(self.separator)
        if word == b"#set_separator":
            self.sets = rest or self.sets
        elif word == b"#empty_field":
            self.empty = rest
        elif word == b"#unset_field":
            self.unset = rest
        elif word == b"#path":
            self.path = rest.decode("ascii", "replace")
        elif word == b"#fields":
            self.fields = tuple(printable_bytes(name) for name in rest.split(self.separator))


def _separator(text: bytes) -> bytes:
    r"""A separator as the header writes it: ``\x09``, or the character itself."""
    escaped = re.fullmatch(rb"\\x([0-9A-Fa-f]{2})", text.strip())
    return bytes.fromhex(escaped[1].decode()) if escaped else text[:1] or b"\t"


class _TsvParser:
    """Blocks of a tab-separated log in, rows out. Blocks must come in order: headers hold for what follows them."""

    def __init__(self, decoder: Decoder) -> None:
        self._header = _Header()
        self._decoder = decoder
        self.problems: dict[str, None] = {}
        self.seen: set[str] = set()

    def __call__(self, block: Block) -> _Made:
        done = _Made()
        at = block.begin
        while at < block.stop:
            if block.buffer[at] == kernels.HASH or (not self._header.fields and self._is_directive(block, at)):
                at = self._directive(block, at)
                done.lines += 1
            else:
                at = self._some(block, at, done)
        return done

    def _line(self, block: Block, at: int) -> tuple[bytes, int]:
        end = at
        while end < block.stop and block.buffer[end] != kernels.NEWLINE:
            end += 1
        return bytes(block.buffer[at:end]), end + 1

    def _is_directive(self, block: Block, at: int) -> bool:
        return self._line(block, at)[0].lstrip().startswith(b"#")

    def _directive(self, block: Block, at: int) -> int:
        line, after = self._line(block, at)
        self._header.directive(line.strip(b" \r") if line.startswith(b"#") else line.strip())
        return after

    def _log(self) -> tuple[zeek_tables.Log | None, tuple[str, ...]]:
        """The log that the header announces and its columns' names as Zeek has them; None if it cannot be read."""
        header = self._header
        log = zeek_tables.LOGS.get(header.path)
        names = tuple(name if name != f"id_{name[3:]}" else f"id.{name[3:]}" for name in header.fields)
        if log is None:
            self.problems[f"part of it is Zeek's {printable(header.path, 40)!r} log, which is not used"] = None
            return None, names
        missing = [c for c in ("ts", *log.needed) if c not in names]
        if missing:
            self.problems[f"lacks the column{'s' if len(missing) > 1 else ''} {', '.join(missing)}"] = None
            return None, names
        return log, names

    def _some(self, block: Block, at: int, done: _Made) -> int:
        """Rows up to the next directive, as many as one batch holds."""
        log, names = self._log()
        wanted = {name: i for i, name in enumerate(c for c in (log.columns if log else ()) if c in names)}
        columns = np.array([wanted.get(name, -1) for name in names] or [-1], np.int32)
        lines = np.empty(_ROWS, np.int32)
        begins, ends = np.empty((2, max(1, len(wanted)), _ROWS), np.int32)
        bad, counts = np.zeros(_NOTED, np.int64), np.zeros(2, np.int64)
        rows = (columns, lines, begins, ends)
        separator, width = self._header.separator[0], max(1, len(names))
        count, at = kernels.split_lines(block.buffer, at, block.stop, separator, -1, width, *rows, bad, counts)
        done.note([done.lines + int(n) for n in bad[: min(int(counts[1]), _NOTED)]], int(counts[1]))
        if log is not None and count:
            self.seen.add(log.name)
            spans = {name: (begins[i, :count], ends[i, :count]) for name, i in wanted.items()}
            header = self._header
            places = lines[:count].astype(np.int64) + done.lines
            fields = TsvFields(
                block.buffer, places, spans, unset=header.unset, empty=header.empty, separator=header.sets, decoder=self._decoder
            )
            done.add(log, fields)
        done.lines += int(counts[0])
        return at


class _JsonParser:
    """Blocks of JSON objects in, rows out."""

    def __init__(self, log: str | None) -> None:
        self._log = log
        self.problems: dict[str, None] = {}
        self.seen: set[str] = set()

    def __call__(self, block: Block) -> _Made:
        done = _Made()
        fields, done.lines, bad = zeek_json.parse(block)
        done.note(list(bad[:_NOTED]), len(bad))
        for name, rows in zeek_json.logs_of(fields, self._log):
            log = zeek_tables.LOGS.get(name)
            if log is not None and len(rows.lines):
                self.seen.add(log.name)
                done.add(log, rows)
        return done


def _made(text: TextFile, parser: _TsvParser | _JsonParser) -> Iterator[_Made]:
    # One thread parses while another reads: what a header says must be known before the lines below it.
    return text.parsed(parser, threads=1)


def read(file: EvidenceFile, context: ReadContext) -> FileRead:
    """Read one log. Trouble becomes problems of its coverage, never an exception. Raises WorkspaceError."""
    tally = Tally(file, context)
    sha256, log, seen = "", "", set[str]()
    try:
        head = file.head()
        log = log_of(head) or ""
        is_tsv = _tsv_log(text_of(head)) is not None
        parser: _TsvParser | _JsonParser = _TsvParser(Decoder()) if is_tsv else _JsonParser(log)
        seen = parser.seen
        with file.open(context.progress) as stream:
            text = TextFile(stream)
            line = 1
            for made in _made(text, parser):
                for rows in made.rows:
                    tally.add(rows.table, rows.times, {"place": rows.lines + line, **rows.columns})
                tally.bad_at(sorted(line + n for n in made.bad_lines), made.bad)
                line += made.lines
            tally.problems += [Problem(what, None, "give the log as Zeek wrote it") for what in parser.problems]
            sha256 = stream.sha256
            if text.error is not None:
                raise text.error
    except EvidenceError as error:
        tally.trouble(error)
    kind = f"zeek-{log}" if seen <= {log} else "zeek"
    blind = tuple(dict.fromkeys(msg for name in sorted(seen | {log}) for msg in _BLIND_OF.get(name, ())))
    return tally.finish(sha256, kind, remedy=_REMEDY, blind=blind)
