"""The story's connections as a gateway's Argus would print them (`ra -n -c , ...`; ra(1) of argus-clients 3.0)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

ARGUS_HEAD = "StartTime,Dur,Proto,SrcAddr,Sport,Dir,DstAddr,Dport,State,TotPkts,TotBytes,SrcPkts,SrcBytes\n"
_STATES = {"S0": "REQ", "REJ": "RST", "SF": "FIN"}


def argus_line(time_us: int, values: Mapping[str, object]) -> str:  # noqa: ARG001 - a flow is of its beginning
    """One flow record for a `conn` row, stamped in the collector's own time."""
    start = int(str(values["ts"]))
    stamp = f"{datetime.fromtimestamp(start // 1_000_000, UTC):%Y/%m/%d %H:%M:%S}.{start % 1_000_000:06d}"
    out, back = int(str(values["orig_pkts"])), int(str(values["resp_pkts"]))
    sizes = [int(str(values[name])) for name in ("orig_ip_bytes", "resp_ip_bytes")]
    state = _STATES.get(str(values["conn_state"]), "CON")
    if values["proto"] == "udp":
        state = "CON" if back else "INT"
    return ",".join(
        map(str, (
            stamp, values.get("duration") or 0, values["proto"], values["id.orig_h"], values["id.orig_p"],
            "<->" if back else "->",
            values["id.resp_h"], values["id.resp_p"], state, out + back, sum(sizes), out, sizes[0],
        ))
    )  # fmt: skip
