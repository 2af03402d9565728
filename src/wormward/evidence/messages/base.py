"""What all kinds of messages share: a message, who reads it, and rows that wait for a later line."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from wormward.evidence.lines import Clock, Fact
from wormward.evidence.values import address
from wormward.model.site import Site


class Message(NamedTuple):
    """One line without what syslog put before it.

    `time` gives the stamp of the line in UTC microseconds and raises as `Clock` does: a message that carries a time of
    its own does not ask.
    """

    program: str  # of the tag; empty where there is none
    host: str  # empty where there is none
    text: str
    number: int  # of the line, from 1
    time: Callable[[], int]


class MessageParser(Protocol):
    """Makes facts of one kind's messages of one file, told in order."""

    def message(self, message: Message) -> Sequence[Fact] | None:
        """Facts; None if it is none that is read. Raises ValueError if it is damaged, EvidenceError without a year."""
        ...

    def end(self) -> Iterable[Fact]:
        """What was waiting for more lines."""
        ...


@dataclass(frozen=True, slots=True)
class MessageKind:
    """How one kind of message is known: by the program in the tag, or by a text that its messages hold.

    A kind that is known by its `marks` gets all that stands behind the stamp; another what stands behind the tag.
    """

    title: str
    programs: tuple[str, ...]
    marks: tuple[str, ...]
    parser: Callable[[Site, Clock], MessageParser]


class Row:
    """A row that later lines may complete."""

    __slots__ = ("key", "table", "time_us", "values")

    def __init__(self, key: object, table: str, time_us: int, values: dict[str, Any]) -> None:
        self.key, self.table, self.time_us, self.values = key, table, time_us, values

    def fact(self) -> Fact:
        """As it stands now."""
        return Fact(self.table, self.time_us, self.values)


class Waiting:
    """Rows in the order they began. When too many wait, the older half is let go as it is."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._rows: dict[int, Row] = {}
        self._open: dict[object, list[Row]] = {}

    def add(self, row: Row) -> Sequence[Fact]:
        """Let a row wait; what is let go for it comes out."""
        self._rows[id(row)] = row
        known = self._open.get(row.key)
        if known is None:
            self._open[row.key] = [row]
        else:
            known.append(row)
        if len(self._rows) <= self._most:
            return ()
        rows = list(self._rows.values())
        older = rows[: len(rows) // 2]
        for old in older:
            self.take(old)
        return [old.fact() for old in older]

    def open(self, key: object) -> Sequence[Row]:
        """The rows of a key that still wait, the oldest first."""
        return self._open.get(key, ())

    def take(self, row: Row) -> None:
        """A row waits no longer."""
        del self._rows[id(row)]
        self.settle(row)

    def settle(self, row: Row) -> None:
        """A row still waits for its turn, but `open` gives it no more."""
        rows = self._open.get(row.key, [])
        if row in rows:
            rows.remove(row)
            if not rows:
                del self._open[row.key]

    def end(self) -> Sequence[Fact]:
        """All that still wait."""
        return [row.fact() for row in self._rows.values()]


def address_of(text: str) -> str:
    """An address in its usual form. Raises ValueError if it is none."""
    found = address(text.encode("utf-8", "replace"))
    if found is None:
        raise ValueError("no address")
    return found


def port_of(text: str) -> int:
    """A port. Raises ValueError if it is none."""
    if text.isascii() and text.isdigit() and len(text) < 6 and int(text) < 1 << 16:
        return int(text)
    raise ValueError("no port")


def count_of(text: str | None) -> int | None:
    """A number of bytes or packets; None where the log does not say it. Raises ValueError if it is none."""
    if text is None or text == "":
        return None
    if text.isascii() and text.isdigit() and len(text) < 19:
        return int(text)
    raise ValueError("no number")
