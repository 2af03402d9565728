"""The story as a name server logs it: BIND's querylog, and a plain CSV with answers.

BIND 9's line: `02-Mar-2026 08:00:01.123 queries: info: client @0x7f... 10.20.1.5#1234 (name): query: name IN A + (10.20.0.10)`,
here with `print-time`, `print-category` and `print-severity` on and the server's clock in UTC.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path


def _moment(time_us: int) -> datetime:
    return datetime.fromtimestamp(time_us // 1_000_000, UTC)


def bind_line(time_us: int, values: Mapping[str, object]) -> str:
    """One querylog line for a `lookup` row."""
    stamp = f"{_moment(time_us):%d-%b-%Y %H:%M:%S}.{time_us // 1000 % 1000:03d}"
    client, port, name = values["client"], values["port"], values["name"]
    handle = 0x7F0C_4C00_0000 + int(str(port)) * 0x138
    return (
        f"{stamp} queries: info: client @0x{handle:x} {client}#{port} ({name}): "
        f"query: {name} IN {values['qtype']} + ({values['server']})"
    )


def csv_line(time_us: int, values: Mapping[str, object]) -> str:
    """One line of `time,client,name,answer`; several answers are joined by a blank, none is empty."""
    answers = values["answers"]
    joined = " ".join(map(str, answers)) if isinstance(answers, list | tuple) else ""
    stamp = f"{_moment(time_us):%Y-%m-%dT%H:%M:%S}.{time_us % 1_000_000:06d}Z"
    return f"{stamp},{values['client']},{values['name']},{joined}"


class DnsLogs:
    """A sink that writes `queries.log` (BIND) and `queries.csv` of the site's name server into `folder`."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._bind: io.TextIOWrapper = (folder / "queries.log").open("w", encoding="ascii", newline="\n")
        self._csv: io.TextIOWrapper = (folder / "queries.csv").open("w", encoding="ascii", newline="\n")
        self._csv.write("time,client,name,answer\n")

    keeps_packets = False

    def packet(self, time_us: int, frame: bytearray) -> None:
        """Logs keep no packets."""

    def row(self, time_us: int, log: str, values: Mapping[str, object]) -> None:
        """Append a lookup; other rows are not ours."""
        if log != "lookup":
            return
        self._bind.write(bind_line(time_us, values) + "\n")
        self._csv.write(csv_line(time_us, values) + "\n")

    def close(self) -> None:
        """Finish both files."""
        self._bind.close()
        self._csv.close()
