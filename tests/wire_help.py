"""Captures to streams by tshark, without a line of Wormward's own capture code; and how to feed a decoder.

A stream is a list of events in time order: bytes of one direction, or a gap. Reassembly here is the plainest that
works: what comes early waits, what is old is dropped, what never comes is a gap at the end.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

from tests.need import need_program
from wormward.wire.conversation import UNDECIDED, Turned, start
from wormward.wire.facts import Conversation, Fact, Stamp


@dataclass(frozen=True)
class Event:
    """Bytes of one direction, or (no data) so many missing ones."""

    to_server: bool
    data: bytes
    frame: int
    missing: int = 0


@dataclass
class Stream:
    """One TCP connection."""

    number: int
    client: str
    server: str
    server_port: int
    events: list[Event] = field(default_factory=list)


class _Direction:
    def __init__(self) -> None:
        self.following: int | None = None
        self.early: dict[int, tuple[bytes, int]] = {}

    def add(self, seq: int, data: bytes, frame: int) -> list[tuple[bytes, int]]:
        """The bytes that are in order now."""
        if self.following is None:
            self.following = seq
        out = []
        self.early.setdefault(seq, (data, frame))
        while True:
            for at in sorted(self.early, key=lambda s: (s - self.following + 2**31) % 2**32):
                old = (self.following - at) % 2**32
                if old < 2**31:
                    piece, where = self.early.pop(at)
                    if old < len(piece):
                        out.append((piece[old:], max(frame, where)))
                        self.following = (self.following + len(piece) - old) % 2**32
                        break
                else:
                    return out
            else:
                return out

    def rest(self) -> list[tuple[int, bytes, int]]:
        """What never came in order: (bytes missing before it, bytes, frame)."""
        out = []
        while self.early:
            at = min(self.early, key=lambda s: (s - self.following) % 2**32)
            missing = (at - self.following) % 2**32
            piece, frame = self.early.pop(at)
            if missing >= 2**31:
                if len(piece) + missing - 2**32 <= 0:
                    continue
                piece, missing = piece[2**32 - missing :], 0
            out.append((missing, piece, frame))
            self.following = (self.following + missing + len(piece)) % 2**32
        return out


def streams(capture: Path) -> list[Stream]:
    """All TCP connections of a capture that carry bytes, in the order of tshark's numbers."""
    fields = (
        "frame.number", "tcp.stream", "ip.src", "ipv6.src", "ip.dst", "ipv6.dst", "tcp.srcport", "tcp.dstport",
        "tcp.seq_raw", "tcp.flags.syn", "tcp.flags.ack", "tcp.payload",
    )  # fmt: skip
    wanted = [word for name in fields for word in ("-e", name)]
    command = [need_program("tshark"), "-r", str(capture), "-Y", "tcp", "-T", "fields", "-E", "occurrence=l", *wanted]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found: dict[int, Stream] = {}
    ways: dict[tuple[int, bool], _Direction] = {}
    for line in done.stdout.splitlines():
        row = line.split("\t")
        frame, number, seq = int(row[0]), int(row[1]), int(row[8])
        source, target = row[2] or row[3], row[4] or row[5]
        if number not in found:
            # Without a handshake the lower port serves.
            turned = row[9] == row[10] == "1" or (row[9] != "1" and int(row[6]) < int(row[7]))
            ends = (target, source, int(row[6])) if turned else (source, target, int(row[7]))
            found[number] = Stream(number, *ends)
            ports = (row[7], row[6]) if turned else (row[6], row[7])
            ways[number, True], ways[number, False] = _Direction(), _Direction()
            found[number].ends = (ends[0], ports[0])  # type: ignore[attr-defined]
        stream = found[number]
        to_server = (source, row[6]) == stream.ends  # type: ignore[attr-defined]
        way = ways[number, to_server]
        if row[9] == "1":
            way.following = (seq + 1) % 2**32
            seq += 1
        if row[11]:
            for data, where in way.add(seq % 2**32, bytes.fromhex(row[11]), frame):
                stream.events.append(Event(to_server, data, where))
    for number, stream in found.items():
        for to_server in (True, False):
            for missing, data, frame in ways[number, to_server].rest():
                if missing:
                    stream.events.append(Event(to_server, b"", frame, missing))
                stream.events.append(Event(to_server, data, frame))
    return [stream for stream in found.values() if stream.events]


def decoder(stream: Stream) -> Conversation | None:
    """The decoder that `start` chooses for a stream, given ever more of its first bytes."""
    first = {True: b"", False: b""}
    for event in stream.events:
        first[event.to_server] += event.data
        chosen = start(first[True], first[False], stream.server_port)
        if chosen is not UNDECIDED:
            return chosen
    return None


def feed(conversation: Conversation, events: Iterable[Event], *, step: int = 0, skip: bool = False) -> list[Fact]:
    """All facts of these events; in pieces of `step` bytes if given, skipping what the decoder has no use for."""
    facts: list[Fact] = []
    for event in events:
        stamp = Stamp(event.frame * 1000, 0, event.frame)
        if event.missing:
            conversation.gap(event.to_server, event.missing)
        data, at = event.data, 0
        size = step or len(data)
        while at < len(data):
            unwanted = min(conversation.skippable(event.to_server), len(data) - at) if skip else 0
            if unwanted:
                conversation.gap(event.to_server, unwanted)
                at += unwanted
                continue
            conversation.feed(event.to_server, data[at : at + size], stamp)
            at += size
        facts += conversation.take()
    conversation.close()
    return facts + conversation.take()


def facts_of(capture: Path) -> list[tuple[Stream, Conversation, list[Fact]]]:
    """Every stream that a decoder takes, with its facts."""
    out = []
    for stream in streams(capture):
        conversation = decoder(stream)
        if conversation is not None:
            out.append((stream, conversation, feed(conversation, stream.events)))
    return out


def of_kind(facts: Sequence[Fact], kind: type) -> list[Fact]:
    """The facts of one kind."""
    return [fact for fact in facts if isinstance(fact, kind)]


def inner(conversation: Conversation) -> Conversation:
    """The decoder behind a turned one."""
    return conversation.inner if isinstance(conversation, Turned) else conversation


@dataclass(frozen=True)
class ForeignCall:
    """One DCE/RPC request as tshark decodes it."""

    stream: int
    frame: int
    opnum: int
    call_id: int
    interface: str  # tshark's short name, e.g. srvsvc; empty where it does not know one


def tshark_calls(capture: Path) -> list[ForeignCall]:
    """Completed DCE/RPC requests (their last fragments), in order."""
    command = [need_program("tshark"), "-r", str(capture), "-Y", "dcerpc", "-T", "pdml"]
    done = subprocess.run(command, capture_output=True, check=False)
    calls = []
    # What tshark writes is no attacker's: texts of the capture stand in it escaped.
    for packet in ElementTree.fromstring(done.stdout).iter("packet"):  # noqa: S314
        stream = packet.find(".//field[@name='tcp.stream']")
        number = packet.find(".//field[@name='frame.number']")
        if stream is None or number is None:
            continue
        protos = list(packet.iter("proto"))
        for proto, following in zip(protos, [*protos[1:], None], strict=True):
            if proto.get("name") != "dcerpc":
                continue
            shown = {f.get("name"): f.get("show") for f in proto.iter("field")}
            if shown.get("dcerpc.pkt_type") != "0" or shown.get("dcerpc.cn_flags.last_frag") not in ("1", "True"):
                continue
            name = following.get("name") if following is not None else ""
            calls.append(
                ForeignCall(
                    int(stream.get("show", "")),
                    int(number.get("show", "")),
                    int(shown["dcerpc.opnum"] or ""),
                    int(shown["dcerpc.cn_call_id"] or ""),
                    "" if name in ("dcerpc", "fake-field-wrapper", None) else name,
                )
            )
    return calls
