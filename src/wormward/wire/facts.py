"""What conversation decoders say: one value a fact, stamped with the frame that completed it.

Addresses and ports belong to the caller, who knows the flow; a fact names only the direction where it matters.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol


class Stamp(NamedTuple):
    """When and where some bytes were seen."""

    time_us: int
    file_no: int
    frame: int


@dataclass(slots=True)
class HttpExchange:
    """A request, and its response as far as it was seen (raw bytes; the reader escapes)."""

    stamp: Stamp
    method: bytes
    uri: bytes  # without scheme and host
    host: bytes | None  # header, or host of an absolute URI; as sent
    user_agent: bytes | None
    header_names: tuple[bytes, ...]
    proxied: bool
    status: int | None = None
    response_bytes: int | None = None
    body_start: bytes | None = None  # first bytes of the body, decoded from chunks; None: no body seen


@dataclass(slots=True)
class SmbLogon:
    """One session setup and its outcome."""

    stamp: Stamp
    user: str | None
    domain: str | None
    outcome: str  # success | failure | unknown
    status: int | None
    native_os: str | None = None
    native_lanman: str | None = None


@dataclass(slots=True)
class SmbShare:
    """One tree connect and its outcome."""

    stamp: Stamp
    share: str  # as sent, e.g. \\host\ADMIN$
    outcome: str
    status: int | None


@dataclass(slots=True)
class SmbFile:
    """Something done to a file on a share; `start` is what was written at offset 0 (first bytes)."""

    stamp: Stamp
    share: str  # as sent
    path: str
    action: str  # open | create | write | delete | rename
    size: int = 0  # bytes written, for write
    start: bytes | None = None


@dataclass(slots=True)
class RpcCall:
    """One completed DCE/RPC request, with its answer if seen. `stub` is whole (bounded, see dcerpc.MOST_STUB)."""

    stamp: Stamp
    pipe: str | None
    interface: str | None  # uuid, lower case
    opnum: int
    byte_order: str  # little | big
    ndr64: bool
    stub: bytes
    outcome: str = "unanswered"  # answered | fault | unanswered
    result: int | None = None


@dataclass(slots=True)
class Unseen:
    """What the decoder of one connection could not look into; told once of each kind, when the connection ends.

    `what` is `encrypted` or `compressed` (SMB messages), `sealed` (calls under packet privacy), `dropped` (calls and
    contexts beyond the bounds) or `lost` (how often the thread of the messages was lost). The stamp is that of the
    first such message or call; of `dropped` and `lost` that of the connection's first bytes.
    """

    stamp: Stamp
    what: str
    count: int


Fact = HttpExchange | SmbLogon | SmbShare | SmbFile | RpcCall | Unseen


class Conversation(Protocol):
    """A decoder of one connection. Bytes go in, in order per direction; facts come out.

    The same bytes give the same facts whether they are fed whole or one at a time.
    """

    def feed(self, to_server: bool, data: bytes, stamp: Stamp) -> None:
        """The next bytes of one direction. Never raises for hostile bytes: it resynchronises or gives up."""
        ...

    def gap(self, to_server: bool, length: int) -> None:
        """So many bytes of one direction were never seen, or were skipped at the decoder's wish."""
        ...

    def skippable(self, to_server: bool) -> int:
        """How many of the next bytes of this direction the decoder has no use for (0 if it wants them).

        A caller may drop up to that many and report them with `gap`; the facts are the same.
        """
        ...

    def close(self) -> None:
        """The connection ended: complete what is pending."""
        ...

    def take(self) -> list[Fact]:
        """The facts since the last call. A fact appears when it is complete (answered, or closed)."""
        ...
