"""A TCP conversation as a sensor between the two hosts sees it: handshake, segments, acknowledgements, end.

One side speaks at a time, as in all protocols of the lab; a delayed acknowledgement rides on the answer if that comes
within 200 ms. The conversation also keeps the books that Zeek's conn.log wants. Reference: RFC 793, RFC 1122 4.2.3.2.
"""

from __future__ import annotations

from typing import NamedTuple

from lab.network import ACK, FIN, MSS, PSH, RST, SYN, SYN_OPTIONS, Machine, tcp_frame
from lab.stage import MINUTE, SECOND, Stage

DELAYED_ACK_US = 200_000
FIRST_WINDOW = 4
"""Segments sent before the first acknowledgement is awaited; doubles each round trip up to `MOST_WINDOW`."""
MOST_WINDOW = 32
SEGMENT_GAP_US = 12
HEADERS = 54
"""Bytes of Ethernet, IP and TCP headers without options."""
CLOSE_DELAY_US = 5 * SECOND
"""Zeek writes a closed connection's row so much later."""


class Span(NamedTuple):
    """When the first and the last segment of a message passed the sensor."""

    begin_us: int
    end_us: int


class Tcp:
    """A TCP conversation that begins at `start_us`. Sides: 0 the client, 1 the server."""

    def __init__(
        self, stage: Stage, start_us: int, client: Machine, server: Machine, port: int, client_port: int | None = None
    ) -> None:
        self.stage = stage
        self.machines = (client, server)
        self.ports = (client.port() if client_port is None else client_port, port)
        self.uid = stage.uid()
        self.start_us = self.now = start_us
        self.services: list[str] = []
        rng = stage.rng("tcp", self.uid)
        self._jitter = rng.random
        self._seq = [rng.getrandbits(32), rng.getrandbits(32)]
        self._owed = [False, False]  # a delayed acknowledgement that this side still has to send
        self._last_side = 1
        self._letters: list[tuple[int, str]] = []
        self._packets, self._ip_bytes, self._bytes = [0, 0], [0, 0], [0, 0]
        self._end_us = start_us
        self._state = "OTH"

    @property
    def names(self) -> dict[str, object]:
        """The columns that tell a connection in every Zeek log."""
        return {
            "uid": self.uid,
            "id.orig_h": self.machines[0].address,
            "id.orig_p": self.ports[0],
            "id.resp_h": self.machines[1].address,
            "id.resp_p": self.ports[1],
        }

    def open(self) -> None:
        """The three-way handshake."""
        self._emit(self.now, 0, SYN, options=SYN_OPTIONS, letter="s")
        self.now += self._answer_us(1)
        self._emit(self.now, 1, SYN | ACK, options=SYN_OPTIONS, letter="h")
        self.now += self._answer_us(0)
        self._emit(self.now, 0, ACK, letter="a")
        self._last_side, self._state = 0, "S1"

    def send(self, side: int, data: bytes, think_us: int = 0) -> Span:
        """`side` says `data` after thinking so long; returns when its segments passed the sensor."""
        time = self.now + think_us + (SEGMENT_GAP_US if side == self._last_side else self._answer_us(side))
        self._settle(time)
        self._owed[side] = False  # it rides on what is said now
        begin = last = time
        in_flight, window = 0, FIRST_WINDOW
        count = max(1, -(-len(data) // MSS))
        for index in range(count):
            if in_flight == window:
                time += self._answer_us(1 - side) + self._answer_us(side)
                in_flight, window = 0, min(MOST_WINDOW, window * 2)
            chunk = data[index * MSS : (index + 1) * MSS]
            push = PSH if index == count - 1 else 0
            self._emit(time, side, ACK | push, chunk, letter="d")
            last = time
            in_flight += 1
            if index % 2 and index < count - 1:
                # No later than any answer to what follows, so that acknowledgements stay in order.
                self._emit(time + self.machines[1 - side].distance_us * 9 // 10, 1 - side, ACK, letter="a")
            time += SEGMENT_GAP_US + int(self._jitter() * 8)
        self._owed[1 - side] = True
        self.now, self._last_side = last, side
        return Span(begin, last)

    def pause(self, length_us: int) -> None:
        """Nobody says anything for so long."""
        self._settle(self.now + length_us)
        self.now += length_us

    def close(self, side: int = 0, think_us: int = 0) -> int:
        """`side` ends the conversation, the other follows; returns the time of the last packet."""
        time = self.now + think_us + (SEGMENT_GAP_US if side == self._last_side else self._answer_us(side))
        self._settle(time)
        self.now = time
        for speaker in (side, 1 - side):
            self._owed[speaker] = False
            self._emit(self.now, speaker, FIN | ACK, letter="f")
            self._seq[speaker] += 1
            self.now += self._answer_us(1 - speaker)
        self._emit(self.now, side, ACK, letter="a")
        self._state = "SF"
        return self._book()

    def reset(self, side: int, think_us: int = 0) -> int:
        """`side` breaks the conversation off; returns the time of the last packet."""
        time = self.now + think_us + self._answer_us(side)
        self._settle(time)
        self.now = time
        self._emit(self.now, side, RST | ACK, letter="r")
        self._state = "RSTO" if side == 0 else "RSTR"
        return self._book()

    def abandon(self) -> int:
        """The capture sees no end of it."""
        return self._book(delay_us=5 * MINUTE)

    def attempt(self, refused: bool, tries: int = 2) -> int:
        """SYNs that nobody answers (3 s, then doubling), or that are refused at once; returns the last packet's time."""
        wait = SECOND // 2 if refused else 3 * SECOND
        for number in range(tries):
            self._emit(self.now, 0, SYN, options=SYN_OPTIONS, letter="s", advance=False)
            if refused:
                self._refuse()
            if number < tries - 1:
                self.now += wait
                wait = wait if refused else wait * 2
        self._state = "REJ" if refused else "S0"
        return self._book()

    def _refuse(self) -> None:
        server, client = self.machines[1], self.machines[0]
        time = self.now + self._answer_us(1)
        self._account(time, 1, HEADERS, 0, "r")
        if self.stage.keeps_packets:
            frame = tcp_frame(server, client, (self.ports[1], self.ports[0]), 0, self._seq[0] + 1, RST | ACK, window=0)
            self.stage.packet(time, server, frame)

    def _answer_us(self, side: int) -> int:
        return int(self.machines[side].distance_us * (0.9 + 0.3 * self._jitter())) + 5

    def _settle(self, before_us: int) -> None:
        """Send the delayed acknowledgements whose time is up before `before_us`."""
        for side in (0, 1):
            due = self.now + DELAYED_ACK_US - int(self._jitter() * 80_000)
            if self._owed[side] and due < before_us:
                self._emit(due, side, ACK, letter="a")
                self._owed[side] = False

    def _emit(
        self,
        time: int,
        side: int,
        flags: int,
        payload: bytes = b"",
        options: bytes = b"",
        letter: str = "",
        advance: bool = True,
    ) -> None:
        source, target = self.machines[side], self.machines[1 - side]
        ports = (self.ports[side], self.ports[1 - side])
        ack = self._seq[1 - side] if flags & ACK else 0
        self._account(time, side, HEADERS + len(options) + len(payload), len(payload), letter)
        if self.stage.keeps_packets:
            frame = tcp_frame(source, target, ports, self._seq[side], ack, flags, payload, options)
            self.stage.packet(time, source, frame)
        if advance:
            self._seq[side] += len(payload) + (1 if flags & SYN else 0)

    def _account(self, time: int, side: int, frame_length: int, payload_length: int, letter: str) -> None:
        self._packets[side] += 1
        self._ip_bytes[side] += frame_length - 14
        self._bytes[side] += payload_length
        self._letters.append((time, letter.upper() if side == 0 else letter))
        self._end_us = max(self._end_us, time)

    def _history(self) -> str:
        seen: dict[str, None] = {}
        for _, letter in sorted(self._letters, key=lambda entry: entry[0]):
            seen.setdefault(letter)
        return "".join(seen)

    def _book(self, delay_us: int = CLOSE_DELAY_US) -> int:
        answered = self._state not in ("S0", "REJ")
        duration = (self._end_us - self.start_us) / SECOND if self._end_us > self.start_us else None
        self.stage.row(
            self._end_us + delay_us,
            "conn",
            {
                "ts": self.start_us,
                **self.names,
                "proto": "tcp",
                "service": ",".join(dict.fromkeys(self.services)) or None,
                "duration": duration,
                "orig_bytes": self._bytes[0] if duration is not None or answered else None,
                "resp_bytes": self._bytes[1] if duration is not None or answered else None,
                "conn_state": self._state,
                "local_orig": self.stage.is_local(self.machines[0]),
                "local_resp": self.stage.is_local(self.machines[1]),
                "missed_bytes": 0,
                "history": self._history(),
                "orig_pkts": self._packets[0],
                "orig_ip_bytes": self._ip_bytes[0],
                "resp_pkts": self._packets[1],
                "resp_ip_bytes": self._ip_bytes[1],
            },
        )
        return self._end_us
