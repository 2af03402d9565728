"""What an annotator is: distinct keys in, more columns out, once and outside any query.

keys(tables, pack)          an Ibis expression for the distinct keys, or None where the pack has no use for them
annotate(keys, pack, days)  side tables by name, in the schemas of `model.tables`
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import pyarrow as pa

from wormward.model.pack import ThreatPack
from wormward.model.tables import BY_NAME

Tables = Mapping[str, Any]
"""Ibis tables by name: facts with the engine's `second`, and side tables."""


class Days(NamedTuple):
    """First and last day of the evidence (days since 1970 UTC), and whether all days of a pack's lists are tried.

    `spans` are the intervals of days in which names were looked up (first and last day of each), in order; empty: not
    known, any day from first to last. Captures of many years are mostly gaps.
    """

    first: int
    last: int
    all_time: bool = False
    spans: tuple[tuple[int, int], ...] = ()


class Engine(Protocol):
    """What `annotate_all` needs of an engine (`engine.Duck` is one)."""

    def tables(self) -> Tables:
        """All tables, unbound."""
        ...

    def empty(self) -> Collection[str]:
        """Names of tables without rows."""
        ...

    def arrow(self, expression: Any) -> pa.Table:
        """The rows of an expression, in any order."""
        ...

    def values(self, table: str, column: str) -> pa.Table | None:
        """The distinct values of one column, or more than these, where that is faster to have; else None."""
        ...

    def add(self, name: str, rows: pa.Table) -> None:
        """Register a side table, replacing the one of that name."""
        ...

    def cut(self, name: str, fact: str, column: str, values: pa.Array) -> None:
        """Keep the rows of a fact table whose text `column` is one of `values` as the cut `name`, replacing the one so named."""
        ...


class Notes(Protocol):
    """Remembers keys that gave nothing (`store.notes.Notes` is one)."""

    def dull(self, of: str) -> pa.Table | None:
        """The keys that are known to give nothing to `of`; None if none are."""
        ...

    def add(self, of: str, keys: pa.Table) -> None:
        """Keep more such keys."""
        ...


@dataclass(frozen=True, slots=True)
class Annotator:
    """One annotator. `version` rises when the same keys would give other columns; `fact` is the table of its keys.

    `column` is the one column that the keys are the distinct values of, None where they are more than that. Then it may
    be given values that no row has: side tables are joined, and what joins nothing says nothing.

    `dull_by` are the columns of its keys, in each table that it makes too, if a key that gives no row gives none for any
    days, and remembering that costs less than looking again; else empty.
    """

    name: str
    version: int
    fact: str
    makes: tuple[str, ...]
    keys: Callable[[Tables, ThreatPack], Any | None]
    annotate: Callable[[pa.Table, ThreatPack, Days], Mapping[str, pa.Table]]
    column: str | None = None
    dull_by: tuple[str, ...] = ()

    def note(self, pack: ThreatPack) -> str:
        """What its notes are kept under: they are of no use to another version or pack."""
        return f"{self.name}-{self.version}-{pack.digest[:16]}"


def side_table(name: str, columns: Mapping[str, Any]) -> pa.Table:
    """`columns` as the side table `name`: its column order and types. Raises KeyError if one is missing."""
    schema = BY_NAME[name].schema
    return pa.table([pa.array(columns[f.name], f.type) for f in schema], schema=schema)
