"""Packed files: whole ones are read whole, cut ones as far as they go, and no cut goes unnoticed."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import lzma
from pathlib import Path

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wormward.evidence.files import ByteStream
from wormward.evidence.unpack import whole_frames
from wormward.model.errors import EvidenceError

DATA = b"".join(hashlib.sha256(bytes([i % 251, i // 251])).digest() for i in range(3000)) + b"\0" * 300_000
SKIPPABLE = b"\x50\x2a\x4d\x18" + (5).to_bytes(4, "little") + b"extra"


def zstd(data: bytes, **options: bool) -> bytes:
    return zstandard.ZstdCompressor(**options).compress(data)


FORMS = {
    "gzip": gzip.compress(DATA, mtime=0),
    "gzip, two members": gzip.compress(DATA[:1000]) + gzip.compress(DATA[1000:]),
    "xz": lzma.compress(DATA),
    "xz, two streams": lzma.compress(DATA[:1000]) + b"\0" * 8 + lzma.compress(DATA[1000:]),
    "zstd": zstd(DATA),
    "zstd, checked": zstd(DATA, write_checksum=True),
    "zstd, frames": zstd(DATA[:1000]) + SKIPPABLE + zstd(DATA[1000:], write_content_size=False),
}


def read(path: Path, step: int = 1 << 16) -> bytes:
    with ByteStream(path) as stream:
        out = b""
        while part := stream.read(step):
            out += part
        assert stream.sha256 == hashlib.sha256(out).hexdigest()
        return out


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("step", [1000, 1 << 20])
def test_whole_files(tmp_path: Path, form: str, step: int) -> None:
    path = tmp_path / "x"
    path.write_bytes(FORMS[form])
    assert read(path, step) == DATA


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("share", [0.3, 0.7, 0.98])
def test_cut_files_give_what_stands_before_the_cut(tmp_path: Path, form: str, share: float) -> None:
    packed = FORMS[form]
    path = tmp_path / "x"
    path.write_bytes(packed[: int(len(packed) * share)])
    stream = ByteStream(path)
    buffer = bytearray(len(DATA) + 1)
    with pytest.raises(EvidenceError, match="is damaged"):
        stream.readinto(memoryview(buffer))
    assert stream.consumed > share * 50_000 or "zstd" in form  # zstd gives whole blocks of 128 kB
    assert buffer[: stream.consumed] == DATA[: stream.consumed]
    stream.close()


@pytest.mark.parametrize("form", [form for form in FORMS if "zstd" in form])
def test_no_cut_of_frames_goes_unnoticed(form: str) -> None:
    packed = FORMS[form]
    ends = {len(packed), len(zstd(DATA[:1000])), len(zstd(DATA[:1000])) + len(SKIPPABLE)} if "frames" in form else {len(packed)}
    for size in [*range(1, 60), *range(len(packed) - 60, len(packed) + 1), *ends]:
        assert whole_frames(io.BytesIO(packed[:size])) == (size in ends), size


def test_what_is_damaged_inside_is_damaged(tmp_path: Path) -> None:
    for form, packed in FORMS.items():
        spoilt = bytearray(packed)
        spoilt[len(spoilt) // 2] ^= 0xFF
        path = tmp_path / "x"
        path.write_bytes(spoilt)
        try:
            assert read(path) != DATA or form == "zstd"
        except EvidenceError:
            continue


def test_a_bomb_does_not_fill_memory(tmp_path: Path) -> None:
    path = tmp_path / "x.xz"
    path.write_bytes(lzma.compress(b"\0" * (64 << 20)))
    with ByteStream(path) as stream:
        buffer = memoryview(bytearray(1 << 16))
        total = 0
        while count := stream.readinto(buffer):
            total += count
    assert total == 64 << 20


def readable(path: Path, step: int) -> bytes:
    """What can be read of a damaged file, asked for in steps."""
    out = bytearray()
    with ByteStream(path) as stream, contextlib.suppress(EvidenceError):
        while not stream.ended:
            buffer = bytearray(step)
            before = stream.consumed
            try:
                stream.readinto(memoryview(buffer))
            finally:
                out += buffer[: stream.consumed - before]
    return bytes(out)


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(form=st.sampled_from(sorted(FORMS)), place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7), cut=st.booleans())
def test_what_a_damaged_file_gives_does_not_depend_on_how_it_is_asked(
    tmp_path_factory: pytest.TempPathFactory, form: str, place: float, bit: int, cut: bool
) -> None:
    packed = bytearray(FORMS[form])
    at = 8 + int(place * (len(packed) - 8))
    packed[at] ^= 1 << bit
    path = tmp_path_factory.mktemp("damaged") / "x"
    path.write_bytes(packed[: at + 1] if cut else packed)
    assert readable(path, 1000) == readable(path, 70_001) == readable(path, 1 << 20)
