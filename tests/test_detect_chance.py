"""Coincidence is bounded from above: no strength is overstated."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from tests.detectors import toy
from wormward.detect import chance
from wormward.detect.names_day_list import strength as names_strength
from wormward.detect.p2p_ports import strength as ports_strength


def exact_tail(hits: int, expected: float) -> float:
    """P(X >= hits) for Poisson X, summed from the far end so that small terms count."""
    terms = [math.exp(-expected + k * math.log(expected) - math.lgamma(k + 1)) for k in range(hits, hits + 200)]
    return math.fsum(reversed(terms))


@given(st.integers(1, 40), st.floats(1e-6, 20))
def test_never_below_the_exact_tail(hits: int, expected: float) -> None:
    exact = exact_tail(hits, expected)
    assert chance.log10_tail(hits, expected) >= math.log10(exact) - 1e-9 or exact > 1 - 1e-9


def test_close_to_the_exact_tail_where_it_matters() -> None:
    for hits, expected in ((5, 1e-3), (8, 0.5), (20, 2.0)):
        assert chance.log10_tail(hits, expected) - math.log10(exact_tail(hits, expected)) < 1.5


def test_edges() -> None:
    assert chance.log10_tail(0, 0.0) == 0.0
    assert chance.log10_tail(3, 5.0) == 0.0
    assert chance.milli(chance.log10_tail(1, 0.0), 1) == chance.MOST_MILLI
    assert chance.milli(-2.0, 1000) == 0
    assert chance.milli(-9.0005, 1) == 9000
    assert chance.milli(-12.0, 1000) == 9000
    assert chance.as_text(37_412) == "1e-37"


def classes(met: dict[int, tuple[int, int]], asked: dict[int, int]) -> list[dict[str, int]]:
    return [
        {"letters": n, "asked": asked[n], "first_branch": met.get(n, (0, 0))[0], "second_branch": met.get(n, (0, 0))[1]}
        for n in asked
    ]


def test_one_name_or_many_short_ones_are_nothing() -> None:
    rule = toy.NAMES["X"]
    assert names_strength(classes({9: (1, 0)}, {9: 1}), rule, 30) > 6000  # long: unlikely, but least_names forbids it
    busy = dict.fromkeys(toy.LETTERS, 400_000)
    assert names_strength(classes({5: (3, 3)}, busy), rule, 30) < chance.LEAST_MILLI


def test_branches_are_not_added_up() -> None:
    rule = toy.NAMES["X"]
    asked = dict.fromkeys(toy.LETTERS, 100)
    split = names_strength(classes({7: (2, 2)}, asked), rule, 30)
    assert split == names_strength(classes({7: (2, 0)}, asked), rule, 30)
    assert split < names_strength(classes({7: (4, 0)}, asked), rule, 30)


def test_more_names_asked_weakens_and_more_days_tried_too() -> None:
    rule = toy.NAMES["X"]
    met = {6: (3, 0), 7: (2, 0)}
    few, many = (names_strength(classes(met, dict.fromkeys(toy.LETTERS, n)), rule, 30) for n in (10, 10_000))
    assert few > many > 9000
    assert names_strength(classes(met, dict.fromkeys(toy.LETTERS, 10)), rule, 7000) < few


def test_long_names_are_judged_apart_from_short_noise() -> None:
    """A thousand short names asked for do not hide three long ones that meet the list."""
    noisy = {5: 100_000, 6: 1000, 7: 100, 8: 10, 9: 3}
    assert names_strength(classes({5: (1, 1), 9: (3, 3)}, noisy), toy.NAMES["X"], 30) > 20_000


def test_ports_with_one_constant_week_offset() -> None:
    rule = toy.PACK.peer_to_peer
    assert rule is not None
    alone, at = ports_strength(4, {}, 10, 10, rule)
    assert at == 0
    assert alone > 10_000
    both, at = ports_strength(4, {1: 3, -1: 1}, 10, 10, rule)
    assert at == 1
    assert both > alone
    assert ports_strength(2, {0: 1}, 40_000, 40_000, rule)[0] == 0
