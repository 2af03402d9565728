"""A connection that is decoded: its ends, its two directions, what it said."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from wormward.wire.facts import Conversation, Stamp
from wormward.wire.halves import Half


class Ends(NamedTuple):
    """The two ends of a conversation; addresses as 128-bit numbers (IPv4 mapped to ::ffff:0:0/96)."""

    client: int
    client_port: int
    server: int
    server_port: int

    def turned(self) -> Ends:
        """The same with client and server exchanged."""
        return Ends(self.server, self.server_port, self.client, self.client_port)


@dataclass(slots=True)
class StreamStart:
    """The first bytes that one side said, kept for a pack."""

    stamp: Stamp
    to_server: bool
    payload: bytes


class Told(NamedTuple):
    """Something that a conversation said: place in the order of the chunk, packet that caused it, ends, facts."""

    number: int
    packet: int
    ends: Ends
    facts: list[Any]


class Talk:
    """One connection that is decoded, or may yet be."""

    __slots__ = (
        "ask_at", "collecting", "decoder", "ends", "halves", "open", "prefix", "slot", "smooth", "starts", "tries", "waiting",
    )  # fmt: skip

    def __init__(self, slot: int, ends: Ends, tries: int) -> None:
        self.slot = slot
        self.ends = ends
        self.halves = (Half(), Half())
        self.decoder: Conversation | None = None
        self.smooth = False  # bytes in order go straight to the decoder: there is one, and no start is collected
        self.open = True  # false: no decoder knows it
        self.tries = tries
        self.prefix: list[tuple[bool, bytes, int, Stamp]] = []  # pieces before the decoder was found
        self.waiting = 0  # bytes of them
        self.ask_at = 0  # so many will be worth another question
        self.collecting = 0  # directions whose start a pack wants
        self.starts: list[StreamStart] = []
