"""A pack's files: read with bounds, digested, and turned into sentences where they are wrong."""

from __future__ import annotations

import csv
import hashlib
import io
import re
import tomllib
from collections.abc import Iterator, Mapping
from importlib.resources.abc import Traversable
from ipaddress import ip_address
from pathlib import Path

from pydantic import ValidationError

from wormward.model.errors import PackError
from wormward.model.text import printable
from wormward.packs.schema import PackFile

PACK_FILE = "pack.toml"
SINKHOLES = "indicators/sinkholes.csv"
SPEAKING = (".toml", ".csv")
"""Files that say something to the program; others (README, examples, code) do not change what a pack means."""
SHAPE = (
    "A pack is a folder with pack.toml and, if it likes, indicators/sinkholes.csv; CONTRIBUTING.md (a worm) says how to make "
    "one, and the built-in ones stand in src/wormward/threats"
)
"""Where to look for somebody who gave a folder that is none."""
MOST_FILES = 64
MOST_BYTES = 4 << 20
MOST_DEPTH = 3
_DOMAIN = re.compile(r"(?=.{1,253}\Z)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]")


def read(folder: Traversable) -> Mapping[str, bytes]:
    """Every speaking file by its path in the pack, in order of these. Raises PackError where that cannot be."""
    found: dict[str, bytes] = {}
    try:
        for name, file in _speaking(folder, "", 0):
            if len(found) == MOST_FILES:
                raise PackError(f"{folder}: has more than {MOST_FILES} files; a pack is a small folder, is this one?")
            with file.open("rb") as stream:
                found[name] = stream.read(MOST_BYTES + 1)
            if len(found[name]) > MOST_BYTES:
                raise PackError(f"{folder}/{name}: is larger than {MOST_BYTES >> 20} MB; split or shorten it")
    except OSError as error:
        what = "is a file" if isinstance(error, NotADirectoryError) else f"cannot be read ({error.strerror or error})"
        raise PackError(f"{printable(str(folder))}: {what}; give the folder of a threat pack. {SHAPE}") from error
    if PACK_FILE not in found:
        inner = next((name for name in sorted(found) if name.endswith(f"/{PACK_FILE}")), None)
        instead = f"did you mean its folder {inner.removesuffix(f'/{PACK_FILE}')}?" if inner else SHAPE
        raise PackError(f"{printable(str(folder))}: is no threat pack, it has no {PACK_FILE}; {instead}")
    return dict(sorted(found.items()))


def _speaking(folder: Traversable, prefix: str, depth: int) -> Iterator[tuple[str, Traversable]]:
    for entry in folder.iterdir():
        if isinstance(entry, Path) and entry.is_symlink():
            continue  # a pack is what stands in its folder, not what it points at
        if entry.is_dir() and depth < MOST_DEPTH:
            yield from _speaking(entry, f"{prefix}{entry.name}/", depth + 1)
        elif entry.name.endswith(SPEAKING) and entry.is_file():
            yield prefix + entry.name, entry


def digest(contents: Mapping[str, bytes]) -> str:
    """SHA-256 over names, sizes and bytes of a pack's files, in order of their names."""
    summed = hashlib.sha256()
    for name, data in sorted(contents.items()):
        summed.update(f"{name}\0{len(data)}\0".encode())
        summed.update(data)
    return summed.hexdigest()


def parse(data: bytes, where: str) -> PackFile:
    """`pack.toml`, checked. Raises PackError that names `where`, the key and what to do."""
    try:
        return PackFile.model_validate(tomllib.loads(data.decode("utf-8")))
    except UnicodeDecodeError as error:
        raise PackError(f"{where}: is not UTF-8 (byte {error.start}); save it as UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise PackError(f"{where}: is no TOML: {error}; correct it there") from error
    except ValidationError as error:
        raise PackError(f"{where}: {_sentence(error)}") from error


def _sentence(error: ValidationError) -> str:
    """The first thing that is wrong, by key, and how many more there are."""
    first, *more = error.errors(include_url=False)
    key = ""
    for part in first["loc"]:
        key += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if key else str(part)
    said = first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        said = "is not a key of this table; remove it or correct its name"
    elif first["type"] == "missing":
        said = "is missing; add it"
    elif first["type"] != "value_error":
        said = f"{said[:1].lower()}{said[1:]}; correct it"
    return f"{key + ': ' if key else ''}{said}" + (f" (and {len(more)} more)" if more else "")


def sinkholes(data: bytes, where: str) -> frozenset[str]:
    """The addresses and names of a sinkhole list. Raises PackError that names the line."""
    try:
        rows = csv.DictReader(io.StringIO(data.decode("utf-8"), newline=""), strict=True)
        if rows.fieldnames != ["sinkhole", "seen", "source"]:
            raise PackError(f"{where}: line 1: the columns must be sinkhole,seen,source; correct that line")
        found = [(rows.line_num, (row["sinkhole"] or "").strip(), row) for row in rows]
    except (UnicodeDecodeError, csv.Error) as error:
        raise PackError(f"{where}: is no CSV in UTF-8 ({error}); save it as such") from error
    for number, text, row in found:
        if None in row or row["source"] is None:
            raise PackError(f"{where}: line {number}: must have three columns; correct it there")
        if not _is_address(text) and not _DOMAIN.fullmatch(text):
            raise PackError(f"{where}: line {number}: {text!r} is no address and no lower-case domain name; correct it there")
    return frozenset(text for _, text, _ in found)


def _is_address(text: str) -> bool:
    try:
        return str(ip_address(text)) == text
    except ValueError:
        return False
