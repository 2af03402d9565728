"""`--all-time`: 1 million distinct names against every day of A, B and C since 2008-11-01, by both sines.

Two limits from the issue, 20 s on two processors and 500 MB, and a ratio: the same lists made one chain a day by the
same compiled step, looked up nowhere, timed on a sample of days of the same run. A search that takes longer than that
would lose time in looking up. Compiling is not counted; it is done once and kept.
"""

from __future__ import annotations

import random
import resource
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from string import ascii_lowercase

import numpy as np

from bench.compare import Row, limit, ratio, show
from wormward.threats.conficker import kernels
from wormward.threats.conficker.algorithms import domains
from wormward.threats.conficker.domains import Domains

LETTERS = "ABC"
NAMES = 1_000_000
PLANTED = 500
THREADS = 2
SAMPLE = 24  # days
DAY_0 = date(1970, 1, 1)
FIRST, LAST = ((date.fromisoformat(text) - DAY_0).days for text in ("2008-11-01", "2026-11-30"))


def planted(rng: random.Random, generator: Domains) -> set[tuple[str, int]]:
    """Names from lists of random days, either sine, each with its day."""
    found: set[tuple[str, int]] = set()
    while len(found) < PLANTED:
        day = rng.randint(FIRST, LAST)
        found |= {(name, day) for name in rng.sample(generator.names(day, rng.choice(("x87", "libm"))), 20)}
    return found


def random_names(rng: random.Random, generators: list[Domains]) -> Iterator[str]:
    """Names of the generators' own shape, so that none is rejected at the door."""
    while True:
        p = rng.choice(generators).parameters
        label = "".join(rng.choices(ascii_lowercase, k=rng.choice(p.lengths)))
        yield f"{label}.{rng.choice(p.suffixes)}"


def all_names(rng: random.Random, generators: list[Domains], known: list[set[tuple[str, int]]]) -> list[str]:
    """NAMES distinct names, the planted ones among them, in alphabetical order."""
    distinct = {name for pairs in known for name, _ in pairs}
    for name in random_names(rng, generators):
        distinct.add(name)
        if len(distinct) == NAMES:
            break
    return sorted(distinct)


def chains_alone(generators: list[Domains]) -> float:
    """Seconds that THREADS threads would need for all lists, one chain a day, no name looked up."""

    def one_day(job: tuple[Domains, int]) -> None:
        generator, day = job
        for sine in (kernels.X87, kernels.LIBM):
            kernels.day_keys(np.uint64(generator.parameters.seed(day)), generator.parameters.rule, sine)

    spread = np.linspace(FIRST, LAST, SAMPLE, dtype=np.int64).tolist()
    jobs = [(generator, day) for generator in generators for day in spread]
    one_day(jobs[0])
    begin = time.perf_counter()
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(one_day, jobs))
    return (time.perf_counter() - begin) * (LAST - FIRST + 1) / SAMPLE


def search(generators: list[Domains], names: list[str]) -> tuple[float, list[set[tuple[str, int]]]]:
    """Seconds of the whole search, and per generator the names and days found."""
    begin, used = time.perf_counter(), time.process_time()
    tables = [generator.find(names, FIRST, LAST) for generator in generators]
    seconds, used = time.perf_counter() - begin, time.process_time() - used
    print(f"{len(names):,} names, {LAST - FIRST + 1:,} days, {THREADS} threads: {seconds:.1f} s, {used:.1f} s of processor")
    pairs = [zip(t["index"].to_pylist(), t["day"].to_pylist(), strict=True) for t in tables]
    return seconds, [{(names[index], day) for index, day in hits} for hits in pairs]


def figures() -> list[Row]:
    """Run it."""
    rng = random.Random(1)  # noqa: S311 - the same names in every run
    generators = [domains(letter, THREADS) for letter in LETTERS]
    known = [planted(rng, generator) for generator in generators]
    names = all_names(rng, generators, known)
    search(generators, names[:1000])  # compile or load what was compiled
    seconds, found = search(generators, names)
    # High-water mark of the whole process, the list of names and the interpreter included.
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    for letter, wanted, got in zip(LETTERS, known, found, strict=True):
        assert wanted <= got, f"{letter}: {len(wanted - got)} planted names were not found"
        print(f"{letter}: all {len(wanted)} planted names found; {len(got)} names and days in all")
    return [
        limit("all-time, 1 million names", ours=seconds, most=20),
        limit("all-time, memory", ours=megabytes, most=500, unit="MB"),
        ratio("all-time, against chains without search", ours=seconds, peer=chains_alone(generators), wanted=1),
    ]


if __name__ == "__main__":
    raise SystemExit(show(figures()))
