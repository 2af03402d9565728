"""The Server service's path and name calls, MS-SRVS 3.1.4.30 to 3.1.4.35: their arguments out of a request stub.

Limitations: only what stands before the answer-only arguments is decoded; a stub that ends too early gives the
arguments that it still has, with `broken` set.
"""

from __future__ import annotations

from dataclasses import dataclass

from wormward.model.errors import WireError
from wormward.wire.ndr import Ndr

INTERFACE = "4b324fc8-1670-01d3-1278-5a47bf6ee188"
"""Interface UUID of srvsvc, version 3.0 (facts 4.1; MS-SRVS 1.9)."""

PIPES = frozenset({"srvsvc", "browser", "wkssvc", "ntsvcs"})
"""Pipes that lead to it on old systems: one process serves them all (facts 4 and 5.3)."""

PATH_TYPE = 30
PATH_CANONICALIZE = 31
PATH_COMPARE = 32
NAME_VALIDATE = 33
NAME_CANONICALIZE = 34
OPNUMS = frozenset({PATH_TYPE, PATH_CANONICALIZE, PATH_COMPARE, NAME_VALIDATE, NAME_CANONICALIZE})


@dataclass(slots=True)
class PathCall:
    """Decoded arguments; None where the call has no such argument or the stub ends before it."""

    opnum: int
    server: str | None = None
    texts: tuple[str, ...] = ()  # the paths or names, in argument order
    prefix: str | None = None
    out_size: int | None = None  # OutbufLen, bytes
    kind: int | None = None  # PathType or NameType
    flags: int | None = None
    broken: bool = False  # a count lies, or the stub ends before the last argument


def decode(opnum: int, byte_order: str, ndr64: bool, stub: bytes) -> PathCall:
    """The arguments of one call of `OPNUMS`; `byte_order` is "little" or "big". Never raises for hostile stubs.

    Raises WireError if `opnum` is none of `OPNUMS`.
    """
    if opnum not in OPNUMS:
        raise WireError(f"operation {opnum} of srvsvc takes no path")
    call = PathCall(opnum)
    ndr = Ndr(stub, little=byte_order != "big", ndr64=ndr64)
    try:
        _arguments(call, ndr)
    except WireError:
        call.broken = True
    call.broken = call.broken or ndr.lied
    return call


def _arguments(call: PathCall, ndr: Ndr) -> None:
    call.server = ndr.unique_wide_string()
    call.texts = (ndr.wide_string(),)
    if call.opnum == PATH_COMPARE:
        call.texts = (*call.texts, ndr.wide_string())
    if call.opnum in (PATH_CANONICALIZE, NAME_CANONICALIZE):
        call.out_size = ndr.u32()
    if call.opnum == PATH_CANONICALIZE:
        call.prefix = ndr.wide_string()
    if call.opnum != PATH_TYPE:
        call.kind = ndr.u32()
    call.flags = ndr.u32()
