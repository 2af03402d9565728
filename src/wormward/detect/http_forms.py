"""Requests of the pack's HTTP forms: what the http.* detectors share.

A request that a proxy makes for somebody else does not speak against the proxy. It is known as such where the inner
request to that proxy is in the evidence too, where `site.toml` names the proxy, or where the request carries a header
that proxies add.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

from wormward.detect.base import Draft, Row, Scope, Tables, flag, grouped, merged, witnessed
from wormward.model.pack import ThreatPack

_BY = ("site", "client", "form", "exact", "relayed", "called")
_KEY = ("method", "uri", "host", "header_names")


def _requests(tables: Tables, pack: ThreatPack, scope: Scope) -> Any:
    """Requests of all forms, with `form`, `exact`, `by_proxy` (1: its maker is a proxy) and `relayed` (1: made for another)."""
    table = tables["http_requests"].select("row_id", "site", "time", "client", "server", "proxied", *_KEY)
    keyed = table.mutate(host=table.host.fill_null(""), header_names=table.header_names.fill_null(""))
    hits = keyed.join(tables["request_forms"], list(_KEY))
    inner = hits.filter(hits.proxied & (hits.server != hits.client))
    inner = inner.select("site", "uri", "host", client=inner.server, inner=1).distinct()
    marked = hits.left_join(inner, ["site", "client", "uri", "host"]).select(*hits.columns, "inner")
    # A proxy's own log does not name the proxy: who asks for the same and is nobody's client there is the proxy.
    logged = hits.filter(hits.proxied & hits.server.isnull())
    same = logged.select("site", "uri", "host", logged=1).distinct()
    askers = logged.select("site", "client", asks=1).distinct()
    marked = marked.left_join(same, ["site", "uri", "host"]).select(*marked.columns, "logged")
    marked = marked.left_join(askers, ["site", "client"]).select(*marked.columns, "asks")
    by_proxy = marked.logged.notnull() & marked.asks.isnull()
    told = marked.client.isin(sorted(scope.site.proxies)) if scope.site.proxies else by_proxy
    shown = marked.inner.notnull() | by_proxy | told
    return marked.mutate(by_proxy=flag(shown), relayed=flag(shown | _proxy_headers(marked, pack)))


def relaying(tables: Tables, pack: ThreatPack, scope: Scope) -> Any:
    """Who is a proxy, as requests of the forms or the site show: site and client."""
    requests = _requests(tables, pack, scope)
    return requests.filter(requests.by_proxy == 1).select("site", "client").distinct()


def _proxy_headers(rows: Any, pack: ThreatPack) -> Any:
    """True where a header is one that proxies add to requests of the pack's forms."""
    import ibis  # noqa: PLC0415 - slow to import

    names = sorted({name.lower() for form in pack.http_forms for name in form.proxy_headers})
    listed = ibis.literal(",") + rows.header_names.lower() + ibis.literal(",")
    return reduce(lambda seen, name: seen | listed.contains(f",{name},"), names, ibis.literal(value=False))


def find(tables: Tables, pack: ThreatPack, scope: Scope) -> Any | None:
    """One row per client, form, `exact`, `relayed` and `called`: how many distinct hosts and URIs, with an example.

    `called` is the host's address in forms that ask for one, else empty.
    """
    import ibis  # noqa: PLC0415 - slow to import

    if not pack.http_forms:
        return None
    by_address = [form.id for form in pack.http_forms if form.host == "dotted-quad"]
    requests = _requests(tables, pack, scope)
    quad = requests.form.isin(by_address) if by_address else ibis.literal(value=False)
    return witnessed(
        requests.mutate(called=ibis.ifelse(quad, requests.host, "")),
        _BY,
        hosts=lambda t: t.host.nunique(),
        host=lambda t: t.host.min(),
        uris=lambda t: t.uri.nunique(),
        uri=lambda t: t.uri.min(),
    )


def of_rule(rows: list[Row], pack: ThreatPack, rule: str, *, relayed: bool = False) -> list[Row]:
    """Rows of the pack's forms for `rule`, of requests made for oneself or, if asked for, passed on."""
    forms = {form.id for form in pack.http_forms if form.rule == rule}
    return [row for row in rows if row["form"] in forms and bool(row["relayed"]) is relayed]


def inside(row: Row, scope: Scope) -> bool:
    """True if the request went to an address of the site, where no generated name of the worm leads."""
    return bool(row["called"]) and scope.site.holds(row["called"])


def outside_hosts(rows: Sequence[Row], scope: Scope) -> int:
    """How many addresses outside of the site these requests went to."""
    return len({row["called"] for row in rows if row["called"] and not inside(row, scope)})


def _hosts(rows: Sequence[Row]) -> int:
    """How many distinct hosts: of forms that ask for an address every row is one, of others a row says how many."""
    called = {row["called"] for row in rows} - {""}
    return len(called) or max(row["hosts"] for row in rows)


def drafts(rows: list[Row], pack: ThreatPack, sentence: str) -> list[Draft]:
    """One draft per client and form."""
    variants = {form.id: form.variants for form in pack.http_forms}
    return [
        Draft(
            actor=client,
            site=site,
            table="http_requests",
            witness=merged(group),
            sentence=sentence,
            fields={
                "actor": client,
                "form": form,
                "hosts": _hosts(group),
                "host": min(row["host"] for row in group),
                "requests": max(row["uris"] for row in group),
                "uri": min(row["uri"] for row in group),
            },
            variants=variants[form],
            key=form,
        )
        for (site, client, form), group in grouped(rows, _BY[:3])
    ]
