"""The compiled half of `lookups`: rows of queries in a ring, their text in one buffer, an index of those that wait."""

# ruff: noqa: PLR0917 - inner functions of the hot path take what they need one by one

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from wormward.wire.dns import MOST_STRINGS, ROOM_TEXT, decode_message
from wormward.wire.flows import mix

WAIT_S: Final = 10
"""An answer is waited for so long; resolvers give up earlier."""
MOST_WAITING: Final = 65_536
"""Queries that are waited for at once; beyond, the oldest are given up."""
MOST_WAITING_TEXT: Final = 32 << 20
"""Bytes of text of queries that are waited for; beyond, the oldest are given up."""
RING = 1 << 17  # rows: those that wait, those that are ready, and one chunk
INDEX = 1024  # places of the index at first
_QUERY = 0  # opcode

ROW = np.dtype(
    [
        ("time_us", np.int64),
        ("frame", np.int64),
        ("client_hi", np.uint64),
        ("client_lo", np.uint64),
        ("server_hi", np.uint64),
        ("server_lo", np.uint64),
        ("key", np.uint64),  # hash of all that must agree
        ("name_at", np.int64),  # in the text
        ("strings_at", np.int64),  # in the text, answers first
        ("first_string", np.int64),  # in the lengths
        ("file_no", np.int32),
        ("name_size", np.int32),
        ("text_size", np.int32),
        ("answers", np.int32),
        ("additional", np.int32),
        ("qtype", np.int32),
        ("rcode", np.int32),  # -1: no answer seen
    ],
    align=True,
)

BOOK = np.dtype(
    [
        ("taken", np.int64),  # rows that were handed out, all numbers count rows from the beginning
        ("ready", np.int64),  # rows that are settled
        ("rows", np.int64),  # rows at all
        ("text", np.int64),  # bytes of text in use
        ("lengths", np.int64),  # lengths in use
        ("waiting_text", np.int64),  # of rows that are not ready
        ("entries", np.int64),  # used places of the index
        ("malformed", np.int64),  # messages that are no DNS or break off
        ("malformed_frame", np.int64),  # frame of the first of them
    ]
)


class Arrays(NamedTuple):
    """The memory of one `Lookups`."""

    rows: npt.NDArray[np.void]  # ring of ROW
    keys: npt.NDArray[np.uint64]  # index: hash
    numbers: npt.NDArray[np.int64]  # index: row number + 1, 0 empty
    text: npt.NDArray[np.uint8]
    lengths: npt.NDArray[np.int32]
    book: npt.NDArray[np.void]
    message: npt.NDArray[np.void]


@njit(cache=True, nogil=True)
def _key(p, is_answer, number, text, at, size):  # type: ignore[no-untyped-def]
    """Hash of what a query and its answer share, seen from the client."""
    h = np.uint64(0xCBF29CE484222325)
    for i in range(at, at + size):
        h = (h ^ np.uint64(text[i])) * np.uint64(0x100000001B3)
    source = mix(p["src_lo"] ^ mix(p["src_hi"] + (np.uint64(p["sport"]) << np.uint64(32))))
    target = mix(p["dst_lo"] ^ mix(p["dst_hi"] + (np.uint64(p["dport"]) << np.uint64(32))))
    if is_answer:
        source, target = target, source
    return mix(h ^ (source * np.uint64(3) + target) ^ (np.uint64(number) << np.uint64(20)))


@njit(cache=True, nogil=True)
def _same_name(text, a, b, size):  # type: ignore[no-untyped-def]
    same = True
    for i in range(size):
        same = same and text[a + i] == text[b + i]
    return same


@njit(cache=True, nogil=True)
def _query_of(t, key, p, name_at, name_size):  # type: ignore[no-untyped-def]
    """Number of the oldest waiting query with this key and name, -1 if there is none."""
    mask = np.int64(len(t.keys) - 1)
    place = np.int64(key >> np.uint64(33)) & mask
    best = np.int64(-1)
    while t.numbers[place] != 0:
        number = t.numbers[place] - 1
        if t.keys[place] == key and number >= t.book[0]["ready"] and (best < 0 or number < best):
            row = t.rows[number & (RING - 1)]
            if (
                row["rcode"] < 0
                and row["name_size"] == name_size
                and p["time_us"] - row["time_us"] <= WAIT_S * 1_000_000
                and row["client_lo"] == p["dst_lo"]
                and row["server_lo"] == p["src_lo"]
                and _same_name(t.text, row["name_at"], name_at, name_size)
            ):
                best = number
        place = (place + 1) & mask
    return best


@njit(cache=True, nogil=True)
def _enter(t, key, number):  # type: ignore[no-untyped-def]
    mask = np.int64(len(t.keys) - 1)
    place = np.int64(key >> np.uint64(33)) & mask
    while t.numbers[place] != 0:
        place = (place + 1) & mask
    t.keys[place] = key
    t.numbers[place] = number + 1
    t.book[0]["entries"] += 1


@njit(cache=True, nogil=True)
def reindex(t):  # type: ignore[no-untyped-def]
    """Enter the queries that wait into an empty index."""
    for number in range(t.book[0]["ready"], t.book[0]["rows"]):
        row = t.rows[number & (RING - 1)]
        if row["rcode"] < 0:
            _enter(t, row["key"], number)


@njit(cache=True, nogil=True)
def _new_row(t, p, m, key, file_no, at):  # type: ignore[no-untyped-def]
    """Append a row of message `m`, whose text begins at `at`."""
    b = t.book[0]
    row = t.rows[b["rows"] & (RING - 1)]
    answer = m["is_answer"]
    row["time_us"] = p["time_us"]
    row["frame"] = p["frame"]
    row["file_no"] = file_no
    row["client_hi"] = p["dst_hi"] if answer else p["src_hi"]
    row["client_lo"] = p["dst_lo"] if answer else p["src_lo"]
    row["server_hi"] = p["src_hi"] if answer else p["dst_hi"]
    row["server_lo"] = p["src_lo"] if answer else p["dst_lo"]
    row["key"] = key
    row["name_at"] = at
    row["name_size"] = m["name_size"]
    row["text_size"] = m["name_size"]
    row["qtype"] = m["qtype"]
    row["rcode"] = -1
    row["answers"] = 0
    row["additional"] = 0
    row["strings_at"] = 0
    row["first_string"] = 0
    b["waiting_text"] += m["name_size"]
    b["rows"] += 1
    return row


@njit(cache=True, nogil=True)
def _settle(t, now_us):  # type: ignore[no-untyped-def]
    """Move on over rows that are answered or were waited for long enough."""
    b = t.book[0]
    while b["ready"] < b["rows"]:
        row = t.rows[b["ready"] & (RING - 1)]
        crowded = b["rows"] - b["ready"] > MOST_WAITING or b["waiting_text"] > MOST_WAITING_TEXT
        if row["rcode"] < 0 and now_us - row["time_us"] <= WAIT_S * 1_000_000 and not crowded:
            break
        b["waiting_text"] -= row["text_size"]
        b["ready"] += 1


@njit(cache=True, nogil=True)
def absorb(data, packets, order, start, file_no, t):  # type: ignore[no-untyped-def]
    """Messages in the payloads of rows `order[start:]` of `packets`; returns how far the text's room sufficed."""
    b = t.book[0]
    m = t.message[0]
    for i in range(start, len(order)):
        at = b["text"]
        if at + ROOM_TEXT > len(t.text) or b["lengths"] + MOST_STRINGS > len(t.lengths):
            return i
        p = packets[order[i]]
        result = decode_message(data, p["offset"], np.int64(p["size"]), m, t.text, at, t.lengths, b["lengths"])
        if result < 2 and p["missing"] == 0:
            if b["malformed"] == 0:
                b["malformed_frame"] = p["frame"]
            b["malformed"] += 1
        if result == 0 or m["opcode"] != _QUERY or m["questions"] == 0:
            continue
        key = _key(p, m["is_answer"], m["id"], t.text, at, m["name_size"])
        number = b["rows"]
        text_at = at
        used = np.int64(m["text_size"])
        if m["is_answer"]:
            number = _query_of(t, key, p, at, m["name_size"])
            # A query that is found has the name already.
            row = t.rows[number & (RING - 1)] if number >= 0 else _new_row(t, p, m, key, file_no, at)
            row["rcode"] = m["rcode"]
            row["answers"] = m["answers"]
            row["additional"] = m["additional"]
            row["strings_at"] = text_at + m["name_size"]
            row["first_string"] = b["lengths"]
            row["text_size"] += m["text_size"] - m["name_size"]
            b["waiting_text"] += m["text_size"] - m["name_size"]
            b["lengths"] += m["answers"] + m["additional"]
        else:
            _new_row(t, p, m, key, file_no, at)
            _enter(t, key, number)
            used = np.int64(m["name_size"])
        b["text"] += used
        _settle(t, p["time_us"])
    return len(order)


@njit(cache=True, nogil=True)
def _copy(source, start, target, at, size):  # type: ignore[no-untyped-def]
    """Copy `size` items; a loop, because numba's slice assignment brings its error messages' code along."""
    for i in range(size):
        target[at + i] = source[start + i]


@njit(cache=True, nogil=True)
def compact(t, text, lengths):  # type: ignore[no-untyped-def]
    """Copy the text of rows that were not taken into fresh arrays."""
    b = t.book[0]
    at = np.int64(0)
    strings = np.int64(0)
    for number in range(b["taken"], b["rows"]):
        row = t.rows[number & (RING - 1)]
        size = np.int64(row["name_size"])
        _copy(t.text, row["name_at"], text, at, size)
        row["name_at"] = at
        at += size
        rest = np.int64(row["text_size"]) - size
        count = np.int64(row["answers"] + row["additional"])
        _copy(t.text, row["strings_at"], text, at, rest)
        _copy(t.lengths, row["first_string"], lengths, strings, count)
        row["strings_at"] = at
        row["first_string"] = strings
        at += rest
        strings += count
    b["text"] = at
    b["lengths"] = strings


@njit(cache=True, nogil=True)
def write_lists(t, first, additional, lists, strings, text):  # type: ignore[no-untyped-def]
    """One section's strings of rows from number `first` on: list offsets, string offsets, text."""
    at = np.int64(0)
    count = np.int64(0)
    for i in range(len(lists) - 1):
        row = t.rows[(first + i) & (RING - 1)]
        lists[i] = count
        place = np.int64(row["strings_at"])
        string = np.int64(row["first_string"])
        for k in range(row["answers"] + row["additional"]):
            size = np.int64(t.lengths[string + k])
            if (k >= row["answers"]) == additional:
                strings[count] = at
                _copy(t.text, place, text, at, size)
                at += size
                count += 1
            place += size
    lists[len(lists) - 1] = count
    strings[count] = at


@njit(cache=True, nogil=True)
def write_names(t, first, offsets, text):  # type: ignore[no-untyped-def]
    """Names of rows from number `first` on: offsets and text."""
    at = np.int64(0)
    for i in range(len(offsets) - 1):
        row = t.rows[(first + i) & (RING - 1)]
        size = np.int64(row["name_size"])
        offsets[i] = at
        _copy(t.text, row["name_at"], text, at, size)
        at += size
    offsets[len(offsets) - 1] = at
