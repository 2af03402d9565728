"""One SMB2 message, what its commands share on one connection, and what a request leaves behind until its answer."""

from __future__ import annotations

from wormward.wire.facts import Stamp
from wormward.wire.smb_session import UNSEEN, Opened, Session, Tree

HEADER = 64
ANY_FILE = b"\xff" * 16
_RELATED = 0x4


class Message:
    """A view of one message; `body` is where its body begins. Offsets and counts are claims: what is not there is cut."""

    __slots__ = ("at", "body", "data", "end", "mid", "related", "session", "stamp", "status", "tree")

    def __init__(self, data: bytes, at: int, end: int, stamp: Stamp, head: tuple[int, int, int]) -> None:
        """`data[at:end]` is the message, at least its header; `head` is (status, flags, message id)."""
        self.data = data
        self.at = at
        self.end = end
        self.stamp = stamp
        self.status, flags, self.mid = head
        self.related = bool(flags & _RELATED)
        self.body = at + HEADER
        self.session = data[at + 40 : at + 48]
        self.tree = data[at + 36 : at + 48]  # tree id and session id: tree ids are their session's

    def slice(self, offset: int, size: int) -> bytes:
        """`size` bytes from `offset`, counted from the header's start, as far as they are there."""
        start = self.at + offset
        return self.data[start : min(start + size, self.end)]

    def holds(self, size: int) -> bool:
        """True if at least so many bytes of the body are there."""
        return self.body + size <= self.end


class State:
    """Trees, and what related requests of a compound take from the one before."""

    __slots__ = ("last_file", "last_message", "last_tree", "session", "trees")

    def __init__(self, session: Session) -> None:
        self.session = session
        self.trees: dict[bytes, Tree] = {}
        self.last_message: Message | None = None
        self.last_file: Opened | None = None
        self.last_tree: Tree | None = None

    def begin(self, m: Message, first: bool) -> None:
        """A request begins, the `first` of its session message or a later one."""
        before = self.last_message
        if m.related and not first and before is not None:
            m.session, m.tree = before.session, before.tree
        else:
            self.last_file = self.last_tree = None
            m.related = False
        self.last_message = m

    def tree(self, m: Message) -> Tree:
        """The tree of a request."""
        return self.last_tree or self.trees.get(m.tree, UNSEEN)

    def file(self, m: Message, file_id: bytes) -> Opened:
        """The file of a request; a related one may leave it to the request before."""
        if m.related and file_id == ANY_FILE:
            file = self.last_file or Opened(self.tree(m), "", m.stamp)
        else:
            file = self.session.find(file_id + m.session, self.tree(m), m.stamp)
        self.last_file = file
        return file

    def touch(self, m: Message, file_at: int | None) -> None:
        """A request that matters only because a related one may follow; it names its file at this place of its body."""
        if file_at is not None and m.holds(file_at + 16):
            self.file(m, m.slice(HEADER + file_at, 16))
        elif not m.related:
            self.last_file = None


class Record:
    """One request that waits for its answer."""

    __slots__ = ()

    def answer(self, state: State, m: Message) -> None:
        """Its final answer."""
        raise NotImplementedError

    def unanswered(self, state: State) -> None:
        """The connection ended before an answer was seen."""
