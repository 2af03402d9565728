"""Argus flow records as text: what `ra` prints with a title line, comma or tab between columns (`.binetflow`).

References: ra(1) of argus-clients 3.0 (fields, `Dir`, `State`). Records speak of both directions. Times are local
to the machine that printed them. Records of other things than IP conversations (`man`, `arp`, `llc`) are passed over.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from typing import Final

from wormward.evidence import values
from wormward.evidence.columns import Unknown
from wormward.evidence.files import EvidenceFile
from wormward.evidence.flow_halves import RST, SYN, end_of, flags_of, port_of
from wormward.evidence.lines import Clock, Fact, first_lines, read_lines
from wormward.evidence.messages.packets import protocol_of
from wormward.model.reading import FileRead, ReadContext
from wormward.model.text import N_

KIND: Final = "argus"
BLIND: Final = (
    N_("Flow records show who talked to whom, not what was said."),
    N_("Their byte counts include headers: payload sizes are not shown."),
)
_NEEDED: Final = ("starttime", "proto", "srcaddr", "dstaddr", "dport", "state")
_REMEDY: Final = (
    "print them with dates and with numbers for ports: RA_TIME_FORMAT of rarc with %Y/%m/%d, and "
    "ra -n -Z b -c , -s stime dur proto saddr sport dir daddr dport state pkts spkts"
)
# Without -n ra prints the names of /etc/services; these are IANA's of ports that matter here.
_SERVICES: Final = {
    "bootpc": 68, "bootps": 67, "domain": 53, "epmap": 135, "ftp": 21, "http": 80, "http-alt": 8080, "https": 443, "imap2": 143,
    "kerberos": 88, "ldap": 389, "mdns": 5353, "microsoft-ds": 445, "netbios-dgm": 138, "netbios-ns": 137, "netbios-ssn": 139,
    "ntp": 123, "pop3": 110, "smtp": 25, "snmp": 161, "snmp-trap": 162, "ssdp": 1900, "ssh": 22, "sunrpc": 111, "syslog": 514,
    "telnet": 23, "tftp": 69,
}  # fmt: skip
# States of Argus itself, for printouts without TCP flags, and of Zeek, which some published sets use in their place.
_STATES: Final = {
    "req": "attempt", "s0": "attempt", "acc": "established", "con": "established", "est": "established", "fin": "established",
    "clo": "established", "sf": "established", "rej": "refused", "int": "attempt", "urp": "refused", "rsp": "established",
    "eco": "established", "tim": "established",
}  # fmt: skip


_KNOWN: Final = frozenset(
    """starttime lasttime trans flgs seq dur runtime idle mean stddev sum min max srcaddr dstaddr proto sport dport stos dtos sdsb
    ddsb sco dco sttl dttl shops dhops sipid dipid smpls dmpls autoid sas das ias cause nstroke snstroke dnstroke totpkts srcpkts
    dstpkts totbytes srcbytes dstbytes totappbyte sappbytes dappbytes pcratio load srcload dstload loss srcloss dstloss ploss
    psrcloss pdstloss retrans srcretra dstretra rate srcrate dstrate dir sintpkt dintpkt srcjitter dstjitter state srcudata
    dstudata srcwin dstwin svlan dvlan svid dvid svpri dvpri smac dmac stcpb dtcpb tcprtt synack ackdat tcpopt inode offset label
    srcid smeansz dmeansz smaxsz dmaxsz sminsz dminsz rank""".split()  # noqa: SIM905 - a table of words
)
"""Titles that ra(1) of Argus 3 prints, in small letters."""


def _titles(line: str) -> tuple[str, dict[str, int]] | None:
    """The separator of a title line and where our columns stand; None if it is none."""
    for separator in (",", "\t"):
        names = [name.strip().lower() for name in line.split(separator)]
        if set(_NEEDED) <= set(names) and len(set(names)) == len(names):
            return separator, {name: i for i, name in enumerate(names)}
    return None


def recognise(head: bytes, name: str) -> bool:  # noqa: ARG001 - names are not asked
    """True if the first line names Argus's columns."""
    lines = first_lines(head, 1)
    return bool(lines) and _titles(lines[0]) is not None


class _Records:
    """The parser of one file (see `lines.Parser`)."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._separator = ","
        self._columns: dict[str, int] = {}
        self._unknown = Unknown(_KNOWN)

    def line(self, text: str, number: int) -> Iterable[Fact] | None:
        """See `lines.Parser`."""
        titles = _titles(text)
        if titles is not None:
            self._separator, self._columns = titles
            self._unknown.columns(self._columns)
            return ()
        if not self._columns:
            raise ValueError("no titles")
        try:
            row = next(csv.reader([text], delimiter=self._separator))
        except csv.Error as error:
            raise ValueError("no columns") from error
        got = {name: row[place].strip() for name, place in self._columns.items() if place < len(row)}
        if not set(_NEEDED) <= set(got):
            raise ValueError("columns are missing")
        return self._flow(got, number)

    def _flow(self, got: dict[str, str], number: int) -> list[Fact] | None:
        try:
            protocol = protocol_of(got["proto"])
        except ValueError:
            return None  # ARP, LLC, Argus's own records
        except KeyError as error:
            raise ValueError("columns are missing") from error
        source, target = (values.address(got.get(name, "").encode()) for name in ("srcaddr", "dstaddr"))
        if source is None or target is None:
            raise ValueError("no addresses")
        begin = self._clock.iso(got["starttime"].replace("/", "-"))
        packets, sent = _count(got.get("totpkts")), _count(got.get("srcpkts"))
        out = packets if sent is None else sent
        back = packets - sent if packets is not None and sent is not None and packets >= sent else None
        ports = [_port(got.get(name, "")) if protocol in ("tcp", "udp") else 0 for name in ("sport", "dport")]
        if "<" in got.get("dir", "") and ">" not in got.get("dir", ""):
            source, target, ports, out, back = target, source, ports[::-1], back or 0, out
        columns = {
            "place": number,
            "time_end": end_of(begin, got.get("dur", "")),
            "client": source,
            "client_port": ports[0],
            "server": target,
            "server_port": ports[1],
            "protocol": protocol,
            "state": _state(protocol, got["state"], out, back) if out != 0 else "midstream",
            "packets_out": out,
            "packets_in": back,
        }
        return [Fact("flows", begin, columns)]

    def end(self) -> Iterable[Fact]:
        """See `lines.Parser`."""
        return ()

    def notes(self) -> tuple[str, ...]:
        """See `lines.Parser`."""
        return self._unknown.notes()


def _count(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 19 else None


def _port(text: str) -> int:
    return _SERVICES.get(text) or port_of(text)


def _state(protocol: str, text: str, out: int | None, back: int | None) -> str:
    """A flow's state: of TCP by each side's flags (`S_SA`), else by the state's name, else by whether anything came back."""
    sent, underscore, answer = text.partition("_")
    if underscore and protocol == "tcp":
        flags, got = flags_of(sent), flags_of(answer)
        if not flags & SYN:
            return "midstream"
        return "established" if got & SYN else "refused" if got & RST else "established" if got else "attempt"
    if text.lower() == "rst":  # of what is refused each packet has its answer; what is broken off had more to say
        return "refused" if out == back else "established"
    return _STATES.get(text.lower(), "established" if back else "attempt")


def read(file: EvidenceFile, context: ReadContext) -> FileRead:
    """Read one printout. Trouble becomes problems, never an exception. Raises WorkspaceError."""
    return read_lines(file, context, KIND, _Records, blind=BLIND, remedy=_REMEDY)
