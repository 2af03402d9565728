"""Which payloads are the pack's peer-to-peer packets: they decode, and their sum is right."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from wormward.annotate.base import Annotator, Days, Tables, side_table
from wormward.model.pack import ThreatPack

VERSION = 1
FORM = "peer-to-peer"


def keys(tables: Tables, pack: ThreatPack) -> Any | None:
    """The distinct payloads; None if the pack has no peer-to-peer part."""
    if pack.peer_to_peer is None:
        return None
    return tables["payloads"].select("protocol", "payload").distinct()


def annotate(distinct: pa.Table, pack: ThreatPack, _days: Days) -> Mapping[str, pa.Table]:
    """Side table `packet_forms`, ordered by protocol and payload."""
    rows: list[tuple[str, bytes, str, str]] = []
    if pack.peer_to_peer is not None:
        decode = pack.peer_to_peer.packets.decode
        for key in distinct.to_pylist():
            said = decode(key["protocol"], key["payload"])
            if said is not None:
                rows.append((key["protocol"], key["payload"], FORM, said))
    names = ("protocol", "payload", "form", "detail")
    columns = {name: [row[i] for row in sorted(rows)] for i, name in enumerate(names)}
    return {"packet_forms": side_table("packet_forms", columns)}


PACKET_FORMS = Annotator("packet_forms", VERSION, "payloads", ("packet_forms",), keys, annotate)
