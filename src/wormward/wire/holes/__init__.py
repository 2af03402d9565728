"""Holes, one file each: a pure predicate over a decoded call. Registering one is one visible line in `HOLES`."""

from __future__ import annotations

from wormward.model.text import escaped_path
from wormward.wire import atsvc
from wormward.wire.holes import ms08_067
from wormward.wire.holes.base import NONE, WRITES_BEFORE, Effect, Hole

__all__ = ["HOLES", "Effect", "Hole", "judge"]

HOLES: tuple[Hole, ...] = (
    ms08_067.HOLE,
)  # fmt: skip


def judge(interface: str | None, opnum: int, byte_order: str, ndr64: bool, stub: bytes) -> Effect:
    """What a call would do, by the hole that concerns it; effect `none` where no hole does.

    `interface` None (the bind was not seen): a call counts only if, read as one of a hole's calls, it is whole in all
    its counts and writes before a buffer: nothing else in the world has that shape. Remote jobs carry their `command`.
    Never raises.
    """
    for hole in HOLES:
        if opnum in hole.opnums and interface in (hole.interface, None):
            effect = hole.judge(opnum, byte_order, ndr64, stub)
            if interface is not None or (effect.effect == WRITES_BEFORE and not effect.broken):
                return effect
    command = atsvc.job_command(opnum, byte_order, ndr64, stub) if interface == atsvc.INTERFACE else None
    return Effect(None, NONE, command=None if command is None else escaped_path(command))
