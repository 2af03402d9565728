"""What the lab's tests share: tshark as the foreign eye, and the rows of a Zeek log."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from lab.worm import Play, load_play
from tests.need import need_program

REPO = Path(__file__).resolve().parent.parent
CONFICKER = REPO / "src" / "wormward" / "threats" / "conficker"
WRONG = (
    "_ws.malformed || _ws.expert.severity == error || "
    "tcp.checksum.status == 0 || udp.checksum.status == 0 || ip.checksum.status == 0"
)
"""What tshark must not see. Random bytes look like RTCP to it now and then: that dissector stays off."""


def tshark(capture: Path, fields: Sequence[str], wanted: str = "") -> list[list[str]]:
    """Chosen fields of the frames that a display filter wants, one list a frame; several values are joined by `|`."""
    program = need_program("tshark")
    command = [program, "-r", str(capture), "-T", "fields", "-E", "aggregator=|", "--disable-protocol", "rtcp"]
    command += ["-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE"]
    command += [word for field in fields for word in ("-e", field)]
    command += ["-Y", wanted] if wanted else []
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=300)
    return [line.split("\t") for line in done.stdout.splitlines()]


def zeek(log: Path) -> list[dict[str, str]]:
    """The rows of a Zeek log in TSV."""
    columns: list[str] = []
    rows = []
    for line in log.read_text().splitlines():
        if line.startswith("#fields"):
            columns = line.split("\t")[1:]
        elif not line.startswith("#"):
            rows.append(dict(zip(columns, line.split("\t"), strict=True)))
    return rows


def conficker() -> Play:
    """The worm of the committed example."""
    return load_play(CONFICKER)


def published_ports(address: str, blacklist: frozenset[int]) -> tuple[int, int]:
    """The TCP and UDP port that follow from an address alone, reckoned from facts 3.1: not the program's own code."""
    first, second, third, fourth = map(int, address.split("."))
    value = ~(first | second << 8 | third << 16 | fourth << 24) & 0xFFFFFFFF
    ports = [0, 0]
    while True:
        for i in range(10):
            product = value * 0x015A4E35 + 1
            value = product & 0xFFFFFFFF
            ports[i % 2] ^= product >> 32 + i & 0xFFFF
        if not blacklist & set(ports) and ports[0] != ports[1]:
            return ports[0], ports[1]


def port_blacklist(table: Path) -> frozenset[int]:
    """The ports that the rule never gives, from facts' table: bit b of word w stands for 32 ports."""
    listed = set()
    for line in table.read_text().splitlines():
        if line and not line.startswith("#"):
            word, bits = line.split("\t")[:2]
            listed |= {p for p in range(int(word) << 10, (int(word) + 1) << 10) if int(bits, 16) >> (p >> 5 & 31) & 1}
    return frozenset(listed)
