r"""DNS messages: what was asked and what was answered, by one compiled decoder.

A message is decoded to one row of `MESSAGE` and to text: its first question's name, then the strings of the answer
section (addresses and names), then the address records of the additional section as `name address`, one after the
other in `text`, their lengths in `lengths`. Names are lower case, without the final dot (the root is `.`); in
labels everything but printable ASCII is escaped as ``\xNN``, so is a dot, and a backslash is doubled.

References: RFC 1035, 3596 (AAAA), 2782 (SRV), 6891 (EDNS: upper bits of the response code), 7873.

Limitations: only the first question; of answers A, AAAA, CNAME, DNAME, NS, PTR, MX and SRV (the name only); at most
MOST_STRINGS strings and MOST_TEXT bytes a message.
"""

# ruff: noqa: PLR0917 - inner functions of the hot path take what they need one by one

from __future__ import annotations

from typing import Final

import numpy as np
from numba import njit

from wormward.wire.addresses import LONGEST, write_address
from wormward.wire.frames import MAPPED_PREFIX
from wormward.wire.loads import be16, be32, be64

MOST_STRINGS: Final = 128
"""Strings that are taken from one message."""
MOST_TEXT: Final = 16_384
"""Bytes of text that are taken from one message, but for the last string's end."""
MOST_NAME: Final = 1024
"""Bytes that one name can have as text: 255 bytes, each escaped as four."""
_MOST_JUMPS = 64  # compression pointers in one name: a name has at most 127 labels, real ones use one or two

MESSAGE = np.dtype(
    [
        ("id", np.int64),
        ("is_answer", np.int64),
        ("opcode", np.int64),
        ("rcode", np.int64),
        ("qtype", np.int64),
        ("questions", np.int64),
        ("name_size", np.int64),
        ("answers", np.int64),  # strings of the answer section
        ("additional", np.int64),  # strings of the additional section
        ("text_size", np.int64),  # all text of the message, the name first
    ]
)

QTYPES: Final = {
    1: "A", 2: "NS", 5: "CNAME", 6: "SOA", 10: "NULL", 11: "WKS", 12: "PTR", 13: "HINFO", 15: "MX", 16: "TXT", 17: "RP",
    18: "AFSDB", 24: "SIG", 25: "KEY", 28: "AAAA", 29: "LOC", 33: "SRV", 35: "NAPTR", 36: "KX", 37: "CERT", 38: "A6", 39: "DNAME",
    41: "OPT", 42: "APL", 43: "DS", 44: "SSHFP", 45: "IPSECKEY", 46: "RRSIG", 47: "NSEC", 48: "DNSKEY", 49: "DHCID", 50: "NSEC3",
    51: "NSEC3PARAM", 52: "TLSA", 53: "SMIMEA", 55: "HIP", 59: "CDS", 60: "CDNSKEY", 61: "OPENPGPKEY", 62: "CSYNC", 63: "ZONEMD",
    64: "SVCB", 65: "HTTPS", 99: "SPF", 108: "EUI48", 109: "EUI64", 249: "TKEY", 250: "TSIG", 251: "IXFR", 252: "AXFR",
    253: "MAILB", 254: "MAILA", 255: "ANY", 256: "URI", 257: "CAA", 32768: "TA", 32769: "DLV",
}  # fmt: skip
"""Record types by number (IANA, DNS parameters); 255 is written ANY as most tools do."""

RCODES: Final = {
    0: "NOERROR", 1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED", 6: "YXDOMAIN", 7: "YXRRSET",
    8: "NXRRSET", 9: "NOTAUTH", 10: "NOTZONE", 11: "DSOTYPENI", 16: "BADVERS", 17: "BADKEY", 18: "BADTIME", 19: "BADMODE",
    20: "BADNAME", 21: "BADALG", 22: "BADTRUNC", 23: "BADCOOKIE",
}  # fmt: skip
"""Response codes by number (IANA, DNS parameters)."""

_A, _NS, _CNAME, _PTR, _MX, _AAAA, _SRV, _DNAME, _OPT = 1, 2, 5, 12, 15, 28, 33, 39, 41
_HEX = np.frombuffer(b"0123456789abcdef", np.uint8)


def qtype_text(number: int) -> str:
    """Name of a record type, `TYPE<n>` where it has none."""
    return QTYPES.get(number, f"TYPE{number}")


def rcode_text(number: int) -> str:
    """Name of a response code, `RCODE<n>` where it has none."""
    return RCODES.get(number, f"RCODE{number}")


@njit(cache=True, nogil=True)
def _put_char(char, text, at):  # type: ignore[no-untyped-def]
    """One byte of a label as text."""
    if 65 <= char <= 90:
        text[at] = char + 32
    elif 32 <= char < 127 and char not in (46, 92):
        text[at] = char
    elif char == 92:
        text[at] = 92
        text[at + 1] = 92
        return at + 2
    else:
        text[at] = 92
        text[at + 1] = 120
        text[at + 2] = _HEX[char >> 4]
        text[at + 3] = _HEX[char & 15]
        return at + 4
    return at + 1


@njit(cache=True, nogil=True)
def write_name(data, start, end, pos, text, at):  # type: ignore[no-untyped-def]
    """The name at `pos` of the message `data[start:end]` into `text` at `at`.

    Returns (place behind the name in the message, place behind the text); the first is -1 if it is no name: it
    runs over the end, is longer than 255 bytes, or its compression pointers do not lead backwards.
    """
    begin = at
    after = np.int64(-1)
    size = np.int64(1)
    lowest = pos  # pointers must lead to before it, so that they end
    for _ in range(_MOST_JUMPS + 128):
        if pos >= end:
            return np.int64(-1), begin
        length = np.int64(data[pos])
        if length == 0:
            if at == begin:
                text[at] = 46
                at += 1
            return (pos + 1 if after < 0 else after), at
        if length >= 0xC0:
            if pos + 2 > end:
                return np.int64(-1), begin
            if after < 0:
                after = pos + 2
            pos = start + (be16(data, pos) & 0x3FFF)
            if pos >= lowest:
                return np.int64(-1), begin
            lowest = pos
            continue
        size += length + 1
        if length >= 64 or pos + 1 + length > end or size > 255:
            return np.int64(-1), begin
        if at > begin:
            text[at] = 46
            at += 1
        for i in range(pos + 1, pos + 1 + length):
            at = _put_char(np.int64(data[i]), text, at)
        pos += 1 + length
    return np.int64(-1), begin


@njit(cache=True, nogil=True)
def _write_address(data, at_data, kind, text, at):  # type: ignore[no-untyped-def]
    """An A or AAAA record's address as text."""
    if kind == _A:
        return write_address(np.uint64(0), np.uint64(MAPPED_PREFIX) | np.uint64(be32(data, at_data)), text, at)
    return write_address(be64(data, at_data), be64(data, at_data + 8), text, at)


@njit(cache=True, nogil=True)
def _write_record(data, start, end, pos, kind, size, text, at):  # type: ignore[no-untyped-def]
    """Address or name that a record of the answer section carries; returns `at` if it has none."""
    if (kind == _A and size == 4) or (kind == _AAAA and size == 16):
        return _write_address(data, pos, kind, text, at)
    skip = np.int64(-1)
    if kind in (_CNAME, _NS, _PTR, _DNAME):
        skip = np.int64(0)
    elif kind == _MX:
        skip = np.int64(2)
    elif kind == _SRV:
        skip = np.int64(6)
    if skip < 0 or size <= skip:
        return at
    _, behind = write_name(data, start, end, pos + skip, text, at)
    return behind


@njit(cache=True, nogil=True)
def _write_named_address(data, start, end, owner, pos, kind, size, text, at):  # type: ignore[no-untyped-def]
    """An address record of the additional section as `name address`; returns `at` if it is none."""
    if not ((kind == _A and size == 4) or (kind == _AAAA and size == 16)):
        return at
    _, behind = write_name(data, start, end, owner, text, at)
    text[behind] = 32
    return _write_address(data, pos, kind, text, behind + 1)


@njit(cache=True, nogil=True)
def _records(data, start, end, pos, m, text, at, lengths, strings):  # type: ignore[no-untyped-def]
    """All three record sections; false if they break off."""
    begin, first = at, strings
    counts = (be16(data, start + 6), be16(data, start + 8), be16(data, start + 10))
    for section in range(3):
        for _ in range(counts[section]):
            owner = pos
            pos, _ = write_name(data, start, end, pos, text, at)  # only to pass over it
            if pos < 0 or pos + 10 > end:
                return False, at
            kind = be16(data, pos)
            size = be16(data, pos + 8)
            if kind == _OPT and section == 2:
                m["rcode"] |= np.int64(data[pos + 4]) << 4
            pos += 10
            if pos + size > end:
                return False, at
            if strings - first < MOST_STRINGS and at - begin < MOST_TEXT and section != 1:
                if section == 0:
                    behind = _write_record(data, start, end, pos, kind, size, text, at)
                    m["answers"] += behind > at
                else:
                    behind = _write_named_address(data, start, end, owner, pos, kind, size, text, at)
                    m["additional"] += behind > at
                if behind > at:
                    lengths[strings] = behind - at
                    strings += 1
                    at = behind
            pos += size
    return True, at


@njit(cache=True, nogil=True)
def decode_message(data, start, size, m, text, at, lengths, strings):  # type: ignore[no-untyped-def]
    """Decode the message of `size` bytes at `start` into row `m` (MESSAGE) and text from `at` on.

    `text` must have room for MOST_TEXT + 4 * MOST_NAME bytes from `at` on, `lengths` for MOST_STRINGS from
    `strings` on. Returns 2 if all of it could be read, 1 if the records break off (what stands before is there),
    0 if it is no DNS message at all.
    """
    end = start + size
    m["answers"] = 0
    m["additional"] = 0
    m["name_size"] = 0
    m["text_size"] = 0
    if size < 12:
        return 0
    flags = be16(data, start + 2)
    m["id"] = be16(data, start)
    m["is_answer"] = flags >> 15
    m["opcode"] = (flags >> 11) & 15
    m["rcode"] = flags & 15
    m["questions"] = be16(data, start + 4)
    m["qtype"] = 0
    begin = at
    pos = start + 12
    for i in range(m["questions"]):
        pos, behind = write_name(data, start, end, pos, text, at)
        if pos < 0 or pos + 4 > end:
            return 0 if i == 0 else 1
        if i == 0:
            m["qtype"] = be16(data, pos)
            m["name_size"] = behind - at
            m["text_size"] = behind - at
            begin = behind
        at = begin
        pos += 4
    whole, at = _records(data, start, end, pos, m, text, at, lengths, strings)
    m["text_size"] = m["name_size"] + at - begin
    return 2 if whole else 1


ROOM_TEXT: Final = MOST_TEXT + 4 * MOST_NAME + LONGEST
"""Bytes of text that one message may need."""
