r"""One pass over a block of BIND query log: times, and where clients, names, types and servers stand (numba).

The grammar, as BIND 9 writes it (`lib/ns/query.c`, `lib/ns/client.c`, `lib/isc/log.c`):

    [time ][category: ][severity: ]client [@0x7f… ]address#port[/key k][ (name)]: [view v: ]query: name class type
    flags [(server)]…

where time is `23-Nov-2026 08:49:33.123`, or ISO 8601 with or without a zone. Names are printed with blanks and other
odd bytes escaped (`\032`, `\(`), so that a name can hold neither a blank nor `: query: `.
"""

# ruff: noqa: PLR0917, SIM110 - compiled loops take what they need one by one, and know no generators

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from wormward.evidence.bytewise import BLANKS, ONES, TOPS, alike, eight_at, first_top, one_at, printed
from wormward.evidence.kernels import (
    NAIVE,
    NO_STAMP,
    Bytes,
    Ints,
    Longs,
    clock,
    days_from_civil,
    days_of_month,
    digits,
    iso_time,
)
from wormward.model.lexicon import Marks

# What a line turned out to be; the counts of `scan` stand in this order.
QUERY, OTHER, TIMELESS, BAD, LINES = 0, 1, 2, 3, 4

# Where spans begin and end: rows of `spans`, and of `endings`.
CLIENT, CLIENT_END, NAME, NAME_END = 0, 1, 2, 3
QTYPE, QTYPE_END, SERVER, SERVER_END = 0, 1, 2, 3

ENDINGS = 1 << 8
"""How many endings of lines are remembered; a power of two."""
_LONGEST = 256  # bytes of an ending, or of what stands between the other parts, that is remembered
_STAMP = 64  # bytes that a time is looked for in
_NEWLINES, _HASHES = np.uint64(10) * ONES, np.uint64(35) * ONES
_FACTOR = np.uint64(0x9E3779B97F4A7C15)

_CLIENT = np.frombuffer(b"client ", np.uint8)
_QUERY = np.frombuffer(b": query: ", np.uint8)
_MONTHS = np.frombuffer(b"janfebmaraprmayjunjulaugsepoctnovdec", np.uint8)


@njit(cache=True, nogil=True)
def _starts(buffer: Bytes, at: int, end: int, word: Bytes) -> bool:
    if end - at < word.size:
        return False
    for i in range(word.size):
        if buffer[at + i] != word[i]:
            return False
    return True


@njit(cache=True, nogil=True)
def _month(buffer: Bytes, at: int) -> int:
    for month in range(12):
        same = True
        for i in range(3):
            if buffer[at + i] | np.uint8(32) != _MONTHS[month * 3 + i]:
                same = False
        if same:
            return month + 1
    return 0


@njit(cache=True, nogil=True)
def line_time(buffer: Bytes, begin: int, end: int) -> tuple[int, int, int]:
    """The time a line begins with: microseconds, stamp (see `kernels.iso_time`), where it ends."""
    if end - begin < 20:
        return 0, NO_STAMP, begin
    if buffer[begin + 2] != 45:
        return iso_time(buffer, begin, end)
    day = digits(buffer, begin, 2)
    month = _month(buffer, begin + 3)
    year = digits(buffer, begin + 7, 4)
    if day < 1 or month == 0 or year < 1 or buffer[begin + 6] != 45 or buffer[begin + 11] != 32:
        return 0, NO_STAMP, begin
    if day > days_of_month(year, month):
        return 0, NO_STAMP, begin
    time, at = clock(buffer, begin + 12, end)
    if time < 0:
        return 0, NO_STAMP, begin
    return days_from_civil(year, month, day) * 86_400_000_000 + time, NAIVE, at


@njit(cache=True, nogil=True)
def _word(buffer: Bytes, at: int, end: int) -> int:
    """Where the word at `at` ends: the next blank, or the end."""
    while at < end and buffer[at] != 32:
        at += 1
    return at


@njit(cache=True, nogil=True)
def _find_client(buffer: Bytes, at: int, end: int) -> int:
    """Where the address stands, after `client ` and the client object's number; -1 if this is no client's line."""
    hops = 0
    while not _starts(buffer, at, end, _CLIENT):
        # Category and severity each end in a colon and a blank; a syslog prefix has one more.
        while at + 1 < end and not (buffer[at] == 58 and buffer[at + 1] == 32):
            at += 1
        at += 2
        hops += 1
        if hops > 3 or at >= end:
            return -1
    at += _CLIENT.size
    if at < end and buffer[at] == 64:
        at = _word(buffer, at, end) + 1
    return at


@njit(cache=True, nogil=True)
def parse_query(buffer: Bytes, at: int, end: int) -> tuple[int, int, int, int, int, int, int, int, int]:
    """The parts of a query line after its time: class of line, then begin and end of client, name, type and server.

    The server's begin is -1 where the line has none.
    """
    client = _find_client(buffer, at, end)
    if client < 0:
        return OTHER, 0, 0, 0, 0, 0, 0, -1, -1
    client_end = client
    while client_end < end and buffer[client_end] != 35 and buffer[client_end] != 32:
        client_end += 1
    at = client_end
    while at < end and not (buffer[at] == 58 and _starts(buffer, at, end, _QUERY)):
        at += 1
    if at >= end:
        return OTHER, 0, 0, 0, 0, 0, 0, -1, -1
    name = at + _QUERY.size
    name_end = _word(buffer, name, end)
    class_end = _word(buffer, name_end + 1, end)
    kind = class_end + 1
    kind_end = _word(buffer, kind, end)
    empty = client_end == client or name_end == name or class_end <= name_end + 1 or kind_end <= kind
    if empty or buffer[client_end] != 35:
        return BAD, 0, 0, 0, 0, 0, 0, -1, -1
    server, server_end = -1, -1
    at = _word(buffer, kind_end + 1, end) + 1
    if at < end and buffer[at] == 40:
        server = at + 1
        server_end = server
        while server_end < end and buffer[server_end] != 41:
            server_end += 1
        if server_end >= end:
            server, server_end = -1, -1
    return QUERY, client, client_end, name, name_end, kind, kind_end, server, server_end


@njit(cache=True, nogil=True)
def quick_query(
    base: np.uint64, begin: int, end: int, prefix: int, prefix_size: int, middle: int, middle_size: int
) -> tuple[Any, Any, Any, Any]:
    """The parts of a query line up to its name, if it is written as an earlier one was: begin and end of client and name.

    `prefix` is what stood there between time and address (up to and with `client `), `middle` what stood between
    `(name)` and the name (from the colon on). The client's begin is -1 where this line is of another form, or within
    some bytes of `end`.
    """
    one, eight = np.uint64(1), np.uint64(8)
    at, stop = np.uint64(begin), np.uint64(end)
    if begin + prefix_size + 2 * _LONGEST > end or not alike(base, at, np.uint64(prefix), np.uint64(prefix_size)):
        return -1, 0, 0, 0
    at += np.uint64(prefix_size)
    if one_at(base + at) == 64:
        at = printed(base, at, stop)
        if at == stop or one_at(base + at) != 32:
            return -1, 0, 0, 0
        at += one
    client = at
    while at + eight <= stop:
        value = np.uint64(eight_at(base + at))
        hashes = value ^ _HASHES
        found = (((value - BLANKS) & ~value) | ((hashes - ONES) & ~hashes)) & TOPS
        if found:
            at += first_top(found)
            break
        at += eight
    client_end = at
    if client_end == client or at + eight > stop or one_at(base + at) != 35:
        return -1, 0, 0, 0
    at += one
    while at + eight < stop and 48 <= one_at(base + at) <= 57:
        at += one
    if at + eight >= stop or one_at(base + at) != 32 or one_at(base + at + one) != 40:
        return -1, 0, 0, 0
    at = printed(base, at + one, stop)
    if at + np.uint64(_LONGEST) + eight > stop or not alike(base, at - one, np.uint64(middle), np.uint64(middle_size)):
        return -1, 0, 0, 0
    name = at - one + np.uint64(middle_size)
    at = printed(base, name, stop)
    if at in (stop, name) or one_at(base + at) != 32:
        return -1, 0, 0, 0
    return np.int64(client), np.int64(client_end), np.int64(name), np.int64(at)


@njit(cache=True, nogil=True)
def ending(base: np.uint64, begin: int, end: int) -> tuple[Any, np.uint64]:
    """Where the line ends (at its newline), and a hash of the bytes up to there; -1 if that is far, or near `end`."""
    eight = np.uint64(8)
    at, stop = np.uint64(begin), np.uint64(min(end, begin + _LONGEST))
    mark = np.uint64(0)
    while at + eight <= stop:
        value = np.uint64(eight_at(base + at))
        newlines = value ^ _NEWLINES
        found = (newlines - ONES) & ~newlines & TOPS
        if found:
            some = first_top(found)
            mark = (mark ^ (value & ((np.uint64(1) << (eight * some)) - np.uint64(1)))) * _FACTOR
            return np.int64(at + some), mark ^ (mark >> np.uint64(32))
        mark = (mark ^ value) * _FACTOR
        mark ^= mark >> np.uint64(32)
        at += eight
    return -1, mark


@njit(cache=True, nogil=True)
def _middle(buffer: Bytes, client_end: int, name: int) -> tuple[int, int]:
    """What stands between `#port (name)` and the name, from the colon on; its size is 0 where that is not the form."""
    at = client_end + 1
    while at < name and 48 <= buffer[at] <= 57:
        at += 1
    if at + 1 >= name or buffer[at] != 32 or buffer[at + 1] != 40:
        return 0, 0
    at += 1
    while at < name and buffer[at] > 32:
        at += 1
    at -= 1
    return (at, name - at) if buffer[at] == 58 and 0 < name - at < _LONGEST else (0, 0)


@njit(cache=True, nogil=True)
def _prefix(buffer: Bytes, start: int, client: int) -> int:
    """How much of `buffer[start:client]` comes before the client object's number, which differs from line to line."""
    size = client - start
    while size > 0 and not _starts(buffer, start + size - _CLIENT.size, client, _CLIENT):
        size -= 1
    return size if size < _LONGEST else 0


@njit(cache=True, nogil=True)
def scan(
    buffer: Bytes,
    begin: int,
    stop: int,
    fast: bool,
    times: Longs,
    stamps: npt.NDArray[np.int8],
    lines: Ints,
    spans: npt.NDArray[np.int32],
    ends: Ints,
    endings: npt.NDArray[np.int32],
    known: Ints,
    known_marks: Marks,
    counts: Longs,
    bad: Longs,
) -> tuple[int, int, int]:
    """Lines of `buffer[begin:stop]` until `times` is full: how many queries and endings they hold, and where it stopped.

    Per query: `times` (µs, local where `stamps` says NAIVE), `lines` (from 0 in this block), `spans` (CLIENT …), and in
    `ends` the number of its ending: what follows the name mostly came up before, and `endings` (QTYPE …; SERVER -1 where
    there is none) has it once, or a few times. `counts` as in QUERY … LINES; `bad` gets the first lines that are BAD
    or TIMELESS. `known` and `known_marks` are room for ENDINGS of them. Without `fast` every line takes the general
    path; the result is the same (a test).
    """
    known[:] = -1
    base = np.uint64(buffer.ctypes.data)
    # Views are made once: making one counts references, which costs more than reading a name.
    clients, client_ends, names, name_ends = spans[CLIENT], spans[CLIENT_END], spans[NAME], spans[NAME_END]
    types, type_ends, servers, server_ends = endings[QTYPE], endings[QTYPE_END], endings[SERVER], endings[SERVER_END]
    tails, tail_ends = endings[SERVER_END + 1], endings[SERVER_END + 2]
    rows, line, noted, used = 0, 0, 0, 0
    at = begin
    last, last_time = -1, 0  # where a time stood and what it was to the second: most lines repeat it
    prefix, prefix_size, middle, middle_size = 0, 0, 0, 0  # how an earlier line was written
    while at < stop and rows < times.size:
        time, stamp, after = 0, NO_STAMP, at
        c, c_end, n, n_end, end, tail = -1, 0, 0, 0, -1, -1
        mark = np.uint64(0)
        if fast and middle_size > 0 and at + 3 * _LONGEST < stop:
            if last >= 0 and buffer[at + 24] == 32 and alike(base, np.uint64(at), np.uint64(last), np.uint64(21)):
                tenth, hundredth, milli = int(buffer[at + 21]) - 48, int(buffer[at + 22]) - 48, int(buffer[at + 23]) - 48
                if min(tenth, hundredth, milli) >= 0 and max(tenth, hundredth, milli) <= 9:
                    time, stamp, after = last_time + (tenth * 100 + hundredth * 10 + milli) * 1000, NAIVE, at + 24
            if stamp == NO_STAMP:
                time, stamp, after = line_time(buffer, at, at + _STAMP)
                if stamp == NAIVE and after == at + 24 and buffer[at + 2] == 45 and buffer[at + 20] == 46:
                    last, last_time = at, time - time % 1_000_000
            if stamp != NO_STAMP and buffer[after] == 32:
                c, c_end, n, n_end = quick_query(base, after + 1, stop, prefix, prefix_size, middle, middle_size)
            if c >= 0:
                end, mark = ending(base, n_end, stop)
            if end >= 0:
                tail = known[np.int64(mark & np.uint64(ENDINGS - 1))]
                if tail >= 0:
                    there, size = np.int64(tails[tail]), end - n_end
                    same = mark == known_marks[tail] and np.int64(tail_ends[tail]) - there == size
                    if not same or not alike(base, np.uint64(n_end), np.uint64(there), np.uint64(size)):
                        tail = -1
        kind = QUERY
        if tail < 0:
            end = at
            while end < stop and buffer[end] != 10:
                end += 1
            text_end = end
            while text_end > at and (buffer[text_end - 1] == 13 or buffer[text_end - 1] == 32):
                text_end -= 1
            time, stamp, after = line_time(buffer, at, text_end)
            start = after + 1 if stamp != NO_STAMP else at
            kind, c, c_end, n, n_end, q, q_end, s, s_end = parse_query(buffer, start, text_end)
            if stamp == NO_STAMP:
                kind = TIMELESS if kind == QUERY else BAD
            elif kind == OTHER and end >= stop:
                kind = BAD  # the file ends in the middle of it
            if text_end == at:
                line += 1
                at = end + 1
                continue
            if kind == QUERY:
                tail = used
                used += 1
                types[tail], type_ends[tail], servers[tail], server_ends[tail] = q, q_end, s, s_end
                if fast and end < stop:
                    tails[tail], tail_ends[tail] = n_end, end
                    newline, mark = ending(base, n_end, stop)
                    if newline == end:
                        known[np.int64(mark & np.uint64(ENDINGS - 1))] = tail
                        known_marks[tail] = mark
                    colon, colon_size = _middle(buffer, c_end, n)
                    front = _prefix(buffer, start, c)
                    if colon_size > 0 and front > 0 and end + 8 < stop:
                        middle, middle_size, prefix, prefix_size = colon, colon_size, start, front
        counts[kind] += 1
        if kind == QUERY:
            times[rows] = time
            stamps[rows] = stamp
            lines[rows] = line
            clients[rows], client_ends[rows], names[rows], name_ends[rows] = c, c_end, n, n_end
            ends[rows] = tail
            rows += 1
        elif kind != OTHER and noted < bad.size:
            bad[noted] = line
            noted += 1
        line += 1
        at = end + 1
    counts[LINES] += line
    return rows, used, min(at, stop)
