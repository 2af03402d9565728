"""Hosts that asked for many names of a generator's shape which no list of the tried days holds.

No detector: it weighs nothing and changes no answer. It says that the tried days may be the wrong ones (a clock that is
years off), so that somebody looks at all of them. Ordinary names have the shape too; what tells many of them from made
ones is how often they use vowels: names that people choose can be spoken, a generator's cannot.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from wormward.detect.base import Row, Scope, Tables, grouped
from wormward.model.pack import DomainAlgorithm, ThreatPack
from wormward.model.states import Remark
from wormward.model.text import N_

Fetch = Callable[[Any], list[Row]]
MANY = 60
"""Distinct names of a host; of so many the share of vowels says enough: they have some 500 letters."""
MOST_APART = 0.055
"""The share of vowels may be so far from the generator's; ordinary names are 0.1 and more above it."""
MOST_HOSTS = 5
"""So many hosts are named."""
VOWELS = "aeiou"

SENTENCE = N_(
    "{host} looked up {names} {names|name|names} of the shape that variant {variant} makes, and none is on a list of the "
    "days that were tried: if a clock may be off by more than {days} {days|day|days}, try again with "
    "--all-time or a larger --tolerance."
)
MORE = N_("{number} more {number|host|hosts} looked up such names.")


def look(tables: Tables, pack: ThreatPack, scope: Scope, fetch: Fetch) -> list[Remark]:
    """What there is to say; `fetch` answers an Ibis expression. The lookups are asked only where names enough are unmet."""
    if scope.all_time or {"dns_queries", "name_shapes"} & scope.empty or not any(v.domains for v in pack.variants):
        return []
    unmet = tables["name_shapes"].anti_join(tables["name_days"], "name").select("name", "variant")
    counted = fetch(unmet.group_by("variant").agg(names=unmet.count()))
    if not any(row["names"] >= MANY for row in counted):
        return []
    return remarks(fetch(_hosts(tables["dns_queries"], unmet)), pack, scope)


def _hosts(queries: Any, unmet: Any) -> Any:
    """One row per site, client and variant with MANY such names: how many, their letters and vowels."""
    unmet = unmet.mutate(size=unmet.name.length(), spoken=unmet.name.length() - unmet.name.translate(VOWELS, "").length())
    asked = queries.select("site", "client", "name").semi_join(unmet, "name").distinct().join(unmet, "name")
    hosts = asked.group_by("site", "client", "variant").agg(
        names=asked.count(), size=asked["size"].sum(), spoken=asked.spoken.sum()
    )
    return hosts.filter(hosts.names >= MANY)


def remarks(rows: Sequence[Row], pack: ThreatPack, scope: Scope) -> list[Remark]:
    """One sentence a host, for the first few; a host is told once, of the variant that most of its names fit."""
    shares = {v.letter: _share(v.domains, max(scope.last_day, v.first_day)) for v in pack.variants if v.domains}
    fitting = [row for row in rows if abs(row["spoken"] / row["size"] - shares[row["variant"]]) <= MOST_APART]
    hosts = [(key, min(own, key=lambda r: (-r["names"], r["variant"]))) for key, own in grouped(fitting, ("site", "client"))]
    told = [Remark(SENTENCE, _fields(row, scope)) for _, row in hosts[:MOST_HOSTS]]
    more = len(hosts) - len(told)
    return [*told, Remark(MORE, {"number": more})] if more else told


def _share(rule: DomainAlgorithm, day: int) -> float:
    """The share of vowels in the names of one day's list."""
    text = "".join(rule.names(day))
    return sum(map(text.count, VOWELS)) / len(text)


def _fields(row: Row, scope: Scope) -> Mapping[str, str | int]:
    host = row["client"] if row["site"] == scope.site.name else f"{row['client']} [{row['site']}]"
    return {"host": host, "names": row["names"], "variant": row["variant"], "days": scope.tolerance_days}
