"""The pieces of a chunk, lined up by connection for whoever feeds decoders; compiled."""

# ruff: noqa: PLR0917 - inner functions of the hot path take what they need one by one

from __future__ import annotations

import numpy as np
from numba import njit

from wormward.wire.streams import BYTES_IN

# Columns of the two tables that `line_up` writes: a piece, and a run of pieces of one flow and direction that follow
# each other in the stream. A run begins with its first piece's columns.
NUMBER, PACKET_ROW, TIME, AT, OFFSET, SIZE, MISSING, SLOT, KIND, FIRST, COUNT, END = range(12)
PIECE_COLUMNS, RUN_COLUMNS = 7, 12


@njit(cache=True, nogil=True)
def _copy(items, i, packets, out, n):  # type: ignore[no-untyped-def]
    """The piece columns of item `i` into row `n` of `out`."""
    row = items[i]
    out[n, NUMBER] = i
    out[n, PACKET_ROW] = row["packet"]
    out[n, TIME] = packets[row["packet"]]["time_us"]
    out[n, AT] = row["at"]
    out[n, OFFSET] = row["offset"]
    out[n, SIZE] = row["size"]
    out[n, MISSING] = row["missing"]


@njit(cache=True, nogil=True)
def _begin_run(items, i, packets, runs, run, first):  # type: ignore[no-untyped-def]
    row = items[i]
    _copy(items, i, packets, runs, run)
    runs[run, SLOT] = row["slot"]
    runs[run, KIND] = row["kind"]
    runs[run, FIRST] = first
    runs[run, COUNT] = 1
    runs[run, END] = row["at"] + row["size"] + row["missing"]


@njit(cache=True, nogil=True)
def line_up(t, lists, packets, pieces, runs):  # type: ignore[no-untyped-def]
    """Items by flow, those of uneven flows behind in order of arrival; empties the lists.

    Returns the number of runs of even flows and the number of all runs.
    """
    b = t.book[0]
    n = 0
    run = -1
    for i in range(b["touched"]):
        f = t.flows[lists.touched[i]]
        item = np.int64(f["head"]) if f["uneven"] == 0 else np.int64(-1)
        here = run + 1  # first run of this flow
        while item >= 0:
            row = lists.items[item]
            _copy(lists.items, item, packets, pieces, n)
            if run >= here and row["kind"] <= BYTES_IN and runs[run, KIND] == row["kind"] and runs[run, END] == row["at"]:
                runs[run, COUNT] += 1
                runs[run, END] += row["size"] + row["missing"]
            else:
                run += 1
                _begin_run(lists.items, item, packets, runs, run, n)
            n += 1
            item = np.int64(row["then"])
    even = run + 1
    for i in range(b["items"]):
        if t.flows[lists.items[i]["slot"]]["uneven"]:
            _copy(lists.items, i, packets, pieces, n)
            run += 1
            _begin_run(lists.items, i, packets, runs, run, n)
            n += 1
    for i in range(b["touched"]):
        f = t.flows[lists.touched[i]]
        f["head"] = -1
        f["tail"] = -1
    b["items"] = 0
    b["touched"] = 0
    return even, run + 1
