"""Earlier assessments: a workspace keeps what each run said, and a run says what differs from one of them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from wormward.model.errors import UsageError, WorkspaceError
from wormward.model.states import Assessment, Remark
from wormward.model.text import printable

LAST = "last"
_MOST_REPORT = 1 << 30


def keep(assessment: Assessment, workspace: Path) -> None:
    """Keep what this run said. Raises WorkspaceError."""
    from wormward.report.jsonout import to_json  # noqa: PLC0415 - what makes a form is loaded only where it is made
    from wormward.store import keep_run  # noqa: PLC0415

    keep_run(workspace, to_json(assessment))


def report(what: str, workspace: Path | None) -> dict[str, Any] | None:
    """The report that `--compare` names: `last` or a number (a run of this workspace), a JSON report, another workspace.

    None if `last` is asked for and there was no run yet. Raises WormwardError, before long work begins.
    """
    from wormward.store import kept_run  # noqa: PLC0415

    if what == LAST or what.isdecimal():
        if workspace is None:
            raise UsageError(f"--compare {what} is a run of a workspace: name that with --workspace, or name a report")
        try:
            text = kept_run(workspace, None if what == LAST else int(what[:9]))
        except WorkspaceError:
            if what != LAST or workspace.exists():
                raise
            return None
        if text is None and what != LAST:
            raise UsageError(f"{workspace} keeps no run {what}; --compare last compares with its latest one")
        return None if text is None else json.loads(text)
    path = Path(what)
    if path.is_dir():
        text = kept_run(path)
        if text is None:
            raise UsageError(f"{path} keeps no run yet; assess with --workspace {path} first")
        return json.loads(text)  # type: ignore[no-any-return]
    return read(path)


def compared(assessment: Assessment, before: dict[str, Any] | None, what: str) -> Assessment:
    """`assessment` with what differs from the report `before`. Raises UsageError if that is not of the form it should be."""
    from wormward.report.compare import NO_EARLIER, compare  # noqa: PLC0415
    from wormward.report.jsonout import as_dict  # noqa: PLC0415

    if before is None:
        return replace(assessment, remarks=(*assessment.remarks, Remark(NO_EARLIER, {})))
    try:
        return replace(assessment, compared=compare(before, as_dict(assessment)))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UsageError(f"{printable(what)} is no report of the form that is compared here ({error})") from error


def read(path: Path) -> dict[str, Any]:
    """A report in its JSON form. Raises UsageError if it is none."""
    from wormward.report.jsonout import SCHEMA  # noqa: PLC0415

    try:
        if path.stat().st_size > _MOST_REPORT:
            raise UsageError(f"{path} is too large to be a report")
        said = json.loads(path.read_bytes())
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror or error}); name a report that --json wrote") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is no report in JSON; name one that --json wrote") from error
    if not isinstance(said, dict) or said.get("schema") != SCHEMA:
        raise UsageError(f"{path} is no report in JSON of the form {SCHEMA}; name one that --json wrote")
    return said
