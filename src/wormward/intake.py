"""Evidence comes into a workspace: what is new is read, what is known is not, and coverage tells of all that is in."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from wormward.evidence import Discovery, discover, read_all
from wormward.evidence.known import sift, with_cuts
from wormward.model.errors import NoEvidenceError
from wormward.model.reading import FileRead, ReadContext, SourceRow
from wormward.model.site import Site
from wormward.model.states import Coverage, PassedOver, Remark, Skip, copy_of
from wormward.model.text import N_, printable
from wormward.store import Workspace

OTHER_WANTS = N_(
    "{files} {files|source was|sources were} read when the threat pack asked for other contents: what it asks for now may be "
    "missing from {files|it|them}; assess all evidence into a new workspace to have it"
)
OTHER_SITE = N_(
    "{files} {files|source was|sources were} read when site.toml said otherwise of {files|it|them} (which site, time zone or "
    "clock error): assess all evidence into a new workspace to have what it says now"
)
_NAMED = 3  # files that are named of those that were passed over for one reason


@dataclass(frozen=True, slots=True)
class Intake:
    """What a workspace holds after a batch came in."""

    coverage: tuple[Coverage, ...]
    passed_over: tuple[PassedOver, ...]
    remarks: tuple[Remark, ...]


def take_in(
    paths: Sequence[Path],
    store: Workspace,
    context: ReadContext,
    separate: bool = False,
    begin: Callable[[int], None] = lambda _total: None,
) -> Intake:
    """Read what is new in `paths` into `store` and finish it; `begin` is told how many bytes there are to read.

    Raises NoEvidenceError if there is nothing at all to judge (then nothing is kept), WorkspaceError.
    """
    places = {row.name: row.path for row in store.known if row.sha256}
    found = discover(paths, context.site, separate, first=store.next_file_no, taken=places)
    sifted = sift(found.files, store.known)
    begin(sum(file.size for file in sifted.fresh))
    reads = with_cuts(read_all(sifted.fresh, context), sifted.fresh, store.known)
    wanted = _wanted(context)
    files = {file.file_no: file for file in sifted.fresh}
    rows = [*(_row(read) for read in found.unreadable), *sifted.copies]
    for read in reads:
        file, mark = files[read.file_no], sifted.marks[read.file_no]
        rows.append(
            replace(
                _row(read),
                path=str(file.path),
                head=mark.head,
                state=mark.state,
                site=file.site,
                stream=read.stream,
                wanted=wanted,
            )
        )
    coverage = _covered([*_still(store.known, found, rows), *rows], paths)
    store.finish(rows, found.passed)
    other = sum(row.has_rows and row.wanted != wanted and bool(row.sha256) for row in store.known)
    otherwise = sum(_said_otherwise(row, context.site) for row in store.known if row.has_rows)
    told = ((OTHER_WANTS, other), (OTHER_SITE, otherwise))
    return Intake(coverage, _passed_over(store.passed), tuple(Remark(s, {"files": count}) for s, count in told if count))


def _said_otherwise(row: SourceRow, site: Site) -> bool:
    """True if a source was read by another zone, clock error or as another site's than `site` tells now."""
    c = row.coverage
    if c is None:
        return False
    kind = "zeek" if c.kind.startswith("zeek-") else "capture" if c.kind.startswith("pcap") else c.kind
    rule = site.source(c.source, kind)
    moved = c.time_zone_known in {"site", "assumed"} and c.time_zone != (rule.time_zone or "UTC")
    return moved or c.clock_error_s != (rule.clock_error_s or 0) or (rule.site or row.site) != row.site


def _wanted(context: ReadContext) -> str:
    """Stands for what readers were asked to keep."""
    asked = [[asdict(want) for want in context.wants], [asdict(call) for call in context.wanted_calls]]
    text = json.dumps(asked, default=lambda v: v.hex() if isinstance(v, bytes) else sorted(v))
    return hashlib.sha256(text.encode()).hexdigest()


def _row(read: FileRead) -> SourceRow:
    c = read.coverage
    return SourceRow(
        read.file_no, c.sha256, c.source, c.kind, c.unit, c, stream=read.stream, has_rows=bool(c.sha256) and not c.duplicate_of
    )


def _still(known: Iterable[SourceRow], found: Discovery, rows: Iterable[SourceRow]) -> Iterator[SourceRow]:
    """What is known, without what could not be read and came again."""
    again = {row.name for row in rows} | {file.name for file in found.files}
    return (row for row in known if row.sha256 or row.name not in again)


def _covered(rows: Sequence[SourceRow], paths: Sequence[Path]) -> tuple[Coverage, ...]:
    """Coverage by name; of files with the same bytes all but the first name it. Raises NoEvidenceError if none was read."""
    told = [(row, row.coverage) for row in rows if row.coverage is not None]
    if not told:
        given = ", ".join(printable(str(p)) for p in paths) or "the workspace"
        raise NoEvidenceError(f"there is no evidence in {given}: give captures (pcap, pcapng), Zeek logs or DNS query logs")
    told.sort(key=lambda t: (t[1].source, t[1].sha256, t[0].file_no))
    if all(c.problems and not any(c.rows.values()) for _, c in told):
        worst = told[0][1]
        more = f" (and {len(told) - 1} more)" if len(told) > 1 else ""
        problem = worst.problems[0]
        place = f", {problem.place}" if problem.place else ""
        raise NoEvidenceError(f"nothing could be read: {worst.source}{place}: {problem.what}{more}; {problem.remedy}".strip("; "))
    full = {c.sha256: c for row, c in reversed(told) if c.sha256 and row.has_rows}
    first: dict[str, str] = {}
    out = []
    for _, c in told:
        if c.sha256 in first:
            out.append(copy_of(replace(c, source=first[c.sha256]), c.source))
        else:
            out.append(replace(full[c.sha256], source=c.source) if c.sha256 in full else c)
            first |= {c.sha256: c.source} if c.sha256 else {}
    return tuple(out)


def _passed_over(passed: Iterable[tuple[Skip, str]]) -> tuple[PassedOver, ...]:
    """What was passed over, by reason, with the first few names."""
    groups: dict[Skip, list[str]] = {why: [] for why in Skip}
    for why, name in passed:
        groups[why].append(name)
    return tuple(PassedOver(why, len(names), tuple(names[:_NAMED])) for why, names in groups.items() if names)
