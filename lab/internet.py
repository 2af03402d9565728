"""The world outside: names with addresses, machines behind the gateway.

Addresses are those kept for documentation (RFC 5737) wherever the story does not need others.
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable
from collections.abc import Set as AbstractSet

from lab.network import Machine
from lab.protocols.dns import Answer, Record

_NETS = ("192.0.2", "198.51.100", "203.0.113")

SITES = (
    "www.google.com", "www.wikipedia.org", "www.microsoft.com", "www.msn.com", "www.yahoo.com", "www.bbc.co.uk",
    "www.rki.de", "www.heise.de", "de.wikipedia.org", "www.who.int", "www.cnn.com", "www.bing.com", "www.spiegel.de",
    "news.tagblatt.example", "www.klinikportal.example", "shop.praxisbedarf.example", "www.wetter.example",
    "intern.verband.example", "www.fahrplan.example", "forum.radiologie.example",
)  # fmt: skip
"""Pages that people open."""

PARTS = (
    "ajax.googleapis.com", "fonts.gstatic.com", "d3kq7hpl2xwv9t.cloudfront.net", "e8218.dscb.akamaiedge.net",
    "cdn.jsdelivr.net", "static.xx.fbcdn.net", "pagead2.googlesyndication.com", "img.wetter.example",
)  # fmt: skip
"""Where their pictures and scripts lie; some names look as if nobody had made them up."""

SECURE = ("mail.google.com", "login.live.com", "portal.kvsafe.example", "update.virusguard.example", "www.paypal.com")
"""Sites that are reached by TLS."""

MAIL_DOMAINS = (
    "praxis-meyer.example", "labor-nord.example", "kasse.example", "lieferant.example", "gmx.net", "web.de",
    "t-online.de", "gmail.com", "outlook.com", "uni-klinik.example", "versand.example", "apotheke-am-markt.example",
)  # fmt: skip


class Internet:
    """Names and machines outside. `special` knows what a worm's names resolve to; nobody else lives at `avoid`."""

    def __init__(self, gateway_mac: bytes, avoid: AbstractSet[str] = frozenset()) -> None:
        self._mac = gateway_mac
        self._avoid = avoid
        self._machines: dict[str, Machine] = {}
        self._known: dict[str, str] = {}
        self.special: list[Callable[[str], str | None]] = []
        for name in (*SITES, *PARTS, *SECURE):
            self.know(name)

    def know(self, name: str, address: str | None = None) -> None:
        """From now on `name` has an address."""
        self._known[name] = address or self.address_of(name)

    def address_of(self, name: str) -> str:
        """The documentation address that stands for a name of the world."""
        number = zlib.crc32(name.encode())
        while True:
            address = f"{_NETS[number % 3]}.{1 + number // 3 % 254}"
            if address not in self._avoid:
                return address
            number += 1

    def machine(self, address: str) -> Machine:
        """The machine at an address outside."""
        found = self._machines.get(address)
        if found is None:
            spread = zlib.crc32(address.encode())
            found = Machine(address, self._mac, "", 44 + spread % 14, 12_000 + spread // 7 % 90_000, 1025, 65_000)
            self._machines[address] = found
        return found

    def world(self, name: str, kind: str) -> Answer:
        """What the world's name servers say."""
        if kind == "MX" and name in MAIL_DOMAINS:
            return Answer(records=tuple(Record(name, "MX", f"{10 * i} mx{i}.{name}") for i in (1, 2)))
        if name.startswith("mx") and name.partition(".")[2] in MAIL_DOMAINS:
            return Answer(records=(Record(name, "A", self.address_of(name)),)) if kind == "A" else Answer()
        address = self._known.get(name)
        for ask in self.special:
            address = address or ask(name)
        if address is None:
            return Answer("NXDOMAIN")
        return Answer(records=(Record(name, "A", address),)) if kind == "A" else Answer()


def public_address(rng: random.Random) -> str:
    """An address somewhere in the world: unicast, not private, not set aside."""
    while True:
        first, second = rng.randrange(1, 224), rng.randrange(256)
        if first not in (10, 100, 127, 169, 172, 192, 198, 203):
            return f"{first}.{second}.{rng.randrange(256)}.{rng.randrange(1, 255)}"
