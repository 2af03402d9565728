"""The domain generator in plain Python: slow, exact, and close to its description (facts 2.1 and 2.2).

Nothing in the program runs it. It is the twin that tests compare the compiled one with, and the place to read what
the generator does. Sines are taken in whole numbers, independent of any mathematics library.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from itertools import islice

from wormward.threats.conficker.domains import DomainParameters

BITS = 256
"""Binary places of the fixed-point numbers in which sines are taken."""
PI66 = 0xC90FDAA22168C234C << (BITS - 66)
"""pi as the x87 processor knows it."""


def _pi() -> int:
    """Pi to BITS places, by Machin's formula 16 arctan 1/5 - 4 arctan 1/239."""

    def arctan(inverse: int) -> int:
        power = total = (1 << (BITS + 16)) // inverse
        n, sign = 3, -1
        while power:
            power //= inverse * inverse
            total += sign * (power // n)
            n, sign = n + 2, -sign
        return total

    return (16 * arctan(5) - 4 * arctan(239)) >> 16


PI = _pi()


def sine(whole: int, pi: int) -> float:
    """Sine of a whole number below 2^64, reduced modulo twice `pi`, rounded to double."""
    angle = (whole << BITS) % (2 * pi)
    if angle > pi:
        angle -= 2 * pi
    term = total = angle
    n = 1
    while abs(term) > 1:  # shifting never brings a negative number to 0
        term = -((term * angle >> BITS) * angle >> BITS) // ((n + 1) * (n + 2))
        total += term
        n += 2
    return total / (1 << BITS)  # Python divides whole numbers with one, correct rounding


def step(state: int, parameters: DomainParameters, branch: str) -> int:
    """The state after `state`."""
    d = float(state)
    p = float(state * parameters.con_rand % 2**64)
    s = sine(int(d), PI66 if branch == "x87" else PI)
    r = ((p + s) * d + parameters.con_dbl) * d
    r = r + (math.log(d) if d else -math.inf)
    return int(struct.unpack("<Q", struct.pack("<d", r))[0])


def states(day: int, parameters: DomainParameters, branch: str) -> Iterator[int]:
    """The states of a day, after the seed, without end."""
    state = parameters.seed(day)
    while True:
        state = step(state, parameters, branch)
        yield state


def signed(state: int) -> int:
    """The low 32 bits as a signed number: what a step returns to its caller."""
    low = state & 0xFFFFFFFF
    return low - (1 << 32) if low >> 31 else low


def number(rule: str, r: int, modulus: int) -> int:
    """A number made of `r` by the rule of that name."""
    if rule == "signed-remainder":
        return int(math.fmod(r, modulus))  # as in C: the sign of r
    if rule == "absolute-remainder":
        return abs(r) % modulus
    if rule == "unsigned-remainder":
        return (r & 0xFFFFFFFF) % modulus
    return r & (modulus - 1)


def names(day: int, parameters: DomainParameters, branch: str = "x87") -> Iterator[str]:
    """The names of a day, in order."""
    p = parameters
    rs = (signed(state) for state in states(day, p, branch))
    for _ in range(p.names_per_day):
        length = p.length_base + number(p.length_rule, next(rs), p.length_modulus)
        letters = "".join(chr(ord("a") + abs(r) % 26) for r in islice(rs, length))
        yield f"{letters}.{p.suffixes[number(p.suffix_rule, next(rs), len(p.suffixes))]}"
