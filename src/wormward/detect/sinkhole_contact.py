"""Contact with an address where the worm's domains are known to be caught."""

from __future__ import annotations

from typing import Any

from wormward.detect.base import Detector, Draft, Row, Scope, Tables, grouped, merged, without, witnessed
from wormward.detect.http_forms import relaying
from wormward.model.findings import Kind
from wormward.model.pack import ThreatPack
from wormward.model.text import N_

_NAME_SERVICE = 53
_KEY = ("method", "uri", "host", "header_names")
SENTENCE = N_("{actor} contacted {sinkhole}, a known sinkhole of the worm")
CALLED = N_("{actor} sent a request of the form of a call home to {sinkhole}, a known sinkhole of the worm")
_COLUMNS = ("row_id", "time", "site", "client", "sinkhole", "formed")


def find(tables: Tables, pack: ThreatPack, scope: Scope) -> Any | None:
    """One row per client, sinkhole and table (`flows`, `http_requests`), lookups and proxies left out."""
    import ibis  # noqa: PLC0415 - slow to import

    if not pack.sinkholes:
        return None
    caught = sorted(pack.sinkholes)
    flows, requests = tables["flows"], tables["http_requests"]
    by_flow = flows.filter(flows.server.isin(caught) & (flows.server_port != _NAME_SERVICE)).mutate(sinkhole=lambda t: t.server)
    requests = requests.mutate(host=requests.host.fill_null(""), header_names=requests.header_names.fill_null(""))
    by_host = requests.filter(requests.server.isin(caught) | requests.host.isin(caught))
    by_host = by_host.mutate(sinkhole=ibis.ifelse(by_host.host.isin(caught), by_host.host, by_host.server))
    by_flow = by_flow.mutate(formed=ibis.literal(""))
    by_host = by_host.left_join(_calls_home(tables, pack), _KEY).select(*by_host.columns, "called")
    by_host = by_host.mutate(formed=by_host.called.fill_null(""))
    proxies = requests.filter(requests.proxied).select("site", client=requests.server).distinct()
    both = [
        witnessed(rows.select(*_COLUMNS), ["site", "client", "sinkhole", "formed"]).mutate(table=ibis.literal(name))
        for rows, name in ((by_flow, "flows"), (by_host, "http_requests"))
    ]
    found = without(ibis.union(*both), "client", sorted(scope.site.proxies)).anti_join(proxies, ["site", "client"])
    return found.anti_join(relaying(tables, pack, scope), ["site", "client"]) if pack.http_forms else found


def _calls_home(tables: Tables, pack: ThreatPack) -> Any:
    """Keys of requests that have the form of a call home, header names fitting or not shown, with the form's id as `called`."""
    forms = tables["request_forms"]
    beacons = [form.id for form in pack.http_forms if form.rule == "http.beacon"]
    return forms.filter(forms.form.isin(beacons or [""])).group_by(*_KEY).agg(called=forms.form.max())


def refine(rows: list[Row], pack: ThreatPack, _scope: Scope) -> list[Draft]:
    """One draft per client and sinkhole: its calls home if there are any, else flows, else requests; the rest is cited too."""
    variants = {form.id: form.variants for form in pack.http_forms}
    drafts = []
    for (site, client, sinkhole), group in grouped(rows, ("site", "client", "sinkhole")):
        formed = max(row["formed"] for row in group)
        main = "http_requests" if formed or all(row["table"] != "flows" for row in group) else "flows"
        telling = [row for row in group if row["table"] == main and bool(row["formed"]) == bool(formed)]
        other = {name: [row for row in group if row["table"] == name] for name in ("flows", "http_requests") if name != main}
        drafts.append(
            Draft(
                actor=client,
                site=site,
                table=main,
                witness=merged(telling),
                sentence=CALLED if formed else SENTENCE,
                fields={"actor": client, "sinkhole": sinkhole, "formed": "yes" if formed else "no"},
                variants=variants.get(formed, ()),
                key=sinkhole,
                also=tuple((name, merged(seen).rows) for name, seen in other.items() if seen),
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
        "Sinkholes catch many worms' names; contact alone does not tell which one called, and makes nobody suspected.",
        "Questions for names (port 53) and contacts of proxies are left out: they are made for somebody else.",
        "Addresses change hands: an old list may name an address that is somebody else's today.",
    ),
    find=find,
    refine=refine,
)
