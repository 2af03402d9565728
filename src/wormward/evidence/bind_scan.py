r"""One pass over a block of BIND query log: times, and the distinct clients, names, types and servers (numba).

The grammar, as BIND 9 writes it (`lib/ns/query.c`, `lib/ns/client.c`, `lib/isc/log.c`):

    [time ][category: ][severity: ]client [@0x7f… ]address#port[/key k][ (name)]: [view v: ]query: name class type
    flags [(server)]…

where time is `23-Nov-2026 08:49:33.123`, or ISO 8601 with or without a zone. Names are printed with blanks and other
odd bytes escaped (`\032`, `\(`), so that a name can hold neither a blank nor `: query: `.
"""

# ruff: noqa: PLR0917, SIM110 - compiled loops take what they need one by one, and know no generators

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from wormward.evidence.kernels import (
    NAIVE,
    NO_STAMP,
    START,
    Bytes,
    Ints,
    Longs,
    clock,
    days_from_civil,
    days_of_month,
    digits,
    intern,
    iso_time,
    mix,
)

# What a line turned out to be; the counts of `scan` stand in this order.
QUERY, OTHER, TIMELESS, BAD, LINES = 0, 1, 2, 3, 4

# The columns of `codes`.
CLIENT, NAME, QTYPE, SERVER = 0, 1, 2, 3

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
    buffer: Bytes, at: int, stop: int, prefix: int, prefix_size: int
) -> tuple[int, int, int, int, int, int, int, int, int, np.uint64, np.uint64]:
    """`parse_query` for the commonest form, each byte looked at once: the line's end need not be known.

    The text from `at` must begin as that of an earlier line did (`prefix`, up to and with `client `). Gives begin and
    end of client, name, type and server, where the line's text went on, and the marks of client and name. The client's
    begin is -1 where the line is of another form (or cut, or the last of the file without a newline).
    """
    no = np.uint64(0)
    if stop - at < prefix_size + 16:
        return -1, 0, 0, 0, 0, 0, 0, 0, 0, no, no
    unlike = np.uint8(0)
    for i in range(prefix_size):
        unlike |= buffer[at + i] ^ buffer[prefix + i]
    if unlike:
        return -1, 0, 0, 0, 0, 0, 0, 0, 0, no, no
    at += prefix_size
    if buffer[at] == 64:
        while at < stop and buffer[at] > 32:
            at += 1
        if at >= stop or buffer[at] != 32:
            return -1, 0, 0, 0, 0, 0, 0, 0, 0, no, no
        at += 1
    client = at
    client_mark = START
    while at < stop and buffer[at] != 35 and buffer[at] > 32:
        client_mark = mix(client_mark, buffer[at])
        at += 1
    client_end = at
    at += 1
    while at < stop and 48 <= buffer[at] <= 57:
        at += 1
    if at + 16 >= stop or buffer[client_end] != 35 or client_end == client or buffer[at] != 32 or buffer[at + 1] != 40:
        return -1, 0, 0, 0, 0, 0, 0, 0, 0, no, no
    at += 2
    while at < stop and buffer[at] > 32:
        at += 1
    # The blank after `(name):`, then `query: `.
    if at + 8 >= stop or buffer[at] != 32 or buffer[at - 1] != 58 or buffer[at - 2] != 41:
        return -1, 0, 0, 0, 0, 0, 0, 0, 0, no, no
    for i in range(8):
        unlike |= buffer[at + i] ^ _QUERY[i + 1]
    if unlike:
        return -1, 0, 0, 0, 0, 0, 0, 0, 0, no, no
    at += 8
    name = at
    name_mark = START
    while at < stop and buffer[at] > 32:
        name_mark = mix(name_mark, buffer[at])
        at += 1
    name_end = at
    if at + 5 >= stop or at == name or buffer[at] != 32 or buffer[at + 1] != 73 or buffer[at + 2] != 78 or buffer[at + 3] != 32:
        return -1, 0, 0, 0, 0, 0, 0, 0, 0, no, no
    at += 4
    kind = at
    while at < stop and buffer[at] > 32:
        at += 1
    kind_end = at
    at += 1
    while at < stop and buffer[at] > 32:
        at += 1
    if at + 2 >= stop or kind_end == kind or buffer[kind_end] != 32 or buffer[at] != 32 or buffer[at + 1] != 40:
        return -1, 0, 0, 0, 0, 0, 0, 0, 0, no, no
    at += 2
    server = at
    while at < stop and buffer[at] > 32 and buffer[at] != 41:
        at += 1
    if at >= stop or buffer[at] != 41:
        return -1, 0, 0, 0, 0, 0, 0, 0, 0, no, no
    return client, client_end, name, name_end, kind, kind_end, server, at, at + 1, client_mark, name_mark


@njit(cache=True, nogil=True, inline="always")
def _mark(buffer: Bytes, begin: int, end: int) -> np.uint64:
    mark = START
    for i in range(begin, end):
        mark = mix(mark, buffer[i])
    return mark


@njit(cache=True, nogil=True, inline="always")
def _equal(buffer: Bytes, begin: int, end: int, other: int, other_end: int) -> bool:
    if other_end - other != end - begin:
        return False
    unlike = np.uint8(0)
    for i in range(end - begin):
        unlike |= buffer[begin + i] ^ buffer[other + i]
    return bool(unlike == 0)


@njit(cache=True, nogil=True)
def scan(
    buffer: Bytes,
    begin: int,
    stop: int,
    fast: bool,
    times: Longs,
    stamps: npt.NDArray[np.int8],
    lines: Ints,
    codes: npt.NDArray[np.int32],
    slots: npt.NDArray[np.int32],
    begins: npt.NDArray[np.int32],
    ends: npt.NDArray[np.int32],
    used: Longs,
    counts: Longs,
    bad: Longs,
) -> tuple[int, int]:
    """Lines of `buffer[begin:stop]` until `times` is full; how many queries they hold and where it stopped are returned.

    Per query: `times` (µs, local where `stamps` says NAIVE), `lines` (from 0 in this block), `codes[column]` (-1:
    absent). Per column: `begins` and `ends` of its distinct values, `used` of them. `counts` as in QUERY … LINES;
    `bad` gets the first lines that are BAD or TIMELESS. `slots[column]` are hash tables filled with -1. Without
    `fast` every line takes the general path; the result is the same (a test).
    """
    marks = np.empty(begins.shape, np.uint64)
    # Views of columns are made once: making one counts references, which costs more than hashing a name.
    clients, names, types, servers = codes[CLIENT], codes[NAME], codes[QTYPE], codes[SERVER]
    client_slots, client_begins, client_ends, client_marks = slots[CLIENT], begins[CLIENT], ends[CLIENT], marks[CLIENT]
    name_slots, name_begins, name_ends, name_marks = slots[NAME], begins[NAME], ends[NAME], marks[NAME]
    type_slots, type_begins, type_ends, type_marks = slots[QTYPE], begins[QTYPE], ends[QTYPE], marks[QTYPE]
    server_slots, server_begins, server_ends, server_marks = slots[SERVER], begins[SERVER], ends[SERVER], marks[SERVER]
    clients_used, names_used, types_used, servers_used = 0, 0, 0, 0
    rows, line, noted = 0, 0, 0
    at = begin
    last, last_time = -1, 0  # where a time stood and what it was to the second: most lines repeat it
    prefix, prefix_size = -1, 0  # what stood between time and address
    server, server_end, server_code = 0, 0, -1  # most lines repeat these too
    kind_begin, kind_end, kind_code = 0, 0, -1
    while at < stop and rows < times.size:
        time, stamp, after = 0, NO_STAMP, at
        if fast and last >= 0 and stop - at > 60 and buffer[at + 20] == 46 and buffer[at + 24] == 32:
            unlike = np.uint8(0)
            for i in range(20):
                unlike |= buffer[at + i] ^ buffer[last + i]
            milli = digits(buffer, at + 21, 3)
            if unlike == 0 and milli >= 0:
                time, stamp, after = last_time + milli * 1000, NAIVE, at + 24
        kind = OTHER
        c = -1
        if stamp != NO_STAMP and prefix >= 0:
            c, c_end, n, n_end, q, q_end, s, s_end, end, c_mark, n_mark = quick_query(  # unpacked at once: a tuple costs
                buffer, after + 1, stop, prefix, prefix_size
            )
        if c >= 0:
            kind = QUERY
            while end < stop and buffer[end] != 10:
                end += 1
            text_end = end
        else:
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
            if kind == QUERY:
                c_mark = _mark(buffer, c, c_end)
                n_mark = _mark(buffer, n, n_end)
                if stamp == NAIVE and after == at + 24 and buffer[at + 2] == 45:
                    last, last_time = at, time - time % 1_000_000
                    prefix, prefix_size = start, c - start
                    # The client object's number differs from line to line: the prefix ends before it.
                    while prefix_size > 0 and not _starts(buffer, prefix + prefix_size - 7, stop, _CLIENT):
                        prefix_size -= 1
        if text_end > at:
            counts[kind] += 1
            if kind == QUERY:
                times[rows] = time
                stamps[rows] = stamp
                lines[rows] = line
                code = intern(
                    buffer, c, c_end, c_mark, False, client_slots, client_begins, client_ends, client_marks, clients_used
                )
                clients_used = max(clients_used, code + 1)
                clients[rows] = code
                code = intern(buffer, n, n_end, n_mark, True, name_slots, name_begins, name_ends, name_marks, names_used)
                names_used = max(names_used, code + 1)
                names[rows] = code
                if kind_code < 0 or not _equal(buffer, q, q_end, kind_begin, kind_end):
                    mark = _mark(buffer, q, q_end)
                    kind_code = intern(buffer, q, q_end, mark, False, type_slots, type_begins, type_ends, type_marks, types_used)
                    types_used = max(types_used, kind_code + 1)
                    kind_begin, kind_end = q, q_end
                types[rows] = kind_code
                if s < 0:
                    servers[rows] = -1
                else:
                    if server_code < 0 or not _equal(buffer, s, s_end, server, server_end):
                        mark = _mark(buffer, s, s_end)
                        server_code = intern(
                            buffer, s, s_end, mark, False, server_slots, server_begins, server_ends, server_marks, servers_used
                        )
                        servers_used = max(servers_used, server_code + 1)
                        server, server_end = s, s_end
                    servers[rows] = server_code
                rows += 1
            elif kind != OTHER and noted < bad.size:
                bad[noted] = line
                noted += 1
        line += 1
        at = end + 1
    used[CLIENT], used[NAME], used[QTYPE], used[SERVER] = clients_used, names_used, types_used, servers_used
    counts[LINES] += line
    return rows, min(at, stop)
