"""Annotators: pure functions from distinct keys to more columns. A new one is a file and a line here."""

from __future__ import annotations

import pyarrow as pa

from wormward.annotate.base import Annotator, Days, Engine, Notes
from wormward.annotate.call_effects import CALL_EFFECTS
from wormward.annotate.contact_ports import CONTACT_PORTS, CONTACT_WEEKS
from wormward.annotate.file_forms import FILE_FORMS
from wormward.annotate.name_days import NAME_DAYS
from wormward.annotate.packet_forms import PACKET_FORMS
from wormward.annotate.request_forms import REQUEST_FORMS
from wormward.model.pack import ThreatPack
from wormward.model.tables import BY_NAME

__all__ = ["ANNOTATORS", "Annotator", "Days", "Engine", "Notes", "annotate_all"]

# In this order: the keys of contact_ports use contact_weeks.
ANNOTATORS: tuple[Annotator, ...] = (
    NAME_DAYS,
    CONTACT_WEEKS,
    CONTACT_PORTS,
    PACKET_FORMS,
    REQUEST_FORMS,
    FILE_FORMS,
    CALL_EFFECTS,
)


def annotate_all(engine: Engine, pack: ThreatPack, days: Days, notes: Notes | None = None) -> None:
    """Run every annotator of `pack` over its distinct keys, and make the cut `telling_queries`.

    `notes` remember, from run to run, which keys need not be looked at. Side tables of an earlier pack are replaced.
    Annotations of facts without rows are empty, and no query is asked.
    Raises what the engine raises (WorkspaceError).
    """
    tables, empty = engine.tables(), engine.empty()
    for annotator in ANNOTATORS:
        keys = None if annotator.fact in empty else annotator.keys(tables, pack)
        if keys is None:
            made = {name: BY_NAME[name].schema.empty_table() for name in annotator.makes}
        else:
            known = None if annotator.column is None else engine.values(annotator.fact, annotator.column)
            distinct = engine.arrow(keys) if known is None else known
            if notes is not None and annotator.dull_by:
                made = _annotated(annotator, distinct, pack, days, notes)
            else:
                made = dict(annotator.annotate(distinct, pack, days))
        for name in annotator.makes:
            engine.add(name, made[name])
        if annotator is NAME_DAYS and keys is not None:
            engine.cut("telling_queries", NAME_DAYS.fact, "name", made["telling_names"].column("name").combine_chunks())


def _annotated(annotator: Annotator, distinct: pa.Table, pack: ThreatPack, days: Days, notes: Notes) -> dict[str, pa.Table]:
    """What `annotator` makes of keys that may tell something; of those that turn out not to, `notes` are taken."""
    columns, of = list(annotator.dull_by), annotator.note(pack)
    distinct = distinct.select(columns)
    known = notes.dull(of)
    if known is not None and known.schema.equals(distinct.schema):
        distinct = distinct.join(known, columns, join_type="left anti")
    made = dict(annotator.annotate(distinct, pack, days))
    telling = pa.concat_tables([table.select(columns) for table in made.values()])
    # Null equals nothing in a join: keys with one are looked at every time.
    dull = distinct.drop_null().join(telling.group_by(columns).aggregate([]), columns, join_type="left anti")
    if dull.num_rows:
        notes.add(of, dull)
    return made
