"""Which of the files that were given a workspace knows already, and where a capture goes on from one of an earlier run.

A file is known by the SHA-256 of its uncompressed bytes. So as not to hash a month of evidence every day, a file that
lies where it lay, with the size, inode and times of change that it had, is taken for the same (as version control does);
and one that begins as no known file begins is new without being hashed.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from wormward.evidence.capture_heads import ROTATION_S, digest_of
from wormward.evidence.files import EvidenceFile
from wormward.model.errors import EvidenceError
from wormward.model.reading import FileRead, SourceRow
from wormward.model.states import copy_of
from wormward.model.text import N_

CUT: Final = N_("it goes on where a capture of another run begins or ends: conversations cut between the two are not joined")
_SETTLED_NS = 2_000_000_000
"""A file that changed less long ago may change once more within the same tick of the clock: it is hashed next time."""


@dataclass(frozen=True, slots=True)
class Mark:
    """What tells a file by sight: the digest of its first bytes, and its state on disk ("": it is not settled)."""

    head: str
    state: str


@dataclass(frozen=True, slots=True)
class Sifted:
    """Files that are to be read, with their marks by number; and rows for files whose bytes are known under another name."""

    fresh: tuple[EvidenceFile, ...]
    marks: dict[int, Mark]
    copies: tuple[SourceRow, ...]


def state_of(file: EvidenceFile) -> str:
    """Size, inode and times of change; empty if they cannot be told, or are too young to be trusted."""
    try:
        seen = file.path.stat()
    except OSError:
        return ""
    if abs(time.time_ns() - seen.st_ctime_ns) < _SETTLED_NS:
        return ""
    return f"{seen.st_dev}:{seen.st_ino}:{seen.st_size}:{seen.st_mtime_ns}:{seen.st_ctime_ns}"


def sift(files: Sequence[EvidenceFile], known: Sequence[SourceRow]) -> Sifted:
    """Which of `files` bring something new to a workspace that knows `known`. Raises nothing: reading tells what is wrong."""
    read = [row for row in known if row.sha256]
    states = {(row.path, row.state): row.sha256 for row in read if row.state}
    heads = {row.head for row in read}
    digests = {row.sha256: row for row in sorted(read, key=lambda r: not r.has_rows, reverse=True)}
    placed = {(row.path, row.sha256) for row in read}
    fresh, marks, copies = [], {}, []
    for file in files:
        state = state_of(file)
        digest = states.get((str(file.path), state)) if state else None
        head = ""
        if digest is None:
            head = _head(file)
            digest = _digest(file) if head in heads else None
        if digest not in digests:
            fresh.append(file)
            marks[file.file_no] = Mark(head, state)
        elif (str(file.path), digest) not in placed:
            copies.append(_copy(file, digests[digest], Mark(head or digests[digest].head, state)))
    return Sifted(tuple(fresh), marks, tuple(copies))


def _head(file: EvidenceFile) -> str:
    try:
        return hashlib.sha256(file.head()).hexdigest()
    except EvidenceError:
        return ""


def _digest(file: EvidenceFile) -> str | None:
    """The digest that reading the file would give; None where it cannot be opened."""
    try:
        return digest_of(file)
    except EvidenceError:
        return None


def _copy(file: EvidenceFile, original: SourceRow, mark: Mark) -> SourceRow:
    coverage = None if original.coverage is None else copy_of(original.coverage, file.name)
    return replace(
        original,
        file_no=file.file_no,
        name=file.name,
        coverage=coverage,
        path=str(file.path),
        head=mark.head,
        state=mark.state,
        has_rows=False,
    )


def with_cuts(reads: Iterable[FileRead], files: Sequence[EvidenceFile], known: Sequence[SourceRow]) -> list[FileRead]:
    """`reads`, with a note where a capture goes on with what another run's ended with, or the other way round."""
    sites = {file.file_no: file.site for file in files}
    spans: dict[tuple[str, str], list[SourceRow]] = {}
    for row in known:
        if row.stream and row.has_rows and row.coverage and row.coverage.begin and row.coverage.end:
            spans.setdefault((row.site, row.stream), []).append(row)
    out = []
    for read in reads:
        others = spans.get((sites.get(read.file_no, ""), read.stream), ()) if read.stream else ()
        cut = any(_meets(read, other) for other in others)
        out.append(replace(read, coverage=replace(read.coverage, notes=(*read.coverage.notes, CUT))) if cut else read)
    return out


def _meets(read: FileRead, row: SourceRow) -> bool:
    """Whether one of two captures begins where the other ends (see `capture_heads.Group`)."""
    one, other = read.coverage, row.coverage
    if one.begin is None or one.end is None or other is None or other.begin is None or other.end is None:
        return False
    margin = timedelta(seconds=ROTATION_S)
    return abs(one.begin - other.end) <= margin or abs(other.begin - one.end) <= margin
