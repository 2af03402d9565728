"""What `wormward why` does: find a report, the rows that it cites and the files that these stand in, and tell."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from wormward.command import earlier
from wormward.command.surroundings import lean_arrow
from wormward.model.errors import EvidenceError, UsageError
from wormward.model.text import printable

_BOMS = ((b"\xff\xfe", "UTF-16"), (b"\xfe\xff", "UTF-16"))
_MOST_ROWS = 100


def run(what: str, paths: Sequence[Path], workspace: Path | None, report: Path | None) -> None:
    """Write why to standard output. Raises WormwardError."""
    if workspace is None and report is None:
        raise UsageError("say where the assessment is: --workspace DIR, or --json FILE (and the evidence, to check it)")
    lean_arrow()
    from wormward.report import explain  # noqa: PLC0415 - slow to import
    from wormward.store import Workspace, kept_run  # noqa: PLC0415

    with ExitStack() as stack:
        kept = stack.enter_context(Workspace.open(workspace)) if workspace else None
        said = earlier.read(report) if report else None
        if said is None and workspace is not None:
            text = kept_run(workspace)
            if text is None:
                raise UsageError(f"{workspace} holds evidence and no assessment: run `wormward assess --workspace` on it first")
            said = json.loads(text)
        rows = _rows_of(kept, stack) if kept else lambda *_: []
        try:
            wanted = explain.cited(said or {}, what)
            where = dict(_located(wanted, ((row.sha256, Path(row.path)) for row in kept.known if row.path) if kept else ()))
            where |= dict(_searched(wanted - set(where), paths))
            lines = explain.explain(said or {}, what, rows, where)
            near = ", ".join(explain.similar(said or {}, what)) if not lines else ""
        except (KeyError, TypeError, ValueError, AttributeError, StopIteration) as error:
            raise UsageError(f"{report or workspace} holds no report of the form that is read here ({error})") from error
    if not lines:
        hint = f"; near it: {near}" if near else "; the report's hosts and findings are named in its table"
        raise UsageError(f"the report knows no host and no finding {printable(what)}{hint}")
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


def _rows_of(kept: Any, stack: ExitStack) -> Callable[[str, str, Sequence[int]], list[dict[str, Any]]]:
    """How to get the cited rows out of a workspace."""
    from wormward.engine.ask import Asker  # noqa: PLC0415
    from wormward.model.tables import FACTS  # noqa: PLC0415

    tables = {table.name for table in FACTS}
    filled = [table.name for table in FACTS if kept.parts(table.name).parquet]
    asker = stack.enter_context(Asker({name: kept.parts(name) for name in tables}, kept.sources()))

    def of(table: str, sha256: str, places: Sequence[int]) -> list[dict[str, Any]]:
        marks = ", ".join("?" * len(places))
        question = f"SELECT * FROM {table} WHERE sha256 = ? AND place IN ({marks}) ORDER BY row_id"  # noqa: S608 - a name of ours
        answer = asker.look(question, _MOST_ROWS, [sha256, *places])
        return [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]

    def rows(table: str, sha256: str, places: Sequence[int]) -> list[dict[str, Any]]:
        """Those of `table`; where it has none, those of other tables: a finding may relate two kinds of fact."""
        found = of(table, sha256, places) if table in tables else []
        for other in filled:
            missing = [place for place in places if place not in {row["place"] for row in found}]
            found += of(other, sha256, missing) if missing and other != table else []
        return sorted(found, key=lambda row: int(row["place"]))

    return rows


def _located(wanted: Iterable[str], known: Iterable[tuple[str, Path]]) -> Iterator[tuple[str, Any]]:
    """Where the wanted sources lay when they were read, if something still lies there."""
    for sha256, path in known:
        if sha256 in wanted and path.is_file():
            yield sha256, _where(path)


def _searched(wanted: set[str], paths: Sequence[Path]) -> Iterator[tuple[str, Any]]:
    """The wanted sources among files and folders, by their digests."""
    from wormward.evidence import discover  # noqa: PLC0415
    from wormward.evidence.capture_heads import digest_of  # noqa: PLC0415

    if not wanted or not paths:
        return
    for file in discover(paths).files:
        try:
            sha256 = digest_of(file)
        except EvidenceError:
            continue
        if sha256 in wanted:
            yield sha256, _where(file.path)


def _where(path: Path) -> Any:
    from wormward.evidence.files import ByteStream  # noqa: PLC0415
    from wormward.report.explain import Where  # noqa: PLC0415

    try:
        with ByteStream(path, hashed=False) as stream:
            head = stream.read(4)
            encoding = next((name for mark, name in _BOMS if head.startswith(mark)), "")
            return Where(str(path), stream.compression, encoding)
    except EvidenceError:
        return Where(str(path), "")
