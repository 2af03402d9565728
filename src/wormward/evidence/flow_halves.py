"""Flow records that speak of one direction each (NetFlow, IPFIX, SiLK), joined to conversations.

A record waits for the one of the other direction between the same ends; the two overlap in time or nearly so. Who
opened the conversation is told by who spoke first, of equals by who has the lower port. TCP flags are those of all
packets of a direction together, so they say what came of it, not in which order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from wormward.evidence.lines import Fact
from wormward.evidence.messages.packets import protocol_of
from wormward.evidence.rows import MOST_TIME
from wormward.evidence.values import address

MOST_WAITING: Final = 1 << 17
"""Records that wait for their other direction; beyond, the one that waited longest stays alone."""
APART_US: Final = 120_000_000
"""Between the end of one direction and the begin of the other; exporters split long flows at about this."""
FIN, SYN, RST, ACK = 1, 2, 4, 16
_LOW = 1024
_MOST_SECONDS = 1e9
_Key = tuple[str, int, str, int, str]


@dataclass(frozen=True, slots=True)
class FlowHalf:
    """One record: times in UTC microseconds; `flags` None where the source has none; `place` where it stands."""

    begin: int
    end: int
    source: str
    source_port: int
    target: str
    target_port: int
    protocol: str
    packets: int
    flags: int | None
    place: int

    @property
    def key(self) -> _Key:
        """Its ends and protocol."""
        return self.source, self.source_port, self.target, self.target_port, self.protocol

    @property
    def other_key(self) -> _Key:
        """Those of the other direction."""
        return self.target, self.target_port, self.source, self.source_port, self.protocol


class Halves:
    """Records in, conversations out."""

    def __init__(self) -> None:
        self._waiting: dict[_Key, FlowHalf] = {}

    def add(self, half: FlowHalf) -> Iterator[Fact]:
        """Conversations that a record completes."""
        other = self._waiting.get(half.other_key)
        if other is not None and half.begin - other.end <= APART_US and other.begin - half.end <= APART_US:
            del self._waiting[half.other_key]
            yield joined(other, half)
            return
        before = self._waiting.pop(half.key, None)
        if before is not None:
            if before.end <= half.begin <= before.end + APART_US and not (half.flags or 0) & SYN:
                half = replace(before, end=half.end, packets=before.packets + half.packets, flags=_both(before, half))
            else:
                yield alone(before)
        if len(self._waiting) >= MOST_WAITING:
            oldest = next(iter(self._waiting))
            yield alone(self._waiting.pop(oldest))
        self._waiting[half.key] = half

    def end(self) -> Iterable[Fact]:
        """Records whose other direction never came."""
        facts = [alone(half) for half in self._waiting.values()]
        self._waiting.clear()
        return facts


def _both(a: FlowHalf, b: FlowHalf) -> int | None:
    return None if a.flags is None or b.flags is None else a.flags | b.flags


def alone(half: FlowHalf) -> Fact:
    """A conversation of which one direction was seen."""
    if half.protocol == "tcp" and half.flags is not None:
        if half.flags & SYN and not half.flags & ACK:
            return _fact(half, None, "attempt")
        answers = half.flags & (SYN | ACK) == SYN | ACK or half.flags & RST
        server_spoke = bool(answers) and half.source_port < _LOW <= half.target_port
        return _fact(None, half, "midstream") if server_spoke else _fact(half, None, "midstream")
    if half.source_port < _LOW <= half.target_port:
        return _fact(None, half, "midstream")
    return _fact(half, None, "attempt")


def joined(first: FlowHalf, second: FlowHalf) -> Fact:
    """A conversation of which both directions were seen."""
    out, back = sorted((first, second), key=lambda h: (h.begin, h.target_port, h.place))
    # Of records with the same stamp, and of clocks that round, the lower port is the server's.
    if out.source_port < _LOW <= out.target_port and not (out.begin < back.begin and (out.flags or 0) & (SYN | ACK) == SYN):
        out, back = back, out
    if out.protocol != "tcp" or out.flags is None or back.flags is None:
        return _fact(out, back, "established")
    if back.flags & RST and not back.flags & SYN and out.flags & SYN:
        return _fact(out, back, "refused")
    return _fact(out, back, "established" if (out.flags | back.flags) & SYN else "midstream")


def _fact(out: FlowHalf | None, back: FlowHalf | None, state: str) -> Fact:
    """A row of a conversation; at least one direction is there."""
    halves = [h for h in (out, back) if h is not None]
    first = halves[0]
    client = (first.source, first.source_port) if out is not None else (first.target, first.target_port)
    server = (first.target, first.target_port) if out is not None else (first.source, first.source_port)
    return Fact(
        "flows",
        min(h.begin for h in halves),
        {
            "place": first.place,  # of the half that shows who called whom
            "time_end": max(h.end for h in halves),
            "client": client[0],
            "client_port": client[1],
            "server": server[0],
            "server_port": server[1],
            "protocol": first.protocol,
            "state": state,
            "packets_out": out.packets if out else 0,
            "packets_in": back.packets if back else 0,
        },
    )


def flags_of(text: str) -> int:
    """TCP flags of letters (`......S.`, `FSPA`), or of a hexadecimal number. Raises ValueError."""
    word = text.strip()
    if word[:2].lower() == "0x":
        return int(word, 16) & 0xFF
    bits = {"F": FIN, "S": SYN, "R": RST, "P": 8, "A": ACK, "U": 32, "E": 64, "C": 128}
    if not set(word) <= {*bits, ".", " "}:
        raise ValueError("no TCP flags")
    return sum(bits[letter] for letter in set(word) if letter in bits)


def port_of(text: str) -> int:
    """A port; what ICMP types look like (`8.0`) and empty is 0. Raises ValueError."""
    word = text.strip()
    if not word or "." in word:
        return 0
    number = int(word, 16) if word[:2].lower() == "0x" else int(word)
    if not 0 <= number < 1 << 16:
        raise ValueError("no port")
    return number


def end_of(begin: int, seconds: str) -> int:
    """When a flow that began at `begin` (UTC microseconds) and lasted so long ended. Raises ValueError."""
    length = float(seconds or 0)
    if not 0 <= length < _MOST_SECONDS:  # "nan" is not either
        raise ValueError("no duration")
    return min(begin + round(length * 1_000_000), MOST_TIME)


def count_of(text: str) -> int:
    """A number of packets. Raises ValueError."""
    number = int(text)
    if not 0 <= number < 1 << 62:
        raise ValueError("no count")
    return number


def half_of(begin: int, texts: Mapping[str, str], place: int) -> FlowHalf:
    """A record of the texts `source`, `target`, `sport`, `dport`, `protocol`, `packets`, and perhaps `flags` and `length`.

    Raises ValueError if one of them is damaged.
    """
    source, target = (address(texts[name].encode()) for name in ("source", "target"))
    if source is None or target is None:
        raise ValueError("no addresses")
    protocol = protocol_of(texts["protocol"])
    sport, dport = (port_of(texts[name]) if protocol in ("tcp", "udp") else 0 for name in ("sport", "dport"))
    flags = flags_of(texts["flags"]) if "flags" in texts and protocol == "tcp" else None
    end = end_of(begin, texts.get("length", ""))
    return FlowHalf(begin, end, source, sport, target, dport, protocol, count_of(texts["packets"]), flags, place)
