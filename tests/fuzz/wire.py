"""Coverage-guided fuzzing of the wire decoders with atheris.

    .venv/bin/pip install 'atheris>=2.3'
    .venv/bin/python -m tests.fuzz.wire conversation -max_total_time=60
    .venv/bin/python -m tests.fuzz.wire calls -max_total_time=60
    .venv/bin/python -m tests.fuzz.wire datagrams -max_total_time=60

`conversation`: any bytes in either direction, in pieces, with gaps; nothing may be raised, and the same bytes fed
whole or byte by byte must give the same facts. `calls`: any stub; a verdict, never an exception. `datagrams`: name
services' messages and flow exports; nothing but `WireError`, and what waits stays bounded.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress

import atheris

with atheris.instrument_imports(include=["wormward.wire"]):
    from wormward.model.errors import WireError
    from wormward.threats.conficker import algorithms
    from wormward.wire import atsvc, dhcp, name_claims, ntlmssp
    from wormward.wire.conversation import start
    from wormward.wire.dcerpc import RpcConversation
    from wormward.wire.facts import Conversation, Stamp
    from wormward.wire.flow_export import MOST_HELD, Exports
    from wormward.wire.holes import judge
    from wormward.wire.http import HttpConversation
    from wormward.wire.smb_conversation import SmbConversation
    from wormward.wire.talks import Ends

STAMP = Stamp(0, 0, 0)
KINDS: tuple[Callable[[], Conversation], ...] = (SmbConversation, RpcConversation, HttpConversation)
SRVSVC = "4b324fc8-1670-01d3-1278-5a47bf6ee188"


def _talk(data: bytes) -> list[tuple[bool, bytes]]:
    """Pieces with a direction: a length byte each, its lowest bit the direction."""
    pieces = []
    at = 0
    while at < len(data):
        size = data[at] or 256
        pieces.append((bool(size & 1), data[at + 1 : at + 1 + size]))
        at += 1 + size
    return pieces


def _facts(make: Callable[[], Conversation], talk: list[tuple[bool, bytes]], one_by_one: bool) -> list[str]:
    conversation = make()
    said = []
    for to_server, piece in talk:
        for part in (piece[i : i + 1] for i in range(len(piece))) if one_by_one else (piece,):
            conversation.feed(to_server, part, STAMP)
        said += [repr(fact) for fact in conversation.take()]
    conversation.close()
    return said + [repr(fact) for fact in conversation.take()]


def conversation(data: bytes) -> None:
    """No exception; whole pieces and single bytes say the same."""
    if not data:
        return
    talk = _talk(data[1:])
    first = {side: b"".join(piece for way, piece in talk if way is side)[:64] for side in (True, False)}
    start(first[True], first[False], 445 if data[0] & 4 else 80)
    make = KINDS[data[0] % 3]
    whole, single = _facts(make, talk, False), _facts(make, talk, True)
    if whole != single:
        raise AssertionError(f"{make}: whole {whole} differs from single bytes {single}")


def calls(data: bytes) -> None:
    """Arguments, verdicts, names and packets of any bytes."""
    if not data:
        return
    order, wide = ("little", "big")[data[0] & 1], bool(data[0] & 2)
    for opnum in (31, 32, 34):
        judge(SRVSVC, opnum, order, wide, data[1:])
    atsvc.job_command(0, order, wide, data[1:])
    ntlmssp.account(data[1:])
    algorithms.PACKETS.decode("tcp" if data[0] & 4 else "udp", data[1:])


def datagrams(data: bytes) -> None:
    """Claims of any datagram, and flows of a row of packets of any content."""
    exports = Exports()
    for number, (_, piece) in enumerate(_talk(data)):
        with suppress(WireError):
            dhcp.decode(piece)
        for kind in (1, 2, 3, 4):
            with suppress(WireError):
                name_claims.claims(kind, 0xFFFF << 32 | 1, piece)
        for version in (5, 9, 10):
            exports.feed(Ends(1, 1, 2, 2055), bytes([0, version]) + piece, Stamp(0, 0, number))
            if exports.held > MOST_HELD:
                raise AssertionError("more waits than may")
    exports.finish()


TARGETS = {"conversation": conversation, "calls": calls, "datagrams": datagrams}


def main() -> None:
    """Fuzz the target named first on the command line; the rest is libFuzzer's."""
    if len(sys.argv) < 2 or sys.argv[1] not in TARGETS:
        raise SystemExit(f"name one of: {', '.join(TARGETS)}")
    target = TARGETS[sys.argv.pop(1)]
    atheris.Setup(sys.argv, target)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
