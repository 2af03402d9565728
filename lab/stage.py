"""The stage: one clock, one order of packets and log rows, whatever order the scenes are written in.

Scenes are actions at a time. An action may render a whole conversation into the future; packets and rows wait in a
heap until no later action can come before them. So a capture of any length is written with the memory of what is open.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from ipaddress import IPv4Network
from typing import Protocol

from lab.network import Machine, finish, is_ip

Action = Callable[[int], object]
"""Something that happens at a time (microseconds since 1970 UTC)."""

SECOND = 1_000_000
MINUTE = 60 * SECOND

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


class Sink(Protocol):
    """One form in which the story is written."""

    def packet(self, time_us: int, frame: bytearray) -> None:
        """A finished frame, in time order."""
        ...

    def row(self, time_us: int, log: str, values: Mapping[str, object]) -> None:
        """A log row, in the order in which the program that keeps the log would write it."""
        ...

    @property
    def keeps_packets(self) -> bool:
        """Whether it has a use for frames at all."""
        ...

    def close(self) -> None:
        """Nothing more comes."""
        ...


class Stage:
    """Clock, chance and files of one story. The same seed and the same actions give the same bytes."""

    def __init__(self, seed: int, sinks: tuple[Sink, ...] = (), local: str = "10.0.0.0/8") -> None:
        self.seed = seed
        self.sinks = sinks
        self.keeps_packets = any(sink.keeps_packets for sink in sinks)
        self.now = 0
        self.shown: tuple[str, ...] = ()  # for sinks: on whose behalf the frame or row at hand was
        self._doing: tuple[str, ...] = ()
        self._local = IPv4Network(local)
        self._uids = self.rng("uids")
        self._order = 0
        self._actions: list[tuple[int, int, Action, tuple[str, ...]]] = []
        self._packets: list[tuple[int, int, Machine, bytearray, tuple[str, ...]]] = []
        self._rows: list[tuple[int, int, str, Mapping[str, object], tuple[str, ...]]] = []

    def rng(self, *names: object) -> random.Random:
        """A source of chance of its own for whoever these names mean: nobody's draws shift another's."""
        return random.Random("/".join(map(str, (self.seed, *names))))

    def uid(self) -> str:
        """A connection id as Zeek makes them: `C` and 17 letters or digits."""
        return "C" + "".join(self._uids.choices(_LETTERS, k=17))

    def is_local(self, machine: Machine) -> bool:
        """Whether the address is the site's own."""
        return machine.number & int(self._local.netmask) == int(self._local.network_address)

    def at(self, time_us: int, action: Action) -> None:
        """Let `action` happen at `time_us`, not before the present action's time."""
        heapq.heappush(self._actions, (max(time_us, self.now), self._next(), action, self._doing))

    @contextmanager
    def on_behalf(self, *addresses: str) -> Iterator[None]:
        """What is sent or planned within this, and whatever that brings about, is the worm's doing on these hosts."""
        before, self._doing = self._doing, addresses
        try:
            yield
        finally:
            self._doing = before

    def packet(self, time_us: int, source: Machine, frame: bytearray) -> None:
        """A frame that `source` sends; not before the present action's time."""
        heapq.heappush(self._packets, (time_us, self._next(), source, frame, self._doing))

    def row(self, time_us: int, log: str, values: Mapping[str, object]) -> None:
        """A row that log `log` gets at `time_us`."""
        heapq.heappush(self._rows, (time_us, self._next(), log, values, self._doing))

    def run(self, until_us: int) -> None:
        """Play all actions before `until_us`; what they began is finished. Closes the sinks."""
        while self._actions:
            time_us, _, action, self._doing = heapq.heappop(self._actions)
            if time_us >= until_us:
                break
            self._flush(time_us)
            self.now = time_us
            action(time_us)
        self._flush(None)
        for sink in self.sinks:
            sink.close()

    def _next(self) -> int:
        self._order += 1
        return self._order

    def _flush(self, before_us: int | None) -> None:
        while self._packets and (before_us is None or self._packets[0][0] < before_us):
            time_us, _, source, frame, self.shown = heapq.heappop(self._packets)
            if is_ip(frame):
                finish(frame, source.identification())
            for sink in self.sinks:
                sink.packet(time_us, frame)
        while self._rows and (before_us is None or self._rows[0][0] < before_us):
            time_us, _, log, values, self.shown = heapq.heappop(self._rows)
            for sink in self.sinks:
                sink.row(time_us, log, values)
