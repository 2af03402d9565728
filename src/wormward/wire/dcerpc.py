"""Connection-oriented DCE/RPC over one pipe or one TCP connection: PDUs, contexts, fragments, answers.

References: C706 chapter 12 (PDU formats), MS-RPCE 2.2.2 (verification trailers, NDR64, bind-time features).
A request is taken for what a server could make of it: before its bind is answered, after a bind without flags, in
fragments of one byte, with an object UUID or an authentication trailer, several PDUs in one write or one over many.

Limitations: stubs under packet privacy stay sealed (`sealed` counts them); more than the bounds below is let go,
oldest first (`dropped` counts what was).
"""

from __future__ import annotations

from wormward.wire import dcerpc_pdu as pdu
from wormward.wire.budget import Budget
from wormward.wire.dcerpc_contexts import Context, Contexts, choose
from wormward.wire.facts import Fact, RpcCall, Stamp, Unseen

MOST_STUB = 1 << 20
"""Bytes of one request's stub that are kept, as many as Suricata keeps; a path call needs a few hundred. The rest of
a longer stub is left out."""
MOST_CALLS = 128
"""Unfinished or unanswered calls of one pipe; Windows clients have one at a time, concurrent ones a few."""
_SEALED = 6  # authentication level packet privacy


def _without_trailer(data: bytes, start: int, end: int, auth_size: int) -> tuple[int, bool]:
    """Where the stub ends before its authentication trailer (`end` if there can be none), and whether it is encrypted."""
    trailer = end - auth_size - 8
    if trailer < start:
        return end, False
    return max(start, trailer - data[trailer + 2]), data[trailer + 1] == _SEALED


class _Call:
    """One request in flight. `parts` are collected until `fact` can be made."""

    __slots__ = ("contexts", "fact", "little", "number", "opnum", "parts", "rpc", "sealed", "size", "tail")

    def __init__(self, rpc: Rpc, number: int, contexts: tuple[Context, ...], opnum: int, little: bool) -> None:
        self.rpc = rpc
        self.number = number  # its call id
        self.contexts = contexts
        self.opnum = opnum
        self.little = little
        self.parts: list[bytes] = []
        self.size = 0
        self.tail = b""
        self.sealed = False  # its stub is encrypted
        self.fact: RpcCall | None = None

    def let_go(self) -> None:
        """See `budget.Holder`: told if it is complete, else dropped."""
        self.rpc.forget(self.number)


class _Side:
    """Cuts one direction's bytes into PDUs."""

    __slots__ = ("budget", "held", "lost", "need")

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self.held = bytearray()
        self.need = 0
        self.lost = False

    def let_go(self) -> None:
        """See `budget.Holder`: what is incomplete is lost, as if it had not been seen."""
        self.held = bytearray()
        self.need = 0
        self.lost = True
        self.budget.hold(self, 0)


class Rpc:
    """The state of one pipe (or TCP connection). Finished calls are appended to `facts`."""

    __slots__ = (
        "_budget", "_calls", "_client", "_contexts", "_facts", "_pipe", "_server", "_unfinished", "sealed", "sealed_at",
        "spoken",
    )  # fmt: skip

    def __init__(self, pipe: str | None, facts: list[Fact], budget: Budget) -> None:
        """`pipe` is the pipe's name as `RpcCall.pipe` shows it; the connection's pipes share one `budget`."""
        self._pipe = pipe
        self._facts = facts
        self._budget = budget
        self._client = _Side(budget)
        self._server = _Side(budget)
        self._contexts = Contexts()
        self._calls: dict[int, _Call] = {}
        self.spoken = False  # at least one PDU was seen
        self.sealed = 0  # calls whose stub is encrypted
        self.sealed_at: Stamp | None = None  # the first of them
        self._unfinished = 0  # calls that were let go before they were complete

    @property
    def dropped(self) -> int:
        """How many unfinished calls and contexts the bounds let go."""
        return self._unfinished + self._contexts.dropped

    def client(self, data: bytes, stamp: Stamp) -> None:
        """The next bytes from the client."""
        self._cut(self._client, data, stamp, from_client=True)

    def server(self, data: bytes, stamp: Stamp) -> None:
        """The next bytes from the server."""
        self._cut(self._server, data, stamp, from_client=False)

    def gap(self, from_client: bool) -> None:
        """Some bytes of one direction are missing: go on at the next thing that can only be a PDU's start."""
        (self._client if from_client else self._server).let_go()

    def take_back(self, size: int) -> None:
        """The server refused the client's last `size` bytes: an unfinished PDU does not have them."""
        side = self._client
        if side.held:
            del side.held[max(0, len(side.held) - size) :]
            side.need = 0
            self._budget.hold(side, len(side.held))

    def close(self) -> None:
        """The pipe or connection ended: what was asked and not answered is told as it is."""
        for call in self._calls.values():
            self._budget.hold(call, 0)
            self._tell(call)
        self._calls.clear()
        self._client.let_go()
        self._server.let_go()

    def _cut(self, side: _Side, data: bytes, stamp: Stamp, *, from_client: bool) -> None:
        if side.held:
            side.held += data
            if len(side.held) < side.need:
                return
            data = bytes(side.held)
            side.held = bytearray()
            self._budget.hold(side, 0)
        pos, end = 0, len(data)
        need = pdu.HEADER
        while end - pos >= pdu.HEADER:
            if side.lost:
                found = pdu.start.search(data, pos)
                if found is None or found.start() + pdu.HEADER > end:
                    pos = found.start() if found else max(pos, end - 7)
                    break
                pos = found.start()
            size = pdu.U16[bool(data[pos + 4] & 0x10)](data, pos + 8)[0]
            if data[pos] != 5 or size < pdu.HEADER:
                side.lost = True
                pos += 1
                continue
            side.lost = False
            if end - pos < size:
                need = size
                break
            if from_client:
                self._asked(data, pos, pos + size, stamp)
            else:
                self._answered(data, pos, pos + size)
            pos += size
        if pos < end:
            side.held = bytearray(data[pos:])
            side.need = need
            self._budget.hold(side, need)  # so many it will be

    def _asked(self, data: bytes, at: int, end: int, stamp: Stamp) -> None:
        """One PDU of the client, from `at` to `end`."""
        kind, flags, little = data[at + 2], data[at + 3], bool(data[at + 4] & 0x10)
        _, auth_size, call_id = pdu.HEAD[little](data, at + 8)
        self.spoken = True
        if kind == pdu.REQUEST:
            if end - at >= 24:
                self._request(data, at, end, (flags, little, auth_size, call_id), stamp)
        elif kind in (pdu.BIND, pdu.ALTER):
            self._contexts.offer(data, at, end, little, call_id)

    def _request(self, data: bytes, at: int, end: int, head: tuple[int, bool, int, int], stamp: Stamp) -> None:
        flags, little, auth_size, call_id = head
        context_id, opnum = pdu.ASKED[little](data, at + 20)
        start = at + 40 if flags & pdu.OBJECT else at + 24
        sealed = False
        if auth_size:
            end, sealed = _without_trailer(data, start, end, auth_size)
        call = self._calls.get(call_id)
        if call is None or flags & pdu.FIRST or call.fact is not None:
            if call is not None:
                self.forget(call_id)
            elif len(self._calls) >= MOST_CALLS:
                self.forget(next(iter(self._calls)))
            call = self._calls[call_id] = _Call(self, call_id, self._contexts.of(context_id), opnum, little)
        if sealed and not call.sealed:
            call.sealed = True
            self.sealed += 1
            self.sealed_at = self.sealed_at or stamp
        room = MOST_STUB - call.size
        part = data[start : min(end, start + room)] if start < end else b""
        call.parts.append(part)
        call.size += len(part)
        if flags & pdu.LAST:
            self._complete(call, stamp)
        elif len(call.parts) >= 1024:
            # Many fragments of one byte each would cost a list entry each: fold them now and then.
            call.parts = [b"".join(call.parts)]
        self._budget.hold(call, call.size + 1)

    def _complete(self, call: _Call, stamp: Stamp) -> None:
        stub = call.parts[0] if len(call.parts) == 1 else b"".join(call.parts)
        call.parts = []
        order = "little" if call.little else "big"
        call.fact = RpcCall(stamp, self._pipe, None, call.opnum, order, False, stub)

    def _answered(self, data: bytes, at: int, end: int) -> None:
        """One PDU of the server, from `at` to `end`."""
        kind, flags, little = data[at + 2], data[at + 3], bool(data[at + 4] & 0x10)
        _, auth_size, call_id = pdu.HEAD[little](data, at + 8)
        self.spoken = True
        if kind in (pdu.RESPONSE, pdu.FAULT):
            call = self._calls.get(call_id)
            if call is None or call.fact is None:
                return
            if kind == pdu.FAULT:
                call.fact.outcome = "fault"
                call.fact.result = pdu.U32[little](data, at + 24)[0] if end - at >= 28 else None
            else:
                self._response(call, data, at, end, (flags, little, auth_size))
                if not flags & pdu.LAST:
                    return
            del self._calls[call_id]
            self._budget.hold(call, 0)
            self._tell(call)
        elif kind in (pdu.BIND_ACK, pdu.ALTER_ANSWER):
            self._contexts.answer(data, at, end, little, call_id)
        elif kind == pdu.BIND_NAK:
            self._contexts.refuse(call_id)

    def _response(self, call: _Call, data: bytes, at: int, end: int, head: tuple[int, bool, int]) -> None:
        flags, little, auth_size = head
        start = min(at + 24, end)
        stop, sealed = _without_trailer(data, start, end, auth_size) if auth_size else (end, False)
        call.tail = (call.tail + data[max(start, stop - 4) : stop])[-4:]
        if flags & pdu.LAST and call.fact is not None:
            call.fact.outcome = "answered"
            if len(call.tail) == 4 and not sealed:
                call.fact.result = pdu.U32[little](call.tail, 0)[0]

    def forget(self, call_id: int) -> None:
        """Let a call go whose place is wanted: told if it was complete, else counted as dropped."""
        call = self._calls.pop(call_id)
        self._budget.hold(call, 0)
        if call.fact is None:
            self._unfinished += 1
        self._tell(call)

    def _tell(self, call: _Call) -> None:
        if call.fact is None:
            return
        context = choose(call.contexts)
        if context is not None:
            call.fact.interface = context.interface
            call.fact.ndr64 = context.ndr64
        self._facts.append(call.fact)


class RpcConversation:
    """DCE/RPC straight over TCP (ncacn_ip_tcp, or ncacn_http after its greeting)."""

    __slots__ = ("_began", "_budget", "_facts", "rpc")

    def __init__(self) -> None:
        self._facts: list[Fact] = []
        self._budget = Budget()
        self.rpc = Rpc(None, self._facts, self._budget)
        self._began: Stamp | None = None

    @property
    def held(self) -> int:
        """Bytes that are kept of unfinished things."""
        return self._budget.held

    def feed(self, to_server: bool, data: bytes, stamp: Stamp) -> None:
        """See `facts.Conversation`."""
        if self._began is None:
            self._began = stamp
        if to_server:
            self.rpc.client(data, stamp)
        else:
            self.rpc.server(data, stamp)

    def gap(self, to_server: bool, length: int) -> None:
        """See `facts.Conversation`."""
        if length > 0:
            self.rpc.gap(to_server)

    def skippable(self, to_server: bool) -> int:  # noqa: ARG002 - the protocol's signature
        """See `facts.Conversation`; fragments are small, nothing is worth skipping."""
        return 0

    def close(self) -> None:
        """See `facts.Conversation`."""
        rpc = self.rpc
        rpc.close()
        if rpc.sealed_at is not None:
            self._facts.append(Unseen(rpc.sealed_at, "sealed", rpc.sealed))
        if rpc.dropped and self._began is not None:
            self._facts.append(Unseen(self._began, "dropped", rpc.dropped))

    def take(self) -> list[Fact]:
        """See `facts.Conversation`."""
        facts = self._facts[:]
        self._facts.clear()
        return facts
