"""What `wormward site init` does: assess, ask the tables who serves whom, and write a first `site.toml`."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from wormward.command.surroundings import lean_arrow, numba_cache, shown_progress
from wormward.model.errors import UsageError
from wormward.model.text import printable
from wormward.outfile import check_writable, write_whole
from wormward.sitefile import load_site

if TYPE_CHECKING:
    from wormward.engine.ask import Asker
    from wormward.model.states import Assessment
    from wormward.sitefile.draft import Suggestion

_SERVERS = """
SELECT server, count(DISTINCT client), arg_min(file, row_id), arg_min(source, row_id), arg_min(place, row_id)
FROM {table} WHERE {condition} AND server IS NOT NULL AND client <> server GROUP BY server ORDER BY 2 DESC, 1
"""
_TELLING = """
SELECT file, source, place FROM dns_queries
WHERE name LIKE '\\_ldap.\\_tcp.%' ESCAPE '\\' AND answers IS NOT NULL ORDER BY row_id
"""
_MOST = 1000


def run(paths: Sequence[Path], out: Path, quiet: bool = False) -> None:
    """Write `out` from the evidence in `paths`. Raises UsageError if `out` is there already, else what an assessment does."""
    if os.path.lexists(out):
        raise UsageError(f"{printable(str(out))} is there already and is not overwritten; name another file with -o")
    check_writable(out, paths)
    with numba_cache(), tempfile.TemporaryDirectory(prefix="wormward-") as folder:
        lean_arrow()
        from wormward import packs, pipeline  # noqa: PLC0415 - after the cache's place is set
        from wormward.engine.ask import Asker  # noqa: PLC0415
        from wormward.model.tables import FACTS  # noqa: PLC0415
        from wormward.sitefile.draft import draft, from_assessment  # noqa: PLC0415
        from wormward.store import Workspace  # noqa: PLC0415

        kept = Path(folder) / "workspace"
        with shown_progress(quiet) as progress:
            assessment = pipeline.assess(paths, packs=packs.builtin_packs(), workspace=kept, progress=progress)
        with (
            Workspace.open(kept) as store,
            Asker({t.name: store.parts(t.name) for t in FACTS}, store.sources()) as asker,
        ):
            suggestions = [*from_assessment(assessment), *_served(assessment, asker)]
    write_whole(out, draft(assessment, suggestions, out.name))
    load_site(out)


def _served(assessment: Assessment, asker: Asker) -> Iterator[Suggestion]:
    """Name servers, controllers and proxies, as the tables show them."""
    from wormward.sitefile.draft import Suggestion  # noqa: PLC0415

    units = dict(asker.look("SELECT source, unit FROM sources", 1 << 20).rows)
    roles = {(h.address, role) for h in assessment.hosts for role in h.roles}
    telling = asker.look(_TELLING, 1).rows
    for file, source, place in telling:
        for address in sorted(a for a, role in roles if role == "domain-controller"):
            reason = "answers to _ldap._tcp name it; it is taken for one without this, too"
            yield Suggestion("domain_controllers", address, reason, f"{file}, {units[source]} {place}")
    asked = (("resolvers", "dns_queries", "rcode IS NOT NULL", "names"), ("proxies", "http_requests", "proxied", "pages"))
    for key, table, condition, what in asked:
        rows = asker.look(_SERVERS.format(table=table, condition=condition), _MOST).rows
        for server, clients, file, source, place in rows:
            if key == "proxies" or (server, "resolver") in roles:
                reason = f"{clients} {'host' if clients == 1 else 'hosts'} asked it for {what}"
                yield Suggestion(key, server, reason, f"{file}, {units[source]} {place}")
