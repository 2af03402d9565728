"""A bound on what one connection may keep of unfinished things, so that hostile bytes cannot fill the memory."""

from __future__ import annotations

from typing import Protocol

MOST_HELD = 8 << 20
"""Bytes of unfinished and unanswered calls, cut PDUs and transactions that one connection may keep: eight calls of the
greatest length (`dcerpc.MOST_STUB`), thousands of ordinary ones."""


class Holder(Protocol):
    """Something unfinished that holds bytes."""

    def let_go(self) -> None:
        """Give the bytes up; must end with `Budget.hold(self, 0)`."""
        ...


class Budget:
    """Who holds how much. When it is too much, the oldest let go, the newest last."""

    __slots__ = ("_holders", "held")

    def __init__(self) -> None:
        self._holders: dict[Holder, int] = {}
        self.held = 0  # bytes, all together

    def hold(self, holder: Holder, size: int) -> None:
        """`holder` holds `size` bytes from now on; 0 ends it."""
        holders = self._holders
        if size:
            self.held += size - holders.get(holder, 0)
            holders[holder] = size
        else:
            self.held -= holders.pop(holder, 0)
        while self.held > MOST_HELD:
            oldest = next(iter(holders))
            if oldest is holder and len(holders) == 1:
                break
            if oldest is holder:  # it is the one that grows: the next oldest goes first
                size = holders.pop(holder)
                holders[holder] = size
                continue
            oldest.let_go()
