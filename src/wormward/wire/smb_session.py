"""What SMB1 and SMB2 share: trees, opened files and pipes of one connection, and the facts about them.

A pipe carries DCE/RPC, a file does not. Which one an opened thing is, is told by the server's answer to its tree
connect or to its create; where neither was seen, by a pipe's well-known name or by the first bytes written to it.
"""

from __future__ import annotations

from wormward.wire import dcerpc
from wormward.wire.budget import Budget
from wormward.wire.facts import Fact, SmbFile, SmbLogon, SmbShare, Stamp

START_BYTES = 64
"""First bytes of a written file that are kept: enough to tell an executable from what is none."""
MOST_OPENED = 16384
"""Opened files and pipes of one connection: a quarter of what SMB1's 16-bit FIDs can number; clients have hundreds."""
MOST_TREES = 2048
"""Trees of one connection; clients have a handful."""
MOST_PENDING = 8192
"""Requests that wait for their answer: the most credits that Windows servers grant one connection (Smb2CreditsMax)."""

MORE_PROCESSING = 0xC0000016
LOGON_FAILURE = 0xC000006D
_PIPES = frozenset(
    {
        "atsvc", "browser", "epmapper", "eventlog", "initshutdown", "keysvc", "llsrpc", "locator", "lsarpc", "lsass",
        "msgsvc", "netdfs", "netlogon", "nsppipe", "ntsvcs", "protected_storage", "router", "samr", "scerpc", "spoolss",
        "srvsvc", "ssdpsrv", "svcctl", "tapsrv", "trkwks", "w32time", "winreg", "winsspipe", "wkssvc",
    }
)  # fmt: skip
"""Pipes of Windows services; only asked where the tree is not known."""


def succeeded(status: int) -> bool:
    """True for NTSTATUS success, information and warning codes (a warning still carries its answer)."""
    return status >> 30 != 3


def outcome(status: int) -> str:
    """The outcome word of a final status."""
    return "success" if succeeded(status) else "failure"


def pipe_name(path: str) -> str:
    r"""A pipe's name as `RpcCall.pipe` shows it: lower case, without `\PIPE\`."""
    name = path.replace("/", "\\").strip("\\").lower()
    return "" if name == "pipe" else name.removeprefix("pipe\\").strip("\\")


class Tree:
    """A tree connect. `pipes` is True for IPC$, False for a disk or printer, None where nothing told."""

    __slots__ = ("pipes", "share")

    def __init__(self, share: str, pipes: bool | None = None) -> None:
        self.share = share
        self.pipes = pipes
        if pipes is None and share.rstrip("\\/").upper().endswith("IPC$"):
            self.pipes = True


UNSEEN = Tree("")
"""The tree whose connect was not seen."""


class Opened:
    """A file or pipe, from its create on. `pipe` is None while undecided."""

    __slots__ = ("deleted", "key", "path", "pipe", "rpc", "size", "stamp", "start", "tree")

    def __init__(self, tree: Tree, path: str, stamp: Stamp) -> None:
        self.tree = tree
        self.path = path
        self.stamp = stamp  # of the last thing that happened to it
        self.key: int | bytes | None = None
        self.pipe: bool | None = tree.pipes
        self.rpc: dcerpc.Rpc | None = None
        self.size = 0
        self.start: bytes | None = None
        self.deleted = False
        if self.pipe is None and pipe_name(path) in _PIPES:
            self.pipe = True


class Session:
    """The shared state of one connection; facts are appended to `facts`."""

    __slots__ = ("budget", "dropped", "facts", "opened", "sealed", "sealed_at")

    def __init__(self) -> None:
        self.facts: list[Fact] = []
        self.opened: dict[int | bytes, Opened] = {}
        self.budget = Budget()
        self.dropped = 0  # calls that bounds let go
        self.sealed = 0  # calls whose stub is encrypted
        self.sealed_at: Stamp | None = None  # the first of them

    def logon(self, fact: SmbLogon) -> None:
        """A session setup that got its final answer, or none."""
        self.facts.append(fact)

    def share(self, share: str, status: int | None, stamp: Stamp) -> None:
        """A tree connect that got its answer, or (status None) none."""
        self.facts.append(SmbShare(stamp, share, "unknown" if status is None else outcome(status), status))

    def act(self, file: Opened, action: str, stamp: Stamp, path: str | None = None) -> None:
        """Something was done to a file; nothing is said about pipes."""
        if not file.pipe:
            self.facts.append(SmbFile(stamp, file.tree.share, (path or file.path).lstrip("\\/"), action))

    def bind(self, key: int | bytes, file: Opened) -> None:
        """The server gave `file` this key; what had it before is closed."""
        known = self.opened.get(key)
        if known is file:
            return
        if known is not None:
            self.close(known)
        elif len(self.opened) >= MOST_OPENED:
            self.close(self.opened[next(iter(self.opened))])
        file.key = key
        self.opened[key] = file

    def find(self, key: int | bytes, tree: Tree, stamp: Stamp) -> Opened:
        """What was opened under this key; something unknown where the create was not seen."""
        file = self.opened.get(key)
        if file is None:
            file = Opened(tree, "", stamp)
            self.bind(key, file)
        return file

    def ask(self, file: Opened, data: bytes, stamp: Stamp) -> None:
        """The client says something to a pipe."""
        if file.rpc is None:
            file.rpc = dcerpc.Rpc(pipe_name(file.path), self.facts, self.budget)
            if file.pipe is None:
                file.rpc.gap(from_client=True)  # perhaps a file: only what can be nothing else makes it a pipe
        file.rpc.client(data, stamp)

    def answer(self, file: Opened, data: bytes, stamp: Stamp) -> None:
        """The server says something through a pipe."""
        if file.rpc is not None:
            file.rpc.server(data, stamp)

    def wants_whole(self, file: Opened, first: bytes) -> bool:
        """True if what is written to `file` matters beyond its first bytes; `first` is how the data begins."""
        if file.pipe is None:
            return file.rpc is not None or first[:1] == b"\x05"
        return file.pipe

    def write(self, file: Opened, data: bytes, at: int, end: int, *, size: int, offset: int, stamp: Stamp) -> None:
        """The client writes `size` bytes at `offset`; they stand in `data` from `at`, as far as they are there.

        They are there whole where `wants_whole` asks for it, else at least their first `START_BYTES`.
        """
        end = min(end, at + size)
        if file.pipe is not False and self.wants_whole(file, data[at : min(end, at + 1)]):
            self.ask(file, data[at:end], stamp)
            if file.pipe is None and file.rpc is not None and file.rpc.spoken:
                file.pipe, file.size, file.start = True, 0, None
            if file.pipe:
                return
        file.size += size
        file.stamp = stamp
        have = 0 if file.start is None else len(file.start)
        if offset == have and have < START_BYTES:
            file.start = (file.start or b"") + data[at : min(end, at + START_BYTES - have)]

    def unwrite(self, file: Opened, size: int) -> None:
        """The server refused a write, or a call through a pipe."""
        if file.pipe:
            if file.rpc is not None:
                file.rpc.take_back(size)
            return
        file.size = max(0, file.size - size)
        if not file.size:
            file.start = None

    def close(self, file: Opened) -> None:
        """The file or pipe is closed: say what was done to it."""
        if file.key is not None and self.opened.get(file.key) is file:
            del self.opened[file.key]
        if file.rpc is not None:
            file.rpc.close()
            self.dropped += file.rpc.dropped
            self.sealed += file.rpc.sealed
            if file.rpc.sealed_at and (self.sealed_at is None or file.rpc.sealed_at < self.sealed_at):
                self.sealed_at = file.rpc.sealed_at
            file.rpc = None
        if file.pipe:
            return
        if file.size:
            path = file.path.lstrip("\\/")
            self.facts.append(SmbFile(file.stamp, file.tree.share, path, "write", file.size, file.start))
            file.size = 0
        if file.deleted:
            self.act(file, "delete", file.stamp)
            file.deleted = False

    def refuse(self, file: Opened) -> None:
        """The server would not open it: what was already said to it stays said, what was written was not."""
        file.size, file.deleted = 0, False
        self.close(file)

    def end(self) -> None:
        """The connection ended: close what is open."""
        for file in list(self.opened.values()):
            self.close(file)
