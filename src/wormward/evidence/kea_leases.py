"""Kea's lease files of the memfile backend, `kea-leases4.csv` and `kea-leases6.csv`: who holds which address.

References: Kea Administrator Reference Manual, "Memfile" and the sources of `CSVLeaseFile4` and `CSVLeaseFile6`; checked
against files of Kea 2.2. Columns are read by name. A file is a journal: a later line of an address replaces the earlier
one, and one whose lifetime is 0 releases it. Times are seconds since 1970; a lease begins `valid_lifetime` before it
expires. Declined and reclaimed leases (states other than 0) belong to nobody.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from typing import Final

from wormward.evidence.columns import Unknown
from wormward.evidence.files import EvidenceFile
from wormward.evidence.leases import Lease, Leases, host_name, mac
from wormward.evidence.lines import Clock, Fact, first_lines, read_lines
from wormward.evidence.web_fields import count, ip
from wormward.model.reading import FileRead, ReadContext
from wormward.model.text import N_

KIND: Final = "kea-leases"
BLIND: Final = (N_("A DHCP server's record shows only addresses that this server gave out; fixed addresses are not in it."),)
_NO_MAC: Final = N_("Some leases name no hardware address: they tell a host by its name only, or not at all.")
_NEEDED: Final = frozenset({"address", "valid_lifetime", "expire", "subnet_id"})
_FOREVER: Final = 0xFFFFFFFF
_ESCAPED: Final = re.compile(r"&#x([0-9a-fA-F]{2});?")
_DECLINED: Final = "1"
_KNOWN: Final = _NEEDED | {
    "hwaddr", "client_id", "subnet_id", "fqdn_fwd", "fqdn_rev", "hostname", "state", "user_context", "pool_id", "duid",
    "pref_lifetime", "lease_type", "iaid", "prefix_len", "hwtype", "hwaddr_source",
}  # fmt: skip
"""Columns of Kea 1.0 to 2.6, IPv4 and IPv6."""
_PREFIX: Final = "2"  # lease_type of a delegated prefix, which is no address


def _names(text: str) -> dict[str, int] | None:
    """Where the columns that the first line names stand; None if it is none of Kea's."""
    words = text.strip().split(",")
    if words[0] != "address" or len(set(words)) != len(words) or not set(words) >= _NEEDED:
        return None
    return {word: place for place, word in enumerate(words)}


def recognise(head: bytes, name: str) -> bool:  # noqa: ARG001 - names are not asked
    """True if the first line names the columns of a lease file."""
    lines = first_lines(head, 1)
    return bool(lines) and _names(lines[0]) is not None


class _Entries:
    """The parser of one file (see `lines.Parser`)."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._leases = Leases()
        self._names: dict[str, int] = {}
        self._nameless = False
        self._unknown = Unknown(_KNOWN)

    def line(self, text: str, number: int) -> Iterable[Fact] | None:
        """See `lines.Parser`."""
        names = _names(text)
        if names is not None:  # joined files have several
            self._names = names
            self._unknown.columns(names)
            return ()
        try:
            fields = next(csv.reader([text]), [])
        except csv.Error as error:
            raise ValueError("no fields") from error
        row = {name: fields[place].strip() for name, place in self._names.items() if place < len(fields)}
        address, expire = ip(row.get("address")), self._clock.epoch(row.get("expire", ""))
        lifetime = count(row.get("valid_lifetime"), _FOREVER)
        if address is None or lifetime is None:
            raise ValueError("no lease")
        if row.get("lease_type") == _PREFIX:
            return ()
        state = row.get("state", "0")
        if state == _DECLINED and lifetime != _FOREVER:  # its lifetime is how long nobody else gets the address
            return self._leases.ends(address, expire - lifetime * 1_000_000)
        if state not in ("", "0") or lifetime == 0:
            return self._leases.ends(address, expire)
        begin = expire - lifetime * 1_000_000
        end = None if lifetime == _FOREVER else expire
        hardware = mac(row.get("hwaddr"))
        self._nameless = self._nameless or hardware is None
        return self._leases.begins(Lease(address, begin, end, hardware, _host(row.get("hostname")), number))

    def end(self) -> Iterable[Fact]:
        """See `lines.Parser`."""
        return self._leases.finish()

    def notes(self) -> tuple[str, ...]:
        """See `lines.Parser`."""
        return (*((_NO_MAC,) if self._nameless else ()), *self._unknown.notes())


def _host(text: str | None) -> str | None:
    """A client's name; Kea writes commas within it as `&#x2c`."""
    return host_name(_ESCAPED.sub(lambda m: chr(int(m[1], 16)), text or ""))


def read(file: EvidenceFile, context: ReadContext) -> FileRead:
    """Read one lease file into `bindings`. Trouble becomes problems, never an exception. Raises WorkspaceError."""
    return read_lines(file, context, KIND, _Entries, blind=BLIND)
