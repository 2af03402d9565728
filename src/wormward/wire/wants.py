"""Which payloads packs want, as arrays for the compiled loop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from wormward.model.pack import Want
from wormward.wire.frames import TCP, UDP

WANT = np.dtype(
    [
        ("protocol", np.int64),
        ("least_size", np.int64),
        ("most_size", np.int64),
        ("least_port", np.int64),
        ("any_port", np.int64),
        ("first_size", np.int64),
        ("per_flow", np.int64),
    ]
)


class Masks(NamedTuple):
    """The wants of all packs as arrays, one row a want."""

    wants: npt.NDArray[np.void]  # WANT
    ports: npt.NDArray[np.uint8]  # 65,536 columns: 1 wanted, 2 excluded
    first: npt.NDArray[np.uint8]  # first bytes

    @classmethod
    def of(cls, wants: Sequence[Want]) -> Masks:
        """Arrays of `wants`."""
        rows = np.zeros(len(wants), WANT)
        ports = np.zeros((len(wants), 65536), np.uint8)
        first = np.zeros((len(wants), max([1, *(len(w.first_bytes) for w in wants)])), np.uint8)
        for i, w in enumerate(wants):
            rows[i] = (
                TCP if w.protocol == "tcp" else UDP,
                w.least_size,
                w.most_size,
                w.least_port,
                not w.ports,
                len(w.first_bytes),
                w.per_flow,
            )
            ports[i, sorted(w.ports)] |= 1
            ports[i, sorted(w.not_ports)] |= 2
            first[i, : len(w.first_bytes)] = np.frombuffer(w.first_bytes, np.uint8)
        return cls(rows, ports, first)


@njit(cache=True, nogil=True)
def is_wanted(data, p, masks, kept):  # type: ignore[no-untyped-def]
    """Index of the first want that asks for packet `p`'s payload, -1 if none.

    Of TCP only ports and first bytes are compared: how long the message is, its first packet cannot say.
    """
    size = np.int64(p["size"])
    for w in range(len(masks.wants)):
        want = masks.wants[w]
        if want["protocol"] != p["protocol"] or kept >= want["per_flow"]:
            continue
        if min(p["sport"], p["dport"]) < want["least_port"]:
            continue
        either = masks.ports[w, p["sport"]] | masks.ports[w, p["dport"]]
        if either & 2 or not (either & 1 or want["any_port"]):
            continue
        fits = p["protocol"] == TCP or (
            p["missing"] == 0 and want["least_size"] <= size <= want["most_size"] and size >= want["first_size"]
        )
        for i in range(min(want["first_size"], size)):
            if data[p["offset"] + i] != masks.first[w, i]:
                fits = False
                break
        if fits:
            return np.int64(w)
    return np.int64(-1)
