"""Makes the captures among the cases of `sources/`: what routers export, what hosts call themselves. Inert, by hand.

.venv/bin/python -m tests.sources_make
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

from tests import test_wire_exports as exports
from tests import test_wire_names as names
from tests.capture_help import in_turn, ipv4, pcap, udp

SOURCES = Path(__file__).parent / "sources"


def netflow() -> bytes:
    """Each version once: records of one and of both directions, a template behind its data, options, one without template."""
    out, back = ("10.1.1.1", "10.2.2.2", 40_000, 445, 6, 2), ("10.2.2.2", "10.1.1.1", 445, 40_000, 6, 20)
    nine = ((8, 4), (12, 4), (7, 2), (11, 2), (4, 1), (6, 1), (2, 4), (22, 4), (21, 4))
    data = exports.plain("10.1.1.3")[:18] + struct.pack(">II", 940_000, 950_000)
    both = (*exports.PLAIN, (2, 4, 29_305), (6, 1, 29_305))
    ways = exports.plain("10.1.1.4") + struct.pack(">IB", 2, 18)
    return exports.frames(
        [
            exports.netflow5([out, back], sampling=1 << 14 | 100),
            exports.netflow9(exports.a_set(300, data)),
            exports.netflow9(exports.a_set(0, exports.template9(300, *nine))),
            exports.ipfix(exports.a_set(2, exports.template(301, *both)), exports.a_set(301, ways), exports.a_set(999, b"lost")),
        ]
    )


def host_names() -> bytes:
    """A registration, a status answer with its card, a signed datagram, LLMNR, and an address that answers for everything."""
    host = names.from_host
    packets = [
        host(names.registration(), 137),
        ipv4(udp(names.status((b"PC8", 0, names.ACTIVE)), 137, 137), 17, "10.1.1.8", names.HOST),
        host(names.signed(b"PC9", address="10.1.1.9"), 138, "10.1.1.9"),
        ipv4(udp(names.dns_answer(b"PC10", "10.1.1.10"), 5355, 50_000), 17, "10.1.1.10", names.HOST),
        *(host(names.dns_answer(b"srv%d" % i, "10.1.1.66"), 5355, "10.1.1.66") for i in range(6)),
    ]
    return pcap(in_turn(packets))


CAPTURES: dict[str, Callable[[], bytes]] = {
    "capture/netflow/input/netflow.pcap": netflow,
    "capture/names/input/names.pcap": host_names,
}


if __name__ == "__main__":
    for name, make in CAPTURES.items():
        (SOURCES / name).parent.mkdir(parents=True, exist_ok=True)
        (SOURCES / name).write_bytes(make())
