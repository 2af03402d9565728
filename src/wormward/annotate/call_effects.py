"""What decoded calls would do to the service they are sent to, and the command lines of remote jobs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from wormward.annotate.base import Annotator, Days, Tables, side_table
from wormward.model.pack import ThreatPack
from wormward.wire.holes import judge

VERSION = 1
_KEYS = ("interface", "opnum", "byte_order", "ndr64", "stub")
_SAID = ("hole", "effect", "path", "step", "command")


def keys(tables: Tables, _pack: ThreatPack) -> Any | None:
    """The distinct calls whose stub was kept."""
    calls = tables["rpc_calls"]
    shown = calls.filter(calls.stub.notnull() & calls.byte_order.notnull() & calls.ndr64.notnull())
    return shown.mutate(interface=shown.interface.fill_null("")).select(*_KEYS).distinct()


def annotate(distinct: pa.Table, _pack: ThreatPack, _days: Days) -> Mapping[str, pa.Table]:
    """Side table `call_effects`, ordered by key."""
    rows = []
    for key in sorted(zip(*(distinct.column(name).to_pylist() for name in _KEYS), strict=True)):
        interface, opnum, byte_order, ndr64, stub = key
        effect = judge(interface or None, opnum, byte_order, ndr64, stub)
        rows.append((*key, effect.hole, effect.effect, effect.path, effect.step, effect.command))
    columns = {name: [row[i] for row in rows] for i, name in enumerate((*_KEYS, *_SAID))}
    return {"call_effects": side_table("call_effects", columns)}


CALL_EFFECTS = Annotator("call_effects", VERSION, "rpc_calls", ("call_effects",), keys, annotate)
