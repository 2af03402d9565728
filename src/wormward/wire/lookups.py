"""DNS queries joined with their answers, compiled: datagrams go in, rows in the order of the queries come out.

An answer belongs to the oldest unanswered query of the same client, server, ports, id and name, unless it comes
later than WAIT_S. An answer whose query was not seen makes a row of its own. Rows leave in order once the oldest is
answered or was waited for long enough, so memory is bounded and the order does not depend on how packets were cut
into chunks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from wormward.wire.dns import MESSAGE
from wormward.wire.lookup_rows import BOOK, INDEX, RING, ROW, Arrays, absorb, compact, reindex, write_lists, write_names


class Strings(NamedTuple):
    """A column of texts: offsets, shape (n + 1,), and their bytes."""

    offsets: npt.NDArray[np.int32]
    text: npt.NDArray[np.uint8]


class Lists(NamedTuple):
    """A column of lists of texts: list offsets, shape (n + 1,), and the texts."""

    offsets: npt.NDArray[np.int32]
    strings: Strings


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows that are settled, in the order of the queries."""

    rows: npt.NDArray[np.void]  # ROW; rcode -1: no answer seen
    names: Strings
    answers: Lists
    additional: Lists


class Lookups:
    """The queries of captures, one group after the other."""

    def __init__(self) -> None:
        self._t = Arrays(
            np.empty(RING, ROW),
            np.zeros(INDEX, np.uint64),
            np.zeros(INDEX, np.int64),
            np.empty(1 << 18, np.uint8),
            np.empty(1 << 14, np.int32),
            np.zeros(1, BOOK),
            np.zeros(1, MESSAGE),
        )

    def begin_file(self) -> None:
        """Count what is malformed anew."""
        self._t.book["malformed"] = 0

    def absorb(
        self, data: npt.NDArray[np.uint8], packets: npt.NDArray[np.void], order: npt.NDArray[np.int32], file_no: int
    ) -> None:
        """Take the DNS messages that are the payloads of rows `order` of `packets` (dtype PACKET), in that order."""
        if not len(order):
            return
        self._make_index(len(order))
        done = 0
        while (done := absorb(data, packets, order, done, file_no, self._t)) < len(order):
            t = self._t
            self._t = t._replace(
                text=np.concatenate([t.text, np.empty_like(t.text)]),
                lengths=np.concatenate([t.lengths, np.empty_like(t.lengths)]),
            )

    def _make_index(self, more: int) -> None:
        """See to it that the index stays at most half full."""
        t = self._t
        book = t.book[0]
        if 2 * (int(book["entries"]) + more) <= len(t.keys):
            return
        waiting = int(book["rows"]) - int(book["ready"])
        size = 1 << (4 * (waiting + more)).bit_length()
        self._t = t._replace(keys=np.zeros(size, np.uint64), numbers=np.zeros(size, np.int64))
        book["entries"] = 0
        reindex(self._t)

    @property
    def ready(self) -> int:
        """Rows that `take` would give."""
        book = self._t.book[0]
        return int(book["ready"]) - int(book["taken"])

    @property
    def malformed(self) -> tuple[int, int]:
        """Messages that are no DNS or break off, since `begin_file`: how many, and the frame of the first."""
        book = self._t.book[0]
        return int(book["malformed"]), int(book["malformed_frame"])

    def finish(self) -> None:
        """No more answers will come: every row is ready. What is absorbed from now on is another group's."""
        self._t.book["ready"] = self._t.book["rows"]

    def take(self) -> Batch:
        """The rows that are ready; they are forgotten here."""
        t = self._t
        book = t.book[0]
        first, count = int(book["taken"]), self.ready
        rows = t.rows[np.arange(first, first + count) & (RING - 1)]
        names = Strings(np.empty(count + 1, np.int32), np.empty(int(rows["name_size"].sum()), np.uint8))
        write_names(t, first, names.offsets, names.text)
        batch = Batch(rows, names, self._lists(rows, first, additional=False), self._lists(rows, first, additional=True))
        book["taken"] = first + count
        fresh_text, fresh_lengths = np.empty_like(t.text), np.empty_like(t.lengths)
        compact(t, fresh_text, fresh_lengths)
        self._t = t._replace(text=fresh_text, lengths=fresh_lengths)
        return batch

    def _lists(self, rows: npt.NDArray[np.void], first: int, additional: bool) -> Lists:
        strings = int(rows["additional" if additional else "answers"].sum())
        text = int(rows["text_size"].sum())
        lists = Lists(np.empty(len(rows) + 1, np.int32), Strings(np.empty(strings + 1, np.int32), np.empty(text, np.uint8)))
        write_lists(self._t, first, additional, lists.offsets, lists.strings.offsets, lists.strings.text)
        return lists
