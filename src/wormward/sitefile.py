"""`site.toml`: what the software cannot see and a person can say. Everything works without it.

    [site]
    name = "Head office"
    ranges = ["10.20.0.0/16", "192.0.2.0/24"]     # without: private addresses
    domain_controllers = ["10.20.0.5"]             # without: those that answers to _ldap._tcp name
    resolvers = ["10.20.0.6"]                      # without: those that answered questions for names
    scanners = ["10.20.9.1"]                       # vulnerability scanners and inventory tools
    proxies = ["10.20.0.15"]                       # what they ask for, they ask for others
    time_zone = "Asia/Tokyo"                       # of log stamps that carry none; without: UTC
    year = 2009                                    # of the first line of logs whose stamps carry none

Unknown keys are refused: a misspelt one would be silently without effect.
"""

from __future__ import annotations

import tomllib
from dataclasses import replace
from ipaddress import ip_address, ip_network
from pathlib import Path
from zoneinfo import ZoneInfo

from wormward.model.errors import SiteError, UsageError
from wormward.model.site import Site
from wormward.model.text import printable

_LISTS = ("ranges", "domain_controllers", "resolvers", "scanners", "proxies")
_TEXTS = ("name", "time_zone")
_YEARS = range(1990, 2101)


def load_site(path: Path) -> Site:
    """The site that `path` describes. Raises SiteError naming the file and the key."""
    shown = printable(str(path))
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SiteError(f"{shown}: cannot be read ({error.strerror}); check the name and your rights") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SiteError(f"{shown}: is no TOML in UTF-8 ({error}); correct it there, or save it as UTF-8") from error
    unknown = sorted(set(values) - {"site"})
    if unknown or not isinstance(values.get("site"), dict):
        what = f"unknown key {printable(unknown[0])!r}" if unknown else "the table [site] is missing"
        raise SiteError(f"{shown}: {what}; all keys stand below one line [site], see docs/commands.md")
    return _site(values["site"], shown)


def _site(table: dict[str, object], where: str) -> Site:
    for key, value in table.items():
        if key in _LISTS:
            fits = isinstance(value, list) and all(isinstance(item, str) for item in value)
        elif key in _TEXTS:
            fits = isinstance(value, str) and bool(value.strip())
        elif key == "year":
            fits = isinstance(value, int) and value in _YEARS
        else:
            raise SiteError(
                f"{where}: unknown key site.{printable(key)}; remove it, or write one of {', '.join((*_TEXTS, 'year', *_LISTS))}"
            )
        if not fits:
            others = "a year, such as 2009" if key == "year" else "a text in quotes"
            kind = "a list of texts in quotes" if key in _LISTS else others
            raise SiteError(f"{where}: site.{key} must be {kind}; correct it there")
    texts: dict[str, list[str]] = {key: [str(x) for x in value] for key in _LISTS if isinstance(value := table.get(key), list)}
    zone = table.get("time_zone")
    try:
        return Site(
            name=printable(str(table.get("name", "site"))),
            ranges=tuple(ip_network(r) for r in texts.get("ranges", ())),
            domain_controllers=addresses(texts.get("domain_controllers", ())),
            resolvers=addresses(texts.get("resolvers", ())),
            scanners=addresses(texts.get("scanners", ())),
            proxies=addresses(texts.get("proxies", ())),
            time_zone=known_zone(str(zone)) if zone is not None else None,
            year=year if isinstance(year := table.get("year"), int) else None,
        )
    except (ValueError, UsageError) as error:
        raise SiteError(f"{where}: {error}; correct it there") from error


def addresses(texts: list[str] | tuple[str, ...]) -> frozenset[str]:
    """IP addresses in their usual form. Raises UsageError naming the one that is none."""
    out = set()
    for text in texts:
        try:
            out.add(str(ip_address(text)))
        except ValueError as error:
            raise UsageError(f"{printable(text)!r} is no IP address; write one such as 10.20.0.5") from error
    return frozenset(out)


def known_zone(name: str) -> str:
    """`name` if it is an IANA time zone. Raises UsageError if not."""
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise UsageError(f"{printable(name)!r} is no time zone; names look like Asia/Tokyo") from error
    return name


def with_options(site: Site, controllers: list[str], time_zone: str | None, year: int | None = None) -> Site:
    """`site` with what `--dc`, `--tz` and `--year` add. Raises UsageError where that is malformed."""
    try:
        named = addresses(controllers)
    except UsageError as error:
        raise UsageError(f"--dc: {error}") from error
    zone = known_zone(time_zone) if time_zone is not None else site.time_zone
    return replace(site, domain_controllers=site.domain_controllers | named, time_zone=zone, year=year or site.year)
