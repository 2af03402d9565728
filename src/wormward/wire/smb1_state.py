"""What SMB1's commands share on one connection, and what a request leaves behind until its answer comes."""

from __future__ import annotations

from wormward.wire.smb1_message import Message
from wormward.wire.smb_session import UNSEEN, Opened, Session, Tree


class State:
    """Trees and what chained commands hand to each other."""

    __slots__ = ("chained_file", "chained_tree", "native", "raw_bytes", "raw_file", "raw_offset", "session", "trees")

    def __init__(self, session: Session) -> None:
        self.session = session
        self.trees: dict[int, Tree] = {}
        self.chained_file: Opened | None = None  # opened earlier in the message at hand
        self.chained_tree: Tree | None = None
        self.native: tuple[str | None, str | None] = (None, None)  # of an earlier round of a logon
        self.raw_bytes = 0  # announced by a raw write, still to come without any header
        self.raw_file: Opened | None = None
        self.raw_offset = 0

    def tree(self, m: Message) -> Tree:
        """The tree of the command at hand."""
        return self.chained_tree or self.trees.get(m.tid, UNSEEN)

    def file(self, m: Message, fid: int) -> Opened:
        """The file of the command at hand; in a chain it is the one that the chain opened."""
        return self.chained_file or self.session.find(fid, self.tree(m), m.stamp)


class Record:
    """One command that waits for its answer."""

    __slots__ = ()

    def answer(self, state: State, m: Message) -> bool:
        """Its answer: `m` stands on the answered command, `m.status` is that command's. False if more will come."""
        raise NotImplementedError

    def unanswered(self, state: State) -> None:
        """The connection ended before an answer was seen."""
