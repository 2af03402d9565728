"""nfdump's own files, read through the installed program `nfdump` (1.6 or 1.7): it knows all versions of its format.

What it prints are records in the file's order; a record's number is what findings cite (`nfdump -r FILE` prints the
same order). The program gets the file's bytes through a file of ours: compressed and unnamed evidence works too.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from typing import Final

from wormward.evidence.files import ByteStream, EvidenceFile
from wormward.evidence.flow_halves import Halves, half_of
from wormward.evidence.lines import Clock, Fact, read_lines
from wormward.evidence.nfdump_csv import BLIND
from wormward.model.errors import EvidenceError
from wormward.model.reading import FileRead, ReadContext

__all__ = ["BLIND", "KIND", "read", "recognise"]

KIND: Final = "nfdump"
UNIT: Final = "record"
_MAGIC: Final = (b"\x0c\xa5", b"\xa5\x0c")  # 0xA50C in both byte orders; then the layout version
_VERSIONS: Final = (1, 2)
_FORMAT: Final = "fmt:%tsr|%td|%pr|%sa|%da|%sp|%dp|%flg|%pkt"
_NAMES: Final = ("begin", "length", "protocol", "source", "target", "sport", "dport", "flags", "packets")
_COPY: Final = 1 << 20


def recognise(head: bytes, name: str) -> bool:  # noqa: ARG001 - names are not asked
    """True if a file begins like nfdump's layout 1 or 2."""
    if head[:2] not in _MAGIC or len(head) < 4:
        return False
    return int.from_bytes(head[2:4], "little" if head[:2] == _MAGIC[0] else "big") in _VERSIONS


def _records(stream: ByteStream) -> Iterator[tuple[bytes, int]]:
    """The lines that nfdump prints of a file, with the record's number. Raises EvidenceError."""
    program = shutil.which("nfdump")
    if program is None:
        stream.drain()
        raise EvidenceError(
            "nfdump's own files are read through the program nfdump, which is not installed here",
            remedy="install it (Debian: apt install nfdump), or give what it prints elsewhere: nfdump -r FILE -o csv > FILE.csv",
        )
    with tempfile.NamedTemporaryFile(prefix="wormward-") as copy:
        while part := stream.read(_COPY):
            copy.write(part)
        copy.flush()
        words = [program, "-r", copy.name, "-q", "-N", "-6", "-o", _FORMAT]
        utc = {"TZ": "UTC", "LC_ALL": "C"}
        with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=utc) as running:  # noqa: S603 - our words
            assert running.stdout is not None and running.stderr is not None  # noqa: S101, PT018 - both were asked for
            number = 0
            try:
                for line in running.stdout:
                    if line.count(b"|") == len(_NAMES) - 1:
                        number += 1
                        yield line.rstrip(b"\n"), number
            finally:
                running.stdout.close()
                said = running.stderr.read(4096).decode("utf-8", "replace").replace(copy.name, "the file").strip()
                running.stderr.close()
            code = running.wait()
    if code or said:
        raise EvidenceError(
            f"nfdump could not read all of it ({said.splitlines()[0] if said else f'exit {code}'})",
            place=f"record {number + 1}",
            remedy="copy the file again; if it is from a newer nfdump, install that version here",
        )


class _Lines:
    """The parser of what nfdump prints (see `lines.Parser`)."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._halves = Halves()

    def line(self, text: str, number: int) -> Iterable[Fact] | None:
        """See `lines.Parser`."""
        got = dict(zip(_NAMES, (field.strip() for field in text.split("|")), strict=True))
        return self._halves.add(half_of(self._clock.epoch(got["begin"]), got, number))

    def end(self) -> Iterable[Fact]:
        """See `lines.Parser`."""
        return self._halves.end()

    def notes(self) -> tuple[str, ...]:
        """See `lines.Parser`."""
        return ()


def read(file: EvidenceFile, context: ReadContext) -> FileRead:
    """Read one file through nfdump. Trouble becomes problems, never an exception. Raises WorkspaceError."""
    return read_lines(file, context, KIND, _Lines, blind=BLIND, lines_of=_records, unit=UNIT)
