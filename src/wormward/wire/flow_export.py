"""NetFlow v5, NetFlow v9 and IPFIX packets to flows: what routers and firewalls send to their collectors.

Templates hold for one exporter's stream (both addresses and ports) and observation domain, as RFC 7011 wants it for UDP.
Records that come before their template wait for it, within bounds.

References: Cisco's NetFlow export datagram format (v5); RFC 3954 (v9); RFC 7011 (IPFIX); RFC 5103 (biflows).

Limitations: lists within records (RFC 6313) are passed over; sampling that only a vendor's own elements tell is not known;
element 302 (selectors) is not followed: any sampling that a stream tells is taken for all of it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from wormward.model.errors import WireError
from wormward.wire.datagrams import IPFIX, IPFIX_HEAD, LEAST_SET, V5, V5_HEAD, V5_RECORD, V9, V9_HEAD
from wormward.wire.facts import Stamp
from wormward.wire.flow_fields import Exported, Field, Template, Times, flow_of, sampled_of, since_up, split, started_of
from wormward.wire.talks import Ends

MOST_TEMPLATES: Final = 4096
"""Templates that are known at once; beyond, the one that was used longest ago is forgotten."""
MOST_FIELDS: Final = 1024
"""Fields of one template."""
MOST_HELD: Final = 4 << 20
"""Bytes of sets that wait for their template; beyond, the oldest are given up."""
MOST_STREAMS: Final = 4096
"""Exporters' streams that are told apart in what is counted."""
_MAPPED = 0xFFFF << 32
_TEMPLATES = {V9: 0, IPFIX: 2}
_OPTIONS = {V9: 1, IPFIX: 3}
_ENTERPRISE = 0x8000


class Record(NamedTuple):
    """A flow, and the frame whose packet tells it."""

    stamp: Stamp
    flow: Exported


class _Waiting(NamedTuple):
    """A set of data whose template is not known yet."""

    stamp: Stamp
    times: Times
    data: bytes


@dataclass(slots=True)
class Stream:
    """What is known of one exporter's stream."""

    stamp: Stamp  # of its first packet
    sampled: int = 0  # one packet of so many
    untold: int = 0  # sets whose template never came
    damaged: int = 0  # sets that break off
    started_ms: int | None = None  # when it came up, since 1970, where an option tells
    ahead_s: int = 0  # its clock before the sensor's (negative: behind), where they differed most


_Key = tuple[Ends, int, int]  # stream, observation domain, template


@dataclass(slots=True)
class Exports:
    """The flow exports of one sensor's capture. Packets in, in order; flows out."""

    streams: dict[Ends, Stream] = field(default_factory=dict)
    _templates: OrderedDict[_Key, Template] = field(default_factory=OrderedDict)
    _waiting: OrderedDict[_Key, list[_Waiting]] = field(default_factory=OrderedDict)
    held: int = 0  # bytes that wait

    def feed(self, ends: Ends, data: bytes, stamp: Stamp) -> list[Record]:
        """The flows of one packet that `datagrams.is_export` knows; `ends.client` is the exporter. Never raises."""
        stream = self._stream(ends, stamp)
        version = int.from_bytes(data[:2], "big")
        if version == V5:
            return list(_version_5(data, stamp, stream))
        domain = int.from_bytes(data[16:20] if version == V9 else data[12:16], "big")
        times = _times(data, version)
        _compare(stream, times, stamp)
        at = V9_HEAD if version == V9 else IPFIX_HEAD
        out: list[Record] = []
        while at + 4 <= len(data):
            number, size = (int.from_bytes(data[place : place + 2], "big") for place in (at, at + 2))
            if size < 4:
                break
            part = data[at + 4 : at + size]
            try:
                if number >= LEAST_SET:
                    out += self._data((ends, domain, number), part, stamp, times)
                elif number in (_TEMPLATES[version], _OPTIONS[version]):
                    for key, template in _templates(part, version, number == _OPTIONS[version]):
                        out += self._learn((ends, domain, key), template)
            except WireError:
                stream.damaged += 1
            at += size
        return out

    def finish(self) -> None:
        """No more packets come: what still waits is counted in its stream, and all templates are forgotten."""
        for key in list(self._waiting):
            self._give_up(key)
        self._templates.clear()

    def _stream(self, ends: Ends, stamp: Stamp) -> Stream:
        stream = self.streams.get(ends)
        if stream is None:
            stream = Stream(stamp)
            if len(self.streams) < MOST_STREAMS:
                self.streams[ends] = stream
        return stream

    def _data(self, key: _Key, data: bytes, stamp: Stamp, times: Times) -> list[Record]:
        template = self._templates.get(key)
        if template is None:
            self._waiting.setdefault(key, []).append(_Waiting(stamp, times, data))
            self.held += len(data)
            while self.held > MOST_HELD:
                self._give_up(next(iter(self._waiting)))
            return []
        self._templates.move_to_end(key)
        return self._records(key, template, _Waiting(stamp, times, data))

    def _records(self, key: _Key, template: Template, waiting: _Waiting) -> list[Record]:
        """The flows of a set; what its records say of sampling is noted. What stands before damage is told."""
        stream = self._stream(key[0], waiting.stamp)
        out: list[Record] = []
        try:
            for values in split(template, waiting.data):
                stream.sampled = max(stream.sampled, sampled_of(values))
                if template.scopes:
                    stream.started_ms = started_of(values) or stream.started_ms
                elif (flow := flow_of(values, _since(waiting.times, stream.started_ms))) is not None:
                    out.append(Record(waiting.stamp, flow))
        except WireError:
            stream.damaged += 1
        return out

    def _learn(self, key: _Key, template: Template | None) -> list[Record]:
        """A template came (None: it is withdrawn); gives the flows that waited for it."""
        if template is None:
            self._templates.pop(key, None)
            return []
        self._templates[key] = template
        self._templates.move_to_end(key)
        if len(self._templates) > MOST_TEMPLATES:
            self._templates.popitem(last=False)
        waiting = self._waiting.pop(key, [])
        self.held -= sum(len(w.data) for w in waiting)
        return [record for w in waiting for record in self._records(key, template, w)]

    def _give_up(self, key: _Key) -> None:
        waiting = self._waiting.pop(key)
        self.held -= sum(len(w.data) for w in waiting)
        self._stream(key[0], waiting[0].stamp).untold += len(waiting)


def _since(times: Times, started_ms: int | None) -> Times:
    """The times of a packet whose head does not say since when its exporter is up."""
    return times if times.up_us is not None or started_ms is None else Times(times.sent_us, times.sent_us - started_ms * 1000)


def _times(data: bytes, version: int) -> Times:
    if version == V9:
        up, seconds = int.from_bytes(data[4:8], "big"), int.from_bytes(data[8:12], "big")
        return Times(seconds * 1_000_000, up * 1000)
    return Times(int.from_bytes(data[4:8], "big") * 1_000_000, None)


def _compare(stream: Stream, times: Times, stamp: Stamp) -> None:
    """Note how far the exporter's clock is from the sensor's."""
    ahead = (times.sent_us - stamp.time_us) // 1_000_000
    if abs(ahead) > abs(stream.ahead_s):
        stream.ahead_s = ahead


def _version_5(data: bytes, stamp: Stamp, stream: Stream) -> Iterator[Record]:
    """The records of a NetFlow v5 packet, which has one form."""
    count, up, seconds, nanoseconds = (int.from_bytes(data[a:b], "big") for a, b in ((2, 4), (4, 8), (8, 12), (12, 16)))
    times = Times(seconds * 1_000_000 + min(nanoseconds, 999_999_999) // 1000, up * 1000)
    _compare(stream, times, stamp)
    stream.sampled = max(stream.sampled, int.from_bytes(data[22:24], "big") & 0x3FFF)
    for at in range(V5_HEAD, min(len(data), V5_HEAD + count * V5_RECORD) - V5_RECORD + 1, V5_RECORD):
        source, target, packets, first, last = (
            int.from_bytes(data[at + place : at + place + 4], "big") for place in (0, 4, 16, 24, 28)
        )
        begin, end = since_up(times, first), since_up(times, last)
        if begin <= end:
            ports = (int.from_bytes(data[at + place : at + place + 2], "big") for place in (32, 34))
            sport, dport = ports
            protocol = data[at + 38]
            flow = Exported(
                begin, end, _MAPPED | source, sport, _MAPPED | target, dport, protocol, packets, None, data[at + 37], None
            )
            yield Record(stamp, flow)


def _templates(data: bytes, version: int, options: bool) -> Iterator[tuple[int, Template | None]]:
    """The templates of a set with their numbers; None for one that is withdrawn. Raises WireError if one breaks off."""
    at = 0
    while at + 4 <= len(data):
        number, count = (int.from_bytes(data[place : place + 2], "big") for place in (at, at + 2))
        if number < LEAST_SET:
            return  # padding
        at += 4
        scopes = 0
        if version == IPFIX and count == 0:
            yield number, None
            continue
        if options:
            if at + 2 > len(data):
                raise WireError("a template breaks off")
            scopes = int.from_bytes(data[at : at + 2], "big")
            at += 2
            if version == V9:  # lengths in bytes, of scopes and of fields
                scopes, count = count // 4, (count + scopes) // 4
        if count > MOST_FIELDS:
            raise WireError("a template has more fields than anybody exports")
        fields = []
        for place in range(count):
            one, at = _field(data, at, version)
            # The scopes of NetFlow v9 are numbered otherwise than its fields.
            fields.append(one._replace(enterprise=-1) if version == V9 and place < scopes else one)
        yield number, Template(tuple(fields), scopes)


def _field(data: bytes, at: int, version: int) -> tuple[Field, int]:
    """One field of a template and the place behind it."""
    if at + 4 > len(data):
        raise WireError("a template breaks off")
    element, length = (int.from_bytes(data[place : place + 2], "big") for place in (at, at + 2))
    if version == V9 or not element & _ENTERPRISE:
        return Field(0, element, length), at + 4
    if at + 8 > len(data):
        raise WireError("a template breaks off")
    return Field(int.from_bytes(data[at + 4 : at + 8], "big"), element & ~_ENTERPRISE, length), at + 8
