"""Contact with an address where the worm's domains are known to be caught."""

from __future__ import annotations

from typing import Any

from wormward.detect.base import Detector, Draft, Row, Scope, Tables, grouped, merged, witnessed
from wormward.model.findings import Kind
from wormward.model.pack import ThreatPack
from wormward.model.text import N_

_NAME_SERVICE = 53
SENTENCE = N_("{actor} contacted {sinkhole}, a known sinkhole of the worm")
_COLUMNS = ("row_id", "time", "site", "client", "sinkhole")


def find(tables: Tables, pack: ThreatPack, _scope: Scope) -> Any | None:
    """One row per client, sinkhole and table (`flows`, `http_requests`), lookups and proxies left out."""
    import ibis  # noqa: PLC0415 - slow to import

    if not pack.sinkholes:
        return None
    caught = sorted(pack.sinkholes)
    flows, requests = tables["flows"], tables["http_requests"]
    by_flow = flows.filter(flows.server.isin(caught) & (flows.server_port != _NAME_SERVICE)).mutate(sinkhole=lambda t: t.server)
    by_host = requests.filter(requests.server.isin(caught) | requests.host.isin(caught))
    by_host = by_host.mutate(sinkhole=ibis.ifelse(by_host.host.isin(caught), by_host.host, by_host.server))
    proxies = requests.filter(requests.proxied).select("site", client=requests.server).distinct()
    both = [
        witnessed(rows.select(*_COLUMNS), ["site", "client", "sinkhole"]).mutate(table=ibis.literal(name))
        for rows, name in ((by_flow, "flows"), (by_host, "http_requests"))
    ]
    return ibis.union(*both).anti_join(proxies, ["site", "client"])


def refine(rows: list[Row], _pack: ThreatPack, _scope: Scope) -> list[Draft]:
    """One draft per client and sinkhole; flows are what it counts where there are any, requests are cited beside them."""
    drafts = []
    for (site, client, sinkhole), group in grouped(rows, ("site", "client", "sinkhole")):
        by_table = {row["table"]: merged([row]) for row in group}
        main = "flows" if "flows" in by_table else "http_requests"
        drafts.append(
            Draft(
                actor=client,
                site=site,
                table=main,
                witness=by_table[main],
                sentence=SENTENCE,
                fields={"actor": client, "sinkhole": sinkhole},
                key=sinkhole,
                also=tuple((name, seen.rows) for name, seen in sorted(by_table.items()) if name != main),
            )
        )
    return drafts


DETECTOR = Detector(
    rule="sinkhole.contact",
    kind=Kind.CALL_HOME,
    title="Contact with a known sinkhole",
    tables=(),
    references=("stamparm/maltrail: sinkhole trails; addresses stand in the pack with their dates",),
    limitations=(
        "Sinkholes catch many worms' names; contact alone does not tell which one called.",
        "Questions for names (port 53) and contacts of proxies are left out: they are made for somebody else.",
        "Addresses change hands: an old list may name an address that is somebody else's today.",
    ),
    find=find,
    refine=refine,
)
