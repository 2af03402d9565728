"""Which HTTP requests have one of the pack's forms.

A form is judged by method, URI, kind of host and the exact header names. Where the source does not show header
names (Zeek's http.log), the rest must fit and `exact` is false: detectors then say less.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from ipaddress import AddressValueError, IPv4Address
from typing import Any

import pyarrow as pa

from wormward.annotate.base import Annotator, Days, Tables, side_table
from wormward.model.pack import HttpForm, ThreatPack

VERSION = 1
_KEYS = ("method", "uri", "host", "header_names")


def keys(tables: Tables, pack: ThreatPack) -> Any | None:
    """The distinct requests of the pack's methods; None if the pack has no HTTP form."""
    if not pack.http_forms:
        return None
    requests = tables["http_requests"]
    wanted = requests.filter(requests.method.isin(sorted({form.method for form in pack.http_forms})))
    filled = wanted.mutate(host=wanted.host.fill_null(""), header_names=wanted.header_names.fill_null(""))
    return filled.select(*_KEYS).distinct()


def annotate(distinct: pa.Table, pack: ThreatPack, _days: Days) -> Mapping[str, pa.Table]:
    """Side table `request_forms`, ordered by key and form."""
    judges = [(form, _judge(form)) for form in pack.http_forms]
    rows = []
    for key in zip(*(distinct.column(name).to_pylist() for name in _KEYS), strict=True):
        for form, fits in judges:
            exact = fits(*key)
            if exact is not None:
                rows.append((*key, form.id, exact))
    rows.sort()
    names = (*_KEYS, "form", "exact")
    return {"request_forms": side_table("request_forms", {n: [row[i] for row in rows] for i, n in enumerate(names)})}


def _judge(form: HttpForm) -> Callable[[str, str, str, str], bool | None]:
    """A function of (method, uri, host, header names): None for no fit, else whether the headers were seen to fit."""
    uri_fits = re.compile(form.uri).fullmatch
    sets = frozenset(tuple(name.lower() for name in names) for names in form.header_sets)
    proxy = frozenset(name.lower() for name in form.proxy_headers)

    def fits(method: str, uri: str, host: str, header_names: str) -> bool | None:
        if method != form.method or not uri_fits(uri) or not _host_fits(form, host):
            return None
        if not sets:
            return True
        if not header_names:
            return False
        own = tuple(name for name in header_names.lower().split(",") if name not in proxy)
        return True if own in sets else None

    return fits


def _host_fits(form: HttpForm, host: str) -> bool:
    if form.host == "listed":
        return host in form.hosts
    if form.host == "dotted-quad":
        return _dotted_quad(host)
    return True


def _dotted_quad(host: str) -> bool:
    try:
        IPv4Address(host)
    except (AddressValueError, ValueError):
        return False
    return True


REQUEST_FORMS = Annotator("request_forms", VERSION, "http_requests", ("request_forms",), keys, annotate, dull_by=_KEYS)
