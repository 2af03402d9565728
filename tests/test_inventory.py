"""The inventory: whatever spreadsheets write is read, what is wrong is said by line, and it is what shares are of."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.judge_help import DAY, Told, capture_coverage, clock, pack, transcript
from wormward.judge import Binding, judge
from wormward.model.errors import SiteError
from wormward.model.inventory import Inventory, Item
from wormward.model.site import Site
from wormward.model.states import SeenHost
from wormward.sitefile import load_site
from wormward.sitefile.inventory import load

JAPANESE = (
    "ホスト名,IPアドレス,MACアドレス,設置場所,OS\n"
    "ナースPC1,１０．０．０．５,02-00-5E-00-53-01,3階東病棟,Windows XP\n撮影装置,DHCP,,地下,\n"
)


def read(folder: Path, data: bytes, **columns: str) -> Inventory:
    """An inventory with these bytes."""
    path = folder / "hosts.csv"
    path.write_bytes(data)
    return load(path, columns)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp932"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_what_spreadsheets_write_is_read(tmp_path: Path, encoding: str, separator: str) -> None:
    ends = JAPANESE.replace(",", separator).replace("\n", "\r\n")
    found = read(tmp_path, ends.encode(encoding))
    assert found.items == (
        Item(2, "ナースPC1", ("10.0.0.5",), ("02:00:5e:00:53:01",), "3階東病棟", "", "Windows XP"),
        Item(3, "撮影装置", place="地下"),
    )
    assert (found.source, found.problems) == ("hosts.csv", ())


def test_columns_are_mapped_and_rows_may_span_lines(tmp_path: Path) -> None:
    text = (
        'Nr,Bezeichnung,Netz,Karte,note\n1,"PC ""A""","10.0.0.1, 2001:DB8::1","0200.5e00.5301","two\nlines"\n'
        '2,"=""b""",="10.0.0.2/24",,x\n'
    )
    found = read(tmp_path, text.encode(), name="bezeichnung", address="NETZ", mac="Karte")
    assert [(i.line, i.name, i.addresses, i.macs) for i in found.items] == [
        (2, 'PC "A"', ("10.0.0.1", "2001:db8::1"), ("02:00:5e:00:53:01",)),
        (4, "b", ("10.0.0.2",), ()),
    ]


def test_bad_rows_are_said_with_their_line_and_the_rest_is_used(tmp_path: Path) -> None:
    text = "name,ip,mac\na,10.0.0.999,\n,,\n\nb,10.0.0.2,zz\n,-,\nc,10.0.0.3,\nd,10.0.0.3,02:00:5e:00:53:01\n"
    found = read(tmp_path, text.encode())
    assert [(i.name, i.addresses, i.macs) for i in found.items] == [
        ("a", (), ()), ("b", ("10.0.0.2",), ()), ("c", (), ()), ("d", (), ("02:00:5e:00:53:01",)),
    ]  # fmt: skip
    assert [(p.place, p.what) for p in found.problems] == [
        ("line 2", "'10.0.0.999' is no IP address"),
        ("line 5", "'zz' is no MAC address"),
        ("line 6", "names no host: no name, no address and no MAC"),
        ("line 7", "10.0.0.3 stands in several lines: it is taken for none's"),
        ("line 8", "10.0.0.3 stands in several lines: it is taken for none's"),
    ]


@pytest.mark.parametrize(
    ("data", "columns", "said"),
    [
        (b"", {}, "names no column of names"),
        (b"colour,size\nred,3\n", {}, "line 1: names no column of names"),
        (b"name\n", {}, "names no host"),
        (b"name,ip\na,10.0.0.1\n", {"mac": "Karte"}, "line 1: has no column 'Karte'; correct site.columns"),
        (b"name\n\xff\xff\xfe\n", {}, "is no text in UTF-8"),
    ],
)
def test_what_is_no_inventory_is_refused(tmp_path: Path, data: bytes, columns: dict[str, str], said: str) -> None:
    with pytest.raises(SiteError, match="inventory hosts") as error:
        read(tmp_path, data, **columns)
    assert said in str(error.value)
    with pytest.raises(SiteError, match="cannot be read"):
        load(tmp_path / "nowhere.csv", {})


@settings(deadline=None)
@given(st.binary(max_size=300) | st.text(max_size=200).map(lambda t: f"name,ip\n{t}".encode("utf-8", "replace")))
def test_any_bytes_are_an_inventory_or_an_error(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    with suppress(SiteError):
        found = read(tmp_path_factory.getbasetemp(), data)
        assert found.items
        assert all(item.shown.isprintable() for item in found.items)


SEEN = ("10.0.0.5", "10.0.0.9", "10.0.0.20")
STORY = """
    08:00 10.0.0.5 names.day-list A milli=6000
    12:00 10.0.0.9 names.day-list A milli=6000
"""


def told(*items: Item, bindings: tuple[Binding, ...] = ()) -> Told:
    """The story beside an inventory."""
    seen = [SeenHost("site", a, DAY, clock("23:59")) for a in SEEN]
    site = Site(inventory=Inventory("hosts.csv", "ab" * 32, items))
    return Told(
        judge(transcript(STORY), [capture_coverage()], seen, site, pack(), as_of=DAY, tolerance_days=7, bindings=bindings)
    )


def card(address: str, mac: str, at: str) -> Binding:
    return Binding("site", address, "mac", f"02:00:5e:00:53:{mac}", clock(at))


def test_hosts_that_nothing_showed_are_listed_as_not_observed() -> None:
    told_ = told(Item(2, "pc5", ("10.0.0.5",), place="1F"), Item(3, "gone", ("10.0.0.77",)), Item(4, "lost"), Item(5, "pc9x"))
    hosts = {h.address: h for h in told_.assessment.hosts}
    assert hosts.keys() == {*SEEN, "10.0.0.77", "lost", "pc9x"}
    assert (hosts["10.0.0.77"].verdict, hosts["10.0.0.77"].unknown_because) == ("unknown", "not_observed")
    assert (hosts["10.0.0.5"].device, hosts["10.0.0.5"].known_by) == ("pc5", "inventory")
    assert hosts["10.0.0.5"].inventory is not None
    assert hosts["10.0.0.9"].known_by == "address"
    listed = told_.assessment.listed
    assert listed is not None
    assert (listed.hosts, listed.observed, listed.unlisted) == (4, 1, 2)
    assert not any("No inventory" in note for note in told_.assessment.notes)
    assert any(
        "No inventory" in note for note in Told(judge([], [], [], Site(), pack(), as_of=DAY, tolerance_days=7)).assessment.notes
    )


def test_the_inventory_joins_addresses_and_cards() -> None:
    both = told(Item(2, "pc", ("10.0.0.5", "10.0.0.9")))
    assert both("10.0.0.5").verdict == "infected"
    assert both("10.0.0.5").addresses == ("10.0.0.5", "10.0.0.9")
    cards = told(
        Item(2, "pc", macs=("02:00:5e:00:53:01", "02:00:5e:00:53:02")),
        bindings=(card("10.0.0.5", "01", "07:00"), card("10.0.0.9", "02", "11:00")),
    )
    assert (cards("10.0.0.9").verdict, cards("10.0.0.9").device) == ("infected", "pc")


def test_what_was_seen_stands_before_what_was_written_down() -> None:
    """The inventory gives both addresses to one host; leases show two cards, neither of which is its."""
    apart = told(
        Item(2, "pc", ("10.0.0.5", "10.0.0.9"), ("02:00:5e:00:53:03",)),
        bindings=(card("10.0.0.5", "01", "07:00"), card("10.0.0.9", "02", "11:00")),
    )
    assert apart.verdicts()["10.0.0.5"] == apart.verdicts()["10.0.0.9"] == "suspected"
    assert apart("10.0.0.5").device == "10.0.0.5"
    one = told(Item(2, "pc", ("10.0.0.5",)), bindings=(card("10.0.0.5", "01", "07:00"), card("10.0.0.9", "01", "11:00")))
    assert (one("10.0.0.9").verdict, one("10.0.0.9").device) == ("infected", "pc")


def test_an_address_leased_to_another_card_is_not_the_earlier_items() -> None:
    """Even where the later MAC has the group bit set, as no card's has: the lease says that the holder is another."""
    first, second = "aa:bb:cc:dd:ee:ff", "11:22:33:44:55:66"
    leases = (
        Binding("site", "10.0.0.5", "mac", first, clock("06:00")),
        Binding("site", "10.0.0.5", "mac", second, clock("07:00")),
    )
    ward = Item(2, "ward", ("10.0.0.5",), (first,))
    host = told(ward, Item(3, "ct", ("10.0.0.10",), (second,)), bindings=leases)("10.0.0.5")
    assert (host.device, host.known_by, host.verdict) == ("ct", "inventory", "suspected")
    unlisted = told(ward, bindings=leases)("10.0.0.5")
    assert (unlisted.device, unlisted.inventory, unlisted.known_by) == ("10.0.0.5", None, "address")


def test_a_name_that_one_device_and_one_item_have_is_enough_to_call_it_by() -> None:
    lease = Binding("site", "10.0.0.5", "dhcp-name", "PC5.ward.example", clock("07:00"))
    host = told(Item(2, "pc5", place="3F"), bindings=(lease,))("10.0.0.5")
    assert host.inventory is not None
    assert host.inventory.place == "3F"
    twice = told(Item(2, "pc5", place="3F"), Item(3, "PC5", place="4F"), bindings=(lease,))("10.0.0.5")
    assert twice.inventory is None


@pytest.mark.slow
def test_the_command_lists_them_and_says_the_share(repo: Path, tmp_path: Path) -> None:
    (tmp_path / "hosts.csv").write_bytes(
        "ホスト名;IPアドレス;設置場所\n受付<b>;10.1.1.44;1階\n検査;192.168.77.7;地下\nx;10.1.1.999;\n".encode("cp932")
    )
    (tmp_path / "site.toml").write_text('[site]\ninventory = "hosts.csv"\n')
    out = [tmp_path / "a.json", tmp_path / "a.html"]
    words = ["assess", str(repo / "examples/outbreak/dns"), "--site", str(tmp_path / "site.toml"), "--lang", "en"]
    done = subprocess.run(
        [sys.executable, "-m", "wormward.cli", *words, "--json", str(out[0]), "--html", str(out[1])],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    said = json.loads(out[0].read_text())
    assert said["inventory"]["hosts"] == 3
    absent = {h["address"]: h for h in said["hosts"] if h["verdict_reason"] == "not_observed"}
    assert absent["192.168.77.7"]["inventory"]["place"] == "地下"
    assert "The inventory hosts.csv lists 3 hosts:" in done.stdout
    assert "hosts.csv, line 4: '10.1.1.999' is no IP address" in done.stdout
    assert "of the inventory of which the evidence shows nothing" in out[1].read_text()
    assert "受付<b>" not in out[1].read_text()
    assert load_site(tmp_path / "site.toml").inventory is not None
