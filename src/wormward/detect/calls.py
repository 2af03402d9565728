"""Calls of the hole's interface: what the exploit.* detectors share."""

from __future__ import annotations

from typing import Any

from wormward.detect.base import EVENT, Tables
from wormward.model.pack import ThreatPack

WRITES = "writes-before"
_KEY = ("interface", "opnum", "byte_order", "ndr64", "stub")
_SAME_S = 10
"""Two sources that show one call differ in its time by at most so many seconds (their clocks, the log's rounding)."""


def shown(tables: Tables) -> Any:
    """Calls whose stub was kept, with what it would do (`effect`, `hole`, `path`, `step`, `command`)."""
    calls = tables["rpc_calls"]
    kept = calls.filter(calls.stub.notnull())
    return kept.mutate(interface=kept.interface.fill_null("")).join(tables["call_effects"], list(_KEY))


def unshown(tables: Tables, pack: ThreatPack) -> Any:
    """Path calls of the hole's interface whose argument no source shows.

    A row without its stub is left out where another source shows a stub between the same two hosts at that time:
    what the call would do is known then.
    """
    import ibis  # noqa: PLC0415 - slow to import

    rule = pack.spreading
    calls = tables["rpc_calls"]
    path_calls = calls.filter((calls.interface == rule.hole_interface) & calls.opnum.isin(list(rule.hole_opnums)))
    bare = path_calls.filter(path_calls.stub.isnull())
    bare = bare.mutate(bucket=bare.second // _SAME_S)
    kept = calls.filter(calls.stub.notnull() & calls.opnum.isin(list(rule.hole_opnums)))
    buckets = kept.select(*EVENT, bucket=kept.second // _SAME_S).distinct()
    near = ibis.union(*(buckets.mutate(bucket=buckets.bucket + step) for step in (-1, 0, 1))).distinct()
    return bare.anti_join(near, [*EVENT, "bucket"])
