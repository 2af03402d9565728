"""Ports that an infected host opens for its peers: two that follow from its address, two more from the week as well.

Source: nmap, scripts/p2p-conficker.nse, and its published outputs (facts 3.1). Whoever knows a host's address knows
the ports it would open; no clock is needed for the first pair.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from numba import njit

WORDS = 64
"""The blacklist is 64 words of 32 bits; each bit stands for 32 neighbouring ports."""
MOST_ROUNDS = 10_000
"""The worm tries until both ports are allowed, which takes two rounds or so; a made-up rule might never end."""
LEAST_USABLE = 1024
_LOW32 = np.uint64(0xFFFFFFFF)


@dataclass(frozen=True, slots=True)
class PortParameters:
    """What makes the port rule; the names are those of pack.toml. Raises ValueError for what cannot run."""

    multiplier: int
    blacklist: tuple[int, ...]
    epoch_offset_s: int
    week_s: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "blacklist", tuple(self.blacklist))
        if not 0 < self.multiplier < 1 << 32:
            raise ValueError("multiplier must be a 32-bit number above 0")
        if len(self.blacklist) != WORDS or not all(0 <= word < 1 << 32 for word in self.blacklist):
            raise ValueError(f"blacklist must be {WORDS} numbers of 32 bits")
        if (1 << 16) - 32 * sum(word.bit_count() for word in self.blacklist) < LEAST_USABLE:
            raise ValueError(f"blacklist must leave at least {LEAST_USABLE} ports")
        if self.week_s < 1 or abs(self.epoch_offset_s) >= 1 << 40:
            raise ValueError("week_s must be at least 1, and epoch_offset_s a number of seconds")


@njit(cache=True, nogil=True)
def _pair(state, multiplier, words):  # type: ignore[no-untyped-def]
    """Two ports and the state after them; 0, 0 where no round gives allowed ones."""
    first = second = np.uint64(0)
    for _ in range(MOST_ROUNDS):
        for i in range(0, 10, 2):
            product = state * multiplier + np.uint64(1)
            state = product & _LOW32
            first ^= (product >> np.uint64(32 + i)) & np.uint64(0xFFFF)
            product = state * multiplier + np.uint64(1)
            state = product & _LOW32
            second ^= (product >> np.uint64(33 + i)) & np.uint64(0xFFFF)
        if first != second and not _listed(first, words) and not _listed(second, words):
            return first, second, state
    return np.uint64(0), np.uint64(0), state


@njit(cache=True, nogil=True)
def _listed(port, words):  # type: ignore[no-untyped-def]
    return (words[port >> np.uint64(10)] >> ((port >> np.uint64(5)) & np.uint64(31))) & np.uint64(1)


@njit(cache=True, nogil=True)
def _ports(address, week, multiplier, words, out):  # type: ignore[no-untyped-def]
    for i in range(address.size):
        state = ~np.uint64(address[i]) & _LOW32
        out[i, 0], out[i, 1], state = _pair(state, multiplier, words)
        out[i, 2], out[i, 3], _ = _pair(state ^ (np.uint64(week[i]) & _LOW32), multiplier, words)


@dataclass(frozen=True)
class Ports:
    """A `model.pack.PortAlgorithm`."""

    parameters: PortParameters
    _words: npt.NDArray[np.uint64] = field(init=False, repr=False, compare=False)
    _usable: npt.NDArray[np.bool_] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        words = np.array(self.parameters.blacklist, np.uint64)
        port = np.arange(1 << 16)
        listed = words[port >> 10] >> ((port >> 5) & 31).astype(np.uint64) & np.uint64(1)
        object.__setattr__(self, "_words", words)
        object.__setattr__(self, "_usable", listed == 0)

    @property
    def usable_ports(self) -> int:
        """How many ports the rule can give at all: the denominator of chance."""
        return int(self._usable.sum())

    def week(self, time_us: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
        """Week number of times in microseconds since 1970 UTC."""
        seconds = np.asarray(time_us, np.int64) // 1_000_000
        return ((seconds - self.parameters.epoch_offset_s) // self.parameters.week_s).astype(np.int32)

    def ports(self, address: npt.NDArray[np.uint32], week: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
        """Shape (n, 4): TCP of the address, UDP of the address, TCP of the week, UDP of the week; 0 where none.

        `address` is the IPv4 address as a big-endian number (`int(ipaddress.IPv4Address(...))`).
        """
        little_endian = np.asarray(address, np.uint32).byteswap()  # the worm reads the first octet as the lowest
        out = np.empty((len(little_endian), 4), np.int32)
        _ports(little_endian, np.asarray(week, np.int32), np.uint64(self.parameters.multiplier), self._words, out)
        return out

    def usable(self, port: npt.NDArray[np.int32]) -> npt.NDArray[np.bool_]:
        """True where the rule can give this port."""
        number = np.asarray(port)
        return self._usable[np.clip(number, 0, 65535)] & (number >= 0) & (number <= 65535)
