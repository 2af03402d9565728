"""Which of the files that were given are evidence, what they are called in output, and reading them all.

A file counts by its content, not by its name. Of a folder's files those that are no evidence are passed over (a
README, a table of the truth, a log of another program); but one that cannot be read at all, or that its name says is
evidence (`x.pcap`, `conn.log`) and whose content is not, is a hole that coverage shows. Links in folders are not
followed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from wormward.evidence import zeek
from wormward.evidence.blocks import text_of
from wormward.evidence.files import EvidenceFile
from wormward.evidence.registry import READERS, reader_of
from wormward.model.errors import EvidenceError
from wormward.model.reading import FileRead, ReadContext
from wormward.model.site import Site
from wormward.model.states import Coverage, Problem
from wormward.model.text import printable

_PACKED = (".gz", ".xz", ".zst")
_CAPTURES = (".pcap", ".pcapng", ".cap")
_ZEEK_NAMES = frozenset(f"{log}.log" for log in zeek.LOGS)
_UNPACK = "unpack it and give what is in it"
# First bytes of what people give by mistake, and what to do about it.
_KNOWN: tuple[tuple[int, bytes, str, str], ...] = (
    (0, b"PK\x03\x04", "is a zip archive", _UNPACK),
    (0, b"BZh", "is packed with bzip2", _UNPACK),
    (0, b"7z\xbc\xaf\x27\x1c", "is a 7-Zip archive", _UNPACK),
    (0, b"Rar!", "is a RAR archive", _UNPACK),
    (257, b"ustar", "is a tar archive", _UNPACK),
    (0, b"ElfFile\0", "is a Windows event log", "this version reads network evidence only"),
    (0, b"regf", "is a Windows registry hive", "this version reads network evidence only"),
    (0, b"\x0c\xa5", "is an nfdump file", "give captures, Zeek logs or DNS query logs of the same network"),
    (0, b'{"timestamp"', "looks like Suricata's eve.json", "give captures, Zeek logs or DNS query logs of the same network"),
)


@dataclass(frozen=True, slots=True)
class Discovery:
    """`files` to read, in the order of their names; what was `unreadable`; and what is no evidence, by name."""

    files: tuple[EvidenceFile, ...]
    unreadable: tuple[FileRead, ...]
    ignored: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Found:
    """A file, the parts of its path that output may show, and how it came in."""

    path: Path
    shown: tuple[str, ...]  # last parts of the path
    given: bool  # named by the user, not found in a folder
    trouble: EvidenceError | None = None


def _walk(folder: Path, shown: tuple[str, ...]) -> Iterator[_Found]:
    """Regular files below a folder in sorted order; a folder that cannot be listed comes as trouble."""
    try:
        entries = sorted(os.scandir(folder), key=lambda e: e.name)
    except OSError as error:
        trouble = EvidenceError(f"cannot be listed ({error.strerror or error})", remedy="check that you may read this folder")
        yield _Found(folder, shown, True, trouble)
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(folder / entry.name, (*shown, entry.name))
        elif entry.is_file(follow_symlinks=False):
            yield _Found(folder / entry.name, (*shown, entry.name), False)


def _given(path: Path) -> tuple[_Found, list[_Found]]:
    """What the user named, and what it holds if it is a folder."""
    whole = Path(os.path.abspath(path))
    found = _Found(whole, (whole.name or "root",), True)
    try:
        is_folder, is_file = whole.is_dir(), whole.is_file()
        exists = is_folder or is_file or whole.exists()
    except OSError as error:
        trouble = EvidenceError(f"cannot be opened ({error.strerror or error})", remedy="check that you may read it")
        return replace(found, trouble=trouble), []
    if is_folder:
        return found, list(_walk(whole, found.shown))
    if is_file:
        return found, [found]
    what = "is no regular file" if exists else "is not there"
    remedy = "copy it into a file first" if exists else "check the name"
    return replace(found, trouble=EvidenceError(what, remedy=remedy)), []


def _named(found: Sequence[_Found]) -> dict[Path, str]:
    """A name for each path: what the user gave and what is below, with as much before it as tells equal ones apart."""
    depth = {f.path: len(f.shown) for f in found}
    while True:
        names: dict[tuple[str, ...], list[Path]] = {}
        for path, count in depth.items():
            names.setdefault(path.parts[-count:], []).append(path)
        clashes = [path for group in names.values() if len(group) > 1 for path in group if depth[path] < len(path.parts) - 1]
        if not clashes:
            return {path: "/".join(printable(part) for part in path.parts[-count:]) for path, count in depth.items()}
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
    for offset, magic, what, remedy in _KNOWN:
        if head[offset : offset + len(magic)] == magic:
            return EvidenceError(what, remedy=remedy)
    log = zeek.other_log(text_of(head))
    if log is not None:
        return EvidenceError(f"is Zeek's {printable(log, 40)} log, which is not used", remedy=f"used are {', '.join(zeek.LOGS)}")
    kinds = ", ".join(reader.title for reader in READERS)
    return EvidenceError("is of no kind that is known here", remedy=f"known are: {kinds}, also packed as .gz, .xz or .zst")


def _unreadable(name: str, file_no: int, error: EvidenceError) -> FileRead:
    problem = Problem(error.what, error.place, error.remedy)
    coverage = Coverage(name, "", "unknown", "line", None, None, "UTC", "assumed", {}, (problem,))
    return FileRead(file_no, coverage)


def _recognised(file: EvidenceFile, given: bool) -> EvidenceFile | EvidenceError | None:
    """The file with its kind; why it cannot be read; or None if it is merely no evidence."""
    try:
        head = file.head()
    except EvidenceError as error:
        return error
    reader = reader_of(head, file.name)
    if reader is not None:
        return replace(file, kind=reader.kind)
    return _unknown(head) if given or _hinted(file.name) else None


def discover(paths: Sequence[Path], site: Site | None = None, separate: bool = False) -> Discovery:
    """Look at files and folders in any mix. Numbers of files follow their names, not the order of `paths`.

    With `separate` each file is a site of its own, named after the file. Raises nothing: trouble is in `unreadable`.
    """
    site_name = (site or Site()).name
    roots: list[tuple[_Found, list[_Found]]] = []
    found: dict[Path, _Found] = {}
    for path in paths:
        root, files = _given(path)
        roots.append((root, files))
        for file in files or [root]:
            known = found.get(file.path)
            found[file.path] = replace(file, given=file.given or (known is not None and known.given))
    names = _named([*found.values(), *(root for root, _ in roots)])
    files_out: list[EvidenceFile] = []
    unreadable: list[FileRead] = []
    ignored: list[str] = []
    used: set[Path] = set()
    for number, file in enumerate(sorted(found.values(), key=lambda f: (names[f.path], str(f.path)))):
        name = names[file.path]
        result: EvidenceFile | EvidenceError | None = file.trouble
        if file.trouble is None and file.path.is_file():
            evidence = EvidenceFile(file.path, name, number, name if separate else site_name, _size(file.path))
            result = _recognised(evidence, file.given)
        if isinstance(result, EvidenceFile):
            files_out.append(result)
            used.add(file.path)
        elif isinstance(result, EvidenceError):
            unreadable.append(_unreadable(name, number, result))
            used.add(file.path)
        elif file.path.is_file():
            ignored.append(name)
    for count, (root, files) in enumerate(roots):
        if root.trouble is None and not any(file.path in used for file in files):
            error = EvidenceError("holds no evidence", remedy="give captures, Zeek logs or DNS query logs, or a folder with some")
            unreadable.append(_unreadable(names[root.path] + "/", len(found) + count, error))
    return Discovery(tuple(files_out), tuple(unreadable), tuple(ignored))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def read_all(files: Sequence[EvidenceFile], context: ReadContext, jobs: int = 1) -> list[FileRead]:  # noqa: ARG001
    """Read all files into the tables of `context.sink`; what each gave, in the order of `files`.

    Text readers use two threads a file whatever `jobs` says; the rows are the same for any number. Raises
    WorkspaceError if rows cannot be stored, else nothing: trouble is in each file's coverage.
    """
    done: dict[int, FileRead] = {}
    for reader in READERS:
        mine = [file for file in files if (file.kind or _kind(file)) == reader.kind]
        if reader.read_group is not None:
            reads = reader.read_group(mine, context) if mine else []
        else:
            assert reader.read is not None  # noqa: S101 - see Reader
            reads = [reader.read(file, context) for file in mine]
        done |= {read.file_no: read for read in reads}
    return [done[file.file_no] for file in files if file.file_no in done]


def _kind(file: EvidenceFile) -> str:
    result = _recognised(file, True)
    return result.kind if isinstance(result, EvidenceFile) else ""
