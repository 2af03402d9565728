"""pcap files: both byte orders, microseconds and nanoseconds, and the 24-byte record headers of a patched libpcap.

References: https://www.ietf.org/archive/id/draft-ietf-opsawg-pcap-04.html; the long headers as Wireshark reads them.
"""

# ruff: noqa: PLR0917 - inner functions of the hot path take what they need one by one

from __future__ import annotations

import struct

import numpy as np
import numpy.typing as npt
from numba import njit

from wormward.model.errors import WireError
from wormward.wire.frames import decode
from wormward.wire.loads import u32
from wormward.wire.records import DAMAGED, FULL, MORE, MOST_RECORD, Bytes, Records, Step

# Magic: (big-endian, ticks of a second, bytes of a record header).
MAGICS = {
    b"\xa1\xb2\xc3\xd4": (True, 1_000_000, 16),
    b"\xd4\xc3\xb2\xa1": (False, 1_000_000, 16),
    b"\xa1\xb2\x3c\x4d": (True, 1_000_000_000, 16),
    b"\x4d\x3c\xb2\xa1": (False, 1_000_000_000, 16),
    b"\xa1\xb2\xcd\x34": (True, 1_000_000, 24),
    b"\x34\xcd\xb2\xa1": (False, 1_000_000, 24),
}


@njit(cache=True, nogil=True)
def _plausible(data, pos, big, fraction, last_s):  # type: ignore[no-untyped-def]
    """True if a pcap record header may stand at `pos`: sizes that fit and a time near `last_s` (-1: not known)."""
    caplen = u32(data, pos + 8, big)
    wirelen = u32(data, pos + 12, big)
    if not 0 < caplen <= MOST_RECORD or not caplen <= wirelen <= MOST_RECORD or u32(data, pos + 4, big) >= fraction:
        return False
    return last_s < 0 or abs(u32(data, pos, big) - last_s) <= 86_400


@njit(cache=True, nogil=True)
def _find_record(data, pos, end, final, big, fraction, head, last_s):  # type: ignore[no-untyped-def]
    """First place from `pos` on where two plausible pcap records follow each other: (found, place to go on from)."""
    while pos + head <= end:
        if _plausible(data, pos, big, fraction, last_s):
            after = pos + head + u32(data, pos + 8, big)
            if after + head > end and not final:
                return False, pos  # more bytes will tell
            if after == end or (after + head <= end and _plausible(data, after, big, fraction, last_s)):
                return True, pos
        pos += 1
    return False, pos


@njit(cache=True, nogil=True)
def _walk_pcap(data, pos, end, big, per_second, head, link, frame, packets):  # type: ignore[no-untyped-def]
    """Records from `pos` on into `packets`: (place, rows, reason). `link` -1 leaves headers undecoded."""
    count = 0
    room = len(packets)
    while pos + head <= end:
        if count == room:
            return pos, count, FULL
        seconds = u32(data, pos, big)
        caplen = u32(data, pos + 8, big)
        wirelen = u32(data, pos + 12, big)
        if caplen > MOST_RECORD or (caplen | wirelen | seconds) == 0:
            return pos, count, DAMAGED
        if pos + head + caplen > end:
            break
        row = packets[count]
        count += 1
        row["time_us"] = seconds * 1_000_000 + u32(data, pos + 4, big) // (per_second // 1_000_000)
        row["frame"] = frame + count
        if link >= 0:
            decode(data, pos + head, caplen, wirelen, link, row)
        pos += head + caplen
    return pos, count, MORE


class PcapRecords(Records):
    """A pcap file, either byte order, microseconds or nanoseconds."""

    kind = "pcap"
    begin = 24

    def __init__(self, head: bytes) -> None:
        """Read the file header; raises WireError if it is none or ends too early."""
        layout = MAGICS.get(head[:4])
        if layout is None or len(head) < 24:
            raise WireError("this is no pcap file, or it ends inside its header")
        self._big, self._per_second, self._head = layout
        snaplen, link = struct.unpack(">II" if self._big else "<II", head[16:24])
        self._link = link & 0xFFFF  # the upper bits tell of a frame check sequence, which IP lengths cut off
        self.links = ((self._link, snaplen),)

    def walk(self, window: Bytes, start: int, stop: int, packets: npt.NDArray[np.void], decoded: bool = True) -> Step:
        """See `Records.walk`."""
        link = self._link if decoded else -1
        step = _walk_pcap(window, start, stop, self._big, self._per_second, self._head, link, self.frame, packets)
        return self.passed(step, packets)

    def resume(self, window: Bytes, start: int, stop: int, final: bool) -> tuple[bool, int]:
        """See `Records.resume`."""
        last_s = self.last_us // 1_000_000 if self.last_us >= 0 else -1
        return _find_record(window, start + 1, stop, final, self._big, self._per_second, self._head, last_s)  # type: ignore[no-any-return]
