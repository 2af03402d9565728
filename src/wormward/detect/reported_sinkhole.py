"""A third party saw one of the site's addresses call at a sinkhole, and names the worm."""

from __future__ import annotations

from typing import Any

from wormward.detect.base import Detector, Draft, Row, Scope, Tables, grouped, merged, witnessed
from wormward.model.findings import Kind
from wormward.model.pack import ThreatPack
from wormward.model.text import N_

SENTENCE = N_("A host behind {actor} called at a sinkhole: so says {reporter}, which names it {name}")


def find(tables: Tables, pack: ThreatPack, _scope: Scope) -> Any | None:
    """One row per address, reporter and name that the pack knows, of whichever field has it."""
    import ibis  # noqa: PLC0415 - slow to import

    if not pack.reported_names:
        return None
    known = sorted(pack.reported_names)
    said = tables["sightings"]
    names = [said[column].lower() for column in ("infection", "family", "tag")]
    hit = ibis.coalesce(*(ibis.ifelse(name.isin(known), name, ibis.null("string")) for name in names))
    rows = said.mutate(name_=hit).filter(lambda t: t.name_.notnull())
    rows = rows.select("row_id", "time", "site", "reporter", actor=rows.address, name=rows.name_)
    return witnessed(rows, ["site", "actor", "reporter", "name"])


def refine(rows: list[Row], _pack: ThreatPack, _scope: Scope) -> list[Draft]:
    """One draft per address and reporter: two names of one worm are one thing."""
    return [
        Draft(
            actor=actor,
            site=site,
            table="sightings",
            witness=merged(group),
            sentence=SENTENCE,
            fields={"actor": actor, "reporter": reporter, "name": min(row["name"] for row in group)},
            key=reporter,
        )
        for (site, actor, reporter), group in grouped(rows, ("site", "actor", "reporter"))
    ]


DETECTOR = Detector(
    rule="reported.sinkhole",
    kind=Kind.REPORTED,
    title="Call at a sinkhole, reported by a third party",
    tables=("sightings",),
    references=(
        "Shadowserver: Sinkhole Events Report, Sinkhole HTTP Events Report",
        "The names by which reports call the worm stand in the pack",
    ),
    limitations=(
        "The address is what the Internet sees: behind address translation or a proxy it stands for many hosts, and the"
        " report does not tell which; the gateway's own log of that time and port does.",
        "An address that is given out anew may have been another host's at that time.",
        "Researchers and crawlers reach sinkholes too; a report alone makes an address suspected at most.",
        "It shows only what reached the reporter's own sinkholes: silence says nothing.",
    ),
    find=find,
    refine=refine,
)
