"""Bursts of logons whose outcome no source shows, to one host after another."""

from __future__ import annotations

from typing import Any

from wormward.detect import logon_burst
from wormward.detect.base import EVENT, Detector, Draft, Row, Scope, Tables, witness
from wormward.model.findings import Kind
from wormward.model.pack import ThreatPack
from wormward.model.text import N_

SENTENCE = N_(
    "{actor} tried to log on to {target} {failures} {failures|time|times} with {users} {users|account|accounts}, "
    "one of {targets} {targets|host|hosts} it tried so; "
    "whether it was let in is not shown"
)


def find(tables: Tables, pack: ThreatPack, _scope: Scope) -> Any | None:
    """One row per source and target of a burst, where no source shows how a logon between them ended."""
    logons = tables["smb_logons"]
    told = logons.filter(logons.outcome == "failure").select(*EVENT).distinct()
    named = logons.filter((logons.outcome == "unknown") & (logons.user.fill_null("") != ""))
    return logon_burst.bursts_of(named.anti_join(told, list(EVENT)), pack)


def refine(rows: list[Row], pack: ThreatPack, _scope: Scope) -> list[Draft]:
    """One draft per source and target."""
    return [
        Draft(
            actor=row["client"],
            target=row["server"],
            site=row["site"],
            table="smb_logons",
            witness=witness(row),
            sentence=SENTENCE,
            fields={
                "actor": row["client"],
                "target": row["server"],
                **{name: row[name] for name in ("failures", "users", "targets")},
            },
            variants=pack.spreading.variants_password,
        )
        for row in rows
    ]


DETECTOR = Detector(
    rule="logon.unshown",
    kind=Kind.LOGON_BURST,
    title="Waves of logons whose outcome is not shown",
    tables=("smb_logons",),
    references=("Zeek, scripts/base/protocols/ntlm/main.zeek: `success` is set by an answer that a refusal often lacks",),
    limitations=("An inventory program that logs on everywhere looks the same; it counts only where its actor is convicted.",),
    find=find,
    refine=refine,
)
