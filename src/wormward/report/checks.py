"""The shell lines that let a sceptic check a report with tools that are not ours: tshark, sed, nfdump, sha256sum."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from typing import Final

UNPACK: Final[Mapping[str, str]] = {"gz": "zcat", "xz": "xzcat", "zst": "zstdcat"}
"""What unpacks a file, by how it is packed."""
_RECORD: Final = "fmt:%ts %td %pr %sa %da %sp %dp %flg %pkt"


def packing(name: str) -> str:
    """How a file is packed, as far as its name tells; "" if it is not."""
    return next((packed for packed in UNPACK if name.endswith(f".{packed}")), "")


def shown(name: str, unit: str, numbers: Iterable[int], packed: str | None = None, encoding: str = "") -> str:
    """A line that shows these frames, lines or records of the file `name`, which is quoted: it may be hostile.

    `packed` is a key of UNPACK, "" for a plain file, None to go by the name; `encoding` is that of a text that `sed`
    cannot count the lines of (UTF-16).
    """
    packed = packing(name) if packed is None else packed
    if unit == "frame":
        frames = " || ".join(f"frame.number == {n}" for n in numbers)
        return f"{_unpacked(name, packed)} | tshark -r - -Y '{frames}'" if packed else f"tshark -r {quoted(name)} -Y '{frames}'"
    lines = "sed -n '{}'".format("".join(f"{n}p;" for n in numbers))
    if unit == "record":
        own = quoted(name)
        records = f"nfdump -q -N -6 -r {own} -o '{_RECORD}' | {lines}"
        return f"{_unpacked(name, packed)} > unpacked.nfdump && {records.replace(own, 'unpacked.nfdump')}" if packed else records
    if encoding:
        return f"{_unpacked(name, packed)} | iconv -f {encoding} -t UTF-8 | {lines}"
    return f"{_unpacked(name, packed)} | {lines}" if packed else f"{lines} {quoted(name)}"


def digest(name: str, packed: str | None = None) -> str:
    """A line that says the digest by which a report names the file: that of its uncompressed bytes."""
    packed = packing(name) if packed is None else packed
    return f"{_unpacked(name, packed)} | sha256sum" if packed else f"sha256sum {quoted(name)}"


def _unpacked(name: str, packed: str) -> str:
    return f"{UNPACK.get(packed, 'cat')} {quoted(name)}"


def quoted(name: str) -> str:
    """A file's name as one word of a shell, that no program takes for an option."""
    return shlex.quote(f"./{name}" if name.startswith("-") else name)
