"""What hosts say of themselves in NetBIOS name and datagram services, LLMNR, mDNS and to IPv6 neighbours: names, and their card.

Only a host's own word counts: a name that it registers, refreshes, signs its datagrams with, tells a status query, or
answers for with the very address that it sends from. What a WINS server or a proxy says of others is not told, nor are
names of groups, domains, users and services.

References: RFC 1001, RFC 1002 (4.2 name service, 4.4 datagram service); [MS-NBTE] (suffixes); RFC 4795 (LLMNR);
RFC 6762 (mDNS); RFC 1035 (names).

Limitations: names are single-byte text of a code page that no packet tells; bytes beyond ASCII stay bytes. NetBIOS scopes
are passed over. Of a message at most MOST_RECORDS records are looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

from wormward.model.errors import WireError
from wormward.wire.addresses import address_text
from wormward.wire.datagrams import LLMNR, MDNS, NEIGHBOUR, NETBIOS_DATAGRAM, NETBIOS_NAME

MAC, NETBIOS, DNS = "mac", "netbios-name", "dns-name"
"""Kinds of what is claimed, as `bindings` has them."""
MOST_RECORDS: Final = 64
"""Records of one message that are looked at."""
MOST_STATUS: Final = 4
"""Names of one status answer that are told; a host has one, of two or three services."""
_HEAD = 12
_A, _PTR, _AAAA, _NB, _NBSTAT = 1, 12, 28, 0x20, 0x21
_QUERY, _REGISTRATION, _REFRESHES, _MULTIHOMED = 0, 5, (8, 9), 15
_GROUP, _ACTIVE, _CONFLICT, _LEAVING = 0x8000, 0x0400, 0x0800, 0x1000
_OWN_SUFFIXES = (0x00, 0x20)  # workstation and file server: the host's own; others are of users, domains and services
_SERVICE = b"IS~"  # how IIS registers itself beside its host
_DATAGRAMS = (0x10, 0x11, 0x12)  # direct unique, direct group, broadcast
_ADVERTISEMENT, _SOURCE_CARD, _TARGET_CARD, _NEIGHBOUR_HEAD = 136, 1, 2, 24
_MAPPED = 0xFFFF << 32
_MOST_JUMPS = 16
# What dial-up adapters of Windows give as their card: the same on every machine.
_NO_CARD = (bytes(6), bytes.fromhex("444553540000"), bytes.fromhex("005345000000"))


@dataclass(frozen=True, slots=True)
class Claim:
    """A host says of itself: this is my name, or my card. `asked` if it only answered a question for the name."""

    kind: str  # MAC, NETBIOS or DNS
    value: bytes  # lower case; of a MAC as text
    asked: bool = False


def claims(kind: int, source: int, data: bytes) -> list[Claim]:
    """What the datagram `data` of a `kind` (`datagrams`) that came from address `source` (128 bits) says of its sender.

    Raises WireError if it is none of that protocol.
    """
    try:
        return list(dict.fromkeys(_BY_KIND[kind](source, data)))
    except IndexError as error:
        raise WireError("a name service's message breaks off") from error


def _number(data: bytes, at: int, size: int = 2) -> int:
    if at + size > len(data):
        raise WireError("a name service's message breaks off")
    return int.from_bytes(data[at : at + size], "big")


def _ipv4(data: bytes, at: int) -> int:
    """The IPv4 address at `at`, in 128 bits."""
    return _MAPPED | _number(data, at, 4)


# -- names of both forms -------------------------------------------------------------------------------------------------


def _labels(data: bytes, at: int) -> tuple[list[bytes], int]:
    """The labels of the name at `at` and the place behind it."""
    labels: list[bytes] = []
    after = -1
    lowest = at
    for _ in range(_MOST_JUMPS + 128):
        length = data[at]
        if length == 0:
            return labels, at + 1 if after < 0 else after
        if length >= 0xC0:
            after = at + 2 if after < 0 else after
            at = _number(data, at) & 0x3FFF
            if at >= lowest:
                break
            lowest = at
            continue
        if length >= 64 or at + 1 + length > len(data):
            break
        labels.append(data[at + 1 : at + 1 + length])
        at += 1 + length
    raise WireError("no name")


def _netbios(labels: list[bytes]) -> tuple[bytes, int]:
    """Name and suffix of a NetBIOS name in first-level encoding: two letters a byte, from A on."""
    if not labels or len(labels[0]) != 32 or not all(0 <= letter - 65 < 16 for letter in labels[0]):
        raise WireError("no NetBIOS name")
    coded = labels[0]
    raw = bytes((coded[i] - 65) << 4 | (coded[i + 1] - 65) for i in range(0, 32, 2))
    return raw[:15], raw[15]


def _own(raw: bytes, suffix: int, asked: bool = False) -> Iterator[Claim]:
    """The claim to a NetBIOS name, if it can be a host's."""
    name = raw.rstrip(b" \0")
    if suffix in _OWN_SUFFIXES and name and name[0] not in b"*\x01" and not name.startswith(_SERVICE):
        yield Claim(NETBIOS, name.lower(), asked)


@dataclass(frozen=True, slots=True)
class _Record:
    labels: list[bytes]
    kind: int
    at: int  # where its data begins
    size: int


def _records(data: bytes, at: int, count: int) -> Iterator[_Record]:
    """`count` records from `at` on."""
    for _ in range(min(count, MOST_RECORDS)):
        labels, at = _labels(data, at)
        kind, size = _number(data, at), _number(data, at + 8)
        at += 10
        if at + size > len(data):
            raise WireError("a record breaks off")
        yield _Record(labels, kind, at, size)
        at += size


def _behind_questions(data: bytes, count: int) -> int:
    at = _HEAD
    for _ in range(min(count, MOST_RECORDS)):
        at = _labels(data, at)[1] + 4
    return at


# -- each protocol -------------------------------------------------------------------------------------------------------


def _netbios_name(source: int, data: bytes) -> Iterator[Claim]:
    flags, questions, answers = _number(data, 2), _number(data, 4), _number(data, 6)
    extra = _number(data, 10)
    opcode = flags >> 11 & 15
    at = _behind_questions(data, questions)
    if not flags & 0x8000 and opcode in (_REGISTRATION, *_REFRESHES, _MULTIHOMED):
        for record in _records(data, at, extra):
            if record.kind == _NB:
                yield from _held(source, data, record, asked=False)
    elif flags & 0x8000 and opcode == _QUERY and not flags & 15:
        for record in _records(data, at, answers):
            if record.kind == _NB:
                yield from _held(source, data, record, asked=True)
            elif record.kind == _NBSTAT:
                yield from _status(data, record)


def _held(source: int, data: bytes, record: _Record, asked: bool) -> Iterator[Claim]:
    """The name of an address record, if it is one host's and the address is that of the sender."""
    for at in range(record.at, record.at + record.size - 5, 6):
        if not _number(data, at) & _GROUP and _ipv4(data, at + 2) == source:
            yield from _own(*_netbios(record.labels), asked)


def _status(data: bytes, record: _Record) -> Iterator[Claim]:
    """Names and card of a status answer (RFC 1002, 4.2.18)."""
    count = data[record.at]
    behind = record.at + 1 + 18 * count
    if behind > record.at + record.size:
        raise WireError("a status answer breaks off")
    found: list[Claim] = []
    for at in range(record.at + 1, behind, 18):
        flags = _number(data, at + 16)
        if flags & (_ACTIVE | _GROUP | _CONFLICT | _LEAVING) == _ACTIVE:
            found += _own(data[at : at + 15], data[at + 15])
    yield from list(dict.fromkeys(found))[:MOST_STATUS]
    card = data[behind : min(behind + 6, record.at + record.size)]
    if len(card) == 6 and card not in _NO_CARD and not card[0] & 1:
        yield Claim(MAC, card.hex(":").encode())


def _netbios_datagram(source: int, data: bytes) -> Iterator[Claim]:
    if data[0] in _DATAGRAMS and _ipv4(data, 4) == source:
        yield from _own(*_netbios(_labels(data, 14)[0]))


def _dns(source: int, data: bytes) -> Iterator[Claim]:
    """Answers for a name with the address that they come from, and answers that name that address."""
    flags, questions, answers = _number(data, 2), _number(data, 4), _number(data, 6)
    authorities, extra = _number(data, 8), _number(data, 10)
    if not flags & 0x8000 or flags >> 11 & 15 or flags & 15:
        return
    for record in _records(data, _behind_questions(data, questions), answers + authorities + extra):
        four = record.kind == _A and record.size == 4 and _ipv4(data, record.at) == source
        six = record.kind == _AAAA and record.size == 16 and _number(data, record.at, 16) == source
        if four or six:
            yield from _host(record.labels, asked=True)
        elif record.kind == _PTR and b".".join(record.labels).lower() == _reverse(source):
            yield from _host(_labels(data, record.at)[0], asked=False)


def _host(labels: list[bytes], asked: bool) -> Iterator[Claim]:
    if labels and not any(b"." in label for label in labels):
        yield Claim(DNS, b".".join(labels).lower(), asked)


def _reverse(address: int) -> bytes:
    """The name under which an address is looked up."""
    return ip_address(address_text(address)).reverse_pointer.encode()


# -- neighbours --------------------------------------------------------------------------------------------------------------


def _neighbour(source: int, data: bytes) -> Iterator[Claim]:
    """The card that a host tells its neighbours for the very address that it sends from (RFC 4861, 4.3, 4.4, 4.6.1)."""
    advertised = data[0] == _ADVERTISEMENT
    if advertised and int.from_bytes(data[8:24], "big") != source:
        return  # of another address of its own, or of somebody it speaks for
    at = _NEIGHBOUR_HEAD
    while at + 8 <= len(data):
        kind, size = data[at], data[at + 1] * 8
        if not size or at + size > len(data):
            raise WireError("a neighbour's message breaks off")
        if kind == (_TARGET_CARD if advertised else _SOURCE_CARD) and size == 8:
            yield Claim(MAC, data[at + 2 : at + 8].hex(":").encode())
        at += size


_BY_KIND: Final[dict[int, Callable[[int, bytes], Iterator[Claim]]]] = {
    NETBIOS_NAME: _netbios_name,
    NETBIOS_DATAGRAM: _netbios_datagram,
    LLMNR: _dns,
    MDNS: _dns,
    NEIGHBOUR: _neighbour,
}
