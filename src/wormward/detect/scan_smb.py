"""A host tries the file-sharing ports of many hosts within a short time, mostly in vain."""

from __future__ import annotations

from typing import Any

from wormward.detect.base import EVENT, Detector, Draft, Row, Scope, Tables, flag, windows, without, witness, witnessed_by_blocks
from wormward.model.findings import Kind
from wormward.model.pack import Spreading, ThreatPack
from wormward.model.text import N_

_HOST = ("site", "client")
SENTENCE = N_(
    "{actor} tried to reach {targets} {targets|host|hosts} over TCP {ports}, {failed} of them in vain, many within "
    "{minutes} {minutes|minute|minutes}; "
    "none of them is a known domain controller"
)


def _busy_buckets(tries: Any, rule: Spreading) -> Any:
    """Buckets of hosts that reached for enough targets, mostly in vain, in that bucket and its neighbour."""
    import ibis  # noqa: PLC0415 - slow to import

    per_window = windows(tries, rule.scan_window_s, (*EVENT, "reached"))
    targets = per_window.group_by(*EVENT, "window").agg(reached=per_window.reached.max())
    counted = targets.group_by(*_HOST, "window").agg(targets=targets.count(), failed=(1 - targets.reached).sum())
    busy = counted.filter(
        (counted.targets >= rule.scan_targets) & (counted.failed * 100 >= counted.targets * rule.scan_failed_share_percent)
    )
    busy = busy.select(*_HOST, bucket=busy.window)
    return ibis.union(busy, busy.mutate(bucket=busy.bucket - 1)).distinct()


def find(tables: Tables, pack: ThreatPack, scope: Scope) -> Any | None:
    """One row per scanning host, over all its busy buckets."""
    rule = pack.spreading
    flows = tables["flows"].select("row_id", "site", "time", "client", "server", "server_port", "protocol", "state", "second")
    tries = flows.filter((flows.protocol == "tcp") & flows.server_port.isin(list(rule.scan_ports)))
    tries = without(tries.filter(tries.state != "tried"), "server", scope.controllers)  # neither in vain nor reached
    tries = tries.mutate(reached=flag(tries.state.isin(["established", "midstream"])))
    # Few hosts fail to reach many; only those are looked at window by window.
    failing = tries.filter(tries.reached == 0)
    failing = failing.group_by(*_HOST).agg(targets=failing.server.nunique())
    many = failing.filter(failing.targets * 100 >= rule.scan_targets * rule.scan_failed_share_percent)
    tries = tries.semi_join(many, list(_HOST)).mutate(bucket=tries.second // rule.scan_window_s)
    tries = tries.semi_join(_busy_buckets(tries, rule), [*_HOST, "bucket"])
    targets = tries.group_by(*EVENT).agg(reached=tries.reached.max())
    totals = targets.group_by(*_HOST).agg(targets=targets.count(), failed=(1 - targets.reached).sum())
    return witnessed_by_blocks(tries, _HOST).join(totals, _HOST)


def refine(rows: list[Row], pack: ThreatPack, _scope: Scope) -> list[Draft]:
    """One draft per host."""
    rule = pack.spreading
    ports = ", ".join(str(p) for p in rule.scan_ports)
    return [
        Draft(
            actor=row["client"],
            site=row["site"],
            table="flows",
            witness=witness(row),
            sentence=SENTENCE,
            fields={
                "actor": row["client"],
                "targets": row["targets"],
                "failed": row["failed"],
                "ports": ports,
                "minutes": -(-rule.scan_window_s // 60),
            },
        )
        for row in rows
    ]


DETECTOR = Detector(
    rule="scan.smb",
    kind=Kind.SCAN,
    title="Many hosts tried on file-sharing ports, mostly in vain",
    tables=("flows",),
    references=("Virus bulletins of 2008 and 2009: 445/tcp to random and neighbouring addresses",),
    limitations=(
        "Inventory tools and vulnerability scanners do the same: support only; name yours in site.toml.",
        "A scan slower than its window, or mostly answered, is not seen.",
    ),
    find=find,
    refine=refine,
    ports=lambda pack: pack.spreading.scan_ports,
)
