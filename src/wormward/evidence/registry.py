"""Which kinds of evidence there are: one visible line each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from wormward.evidence import (
    argus,
    bind_querylog,
    capture,
    dns_csv,
    eve,
    isc_leases,
    kea_leases,
    nfdump_csv,
    nfdump_file,
    pfirewall,
    shadowserver,
    silk,
    squid,
    syslog,
    w3c,
    windows_dhcp,
    windows_dns,
    zeek,
)
from wormward.evidence.files import EvidenceFile
from wormward.model.reading import FileRead, ReadContext


@dataclass(frozen=True, slots=True)
class Reader:
    """How one kind of evidence is recognised and read.

    `recognise` gets the first bytes (uncompressed) and the name. Exactly one of `read` (one file) and `read_group`
    (all files of the kind at once, because some belong together) is there; both give a FileRead a file, in order,
    and raise nothing but WorkspaceError. `blind` are msgids: what this kind cannot show.
    """

    kind: str
    title: str
    unit: str
    recognise: Callable[[bytes, str], bool]
    blind: tuple[str, ...]
    read: Callable[[EvidenceFile, ReadContext], FileRead] | None = None
    read_group: Callable[[Sequence[EvidenceFile], ReadContext], list[FileRead]] | None = None


READERS: tuple[Reader, ...] = (
    Reader("capture", "packet capture", capture.UNIT, capture.recognise, capture.BLIND, read_group=capture.read_captures),
    Reader(eve.KIND, "Suricata EVE JSON", "line", eve.recognise, eve.BLIND, read=eve.read),
    Reader("zeek", "Zeek log", "line", zeek.recognise, zeek.BLIND, read=zeek.read),
    Reader(argus.KIND, "Argus flow records", "line", argus.recognise, argus.BLIND, read=argus.read),
    Reader(nfdump_csv.KIND, "nfdump CSV", "line", nfdump_csv.recognise, nfdump_csv.BLIND, read=nfdump_csv.read),
    Reader(nfdump_file.KIND, "nfdump file", "record", nfdump_file.recognise, nfdump_file.BLIND, read=nfdump_file.read),
    Reader(silk.KIND, "SiLK rwcut text", "line", silk.recognise, silk.BLIND, read=silk.read),
    Reader(bind_querylog.KIND, "BIND query log", "line", bind_querylog.recognise, bind_querylog.BLIND, read=bind_querylog.read),
    Reader(syslog.KIND, "syslog", "line", syslog.recognise, syslog.BLIND, read=syslog.read),
    Reader(squid.KIND, "Squid access log", "line", squid.recognise, squid.BLIND, read=squid.read),
    Reader(w3c.KIND, "W3C extended log", "line", w3c.recognise, w3c.BLIND, read=w3c.read),
    Reader(pfirewall.KIND, "Windows firewall log", "line", pfirewall.recognise, pfirewall.BLIND, read=pfirewall.read),
    Reader(windows_dns.KIND, "Windows DNS debug log", "line", windows_dns.recognise, windows_dns.BLIND, read=windows_dns.read),
    Reader(windows_dhcp.KIND, "Windows DHCP log", "line", windows_dhcp.recognise, windows_dhcp.BLIND, read=windows_dhcp.read),
    Reader(isc_leases.KIND, "ISC DHCP leases", "line", isc_leases.recognise, isc_leases.BLIND, read=isc_leases.read),
    Reader(kea_leases.KIND, "Kea leases", "line", kea_leases.recognise, kea_leases.BLIND, read=kea_leases.read),
    Reader(shadowserver.KIND, "Shadowserver report", "line", shadowserver.recognise, shadowserver.BLIND, read=shadowserver.read),
    Reader(dns_csv.KIND, "DNS query CSV", "line", dns_csv.recognise, dns_csv.BLIND, read=dns_csv.read),
)


def reader_of(head: bytes, name: str) -> Reader | None:
    """The reader that recognises a file by its first bytes; None if none does."""
    for reader in READERS:
        if reader.recognise(head, name):
            return reader
    return None
