"""The few serial loops over log text: fields of lines, distinct values, numbers and times (numba).

Everything works on one block of whole lines as an array of bytes, and says where things stand (begin, end) instead
of making strings. `tests/test_evidence_kernels.py` compares each loop with a plain twin.
"""

# ruff: noqa: PLR0917 - compiled loops take what they need one by one

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int32]
Longs = npt.NDArray[np.int64]

NEWLINE, RETURN, QUOTE, HASH = 10, 13, 34, 35

MOST_TEXT = 4096
"""Characters of a text that tables keep at most; what is longer is cut (`model.text.printable`)."""

# How a time of day was stamped.
NO_STAMP, NAIVE, STAMPED = 0, 1, 2

# FNV-1a, 64 bits.
START = np.uint64(14695981039346656037)
_PRIME = np.uint64(1099511628211)
MOST_PROBES = 64
"""Places of a hash table that are looked at for one value."""


@njit(cache=True, nogil=True, inline="always")
def mix(mark: np.uint64, byte: np.uint8) -> np.uint64:
    """`mark` with one more byte in it; begin with `START`. ASCII capitals count as small letters."""
    if 65 <= byte <= 90:
        byte += np.uint8(32)
    return (mark ^ np.uint64(byte)) * _PRIME


@njit(cache=True, nogil=True, inline="always")
def intern(
    buffer: Bytes,
    begin: int,
    end: int,
    mark: np.uint64,
    fold: bool,
    slots: Ints,
    begins: Ints,
    ends: Ints,
    marks: npt.NDArray[np.uint64],
    used: int,
) -> int:
    """The number of the distinct value `buffer[begin:end]`: that of an equal earlier one, else `used`.

    `mark` is its bytes' `mix`. `slots` is a hash table (its length a power of two, -1 where empty, longer than values
    can come); `begins`, `ends` and `marks` describe the values so far and get the new one. With `fold`, ASCII capitals
    equal small letters. Where somebody chose values that all fall into one place, equal ones may get several numbers:
    better than looking through all of them each time.
    """
    mask = slots.size - 1
    # The low bits of FNV hang on few input bits: fold the high ones in.
    slot = np.int64((mark ^ (mark >> np.uint64(32))) & np.uint64(0x7FFFFFFF)) & mask
    length = end - begin
    # One way out only: with several, numba's inlining makes this twice as slow.
    found = -1
    probes = 0
    while found < 0:
        number = slots[slot]
        if number < 0 or probes == MOST_PROBES:
            if number < 0:
                slots[slot] = used
            begins[used] = begin
            ends[used] = end
            marks[used] = mark
            found = used
        elif marks[number] == mark and ends[number] - begins[number] == length:
            first = begins[number]
            same = True
            for i in range(length):
                a = buffer[first + i]
                b = buffer[begin + i]
                if a != b:
                    if fold:
                        if 65 <= a <= 90:
                            a += np.uint8(32)
                        if 65 <= b <= 90:
                            b += np.uint8(32)
                    if a != b:
                        same = False
                        break
            if same:
                found = number
        slot = (slot + 1) & mask
        probes += 1
    return int(found)


@njit(cache=True, nogil=True)
def gather(buffer: Bytes, begins: Ints, ends: Ints, fold: bool, out: Bytes, offsets: Ints, odd: npt.NDArray[np.bool_]) -> int:
    """Copy spans one after another into `out`, where they end into `offsets[1:]`; with `fold` in small letters.

    `odd[k]` is set where span k is not its own printable form (see `model.text.printable`): control, backslash or
    not ASCII, or longer than MOST_TEXT. How many are odd is returned.
    """
    at = 0
    oddities = 0
    offsets[0] = 0
    for k in range(begins.size):
        strange = ends[k] - begins[k] > MOST_TEXT
        for i in range(begins[k], ends[k]):
            byte = buffer[i]
            if fold and 65 <= byte <= 90:
                byte += np.uint8(32)
            if byte < 32 or byte > 126 or byte == 92:
                strange = True
            out[at] = byte
            at += 1
        offsets[k + 1] = at
        odd[k] = strange
        oddities += strange
    return oddities


@njit(cache=True, nogil=True)
def unprintable(data: Bytes, begins: Ints, ends: Ints, odd: npt.NDArray[np.bool_]) -> int:
    """`odd[k]` where span k is not its own printable form, as in `gather`; how many are not."""
    oddities = 0
    for k in range(begins.size):
        strange = ends[k] - begins[k] > MOST_TEXT
        for i in range(begins[k], ends[k]):
            byte = data[i]
            strange |= byte < 32 or byte > 126 or byte == 92
        odd[k] = strange
        oddities += strange
    return oddities


@njit(cache=True, nogil=True)
def no_dotted_quads(buffer: Bytes, begins: Ints, ends: Ints, odd: npt.NDArray[np.bool_]) -> int:
    """`odd[k]` where span k is not an IPv4 address in its only usual form (no leading zeros); how many are not."""
    oddities = 0
    for k in range(begins.size):
        dots, value, count = 0, 0, 0
        fine = ends[k] - begins[k] <= 15
        for i in range(begins[k], ends[k]):
            byte = buffer[i]
            if byte == 46:
                if count == 0:
                    fine = False
                dots, value, count = dots + 1, 0, 0
            elif 48 <= byte <= 57:
                if count > 0 and value == 0:
                    fine = False
                value = value * 10 + (int(byte) - 48)
                count += 1
                if value > 255:
                    fine = False
            else:
                fine = False
            if not fine:
                break
        fine = fine and dots == 3 and count > 0
        odd[k] = not fine
        oddities += not fine
    return oddities


@njit(cache=True, nogil=True)
def number_spans(buffer: Bytes, begins: Ints, ends: Ints, slots: Ints, codes: Ints, firsts: Ints, lasts: Ints) -> int:
    """Number the distinct values of spans in order of appearance: `codes` a span, -1 where its begin is negative.

    `firsts` and `lasts` get the span of each distinct value; how many there are is returned.
    """
    marks = np.empty(begins.size, np.uint64)
    used = 0
    for k in range(begins.size):
        if begins[k] < 0:
            codes[k] = -1
            continue
        mark = START
        for i in range(begins[k], ends[k]):
            mark = mix(mark, buffer[i])
        code = intern(buffer, begins[k], ends[k], mark, False, slots, firsts, lasts, marks, used)
        if code == used:
            used += 1
        codes[k] = code
    return used


@njit(cache=True, nogil=True)
def days_from_civil(year: int, month: int, day: int) -> int:
    """Days from 1970-01-01 to a date of the Gregorian calendar (H. Hinnant's `days_from_civil`)."""
    if month <= 2:
        year -= 1
        month += 12
    era = year // 400
    year_of_era = year - era * 400
    day_of_year = (153 * (month - 3) + 2) // 5 + day - 1
    return era * 146097 + year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year - 719468


@njit(cache=True, nogil=True)
def days_of_month(year: int, month: int) -> int:
    """How many days a month has."""
    if month == 2:
        return 29 if (year % 4 == 0 and year % 100 != 0) or year % 400 == 0 else 28
    return 30 if month in (4, 6, 9, 11) else 31


@njit(cache=True, nogil=True)
def digits(buffer: Bytes, begin: int, count: int) -> int:
    """The number that `count` decimal digits make, or -1 if one of them is none."""
    value = 0
    for i in range(begin, begin + count):
        digit = int(buffer[i]) - 48
        if digit < 0 or digit > 9:
            return -1
        value = value * 10 + digit
    return value


@njit(cache=True, nogil=True)
def clock(buffer: Bytes, begin: int, end: int) -> tuple[int, int]:
    """Microseconds of `HH:MM[:SS[.fraction]]` at `begin` and where it ends; (-1, begin) if there is none.

    A fraction follows a dot or comma; digits beyond the microsecond are dropped. A leap second counts as the next.
    """
    if end - begin < 5 or buffer[begin + 2] != 58:
        return -1, begin
    hour = digits(buffer, begin, 2)
    minute = digits(buffer, begin + 3, 2)
    if hour < 0 or hour > 23 or minute < 0 or minute > 59:
        return -1, begin
    value = (hour * 60 + minute) * 60_000_000
    at = begin + 5
    if end - at < 3 or buffer[at] != 58:
        return value, at
    second = digits(buffer, at + 1, 2)
    if second < 0 or second > 60:
        return -1, begin
    value += second * 1_000_000
    at += 3
    if at + 1 < end and (buffer[at] == 46 or buffer[at] == 44) and 48 <= buffer[at + 1] <= 57:
        at += 1
        scale = 100_000
        while at < end and 48 <= buffer[at] <= 57:
            value += (int(buffer[at]) - 48) * scale
            scale //= 10
            at += 1
    return value, at


@njit(cache=True, nogil=True)
def iso_time(buffer: Bytes, begin: int, end: int) -> tuple[int, int, int]:
    """ISO 8601 `YYYY-MM-DD(T| )HH:MM[:SS[.fraction]][Z|±HH[[:]MM]]`: microseconds since 1970, stamp, where it ends.

    The stamp is NAIVE where no zone is given (the microseconds are then local), STAMPED where one is, NO_STAMP if
    this is no such time.
    """
    if end - begin < 16 or buffer[begin + 4] != 45 or buffer[begin + 7] != 45:
        return 0, NO_STAMP, begin
    year = digits(buffer, begin, 4)
    month = digits(buffer, begin + 5, 2)
    day = digits(buffer, begin + 8, 2)
    between = buffer[begin + 10]
    if year < 1 or month < 1 or month > 12 or day < 1 or between not in (84, 32, 116):
        return 0, NO_STAMP, begin
    if day > days_of_month(year, month):
        return 0, NO_STAMP, begin
    time, at = clock(buffer, begin + 11, end)
    if time < 0:
        return 0, NO_STAMP, begin
    time += days_from_civil(year, month, day) * 86_400_000_000
    if at < end and (buffer[at] == 90 or buffer[at] == 122):
        return time, STAMPED, at + 1
    if at + 2 < end and (buffer[at] == 43 or buffer[at] == 45):
        hours = digits(buffer, at + 1, 2)
        after = at + 3
        minutes = 0
        if hours >= 0 and after < end and buffer[after] == 58:
            after += 1
        if after + 1 < end and 48 <= buffer[after] <= 57:
            minutes = digits(buffer, after, 2)
            after += 2
        if hours < 0 or hours > 23 or minutes < 0 or minutes > 59:
            return 0, NO_STAMP, begin
        shift = (hours * 60 + minutes) * 60_000_000
        return time - shift if buffer[at] == 43 else time + shift, STAMPED, after
    return time, NAIVE, at


@njit(cache=True, nogil=True)
def iso_times(buffer: Bytes, begins: Ints, ends: Ints, times: Longs, stamps: npt.NDArray[np.int8]) -> None:
    """`iso_time` of each span; NO_STAMP also where something follows the time."""
    for k in range(begins.size):
        times[k] = 0
        stamps[k] = NO_STAMP
        if begins[k] >= 0:
            time, stamp, at = iso_time(buffer, begins[k], ends[k])
            if at == ends[k]:
                times[k] = time
                stamps[k] = stamp


@njit(cache=True, nogil=True)
def decimals(buffer: Bytes, begins: Ints, ends: Ints, scale_digits: int, values: Longs, known: npt.NDArray[np.bool_]) -> None:
    """Decimal numbers times 10^`scale_digits` as integers; digits beyond that are dropped.

    `known` is false where a span is absent, no such number, or too long to be one of this world (18 digits).
    """
    for k in range(begins.size):
        known[k] = False
        values[k] = 0
        at, end = begins[k], ends[k]
        if at < 0 or at >= end:
            continue
        negative = buffer[at] == 45
        if negative:
            at += 1
        value = 0
        whole = 0
        while at < end and 48 <= buffer[at] <= 57:
            if whole < 19:
                value = value * 10 + (int(buffer[at]) - 48)
            whole += 1
            at += 1
        if whole == 0 or whole + scale_digits > 18:
            continue
        left = scale_digits
        if at < end and buffer[at] == 46:
            at += 1
            while at < end and 48 <= buffer[at] <= 57:
                if left > 0:
                    value = value * 10 + (int(buffer[at]) - 48)
                    left -= 1
                at += 1
        if at != end:
            continue
        while left > 0:
            value *= 10
            left -= 1
        values[k] = -value if negative else value
        known[k] = True


@njit(cache=True, nogil=True)
def split_lines(
    buffer: Bytes,
    begin: int,
    stop: int,
    separator: int,
    quote: int,
    fields: int,
    columns: Ints,
    lines: Ints,
    begins: npt.NDArray[np.int32],
    ends: npt.NDArray[np.int32],
    bad: Longs,
    counts: Longs,
) -> tuple[int, int]:
    """Lines of `buffer[begin:stop]` as fields between `separator` bytes; how many rows came out, and where it stopped.

    `columns[field]` says into which row of `begins` and `ends` a field's span goes (-1: nowhere). A field that begins
    with `quote` (-1: none does) ends at the next single quote byte; a doubled one stays doubled in the span. It stops
    before a line that begins with `#` (unless quote is used), at the end, or when `lines` is full. Empty lines are
    passed over; lines that have other than `fields` fields (or an open quote) are counted in `counts[1]` and the first
    of them noted in `bad`; `counts[0]` counts all lines, `lines` says where rows stand among them.
    """
    rows = 0
    at = begin
    while at < stop and rows < lines.size:
        if quote < 0 and buffer[at] == HASH:
            break
        field = 0
        wrong = False
        empty = True
        start = at
        while True:
            # One field a turn; `at` is its first byte.
            span_begin = at
            if quote >= 0 and at < stop and buffer[at] == quote:
                empty = False
                at += 1
                span_begin = at
                while at < stop and buffer[at] != NEWLINE:
                    if buffer[at] == quote:
                        if at + 1 < stop and buffer[at + 1] == quote:
                            at += 1
                        else:
                            break
                    at += 1
                span_end = at
                if at < stop and buffer[at] == quote:
                    at += 1
                else:
                    wrong = True
                while at < stop and buffer[at] != separator and buffer[at] != NEWLINE:
                    if buffer[at] != RETURN and buffer[at] != 32:
                        wrong = True
                    at += 1
            else:
                while at < stop and buffer[at] != separator and buffer[at] != NEWLINE:
                    at += 1
                span_end = at
                if (at >= stop or buffer[at] == NEWLINE) and span_end > span_begin and buffer[span_end - 1] == RETURN:
                    span_end -= 1
                if span_end > span_begin:
                    empty = False
            if field < fields and columns[field] >= 0:
                begins[columns[field], rows] = span_begin
                ends[columns[field], rows] = span_end
            field += 1
            if at < stop and buffer[at] == separator:
                empty = False
                at += 1
                continue
            break
        if not empty:
            if field != fields or wrong:
                if counts[1] < bad.size:
                    bad[counts[1]] = counts[0]
                counts[1] += 1
            else:
                lines[rows] = counts[0]
                rows += 1
        counts[0] += 1
        at += 1
        if at <= start:  # cannot be; a line always moves on
            break
    return rows, min(at, stop)
