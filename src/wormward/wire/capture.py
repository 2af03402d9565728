"""Capture files of both formats, by their first bytes."""

from __future__ import annotations

from wormward.wire.pcap import MAGICS, PcapRecords
from wormward.wire.pcapng import BYTE_ORDERS, PcapngRecords
from wormward.wire.records import DAMAGED, FULL, MORE, Records, Step

__all__ = ["DAMAGED", "FULL", "MORE", "Records", "Step", "is_capture", "records"]


def is_capture(head: bytes) -> bool:
    """True if `head` begins like a pcap or pcapng file."""
    if head[:4] in MAGICS:
        return True
    return head[:4] == b"\n\r\r\n" and head[8:12] in BYTE_ORDERS


def records(head: bytes) -> PcapRecords | PcapngRecords:
    """The walker of the capture that begins with `head` (24 bytes are enough). Raises WireError if it is none."""
    return PcapngRecords(head) if head[:4] == b"\n\r\r\n" else PcapRecords(head)
