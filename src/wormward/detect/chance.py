"""How likely a coincidence is, as integers: thousandths of a negative decimal logarithm ("milli").

Upper tails are bounded from above (Chernoff), so that a strength is never overstated; everything stays in logarithms.
"""

from __future__ import annotations

import math

LEAST_MILLI = 3000
"""A coincidence likelier than 1 in 1,000 is not worth a finding: a site has thousands of hosts."""
MOST_MILLI = 300_000
"""Strengths end here; beyond it a probability is a figure of speech."""


def log10_tail(hits: int, expected: float) -> float:
    """log10 of a bound on P(X >= `hits`) for X Poisson with mean `expected` (and for sums of rare independent trials).

    e^-m (e m / k)^k for k > m, else 1. `expected` of 0 with hits gives minus infinity.
    """
    if hits <= 0 or hits <= expected:
        return 0.0
    if expected <= 0.0:
        return -math.inf
    return min(0.0, (hits - expected + hits * (math.log(expected) - math.log(hits))) / math.log(10))


def milli(log10_chance: float, tries: int) -> int:
    """Strength of a chance after `tries` attempts at it (Bonferroni), rounded down, between 0 and MOST_MILLI."""
    corrected = log10_chance + math.log10(max(1, tries))
    if corrected >= 0.0:
        return 0
    if corrected <= -MOST_MILLI / 1000:
        return MOST_MILLI
    return math.floor(-1000.0 * corrected)


def as_text(strength: int) -> str:
    """A strength as an upper bound of its chance: 37412 is `1e-37`."""
    return f"1e-{strength // 1000}"
