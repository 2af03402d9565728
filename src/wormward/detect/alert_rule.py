"""A sensor's rule for the worm or its hole fired: its author's opinion, shown beside what we saw ourselves, never weighed."""

from __future__ import annotations

from functools import reduce
from typing import Any

from wormward.detect.base import Detector, Draft, Row, Scope, Tables, witness, witnessed
from wormward.model.findings import Kind
from wormward.model.pack import ThreatPack
from wormward.model.text import N_

SENTENCE = N_("A rule of {sensor} ({number}, “{signature}”) fired on what {actor} sent to {target}: that is its author's opinion")
_GENERATOR = 1  # of rules; others are the sensor's own decoders, whose numbers mean something else


def find(tables: Tables, pack: ThreatPack, _scope: Scope) -> Any | None:
    """One row per rule, sender and receiver: rules that the pack knows by number, or whose text has one of its words."""
    import ibis  # noqa: PLC0415 - slow to import

    if not pack.alerts.rules and not pack.alerts.words:
        return None
    alerts = tables["alerts"]
    said = alerts.signature.lower()
    known = (alerts.generator == _GENERATOR) & alerts.rule.isin(sorted(pack.alerts.rules) or [-1])
    hit = reduce(lambda a, b: a | b, [said.contains(word).fill_null(False) for word in pack.alerts.words], ibis.literal(False))
    rows = alerts.filter(known.fill_null(False) | hit)
    by = ["site", "client", "server", "sensor", "generator", "rule"]
    return witnessed(rows, by, signature=lambda t: t.signature.min())


def refine(rows: list[Row], _pack: ThreatPack, _scope: Scope) -> list[Draft]:
    """One draft per rule, sender and receiver."""
    return [
        Draft(
            actor=row["client"],
            target=row["server"],
            site=row["site"],
            table="alerts",
            witness=witness(row),
            sentence=SENTENCE,
            fields={
                "actor": row["client"],
                "target": row["server"],
                "sensor": row["sensor"],
                "number": f"{row['generator']}:{row['rule']}",
                "signature": row["signature"],
            },
            key=f"{row['sensor']}:{row['generator']}:{row['rule']}",
        )
        for row in sorted(rows, key=lambda r: (r["site"], r["client"], r["server"], r["sensor"], r["generator"], r["rule"]))
    ]


DETECTOR = Detector(
    rule="alert.rule",
    kind=Kind.ALERT,
    title="A sensor's rule for the worm or its hole fired",
    tables=("alerts",),
    references=("Emerging Threats rules of 2019 on the hole and the worm: their numbers stand in the pack",),
    limitations=(
        "A rule says what its author took the bytes for. It never counts for or against anybody: where the bytes were captured,"
        " what they are is found from them, and where they were not, nobody can look again.",
        "Rules for this hole fire on ordinary path calls, too: most look for an operation's number and two dots anywhere.",
        "An alert that is missing says nothing: rules are switched off, and their thresholds keep repetitions back.",
        "Who sent what a rule fired on is taken for the actor, also where it answered.",
    ),
    find=find,
    refine=refine,
)
