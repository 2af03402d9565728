"""`site.toml`: what the software cannot see and a person can say. Everything works without it.

`form` says what may stand in it, `docs/site.md` tells it to people.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from wormward.model.errors import SiteError, UsageError
from wormward.model.site import Site, SourceRule
from wormward.model.text import printable
from wormward.sitefile import inventory
from wormward.sitefile.form import ColumnsTable, SiteForm, SiteTable, SourceTable, Strict, address, zone

_TABLES: dict[str, type[Strict]] = {"site": SiteTable, "source": SourceTable}
_MEANT = {
    "string_type": "a text in quotes",
    "list_type": "a list of texts in quotes",
    "int_type": "a whole number",
    "model_type": "a table of keys",
}


def load_site(path: Path) -> Site:
    """The site that `path` describes. Raises SiteError naming the file, the key and what to do."""
    shown = printable(str(path))
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise SiteError(f"{shown}: cannot be read ({error.strerror}); check the name and your rights") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SiteError(f"{shown}: is no TOML in UTF-8 ({error}); correct it there, or save it as UTF-8") from error
    if "site" not in values:
        what = f"unknown key {printable(min(values))!r}" if values.keys() - _TABLES else "the table [site] is missing"
        raise SiteError(f"{shown}: {what}; what is said of the site stands below one line [site], see docs/site.md")
    try:
        form = SiteForm.model_validate(values)
    except ValidationError as error:
        raise SiteError(f"{shown}: {_sentence(error)}") from error
    site = _site(form)
    if form.site.inventory is None:
        return site
    columns = form.site.columns.model_dump(exclude_none=True)
    return replace(site, inventory=inventory.load(path.parent / form.site.inventory, columns))


def _site(form: SiteForm) -> Site:
    said = form.site
    return Site(
        name=said.name,
        ranges=tuple(ip_network(r) for r in said.ranges),
        domain_controllers=frozenset(said.domain_controllers),
        resolvers=frozenset(said.resolvers),
        scanners=frozenset(said.scanners),
        proxies=frozenset(said.proxies),
        nat=frozenset(said.nat),
        time_zone=said.time_zone,
        year=said.year,
        sources=tuple(SourceRule(s.files, s.kind, s.site, s.time_zone, s.year, s.clock_error_seconds) for s in form.source),
    )


def _sentence(error: ValidationError) -> str:
    """The first thing that is wrong, by key, and what to do about it."""
    first = error.errors(include_url=False)[0]
    where = _key(first["loc"])
    kind = first["type"]
    if kind == "extra_forbidden":
        inner = len(first["loc"]) > 1
        table = ColumnsTable if "columns" in first["loc"][:-1] else _TABLES.get(str(first["loc"][0])) if inner else None
        keys = ", ".join(table.model_fields if table else (*_TABLES,))
        return f"unknown key {where}; remove it, or write one of {keys}"
    if kind in _MEANT:
        return f"{where} must be {_MEANT[kind]}; correct it there"
    if kind == "value_error":
        return f"{where}: {first['msg'].removeprefix('Value error, ')}"
    return f"{where}: {_small(first['msg'])}; correct it there"


def _key(place: Sequence[Any]) -> str:
    key = ""
    for part in place:
        key += f"[{part + 1}]" if isinstance(part, int) else f".{printable(part)}" if key else printable(str(part))
    return key


def _small(text: str) -> str:
    return f"{text[:1].lower()}{text[1:]}"


def known_zone(name: str) -> str:
    """`name` if it is an IANA time zone. Raises UsageError if not."""
    try:
        return zone(name)
    except ValueError as error:
        raise UsageError(str(error)) from error


def with_options(site: Site, controllers: list[str], time_zone: str | None, year: int | None = None) -> Site:
    """`site` with what `--dc`, `--tz` and `--year` add. Raises UsageError where that is malformed."""
    try:
        named = frozenset(address(text) for text in controllers)
    except ValueError as error:
        raise UsageError(f"--dc: {error}") from error
    given = known_zone(time_zone) if time_zone is not None else site.time_zone
    return replace(site, domain_controllers=site.domain_controllers | named, time_zone=given, year=year or site.year)
