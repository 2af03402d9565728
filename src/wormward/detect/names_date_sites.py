"""Without the Internet: failing lookups of the worm's date sites, one at a time, hour after hour."""

from __future__ import annotations

from typing import Any

from wormward.detect.base import Detector, Draft, Row, Scope, Tables, flag, in_runs, without, witness, witnessed
from wormward.model.findings import Kind
from wormward.model.pack import ThreatPack
from wormward.model.text import N_

_ALONE_PERCENT = 80
"""So many of a host's minutes with such lookups must ask for one site only: a browser or monitor asks for all at once."""

SENTENCE = N_(
    "{actor} asked for {sites} of the sites that the worm takes the date from, one at a time, in {hours} different "
    "{hours|hour|hours}, and never got an answer: what it does on a network without Internet"
)


def _lookups(tables: Tables, pack: ThreatPack, scope: Scope) -> Any:
    """Lookups of date sites (with or without `www.`) in sources that show answers, with `failed`, `hour` and `site_name`."""
    sites = sorted(pack.closed_network.date_sites)
    queries = tables["telling_queries"]
    # A source that could not show an answer cannot show that one is missing.
    queries = queries.filter(in_runs(queries.source, scope.answering))
    asked = queries.filter(queries.name.isin(sorted({*sites, *(f"www.{s}" for s in sites)})))
    asked = without(asked, "client", scope.name_servers)
    return asked.mutate(
        site_name=asked.name.replace("www.", ""),
        hour=asked.second // 3600,
        minute=asked.second // 60,
        answered=flag(asked.rcode == "NOERROR"),
    )


def find(tables: Tables, pack: ThreatPack, scope: Scope) -> Any | None:
    """One row per client with enough failing lookups and no answered one."""
    rule = pack.closed_network
    if not rule.date_sites or not scope.answering:
        return None
    lookups = _lookups(tables, pack, scope)
    minutes = lookups.group_by("site", "client", "minute").agg(at_once=lookups.site_name.nunique())
    alone = minutes.group_by("site", "client").agg(minutes=minutes.count(), alone=flag(minutes.at_once == 1).sum())
    hosts = lookups.group_by("site", "client").agg(
        sites=lookups.site_name.nunique(), hours=lookups.hour.nunique(), answered=lookups.answered.max()
    )
    hosts = hosts.filter((hosts.sites >= rule.least_sites) & (hosts.hours >= rule.least_hours) & (hosts.answered == 0))
    hosts = hosts.join(alone, ["site", "client"]).filter(lambda t: t.alone * 100 >= t.minutes * _ALONE_PERCENT)
    seen = witnessed(lookups.semi_join(hosts, ["site", "client"]), ["site", "client"])
    return seen.join(hosts.select("site", "client", "sites", "hours"), ["site", "client"])


def refine(rows: list[Row], pack: ThreatPack, _scope: Scope) -> list[Draft]:
    """One draft per client."""
    return [
        Draft(
            actor=row["client"],
            site=row["site"],
            table="dns_queries",
            witness=witness(row),
            sentence=SENTENCE,
            fields={"actor": row["client"], "sites": row["sites"], "hours": row["hours"]},
            variants=pack.closed_network.variants,
        )
        for row in rows
    ]


DETECTOR = Detector(
    rule="names.date-sites",
    kind=Kind.DOMAIN_LOOKUP,
    title="Failing lookups of date sites, hour after hour",
    tables=("telling_queries",),
    references=("Honeynet Project, Know Your Enemy, paper of 30 March 2009 (Leder, Werner), 7.1: sites asked for the date",),
    limitations=(
        "These are popular sites: a person on a closed network who tries several of them for hours looks the same, "
        "so this alone never convicts.",
        "Sources that show no answers (query logs, a CSV without any) cannot show a failure and are left out. Captures and Zeek "
        "logs are taken to show them: where only one direction was recorded, silence is not the network's.",
        "A host that got one answer is left out: it has the Internet, or had it for a while.",
    ),
    find=find,
    refine=refine,
)
