"""A file of the worm's form goes to an administrator's share, then a remote job runs it."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from wormward.detect.base import EVENT, Detector, Draft, Row, Scope, Tables, Witness, grouped, merged, witness, witnessed
from wormward.model.findings import Kind
from wormward.model.pack import ThreatPack
from wormward.model.text import N_

_CLOCKS_S = 2
"""The file's time may be the later one by so much: it is stamped with the last write."""

SENTENCE = N_("{actor} put {path} on share {share} of {target} and had a job run there: {command}")
UNSEEN = N_(
    "{actor} opened {path} on share {share} of {target} and added a job there; the source shows neither what was written nor "
    "the job's command"
)
UNNAMED = N_("{actor} opened {path} on a share of {target} and added a job there; the source names neither share nor command")
NOT_SHOWN = "not shown"


def _files(tables: Tables, pack: ThreatPack) -> Any:
    """Files of the forms that are bound to named shares; files known to be no executables left out."""
    forms = sorted(f.id for f in pack.file_forms if f.shares)
    files = tables["smb_files"]
    put = files.filter(files.action.isin(["open", "create", "write"]) & (files.executable.isnull() | files.executable))
    annotated = tables["file_forms"]
    return put.join(annotated.filter(annotated.form.isin(forms)), ["share", "path"])


def _jobs(tables: Tables, pack: ThreatPack) -> Any:
    """Remote jobs: site, client, server, started, job_row, command (null where not shown)."""
    rule = pack.spreading
    calls = tables["rpc_calls"]
    jobs = calls.filter((calls.interface == rule.job_interface) & calls.opnum.isin(list(rule.job_opnums)))
    effects = tables["call_effects"].filter(lambda t: t.command.notnull())
    key = ["interface", "opnum", "byte_order", "ndr64", "stub"]
    known = jobs.left_join(effects, key).select(*jobs.columns, "command")
    return known.select(*EVENT, "command", started="second", job_row="row_id")


def find(tables: Tables, pack: ThreatPack, _scope: Scope) -> Any | None:
    """One row per source, target, file and command (null where not shown) within the window."""
    import ibis  # noqa: PLC0415 - slow to import

    window = pack.spreading.job_window_s
    if window <= 0 or not any(f.shares for f in pack.file_forms):
        return None
    files = _files(tables, pack)
    files = files.mutate(bucket=(files.second - _CLOCKS_S) // window)
    jobs = _jobs(tables, pack).mutate(bucket=lambda t: t.started // window)
    near = ibis.union(*(jobs.mutate(bucket=jobs.bucket - step) for step in (0, 1, 2)))
    pairs = files.join(near, [*EVENT, "bucket"]).mutate(delay=lambda t: t.started - t.second)
    pairs = pairs.filter((pairs.delay >= -_CLOCKS_S) & (pairs.delay <= window)).mutate(command=pairs.command.fill_null(""))
    by = [*EVENT, "share", "path", "file_name", "command"]
    once = pairs.group_by(*by, "row_id", "time").agg(first_job=pairs.job_row.min(), last_job=pairs.job_row.max())
    return witnessed(once, by, first_job=lambda t: t.first_job.min(), last_job=lambda t: t.last_job.max())


def _fitting(group: list[Row], pattern: re.Pattern[str]) -> list[Row]:
    """Of one source and target: pairs whose job runs the file; where no command is shown, all."""
    shown = [row for row in group if row["command"]]
    if not shown:
        return group
    return [row for row in shown if row["file_name"] in row["command"].lower() and pattern.search(row["command"].lower())]


def refine(rows: list[Row], pack: ThreatPack, _scope: Scope) -> list[Draft]:
    """One draft per source and target."""
    pattern = re.compile(pack.spreading.job_command)
    drafts = []
    for (site, client, server), group in grouped(rows, EVENT):
        # The row that says most is the one that is told: a share or a command that one source names, another may not.
        fitting = sorted(
            _fitting(group, pattern), key=lambda r: (not r["command"], not r["share"], r["time"], r["path"], r["command"])
        )
        if not fitting:
            continue
        first = fitting[0]
        jobs = {row[name] for row in fitting for name in ("first_job", "last_job")}
        drafts.append(
            Draft(
                actor=client,
                target=server,
                site=site,
                table="smb_files",
                witness=_union(fitting),
                sentence=UNNAMED if not first["share"] else SENTENCE if first["command"] else UNSEEN,
                fields={
                    "actor": client,
                    "target": server,
                    "share": first["share"],
                    "path": first["path"],
                    "command": first["command"] or NOT_SHOWN,
                },
                variants=pack.spreading.variants_password,
                also=(("rpc_calls", tuple(sorted(jobs))[:2]),),
            )
        )
    return drafts


def _union(rows: list[Row]) -> Witness:
    """One witness; the same file row may stand beside several commands, so counts are not added but the largest taken."""
    return replace(merged(rows), count=max(witness(row).count for row in rows))


DETECTOR = Detector(
    rule="lateral.admin-share",
    kind=Kind.LATERAL_WRITE,
    title="A file on an administrator's share, and a job that runs it",
    tables=("smb_files", "rpc_calls", "file_forms"),
    references=(
        "Microsoft KB962007: jobs named At1 and up, AT /Delete /Yes",
        "MS-TSCH 3.2.5.2: NetrJobAdd",
    ),
    limitations=(
        "Where the source shows neither what was written nor the job's command, an administrator who copies a file of that "
        "form and adds an AT job looks the same.",
        "Jobs added through the newer task interface (ITaskSchedulerService) are not the worm's way and are not looked at.",
    ),
    find=find,
    refine=refine,
)
