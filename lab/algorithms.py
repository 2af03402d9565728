"""The named algorithms that a pack refers to: name generators and port rules, each proved against outside lists.

The lab takes them from `wormward.threats` so that a played worm asks for the names of its own lists; that the lists are
right is shown elsewhere, on lists that others published.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wormward.model.pack import DomainAlgorithm, PortAlgorithm
from wormward.threats.conficker.domains import DomainParameters, Domains
from wormward.threats.conficker.ports import PortParameters, Ports


def _parameters(table: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in table.items() if key != "algorithm"}


def domains(table: Mapping[str, Any]) -> DomainAlgorithm:
    """The name generator that a pack's table names and gives parameters to. Raises KeyError for an unknown one."""
    makers = {"conficker.domains": lambda: Domains(DomainParameters(**_parameters(table)))}
    return makers[str(table["algorithm"])]()


def ports(table: Mapping[str, Any]) -> PortAlgorithm:
    """The port rule that a pack's table names and gives parameters to. Raises KeyError for an unknown one."""
    makers = {"conficker.ports": lambda: Ports(PortParameters(**_parameters(table)))}
    return makers[str(table["algorithm"])]()
