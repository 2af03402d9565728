"""Captures: pcap and pcapng files of one or more sensors (see `capture_stream`), rotations read as one stream.

Files are one sensor's rotation when their site, link types and snap length agree and one begins within ROTATION_S of
the other's end (and does not lie over half of it). Their order follows from their stamps, not from the order in which
they were given, and it is found without reading a file twice: a group goes on with the earliest file that begins
where the last one ended.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager

from wormward.evidence.capture_heads import KEPT, Group, Head, Kept, digest_of, look, order
from wormward.evidence.capture_state import BLIND, CONTRADICTED, LOST, UNIT, FileState, copied, unread
from wormward.evidence.capture_stream import Sensor
from wormward.evidence.digest import Digest
from wormward.evidence.files import EvidenceFile
from wormward.model.errors import EvidenceError
from wormward.model.reading import FileRead, ReadContext
from wormward.wire.capture import is_capture, records

__all__ = ["BLIND", "CONTRADICTED", "LOST", "UNIT", "read_captures", "recognise"]


def recognise(head: bytes, name: str) -> bool:
    """True if `head`, a file's first uncompressed bytes, begins a pcap or pcapng capture; its name says nothing."""
    del name
    return is_capture(head)


def read_captures(files: Sequence[EvidenceFile], context: ReadContext) -> list[FileRead]:
    """Read captures into the tables of `context.sink`; what could not be read is told in each file's coverage.

    Gives one FileRead a file, in the order of `files`. Raises only what the sink raises (WorkspaceError).
    """
    reading = _Reading(context)
    heads: list[Head] = []
    room = KEPT
    for file in files:
        try:
            heads.append(look(file, context.progress, room))
            room -= len(heads[-1].whole or b"")
        except EvidenceError as error:
            reading.done[file.file_no] = FileRead(file.file_no, unread(file, error))
    waiting = sorted(reading.without_copies(heads), key=order)
    with _calm_collector(), closing(reading.digest):
        while waiting:
            reading.group(Group(waiting))
    reading.finish()
    return [reading.done[file.file_no] for file in files]


@contextmanager
def _calm_collector() -> Iterator[None]:
    """Let the garbage collector look at fewer objects less often: decoders come and go by the thousand.

    What was there before (modules, compiled code) is left out of its rounds.
    """
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


class _Reading:
    """One run over all captures: the tables that are used again and again, and what became of each file."""

    def __init__(self, context: ReadContext) -> None:
        self._context = context
        self._sensor = Sensor(context)
        self.digest = Digest()
        self._digests: dict[int, str] = {}  # of files that had to be compared with others
        self._read: list[tuple[Head, FileState, str | None]] = []
        self.done: dict[int, FileRead] = {}

    def without_copies(self, heads: list[Head]) -> list[Head]:
        """The captures without second copies of the same bytes. Only files that begin alike are compared, by digest."""
        alike: dict[bytes, list[Head]] = {}
        for head in heads:
            alike.setdefault(head.head, []).append(head)
        singles: list[Head] = []
        for same in alike.values():
            singles += same if len(same) == 1 else self._singles(same)
        return singles

    def _singles(self, same: list[Head]) -> list[Head]:
        first: dict[str, Head] = {}
        singles: list[Head] = []
        for head in sorted(same, key=lambda h: (h.file.name, h.file.file_no)):
            try:
                digest = digest_of(head.file)
            except EvidenceError:
                singles.append(head)  # reading it will tell what is wrong
                continue
            original = first.setdefault(digest, head)
            if original is head:
                self._digests[head.file.file_no] = digest
                singles.append(head)
            else:
                number, kind = head.file.file_no, records(head.head).kind
                self.done[number] = FileRead(number, copied(head.file, kind, digest, original.file.name))
        return singles

    def group(self, group: Group) -> None:
        """Read one rotation as one stream."""
        states: list[tuple[Head, FileState]] = []
        first = group.first()
        self._sensor.begin(first.file.site)
        head: Head | None = first
        while head is not None:
            try:
                state = self._file(head)
            except EvidenceError as error:
                self.done[head.file.file_no] = FileRead(head.file.file_no, unread(head.file, error))
                break
            states.append((head, state))
            head = group.next(*state.span_us)
        self._sensor.finish()
        for number, (head, state) in enumerate(states):
            self._read.append((head, state, states[0][1].sha256 if number else None))

    def _file(self, head: Head) -> FileState:
        """Read one file. Raises EvidenceError if it cannot be opened any more."""
        known = self._digests.get(head.file.file_no)
        self.digest.begin()
        digest = self.digest if known is None else None
        source = Kept(head.whole) if head.whole is not None else head.file.open(self._context.progress, hashed=False)
        with source as stream:
            state = self._sensor.read(stream, records(head.head), head.file.file_no, digest, head.begin_us)
        state.sha256 = known or self.digest.text()
        return state

    def finish(self) -> None:
        """Hand over the last rows, and say what became of each file."""
        self._sensor.flush()
        for head, state, origin in self._read:
            number = head.file.file_no
            rows = self._sensor.rows
            more = rows.notes.get(number, ())
            coverage = state.coverage(head.file, rows.counts[number], origin, rows.unseen.get(number), more)
            self.done[number] = FileRead(number, coverage, ",".join(f"{link}:{snap}" for link, snap in head.key[1]))
