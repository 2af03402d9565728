"""A site is a value: what the software cannot see and a person can say."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

# Without ranges of its own, a site is the addresses that nobody else can own.
PRIVATE = tuple(
    ip_network(n)
    for n in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "fc00::/7", "fe80::/10")
)


@dataclass(frozen=True, slots=True)
class Site:
    """Name, ranges and known servers of a site; everything works without it.

    `domain_controllers`, `resolvers`, `scanners` and `proxies` are addresses as text; `time_zone` is an IANA name that
    log stamps without a zone are read in (None: UTC is assumed, and coverage says so). `year` is that of the first
    line of logs whose stamps have none (None: such logs are not read, and coverage says so).
    """

    name: str = "site"
    ranges: tuple[IPv4Network | IPv6Network, ...] = ()
    domain_controllers: frozenset[str] = frozenset()
    resolvers: frozenset[str] = frozenset()
    scanners: frozenset[str] = frozenset()
    proxies: frozenset[str] = frozenset()
    time_zone: str | None = None
    year: int | None = None

    def holds(self, address: str) -> bool:
        """True if `address` belongs to the site (its ranges, or private ranges where it has none)."""
        try:
            ip = ip_address(address)
        except ValueError:
            return False
        return any(ip.version == net.version and ip in net for net in self.ranges or PRIVATE)
