"""The lab's encoders against vectors that others made, and its drawing of texts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.protocols import p2p, srvsvc
from lab.protocols.dns import name_bytes
from lab.sample import draw
from lab.stage import Stage


def table(path: Path) -> Iterator[list[str]]:
    """The rows of a facts file: columns between bars, comments left out."""
    for line in path.read_text().splitlines():
        columns = [column.strip() for column in line.split("|")]
        if line and not line.startswith("#"):
            yield columns


def test_peer_packets_are_those_that_nmap_accepts(shared: Path) -> None:
    seen = 0
    for _, low, high, flags, body, _, noise, wire in table(shared / "facts/data/p2p-packet-vectors.txt"):
        key = int(low, 16) | int(high, 16) << 32
        assert p2p.packet(key, int(flags, 16), bytes.fromhex(body), bytes.fromhex(noise)).hex() == wire
        seen += 1
    assert seen >= 7


def test_path_calls_are_encoded_as_the_specification_says(shared: Path) -> None:
    seen = 0
    for columns in table(shared / "facts/data/srvsvc-stubs.txt"):
        if len(columns) < 8:
            continue
        _, server, path, length, prefix, kind, flags, wire = columns
        units = (path + "\0").encode("utf-16-le")
        assert srvsvc.canonicalize(server, units, int(length), prefix, int(kind), int(flags)).hex() == wire
        seen += 1
    assert seen >= 4


def test_the_path_has_the_exploit_s_shape_and_no_code() -> None:
    for seed in range(50):
        raw = srvsvc.worm_path(Stage(seed).rng("path"))
        front, middle, back = raw.partition("\\..\\..\\".encode("utf-16-le"))
        assert middle
        assert front[:2] == b"\\\0"
        assert front[2:].isalpha()
        assert re.fullmatch(rb"(?:[A-Z]\0){7}[A-Za-z]+\0\0", back)


def test_names_become_labels() -> None:
    assert name_bytes("ab.example.") == b"\x02ab\x07example\0"
    assert name_bytes("") == b"\0"


@pytest.mark.parametrize(
    "pattern",
    [
        r"/search\?q=[0-9]+&aq=[0-9](\?[0-9a-f]{8})?",
        r"system32\\[a-z]{3,16}\.[a-z]{1,4}",
        r"recycler\\s(-[0-9]{1,10}){3,15}\\[a-z]{1,16}\.[a-z]{1,4}",
        r"(?:a|bc|[^xyz])\d{2}\w+?\s*.",
        r"^plain text$",
    ],
)
def test_drawn_texts_match(pattern: str) -> None:
    rng = Stage(1).rng("draw")
    drawn = {draw(pattern, rng) for _ in range(40)}
    assert all(re.fullmatch(pattern, text) for text in drawn)
    assert len(drawn) > 1 or pattern.startswith("^")


def test_an_expression_that_nothing_fits_is_an_error() -> None:
    with pytest.raises(ValueError, match="no text"):
        draw(r"a\bb", Stage(1).rng("draw"))
