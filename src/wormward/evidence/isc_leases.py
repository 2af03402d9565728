"""ISC dhcpd's lease file, `dhcpd.leases`: who holds, or held, which IPv4 address.

References: dhcpd.leases(5); checked against the files of ISC DHCP 4.4.3. Times are UTC, or seconds since 1970
(`db-time-format local`). The file is a journal: a later entry of an address with the same beginning replaces the
earlier one. An entry of a lease that is no longer active says when it ended; abandoned addresses belong to nobody.

Entries of IPv6 leases (`ia-na` and others) name their holder by DUID only and are passed over.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from wormward.evidence.blocks import text_of
from wormward.evidence.files import EvidenceFile
from wormward.evidence.leases import Lease, Leases, host_name, mac
from wormward.evidence.lines import Clock, Fact, read_lines
from wormward.evidence.web_fields import ip
from wormward.model.reading import FileRead, ReadContext
from wormward.model.text import N_

KIND: Final = "isc-dhcp-leases"
BLIND: Final = (N_("A DHCP server's record shows only addresses that this server gave out; fixed addresses are not in it."),)
_CUT: Final = N_("Its last lease is cut off and was not read.")
_IPV6: Final = N_("Its IPv6 leases name no hardware address; they were passed over.")
_BEGIN: Final = re.compile(rb"^\s*lease\s+[0-9.]{7,15}\s*\{", re.MULTILINE)
_HEADER: Final = re.compile(rb"^# .*(?:dhcpd\.leases\(5\)|written by isc-dhcp)", re.MULTILINE)
_QUOTED: Final = re.compile(r'"((?:[^"\\]|\\.)*)"')
_CLOSE: Final = re.compile(r"([{};])")
_MOST_OPEN: Final = 4096  # characters of a statement that goes on in the next line
_STAMP: Final = re.compile(r"(?:\d (\d{4})/(\d\d?)/(\d\d?) (\d\d):(\d\d):(\d\d)|epoch (\d{1,11}))\b.*")
_OCTAL: Final = re.compile(r"\\([0-7]{3}|.)", re.DOTALL)


def recognise(head: bytes, name: str) -> bool:  # noqa: ARG001 - names are not asked
    """True if the first lines hold a lease, or the comment that begins the file."""
    raw = text_of(head)
    return bool(_HEADER.search(raw) or (_BEGIN.search(raw) and b"starts" in raw))


def _unquoted(text: str) -> str:
    """A string with its escapes undone."""
    raw = _OCTAL.sub(lambda m: chr(int(m[1], 8) & 0xFF) if len(m[1]) == 3 else m[1], text)
    try:
        return raw.encode("latin-1").decode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # it was not escaped
        return raw


class _Block:
    """The statements of one lease as they come."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.begin: int | None = None
        self.end: int | None = None
        self.mac: str | None = None
        self.name: str | None = None
        self.abandoned = False


class _Entries:
    """The parser of one file (see `lines.Parser`)."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._leases = Leases()
        self._block: _Block | None = None
        self._depth = 0  # of braces around what is read
        self._open = ""  # the beginning of a statement that goes on in the next line
        self._ipv6 = False

    def line(self, text: str, number: int) -> Iterable[Fact] | None:
        """See `lines.Parser`."""
        strings: list[str] = []

        def taken(found: re.Match[str]) -> str:
            strings.append(found[1])
            return f'"{len(strings) - 1}"'

        plain = self._open + _QUOTED.sub(taken, text).partition("#")[0]
        self._open = ""
        *parts, rest = _CLOSE.split(plain)
        facts: list[Fact] = []
        for said, close in zip(parts[::2], parts[1::2], strict=True):
            word, _, value = said.strip().partition(" ")
            facts += self._statement(word, value.strip(), close, strings, number)
        if len(rest) > _MOST_OPEN:
            raise ValueError("no end of the statement")
        self._open = rest.strip() and rest + " "
        return facts

    def end(self) -> Iterable[Fact]:
        """See `lines.Parser`."""
        return self._leases.finish()

    def notes(self) -> tuple[str, ...]:
        """See `lines.Parser`."""
        return ((_CUT,) if self._block else ()) + ((_IPV6,) if self._ipv6 else ())

    def _statement(self, word: str, rest: str, close: str, strings: list[str], number: int) -> Iterable[Fact]:
        """One statement, or a brace; facts where a lease is whole."""
        if close == "{":
            if word == "lease" and (address := ip(rest)):
                cut, self._block, self._depth = self._block, _Block(address), 1
                if cut is not None:
                    raise ValueError("the lease before is not closed")
                return ()
            self._ipv6 = self._ipv6 or word.startswith("ia-")
            self._depth += 1
            return ()
        if close == "}":
            self._depth = max(0, self._depth - 1)
            if self._depth or self._block is None:
                return ()
            block, self._block = self._block, None
            return self._whole(block, number)
        if self._block is not None and self._depth == 1:
            self._said(self._block, word, rest, strings)
        return ()

    def _said(self, block: _Block, word: str, rest: str, strings: list[str]) -> None:
        if word == "starts":
            block.begin = self._time(rest)
        elif word == "ends":
            block.end = self._time(rest)
        elif word == "hardware":
            block.mac = mac(rest.rpartition(" ")[2]) if rest.startswith("ethernet") else None
        elif word == "client-hostname":
            place = rest.strip('"')
            block.name = host_name(_unquoted(strings[int(place)])) if place.isdigit() and int(place) < len(strings) else None
        elif (word, rest) in (("binding", "state abandoned"), ("abandoned", "")):
            block.abandoned = True

    def _time(self, rest: str) -> int | None:
        """Time of a statement; None for `never`. Raises ValueError."""
        if rest == "never":
            return None
        found = _STAMP.fullmatch(rest)
        if found is None:
            raise ValueError("no such stamp")
        return self._clock.epoch(found[7]) if found[7] else self._clock.at(*map(int, found.groups()[:6]), offset_s=0)

    def _whole(self, block: _Block, number: int) -> Iterable[Fact]:
        if block.begin is None:
            return ()  # a free address that nobody had
        if block.abandoned:
            return self._leases.ends(block.address, block.begin)
        return self._leases.begins(Lease(block.address, block.begin, block.end, block.mac, block.name, number))


def read(file: EvidenceFile, context: ReadContext) -> FileRead:
    """Read one lease file into `bindings`. Trouble becomes problems, never an exception. Raises WorkspaceError."""
    return read_lines(file, context, KIND, _Entries, blind=BLIND)
