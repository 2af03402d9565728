"""Which of the files that were given are evidence, what they are called in output, and reading them all.

A file counts by its content, not by its name. Of a folder's files those that are no evidence are passed over (a
README, a table of the truth, a log of another program); but one that cannot be read at all, or that its name says is
evidence (`x.pcap`, `conn.log`) and whose content is not, or that is evidence but for its first line, is a hole that
coverage shows. What is behind a path is told by `walk`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from wormward.evidence import dns_csv, walk, zeek
from wormward.evidence.blocks import text_of
from wormward.evidence.clock_error import Corrected, corrected
from wormward.evidence.clock_unset import Doubting, dated
from wormward.evidence.files import EvidenceFile
from wormward.evidence.registry import READERS, reader_of
from wormward.model.errors import EvidenceError
from wormward.model.own import OWN_MARKS
from wormward.model.reading import FileRead, ReadContext
from wormward.model.site import Site
from wormward.model.states import Coverage, Problem, Skip
from wormward.model.text import printable

_PACKED = (".gz", ".xz", ".zst")
_CAPTURES = (".pcap", ".pcapng", ".cap")
_ZEEK_NAMES = frozenset(f"{log}.log" for log in zeek.LOGS)
_UNPACK = "unpack it and give what is in it"
# First bytes of what people give by mistake, and what to do about it.
KNOWN: tuple[tuple[int, bytes, str, str], ...] = (
    (0, b"PK\x03\x04", "is a zip archive", _UNPACK),
    (0, b"BZh", "is packed with bzip2", _UNPACK),
    (0, b"7z\xbc\xaf\x27\x1c", "is a 7-Zip archive", _UNPACK),
    (0, b"Rar!", "is a RAR archive", _UNPACK),
    (257, b"ustar", "is a tar archive", _UNPACK),
    (0, b"ElfFile\0", "is a Windows event log", "this version reads network evidence only"),
    (0, b"regf", "is a Windows registry hive", "this version reads network evidence only"),
    (0, b"\x0c\xa5", "is an nfdump file", "give captures, Zeek logs or DNS query logs of the same network"),
)


@dataclass(frozen=True, slots=True)
class Discovery:
    """`files` to read, in the order of their names; what was `unreadable`; by name, what was `passed` over in folders."""

    files: tuple[EvidenceFile, ...]
    unreadable: tuple[FileRead, ...]
    passed: tuple[tuple[Skip, str], ...] = ()


def _named(found: Sequence[walk.Found], taken: Mapping[str, str]) -> dict[Path, str]:
    """A name for each path: what the user gave and what is below, with as much before it as tells equal ones apart.

    `taken` are names that files of earlier runs have, and the paths where these lay.
    """
    depth = {f.path: len(f.shown) for f in found}
    while True:
        names: dict[tuple[str, ...], list[Path]] = {}
        for path, count in depth.items():
            names.setdefault(path.parts[-count:], []).append(path)
        told = {parts: "/".join(printable(part) for part in parts) for parts in names}
        clashes = [
            path
            for parts, group in names.items()
            for path in group
            if (len(group) > 1 or taken.get(told[parts], str(path)) != str(path)) and depth[path] < len(path.parts) - 1
        ]
        if not clashes:
            return {path: told[path.parts[-count:]] for path, count in depth.items()}
        for path in clashes:
            depth[path] += 1


def _hinted(name: str) -> bool:
    """True if a file's name says that it is evidence."""
    base = name.rpartition("/")[2].lower()
    for packed in _PACKED:
        base = base.removesuffix(packed)
    return base.endswith(_CAPTURES) or base in _ZEEK_NAMES


def _unknown(head: bytes) -> EvidenceError:
    """Why a file is not evidence that can be read."""
    if not head:
        return EvidenceError("is empty", remedy="check whether it was copied whole")
    if any(mark in head for mark in OWN_MARKS):
        return EvidenceError("is a report that this program wrote", remedy="give the evidence that the report names")
    for offset, magic, what, remedy in KNOWN:
        if head[offset : offset + len(magic)] == magic:
            return EvidenceError(what, remedy=remedy)
    log = zeek.other_log(text_of(head))
    if log is not None:
        return EvidenceError(f"is Zeek's {printable(log, 40)} log, which is not used", remedy=f"used are {', '.join(zeek.LOGS)}")
    kinds = ", ".join(reader.title for reader in READERS)
    remedy = f"known are: {kinds}, also packed as .gz, .xz or .zst"
    return _headless(head) or zeek.untold(head) or EvidenceError("is of no kind that is known here", remedy=remedy)


def _headless(head: bytes) -> EvidenceError | None:
    """What is missing in a file that would be evidence if it began as it should; None for any other."""
    return zeek.headless(head) or dns_csv.headless(head)


def _unreadable(name: str, file_no: int, error: EvidenceError) -> FileRead:
    problem = Problem(error.what, error.place, error.remedy)
    coverage = Coverage(name, "", "unknown", "line", None, None, "UTC", "assumed", {}, (problem,))
    return FileRead(file_no, coverage)


def _recognised(file: EvidenceFile, given: bool) -> EvidenceFile | EvidenceError | Skip | None:
    """The file with its kind; why it cannot be read; that it is merely no evidence; or None for a report of our own."""
    try:
        head = file.head()
    except EvidenceError as error:
        return error
    reader = reader_of(head, file.name)
    if reader is not None:
        return replace(file, kind=reader.kind)
    if given or _hinted(file.name):
        return _unknown(head)
    if any(mark in head for mark in OWN_MARKS):
        return None
    return _headless(head) or Skip.NO_EVIDENCE


def discover(
    paths: Sequence[Path],
    site: Site | None = None,
    separate: bool = False,
    *,
    first: int = 0,
    taken: Mapping[str, str] = MappingProxyType({}),
) -> Discovery:
    """Look at files and folders in any mix. Numbers of files follow their names, not the order of `paths`.

    They begin with `first`; names that earlier runs gave (`taken`, with the paths) are given to no other file. With
    `separate` each file of which `site` does not say whose it is, is a site of its own, named after the file. Raises
    nothing: trouble is in `unreadable`.
    """
    site = site or Site()
    roots: list[tuple[walk.Found, list[walk.Found]]] = []
    found: dict[Path, walk.Found] = {}
    for path in paths:
        root, files = walk.given(path)
        roots.append((root, files))
        found.update({file.path: file for file in files if file.given or file.path not in found})
    names = _named([*found.values(), *(root for root, _ in roots)], taken)
    files_out: list[EvidenceFile] = []
    unreadable: list[FileRead] = []
    passed: list[tuple[Skip, str]] = []
    used: set[Path] = set()
    for number, file in enumerate(sorted(found.values(), key=lambda f: (names[f.path], str(f.path))), first):
        name = names[file.path]
        result: EvidenceFile | EvidenceError | Skip | None = file.trouble or file.skip
        if result is None:
            evidence = EvidenceFile(file.path, name, number, name if separate else site.name, _size(file.path))
            result = _recognised(evidence, file.given)
        if isinstance(result, EvidenceFile):
            files_out.append(replace(result, site=site.source(name, result.kind).site or result.site))
            used.add(file.path)
        elif isinstance(result, EvidenceError):
            unreadable.append(_unreadable(name, number, result))
            used.add(file.path)
        elif result is not None:
            passed.append((result, name))
    for count, (root, files) in enumerate(roots):
        if not any(file.path in used for file in files):
            error = EvidenceError("holds no evidence", remedy=_wanted(files))
            unreadable.append(_unreadable(names[root.path] + "/", first + len(found) + count, error))
    return Discovery(tuple(files_out), tuple(unreadable), tuple(passed))


def _wanted(files: Sequence[walk.Found]) -> str:
    """What to give instead of a folder that holds no evidence."""
    if any(file.skip is Skip.LINK for file in files):
        return "links in folders are not followed: give what they lead to"
    return "give captures, Zeek logs or DNS query logs, or a folder with some"


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def read_all(files: Sequence[EvidenceFile], context: ReadContext) -> list[FileRead]:
    """Read all files into the tables of `context.sink`; what each gave, in the order of `files`.

    One file after the other; readers use two threads a file, and the rows are the same for any number. Times come
    corrected by the clock errors that the site tells. Raises WorkspaceError if rows cannot be stored, else nothing:
    trouble is in each file's coverage.
    """
    kinds = {file.file_no: file.kind or _kind(file) for file in files}
    errors = {f.file_no: error for f in files if (error := context.site.source(f.name, kinds[f.file_no]).clock_error_s)}
    if errors:
        context = replace(context, sink=Corrected(context.sink, errors))
    done: dict[int, FileRead] = {}
    for reader in READERS:
        mine = [file for file in files if kinds[file.file_no] == reader.kind]
        if reader.read_group is not None:
            reads = reader.read_group(mine, context) if mine else []
        else:
            assert reader.read is not None  # noqa: S101 - see Reader
            reads = [_read(reader.read, file, context, doubted=file.file_no not in errors) for file in mine]
        done |= {read.file_no: corrected(read, errors.get(read.file_no, 0)) for read in reads}
    return [done[file.file_no] for file in files if file.file_no in done]


def _read(
    read: Callable[[EvidenceFile, ReadContext], FileRead], file: EvidenceFile, context: ReadContext, *, doubted: bool
) -> FileRead:
    """Read one log; where its clock cannot be right and nobody said so, by the clock that its looked-up names tell."""
    if context.dating is None or not doubted:
        return read(file, context)
    sink = Doubting(context.sink, context.dating())
    done = read(file, replace(context, sink=sink))
    return dated(done, sink.finish(file.file_no))


def _kind(file: EvidenceFile) -> str:
    result = _recognised(file, True)
    return result.kind if isinstance(result, EvidenceFile) else ""
