"""What is evidence among files and folders, what it is called, and a clear sentence for everything else."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import zstandard

from tests.evidence_help import Read, problems, read_paths
from wormward.evidence import discover
from wormward.model.site import Site
from wormward.model.states import Skip

CSV = b"time,client,name\n2026-11-23T08:49:33Z,10.0.0.1,a.b\n"
BIND = b"23-Nov-2026 08:49:33.123 client @0x7f 10.1.2.3#5 (a.b): query: a.b IN A + (10.0.0.53)\n"
ZEEK = b'{"ts":1.0,"uid":"C","id.orig_h":"10.0.0.1","id.resp_h":"10.0.0.2","conn_state":"SF"}\n'


def make(folder: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def names(read: Read) -> list[str]:
    return [file.name for file in read.found.files]


def said(read: Read) -> list[str]:
    """Sources that could not be read and why."""
    return problems([*read.found.unreadable, *read.reads])


def test_kinds_are_told_by_content_in_any_packing(tmp_path: Path) -> None:
    packers = {"a": bytes, "b.gz": gzip.compress, "c.xz": lzma.compress, "d.zst": zstandard.ZstdCompressor().compress}
    files = {
        f"{kind}-{name}": pack(data) for kind, data in (("c", CSV), ("q", BIND), ("z", ZEEK)) for name, pack in packers.items()
    }
    read = read_paths(make(tmp_path / "site", files))
    kinds = {"c": "dns-csv", "q": "bind-querylog", "z": "zeek-conn"}
    assert [(r.coverage.source, r.coverage.kind) for r in read.reads] == [
        (f"site/{name}", kinds[name[0]]) for name in sorted(files)
    ]
    assert said(read) == []
    assert len({r.coverage.sha256 for r in read.reads}) == 3  # that of the uncompressed bytes


def test_folders_are_walked_and_what_is_no_evidence_is_passed_over(tmp_path: Path) -> None:
    folder = make(
        tmp_path / "site",
        {"truth.json": b"{}", "README.md": b"# hi", "b/c/x.log": BIND, "b/app.log": b"started\n", ".gitkeep": b"", "a.csv": CSV,
         "b/ssl.log": ZEEK.replace(b"conn_state", b"cipher")},
    )  # fmt: skip
    (folder / "link.csv").symlink_to(folder / "a.csv")
    (folder / "loop").symlink_to(folder)
    read = read_paths(folder)
    assert names(read) == ["site/a.csv", "site/b/c/x.log"]
    assert read.found.passed == (
        (Skip.NO_EVIDENCE, "site/.gitkeep"),
        (Skip.NO_EVIDENCE, "site/README.md"),
        (Skip.NO_EVIDENCE, "site/b/app.log"),
        (Skip.NO_EVIDENCE, "site/b/ssl.log"),
        (Skip.LINK, "site/link.csv"),
        (Skip.LINK, "site/loop"),
        (Skip.NO_EVIDENCE, "site/truth.json"),
    )
    assert said(read) == []


def test_the_order_of_arguments_changes_nothing(tmp_path: Path) -> None:
    make(tmp_path, {"x/1.csv": CSV, "y/1.csv": CSV.replace(b"a.b", b"c.d"), "q.log": BIND})
    one = read_paths(tmp_path / "x", tmp_path / "y" / "1.csv", tmp_path / "q.log")
    other = read_paths(tmp_path / "q.log", tmp_path / "y" / "1.csv", tmp_path / "x", tmp_path / "q.log")
    assert names(one) == names(other) == ["1.csv", "q.log", "x/1.csv"]
    assert one.tables == other.tables


def test_equal_names_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    make(tmp_path, {"x/m/1.csv": CSV, "y/m/1.csv": CSV, "z.csv": CSV})
    read = read_paths(tmp_path / "x" / "m" / "1.csv", tmp_path / "y" / "m" / "1.csv", tmp_path / "z.csv")
    assert names(read) == ["x/m/1.csv", "y/m/1.csv", "z.csv"]


def test_names_are_never_absolute_and_escaped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make(tmp_path / "in\u202eside", {"a\nb.csv": CSV})
    monkeypatch.chdir(folder)
    assert names(read_paths(Path())) == ["in\\u202eside/a\\nb.csv"]
    assert names(read_paths(folder / "a\nb.csv")) == ["a\\nb.csv"]


def test_separate_gives_each_file_a_site(tmp_path: Path) -> None:
    folder = make(tmp_path / "s", {"1.csv": CSV, "2.csv": CSV})
    read = read_paths(folder, separate=True)
    assert [f.site for f in read.found.files] == ["s/1.csv", "s/2.csv"]
    assert read.column("dns_queries", "site") == ["s/1.csv", "s/2.csv"]
    assert {f.site for f in discover([folder], Site(name="plant")).files} == {"plant"}


@pytest.mark.parametrize(
    ("name", "data", "what"),
    [
        ("x.txt", b"hello\n", "is of no kind that is known here"),
        ("x.pcap", b"", "is empty"),
        ("x.zip", b"PK\x03\x04rest", "is a zip archive"),
        ("x.bz2", bz2.compress(CSV), "is packed with bzip2"),
        ("ssl.log", b"#separator \\x09\n#path\tssl\n", "is Zeek's ssl log, which is not used"),
        ("cut.gz", gzip.compress(CSV, mtime=0)[:12], "is damaged: the compressed file ends before its data do"),
        ("bad.xz", b"\xfd7zXZ\0" + b"x" * 50, "is damaged"),
    ],
)
def test_what_was_named_and_is_no_evidence(tmp_path: Path, name: str, data: bytes, what: str) -> None:
    read = read_paths(make(tmp_path, {name: data, "good.csv": CSV}) / name, tmp_path / "good.csv")
    assert names(read) == ["good.csv"]
    (line,) = said(read)
    assert line.startswith(f"{name}, ")
    assert what in line
    assert all(p.remedy for r in read.found.unreadable for p in r.coverage.problems)


def test_what_a_folder_holds_and_should_be_evidence_but_is_not(tmp_path: Path) -> None:
    folder = make(
        tmp_path / "s",
        {
            "a.csv": CSV,
            "x.pcap": b"junk",
            "y.pcapng.gz": gzip.compress(b""),
            "conn.log": b"",
            "z.gz": b"\x1f\x8bjunk",
            "t.zip": b"PK\x03\x04",
        },
    )
    read = read_paths(folder)
    assert sorted(line.partition(",")[0] for line in said(read)) == ["s/conn.log", "s/x.pcap", "s/y.pcapng.gz", "s/z.gz"]


def test_missing_files_special_files_and_folders_without_evidence(tmp_path: Path) -> None:
    make(tmp_path, {"empty/README.md": b"", "good.csv": CSV})
    (tmp_path / "bare").mkdir()
    os.mkfifo(tmp_path / "pipe")
    read = read_paths(*(tmp_path / n for n in ("empty", "bare", "pipe", "gone.pcap", "good.csv")))
    assert sorted(said(read)) == [
        "bare/, None: holds no evidence", "empty/, None: holds no evidence", "gone.pcap, None: is not there",
        "pipe, None: is a pipe, no regular file",
    ]  # fmt: skip
    numbers = [r.file_no for r in [*read.reads, *read.found.unreadable]]
    assert len(set(numbers)) == len(numbers)


def test_the_same_bytes_twice_are_two_sources_of_one_digest(tmp_path: Path) -> None:
    read = read_paths(make(tmp_path / "s", {"1.csv": CSV, "2.csv.gz": gzip.compress(CSV)}))
    assert len({r.coverage.sha256 for r in read.reads}) == 1
    assert len(read.reads) == 2


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everybody may enter (pytest's own may be entered by its user only)."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become somebody who may not read")
def test_what_may_not_be_read(open_folder: Path) -> None:
    folder = make(open_folder / "s", {"a.csv": CSV, "secret.csv": CSV, "locked/b.csv": CSV})
    (folder / "secret.csv").chmod(0)
    (folder / "locked").chmod(0)
    os.seteuid(65534)
    try:
        read = read_paths(folder)
    finally:
        os.seteuid(0)
    assert names(read) == ["s/a.csv"]
    assert said(read) == [
        "s/locked, None: cannot be listed (Permission denied)",
        "s/secret.csv, None: cannot be opened (Permission denied)",
    ]


def test_zip_members_are_not_guessed_at(tmp_path: Path) -> None:
    path = tmp_path / "logs.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("conn.log", ZEEK)
    assert said(read_paths(path)) == ["logs.zip, None: is a zip archive"]
