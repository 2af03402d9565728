"""One datagram and perhaps its answer; and the small UDP services of every network."""

from __future__ import annotations

from typing import NamedTuple

from lab.network import Machine
from lab.protocols import dhcp, other
from lab.stage import SECOND, Stage
from lab.udp import Udp


class Said(NamedTuple):
    """When the exchange was over, and its columns in Zeek's logs."""

    end_us: int
    names: dict[str, object]


def exchange(
    stage: Stage,
    time_us: int,
    client: Machine,
    server: Machine,
    ports: tuple[int, int],
    ask: bytes,
    answer: bytes | None,
    think_us: int = 300,
    service: str | None = None,
) -> Said:
    """`ask` goes out at `time_us`; `answer` comes back, if there is one."""
    talk = Udp(stage, client, server, ports, service)
    talk.send(time_us, 0, ask)
    if answer is not None:
        talk.send(time_us + talk.answer_us(1) + think_us, 1, answer)
    return Said(talk.book(), talk.names)


def renew_lease(stage: Stage, time_us: int, client: Machine, server: Machine, router: str, domain: str) -> int:
    """A client that knows its lease asks to keep it."""
    ident = stage.rng("dhcp", client.address, time_us).getrandbits(32)
    ask = dhcp.renew(ident, client.address, client.mac, client.name, domain)
    grant = dhcp.grant(ident, client.address, client.mac, server.address, router, domain)
    said = exchange(stage, time_us, client, server, (68, 67), ask, grant, 700, "dhcp")
    stage.row(
        said.end_us + 10 * SECOND,
        "dhcp",
        {
            "ts": time_us, "uids": [said.names["uid"]], "client_addr": client.address, "server_addr": server.address,
            "mac": client.mac.hex(":"), "host_name": client.name, "client_fqdn": f"{client.name}.{domain}", "domain": domain,
            "assigned_addr": client.address, "lease_time": dhcp.LEASE_S, "msg_types": ["REQUEST", "ACK"],
            "duration": (said.end_us - time_us) / SECOND,
        },
    )  # fmt: skip
    return said.end_us


def ask_time(stage: Stage, time_us: int, client: Machine, server: Machine) -> int:
    """A client sets its clock by NTP."""
    rng = stage.rng("ntp", client.address, time_us)
    ask, answer = other.ntp(rng, reply=False), other.ntp(rng, reply=True)
    return exchange(stage, time_us, client, server, (123, 123), ask, answer, 200, "ntp").end_us


def poll(stage: Stage, time_us: int, manager: Machine, device: Machine) -> int:
    """A manager asks a printer or switch by SNMP how long it has been up."""
    ident = stage.rng("snmp", device.address, time_us).getrandbits(31)
    value = (time_us // 10_000 & 0x7FFFFFFF).to_bytes(4, "big")
    ask, answer = other.snmp_get(ident), other.snmp_get(ident, value)
    return exchange(stage, time_us, manager, device, (manager.port(), 161), ask, answer, 2500, "snmp").end_us
