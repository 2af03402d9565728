"""A host opens SMB sessions with the very names that the worm's own code gives itself."""

from __future__ import annotations

from typing import Any

from wormward.detect.base import Detector, Draft, Row, Scope, Tables, witness, witnessed
from wormward.model.findings import Kind
from wormward.model.pack import ThreatPack
from wormward.model.text import N_

SENTENCE = N_(
    "{actor} opened SMB sessions with {targets} {targets|host|hosts} under the names that the worm's probe gives itself "
    "({native_os}, {native_lanman})"
)


def find(tables: Tables, pack: ThreatPack, _scope: Scope) -> Any | None:
    """One row per probing host."""
    rule = pack.spreading
    if not (rule.probe_native_os and rule.probe_native_lanman):
        return None
    logons = tables["smb_logons"]
    probes = logons.filter((logons.native_os == rule.probe_native_os) & (logons.native_lanman == rule.probe_native_lanman))
    return witnessed(probes, ["site", "client"], targets=lambda t: t.server.nunique())


def refine(rows: list[Row], pack: ThreatPack, _scope: Scope) -> list[Draft]:
    """One draft per host."""
    rule = pack.spreading
    return [
        Draft(
            actor=row["client"],
            site=row["site"],
            table="smb_logons",
            witness=witness(row),
            sentence=SENTENCE,
            fields={
                "actor": row["client"],
                "targets": row["targets"],
                "native_os": rule.probe_native_os,
                "native_lanman": rule.probe_native_lanman,
            },
            variants=rule.variants_exploit,
        )
        for row in rows
    ]


DETECTOR = Detector(
    rule="scan.probe",
    kind=Kind.SCAN,
    title="SMB sessions under the probe's own names",
    tables=("smb_logons",),
    references=("Microsoft Defender signature 2147618124 (as converted in defender2yara): the probe's SMB1 templates",),
    limitations=("Only captures show these names; SMB2 has none.",),
    find=find,
    refine=refine,
)
