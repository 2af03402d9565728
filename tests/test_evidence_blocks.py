"""Text files come as whole lines, whatever the block size, packing or encoding; damage gives what stands before it."""

from __future__ import annotations

import gzip
import hashlib
import lzma
from pathlib import Path

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wormward.evidence import blocks
from wormward.evidence.blocks import TextFile, text_of
from wormward.evidence.files import EvidenceFile

PACK = {"": bytes, ".gz": gzip.compress, ".xz": lzma.compress, ".zst": zstandard.ZstdCompressor().compress}


def read(path: Path, threads: int = 2) -> tuple[list[bytes], TextFile, str]:
    """Every block's bytes, the text file and the digest."""
    with EvidenceFile(path, path.name, 0, "site", 0).open() as stream:
        text = TextFile(stream)
        found = list(text.parsed(lambda block: (block.number, bytes(block.view)), threads))
        assert [number for number, _ in found] == list(range(len(found)))
        return [data for _, data in found], text, stream.sha256


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lines=st.lists(st.text("ab\r", max_size=30).map(str.encode), max_size=40),
    end=st.sampled_from([b"", b"\n"]),
    size=st.integers(31, 90),
    packed=st.sampled_from(sorted(PACK)),
)
def test_blocks_are_whole_lines(tmp_path: Path, lines: list[bytes], end: bytes, size: int, packed: str) -> None:
    data = b"\n".join(lines) + end
    path = tmp_path / f"x{packed}"
    path.write_bytes(PACK[packed](data))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "BLOCK", size)
        found, text, sha256 = read(path)
    assert b"".join(found) == data
    assert all(block.endswith(b"\n") for block in found[:-1])
    assert (text.error, sha256) == (None, hashlib.sha256(data).hexdigest())


@pytest.mark.parametrize("count", [99, 100, 101, 250, 1000])
@pytest.mark.parametrize("end", ["", "\n", "\nlast", "\nlast\n"])
def test_a_line_longer_than_a_block_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int, end: str) -> None:
    monkeypatch.setattr(blocks, "BLOCK", 100)
    path = tmp_path / "x"
    path.write_text("first\n" + "x" * count + end)
    found, _, _ = read(path)
    lines = b"\n".join(block.removesuffix(b"\n") for block in found).split(b"\n")
    assert lines == [b"first", b"x" * min(count, 100), *([b"last"] if "last" in end else [])]


@pytest.mark.parametrize("name", ["utf-16-le", "utf-16-be"])
def test_utf16_becomes_utf8(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(blocks, "BLOCK", 64)
    written = "時刻,name\nü😀\n" * 40
    mark = "\ufeff".encode(name)
    path = tmp_path / "x"
    path.write_bytes(mark + written.encode(name) + b"\x00")  # half a unit at the end
    assert b"".join(read(path)[0]).decode().removesuffix("\ufffd") == written
    assert text_of(path.read_bytes()[:41]).decode().startswith("時刻,name\n")


def test_a_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"\xef\xbb\xbfabc")
    assert read(path)[0] == [b"abc"]
    assert text_of(b"\xef\xbb\xbfabc") == b"abc"


@pytest.mark.parametrize("packed", [".gz", ".xz", ".zst"])
@pytest.mark.parametrize("coding", ["ascii", "utf-16"])
def test_a_cut_archive_gives_what_stands_before_the_cut(tmp_path: Path, packed: str, coding: str) -> None:
    lines = [f"line {hashlib.sha256(bytes([i % 256, i // 256])).hexdigest()}\n" for i in range(20_000)]
    data = "".join(lines).encode(coding)
    whole = PACK[packed](data)
    path = tmp_path / f"x{packed}"
    path.write_bytes(whole[: len(whole) * 3 // 4])
    found, text, _ = read(path)
    got = b"".join(found)
    assert text.error is not None
    assert "".join(lines).encode().startswith(got)
    assert len(got) > 300_000 or coding != "ascii"


def test_an_empty_file_has_no_blocks(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"")
    assert read(path)[0] == []


def test_an_error_in_a_parser_ends_the_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "BLOCK", 16)
    path = tmp_path / "x"
    path.write_text("a\n" * 500)

    def parse(block: blocks.Block) -> int:
        if block.number == 5:
            raise ZeroDivisionError
        return block.number

    with EvidenceFile(path, "x", 0, "site", 0).open() as stream, pytest.raises(ZeroDivisionError):
        list(TextFile(stream).parsed(parse))


@pytest.mark.parametrize("data", ["a\n".encode("utf-16") * 3_000_000, b"x" * (9 << 20) + b"\nlast\n", b"line\n" * 2_000_000])
def test_what_is_hashed_meanwhile_is_what_was_read(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "x"
    path.write_bytes(data)
    assert read(path)[2] == hashlib.sha256(data).hexdigest()
