"""A host sends peer-to-peer packets of the worm: they decode, and their sum is right."""

from __future__ import annotations

from typing import Any

from wormward.detect.base import Detector, Draft, Row, Scope, Tables, without, witness, witnessed
from wormward.model.findings import Kind
from wormward.model.pack import ThreatPack
from wormward.model.text import N_

SENTENCE = N_(
    "{actor} sent {packets} peer-to-peer {packets|packet|packets} of the worm to {peers} {peers|address|addresses}; "
    "the packets' sums are right ({detail})"
)


def find(tables: Tables, pack: ThreatPack, scope: Scope) -> Any | None:
    """One row per sender; the site's own scanners left out."""
    if pack.peer_to_peer is None:
        return None
    sent = tables["payloads"].join(tables["packet_forms"], ["protocol", "payload"])
    return witnessed(
        without(sent, "client", scope.scanners),
        ["site", "client"],
        packets=lambda t: t.payload.nunique(),
        peers=lambda t: t.server.nunique(),
        detail=lambda t: t.detail.min(),
    )


def refine(rows: list[Row], pack: ThreatPack, _scope: Scope) -> list[Draft]:
    """One draft per sender."""
    variants = pack.peer_to_peer.variants if pack.peer_to_peer else ()
    return [
        Draft(
            actor=row["client"],
            site=row["site"],
            table="payloads",
            witness=witness(row),
            sentence=SENTENCE,
            fields={"actor": row["client"], "packets": row["packets"], "peers": row["peers"], "detail": row["detail"]},
            variants=variants,
        )
        for row in rows
    ]


DETECTOR = Detector(
    rule="p2p.packet",
    kind=Kind.PEER_TO_PEER,
    title="Peer-to-peer packets whose sum is right",
    tables=("payloads", "packet_forms"),
    references=("nmap, the p2p script that Bowes wrote in 2009: cipher, fields and sum of the packet",),
    limitations=(
        "A scanner that asks hosts in the worm's own language sends such packets too: name it in site.toml.",
        "Only the first payloads of a flow are kept; a packet behind them is not seen.",
    ),
    find=find,
    refine=refine,
)
