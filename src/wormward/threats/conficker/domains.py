"""The domain generator: one list of names a day, in both numeric branches, and its inversion.

The worm computes in doubles with a sine, and old processors' sine differs from an exact one; which of the two a host
follows depends on its Windows, so each day has two lists that agree up to some place. `find` answers where given
names stand in the lists of many days without ever keeping a list: names become exact keys in a table, each day is
generated and looked up as it comes.

Source: Leder, Werner, "Know Your Enemy: Containing Conficker", 2009, table 2 and figure 9, as corrected by the lists
published since (facts 2.1 and 2.2). Every published list that the tests know is reproduced.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from wormward.threats.conficker import kernels, keys

FIRST_DAY = 134774
"""Days from 1601-01-01 to 1970-01-01."""
TICKS_A_DAY = 864_000_000_000
BRANCHES = ("both", "x87", "libm")
"""Names of kernels.BOTH, X87_ONLY and LIBM_ONLY."""
LENGTH_RULES = {"signed-remainder": kernels.SIGNED_REMAINDER, "absolute-remainder": kernels.ABSOLUTE_REMAINDER}
SUFFIX_RULES = {
    "unsigned-remainder": kernels.UNSIGNED_REMAINDER,
    "absolute-remainder": kernels.ABSOLUTE_REMAINDER,
    "mask": kernels.MASK,
}
MOST_A_DAY = 1_000_000
_SUFFIX = re.compile(r"(?=.{1,60}\Z)[a-z0-9-]+(\.[a-z0-9-]+)*")
_FEW_NAMES = 500_000  # less work than this is not worth a thread
_LEAST_DAYS = 64  # a thread's piece of work: long enough to fill the lanes, short enough to stop soon


@dataclass(frozen=True, slots=True)
class DomainParameters:
    """What makes one variant's generator; the names are those of pack.toml.

    Raises ValueError, with a sentence, for values that the generator cannot run on.
    """

    con1: int
    con2: int
    con3: int
    con_rand: int
    con_dbl: float
    length_rule: str
    length_modulus: int
    length_base: int
    suffix_rule: str
    suffixes: tuple[str, ...]
    names_per_day: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "suffixes", tuple(self.suffixes))
        for name in ("con1", "con2", "con3", "con_rand"):
            if not 0 <= getattr(self, name) < 1 << 64:
                raise ValueError(f"{name} must be a 64-bit number without sign")
        if not (self.con2 and self.con_rand):
            raise ValueError("con2 and con_rand must not be 0")
        if not abs(self.con_dbl) < 1 << 20:
            raise ValueError("con_dbl must be smaller than 2^20, or it would show in every step")
        if self.length_rule not in LENGTH_RULES:
            raise ValueError(f"length_rule must be one of {', '.join(LENGTH_RULES)}")
        if self.suffix_rule not in SUFFIX_RULES:
            raise ValueError(f"suffix_rule must be one of {', '.join(SUFFIX_RULES)}")
        most = keys.MOST_LETTERS
        if not 2 <= self.length_modulus <= most or not 1 <= min(self.lengths) <= max(self.lengths) <= most:
            raise ValueError(f"length_modulus (2 or more) and length_base must give lengths from 1 to {most}")
        if not 1 <= self.names_per_day <= MOST_A_DAY:
            raise ValueError(f"names_per_day must be from 1 to {MOST_A_DAY}")
        self._check_suffixes()

    def _check_suffixes(self) -> None:
        count = len(self.suffixes)
        if not 1 <= count <= keys.MOST_SUFFIXES or len(set(self.suffixes)) != count:
            raise ValueError(f"suffixes must be from 1 to {keys.MOST_SUFFIXES} different ones")
        if self.suffix_rule == "mask" and count & (count - 1):
            raise ValueError("suffix_rule mask needs 2, 4, 8, ... suffixes")
        for suffix in self.suffixes:
            if not _SUFFIX.fullmatch(suffix):
                raise ValueError(f"suffix {suffix!r} is no lower-case domain name")

    @property
    def lengths(self) -> range:
        """The lengths, in letters, that names can have."""
        reach = self.length_modulus - 1
        return range(self.length_base - (reach if self.length_rule == "signed-remainder" else 0), self.length_base + reach + 1)

    def seed(self, day: int) -> int:
        """State of the generator at the beginning of a day (days since 1970-01-01 UTC)."""
        ticks = (day + FIRST_DAY) * TICKS_A_DAY % 2**64
        return (ticks * self.con1 % 2**64 // self.con2 + self.con3) % 2**64

    @property
    def rule(self) -> kernels.Rule:
        """The parameters as the compiled loops take them."""
        return kernels.Rule(
            np.uint64(self.con_rand),
            float(self.con_dbl),
            LENGTH_RULES[self.length_rule],
            self.length_modulus,
            self.length_base,
            SUFFIX_RULES[self.suffix_rule],
            len(self.suffixes),
            self.names_per_day,
        )


@dataclass(frozen=True)
class Domains:
    """A `model.pack.DomainAlgorithm`. The answer does not depend on `threads`."""

    parameters: DomainParameters
    threads: int = 1
    _suffixes: keys.Suffixes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_suffixes", keys.prepare(self.parameters.suffixes))

    @property
    def names_per_day(self) -> int:
        """How many names one day's list has."""
        return self.parameters.names_per_day

    @property
    def lists_per_day(self) -> int:
        """Two: one a sine."""
        return 2

    def names(self, day: int, branch: str = "x87") -> list[str]:
        """The day's list, in order, as a host with the x87 sine makes it (or, on request, with the exact one)."""
        sine = {"x87": kernels.X87, "libm": kernels.LIBM}[branch]
        made = kernels.day_keys(np.uint64(self.parameters.seed(day)), self.parameters.rule, sine)
        return keys.decode(made, self.parameters.suffixes)

    def letters(self, names: Sequence[str] | pa.Array) -> npt.NDArray[np.int32]:
        """Per name (no null): letters before the suffix if the name has the generator's shape, else 0."""
        return self._encode(names).letters

    def chance(self, letters: int) -> float:
        """Probability that one given name of that many letters is in one day's list, a suffix of the generator given."""
        p = self.parameters
        if letters not in p.lengths:
            return 0.0
        # A remainder that keeps its sign is 0 as often as any size, and each other size has two signs.
        halved = 2 if p.length_rule == "signed-remainder" and letters != p.length_base else 1
        return min(1.0, p.names_per_day / (p.length_modulus * halved) / len(p.suffixes) / 26.0**letters)

    def find(self, names: Sequence[str], first_day: int, last_day: int) -> pa.Table:
        """Where `names` stand in the lists of these days, both included.

        Columns index (int32, into `names`), day (int32), position (int32), branch (string: `both`, `x87`, `libm`),
        ordered by all four. A name that stands at several places has as many rows.
        """
        encoded = self._encode(names).keys
        rows = np.flatnonzero(encoded).astype(np.int32)
        rows = rows[np.argsort(encoded[rows], kind="stable")]
        ordered = encoded[rows]
        begin = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))[: len(ordered)]
        distinct, count = ordered[begin], np.diff(begin, append=len(ordered))
        if not len(distinct) or first_day > last_day:
            return _table(np.empty((0, 4), np.int64))
        hits = self._hits(_lookup(distinct), first_day, last_day)
        # Equal names share a slot: repeat its hits for each of them.
        times = count[hits[:, 0]]
        hits = np.repeat(hits, times, axis=0)
        within = np.arange(len(hits)) - np.repeat(np.cumsum(times) - times, times)
        hits[:, 0] = rows[begin[hits[:, 0]] + within]
        return _table(hits)

    def _encode(self, names: Sequence[str] | pa.Array) -> keys.Encoded:
        lengths = self.parameters.lengths
        return keys.encode(names, min(lengths), max(lengths), self._suffixes)

    def _hits(self, lookup: kernels.Lookup, first_day: int, last_day: int) -> npt.NDArray[np.int64]:
        """Hits as `kernels.stream` gives them, with days since 1970 instead of numbers."""
        seeds = np.array([self.parameters.seed(day) for day in range(first_day, last_day + 1)], np.uint64)
        work = len(seeds) * self.names_per_day
        if self.threads < 2 or work < _FEW_NAMES:
            pieces = [kernels.stream(seeds, self.parameters.rule, lookup)]
            begins = [0]
        else:
            size = max(_LEAST_DAYS, -(-len(seeds) // (8 * self.threads)))
            begins = list(range(0, len(seeds), size))
            pieces = self._side_by_side([seeds[b : b + size] for b in begins], lookup)
        numbered = [piece.astype(np.int64) for piece in pieces]
        for begin, hits in zip(begins, numbered, strict=True):
            hits[:, 1] += first_day + begin
        return np.concatenate(numbered)

    def _side_by_side(self, seeds: list[npt.NDArray[np.uint64]], lookup: kernels.Lookup) -> list[npt.NDArray[np.int32]]:
        pool = ThreadPoolExecutor(self.threads)
        try:
            return list(pool.map(lambda piece: kernels.stream(piece, self.parameters.rule, lookup), seeds))
        finally:
            pool.shutdown(wait=True, cancel_futures=True)  # an interrupt waits for the pieces at work only


def _lookup(distinct: npt.NDArray[np.uint64]) -> kernels.Lookup:
    """A lookup of distinct keys: a table at most half full, a bitmap of about 64 bits a key but at most 4 MB.

    Its mixer follows from all keys together, so that nobody can choose names that crowd one place of the table.
    """
    mixer = int.from_bytes(hashlib.blake2b(distinct.tobytes(), digest_size=8).digest(), "little") | 1
    table_bits = max(4, (2 * len(distinct) - 1).bit_length())
    bitmap_bits = min(25, max(12, (64 * len(distinct) - 1).bit_length()))
    made = kernels.Lookup(
        np.uint64(mixer),
        np.zeros(1 << (bitmap_bits - 6), np.uint64),
        np.uint64(64 - bitmap_bits),
        np.zeros(1 << table_bits, np.uint64),
        np.zeros(1 << table_bits, np.int32),
        np.uint64(64 - table_bits),
    )
    kernels.fill(distinct, made)
    return made


def _table(hits: npt.NDArray[np.int64]) -> pa.Table:
    """The ordered answer of `find`. Chains that part may meet again: the same hit of both sines is one of `both`."""
    hits = hits[np.lexsort((hits[:, 3], hits[:, 2], hits[:, 1], hits[:, 0]))]
    if len(hits):
        twin = np.concatenate(([False], (hits[1:, :3] == hits[:-1, :3]).all(axis=1)))
        hits[:-1][twin[1:], 3] = kernels.BOTH
        hits = hits[~twin]
    columns = {name: pa.array(hits[:, i].astype(np.int32)) for i, name in enumerate(("index", "day", "position"))}
    branch = pa.DictionaryArray.from_arrays(pa.array(hits[:, 3].astype(np.int32)), pa.array(BRANCHES))
    return pa.table({**columns, "branch": branch.cast(pa.string())})
