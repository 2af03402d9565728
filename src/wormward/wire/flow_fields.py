"""One data record of NetFlow v9 or IPFIX: its fields by the exporter's template, and the flow that they tell.

References: RFC 7011 (3.4, 6, 7), RFC 3954 (6, 8), RFC 5103 (reverse elements), IANA's registry of IPFIX information
elements for the numbers; elements of firewalls (231, 232, 298, 299, 233) as Cisco's NSEL exports them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from wormward.model.errors import WireError

VARIABLE: Final = 0xFFFF
"""The length in a template that says: each record brings its own."""
REVERSE: Final = 29305
"""Enterprise number (RFC 5103) under which the elements of the other direction stand."""
_NTP = 2_208_988_800  # seconds from 1900 to 1970
_MAPPED = 0xFFFF << 32
_MOST_COUNT = (1 << 62) - 1

# Information elements by IANA's numbers; NetFlow v9 has the same ones below 128.
_OCTETS_PROTOCOL, _FLAGS, _SOURCE_PORT, _TARGET_PORT = 4, 6, 7, 11
_SOURCE, _TARGET, _SOURCE6, _TARGET6 = 8, 12, 27, 28
_PACKETS, _SENT_PACKETS, _ALL_PACKETS, _OPENER_PACKETS, _ANSWERER_PACKETS = 2, 24, 86, 298, 299
_OCTETS, _OPENER_OCTETS, _ANSWERER_OCTETS = 1, 231, 232
_BEGINS = {22: "up", 150: "s", 152: "ms", 154: "ntp", 156: "ntp", 158: "delta"}
_ENDS = {21: "up", 151: "s", 153: "ms", 155: "ntp", 157: "ntp", 159: "delta"}
_SEEN = {322: "s", 323: "ms", 324: "ntp", 325: "ntp"}
_STARTED, _LASTED_MS, _LASTED_US = 160, 161, 162
SAMPLING_INTERVAL, SAMPLER_INTERVAL, SAMPLED_PACKETS, SKIPPED_PACKETS = 34, 50, 305, 306
"""One packet of so many (NetFlow); so many packets are taken, so many are left out (PSAMP)."""
_SAMPLING = frozenset({SAMPLING_INTERVAL, SAMPLER_INTERVAL, SAMPLED_PACKETS, SKIPPED_PACKETS})


class Field(NamedTuple):
    """One field of a template: enterprise (0: IANA's), element, length or VARIABLE."""

    enterprise: int
    element: int
    length: int


@dataclass(frozen=True, slots=True)
class Template:
    """The fields of a set's records; `scopes` of them, the first, say what an option is about (0: a flow's template)."""

    fields: tuple[Field, ...]
    scopes: int

    @property
    def least(self) -> int:
        """Bytes that a record has at least."""
        return sum(1 if f.length == VARIABLE else f.length for f in self.fields)


@dataclass(frozen=True, slots=True)
class Exported:
    """A flow as a router or firewall tells it. Times in UTC microseconds, addresses as 128 bits.

    `packets_back` is None where the record speaks of one direction only, `flags` where the source has none.
    """

    begin_us: int
    end_us: int
    source: int
    source_port: int
    target: int
    target_port: int
    protocol: int
    packets: int
    packets_back: int | None
    flags: int | None
    flags_back: int | None


class Times(NamedTuple):
    """What the head of a packet says: when it was sent (microseconds since 1970) and, of NetFlow, since when it is up."""

    sent_us: int
    up_us: int | None


Values = dict[tuple[int, int], bytes]


def split(template: Template, data: bytes) -> Iterator[Values]:
    """The records of a set, each as its fields' bytes; what is left behind the last one is padding.

    Of a field that stands twice in a record the first counts. Raises WireError if a record breaks off.
    """
    at, least = 0, template.least
    while least and len(data) - at >= least:
        values: Values = {}
        for enterprise, element, length in template.fields:
            size = length
            if size == VARIABLE:
                size, at = _variable(data, at)
            if at + size > len(data):
                raise WireError("a record breaks off")
            values.setdefault((enterprise, element), data[at : at + size])
            at += size
        yield values


def _variable(data: bytes, at: int) -> tuple[int, int]:
    """Length of a field that brings its own, and where it begins (RFC 7011, 7)."""
    if at < len(data) and data[at] < 255:
        return data[at], at + 1
    if at + 3 > len(data):
        raise WireError("a record breaks off")
    return int.from_bytes(data[at + 1 : at + 3], "big"), at + 3


def _number(values: Mapping[tuple[int, int], bytes], element: int, enterprise: int = 0) -> int | None:
    raw = values.get((enterprise, element))
    return int.from_bytes(raw, "big") if raw and len(raw) <= 8 else None


def _first(values: Values, *elements: int, enterprise: int = 0) -> int | None:
    found = (_number(values, element, enterprise) for element in elements)
    return next((number for number in found if number is not None), None)


def _address(values: Values, four: int, six: int) -> int | None:
    """An address of 128 bits. Where a record has room for both kinds, the one that is not used is zero."""
    raw, raw6 = values.get((0, four)), values.get((0, six))
    if raw is not None and len(raw) == 4 and (any(raw) or raw6 is None or not any(raw6)):
        return _MAPPED | int.from_bytes(raw, "big")
    return int.from_bytes(raw6, "big") if raw6 is not None and len(raw6) == 16 else None


def _instant(raw: bytes, form: str, times: Times) -> int | None:
    """UTC microseconds of a time field."""
    number = int.from_bytes(raw, "big")
    if form == "s" and len(raw) == 4:
        return number * 1_000_000
    if form == "ms" and len(raw) == 8:
        return number * 1000
    if form == "ntp" and len(raw) == 8:
        return ((number >> 32) - _NTP) * 1_000_000 + ((number & 0xFFFFFFFF) * 1_000_000 >> 32)
    if form == "delta" and len(raw) == 4:
        return times.sent_us - number
    if form == "up" and len(raw) == 4 and times.up_us is not None:
        return since_up(times, number)
    return None


def since_up(times: Times, milliseconds: int) -> int:
    """UTC microseconds of a stamp that counts since the exporter came up; the 32-bit counter may have turned since."""
    assert times.up_us is not None  # noqa: S101 - asked by the caller
    ago = times.up_us // 1000 - milliseconds
    if ago < -(1 << 31):
        ago += 1 << 32
    return times.sent_us - ago * 1000


def _when(values: Values, forms: Mapping[int, str], times: Times) -> int | None:
    for element, form in forms.items():
        raw = values.get((0, element))
        found = None if raw is None else _instant(raw, form, times)
        if found is not None:
            return found
    return None


def _span(values: Values, times: Times) -> tuple[int, int] | None:
    """First and last moment of the flow; of a record that tells neither, when it was seen or sent."""
    started = started_of(values)
    if started is not None:
        times = Times(times.sent_us, times.sent_us - started * 1000)
    begin, end = _when(values, _BEGINS, times), _when(values, _ENDS, times)
    lasted = _number(values, _LASTED_MS)
    length = lasted * 1000 if lasted is not None else _number(values, _LASTED_US)
    if length is not None and (begin is None) != (end is None):
        begin, end = (end - length, end) if begin is None and end is not None else (begin, (begin or 0) + length)
    seen = _when(values, _SEEN, times)
    known = [t for t in (begin, end) if t is not None] or [times.sent_us if seen is None else seen]
    return (known[0], known[-1]) if known[0] <= known[-1] else None


def flow_of(values: Values, times: Times) -> Exported | None:
    """The flow of a record; None if it tells of none: no addresses, no protocol, or an end before its begin."""
    source, target = _address(values, _SOURCE, _SOURCE6), _address(values, _TARGET, _TARGET6)
    protocol, span = _number(values, _OCTETS_PROTOCOL), _span(values, times)
    if source is None or target is None or protocol is None or protocol > 255 or span is None:
        return None
    packets = _first(values, _PACKETS, _ALL_PACKETS, _SENT_PACKETS, _OPENER_PACKETS)
    back = _first(values, _PACKETS, _ALL_PACKETS, enterprise=REVERSE)
    if back is None:
        back = _number(values, _ANSWERER_PACKETS)
    if packets is None:  # firewalls may count bytes only
        packets = min(1, _first(values, _OPENER_OCTETS, _OCTETS) or 0)
    if back is None and (octets := _number(values, _ANSWERER_OCTETS)) is not None:
        back = min(1, octets)
    return Exported(
        *span,
        source,
        _port(values, _SOURCE_PORT),
        target,
        _port(values, _TARGET_PORT),
        protocol,
        min(packets, _MOST_COUNT),
        None if back is None else min(back, _MOST_COUNT),
        _flags(values, 0),
        _flags(values, REVERSE),
    )


def started_of(values: Values) -> int | None:
    """When the exporter came up, milliseconds since 1970, where a record says it."""
    return _number(values, _STARTED)


def _port(values: Values, element: int) -> int:
    number = _number(values, element) or 0
    return number if number < 1 << 16 else 0


def _flags(values: Values, enterprise: int) -> int | None:
    number = _number(values, _FLAGS, enterprise)
    return None if number is None else number & 0xFF  # of two bytes the upper ones are no flags of state


def sampled_of(values: Values) -> int:
    """One packet of how many was looked at, by an option's or a flow's record; 0 if it does not say."""
    if not any(element in _SAMPLING for enterprise, element in values if not enterprise):
        return 0
    taken, skipped = _number(values, SAMPLED_PACKETS), _number(values, SKIPPED_PACKETS)
    if taken is not None and skipped is not None:
        return (taken + skipped) // taken if taken else 0
    return max((_number(values, e) or 0 for e in (SAMPLING_INTERVAL, SAMPLER_INTERVAL)), default=0)
