"""Flows and lookups of captures as columns: many rows as Arrow arrays at once, a few as lists, whichever is cheaper."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from wormward.wire import flows
from wormward.wire.addresses import address_column
from wormward.wire.dns import qtype_text, rcode_text
from wormward.wire.frames import ICMP, ICMP6, TCP, UDP
from wormward.wire.lookups import Batch, Strings
from wormward.wire.lookups import Lists as StringLists

FEW: Final = 200
"""Rows below which Arrow's cost per call outweighs its speed per row."""
Columns = dict[str, Any]
AddressText = Callable[[int], str]


def state_text(protocol: int, state: int, answered: bool) -> str:
    """The `state` column of a flow from its protocol, its bits (`wire.flows`) and whether the server said anything."""
    if protocol != TCP:
        return "established" if answered else "attempt"
    if state & flows.ACCEPTED or (state & flows.OPENED and state & flows.ANSWERED):
        return "established"
    if state & flows.OPENED:
        return "refused" if state & flows.REFUSED else "attempt"
    return "midstream"


def protocol_text(protocol: int) -> str:
    """The `protocol` column of a flow."""
    return {TCP: "tcp", UDP: "udp", ICMP: "icmp", ICMP6: "icmp"}.get(protocol, str(protocol))


_STATES = pa.array([state_text(p, s, bool(a)) for p in (0, TCP) for a in (0, 1) for s in range(256)], pa.string())
_PROTOCOLS = pa.array([protocol_text(p) for p in range(256)], pa.string())
_FLOW_FIELDS = (
    "frame", "first_us", "last_us", "client_hi", "client_lo", "client_port", "server_hi", "server_lo", "server_port",
    "protocol", "state",
)  # fmt: skip
_FLOW_COLUMNS = (
    "place", "site", "time", "time_end", "client", "client_port", "server", "server_port", "protocol", "state", "bytes_out",
    "bytes_in", "packets_out", "packets_in",
)  # fmt: skip
_LOOKUP_FIELDS = ("frame", "time_us", "client_hi", "client_lo", "server_hi", "server_lo", "qtype", "rcode")


def flow_columns(rows: npt.NDArray[np.void], sides: npt.NDArray[np.void], site: str, text: AddressText) -> Columns:
    """Columns of `flows` from rows of FLOW, and of SIDE with shape (n, 2). `text` writes an address."""
    if len(rows) < FEW:
        return _few_flows(rows, sides, site, text)
    answered = sides["packets"][:, 1] > 0
    code = rows["state"].astype(np.int64) + 256 * answered + 512 * (rows["protocol"] == TCP)
    return {
        "place": pa.array(rows["frame"]),
        "site": _same(site, len(rows)),
        "time": pa.array(rows["first_us"]),
        "time_end": pa.array(rows["last_us"]),
        "client": _addresses(rows["client_hi"], rows["client_lo"]),
        "client_port": pa.array(rows["client_port"].astype(np.int32)),
        "server": _addresses(rows["server_hi"], rows["server_lo"]),
        "server_port": pa.array(rows["server_port"].astype(np.int32)),
        "protocol": _PROTOCOLS.take(pa.array(rows["protocol"])),
        "state": _STATES.take(pa.array(code)),
        "bytes_out": pa.array(sides["bytes"][:, 0]),
        "bytes_in": pa.array(sides["bytes"][:, 1]),
        "packets_out": pa.array(sides["packets"][:, 0]),
        "packets_in": pa.array(sides["packets"][:, 1]),
    }


def _few_flows(rows: npt.NDArray[np.void], sides: npt.NDArray[np.void], site: str, text: AddressText) -> Columns:
    frame, first, last, client_hi, client_lo, client_port, server_hi, server_lo, server_port, protocol, state = (
        rows[name].tolist() for name in _FLOW_FIELDS
    )
    size, packets = sides["bytes"].T.tolist(), sides["packets"].T.tolist()
    columns = (
        frame,
        [site] * len(frame),
        first,
        last,
        [text(hi << 64 | lo) for hi, lo in zip(client_hi, client_lo, strict=True)],
        client_port,
        [text(hi << 64 | lo) for hi, lo in zip(server_hi, server_lo, strict=True)],
        server_port,
        [protocol_text(number) for number in protocol],
        [state_text(p, s, told > 0) for p, s, told in zip(protocol, state, packets[1], strict=True)],
        *size,
        *packets,
    )
    return dict(zip(_FLOW_COLUMNS, columns, strict=True))


def lookup_columns(batch: Batch, site: str, text: AddressText) -> Columns:
    """Columns of `dns_queries`."""
    if len(batch.rows) < FEW:
        return _few_lookups(batch, site, text)
    rows = batch.rows
    unanswered = rows["rcode"] < 0
    return {
        "place": pa.array(rows["frame"]),
        "site": _same(site, len(rows)),
        "time": pa.array(rows["time_us"]),
        "client": _addresses(rows["client_hi"], rows["client_lo"]),
        "server": _addresses(rows["server_hi"], rows["server_lo"]),
        "name": _strings(batch.names),
        "qtype": _named(rows["qtype"], qtype_text),
        "rcode": _named(rows["rcode"], rcode_text),
        "answers": _lists(batch.answers, unanswered),
        "additional": _lists(batch.additional, unanswered),
    }


def _few_lookups(batch: Batch, site: str, text: AddressText) -> Columns:
    frame, time, client_hi, client_lo, server_hi, server_lo, qtype, rcode = (batch.rows[name].tolist() for name in _LOOKUP_FIELDS)
    return {
        "place": frame,
        "site": [site] * len(frame),
        "time": time,
        "client": [text(hi << 64 | lo) for hi, lo in zip(client_hi, client_lo, strict=True)],
        "server": [text(hi << 64 | lo) for hi, lo in zip(server_hi, server_lo, strict=True)],
        "name": _few_strings(batch.names),
        "qtype": [qtype_text(number) for number in qtype],
        "rcode": [rcode_text(number) if number >= 0 else None for number in rcode],
        "answers": _few_lists(batch.answers, rcode),
        "additional": _few_lists(batch.additional, rcode),
    }


def _few_strings(strings: Strings) -> list[str]:
    ends = strings.offsets.tolist()
    text = strings.text[: ends[-1]].tobytes().decode("ascii")
    return [text[start:end] for start, end in pairwise(ends)]


def _few_lists(lists: StringLists, rcode: list[int]) -> list[list[str] | None]:
    texts, ends = _few_strings(lists.strings), lists.offsets.tolist()
    return [texts[start:end] if code >= 0 else None for code, (start, end) in zip(rcode, pairwise(ends), strict=True)]


def _same(text: str, count: int) -> pa.Array:
    return pa.repeat(pa.scalar(text, pa.string()), count)


def _addresses(hi: npt.NDArray[np.uint64], lo: npt.NDArray[np.uint64]) -> pa.Array:
    offsets, text = address_column(np.ascontiguousarray(hi), np.ascontiguousarray(lo))
    return pa.StringArray.from_buffers(len(hi), pa.py_buffer(offsets), pa.py_buffer(text))


def _strings(strings: Strings) -> pa.Array:
    return pa.StringArray.from_buffers(len(strings.offsets) - 1, pa.py_buffer(strings.offsets), pa.py_buffer(strings.text))


def _lists(lists: StringLists, null: npt.NDArray[np.bool_]) -> pa.Array:
    valid = pa.py_buffer(np.packbits(~null, bitorder="little"))
    buffers = [valid, pa.py_buffer(lists.offsets)]
    return pa.Array.from_buffers(pa.list_(pa.string()), len(null), buffers, children=[_strings(lists.strings)])


def _named(numbers: npt.NDArray[np.int32], name: Callable[[int], str]) -> pa.Array:
    """Numbers as their names; negative ones as null."""
    values, codes = np.unique(numbers, return_inverse=True)
    return pa.array([None if v < 0 else name(v) for v in values.tolist()], pa.string()).take(pa.array(codes))
