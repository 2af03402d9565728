"""Writing captures: classic pcap with microseconds, little-endian, Ethernet; whole or rotated.

Reference: https://www.ietf.org/archive/id/draft-ietf-opsawg-pcap-04.html
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

GLOBAL_HEADER = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1)
_RECORD = struct.Struct("<IIII")
_BUFFER = 1 << 20


class Capture:
    """A sink that writes packets to `path`, or to `path-0001.pcap`, ... every `rotate_us` if that is given."""

    keeps_packets = True

    def __init__(self, path: Path, rotate_us: int | None = None) -> None:
        self.paths: list[Path] = []
        self._path = path
        self._rotate_us = rotate_us
        self._next_us: int | None = None
        self._file: BinaryIO | None = None
        if rotate_us is None:
            self._open(path)

    def packet(self, time_us: int, frame: bytearray) -> None:
        """Append one frame."""
        if self._rotate_us is not None and (self._next_us is None or time_us >= self._next_us):
            self._turn(time_us, self._rotate_us)
        assert self._file is not None  # noqa: S101 - opened in the constructor or by the rotation above
        seconds, micros = divmod(time_us, 1_000_000)
        self._file.write(_RECORD.pack(seconds, micros, len(frame), len(frame)) + frame)

    def row(self, time_us: int, log: str, values: Mapping[str, object]) -> None:
        """A capture keeps no rows."""

    def close(self) -> None:
        """Finish the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _turn(self, time_us: int, rotate_us: int) -> None:
        self.close()
        self._next_us = time_us // rotate_us * rotate_us + rotate_us
        self._open(self._path.with_name(f"{self._path.stem}-{len(self.paths) + 1:04d}{self._path.suffix}"))

    def _open(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.paths.append(path)
        self._file = path.open("wb", buffering=_BUFFER)
        self._file.write(GLOBAL_HEADER)
