"""Which looked-up names stand in which variant's list of which day, and which merely look as if they could.

A name is tried against the days of the evidence and the pack's tolerance around them, or, for `--all-time`,
against every day since the pack's first list. No list is kept: the pack's generators are run over the days and
asked for these names only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from wormward.annotate.base import Annotator, Days, Tables, side_table
from wormward.model.pack import ThreatPack, Variant
from wormward.model.tables import BY_NAME

VERSION = 1
_GAP_DAYS = 30
"""A shorter gap between days is not worth a search of its own."""
LDAP_PREFIX = "_ldap._tcp."
"""Names that domain members ask for to find a domain controller (RFC 2782, MS-ADTS 6.3.2.3)."""


def list_days(variant: Variant, pack: ThreatPack, days: Days) -> list[tuple[int, int]]:
    """Intervals of days (first and last) whose lists are tried, in order and apart."""
    if days.all_time:
        wanted = [(pack.since_day, days.last + pack.tolerance_days)]
    else:
        spans = days.spans or ((days.first, days.last),)
        wanted = [(first - pack.tolerance_days, last + pack.tolerance_days) for first, last in sorted(spans)]
    merged: list[tuple[int, int]] = []
    for first, last in ((max(a, variant.first_day), z) for a, z in wanted if z >= variant.first_day):
        if merged and first <= merged[-1][1] + _GAP_DAYS:
            merged[-1] = (merged[-1][0], max(merged[-1][1], last))
        else:
            merged.append((first, last))
    return merged


def keys(tables: Tables, _pack: ThreatPack) -> Any | None:
    """The distinct names."""
    return tables["dns_queries"].select("name").distinct()


def annotate(distinct: pa.Table, pack: ThreatPack, days: Days) -> Mapping[str, pa.Table]:
    """Side tables `name_days`, `name_shapes` and `telling_names`, ordered by name, variant and day."""
    # Of a site's hundred thousands of names few have the shape: nothing is made of the others.
    names = pa.concat_arrays(distinct.column("name").chunks) if distinct.num_rows else pa.array([], pa.string())
    names = names.filter(pc.greater(pc.binary_length(names), 0))  # nor of null
    found: list[pa.Table] = [BY_NAME["name_days"].schema.empty_table()]
    shaped: list[pa.Table] = [BY_NAME["name_shapes"].schema.empty_table()]
    for variant in pack.variants:
        if variant.domains is None:
            continue
        letters = variant.domains.letters(names)
        fitting = np.flatnonzero(letters > 0)
        candidates = names.take(pa.array(fitting)).to_pylist()
        variants = [variant.letter] * len(candidates)
        shaped.append(side_table("name_shapes", {"name": candidates, "variant": variants, "letters": letters[fitting]}))
        found += [_found(candidates, variant, first, last) for first, last in list_days(variant, pack, days)]
    order = [(column, "ascending") for column in ("name", "variant", "day", "position", "branch")]
    listed = pa.concat_tables(found).sort_by(order)
    known = pa.array(sorted(frozenset(listed.column("name").unique().to_pylist()) | _date_sites(pack)), pa.string())
    telling = names.filter(pc.or_(pc.is_in(names, known), pc.starts_with(names, LDAP_PREFIX)))
    return {
        "name_days": listed,
        "name_shapes": pa.concat_tables(shaped).sort_by([("name", "ascending"), ("variant", "ascending")]),
        "telling_names": side_table("telling_names", {"name": sorted(telling.to_pylist())}),
    }


def _date_sites(pack: ThreatPack) -> frozenset[str]:
    sites = pack.closed_network.date_sites
    return frozenset(sites) | frozenset(f"www.{site}" for site in sites)


def _found(candidates: Sequence[str], variant: Variant, first: int, last: int) -> pa.Table:
    """Rows of `name_days` for one variant."""
    if not candidates or variant.domains is None:
        return BY_NAME["name_days"].schema.empty_table()
    hits = variant.domains.find(candidates, first, last)
    columns = {name: hits.column(name).combine_chunks() for name in ("day", "position", "branch")}
    columns["name"] = pa.array(candidates, pa.string()).take(hits.column("index").combine_chunks())
    columns["variant"] = pa.array([variant.letter] * hits.num_rows, pa.string())
    schema = BY_NAME["name_days"].schema
    return pa.table([columns[f.name].cast(f.type) for f in schema], schema=schema)


_MADE = ("name_days", "name_shapes", "telling_names")
NAME_DAYS = Annotator("name_days", VERSION, "dns_queries", _MADE, keys, annotate, column="name")
