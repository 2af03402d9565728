"""The name generator against every list that others published and every vector of the facts."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from tests.threat_help import blocks, day, digest, lines
from wormward.threats.conficker import kernels, plain
from wormward.threats.conficker.algorithms import domains

SINES = {"x87": kernels.X87, "libm": kernels.LIBM}


@pytest.fixture(scope="module")
def vectors(shared: Path) -> Path:
    return shared / "facts" / "vectors"


def bits(text: str) -> int:
    return int(text, 16)


def test_single_steps(vectors: Path) -> None:
    """State, product and result of each step; both twins, the x87 sine."""
    seen = 0
    for head, block in blocks(vectors / "PRNG-steps.txt"):
        letter, date = head.split()[:2]
        p = domains(letter).parameters
        assert p.seed(day(date)) == bits(block[0].split()[1])
        for line in block:
            _, before, product, sin66, libm, _, _, after, returned = line.split()
            k = bits(before)
            assert k * p.con_rand % 2**64 == bits(product)
            assert plain.sine(int(float(k)), plain.PI66) == float.fromhex(sin66)
            assert plain.sine(int(float(k)), plain.PI) == pytest.approx(float.fromhex(libm), rel=3e-16)
            assert kernels.sine66(float(k)) == pytest.approx(float.fromhex(sin66), rel=3e-16)
            assert plain.step(k, p, "x87") == bits(after)
            assert kernels.step(np.uint64(k), np.uint64(p.con_rand), p.con_dbl, kernels.X87) == bits(after)
            assert plain.signed(bits(after)) == int(returned)
            seen += 1
    assert seen > 50


def test_steps_where_the_sines_part(vectors: Path) -> None:
    cases = [line.split() for line in lines(vectors / "SINE-cases.txt")]
    assert len(cases) == 12
    for letter, _, _, before, _, sin66, _, after_x87, after_libm in cases:
        p = domains(letter).parameters
        k = bits(before)
        assert kernels.sine66(float(k)) == pytest.approx(float.fromhex(sin66), rel=3e-16)
        for branch, after in (("x87", after_x87), ("libm", after_libm)):
            assert plain.step(k, p, branch) == bits(after)
            assert kernels.step(np.uint64(k), np.uint64(p.con_rand), p.con_dbl, SINES[branch]) == bits(after)


@pytest.mark.parametrize(("letter", "days"), [("A", 181), ("B", 182)])
def test_published_days_by_digest(vectors: Path, letter: str, days: int) -> None:
    generator = domains(letter)
    rows = [line.split() for line in lines(vectors / f"{letter}-2020-digest-per-day.txt")]
    assert len(rows) == days
    for date, summed, first, last in rows:
        names = generator.names(day(date))
        assert (digest(names), names[0], names[-1]) == (summed, first, last), date


@pytest.mark.parametrize("letter", ["A", "B"])
def test_published_days_in_full(vectors: Path, letter: str) -> None:
    """Among them every day of 2020 on which the sines part, and the place where they do."""
    generator = domains(letter)
    parted = 0
    for head, published in blocks(vectors / f"{letter}-2020-selected-days-full.txt"):
        number = day(head.split()[0])
        assert generator.names(number) == published, head
        exact = generator.names(number, "libm")
        place = next((i for i, (a, b) in enumerate(zip(published, exact, strict=True)) if a != b), None)
        said = re.search(r"SINE-SENSITIVE.*?(\d+)", head)
        assert place == (int(said[1]) if said else None), head
        parted += place is not None
    assert parted == {"A": 8, "B": 4}[letter]


def test_computed_days(vectors: Path) -> None:
    for line in lines(vectors / "COMPUTED-by-this-research.txt"):
        letter, date, since_1601, seed, summed, parts, *some = line.split()
        generator, number = domains(letter), day(date)
        assert number + 134774 == int(since_1601)
        assert generator.parameters.seed(number) == bits(seed)
        names, exact = generator.names(number), generator.names(number, "libm")
        assert digest(names) == summed
        assert names[:5] == some[:5]
        assert names[-1] == some[-1]
        place = next((i for i, (a, b) in enumerate(zip(names, exact, strict=True)) if a != b), None)
        assert parts == ("-" if place is None else str(place))


@pytest.mark.parametrize(("letter", "absent"), [("A", {"2020-05-04"}), ("B", set())])
def test_foreign_lists_name_by_name(corpora: Path, letter: str, absent: set[str]) -> None:
    published = (corpora / "dga" / f"conficker_{letter.lower()}_2020-01-01_first_45250.txt").read_text().split()
    missing = {day(text) for text in absent}
    days = [d for d in range(day("2020-01-01"), day("2020-07-02")) if d not in missing]
    made = [name for d in days for name in domains(letter).names(d)]
    assert len(published) == 45_250
    assert made[: len(published)] == published


def test_names_of_c_that_others_published(vectors: Path) -> None:
    """Each is found at its day and place and nowhere else in that month, and the exact sine reaches it or not."""
    rows = [re.match(r"(\S+)\s+(.*)", line) for line in lines(vectors / "C-2014-11-netlab-samples.txt")]
    expected = set()
    names = []
    for row in rows:
        assert row
        names.append(row[1])
        for date, place, libm in re.findall(r"(\d{4}-\d\d-\d\d) #(\d+) libm=(yes|no)", row[2]):
            expected.add((row[1], day(date), int(place), libm == "yes"))
    assert len(names) == 95
    hits = domains("C").find(names, day("2014-11-01"), day("2014-11-30")).to_pylist()
    reached = {(names[h["index"]], h["day"], h["position"]): h["branch"] for h in hits if h["branch"] != "libm"}
    assert {(*key, branch == "both") for key, branch in reached.items()} == expected


def test_names_seen_in_the_field(vectors: Path) -> None:
    rows = [line.split()[:3] for line in lines(vectors / "B-field-sightings-2009.txt")]
    assert len(rows) == 6
    for name, date, place in rows:
        hits = domains("B").find([name], day(date) - 7, day(date) + 7).to_pylist()
        assert {"index": 0, "day": day(date), "position": int(place), "branch": "both"} in hits


def test_popular_names_that_collide() -> None:
    """Two real names stand in lists of 2020: one name alone proves nothing."""
    first, last = day("2020-01-01"), day("2020-12-31")
    assert domains("A").find(["siasat.com"], first, last).num_rows == 1
    assert domains("B").find(["iidns.com"], first, last).num_rows == 1


def test_the_plain_twin_makes_whole_days() -> None:
    number = day("2020-03-04")  # the sines part on it
    for branch in SINES:
        assert list(plain.names(number, domains("A").parameters, branch)) == domains("A").names(number, branch)


def test_only_the_worms_variants_have_names() -> None:
    with pytest.raises(KeyError):
        domains("E")
