"""A site is a value: what the software cannot see and a person can say."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from wormward.model.inventory import Inventory

# Without ranges of its own, a site is the addresses that nobody else can own.
PRIVATE = tuple(
    ip_network(n)
    for n in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "fc00::/7", "fe80::/10")
)


@dataclass(frozen=True, slots=True)
class SourceRule:
    """What a person says of some of the files: those of a `kind` of reader whose name fits the pattern `files`.

    None in either fits all. `site` is whose hosts they show; `time_zone` and `year` are as in `Site`, for these files;
    `clock_error_s` is by how many seconds their clock was fast (negative: slow). None: this rule does not say.
    """

    files: str | None = None
    kind: str | None = None
    site: str | None = None
    time_zone: str | None = None
    year: int | None = None
    clock_error_s: int | None = None

    def fits(self, name: str, kind: str) -> bool:
        """True if it speaks of the file of this name: whole, or its last part where the pattern has no slash."""
        if self.kind is not None and self.kind != kind:
            return False
        last = name.rpartition("/")[2]
        return self.files is None or fnmatchcase(name, self.files) or ("/" not in self.files and fnmatchcase(last, self.files))


@dataclass(frozen=True, slots=True)
class Site:
    """Name, ranges and known servers of a site; everything works without it.

    `domain_controllers`, `resolvers`, `scanners` and `proxies` are addresses as text; `time_zone` is an IANA name that
    log stamps without a zone are read in (None: UTC is assumed, and coverage says so). `year` is that of the first
    line of logs whose stamps have none (None: such logs are not read, and coverage says so). `sources` say of some of the
    files otherwise. `nat` are addresses behind which many hosts stand.
    """

    name: str = "site"
    ranges: tuple[IPv4Network | IPv6Network, ...] = ()
    domain_controllers: frozenset[str] = frozenset()
    resolvers: frozenset[str] = frozenset()
    scanners: frozenset[str] = frozenset()
    proxies: frozenset[str] = frozenset()
    nat: frozenset[str] = frozenset()
    time_zone: str | None = None
    year: int | None = None
    sources: tuple[SourceRule, ...] = ()
    inventory: Inventory | None = None

    def holds(self, address: str) -> bool:
        """True if `address` belongs to the site (its ranges, or private ranges where it has none)."""
        try:
            ip = ip_address(address)
        except ValueError:
            return False
        return any(ip.version == net.version and ip in net for net in self.ranges or PRIVATE)

    def source(self, name: str, kind: str) -> SourceRule:
        """What holds for one file: each from the first rule that fits and says it, zone and year else from the site."""
        fitting = [rule for rule in self.sources if rule.fits(name, kind)]
        return SourceRule(
            files=name,
            kind=kind,
            site=next((r.site for r in fitting if r.site is not None), None),
            time_zone=next((r.time_zone for r in fitting if r.time_zone is not None), self.time_zone),
            year=next((r.year for r in fitting if r.year is not None), self.year),
            clock_error_s=next((r.clock_error_s for r in fitting if r.clock_error_s is not None), None),
        )
