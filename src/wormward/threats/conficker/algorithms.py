"""The worm's own generators, built with the constants of the `pack.toml` beside this file, where alone they stand.

For the lab and for tests. The program itself builds them through `packs/`, which checks the whole pack.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from wormward.threats.conficker.domains import DomainParameters, Domains
from wormward.threats.conficker.packets import Packets
from wormward.threats.conficker.ports import PortParameters, Ports

ALGORITHMS: Mapping[str, Callable[..., Any]] = {
    "domains": lambda **parameters: Domains(DomainParameters(**parameters)),
    "ports": lambda **parameters: Ports(PortParameters(**parameters)),
    "packets": Packets,
}
"""By name, with the parameters of a pack's table: `ALGORITHMS["domains"](con1=..., ...)`, also for a made-up worm."""


@cache
def _pack() -> dict[str, Any]:
    return tomllib.loads(files(__package__).joinpath("pack.toml").read_text(encoding="utf-8"))


def _parameters(table: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in table.items() if key != "algorithm"}


def domains(letter: str, threads: int = 1) -> Domains:
    """The generator of variant `A`, `B` or `C`. Raises KeyError for a variant without one."""
    for variant in _pack()["variants"]:
        if variant["letter"] == letter and "domains" in variant:
            return Domains(DomainParameters(**_parameters(variant["domains"])), threads)
    raise KeyError(letter)


PORTS = Ports(PortParameters(**_parameters(_pack()["peer_to_peer"]["ports"])))
"""Ports of C's peer-to-peer part, and of later builds'."""
PACKETS = Packets()
"""Packets of the same."""
