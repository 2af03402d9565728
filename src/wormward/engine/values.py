"""Values of an answer as Python's own, from Arrow.

DuckDB's own rows would want a package more for times with a zone, and stop at times that Python's calendar does not hold.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, time, timedelta, timezone
from typing import Any, Final

import pyarrow as pa

_DAYS_OF_MONTH: Final = 30
"""Days that stand for a month of an interval, as in DuckDB."""
_MOST_OFFSET_S: Final = 15 * 3600 + 59 * 60 + 59
"""DuckDB stores the offset of a time of day as what it lacks to this one."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def _bits(raw: bytes) -> str:
    """A BIT: how many bits the first byte is padded by, then the bits."""
    return f"{int.from_bytes(raw[1:]):0{8 * (len(raw) - 1)}b}"[raw[0] :]


def _whole(raw: bytes) -> int:
    """A BIGNUM: three bytes of sign and length, then the number; all inverted if it is negative."""
    if raw[0] & 0x80:
        return int.from_bytes(raw[3:])
    return -int.from_bytes(bytes(byte ^ 0xFF for byte in raw[3:]))


def _time_of_day(raw: bytes) -> time:
    """A TIMETZ: microseconds of the day, then 24 bits of offset."""
    packed = int.from_bytes(raw, "little")
    zone = timezone(timedelta(seconds=_MOST_OFFSET_S - (packed & 0xFFFFFF)))
    return (_EPOCH + timedelta(microseconds=packed >> 24)).time().replace(tzinfo=zone)


_OWN: Final[Mapping[str, Callable[[bytes], Any]]] = {
    "hugeint": lambda raw: int.from_bytes(raw, "little", signed=True),
    "uhugeint": lambda raw: int.from_bytes(raw, "little"),
    "bignum": _whole,
    "bit": _bits,
    "time_tz": _time_of_day,
}
"""Types that Arrow does not know: DuckDB hands out their bytes (its setting arrow_lossless_conversion)."""


def values(array: pa.Array) -> list[Any]:
    """The values of `array`: times with a zone in UTC, to the microsecond; what no calendar holds is text."""
    kind = array.type
    types = pa.types
    if types.is_timestamp(kind):
        return _moments(array.cast(pa.timestamp("us", kind.tz), safe=False), aware=kind.tz is not None)
    if types.is_date(kind):
        return [_shown(item) for item in array]
    if types.is_interval(kind):
        return [None if item is None else _span(item) for item in array.to_pylist()]
    if isinstance(kind, pa.OpaqueType) and kind.type_name in _OWN:
        own = _OWN[kind.type_name]
        return [None if raw is None else own(raw) for raw in array.storage.to_pylist()]
    if types.is_struct(kind):
        columns = [values(part) for part in array.flatten()]
        names = [kind.field(i).name for i in range(kind.num_fields)]
        return [dict(zip(names, row, strict=True)) if item.is_valid else None for item, *row in zip(array, *columns, strict=True)]
    if types.is_map(kind):
        return [_pairs(item.values) if item.is_valid else None for item in array]
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        return [values(item.values) if item.is_valid else None for item in array]
    return list(array.to_pylist())


def _moments(array: pa.Array, aware: bool) -> list[Any]:
    start = _EPOCH if aware else _EPOCH.replace(tzinfo=None)
    return [None if n is None else _moment(start, n) for n in array.cast(pa.int64()).to_pylist()]


def _moment(start: datetime, microseconds: int) -> datetime | str:
    try:
        return start + timedelta(microseconds=microseconds)
    except OverflowError:
        return _beyond(microseconds)


def _shown(item: pa.Scalar) -> Any:
    try:
        return item.as_py()
    except (OverflowError, ValueError):
        return _beyond(int(item.value))


def _beyond(number: int) -> str:
    """What Python's calendar, years 1 to 9999, does not hold; both infinities among them."""
    return "later than the year 9999" if number > 0 else "earlier than the year 1"


def _pairs(entries: pa.StructArray) -> dict[Any, Any]:
    keys, found = (values(part) for part in entries.flatten())
    return {key if key.__hash__ else str(key): value for key, value in zip(keys, found, strict=True)}


def _span(item: Any) -> timedelta | str:
    try:
        return timedelta(days=item.months * _DAYS_OF_MONTH + item.days, microseconds=item.nanoseconds // 1000)
    except OverflowError:
        return f"{item.months} months, {item.days} days"
