"""A host's looked-up names meet one variant's list of one day."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from wormward.detect import chance
from wormward.detect.base import Detector, Draft, Row, Scope, Tables, flag, grouped, iso_day, merged, without, witnessed
from wormward.model.findings import Kind
from wormward.model.pack import DomainAlgorithm, ThreatPack
from wormward.model.text import N_

_ASKER = ("site", "client", "variant")
_LIST = (*_ASKER, "day")
_EXAMPLES = 3

SAME_DAY = N_(
    "{actor} looked up {names} {names|name|names} that variant {variant} makes for {day} (of {asked} {asked|name|names} of that "
    "shape it asked for); by chance less than {chance}"
)
EARLIER = N_(
    "{actor} looked up {names} {names|name|names} that variant {variant} makes for {day} (of {asked} {asked|name|names} of that "
    "shape it asked for); by chance less than {chance}. By the log's clock they are {days_apart} {days_apart|day|days} old: "
    "so far apart are the log's clock or time zone and whoever told the host the date"
)
LATER = N_(
    "{actor} looked up {names} {names|name|names} that variant {variant} makes for {day} (of {asked} {asked|name|names} of that "
    "shape it asked for); by chance less than {chance}. By the log's clock that is {days_apart} {days_apart|day|days} ahead: "
    "so far apart are the log's clock or time zone and whoever told the host the date"
)


def _listed(tables: Tables, scope: Scope) -> Any:
    """Lookups of names that stand in a list of about that day."""
    lists = tables["name_days"]
    listed = lists.group_by("name", "variant", "day").agg(
        first_branch=flag(lists.branch != "libm").max(), second_branch=flag(lists.branch != "x87").max()
    )
    queries = tables["telling_queries"].select("row_id", "site", "time", "client", "server", "name", "second")
    hits = queries.join(listed, "name").mutate(offset=lambda t: t.day - t.second // 86400)
    if not scope.all_time:
        hits = hits.filter(hits.offset.abs() <= scope.tolerance_days)
    return hits


def _own(hits: Any, scope: Scope) -> Any:
    """Of these lookups those that were not made for somebody else."""
    passed_on = hits.filter(hits.server.notnull() & (hits.server != hits.client))
    passed_on = passed_on.select("site", "name", client=passed_on.server).distinct()
    return without(hits.anti_join(passed_on, ["site", "client", "name"]), "client", scope.name_servers)


def _offsets(names: Any) -> Any:
    """Per list: the most common distance between the list's day and the log's (nearest, then earlier, of equals)."""
    import ibis  # noqa: PLC0415 - slow to import

    counted = names.group_by(*_LIST, "offset").agg(times=names.count())
    best = ibis.window(group_by=list(_LIST), order_by=[counted.times.desc(), counted.offset.abs(), counted.offset])
    return counted.mutate(rank_=ibis.row_number().over(best)).filter(lambda t: t.rank_ == 0).select(*_LIST, "offset")


def find(tables: Tables, pack: ThreatPack, scope: Scope) -> Any | None:
    """What hosts asked for themselves; see `coherence`."""
    return coherence(tables, pack, scope, _own) if any(v.domains for v in pack.variants) else None


def coherence(tables: Tables, pack: ThreatPack, scope: Scope, whose: Callable[[Any, Scope], Any]) -> Any:
    """One row per client, variant, list day and letter count: names asked of that shape, and names met."""
    hits = whose(_listed(tables, scope), scope)
    names = hits.group_by(*_LIST, "name").agg(
        first_branch=hits.first_branch.max(), second_branch=hits.second_branch.max(), offset=hits.offset.max()
    )
    lists = names.group_by(*_LIST).agg(names=names.count()).filter(lambda t: t.names >= pack.least_names)
    names = names.semi_join(lists, _LIST)
    shapes = tables["name_shapes"]
    met = names.join(shapes, ["name", "variant"])
    met = met.group_by(*_LIST, "letters").agg(
        first_branch=met.first_branch.sum(), second_branch=met.second_branch.sum(), met=met.count(), example=met.name.min()
    )
    queries = tables["dns_queries"].select("site", "client", "name")
    asked = queries.semi_join(lists, ["site", "client"]).join(shapes, "name")
    asked = asked.group_by(*_ASKER, "letters").agg(asked=asked.name.nunique())
    seen = witnessed(hits.semi_join(lists, _LIST), _LIST).join(_offsets(names), _LIST)
    judged = seen.join(asked, _ASKER)
    columns = (*judged.columns, "first_branch", "second_branch", "met", "example")
    return judged.left_join(met, [*_LIST, "letters"]).select(*columns)


def strength(rows: list[Row], rule: DomainAlgorithm, tries: int) -> int:
    """Strength of one list's coincidence, from counts per letter count, in milli.

    For each least letter count and each numeric branch the names at least that long are counted and bounded; the
    best of these tries counts, corrected for all of them. Rows need letters, asked, first_branch, second_branch.
    """
    ordered = sorted(rows, key=lambda r: -int(r["letters"]))
    expected: list[float] = []
    best = 0.0
    first = second = 0
    for row in ordered:
        expected.append(row["asked"] * rule.chance(row["letters"]))
        first += row["first_branch"] or 0
        second += row["second_branch"] or 0
        best = min(best, chance.log10_tail(max(first, second), math.fsum(expected)))
    return chance.milli(best, tries * max(1, len(ordered)) * rule.lists_per_day)


def refine(rows: list[Row], pack: ThreatPack, scope: Scope) -> list[Draft]:
    """One draft per client, variant and list day whose coincidence is unlikely enough."""
    rules = {v.letter: (v, v.domains) for v in pack.variants if v.domains is not None}
    drafts = []
    for key, classes in grouped(rows, _LIST):
        variant, rule = rules[key[2]]
        milli = strength(classes, rule, scope.list_days(variant, pack) * len(rules))
        if milli >= chance.LEAST_MILLI:
            drafts.append(_draft(key, classes, milli))
    return drafts


def _draft(key: tuple[str, str, str, int], classes: list[Row], milli: int) -> Draft:
    site, client, letter, day = key
    met = sorted((r for r in classes if r["met"]), key=lambda r: -int(r["letters"]))
    offset = classes[0]["offset"]
    fields: Mapping[str, str | int] = {
        "actor": client,
        "variant": letter,
        "day": iso_day(day),
        "names": sum(r["met"] for r in met),
        "asked": sum(r["asked"] for r in classes),
        "examples": ", ".join(r["example"] for r in met[:_EXAMPLES]),
        "offset_days": offset,
        "days_apart": abs(offset),
        "chance": chance.as_text(milli),
    }
    return Draft(
        actor=client,
        site=site,
        table="dns_queries",
        witness=merged(classes[:1]),
        sentence=SAME_DAY if not offset else EARLIER if offset < 0 else LATER,
        fields=fields,
        variants=(letter,),
        milli=milli,
        key=f"{letter}:{iso_day(day)}",
    )


DETECTOR = Detector(
    rule="names.day-list",
    kind=Kind.DOMAIN_LOOKUP,
    title="Looked-up names meet one variant's list of one day",
    tables=("dns_queries", "name_days"),
    references=(
        "Honeynet Project, Know Your Enemy, paper of 30 March 2009 (Leder, Werner), 6 and 7: names, date from web sites",
        "Mitzenmacher, Upfal: Probability and Computing, theorem 5.4: the bound on a Poisson tail",
    ),
    limitations=(
        "Names that a host looks up for others are left out: known or inferred resolvers and domain controllers are never "
        "judged by names, and other hosts not by names that somebody asked them for.",
        "One name, or many short names of different days, says nothing: real names collide with the lists.",
        "A host that looks a list up on purpose (a block list's test, an analyst) looks the same.",
        "The chance assumes that ordinary names do not follow the generator; it is a bound, corrected for all days, "
        "variants, branches and lengths tried.",
    ),
    find=find,
    refine=refine,
)
