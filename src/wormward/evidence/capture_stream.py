"""One sensor's stream: the bytes of its capture files in, rows out, in bounded memory.

A file is read in windows; the frames of a window are decoded in chunks of at most CHUNK, and each chunk goes through
the flow table, the conversations' decoders and the DNS lookups. Tables and buffers are made once and used again.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from wormward.evidence.capture_datagrams import Datagrams
from wormward.evidence.capture_heads import Kept
from wormward.evidence.capture_rows import BATCH, CaptureRows
from wormward.evidence.capture_state import FileState
from wormward.evidence.digest import Digest
from wormward.evidence.files import ByteStream
from wormward.model.errors import EvidenceError
from wormward.model.reading import ReadContext
from wormward.model.states import Problem
from wormward.wire import capture, conversation
from wormward.wire.conversation import UNDECIDED, Undecided
from wormward.wire.dns_stream import DnsMessage, DnsStream
from wormward.wire.facts import Conversation
from wormward.wire.flow_table import FlowTable
from wormward.wire.fragments import Fragments
from wormward.wire.frame_survey import survey
from wormward.wire.frames import PACKET
from wormward.wire.lookups import Lookups
from wormward.wire.reassembly import Begin, Reassembly
from wormward.wire.runs import PIECE_COLUMNS, RUN_COLUMNS, line_up
from wormward.wire.strangers import ALWAYS_ASK, port_rules
from wormward.wire.streams import DNS_PORT, Lists, track
from wormward.wire.talks import Ends, StreamStart, Told
from wormward.wire.wants import Masks

WINDOW: Final = 1 << 23
"""Bytes that are read at once: room for a chunk of frames of ordinary size."""
CHUNK: Final = 16_384
"""Frames that are decoded at once: the more, the more pieces of one conversation stand together and are passed over at once."""
SLOTS: Final = 1 << 14
"""Flows that the table has room for at first."""
BOTH_SPOKE: Final = 16
"""Bytes of each side after which a dialogue that nobody recognised is no web server's."""
Rows = npt.NDArray[np.int32]


def begin_conversation(ends: Ends, client: bytes, server: bytes) -> Conversation | Undecided | None:
    """The decoder for a TCP connection that begins with these bytes; None if nobody wants it."""
    if ends.server_port == DNS_PORT or ends.client_port == DNS_PORT:  # noqa: PLR1714 - asked for every connection
        return DnsStream()  # type: ignore[return-value]  # its facts are messages, which `_told` takes out
    found = conversation.start(client, server, ends.server_port)
    if found is UNDECIDED and min(len(client), len(server)) >= BOTH_SPOKE:
        return None  # what is waited for is a request line of a method nobody knows, and no web server answers like this
    return found


class Sensor:
    """Reads the files of one group after the other, then `finish`es it; then another group may begin."""

    def __init__(self, context: ReadContext, window: int = WINDOW, chunk: int = CHUNK, begin: Begin = begin_conversation) -> None:
        """`window` and `chunk` bound what is worked on at once; what is written does not depend on them.

        `begin` finds the decoders.
        """
        self._begin = begin
        self.rows = CaptureRows(context)
        self._wants = context.wants
        self._masks = Masks.of(context.wants)
        self._rules = port_rules()
        self._rules[DNS_PORT if begin is begin_conversation else slice(None)] = ALWAYS_ASK
        self._size = window
        self._chunk = chunk
        self._window = np.zeros(window, np.uint8)
        self._packets = np.zeros(chunk, PACKET)
        self._lists = Lists.of(chunk)
        self._pieces = np.empty((len(self._lists.items), PIECE_COLUMNS), np.int64)
        self._runs = np.empty((len(self._lists.items), RUN_COLUMNS), np.int64)
        self._table = FlowTable(max(SLOTS, 4 * (1 << chunk.bit_length())), chunk)
        self._fragments = Fragments()
        self._lookups = Lookups()
        self._datagrams = Datagrams(self.rows)
        self._reassembly = Reassembly(begin, context.wants)
        self._digest: Digest | None = None
        self._state = FileState("")
        self._file_no = 0

    # -- one file --------------------------------------------------------------------------------------------------

    def read(
        self,
        stream: ByteStream | Kept,
        records: capture.Records,
        file_no: int,
        digest: Digest | None = None,
        begin_us: int | None = None,
    ) -> FileState:
        """Carry one file into the stream of its group; `digest` is fed with its bytes.

        `begin_us` is the first stamp that can be right (see `capture_heads`); stamps of the frames before it are not.
        """
        self._file_no, self._digest = file_no, digest
        state = FileState(records.kind)
        state.survey["before_us"] = -1 if begin_us is None else begin_us
        self._state = state
        self._lookups.begin_file()
        try:
            self._windows(stream, records, state)
        except EvidenceError as error:
            state.problems.append(Problem(error.what, error.place, error.remedy))
        state.links, state.left_out = records.links, records.left_out
        self._account()
        state.complain(*self._lookups.malformed)
        return state

    def _account(self) -> None:
        """Note what was lost since the last time as the present file's."""
        reassembly, book, state = self._reassembly, self._table.arrays.book, self._state
        state.gaps += reassembly.gaps
        state.contradictions += reassembly.contradictions
        state.crowded += reassembly.closed_early + int(book["pushed_out"][0])
        reassembly.gaps = reassembly.contradictions = reassembly.closed_early = 0
        book["pushed_out"] = 0

    def _windows(self, stream: ByteStream | Kept, records: capture.Records, state: FileState) -> None:
        """All windows of a file. What was read before an error is worked on before the error goes on."""
        filled = 0  # bytes in the window
        begin = 0  # place of the window in the file
        skip = records.begin  # bytes to pass over
        trouble: EvidenceError | None = None
        searching = False  # behind damage, for the next record
        while trouble is None and not stream.ended:
            if filled == self._size:  # not even one record: damage, or a small window
                self._grow()
            before = stream.consumed
            view = memoryview(self._window)  # type: ignore[arg-type]
            try:
                stream.readinto(view[filled : self._size])
            except EvidenceError as error:
                trouble = error
            fresh = view[filled : filled + stream.consumed - before]
            filled += len(fresh)
            if self._digest is not None:
                self._digest.update(fresh)
            place = min(skip, filled)
            skip -= place
            while True:
                if searching:
                    found, place = records.resume(self._window, place - 1, filled, stream.ended)
                    if not found:
                        break
                    searching = False
                step = records.walk(self._window, place, filled, self._packets)
                place = step.place
                if step.count:
                    self._take(step.count, filled, state)
                    records.last_us = int(state.survey["before_us"])  # what a search behind damage goes by
                if step.reason == capture.MORE:
                    break
                if step.reason == capture.DAMAGED:
                    state.damage(records.frame + 1, begin + place)
                    place += 1
                    searching = True
            if self._digest is not None:
                self._digest.wait()
            skip += max(0, place - filled)
            place = min(place, filled)
            self._window[: filled - place] = self._window[place:filled].copy()
            begin += place
            filled -= place
        if trouble is not None:
            raise trouble
        if (filled or skip) and not searching:
            state.cut_short(records.frame + 1, begin)

    def _grow(self) -> None:
        """A larger window, for a record that does not fit."""
        self._size *= 2
        if self._size > len(self._window):
            self._window = np.concatenate([self._window, np.zeros(self._size - len(self._window), np.uint8)])

    # -- one chunk -------------------------------------------------------------------------------------------------

    def _take(self, count: int, used: int, state: FileState) -> None:
        """Carry the first `count` rows of the packet table into the flows; the window holds `used` bytes."""
        packets = self._packets
        if survey(packets, count, state.survey):
            self._window, used = self._fragments.complete(self._window, used, packets, count)
        self._table.make_room(count)
        table, lists = self._table.arrays, self._lists
        book = table.book[0]
        track(self._window, packets, count, self._file_no, table, lists, self._masks, self._rules)
        even, runs = line_up(table, lists, packets, self._pieces, self._runs)
        told: list[Told] = []
        if runs:
            told = self._reassembly.take(
                self._runs[:runs],
                even,
                self._pieces,
                memoryview(self._window),  # type: ignore[arg-type]
                table,
                self._file_no,
                int(packets[0]["frame"]),
            )
        self._told(told, lists.names[: int(book["names"])], lists.kept[: int(book["kept"]), 0])
        if others := int(book["others"]):
            which, kinds = lists.others[:others].T
            self._datagrams.take(packets[which], kinds, self._window, self._file_no)
        if ended := int(book["ended"]):
            self._ended(table.ended[:ended].astype(np.int64))
            self._table.release()
        book["names"] = book["kept"] = book["others"] = 0
        if self._lookups.ready >= BATCH:
            self.rows.lookups(self._lookups.take())

    def _told(self, told: list[Told], names: Rows, kept: Rows) -> None:
        """Facts to rows, and DNS messages of both transports to the lookups, in the order of their packets.

        `names` and `kept` are rows of datagrams on the DNS port and of payloads that a pack wants.
        """
        datagrams = self.rows.datagrams(self._packets[kept], self._window)
        name = keep = 0
        for _, packet, ends, facts in told:
            for fact in facts:
                if isinstance(fact, DnsMessage):
                    upto = int(names.searchsorted(packet))
                    self._lookups.absorb(self._window, self._packets, names[name:upto], self._file_no)
                    name = upto
                    self._message(ends, fact)
                    continue
                if isinstance(fact, StreamStart):
                    upto = int(kept.searchsorted(packet))
                    self.rows.payloads(datagrams[keep:upto], self._file_no)
                    keep = upto
                self.rows.fact(ends, fact)
        self.rows.payloads(datagrams[keep:], self._file_no)
        self._lookups.absorb(self._window, self._packets, names[name:], self._file_no)

    def _message(self, ends: Ends, message: DnsMessage) -> None:
        """One DNS message that came over TCP, as if it were a datagram."""
        if not message.to_server:
            ends = ends.turned()
        row = np.zeros(1, PACKET)
        half = 0xFFFFFFFFFFFFFFFF
        row["time_us"], row["frame"] = message.stamp.time_us, message.stamp.frame
        row["src_hi"], row["src_lo"], row["sport"] = ends.client >> 64, ends.client & half, ends.client_port
        row["dst_hi"], row["dst_lo"], row["dport"] = ends.server >> 64, ends.server & half, ends.server_port
        row["size"] = len(message.payload)
        data = np.frombuffer(message.payload, np.uint8).copy()
        self._lookups.absorb(data, row, np.zeros(1, np.int32), message.stamp.file_no)

    def _ended(self, slots: Any) -> None:
        """Flows that ended, to rows."""
        table = self._table.arrays
        rows, sides = table.flows[slots], table.sides.reshape(-1, 2)[slots]
        turned = self._reassembly.turned
        if turned:
            for i, slot in enumerate(slots.tolist()):
                if slot in turned:
                    turned.discard(slot)
                    _turn(rows, sides, i)
        self.rows.flows(rows, sides)

    # -- the end ---------------------------------------------------------------------------------------------------

    def finish(self) -> None:
        """No file of this group follows: end all conversations. Some rows may wait for `flush`."""
        living = self._table.living()
        none = self._lists.names[:0]
        self._told(self._reassembly.finish(self._table.arrays, living), none, none)
        self._account()
        if len(living):
            self._ended(living)
        self._datagrams.finish()
        self._fragments.finish()
        self._lookups.finish()
        if self._lookups.ready >= BATCH:
            self.rows.lookups(self._lookups.take())
        self._table.clear()
        self._fragments.clear()
        self._reassembly = Reassembly(self._begin, self._wants)

    def begin(self, site: str) -> None:
        """A group of this site begins."""
        if site != self.rows.site:
            self.flush()
        self.rows.site = site

    def flush(self) -> None:
        """Hand over all rows of groups that are finished."""
        if self._lookups.ready:
            self.rows.lookups(self._lookups.take())
        self.rows.flush()


def _turn(rows: Any, sides: Any, i: int) -> None:
    """Exchange client and server of row `i`: what they said showed who serves."""
    for a, b in (("client_hi", "server_hi"), ("client_lo", "server_lo"), ("client_port", "server_port")):
        rows[a][i], rows[b][i] = rows[b][i], rows[a][i]
    sides[i] = sides[i, ::-1].copy()
