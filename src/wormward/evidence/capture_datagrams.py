"""Datagrams of captures that speak of more than their own two ends: names that hosts claim, leases, exported flows.

What a host claims is told when the capture ends, because only then it is known whether an address that answered for a name
answered for many: such a one (a poisoner, a proxy) is not known by the names that it was asked for.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from wormward.evidence.capture_rows import CaptureRows
from wormward.evidence.flow_halves import FlowHalf, Halves, alone, joined
from wormward.evidence.lines import Fact
from wormward.evidence.messages.packets import protocol_of
from wormward.evidence.rows import MOST_TIME
from wormward.model.errors import WireError
from wormward.model.tables import ROW_BITS
from wormward.model.text import N_, filled
from wormward.wire import dhcp
from wormward.wire.datagrams import DHCP, EXPORT
from wormward.wire.facts import Stamp
from wormward.wire.flow_export import Exports, Record, Stream
from wormward.wire.name_claims import MAC, Claim, claims
from wormward.wire.talks import Ends

MOST_NAMES: Final = 4
"""Names that one address can answer for and still be the host that they name."""
AGAIN_US: Final = 600_000_000
"""What an address says of itself once more within so long is not told again."""
MOST_CLAIMS: Final = 1 << 16
"""Claims that wait for the end of the capture; of more, all that wait are judged by what is known then."""
MOST_ASKING: Final = 4096
"""DHCP clients that wait for their acknowledgement."""
MOST_ADDRESSES: Final = 1 << 16
"""Addresses whose last claims are remembered."""
LAG_S: Final = 60
"""An exporter's clock that differs from the sensor's by more is told of."""
POISONED: Final = N_(
    "{times} {times|name was|names were} answered for by {connections} {connections|address|addresses} that answered for more "
    "than {most} each (first in frame {frame}): nothing of that is taken for {connections|its|their} own name"
)
UNTOLD: Final = N_(
    "{times} {times|set|sets} of exported flow records, of {connections} {connections|exporter|exporters}, had no template in "
    "the capture or broke off (the first such exporter's packets begin in frame {frame}): these records were not read"
)
UNTOLD_BLIND: Final = N_("Some exported flow records could not be read for want of their template.")
SAMPLED: Final = N_(
    "{connections} flow {connections|exporter|exporters} looked at one packet of {times} only, or of fewer still: most flows are "
    "not in {connections|its|their} records"
)
SAMPLED_BLIND: Final = N_("Routers that exported flows sampled: a flow that is missing may have been there.")
CLOCK: Final = N_(
    "{connections} flow {connections|exporter's clock|exporters' clocks} differed from the sensor's, at most by {times} "
    "{times|second|seconds}: times of exported flows are {connections|its|theirs}"
)
_NO_ADDRESS: Final = (0, 0xFFFF << 32)
_FIELDS: Final = ("src_hi", "src_lo", "sport", "dst_hi", "dst_lo", "dport", "offset", "size", "time_us", "frame")


@dataclass(frozen=True, slots=True)
class _Said:
    """One claim, where it stands and who made it."""

    stamp: Stamp
    address: int
    claim: Claim


@dataclass(slots=True)
class _Names:
    """What hosts of one capture said of themselves."""

    waiting: list[_Said] = field(default_factory=list)
    last: dict[tuple[int, str], tuple[bytes, int]] = field(default_factory=dict)
    asked: dict[int, set[bytes]] = field(default_factory=lambda: defaultdict(set))

    def add(self, said: _Said) -> None:
        """Keep a claim, unless the same was the last of its kind and not long ago."""
        claim, key = said.claim, (said.address, said.claim.kind)
        if claim.asked and len(self.asked[said.address]) <= MOST_NAMES:
            self.asked[said.address].add(claim.value)
        before = self.last.get(key)
        if before is not None and before[0] == claim.value and said.stamp.time_us - before[1] < AGAIN_US:
            return
        if len(self.last) >= MOST_ADDRESSES:
            self.last.clear()
            self.asked.clear()
        self.last[key] = claim.value, said.stamp.time_us
        self.waiting.append(said)


class Datagrams:
    """Takes the datagrams of one sensor's capture, and hands rows to `rows`."""

    def __init__(self, rows: CaptureRows) -> None:
        self._rows = rows
        self._names = _Names()
        self._exports = Exports()
        self._halves = Halves()
        self._asking: dict[tuple[int, str], bytes] = {}  # names of DHCP clients that wait, by transaction and card

    def take(
        self, packets: npt.NDArray[np.void], kinds: npt.NDArray[np.int32], window: npt.NDArray[np.uint8], file_no: int
    ) -> None:
        """Datagrams of one chunk: rows of PACKET whose bytes stand in `window`, and the kind of each."""
        view = memoryview(window)  # type: ignore[arg-type]
        columns = (packets[name].tolist() for name in _FIELDS)
        for kind, *row in zip(kinds.tolist(), *columns, strict=True):
            source_hi, source_lo, sport, target_hi, target_lo, dport, offset, size, time_us, frame = row
            data, stamp = bytes(view[offset : offset + size]), Stamp(time_us, file_no, frame)
            source = source_hi << 64 | source_lo
            if kind == EXPORT:
                self._exported(self._exports.feed(Ends(source, sport, target_hi << 64 | target_lo, dport), data, stamp))
            elif kind == DHCP:
                self._leased(data, stamp)
            else:
                self._claimed(kind, source, data, stamp)

    def _leased(self, data: bytes, stamp: Stamp) -> None:
        """A client names itself; the server's acknowledgement binds its card and that name to an address."""
        try:
            message = dhcp.decode(data)
        except WireError:
            return
        key = message.transaction, message.card
        if message.kind in dhcp.REQUESTS and message.host_name:
            if len(self._asking) >= MOST_ASKING:
                self._asking.clear()
            self._asking[key] = message.host_name
        if message.kind != dhcp.ACK or not message.address:
            return
        end = None if message.lease_s is None else stamp.time_us + message.lease_s * 1_000_000
        self._rows.binding(stamp, message.address, MAC, message.card.encode(), end)
        name = (self._asking.pop(key, None) or message.host_name or b"").removesuffix(b".")
        if name:
            self._rows.binding(stamp, message.address, "dhcp-name", name, end)

    def _claimed(self, kind: int, source: int, data: bytes, stamp: Stamp) -> None:
        if source in _NO_ADDRESS:
            return
        try:
            found = claims(kind, source, data)
        except WireError:
            return  # other programs use these ports too
        for claim in found:
            self._names.add(_Said(stamp, source, claim))
        if len(self._names.waiting) >= MOST_CLAIMS:
            self._tell_names()

    def _tell_names(self) -> None:
        names, poisoned = self._names, defaultdict[int, list[_Said]](list)
        for said in names.waiting:
            if said.claim.asked and len(names.asked[said.address]) > MOST_NAMES:
                poisoned[said.address].append(said)
            else:
                self._rows.binding(said.stamp, said.address, said.claim.kind, said.claim.value)
        names.waiting = []
        if poisoned:
            first = next(iter(poisoned.values()))[0].stamp
            count = sum(len({said.claim.value for said in all_of}) for all_of in poisoned.values())
            self._note(first, POISONED, count, len(poisoned))

    def _note(self, stamp: Stamp, sentence: str, times: int, count: int, blind: str = "") -> None:
        fields: dict[str, str | int] = {"times": times, "connections": count, "frame": stamp.frame, "most": MOST_NAMES}
        self._rows.notes[stamp.file_no].append((filled(sentence, fields), blind))

    def _exported(self, records: list[Record]) -> None:
        for stamp, flow in records:
            if not 0 <= flow.begin_us <= flow.end_us <= MOST_TIME:
                continue
            protocol = protocol_of(str(flow.protocol))
            ported = protocol in {"tcp", "udp"}
            ends = (self._rows.address(flow.source), flow.source_port if ported else 0)
            others = (self._rows.address(flow.target), flow.target_port if ported else 0)
            place = stamp.file_no << ROW_BITS | stamp.frame
            half = FlowHalf(flow.begin_us, flow.end_us, *ends, *others, protocol, flow.packets, flow.flags, place)
            if flow.packets_back is None:
                self._facts(self._halves.add(half))
                continue
            back = FlowHalf(flow.begin_us, flow.end_us, *others, *ends, protocol, flow.packets_back, flow.flags_back, place)
            self._facts([joined(half, back) if flow.packets_back else alone(half)])

    def _facts(self, facts: Iterable[Fact]) -> None:
        for fact in facts:
            file_no, frame = divmod(fact.values["place"], 1 << ROW_BITS)
            self._rows.exported(file_no, frame, fact.time_us, fact.values)

    def finish(self) -> None:
        """The capture ended: tell what waited, and forget all of it."""
        self._tell_names()
        self._exports.finish()
        self._facts(self._halves.end())
        streams = list(self._exports.streams.values())
        self._stream_notes([s for s in streams if s.untold or s.damaged], UNTOLD, UNTOLD_BLIND)
        self._stream_notes([s for s in streams if s.sampled > 1], SAMPLED, SAMPLED_BLIND)
        self._stream_notes([s for s in streams if abs(s.ahead_s) > LAG_S], CLOCK)
        self._names, self._exports, self._halves = _Names(), Exports(), Halves()
        self._asking.clear()

    def _stream_notes(self, streams: list[Stream], sentence: str, blind: str = "") -> None:
        if not streams:
            return
        times = {
            UNTOLD: sum(s.untold + s.damaged for s in streams),
            SAMPLED: min(s.sampled for s in streams),
            CLOCK: max(abs(s.ahead_s) for s in streams),
        }
        self._note(min(s.stamp for s in streams), sentence, times[sentence], len(streams), blind)
