"""Which kinds of evidence there are: one visible line each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from wormward.evidence import bind_querylog, capture, dns_csv, zeek
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
    Reader("zeek", "Zeek log", "line", zeek.recognise, zeek.BLIND, read=zeek.read),
    Reader(bind_querylog.KIND, "BIND query log", "line", bind_querylog.recognise, bind_querylog.BLIND, read=bind_querylog.read),
    Reader(dns_csv.KIND, "DNS query CSV", "line", dns_csv.recognise, dns_csv.BLIND, read=dns_csv.read),
)


def reader_of(head: bytes, name: str) -> Reader | None:
    """The reader that recognises a file by its first bytes; None if none does."""
    for reader in READERS:
        if reader.recognise(head, name):
            return reader
    return None
