"""Pieces of streams to decoders: ordering, gaps, overlaps, and who decodes what.

The rules, which do not depend on how the packets were cut into chunks:

- The first bytes seen at a position of a stream count; later ones of the same position are dropped. Bytes that wait
  behind a gap and are contradicted by others are counted in `conflicts`.
- A gap is waited for until its missing bytes come, until the other side acknowledges bytes behind it (then the
  capture lost them), until too much waits behind it, or until the conversation ends.
- What a decoder wants to skip is never copied: its position moves, and the decoder hears of the bytes when the next
  ones come, or at the end, cut to what was really seen.
- A connection whose first bytes no decoder knows is declined: from then on it is only counted.
"""

# ruff: noqa: PLR0917 - inner functions of the hot path take what they need one by one

from __future__ import annotations

from collections.abc import Callable
from operator import itemgetter
from typing import Final

import numpy as np
import numpy.typing as npt

from wormward.model.pack import Want
from wormward.wire.conversation import ENOUGH, UNDECIDED, Turned, Undecided
from wormward.wire.facts import Conversation, Stamp
from wormward.wire.flows import DECLINED, FLOW, Arrays
from wormward.wire.halves import Half, Keep, Waiting
from wormward.wire.runs import AT, COUNT, END, FIRST, MISSING, NUMBER, PACKET_ROW, PIECE_COLUMNS, SIZE, SLOT
from wormward.wire.streams import (
    ACK_IN,
    ACK_OUT,
    BYTES_IN,
    BYTES_OUT,
    ENDED,
    WANTED_IN,
    WANTED_OUT,
)
from wormward.wire.talks import Ends, StreamStart, Talk, Told

MOST_HELD: Final = 1 << 20
"""Bytes that wait behind a gap of one direction."""
MOST_HELD_PIECES: Final = 2048
"""Pieces that wait behind a gap of one direction."""
MOST_HELD_TOTAL: Final = 64 << 20
"""Bytes that wait behind all gaps together."""
MOST_TALKS: Final = 30_000
"""Conversations that are decoded at once; beyond, those silent longest are closed early."""
MOST_SKIP: Final = 1 << 30
"""Bytes passed over at once: less than half the sequence numbers."""
MOST_UNDECIDED: Final = 4 * ENOUGH
"""First bytes of a connection, of both sides together, after which it must be known who decodes it."""
MIDDLE_TRIES: Final = 4
"""Guesses for a conversation whose beginning was not seen: the first bytes seen may be the middle of a message."""

_new = tuple.__new__  # a NamedTuple's own constructor costs three times as much
_BATCH = 16  # pieces of a long run that are looked at before asking again what may be skipped
_ENDS = ("client_hi", "client_lo", "server_hi", "server_lo", "client_port", "server_port", "begun")
_CLIENT_HI, _CLIENT_LO, _SERVER_HI, _SERVER_LO, _CLIENT_PORT, _SERVER_PORT, _BEGUN = ((FLOW.names or ()).index(n) for n in _ENDS)


Begin = Callable[[Ends, bytes, bytes], Conversation | Undecided | None]
"""Finds a decoder by the ends and the first bytes of client and server; None: nobody wants this connection."""


class Reassembly:
    """All conversations of one group of captures. `take` is fed chunk by chunk, `finish` ends it."""

    def __init__(self, begin: Begin, wants: tuple[Want, ...] = ()) -> None:
        """`begin` finds decoders; `wants` are the packs' payload wants, as numbered by `streams.Masks`."""
        self._begin = begin
        self._wants = wants
        self._talks: dict[int, Talk | None] = {}  # by slot; None: declined within this chunk
        self._declined: list[int] = []
        self._moved: dict[int, Talk] = {}  # by slot: talks whose positions the compiled loop does not know
        self._held_total = 0
        self._told: list[Told] = []
        self.turned: set[int] = set()  # slots whose client is really the server; the caller takes them out
        self.contradictions = 0  # bytes of waiting pieces that were not those seen first
        self.gaps = 0  # gaps that were given up
        self.closed_early = 0  # conversations closed because there were too many

    def take(
        self,
        runs: npt.NDArray[np.int64],
        even: int,
        pieces: npt.NDArray[np.int64],
        window: memoryview,
        table: Arrays,
        file_no: int,
        first_frame: int,
    ) -> list[Told]:
        """What the conversations say to the pieces of one chunk (`streams.line_up`), in the order of the packets.

        Runs from `even` on are of flows whose bytes are out of order. `window` holds the bytes, `first_frame` is
        the frame number of the chunk's row 0.
        """
        self._window, self._table, self._pieces = window, table, pieces
        self._file_no, self._first_frame = file_no, first_frame
        talks = self._talks
        for run in runs.tolist():
            number, packet, time, at, offset, size, missing, slot, kind, _, count, end = run
            talk = talks[slot] if slot in talks else self._meet(slot, number)
            if talk is None:
                continue
            if kind > BYTES_IN:
                self._event(talk, kind, run)
            else:
                half = talk.halves[kind]
                if half.next == at and talk.smooth and half.held is None and not missing:
                    self._feed(talk, half, kind == BYTES_OUT, (number, packet, time, offset, size))
                    if count > 1:
                        self._rest(talk, half, kind, run)
                elif end > half.next:
                    self._run(talk, half, kind, run)
            if not talk.open:
                self._decline(talk)
        for slot in set(runs[even:, SLOT].tolist()):
            talk = talks.get(slot)
            if talk is not None:
                self._moved[slot] = talk
        self._write_back()
        return self._tell()

    def finish(self, table: Arrays, slots: npt.NDArray[np.int64]) -> list[Told]:
        """End the conversations of `slots`, in that order (the flows that still live, by creation)."""
        self._table = table
        for number, slot in enumerate(slots.tolist()):
            talk = self._talks.get(slot)
            if talk is not None:
                self._end(talk, number, 0)
        self._talks.clear()
        self._declined.clear()
        self._moved.clear()
        return self._tell()

    def _tell(self) -> list[Told]:
        told, self._told = self._told, []
        told.sort(key=itemgetter(0))
        return told

    def _meet(self, slot: int, number: int) -> Talk:
        """The first bytes of a connection: note who talks there."""
        if len(self._talks) >= MOST_TALKS:
            self._make_room(number)
        row = self._table.flows[slot].item()
        client = row[_CLIENT_HI] << 64 | row[_CLIENT_LO]
        server = row[_SERVER_HI] << 64 | row[_SERVER_LO]
        talk = Talk(slot, Ends(client, row[_CLIENT_PORT], server, row[_SERVER_PORT]), 1 if row[_BEGUN] else MIDDLE_TRIES)
        self._talks[slot] = talk
        return talk

    def _make_room(self, number: int) -> None:
        """Close the eighth of all conversations that were silent longest."""
        slots = np.array(sorted(s for s, t in self._talks.items() if t is not None), np.int64)
        flows = self._table.flows
        order = np.lexsort((flows["frame"][slots], flows["file_no"][slots], flows["last_us"][slots]))
        for slot in slots[order[: max(1, len(slots) // 8)]].tolist():
            talk = self._talks[slot]
            if talk is not None:
                self._end(talk, number, 0)
                self._forget(talk)
                self.closed_early += 1

    # -- bytes in order ------------------------------------------------------------------------------------------

    def _feed(self, talk: Talk, half: Half, to_server: bool, piece: tuple[int, int, int, int, int]) -> None:
        """The usual case: the next bytes in order, to a decoder."""
        number, packet, time, offset, size = piece
        decoder: Conversation = talk.decoder  # type: ignore[assignment]  # who is smooth has one
        if half.skipped:
            decoder.gap(to_server, half.skipped)
            half.skipped = 0
        half.next += size
        stamp = _new(Stamp, (time, self._file_no, self._first_frame + packet))
        decoder.feed(to_server, bytes(self._window[offset : offset + size]), stamp)
        skip = decoder.skippable(to_server)
        if skip > 0:
            self._skip(talk, half, skip)
        facts = decoder.take()
        if facts:
            self._told.append(Told(number, packet, talk.ends, facts))

    def _run(self, talk: Talk, half: Half, kind: int, run: list[int]) -> None:
        """A run of pieces of one direction."""
        if run[AT] + run[SIZE] + run[MISSING] > half.next:
            self._piece(talk, half, kind, run)
        if run[COUNT] > 1:
            self._rest(talk, half, kind, run)

    def _rest(self, talk: Talk, half: Half, kind: int, run: list[int]) -> None:
        """What follows the first piece of a run; what is skipped costs a search, not a look at each."""
        place, stop = run[FIRST] + 1, run[FIRST] + run[COUNT]
        while place < stop and run[END] > half.next and (talk.open or half.keep is not None):
            if half.skipped:
                behind = int(self._pieces[place:stop, AT].searchsorted(half.next, "right"))
                place += max(0, behind - 1)
            for piece in self._pieces[place : min(stop, place + _BATCH)].tolist():
                place += 1
                if piece[AT] + piece[SIZE] + piece[MISSING] > half.next:
                    self._piece(talk, half, kind, piece)
                    if half.skipped:
                        break

    def _piece(self, talk: Talk, half: Half, kind: int, piece: list[int]) -> None:
        """One piece that ends behind `next`."""
        number, packet, time, at, offset, size, missing = piece[:PIECE_COLUMNS]
        late = half.next - at
        if late > 0:  # its beginning was seen or skipped before
            missing -= max(0, late - size)
            offset += min(late, size)
            size = max(0, size - late)
        if late >= 0 and talk.smooth and half.held is None and size and not missing:
            self._feed(talk, half, kind == BYTES_OUT, (number, packet, time, offset, size))
            return
        data = bytes(self._window[offset : offset + size])
        stamp = _new(Stamp, (time, self._file_no, self._first_frame + packet))
        self._unusual(talk, half, kind == BYTES_OUT, Waiting(max(at, half.next), data, missing, stamp))
        self._ask(talk, number, packet)

    def _skip(self, talk: Talk, half: Half, skip: int) -> None:
        """Move over what the decoder has no use for."""
        half.skipped = min(skip, MOST_SKIP)
        half.next += half.skipped
        self._moved[talk.slot] = talk

    def _ask(self, talk: Talk, number: int, packet: int) -> None:
        """Collect what there is to tell."""
        if talk.decoder is not None:
            facts = talk.decoder.take()
            if facts:
                self._told.append(Told(number, packet, talk.ends, facts))
        if talk.starts:
            self._told.append(Told(number, packet, talk.ends, talk.starts))
            talk.starts = []

    # -- all else ------------------------------------------------------------------------------------------------

    def _unusual(self, talk: Talk, half: Half, to_server: bool, piece: Waiting) -> None:
        """A piece behind a gap, or one that fills it, or one whose decoder is not known yet."""
        fits = piece.at <= half.next
        if fits and half.held is None:
            self._deliver(talk, half, to_server, piece.data, piece.missing, piece.stamp)
            return
        before = half.held_bytes
        self.contradictions += half.hold(piece)  # also where it fills the gap: what waits was seen first
        self._held_total += half.held_bytes - before
        if fits:
            self._drain(talk, half, to_server, piece.stamp)
        while half.held and (
            half.held_bytes > MOST_HELD or len(half.held) > MOST_HELD_PIECES or self._held_total > MOST_HELD_TOTAL
        ):
            self._give_up(talk, half, to_server)

    def _deliver(self, talk: Talk, half: Half, to_server: bool, data: bytes, missing: int, stamp: Stamp) -> None:
        """The next bytes of one direction, in order, to whoever wants them."""
        half.next += len(data) + missing
        if talk.collecting:
            self._collect(talk, half, to_server, data, missing, stamp)
        decoder = talk.decoder
        if decoder is not None:
            if half.skipped:
                decoder.gap(to_server, half.skipped)
                half.skipped = 0
            if data:
                decoder.feed(to_server, data, stamp)
            if missing:
                decoder.gap(to_server, missing)
            skip = decoder.skippable(to_server)
            if skip > 0 and half.keep is None:
                self._skip(talk, half, skip)
        elif talk.open and (data or talk.prefix):
            silent = all(side is not to_server for side, _, _, _ in talk.prefix)
            talk.prefix.append((to_server, data, missing, stamp))
            talk.waiting += len(data)
            # Ask when there is twice as much as the last time, so that small pieces do not cost a question each.
            if silent or missing or talk.waiting >= talk.ask_at:
                talk.ask_at = min(2 * talk.waiting, MOST_UNDECIDED)
                self._guess(talk)

    def _guess(self, talk: Talk) -> None:
        """Find the decoder by the first bytes of both sides."""
        prefix = talk.prefix
        client = b"".join([data for to_server, data, _, _ in prefix if to_server])
        server = b"".join([data for to_server, data, _, _ in prefix if not to_server])
        decoder = self._begin(talk.ends, client, server)
        cut_off = prefix[-1][2]
        if decoder is UNDECIDED and not cut_off and talk.waiting < MOST_UNDECIDED:
            return
        talk.prefix, talk.waiting, talk.ask_at = [], 0, 0
        talk.tries -= 1
        if decoder is None or isinstance(decoder, Undecided):
            if cut_off:  # what follows the gap is as good as a middle
                talk.tries = max(talk.tries, MIDDLE_TRIES - 1)
            talk.open = talk.tries > 0
            return
        talk.decoder = decoder
        talk.smooth = not talk.collecting
        if isinstance(decoder, Turned):
            talk.ends = talk.ends.turned()
            self.turned.add(talk.slot)
        for to_server, data, missing, stamp in prefix:
            if data:
                decoder.feed(to_server, data, stamp)
            if missing:
                decoder.gap(to_server, missing)
        for half, to_server in zip(talk.halves, (True, False), strict=True):
            skip = decoder.skippable(to_server)
            if skip > 0 and half.keep is None:
                self._skip(talk, half, skip)

    def _collect(self, talk: Talk, half: Half, to_server: bool, data: bytes, missing: int, stamp: Stamp) -> None:
        """Starts of streams that a pack wants: this side's grows, the other's turn is over."""
        self._collected(talk, talk.halves[to_server], not to_server)
        if half.keep is not None:
            half.keep.add(data, stamp)
            if missing or half.keep.full:
                self._collected(talk, half, to_server)

    @staticmethod
    def _collected(talk: Talk, half: Half, to_server: bool) -> None:
        """One direction's start is complete."""
        keep, half.keep = half.keep, None
        if keep is not None:
            talk.collecting -= 1
            talk.smooth = not talk.collecting and talk.decoder is not None
            if keep.fits and keep.stamp is not None:
                talk.starts.append(StreamStart(keep.stamp, to_server, bytes(keep.data)))

    def _drain(self, talk: Talk, half: Half, to_server: bool, stamp: Stamp | None) -> None:
        """Deliver what no longer waits. `stamp`: of the piece that closed the gap; None: each its own."""
        self._held_total -= half.held_bytes
        while (piece := half.due()) is not None:
            self._deliver(talk, half, to_server, piece.data, piece.missing, stamp or piece.stamp)
        self._held_total += half.held_bytes

    def _give_up(self, talk: Talk, half: Half, to_server: bool) -> None:
        """The bytes before the first waiting piece will never come."""
        if half.held:
            lost = half.held[0].at - half.next
            if lost > 0:
                self.gaps += 1
                self._deliver(talk, half, to_server, b"", lost, half.held[0].stamp)
            self._drain(talk, half, to_server, None)

    def _event(self, talk: Talk, kind: int, run: list[int]) -> None:
        """Anything but bytes."""
        number, packet, at = run[NUMBER], run[PACKET_ROW], run[AT]
        if kind in (WANTED_OUT, WANTED_IN):
            talk.halves[kind - WANTED_OUT].keep = Keep(self._wants[at])
            talk.collecting += 1
            talk.smooth = False
        elif kind in (ACK_OUT, ACK_IN):
            half = talk.halves[kind == ACK_OUT]
            while half.held and at >= half.held[0].at:
                self._give_up(talk, half, kind == ACK_IN)
            self._ask(talk, number, packet)
        elif kind == ENDED:
            self._end(talk, number, packet)
            self._moved.pop(talk.slot, None)
            del self._talks[talk.slot]
        elif self._complete(talk):
            self._end(talk, number, packet)
            self._forget(talk)

    def _complete(self, talk: Talk) -> bool:
        """True if both sides said goodbye and nothing before it is missing."""
        fins = self._table.sides["fin"][2 * talk.slot : 2 * talk.slot + 2].tolist()
        return all(half.held is None and half.next >= fin for half, fin in zip(talk.halves, fins, strict=True))

    def _end(self, talk: Talk, number: int, packet: int) -> None:
        """The conversation is over: hand over what waits, close the decoder."""
        talk.prefix = []  # too little to tell whose it was
        for direction, half in enumerate(talk.halves):
            to_server = direction == 0
            while half.held:
                self._give_up(talk, half, to_server)
            if half.skipped and talk.decoder is not None:
                side = self._table.sides[2 * talk.slot + direction]
                top = int(side["fin"]) if side["fin"] >= 0 else int(side["top"])
                seen = min(half.skipped, top - (half.next - half.skipped))
                if seen > 0:
                    talk.decoder.gap(to_server, seen)
            self._collected(talk, half, to_server)
        if talk.decoder is not None:
            talk.decoder.close()
        self._ask(talk, number, packet)

    def _decline(self, talk: Talk) -> None:
        """No decoder knows it: only counted from now on, unless a pack still collects its start."""
        if not talk.collecting and self._talks.get(talk.slot) is talk:
            client, server = talk.halves
            self._held_total -= client.held_bytes + server.held_bytes
            self._forget(talk)

    def _forget(self, talk: Talk) -> None:
        """From now on the connection is only counted."""
        self._talks[talk.slot] = None
        self._moved.pop(talk.slot, None)
        self._declined.append(talk.slot)

    def _write_back(self) -> None:
        """Tell the compiled loop what it cannot know: who was declined, how far skips and held pieces moved `next`."""
        flows, sides = self._table.flows, self._table.sides
        if self._moved:
            slots = np.array(list(self._moved), np.int64)
            halves = [talk.halves for talk in self._moved.values()]
            flows["uneven"][slots] = [a.held is not None or b.held is not None for a, b in halves]
            for direction in (0, 1):
                sides["next"][2 * slots + direction] = [pair[direction].next for pair in halves]
                sides["raw"][2 * slots + direction] = [pair[direction].held is not None for pair in halves]
            self._moved.clear()
        if self._declined:
            flows["watch"][self._declined] = DECLINED
            for slot in self._declined:
                self._talks.pop(slot, None)
            self._declined.clear()
