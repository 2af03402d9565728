"""Capture files of both formats, by their first bytes; the names of link types that are not read."""

from __future__ import annotations

from typing import Final

from wormward.wire.links import LINK_TYPES
from wormward.wire.pcap import MAGICS, PcapRecords
from wormward.wire.pcapng import BYTE_ORDERS, PcapngRecords
from wormward.wire.records import DAMAGED, FULL, MORE, Records, Step

__all__ = ["DAMAGED", "FULL", "MORE", "PRIVATE_LINKS", "UNREAD_LINKS", "Records", "Step", "is_capture", "link_name", "records"]

UNREAD_LINKS: Final = {
    6: "token ring", 8: "SLIP", 10: "FDDI", 104: "Cisco HDLC", 105: "IEEE 802.11", 107: "frame relay", 117: "OpenBSD pflog",
    119: "IEEE 802.11 with Prism header", 127: "IEEE 802.11 with radiotap header", 143: "DOCSIS",
    163: "IEEE 802.11 with AVS header", 187: "Bluetooth", 189: "USB", 192: "PPI", 195: "IEEE 802.15.4", 201: "Bluetooth",
    220: "USB", 227: "CAN bus", 239: "Linux netfilter log", 249: "USB", 251: "Bluetooth low energy", 253: "Linux netlink",
}  # fmt: skip
"""Names of other link types (tcpdump.org/linktypes.html), for people to know them by."""
PRIVATE_LINKS: Final = range(147, 163)
"""Link types that everybody may use for what he likes."""


def link_name(link: int) -> str:
    """A link type's number with its name, where it has one that is known here."""
    name = "private use" if link in PRIVATE_LINKS else LINK_TYPES.get(link) or UNREAD_LINKS.get(link)
    return f"{link} ({name})" if name else str(link)


def is_capture(head: bytes) -> bool:
    """True if `head` begins like a pcap or pcapng file."""
    if head[:4] in MAGICS:
        return True
    return head[:4] == b"\n\r\r\n" and head[8:12] in BYTE_ORDERS


def records(head: bytes) -> PcapRecords | PcapngRecords:
    """The walker of the capture that begins with `head` (24 bytes are enough). Raises WireError if it is none."""
    return PcapngRecords(head) if head[:4] == b"\n\r\r\n" else PcapRecords(head)
