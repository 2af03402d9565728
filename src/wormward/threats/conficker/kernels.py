# ruff: noqa: PLR0917 - compiled functions are called by position
"""Compiled loops of the name generator: one step, one day's list, and many days side by side.

All of it stands in one file because numba's cache looks only at the file of the outermost function. Never compile
these with `fastmath`: a fused or reordered operation changes names. `plain.py` is the readable twin that tests
compare with.

One step of the generator turns the 64-bit state k into the bits of ``((p + S(k)) * k + c) * k + ln k``, where
``p = k * rand mod 2^64``, all in doubles. With p above 2^53 and k above 2^31 neither sine, c nor logarithm reaches
the last bit: 2,047 of 2,048 steps are three multiplications. They run as plain columns over LANES days at once, which
LLVM turns into vector instructions, and the rest is put right one by one.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

LANES = 32
"""Days that run side by side."""
ROWS = 512
"""Steps between two looks at the names that have come out."""
KEPT = 16
"""Rows of the last block that stay in view: more than the longest name (11 letters) with its length and suffix."""

X87, LIBM = 0, 1
"""The two sines: the old processors' one and the exact one."""
BOTH, X87_ONLY, LIBM_ONLY = 0, 1, 2
"""Which sine's list a hit stands in."""
SIGNED_REMAINDER, ABSOLUTE_REMAINDER, UNSIGNED_REMAINDER, MASK = 0, 1, 2, 3
"""How a number below a limit is made of a state's low 32 bits."""

_NOT_YET, _DEALT_WITH = -1, -2
_ONE, _FIVE, _SIX, _SEVEN, _LAST = np.uint64(1), np.uint64(5), np.uint64(6), np.uint64(7), np.uint64(63)
_LOW32 = np.uint64(0xFFFFFFFF)
_TOP32 = np.uint64(0xFFFFFFFF00000000)
_MANTISSA = np.uint64((1 << 52) - 1)
_HIDDEN_BIT = np.uint64(1 << 52)
_LARGE_PRODUCT = np.uint64(1 << 53)
_SMALL_STATE = np.int64(1 << 31)
_ANY_STATE = np.uint64(1 << 62)  # what idle lanes run on
# pi as the x87 processor knows it, 0xC90FDAA22168C234C * 2^-66; so twice that in units of 2^-65.
_TWO_PI_HIGH, _TWO_PI_LOW = np.uint64(0xC), np.uint64(0x90FDAA22168C234C)
_UNIT = 2.0**-65
_WORD = 2.0**64


class Rule(NamedTuple):
    """The generator's parameters as the compiled loops take them."""

    rand: np.uint64
    double: float
    length_rule: int
    length_modulus: int
    length_base: int
    suffix_rule: int
    suffix_count: int
    per_day: int


class Lookup(NamedTuple):
    """The names looked for: a bitmap that rejects most keys at once, and an open-addressing table for the rest.

    `keys` is 0 where free; `slots` says which name it is. A key's place in both is the high bits of its product with
    `mixer`, an odd number.
    """

    mixer: np.uint64
    bitmap: npt.NDArray[np.uint64]
    bitmap_shift: np.uint64
    keys: npt.NDArray[np.uint64]
    slots: npt.NDArray[np.int32]
    table_shift: np.uint64


class Lanes(NamedTuple):
    """LANES chains side by side. The first three have shape (KEPT + ROWS) * LANES, row by row; the rest LANES."""

    states: npt.NDArray[np.uint64]
    windows: npt.NDArray[np.uint64]  # the last letters, five bits each, the newest lowest
    lengths: npt.NDArray[np.int32]  # the length that the state would give
    active: npt.NDArray[np.bool_]
    sine: npt.NDArray[np.int64]
    parted: npt.NDArray[np.int64]  # row where the other sine first gives another state
    at: npt.NDArray[np.int64]  # row of the next name's length
    day: npt.NDArray[np.int64]
    position: npt.NDArray[np.int64]  # of the next name


class Second(NamedTuple):
    """Chains of the exact sine that wait for a lane: where they begin, and from which state."""

    day: npt.NDArray[np.int64]
    position: npt.NDArray[np.int64]
    state: npt.NDArray[np.uint64]


@njit(cache=True, nogil=True)
def sine66(d):  # type: ignore[no-untyped-def]
    """The old processors' sine of a whole number held in a double: exact remainder by 66-bit pi, then a sine of it.

    Right to the last bit or one beside it. That bit could only show in a step whose product is tiny, one in 2^60.
    """
    bits = np.float64(d).view(np.uint64)
    low, shift = (bits & _MANTISSA) | _HIDDEN_BIT, np.int64(bits >> np.uint64(52)) - 1075
    if shift < 0:
        low, shift = np.uint64(d), np.int64(0)
    high, low = np.uint64(0), low << np.uint64(11)  # 53 bits become 64: still less than 2 pi's 68
    for _ in range(shift + 54):  # the remainder modulo 2 pi in units of 2^-65, bit by bit, in 128 bits
        high = (high << _ONE) | (low >> _LAST)
        low = low << _ONE
        if high > _TWO_PI_HIGH or (high == _TWO_PI_HIGH and low >= _TWO_PI_LOW):
            high -= _TWO_PI_HIGH + np.uint64(low < _TWO_PI_LOW)
            low -= _TWO_PI_LOW
    twice = (high << _ONE) | (low >> _LAST)
    negative = twice > _TWO_PI_HIGH or (twice == _TWO_PI_HIGH and (low << _ONE) > _TWO_PI_LOW)
    if negative:
        high = _TWO_PI_HIGH - high - np.uint64(low > _TWO_PI_LOW)
        low = _TWO_PI_LOW - low
    # 36 bits and 32 bits: both exact as doubles, so that their sum and its rounding error are exact too.
    coarse = np.float64(high) * _WORD + np.float64(low & _TOP32)
    fine = np.float64(low & _LOW32)
    angle = coarse + fine
    rest = (fine - (angle - coarse)) * _UNIT
    angle *= _UNIT
    value = math.sin(angle) + rest * math.cos(angle)
    return -value if negative else value


@njit(cache=True, nogil=True)
def step(k, rand, double, sine):  # type: ignore[no-untyped-def]
    """The state after `k`, every term of the formula kept; `sine` is X87 or LIBM."""
    d = np.float64(k)
    p = np.float64(k * rand)
    s = sine66(d) if sine == X87 else math.sin(d)
    r = ((p + s) * d + double) * d
    r = r + (math.log(d) if d > 0.0 else -math.inf)
    return np.float64(r).view(np.uint64)


@njit(cache=True, nogil=True)
def remainder(state, rule, modulus):  # type: ignore[no-untyped-def]
    """A number made of the state's low 32 bits by one of the four rules (MASK takes the modulus as a power of two)."""
    low = np.uint32(state & _LOW32)
    if rule == MASK:
        return np.int64(low & np.uint32(modulus - 1))
    if rule == UNSIGNED_REMAINDER:
        return np.int64(low % np.uint32(modulus))
    signed = np.int64(np.int32(low))
    size = np.int64(np.uint32(abs(signed)) % np.uint32(modulus))
    return -size if rule == SIGNED_REMAINDER and signed < 0 else size


@njit(cache=True, nogil=True)
def _letter(state):  # type: ignore[no-untyped-def]
    """1 to 26; the low 32 bits as a signed number, its size modulo 26."""
    return np.uint64(np.uint32(abs(np.int32(np.uint32(state)))) % np.uint32(26)) + _ONE


@njit(cache=True, nogil=True)
def _length(state, inverse, modulus, base, signs):  # type: ignore[no-untyped-def]
    """Like base + remainder(...), in operations that have a vector form; `signs` is -1 to keep signs, else 0.

    The quotient by way of a double is exact: half a unit keeps it off every whole number by more than it is wrong.
    """
    signed = np.int32(np.uint32(state))
    size = np.uint32(abs(signed))
    rest = np.int32(size - np.uint32(np.int32((np.float64(size) + 0.5) * inverse)) * modulus)
    negative = (signed >> np.int32(31)) & signs
    return np.int32(base + ((rest ^ negative) - negative))


@njit(cache=True, nogil=True)
def _quick_step(k, rule, sine):  # type: ignore[no-untyped-def]
    """Like `step`, the three multiplications where they are enough."""
    p = k * rule.rand
    if p <= _LARGE_PRODUCT or np.int64(k) <= _SMALL_STATE:
        return step(k, rule.rand, rule.double, sine)
    d = np.float64(np.int64(k))
    return np.float64((np.float64(p) * d) * d).view(np.uint64)


@njit(cache=True, nogil=True)
def day_keys(seed, rule, sine):  # type: ignore[no-untyped-def]
    """One day's list as keys (see keys.py), in order: uint64, shape (names a day,)."""
    keys = np.empty(rule.per_day, np.uint64)
    k = np.uint64(seed)
    for i in range(rule.per_day):
        k = _quick_step(k, rule, sine)
        key = np.uint64(0)
        for _ in range(rule.length_base + remainder(k, rule.length_rule, rule.length_modulus)):
            k = _quick_step(k, rule, sine)
            key = (key << _FIVE) | _letter(k)
        k = _quick_step(k, rule, sine)
        keys[i] = (key << _SEVEN) | np.uint64(remainder(k, rule.suffix_rule, rule.suffix_count))
    return keys


@njit(cache=True, nogil=True)
def fill(keys, lookup):  # type: ignore[no-untyped-def]
    """Put distinct keys, none of them 0, into an empty lookup; a slot is the key's place in `keys`."""
    end = np.uint64(lookup.keys.size - 1)
    for i in range(keys.size):
        mixed = keys[i] * lookup.mixer
        bit = mixed >> lookup.bitmap_shift
        lookup.bitmap[bit >> _SIX] |= _ONE << (bit & _LAST)
        at = mixed >> lookup.table_shift
        while lookup.keys[at] != 0:
            at = (at + _ONE) & end
        lookup.keys[at] = keys[i]
        lookup.slots[at] = i


@njit(cache=True, nogil=True)
def _slot(key, lookup):  # type: ignore[no-untyped-def]
    """Which of the names looked for has this key; -1 if none."""
    end = np.uint64(lookup.keys.size - 1)
    at = (key * lookup.mixer) >> lookup.table_shift
    while lookup.keys[at] != 0:
        if lookup.keys[at] == key:
            return lookup.slots[at]
        at = (at + _ONE) & end
    return np.int32(-1)


@njit(cache=True, nogil=True)
def _run_rows(lanes, rule):  # type: ignore[no-untyped-def]
    """Run every lane ROWS steps on."""
    states, windows, lengths, width = lanes.states, lanes.windows, lanes.lengths, np.uint64(LANES)
    rand, inverse = rule.rand, 1.0 / rule.length_modulus
    modulus, base = np.uint32(rule.length_modulus), np.int32(rule.length_base)
    signs = np.int32(-1 if rule.length_rule == SIGNED_REMAINDER else 0)
    for row in range(KEPT, KEPT + ROWS):
        here = np.uint64(row) * width
        before = here - width
        slow = np.uint64(0)
        for lane in range(width):
            k = states[before + lane]
            p = k * rand
            d = np.float64(np.int64(k))  # a state below 2^63: the signed conversion is exact and cheaper
            slow |= np.uint64(p <= _LARGE_PRODUCT) | np.uint64(np.int64(k) <= _SMALL_STATE)
            after = np.float64((np.float64(p) * d) * d).view(np.uint64)
            states[here + lane] = after
            windows[here + lane] = (windows[before + lane] << _FIVE) | _letter(after)
            lengths[here + lane] = _length(after, inverse, modulus, base, signs)
        if slow:
            for lane in range(width):
                k = states[before + lane]
                if lanes.active[lane] and (k * rand <= _LARGE_PRODUCT or np.int64(k) <= _SMALL_STATE):
                    after = step(k, rand, rule.double, lanes.sine[lane])
                    states[here + lane] = after
                    windows[here + lane] = (windows[before + lane] << _FIVE) | _letter(after)
                    lengths[here + lane] = _length(after, inverse, modulus, base, signs)
                    if lanes.parted[lane] == _NOT_YET and step(k, rand, rule.double, LIBM) != after:
                        lanes.parted[lane] = row


@njit(cache=True, nogil=True)
def _begin(lanes, lane, sine, day, position, state):  # type: ignore[no-untyped-def]
    """Give an idle lane a chain to run."""
    lanes.states[(KEPT - 1) * LANES + lane] = state
    lanes.active[lane], lanes.sine[lane], lanes.at[lane] = True, sine, KEPT
    lanes.day[lane], lanes.position[lane] = day, position
    lanes.parted[lane] = _NOT_YET if sine == X87 else _DEALT_WITH


@njit(cache=True, nogil=True)
def _take_names(lanes, lane, rule, keys, second, waiting):  # type: ignore[no-untyped-def]
    """Read off the names that one lane has finished in this block.

    Returns how many stand in `keys` now, how many chains wait in `second`, and from which of the names on they are
    of the x87 sine alone.
    """
    states, begin, count, alone = lanes.states, lanes.at[lane], 0, ROWS
    room = rule.per_day - lanes.position[lane]
    if lanes.parted[lane] == _DEALT_WITH:
        alone = 0
    while count < room and begin < KEPT + ROWS:
        length = np.int64(lanes.lengths[begin * LANES + lane])
        end = begin + length + 1
        if end >= KEPT + ROWS:
            break
        letters = lanes.windows[(end - 1) * LANES + lane] & ((_ONE << np.uint64(5 * length)) - _ONE)
        suffix = remainder(states[end * LANES + lane], rule.suffix_rule, rule.suffix_count)
        keys[count] = (letters << _SEVEN) | np.uint64(suffix)
        if 0 <= lanes.parted[lane] <= end:
            second.day[waiting], second.position[waiting] = lanes.day[lane], lanes.position[lane] + count
            second.state[waiting] = states[(begin - 1) * LANES + lane]
            lanes.parted[lane], alone = _DEALT_WITH, count
            waiting += 1
        begin = end + 1
        count += 1
    lanes.at[lane] = begin
    return count, waiting, alone


@njit(cache=True, nogil=True)
def _look_up(keys, count, alone, lanes, lane, lookup, hits, found):  # type: ignore[no-untyped-def]
    """Look up the names of one lane's block; returns how many hits there are now."""
    for i in range(count):  # a loop of its own: so many misses of the bitmap in flight at once
        bit = (keys[i] * lookup.mixer) >> lookup.bitmap_shift
        if (lookup.bitmap[bit >> _SIX] >> (bit & _LAST)) & _ONE:
            slot = _slot(keys[i], lookup)
            if slot >= 0:
                hits[found, 0], hits[found, 1], hits[found, 2] = slot, lanes.day[lane], lanes.position[lane] + i
                hits[found, 3] = LIBM_ONLY if lanes.sine[lane] == LIBM else X87_ONLY if i >= alone else BOTH
                found += 1
    return found


@njit(cache=True, nogil=True)
def _new_lanes():  # type: ignore[no-untyped-def]
    """Idle lanes."""
    cells = (KEPT + ROWS) * LANES
    return Lanes(
        np.full(cells, _ANY_STATE, np.uint64),
        np.zeros(cells, np.uint64),
        np.zeros(cells, np.int32),
        np.zeros(LANES, np.bool_),
        np.zeros(LANES, np.int64),
        np.full(LANES, _DEALT_WITH, np.int64),
        np.full(LANES, KEPT, np.int64),
        np.zeros(LANES, np.int64),
        np.zeros(LANES, np.int64),
    )


@njit(cache=True, nogil=True)
def _next_block(lanes):  # type: ignore[no-untyped-def]
    """Keep the last rows in view and count rows from the next block's beginning."""
    lanes.states[: KEPT * LANES] = lanes.states[ROWS * LANES :]
    lanes.windows[: KEPT * LANES] = lanes.windows[ROWS * LANES :]
    lanes.lengths[: KEPT * LANES] = lanes.lengths[ROWS * LANES :]
    for lane in range(LANES):
        lanes.at[lane] -= ROWS
        if lanes.parted[lane] >= 0:
            lanes.parted[lane] -= ROWS


@njit(cache=True, nogil=True)
def stream(seeds, rule, lookup):  # type: ignore[no-untyped-def]
    """Make every list of the days that begin with `seeds`, by both sines, and look each name up as it comes.

    A day begins as one chain, the x87 one. The name in which the exact sine first leads elsewhere begins a second
    chain. Nothing is kept but hits: int32, shape (hits, 4), columns slot, number of the day in `seeds`, position in
    the list, and BOTH, X87_ONLY or LIBM_ONLY.
    """
    lanes = _new_lanes()
    second = Second(np.empty(seeds.size, np.int64), np.empty(seeds.size, np.int64), np.empty(seeds.size, np.uint64))
    keys = np.empty(ROWS, np.uint64)
    hits = np.empty((LANES * ROWS, 4), np.int32)
    found, waiting, begun, running = 0, 0, 0, 0
    while True:
        for lane in range(LANES):
            if not lanes.active[lane] and waiting:
                waiting -= 1
                _begin(lanes, lane, LIBM, second.day[waiting], second.position[waiting], second.state[waiting])
                running += 1
            elif not lanes.active[lane] and begun < seeds.size:
                _begin(lanes, lane, X87, begun, 0, seeds[begun])
                begun += 1
                running += 1
        if running == 0:
            return hits[:found].copy()
        _run_rows(lanes, rule)
        if hits.shape[0] < found + LANES * ROWS // 2:  # a name is three steps at least
            more = np.empty((2 * hits.shape[0], 4), np.int32)
            more[:found] = hits[:found]
            hits = more
        for lane in range(LANES):
            if lanes.active[lane]:
                count, waiting, alone = _take_names(lanes, lane, rule, keys, second, waiting)
                found = _look_up(keys, count, alone, lanes, lane, lookup, hits, found)
                lanes.position[lane] += count
                if lanes.position[lane] == rule.per_day:
                    lanes.active[lane] = False
                    running -= 1
        _next_block(lanes)
