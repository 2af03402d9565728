"""Rows in, findings out: the whole way from evidence tables through annotators to findings, without files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from tests.detectors import toy
from wormward.annotate import Days, annotate_all
from wormward.detect import DETECTORS, Detector, Scope, run
from wormward.engine import Duck, Engine, survey
from wormward.model.findings import Finding
from wormward.model.pack import ThreatPack
from wormward.model.site import Site
from wormward.model.tables import BY_NAME

Rows = Mapping[str, Sequence[Mapping[str, Any]]]
"""Table -> rows; a row may leave columns out, `time` is an ISO text or seconds, `file` numbers the source from 0."""

_DEFAULTS: dict[str, Any] = {
    "site": "site", "client_port": 0, "server_port": 0, "bytes_out": 0, "bytes_in": 0, "packets_out": 1, "packets_in": 0,
    "protocol": "tcp", "proxied": False, "outcome": "unknown", "bytes": 0, "opnum": 0, "qtype": "A", "method": "GET",
}  # fmt: skip


@dataclass
class Parts:
    """Rows in memory, as the store hands them out."""

    memory: pa.Table | None
    parquet: Sequence[Path] = ()
    askers: pa.Table | None = None


def when(value: Any) -> datetime:
    """A time of a case: seconds since 1970, or ISO text in UTC."""
    if isinstance(value, int | float):
        return datetime.fromtimestamp(value, UTC)
    return datetime.fromisoformat(value).replace(tzinfo=UTC)


def table(name: str, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Rows as the store's table `name`, in the order given; ordinals count from 0 in each file."""
    columns = BY_NAME[name].reader_columns
    filled = [{**_DEFAULTS, "place": i + 1, **row} for i, row in enumerate(rows)]
    for row in filled:
        row["time"] = when(row["time"])
        row["time_end"] = when(row["time_end"]) if row.get("time_end") else row["time"]
        for key in ("stub", "payload"):
            if isinstance(row.get(key), str):
                row[key] = bytes.fromhex(row[key])
    arrays = [pa.array([row.get(c.name) for row in filled], c.type) for c in columns]
    files = [row.get("file", 0) for row in filled]
    ordinals = [row.get("ordinal", files[:i].count(f)) for i, (row, f) in enumerate(zip(filled, files, strict=True))]
    arrays += [pa.array(files, pa.int32()), pa.array(ordinals, pa.int64())]
    return pa.table(arrays, [*(c.name for c in columns), "file_no", "ordinal"])


def sources(count: int) -> pa.Table:
    """So many files, in sha256 order."""
    return pa.table(
        {
            "source": pa.array(range(count), pa.int32()),
            "sha256": [f"{i:064x}" for i in range(count)],
            "name": [f"file{i}" for i in range(count)],
            "kind": ["pcap", *["dns-csv"] * (count - 1)],
            "unit": ["frame"] * count,
            "file_no": pa.array(range(count), pa.int32()),
        }
    )


def open_duck(rows: Rows, files: int = 4, **options: Any) -> Duck:
    """An engine over these rows."""
    return Duck({name: Parts(table(name, group)) for name, group in rows.items() if group}, sources(files), threads=1, **options)


def annotate(duck: Engine, pack: ThreatPack, all_time: bool = False) -> Days:
    """Run all annotators; the days of the evidence."""
    looked = survey(duck)
    first, last = looked.days or (toy.DAY, toy.DAY)
    days = Days(first, last, all_time, looked.spans)
    annotate_all(duck, pack, days)
    return days


def assess(
    rows: Rows,
    *,
    pack: ThreatPack = toy.PACK,
    rules: Sequence[str] = (),
    all_time: bool = False,
    site: Site | None = None,
    **scope: Any,
) -> list[Finding]:
    """Findings of `rules` (all, if none is named) in these rows."""
    detectors: Sequence[Detector] = [d for d in DETECTORS if not rules or d.rule in rules]
    with open_duck(rows) as duck:
        return findings(duck, pack, detectors, all_time=all_time, site=site, **scope)


def findings(
    engine: Engine,
    pack: ThreatPack = toy.PACK,
    detectors: Sequence[Detector] = DETECTORS,
    *,
    all_time: bool = False,
    site: Site | None = None,
    **scope: Any,
) -> list[Finding]:
    """Annotate what `engine` shows, and what `detectors` find in it."""
    days = annotate(engine, pack, all_time)
    looked = survey(engine)
    seen = {"answering": looked.answering, "ports": looked.ports, "empty": engine.empty(), **scope}
    known = Scope(days.first, days.last, pack.tolerance_days, all_time, site or Site(), **seen)
    return run(engine.tables(), pack, known, engine.fetch, engine.cites, detectors=detectors)


def together(cases: Mapping[str, Rows], files: int = 4) -> tuple[dict[str, list[dict[str, Any]]], int]:
    """The rows of several cases as one evidence, each case a site of its own with files of its own; and how many files."""
    united: dict[str, list[dict[str, Any]]] = {}
    for number, (name, rows) in enumerate(cases.items()):
        for kind, group in rows.items():
            moved = ({**row, "site": name, "file": row.get("file", 0) + number * files} for row in group)
            united.setdefault(kind, []).extend(moved)
    return united, files * len(cases)


def short(finding: Finding) -> dict[str, Any]:
    """What a case expects of a finding: who, whom, when, how often, how strong, and what it says."""
    return {
        "rule": finding.rule,
        "actor": finding.actor,
        "target": finding.target,
        "key": finding.key,
        "time": finding.time.isoformat(),
        "count": finding.count,
        "milli": finding.milli,
        "variants": list(finding.variants),
        "says": finding.say(),
        "places": sorted(c.place for c in finding.cites),
    }
