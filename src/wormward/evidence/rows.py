"""What every text reader needs: columns that are the same in all rows, local times, and the tally of one file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from wormward.evidence import kernels
from wormward.evidence.files import EvidenceFile
from wormward.model.errors import EvidenceError
from wormward.model.reading import FileRead, ReadContext
from wormward.model.states import Coverage, Problem
from wormward.model.text import N_

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# What `datetime` can hold; other times are damage.
LEAST_TIME = int((datetime(1, 1, 2, tzinfo=UTC) - _EPOCH).total_seconds()) * 1_000_000
MOST_TIME = int((datetime(9999, 12, 30, tzinfo=UTC) - _EPOCH).total_seconds()) * 1_000_000
# Offsets of zones change at whole quarters of an hour.
_QUARTER = 900_000_000
_NAMED_LINES = 3
CP932 = N_("Some of its text is no UTF-8 and was read as Japanese (cp932).")

Times = npt.NDArray[np.int64]


def utc(microseconds: int) -> datetime:
    """A time of a table as an aware datetime."""
    return _EPOCH + timedelta(microseconds=microseconds)


def constant(value: str | None, count: int) -> pa.Array:
    """A text column that says the same in every row (null where None), in next to no memory."""
    if value is None:
        return pa.nulls(count)
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(count, np.int8)), pa.array([value], pa.string()))


def optional(values: npt.NDArray[Any], known: npt.NDArray[np.bool_], kind: pa.DataType | None = None) -> pa.Array:
    """An Arrow column that is null where not `known`."""
    return pa.array(values, kind, mask=None if known.all() else ~known)


@dataclass(slots=True)
class Zone:
    """The zone of stamps that name none: the site's, or UTC by assumption."""

    name: str = "UTC"
    known: str = "assumed"  # "stamped" where no stamp lacked a zone
    _zone: ZoneInfo | None = None
    _offsets: dict[int, int] = field(default_factory=dict)

    @classmethod
    def of_site(cls, name: str | None) -> Zone:
        """The zone that the site names. Raises EvidenceError if this machine does not know it."""
        if name is None:
            return cls()
        try:
            return cls(name, "site", ZoneInfo(name))
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise EvidenceError(
                f"its times are local, and the site's time zone {name!r} is not known here",
                remedy="check time_zone in site.toml, or install the package tzdata",
            ) from error

    def _offset(self, quarter: int) -> int:
        if self._zone is None:
            return 0
        known = self._offsets.get(quarter)
        if known is None:
            local = (_EPOCH + timedelta(microseconds=quarter * _QUARTER)).replace(tzinfo=self._zone)
            shift = local.utcoffset() or timedelta(0)
            known = self._offsets[quarter] = int(shift.total_seconds()) * 1_000_000
        return known

    def to_utc(self, times: Times, stamps: npt.NDArray[np.int8]) -> Times:
        """UTC of times that are local where `stamps` says NAIVE. Of an hour that comes twice the first is meant."""
        naive = stamps == kernels.NAIVE
        if self._zone is None or not naive.any():
            return times
        quarters, which = np.unique(times[naive] // _QUARTER, return_inverse=True)
        shifts = np.array([self._offset(int(q)) for q in quarters], np.int64)
        times = times.copy()
        times[naive] -= shifts[which]
        return times


@dataclass(slots=True)
class Tally:
    """What is learnt of one file while it is read."""

    file: EvidenceFile
    context: ReadContext
    rows: dict[str, int] = field(default_factory=dict)
    begin: int | None = None
    end: int | None = None
    bad: int = 0
    bad_lines: list[int] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def add(self, table: str, times: Times, columns: Mapping[str, Any]) -> None:
        """Hand rows to the sink with the file's site; `times` are UTC microseconds."""
        if not len(times):
            return
        low, high = int(times.min()), int(times.max())
        self.begin = low if self.begin is None else min(self.begin, low)
        self.end = high if self.end is None else max(self.end, high)
        self.rows[table] = self.rows.get(table, 0) + len(times)
        site = constant(self.file.site, len(times))
        self.context.sink.add(table, self.file.file_no, {"site": site, "time": pa.array(times), **columns})

    def bad_at(self, lines: Sequence[int], count: int) -> None:
        """`count` more lines could not be read; `lines` are the first of them (from 1)."""
        self.bad += count
        self.bad_lines += lines[: _NAMED_LINES - len(self.bad_lines)]

    def trouble(self, error: EvidenceError) -> None:
        """Reading ended early, or some of it failed."""
        self.problems.append(Problem(error.what, error.place, error.remedy))

    def finish(
        self,
        sha256: str,
        kind: str,
        *,
        zone: tuple[str, str] = ("UTC", "stamped"),
        remedy: str = "",
        blind: tuple[str, ...] = (),
        notes: tuple[str, ...] = (),
        unit: str = "line",
    ) -> FileRead:
        """The file's coverage. `remedy` says what to do about bad lines, `unit` what places count."""
        problems = list(self.problems)
        if self.bad:
            lines = ", ".join(str(n) for n in self.bad_lines)
            more = ", …" if self.bad > len(self.bad_lines) else ""
            what = f"{self.bad} line{'s' if self.bad > 1 else ''} could not be read (line {lines}{more})"
            problems.append(Problem(what, f"line {self.bad_lines[0]}" if self.bad_lines else None, remedy))
        coverage = Coverage(
            source=self.file.name,
            sha256=sha256,
            kind=kind,
            unit=unit,
            begin=None if self.begin is None else utc(self.begin),
            end=None if self.end is None else utc(self.end),
            time_zone=zone[0],
            time_zone_known=zone[1],
            rows=dict(sorted(self.rows.items())),
            problems=tuple(problems),
            blind=blind,
            notes=notes,
        )
        return FileRead(self.file.file_no, coverage)
