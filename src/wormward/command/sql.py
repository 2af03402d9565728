"""What `wormward sql` does: answer one question over a workspace's tables."""

from __future__ import annotations

import sys
from pathlib import Path

from wormward.command.surroundings import lean_arrow


def run(question: str, workspace: Path, form: str, most: int) -> bool:
    """Write the answer to standard output; gives whether there are further rows. Raises WormwardError."""
    lean_arrow()
    from wormward.engine.ask import Asker  # noqa: PLC0415 - slow to import, and after Arrow was kept lean
    from wormward.model.tables import FACTS  # noqa: PLC0415
    from wormward.report.answers import FORMS  # noqa: PLC0415
    from wormward.store import Workspace  # noqa: PLC0415

    with Workspace.open(workspace) as kept, Asker({t.name: kept.parts(t.name) for t in FACTS}, kept.sources()) as asker:
        answer = asker.ask(question, most)
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace", newline="")
    sys.stdout.write(FORMS[form](answer.columns, answer.rows, answer.more))
    sys.stdout.flush()
    return answer.more
