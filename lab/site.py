"""A site: its hosts, their roles, its domain, its name server, and the Internet behind its gateway (or none)."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from lab.internet import Internet
from lab.network import Machine
from lab.protocols.dns import Answer, Record
from lab.protocols.ntlm import Account
from lab.scenes.lookup import NameServer, Reply
from lab.scenes.smb import Domain, Smb
from lab.scenes.web import PROXY_PORT, Exchange, relayed, talk, to_proxy
from lab.stage import Stage

DOMAIN = Domain("PRAXIS", "praxis.example")
NETWORK = "10.20.0.0/16"
GATEWAY, CONTROLLER, PROXY = "10.20.0.1", "10.20.0.10", "10.20.0.15"
PER_SUBNET = 250

_USERS = (
    "anna", "bernd", "carla", "dieter", "eva", "frank", "gerda", "hans", "ines", "jan", "karin", "lutz", "maria",
    "nils", "olga", "paul", "rita", "sven", "tanja", "uwe", "vera", "wolf", "yusuf", "zoe",
)  # fmt: skip


@dataclass(slots=True)
class Host(Machine):
    """A machine of the site. `system` is `xp`, `seven`, `server` or `box` (no Windows).

    `patched`: the hole is closed; `weak`: a password of it can be guessed. Both matter only to a worm.
    """

    role: str = "client"
    system: str = "xp"
    user: str = ""
    patched: bool = True
    weak: bool = False

    @property
    def windows(self) -> bool:
        """Whether it answers on 445."""
        return self.system != "box"

    def account(self) -> Account:
        """Its user's account."""
        return Account(self.user, DOMAIN.short, self.name.upper())


_FIXED = (
    (CONTROLLER, "dc1", "controller", "server"),
    ("10.20.0.11", "fs1", "files", "server"),
    ("10.20.0.12", "mail1", "mail", "server"),
    ("10.20.0.13", "web1", "web", "server"),
    ("10.20.0.14", "scan1", "scanner", "box"),
    ("10.20.0.20", "adm1", "admin", "seven"),
)
LEAST_HOSTS = len(_FIXED) + 4


def _mac(number: int) -> bytes:
    return b"\x02\x57" + number.to_bytes(4, "big")  # locally administered


def _make(address: str, name: str, role: str, system: str, user: str = "") -> Host:
    late = system in ("seven", "server", "box")
    host = Host(
        address, b"", name, 64 if system == "box" else 128, 300, 49152 if late else 1025, 65_000 if late else 5000,
        role=role, system=system, user=user,
    )  # fmt: skip
    host.mac = _mac(host.number)
    host.distance_us = 180 + host.number * 7 % 260
    return host


def _place(subnet: int, index: int) -> str:
    return f"10.20.{subnet + index // PER_SUBNET}.{1 + index % PER_SUBNET}"


def make_hosts(count: int) -> list[Host]:
    """`count` hosts: servers, an administrator, printers (1 in 20), devices with XP inside (1 in 8), clients."""
    hosts = [_make(*fixed, user="admin" if fixed[2] == "admin" else "") for fixed in _FIXED]
    rest = max(count, LEAST_HOSTS) - len(hosts)
    printers, devices = max(1, rest // 20), max(1, rest // 8)
    hosts += [_make(_place(200, i), f"prn{i + 1}", "printer", "box") for i in range(printers)]
    hosts += [_make(_place(220, i), f"dev{i + 1}", "device", "xp", "service") for i in range(devices)]
    for i in range(rest - printers - devices):
        user = _USERS[i % len(_USERS)] + (str(i // len(_USERS)) if i >= len(_USERS) else "")
        hosts.append(_make(_place(1, i), f"pc{i + 1}", "client", "xp" if i * 7 % 20 < 9 else "seven", user))
    return hosts


class Site:
    """Hosts by role, the name server, the world outside.

    `closed`: no Internet; `proxied`: the web only through a proxy; `avoid`: addresses where no ordinary site lives.
    """

    def __init__(
        self,
        stage: Stage,
        count: int,
        *,
        closed: bool = False,
        proxied: bool = False,
        avoid: AbstractSet[str] = frozenset(),
    ) -> None:
        self.stage = stage
        self.closed = closed
        self.domain = DOMAIN
        self.hosts = {h.address: h for h in make_hosts(count)}
        self.proxy = _make(PROXY, "proxy1", "proxy", "box") if proxied else None
        if self.proxy:
            self.hosts[self.proxy.address] = self.proxy
        self.gateway = _make(GATEWAY, "gw", "gateway", "box")
        self.internet = Internet(self.gateway.mac, avoid)
        self.controller = self.only("controller")
        upstream = None if closed else self.internet.machine("203.0.113.53")
        self.names = NameServer(stage, self.controller, self.internet.world, self._zone(), self.domain.dns, upstream)

    def by_role(self, *roles: str) -> list[Host]:
        """Hosts with one of these roles, in the order of their addresses' making."""
        return [h for h in self.hosts.values() if h.role in roles]

    def only(self, role: str) -> Host:
        """The host with that role."""
        return self.by_role(role)[0]

    def outside(self, address: str) -> Machine:
        """The machine at any address: one of the site's, or one behind the gateway."""
        return self.hosts.get(address) or self.internet.machine(address)

    def dialect(self, one: Host, other: Host) -> int:
        """Which SMB two hosts speak: 2 if neither is an XP."""
        return 1 if "xp" in (one.system, other.system) else 2

    def fetch(self, time_us: int, client: Host, address: str, exchanges: Sequence[Exchange], close_side: int = 0) -> int:
        """HTTP exchanges of `client` with whoever is at `address`; returns when the last response has passed."""
        server = self.outside(address)
        if self.proxy is None or isinstance(server, Host) or client is self.proxy:
            return talk(self.stage, time_us, client, server, 80, exchanges, close_side)
        passed_on = [relayed(each, client.address, self.proxy.name) for each in exchanges]
        talk(self.stage, time_us + 3000, self.proxy, server, 80, passed_on)
        return talk(self.stage, time_us, client, self.proxy, PROXY_PORT, [to_proxy(e) for e in exchanges], close_side)

    def find(self, time_us: int, client: Host, name: str) -> Reply:
        """A browser on `client` needs the address of `name`: it asks itself, or its proxy does."""
        asker = self.proxy if self.proxy is not None and not name.endswith(self.domain.dns) else client
        return self.names.ask(time_us, asker, name)

    def smb(self, time_us: int, client: Host, server: Host) -> Smb:
        """Windows' own client on one host connects to another."""
        return Smb(self.stage, time_us, client, server, self.domain, self.dialect(client, server))

    def _zone(self) -> dict[tuple[str, str], Answer]:
        zone: dict[tuple[str, str], Answer] = {}
        suffix = self.domain.dns
        for host in self.hosts.values():
            name = f"{host.name}.{suffix}"
            zone[(name, "A")] = Answer(records=(Record(name, "A", host.address, 1200),), authoritative=True)
            zone[(name, "AAAA")] = Answer(authoritative=True)
        dc = f"{self.controller.name}.{suffix}"
        for name in (f"_ldap._tcp.dc._msdcs.{suffix}", f"_ldap._tcp.{suffix}"):
            zone[(name, "SRV")] = Answer(
                records=(Record(name, "SRV", f"0 100 389 {dc}", 600),),
                additional=(Record(dc, "A", self.controller.address, 1200),),
                authoritative=True,
            )
        return zone
