"""`site.toml`: what it says of the site and of single files takes effect; what it says wrongly is refused by key."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.evidence_help import Read, read_paths
from wormward.evidence import READERS, rows
from wormward.evidence.clock_error import Corrected
from wormward.intake import OTHER_SITE
from wormward.model.errors import SiteError, UsageError
from wormward.model.site import Site, SourceRule
from wormward.packs import builtin_packs
from wormward.pipeline import assess
from wormward.sitefile import form, load_site, with_options

LOG = "time,client,name,answer\n2009-02-02T09:00:00,192.168.1.5,a.example,\n2009-02-02T09:00:10Z,192.168.1.5,b.example,\n"


def load(folder: Path, text: str) -> Site:
    """The site that a file with this text describes."""
    path = folder / "site.toml"
    path.write_text(text, encoding="utf-8")
    return load_site(path)


def test_a_site_file(tmp_path: Path) -> None:
    site = load(
        tmp_path,
        '[site]\nname = "Head office"\nranges = ["192.0.2.0/24"]\ndomain_controllers = ["192.0.2.5"]\nscanners = ["192.0.2.9"]\n'
        'resolvers = ["2001:DB8::1"]\ntime_zone = "Asia/Tokyo"\n',
    )
    assert site.holds("192.0.2.77")
    assert not site.holds("10.0.0.1")
    assert (site.name, site.resolvers) == ("Head office", frozenset({"2001:db8::1"}))
    more = with_options(site, ["192.0.2.6"], "Europe/Berlin")
    assert more.domain_controllers == {"192.0.2.5", "192.0.2.6"}
    assert more.time_zone == "Europe/Berlin"
    with pytest.raises(UsageError, match="--dc: 'nobody' is no IP address"):
        with_options(site, ["nobody"], None)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name = 'x'", "unknown key 'name'; what is said of the site stands below one line [site]"),
        ("[site]\nnmae = 'x'", "unknown key site.nmae; remove it, or write one of name, ranges"),
        ("[site]\n[sensors]", "unknown key sensors; remove it, or write one of site, source"),
        ("[site]\nname = 3", "site.name must be a text in quotes"),
        ("[site]\nname = '  '", "site.name: is empty"),
        ("[site]\nranges = '10.0.0.0/8'", "site.ranges must be a list of texts"),
        ("[site]\nranges = ['10.0.0.1/8']", "site.ranges[1]: 10.0.0.1/8 has host bits"),
        ("[site]\nresolvers = ['10.0.0.1', 'dns']", "site.resolvers[2]: 'dns' is no IP address"),
        ("[site]\ntime_zone = 'Nowhere'", "site.time_zone: 'Nowhere' is no time zone"),
        ("[site]\ntime_zone = '../../etc/passwd'", "no time zone"),
        ("[site]\nyear = '2009'", "site.year must be a whole number"),
        ("[site]\nyear = true", "site.year must be a whole number"),
        ("[site]\nyear = 1066", "site.year: input should be greater than or equal to 1990"),
        ("site = 3", "site must be a table"),
        ("[site]\n[[source]]\nfiles = '*'\nsit = 'x'", "unknown key source[1].sit; remove it, or write one of files, kind"),
        ("[site]\n[[source]]\nsite = 'x'", "source[1]: names no files"),
        ("[site]\n[[source]]\nfiles = '*'", "source[1]: says nothing of its files"),
        ("[site]\n[[source]]\nkind = 'punched cards'\nyear = 2009", "source[1].kind: input should be 'capture'"),
        ("[site]\n[[source]]\nfiles='*'\nclock_error_seconds=9999999999", "source[1].clock_error_seconds: input should be less"),
        ("[site", "is no TOML"),
        ("", "the table [site] is missing"),
    ],
)
def test_a_wrong_site_file_names_the_key_and_what_to_do(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(SiteError) as error:
        load(tmp_path, text)
    assert said in str(error.value)
    assert str(error.value).startswith(f"{tmp_path / 'site.toml'}: ")
    assert ";" in str(error.value)


def test_the_documented_example_loads_and_has_every_key(tmp_path: Path, repo: Path) -> None:
    page = (repo / "docs/site.md").read_text(encoding="utf-8")
    example = page.partition("```toml\n")[2].partition("```")[0]
    (tmp_path / "inventory.csv").write_text("ホスト名,IPアドレス,MACアドレス,設置場所,用途,OS,拠点\npc1,10.20.0.9,,1F,,,\n")
    site = load(tmp_path, example)
    assert site.inventory is not None
    assert site.inventory.items[0].place == "1F"
    assert site.sources[0].clock_error_s == 90
    for table in form.TABLES.values():
        assert all(f"\n{key} = " in example for key in table.model_fields if key != "columns")


def test_kinds_of_sources_are_those_of_the_readers() -> None:
    assert set(form.KINDS) == {reader.kind for reader in READERS}


@given(st.text() | st.recursive(st.integers() | st.text() | st.booleans(), st.lists, max_leaves=5).map(repr))
@settings(deadline=None)
def test_any_text_is_a_site_or_an_error(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    folder = tmp_path_factory.mktemp("site")
    for head in ("", "[site]\nname = ", "[[source]]\nfiles = "):
        with suppress(SiteError):
            assert isinstance(load(folder, (head + text).encode("utf-8", "replace").decode()), Site)


def folder(tmp_path: Path, **files: str) -> Path:
    """A folder of lists of lookups, one a site."""
    for name, text in files.items():
        (tmp_path / "given" / name).mkdir(parents=True)
        (tmp_path / "given" / name / "dns.csv").write_text(text)
    return tmp_path / "given"


def times(read: Read, name: str) -> list[datetime]:
    """When the file of a folder says that something was asked."""
    (no,) = [r.file_no for r in read.reads if f"/{name}/" in r.coverage.source]
    return [row["time"] for row in read.tables["dns_queries"] if row["file_no"] == no]


def coverage(read: Read, name: str) -> Any:
    """Coverage of the file of a folder."""
    (found,) = [r.coverage for r in read.reads if f"/{name}/" in r.coverage.source]
    return found


def test_sources_have_zones_clocks_and_sites_of_their_own(tmp_path: Path) -> None:
    given_ = folder(tmp_path, tokyo=LOG, berlin=LOG, fast=LOG)
    site = load(
        tmp_path,
        '[site]\nname = "Head"\ntime_zone = "Asia/Tokyo"\n'
        '[[source]]\nfiles = "*/berlin/*"\nsite = "Berlin"\ntime_zone = "Europe/Berlin"\n'
        '[[source]]\nfiles = "*/fast/dns.csv"\nkind = "dns-csv"\nclock_error_seconds = 90\n'
        '[[source]]\nfiles = "dns.csv"\nkind = "syslog"\nclock_error_seconds = 7777\n',
    )
    read = read_paths(given_, site=site)
    at = datetime(2009, 2, 2, tzinfo=UTC)
    assert [t.hour for t in times(read, "tokyo")] == [0, 9]
    assert [t.hour for t in times(read, "berlin")] == [8, 9]
    assert times(read, "fast") == [at.replace(hour=23, minute=58, second=30, day=1), at.replace(hour=8, minute=58, second=40)]
    fast = coverage(read, "fast")
    assert (fast.clock_error_s, fast.begin, fast.end) == (90, *times(read, "fast"))
    assert any("clock_error_seconds" in note for note in fast.notes)
    assert (coverage(read, "berlin").clock_error_s, coverage(read, "berlin").notes) == (0, ())
    assert (coverage(read, "berlin").time_zone, coverage(read, "berlin").time_zone_known) == ("Europe/Berlin", "site")
    assert {(row["file_no"], row["site"]) for row in read.tables["dns_queries"]} == {(0, "Berlin"), (1, "Head"), (2, "Head")}
    apart = read_paths(given_, site=site, separate=True)
    assert {row["site"] for row in apart.tables["dns_queries"]} == {"Berlin", "given/fast/dns.csv", "given/tokyo/dns.csv"}


def test_a_year_may_be_a_files_own(tmp_path: Path) -> None:
    line = "Feb  2 09:00:00 dns dnsmasq[1]: query[A] a.example from 192.168.1.5\n"
    for name in ("old.log", "new.log"):
        (tmp_path / name).write_text(line)
    site = load(tmp_path, '[site]\nyear = 2009\n[[source]]\nfiles = "new.log"\nyear = 2010\n')
    read = read_paths(tmp_path / "new.log", tmp_path / "old.log", site=site)
    assert [t.year for t in read.column("dns_queries", "time")] == [2010, 2009]


def test_every_time_of_a_capture_is_corrected(repo: Path) -> None:
    path = repo / "examples/outbreak/outbreak.pcap"
    plain = read_paths(path)
    slow = read_paths(path, site=Site(sources=(SourceRule(kind="capture", clock_error_s=-3600),)))
    for table, told in plain.tables.items():
        for column in {"time", "time_end"} & told[0].keys():
            before = [row[column] and row[column].timestamp() + 3600 for row in told]
            assert [row[column] and row[column].timestamp() for row in slow.tables[table]] == pytest.approx(before)
    assert plain.tables.keys() == slow.tables.keys()


def test_a_clock_error_takes_no_time_beyond_what_can_be_told() -> None:
    kept: dict[str, Any] = {}

    class Sink:
        def add(self, _table: str, _file_no: int, columns: Any) -> None:
            kept.update(columns)

    times = pa.array([rows.LEAST_TIME, rows.MOST_TIME], pa.timestamp("us", "UTC"))
    Corrected(Sink(), {3: form.MOST_ERROR_S}).add("flows", 3, {"time": times, "time_end": pa.nulls(2), "client": ["a", "b"]})
    assert kept["time"].to_pylist()[0] == rows.LEAST_TIME
    assert rows.LEAST_TIME < kept["time"].to_pylist()[1] < rows.MOST_TIME
    assert (kept["time_end"].to_pylist(), kept["client"]) == ([None, None], ["a", "b"])


@pytest.mark.slow
def test_two_sites_with_the_same_addresses_stay_apart_from_end_to_end(repo: Path, tmp_path: Path) -> None:
    """The same log as that of two sites, one with other names in it: each has its own hosts, answers and graph."""
    log = (repo / "examples/outbreak/dns/queries.csv").read_text()
    calm = re.sub(r"(?m)^([^,]*,[^,]*),[^,\n]*", r"\1,www.example.com", log.partition("\n")[2])
    given_ = folder(tmp_path, north=log, south=log.partition("\n")[0] + "\n" + calm)
    (tmp_path / "site.toml").write_text(
        '[site]\n[[source]]\nfiles = "*/north/*"\nsite = "North"\n[[source]]\nfiles = "*"\nsite = "South"\n'
    )
    out = tmp_path / "out.json"
    words = ["assess", given_, "--site", tmp_path / "site.toml", "--quiet", "--json", out]
    assert subprocess.run([sys.executable, "-m", "wormward.cli", *map(str, words)], check=False).returncode == 1
    hosts = json.loads(out.read_text())["hosts"]
    ill = {(h["site"], h["address"]) for h in hosts if h["verdict"] in ("infected", "suspected")}
    assert {site for site, _ in ill} == {"North"}
    of = {site: {h["address"] for h in hosts if h["site"] == site} for site in ("North", "South")}
    assert of["South"]
    assert of["South"] >= {address for _, address in ill}


@pytest.mark.slow
def test_a_workspace_says_what_was_read_by_other_words_of_the_site(tmp_path: Path) -> None:
    (tmp_path / "dns.csv").write_text(LOG)
    kept, told = tmp_path / "kept", []
    for error in (None, None, 60):
        rules = () if error is None else (SourceRule(files="dns.csv", clock_error_s=error),)
        site = Site(sources=rules)
        paths = [] if told else [tmp_path / "dns.csv"]
        told.append([r.sentence for r in assess(paths, packs=builtin_packs(), site=site, workspace=kept).remarks])
    assert OTHER_SITE not in (*told[0], *told[1])
    assert OTHER_SITE in told[2]
