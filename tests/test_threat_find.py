"""The search in the lists of many days, against lists made one by one; also with parameters that no worm has."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.threat_help import day
from wormward.threats.conficker import kernels, keys, plain
from wormward.threats.conficker.algorithms import domains
from wormward.threats.conficker.domains import DomainParameters, Domains

SMALL = DomainParameters(
    con1=0x123456789ABCDEF,
    con2=864_000_000_000,
    con3=7,
    con_rand=0x2545F491,
    con_dbl=0.5,
    length_rule="signed-remainder",
    length_modulus=2,
    length_base=2,
    suffix_rule="absolute-remainder",
    suffixes=("a", "b.c", "d"),
    names_per_day=40,
)
"""Names of one to three letters under three suffixes: most stand in some list, many twice in one."""


def expected(names: list[str], generator: Domains, first: int, last: int) -> list[dict[str, object]]:
    """What `find` must say, by making each list."""
    found = set()
    for number in range(first, last + 1):
        lists = {branch: generator.names(number, branch) for branch in ("x87", "libm")}
        for branch, made in lists.items():
            for place, name in enumerate(made):
                same = lists["libm" if branch == "x87" else "x87"][place] == name
                found |= {(i, number, place, "both" if same else branch) for i, n in enumerate(names) if n == name}
    order = {"both": 0, "x87": 1, "libm": 2}
    rows = sorted(found, key=lambda row: (*row[:3], order[row[3]]))
    return [dict(zip(("index", "day", "position", "branch"), row, strict=True)) for row in rows]


def test_finds_every_place_of_every_name() -> None:
    generator = Domains(SMALL)
    names = [f"{label}.{suffix}" for label in ("a", "b", "zz", "ab", "abc") for suffix in ("a", "b.c", "d", "e")]
    names += ["b.a", "b.a", "", ".", "b", "b.", ".a", "b.a.", "b.A", "B.a", "b.b.c", "b.c", "abcd.a", "b c.a", "ß.a", "\ud800.a"]
    found = generator.find(names, 100, 700)
    assert found.to_pylist() == expected(names, generator, 100, 700)
    assert found.num_rows > 300
    assert found.schema == pa.schema(
        [("index", pa.int32()), ("day", pa.int32()), ("position", pa.int32()), ("branch", pa.string())]
    )


def test_finds_on_both_branches_across_threads() -> None:
    """C parts on nearly every day; names from before and after that place, in more pieces of work than threads."""
    first = day("2010-01-01")
    names = []
    for number in (first, first + 70):
        for branch in ("x87", "libm"):
            names += domains("C").names(number, branch)[::997]
    names = list(dict.fromkeys(names))
    one = domains("C").find(names, first, first + 129)
    two = domains("C", threads=2).find(names, first, first + 129)
    assert one.equals(two)
    for number in (first, first + 70):
        wanted = expected(names, domains("C"), number, number)
        assert [row for row in one.to_pylist() if row["day"] == number] == wanted
        assert {row["branch"] for row in wanted} == {"both", "x87", "libm"}


def test_nothing_to_find() -> None:
    assert domains("A").find([], 14000, 14100).num_rows == 0
    assert domains("A").find(["www.example.com", "a.de"], 14000, 14100).num_rows == 0
    assert domains("A").find(domains("A").names(14000), 14001, 14000).num_rows == 0


def parameters(**ranges: st.SearchStrategy[int]) -> st.SearchStrategy[DomainParameters]:
    """Generators with any constants; `ranges` for con3 and con_rand."""
    return st.builds(
        DomainParameters,
        con1=st.integers(1, 2**64 - 1),
        con2=st.integers(1, 2**50),
        con_dbl=st.floats(-1000, 1000),
        length_rule=st.sampled_from(["signed-remainder", "absolute-remainder"]),
        length_modulus=st.integers(2, 5),
        length_base=st.integers(5, 7),
        suffix_rule=st.sampled_from(["unsigned-remainder", "absolute-remainder", "mask"]),
        suffixes=st.sampled_from([("x",), ("x", "y"), ("a", "b", "c", "d.e"), tuple(f"s{i}" for i in range(128))]),
        names_per_day=st.integers(1, 90),
        **ranges,
    )


SANE = parameters(con3=st.integers(2**32, 2**63), con_rand=st.integers(2**30, 2**63 - 1).map(lambda n: 2 * n + 1))
"""Products of two odd numbers are seldom small: then the last bit of a sine, where libraries differ, never counts."""
# With many low zero bits the product is often small or 0: then every term of the formula counts, and states may be
# negative or small.
ODD = parameters(
    con3=st.integers(0, 2**64 - 1), con_rand=st.one_of(st.integers(1, 15).map(lambda n: n << 60), st.just(1 << 50), st.just(1))
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(SANE, st.integers(-100_000, 100_000))
def test_any_parameters_agree_with_the_plain_twin(parameters: DomainParameters, number: int) -> None:
    for branch in ("x87", "libm"):
        assert Domains(parameters).names(number, branch) == list(plain.names(number, parameters, branch))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.one_of(SANE, ODD), st.integers(-100_000, 100_000), st.randoms(use_true_random=False))
def test_any_parameters_find_their_names(parameters: DomainParameters, first: int, rng: random.Random) -> None:
    generator = Domains(parameters)
    names = list(dict.fromkeys(name for branch in ("x87", "libm") for name in generator.names(first + 3, branch)))
    rng.shuffle(names)
    assert generator.find(names, first, first + 5).to_pylist() == expected(names, generator, first, first + 5)


@settings(deadline=None)
@given(st.lists(st.integers(0, 2**64 - 1), max_size=20), st.integers(2, 11))
def test_lengths_are_remainders(states: list[int], modulus: int) -> None:
    for state in [*states, 0x80000000, 0xFFFFFFFF, 0x7FFFFFFF, 0]:
        for rule, signs in ((kernels.SIGNED_REMAINDER, -1), (kernels.ABSOLUTE_REMAINDER, 0)):
            made = kernels._length(np.uint64(state), 1.0 / modulus, np.uint32(modulus), np.int32(20), np.int32(signs))
            assert made == 20 + kernels.remainder(np.uint64(state), rule, modulus)
            name = "signed-remainder" if signs else "absolute-remainder"
            assert made == 20 + plain.number(name, plain.signed(state), modulus)


@settings(deadline=None)
@given(st.one_of(st.integers(0, 2**53 - 1), st.integers(0, 10).map(lambda e: 1 << (53 + e)), st.integers(0, 2**64 - 1)))
def test_sine_of_whole_numbers(number: int) -> None:
    whole = int(float(number))
    made, exact = kernels.sine66(float(number)), plain.sine(whole, plain.PI66)
    assert abs(made - exact) <= math.ulp(exact)


LABEL = st.text("abcxyz", min_size=0, max_size=13)


@settings(deadline=None)
@given(st.lists(st.tuples(LABEL, st.sampled_from(["com", "co.uk", "de", "", "x"])), max_size=30))
def test_letters_are_counted_before_known_suffixes(parts: list[tuple[str, str]]) -> None:
    generator = domains("C")
    names = [".".join(part) for part in parts]
    suffixes = set(generator.parameters.suffixes)
    wanted = [len(label) if 4 <= len(label) <= 9 and suffix in suffixes else 0 for label, suffix in parts]
    assert generator.letters(names).tolist() == wanted


@settings(deadline=None)
@given(st.lists(st.text(max_size=30), max_size=20))
def test_any_text_is_encoded_without_complaint(names: list[str]) -> None:
    encoded = keys.encode(names, 1, 11, keys.prepare(("com", "co.uk")))
    for name, key, letters in zip(names, encoded.keys, encoded.letters, strict=True):
        assert (key > 0) == (letters > 0)
        if key:
            assert keys.decode(np.array([key], np.uint64), ("com", "co.uk")) == [name]


@pytest.mark.parametrize("letter", ["A", "B", "C"])
def test_chance_of_a_name(letter: str) -> None:
    """Over all names that there are, the chances add up to a list's size; a day's list has lengths in that proportion."""
    generator = domains(letter)
    total = generator.names_per_day
    there_are = {n: 26.0**n * len(generator.parameters.suffixes) for n in range(1, 15)}
    assert sum(generator.chance(n) * count for n, count in there_are.items()) == pytest.approx(total)
    assert generator.lists_per_day == 2
    days = 1 if letter == "C" else 100
    made = [len(name.partition(".")[0]) for number in range(15000, 15000 + days) for name in generator.names(number)]
    for n, count in there_are.items():
        assert made.count(n) / len(made) == pytest.approx(generator.chance(n) * count / total, abs=0.012)


def test_chance_of_short_names_of_c() -> None:
    """The figure of facts 2.4."""
    assert domains("C").chance(4) == pytest.approx(1.57e-4, rel=0.01)
    assert domains("C").chance(3) == domains("C").chance(10) == 0.0


BAD = {
    "con1": -1,
    "con2": 0,
    "con_rand": 0,
    "con_dbl": float("nan"),
    "length_rule": "sign",
    "length_modulus": 1,
    "length_base": 1,
    "suffix_rule": "and",
    "suffixes": ("a", "b", "a"),
    "names_per_day": 0,
}


@pytest.mark.parametrize("name", BAD)
def test_impossible_parameters_are_refused(name: str) -> None:
    values = {field: getattr(SMALL, field) for field in SMALL.__dataclass_fields__}
    with pytest.raises(ValueError, match=r"must|would|needs"):
        DomainParameters(**{**values, name: BAD[name]})


@pytest.mark.parametrize("suffixes", [(), ("A",), ("a..b",), (".a",), ("a b",), ("",), ("a\n",), ("x" * 61,)])
def test_impossible_suffixes_are_refused(suffixes: Iterable[str]) -> None:
    values = {field: getattr(SMALL, field) for field in SMALL.__dataclass_fields__}
    with pytest.raises(ValueError, match="suffix"):
        DomainParameters(**{**values, "suffixes": tuple(suffixes)})


def test_a_mask_needs_a_power_of_two() -> None:
    values = {field: getattr(SMALL, field) for field in SMALL.__dataclass_fields__}
    with pytest.raises(ValueError, match="mask"):
        DomainParameters(**{**values, "suffix_rule": "mask"})
