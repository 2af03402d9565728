"""Presentation contexts of one pipe: which interface, in which syntax, a request's context id means.

A bind or alter context offers definitions, its answer accepts or refuses each. Requests may come before that answer,
and an id may be defined anew: so each id keeps several definitions, and which one was meant is decided when the
request's own answer has come or the pipe is closed.
"""

from __future__ import annotations

from wormward.wire import dcerpc_pdu as pdu

MOST_CONTEXTS = 1024
"""Context ids of one pipe; one bind can carry 255, real ones carry up to 3."""
MOST_CANDIDATES = 4
"""Definitions of one context id that are remembered (accepted, refused or unanswered ones)."""
MOST_BINDS = 16
"""Unanswered binds whose answers are awaited; they are answered one at a time."""

_NDR64 = "71710533-beba-4937-8319-b5dbef9ccc36"


class Context:
    """One definition of a context id, and whether the server took it."""

    __slots__ = ("accepted", "answered", "interface", "ndr64")

    def __init__(self, interface: str, ndr64: bool) -> None:
        self.interface = interface
        self.ndr64 = ndr64
        self.answered = False
        self.accepted = False


def choose(contexts: tuple[Context, ...]) -> Context | None:
    """Which definition a request meant, newest first: an accepted one, else an unanswered one, else a refused one."""
    for wanted in (True, False):
        for context in reversed(contexts):
            if context.accepted if wanted else not context.answered:
                return context
    return contexts[-1] if contexts else None


class Contexts:
    """All contexts of one pipe."""

    __slots__ = ("_binds", "_known", "dropped")

    def __init__(self) -> None:
        self._known: dict[int, tuple[Context, ...]] = {}
        self._binds: dict[int, list[Context]] = {}
        self.dropped = 0  # ids that had to go

    def of(self, number: int) -> tuple[Context, ...]:
        """The definitions of a context id so far, oldest first."""
        return self._known.get(number, ())

    def offer(self, data: bytes, at: int, end: int, little: bool, call_id: int) -> None:
        """A bind or alter context PDU, from `at` to `end`. Its counts are not trusted."""
        if end - at < 28:
            return
        offered: list[Context] = []
        pos = at + 28
        for _ in range(data[at + 24]):
            if pos + 24 > end:
                break
            number = pdu.U16[little](data, pos)[0]
            syntaxes = data[pos + 2]
            first = pos + 24
            wide = bool(syntaxes) and first + 20 <= end and pdu.uuid(data, first, little) == _NDR64
            offered.append(Context(pdu.uuid(data, pos + 4, little), wide))
            self._define(number, offered[-1])
            pos = first + 20 * syntaxes
        if len(self._binds) >= MOST_BINDS:
            del self._binds[next(iter(self._binds))]
        self._binds[call_id] = offered

    def _define(self, number: int, context: Context) -> None:
        known = self._known.get(number, ())
        if not known and len(self._known) >= MOST_CONTEXTS:
            # What the server took stays longest: floods of refused or unanswered ids push out only each other.
            idle = (n for n, ones in self._known.items() if not any(one.accepted for one in ones))
            del self._known[next(idle, next(iter(self._known)))]
            self.dropped += 1
        if len(known) >= MOST_CANDIDATES:
            spare = min(known, key=lambda one: (one.accepted, not one.answered))
            known = tuple(one for one in known if one is not spare)
        self._known[number] = (*known, context)

    def answer(self, data: bytes, at: int, end: int, little: bool, call_id: int) -> None:
        """The answer to a bind or alter context, from `at` to `end`: a result for each definition, in order."""
        offered = self._binds.pop(call_id, None)
        if not offered or end - at < 28:
            return
        # The secondary address stands before the results, which begin at the next multiple of 4.
        pos = at + ((26 + pdu.U16[little](data, at + 24)[0] + 3) & ~3)
        if pos >= end:
            return
        count = data[pos]
        pos += 4
        for context in offered[:count]:
            if pos + 24 > end:
                break
            context.answered = True
            context.accepted = pdu.U16[little](data, pos)[0] == 0
            if context.accepted:
                context.ndr64 = pdu.uuid(data, pos + 4, little) == _NDR64
            pos += 24

    def refuse(self, call_id: int) -> None:
        """The server refused a whole bind."""
        for context in self._binds.pop(call_id, ()):
            context.answered = True
