"""Threats: one folder each, data (`pack.toml`, `indicators/`) and the algorithms that cannot be tabulated.

Only `packs/` imports this. A pack refers to an algorithm by its name here and gives the parameters, so that another
worm with the same kind of generator needs data only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from wormward.threats.conficker.domains import DomainParameters, Domains
from wormward.threats.conficker.packets import PacketParameters, Packets
from wormward.threats.conficker.ports import PortParameters, Ports


class Algorithm(NamedTuple):
    """A named algorithm: its kind (`domains`, `ports` or `packets`), its parameters' type, and how it is built.

    `parameters(**values)` raises ValueError for values that it cannot run on. `build(parameters, threads)` gives a
    value of the Protocol of that kind in `model.pack`; how many threads it may use never changes what it answers.
    """

    kind: str
    parameters: Callable[..., Any]
    build: Callable[[Any, int], Any]


ALGORITHMS: Mapping[str, Algorithm] = MappingProxyType(
    {
        "conficker.domains": Algorithm("domains", DomainParameters, Domains),
        "conficker.ports": Algorithm("ports", PortParameters, lambda parameters, _threads: Ports(parameters)),
        "conficker.packets": Algorithm("packets", PacketParameters, lambda _parameters, _threads: Packets()),
    }
)
"""The closed list: a pack cannot bring another."""
