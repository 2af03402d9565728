"""Reading the vector files of the facts: lines without comments, dates as days since 1970."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from datetime import date
from pathlib import Path

DAY_0 = date(1970, 1, 1)


def day(text: str) -> int:
    """Days since 1970 of an ISO date."""
    return (date.fromisoformat(text) - DAY_0).days


def lines(path: Path) -> list[str]:
    """A vector file's lines without single-`#` comments and empty ones."""
    text = path.read_text(encoding="utf-8").splitlines()
    return [line for line in text if line and not (line.startswith("#") and not line.startswith("##"))]


def blocks(path: Path) -> Iterator[tuple[str, list[str]]]:
    """Heads (after `## `) with the lines below each."""
    head, block = "", list[str]()
    for line in lines(path):
        if line.startswith("## "):
            if head:
                yield head, block
            head, block = line[3:], []
        else:
            block.append(line)
    yield head, block


def digest(names: Iterable[str]) -> str:
    """SHA-256 over every name followed by a line feed."""
    return hashlib.sha256("".join(f"{name}\n" for name in names).encode()).hexdigest()
