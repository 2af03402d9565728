"""The log of the Windows firewall, `pfirewall.log` (`#Version: 1.5`), of Windows XP to Windows 11.

References: Microsoft, "Configure Windows Firewall logging" and its list of the log's fields; forms of lines as plaso's
and dissect's tests have them. Fields are read by the names of `#Fields`. Times are local unless `#Time Format` says
otherwise.

A line is one packet or one decision about a connection, so a flow of this log is an attempt: neither ALLOW nor OPEN
says that somebody answered. A dropped packet that answers another belongs to the flow of whom it answers: one with SYN
and ACK, or from a service's port (below 1024) to another. One from the middle of a connection (no SYN) is a flow whose
beginning was not seen. CLOSE ends a flow that is known.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from wormward.evidence.columns import Unknown
from wormward.evidence.files import EvidenceFile
from wormward.evidence.lines import Clock, Fact, first_lines, read_lines
from wormward.evidence.values import address
from wormward.evidence.web_fields import port
from wormward.model.reading import FileRead, ReadContext
from wormward.model.text import N_

KIND: Final = "windows-firewall"
BLIND: Final = (
    N_("A host's own firewall log shows only this host's connections."),
    N_("It shows what was allowed or dropped, as it is set to; whether somebody answered is not shown."),
    N_("Neither bytes nor numbers of packets of allowed connections are shown."),
)
_LOST: Final = N_("The firewall lost some events before it could write them.")
_NEEDED: Final = ("date", "time", "action", "protocol", "src-ip", "dst-ip")
_KNOWN: Final = frozenset(
    {
        *_NEEDED, "src-port", "dst-port", "size", "tcpflags", "tcpsyn", "tcpack", "tcpwin", "icmptype", "icmpcode", "info",
        "path", "pid",
    }
)  # fmt: skip
_VERSIONS: Final = ("1.0", "1.5")
_SEEN: Final = frozenset({"ALLOW", "OPEN", "OPEN-INBOUND"})
_PASSED_OVER: Final = frozenset({"CLOSE", "CLOSED"})
_REMEDY: Final = "look at these lines: a copy may be cut, or its #Fields lines, which name the columns, may be missing"
_SERVICES: Final = 1024  # ports below are those of services
_PORTED: Final = ("tcp", "udp")
_NUMBERS: Final = {"1": "icmp", "6": "tcp", "17": "udp", "58": "icmp", "icmpv6": "icmp", "igmp": "2", "gre": "47"}


def _names(text: str) -> dict[str, int] | None:
    """Where the fields that a `#Fields` line names stand; None if it is none of this log."""
    word, _, rest = text.partition(":")
    if word.strip().lower() != "#fields":
        return None
    names = {name: place for place, name in enumerate(rest.lower().split())}
    return names if all(name in names for name in _NEEDED) else None


def recognise(head: bytes, name: str) -> bool:  # noqa: ARG001 - names are not asked
    """True if a directive among the first lines names the fields of this log."""
    return any(_names(line) is not None for line in first_lines(head) if line.startswith("#"))


class _Packets:
    """The parser of one file (see `lines.Parser`)."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._names: dict[str, int] = {}
        self._offset: int | None = None
        self._lost = False
        self._unknown = Unknown(_KNOWN, _VERSIONS)

    def line(self, text: str, number: int) -> Iterable[Fact] | None:  # noqa: ARG002 - places are the lines
        """See `lines.Parser`."""
        if text.startswith("#"):
            self._directive(text)
            return ()
        if not self._names:
            raise ValueError("no #Fields line stands before it")
        values = text.split()
        row = {name: values[place] for name, place in self._names.items() if place < len(values)}
        if len(values) < len(_NEEDED) or not all(name in row for name in _NEEDED):
            raise ValueError("a line that is cut")
        time, action = self._time(row["date"], row["time"]), row["action"].upper()
        if action == "INFO-EVENTS-LOST":
            self._lost = True
            return ()
        if action in _PASSED_OVER:
            return ()
        if action != "DROP" and action not in _SEEN:
            return None
        return self._flow(row, time, dropped=action == "DROP")

    def end(self) -> Iterable[Fact]:
        """See `lines.Parser`."""
        return ()

    def notes(self) -> tuple[str, ...]:
        """See `lines.Parser`."""
        return (*((_LOST,) if self._lost else ()), *self._unknown.notes())

    def _directive(self, text: str) -> None:
        word, _, rest = text.partition(":")
        if word.strip().lower() == "#time format":
            self._offset = 0 if rest.strip().lower() in ("utc", "gmt") else None
        if word.strip().lower() == "#version":
            self._unknown.version(rest)
        names = _names(text)
        if names is not None:
            self._names = names
            self._unknown.columns(names)

    def _time(self, date: str, time: str) -> int:
        parts = [*date.split("-"), *time.split(":")]
        if len(parts) != 6 or not all(p.isascii() and p.isdigit() and len(p) <= 4 for p in parts):
            raise ValueError("no such stamp")
        return self._clock.at(*map(int, parts), offset_s=self._offset)

    @staticmethod
    def _flow(row: dict[str, str], time: int, *, dropped: bool) -> Iterable[Fact]:
        client, server = (address(row[name].encode("utf-8", "replace")) for name in ("src-ip", "dst-ip"))
        if client is None or server is None:
            raise ValueError("no addresses")
        word = row["protocol"].lower()
        protocol = _NUMBERS.get(word, word)
        if protocol not in (*_PORTED, "icmp") and not (protocol.isascii() and protocol.isdigit() and len(protocol) < 4):
            raise ValueError("no protocol")
        ported = protocol in _PORTED
        ends = [(client, port(row.get("src-port")) if ported else 0), (server, port(row.get("dst-port")) if ported else 0)]
        flags, state, answer = row.get("tcpflags", "-").upper(), "attempt" if dropped else "tried", False
        if dropped and ported:
            opens = protocol == "tcp" and "S" in flags
            answer = "A" in flags if opens else (ends[0][1] or 0) < _SERVICES <= (ends[1][1] or 0)
            state = "midstream" if protocol == "tcp" and not opens and flags != "-" else state
        if answer:
            ends.reverse()
        (client, client_port), (server, server_port) = ends
        counts = {"packets_out": 0 if answer else 1, "packets_in": 1 if answer else 0} if dropped else {}
        values = {
            "time_end": time, "client": client, "client_port": client_port, "server": server, "server_port": server_port,
            "protocol": protocol, "state": state, **counts,
        }  # fmt: skip
        return (Fact("flows", time, values),)


def read(file: EvidenceFile, context: ReadContext) -> FileRead:
    """Read one log into `flows`. Trouble becomes problems, never an exception. Raises WorkspaceError."""
    return read_lines(file, context, KIND, _Packets, blind=BLIND, remedy=_REMEDY)
