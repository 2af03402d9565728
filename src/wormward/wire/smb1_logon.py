"""SMB1 session setup and tree connect (MS-CIFS 2.2.4.50, 2.2.4.53, 2.2.4.55; MS-SMB 2.2.4.6)."""

from __future__ import annotations

from wormward.wire import ntlmssp
from wormward.wire.facts import SmbLogon, Stamp
from wormward.wire.smb1_message import Message
from wormward.wire.smb1_state import Record, State
from wormward.wire.smb_session import MORE_PROCESSING, MOST_TREES, Tree, outcome, succeeded


class _Logon(Record):
    __slots__ = ("fact", "opens")

    def __init__(self, fact: SmbLogon, opens: bool) -> None:
        self.fact = fact
        self.opens = opens  # the first round of several: without its answer it is no attempt yet

    def answer(self, state: State, m: Message) -> bool:
        if m.status == MORE_PROCESSING:
            state.native = (self.fact.native_os, self.fact.native_lanman)
            return True
        self.fact.stamp = m.stamp
        self.fact.status = m.status
        self.fact.outcome = outcome(m.status)
        self._tell(state)
        return True

    def unanswered(self, state: State) -> None:
        if not self.opens:
            self._tell(state)

    def _tell(self, state: State) -> None:
        system, manager = state.native
        state.native = (None, None)
        self.fact.native_os = self.fact.native_os or system
        self.fact.native_lanman = self.fact.native_lanman or manager
        state.session.logon(self.fact)


def session_setup(_state: State, m: Message) -> Record | None:
    """Who wants in: names in plain fields, or in an NTLM message inside a security blob."""
    user: str | None = None
    domain: str | None = None
    blob = b""
    if m.n == 12 and m.has(12):
        size = m.u16(14)
        blob = m.data[m.b : min(m.b + size, m.end)]
        found = ntlmssp.account(blob)
        if found is not None:
            user, domain = found
        at = m.b + size
    elif m.n >= 13 and m.has(13):
        user, at = m.text(m.b + m.u16(14) + m.u16(16))
        domain, at = m.text(at)
    elif m.n >= 10 and m.has(10):
        user, at = m.text(m.b + m.u16(14))
        domain, at = m.text(at)
    else:
        return None
    system, at = m.text(at)
    manager, _ = m.text(at)
    return _Logon(SmbLogon(m.stamp, user, domain, "unknown", None, system, manager), ntlmssp.opens(blob))


class _TreeConnect(Record):
    __slots__ = ("stamp", "tree")

    def __init__(self, tree: Tree, stamp: Stamp) -> None:
        self.tree = tree
        self.stamp = stamp

    def answer(self, state: State, m: Message) -> bool:
        if succeeded(m.status):
            if m.command == 0x70:  # the old form names no service, its answer carries the tree id in the words
                tid = m.u16(2) if m.has(2) else m.tid
            else:
                tid = m.tid
                service = m.text(m.b, wide=False)[0].upper()
                if service:
                    self.tree.pipes = service == "IPC"
            if len(state.trees) >= MOST_TREES:
                del state.trees[next(iter(state.trees))]
            state.trees[tid] = self.tree
        state.session.share(self.tree.share, m.status, m.stamp)
        return True

    def unanswered(self, state: State) -> None:
        state.session.share(self.tree.share, None, self.stamp)


def _connect(state: State, m: Message, share: str) -> Record:
    state.chained_tree = Tree(share)
    return _TreeConnect(state.chained_tree, m.stamp)


def tree_connect_andx(state: State, m: Message) -> Record | None:
    """Password, then the path, then the service wanted."""
    if not m.has(4):
        return None
    return _connect(state, m, m.text(m.b + m.u16(6))[0])


def tree_connect(state: State, m: Message) -> Record | None:
    """The old form: three strings with a format byte before each."""
    return _connect(state, m, m.buffer_text(m.b)[0])
