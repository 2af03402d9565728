"""Leases that ISC's dhcpd granted.

Reference: `server/dhcp.c` of ISC DHCP 4.4, whose "DHCPACK on ... to ... via ..." these are; checked against a running
server. Offers and requests bind nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from wormward.evidence.lines import Clock, Fact
from wormward.evidence.messages.base import Message, MessageKind, address_of
from wormward.evidence.messages.cards import lease
from wormward.model.site import Site

_MAC = r"((?:[0-9a-fA-F]{1,2}:){5}[0-9a-fA-F]{1,2})"
_ACK = re.compile(rf"DHCPACK on (\S+) to {_MAC}(?: \((.*)\))? via ")
_INFORM = re.compile(rf"DHCPACK to (\S+) \({_MAC}\) via ")  # the client had the address already
_OTHERS = ("DHCPDISCOVER ", "DHCPOFFER ", "DHCPREQUEST ", "DHCPNAK ", "DHCPRELEASE ", "DHCPDECLINE ", "DHCPINFORM ", "DHCPACK ")


class _Parser:
    def __init__(self, _site: Site, _clock: Clock) -> None:
        pass

    def message(self, message: Message) -> Sequence[Fact] | None:
        text = message.text
        if not text.startswith(_OTHERS):
            return None
        if found := _ACK.match(text):
            return lease(message.time(), address_of(found[1]), _padded(found[2]), found[3])
        if found := _INFORM.match(text):
            return lease(message.time(), address_of(found[1]), _padded(found[2]), None)
        return ()

    def end(self) -> Iterable[Fact]:
        return ()


def _padded(mac: str) -> str:
    """A MAC with two digits a byte."""
    return ":".join(byte.zfill(2) for byte in mac.split(":"))


KIND = MessageKind("ISC dhcpd", ("dhcpd",), (), _Parser)
