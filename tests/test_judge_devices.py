"""One device with several addresses is one host; what is unclear stays apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from ipaddress import ip_network
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.judge_help import DAY, Told, capture_coverage, clock, pack, transcript
from wormward.judge import Binding, judge
from wormward.model.site import Site
from wormward.model.states import SeenHost

STORY = """
    08:00 10.0.0.5 names.day-list A milli=6000
    12:00 10.0.0.9 names.day-list A milli=6000
    12:30 10.0.0.9 exploit.fetch > 10.0.0.20 A executable=yes
"""


def told(bindings: Sequence[Binding]) -> Told:
    seen = [SeenHost("site", a, DAY, clock("23:59")) for a in ("10.0.0.5", "10.0.0.9", "10.0.0.20")]
    return Told(
        judge(transcript(STORY), [capture_coverage()], seen, Site(), pack(), as_of=DAY, tolerance_days=7, bindings=bindings)
    )


def card(address: str, mac: str, at: str) -> Binding:
    return Binding("site", address, "mac", f"02:00:5e:00:53:{mac}", clock(at))


def test_a_device_that_changed_its_address_is_weighed_as_one() -> None:
    alone = told([])
    assert alone.verdicts()["10.0.0.5"] == "suspected"
    both = told([card("10.0.0.9", "aa", "12:00"), card("10.0.0.5", "aa", "08:00")])
    assert both.verdicts() == {"10.0.0.9": "infected", "10.0.0.20": "infected"}
    host = both("10.0.0.9")
    assert host.addresses == ("10.0.0.9", "10.0.0.5")
    assert host.first_seen == clock("08:00")
    assert {f.actor for f in both.assessment.findings} == {"10.0.0.9"}
    assert both.edge("10.0.0.20").start == "10.0.0.9"
    assert len(both.assessment.hosts) == 2


def test_a_sign_is_of_the_card_that_had_the_address_then() -> None:
    leases = [card("10.0.0.5", "aa", "07:59"), card("10.0.0.9", "aa", "10:01"), card("10.0.0.5", "bb", "10:00")]
    names = [
        Binding("site", "10.0.0.5", "dhcp-name", "old", clock("07:59")),
        Binding("site", "10.0.0.9", "dhcp-name", "old", clock("10:01")),
        Binding("site", "10.0.0.5", "dhcp-name", "new", clock("10:00")),
    ]
    both = told([*leases, *names])
    assert (both("10.0.0.9").verdict, both("10.0.0.9").device) == ("infected", "old")
    assert both("10.0.0.9").addresses == ("10.0.0.9", "10.0.0.5")
    assert (both("10.0.0.5").verdict, both("10.0.0.5").device) == ("unknown", "new")
    assert told([*reversed(names), *reversed(leases)]).assessment == both.assessment


def test_an_address_that_came_back_is_the_first_cards_again() -> None:
    leases = [card("10.0.0.5", "aa", "07:00"), card("10.0.0.5", "bb", "07:10"), card("10.0.0.5", "aa", "07:20")]
    both = told([*leases, card("10.0.0.9", "aa", "11:00"), card("10.0.0.5", "bb", "11:30")])
    assert both.verdicts() == {"10.0.0.9": "infected", "10.0.0.20": "infected"}
    assert both("10.0.0.5").verdict == "unknown"


def test_before_anybody_is_known_to_hold_an_address_it_is_nobodys() -> None:
    both = told([card("10.0.0.5", "aa", "08:30"), card("10.0.0.9", "aa", "09:00"), card("10.0.0.5", "bb", "10:00")])
    assert both.verdicts()["10.0.0.5"] == "suspected"


def test_a_device_whose_address_went_to_another_is_not_called_by_its_name() -> None:
    """The earlier device has no address of its own any more: its signs stay, under its own name, and it is said."""
    names = [
        Binding("site", "10.0.0.9", "dhcp-name", "old", clock("11:00")),
        Binding("site", "10.0.0.9", "dhcp-name", "new", clock("14:00")),
    ]
    host = told([card("10.0.0.9", "aa", "11:00"), card("10.0.0.9", "bb", "14:00"), *names])("10.0.0.9")
    assert (host.verdict, host.device) == ("infected", "old")
    assert [r.fields for r in host.reasons if r.rule == "site.changed-hands"] == [
        {"time": "2009-02-02 14:00:00 UTC", "device": "old"}
    ]


def test_a_router_is_no_device() -> None:
    many = [card(f"10.0.0.{n}", "aa", "08:00") for n in range(1, 30)]
    assert len(told(many).assessment.hosts) == 3


def test_a_device_is_called_by_the_best_and_latest_name() -> None:
    names = [
        Binding("site", "10.0.0.5", "dns-name", "host5.example", clock("23:00")),
        Binding("site", "10.0.0.5", "dhcp-name", "pc-old", clock("08:00")),
        Binding("site", "10.0.0.5", "dhcp-name", "pc-17", clock("09:00")),
    ]
    assert told(names)("10.0.0.5").device == "pc-17"
    assert told(list(reversed(names)))("10.0.0.5").device == "pc-17"
    assert told(names)("10.0.0.20").device == "10.0.0.20"


# -- what is too weak to join ---------------------------------------------------------------------------------------------


def apart(bindings: Sequence[Binding]) -> None:
    """Nothing of this joins the two infected addresses."""
    hosts = told(bindings)
    assert hosts.verdicts()["10.0.0.5"] == "suspected"
    assert hosts("10.0.0.9").known_by == "address"


def raw(address: str, mac: str, at: str) -> Binding:
    return Binding("site", address, "mac", mac, clock(at))


@pytest.mark.parametrize(
    "mac",
    [
        "00:00:5e:00:01:07", "00:00:5e:00:02:07", "00:00:0c:07:ac:01", "00:00:0c:9f:f0:01", "00:07:b4:00:01:01",
        "02:bf:0a:00:00:05", "00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:01", "evil",
    ],
)  # fmt: skip
def test_a_mac_that_is_no_cards_own_joins_nothing(mac: str) -> None:
    apart([raw("10.0.0.5", mac, "08:00"), raw("10.0.0.9", mac, "12:00")])


def test_a_cloned_mac_joins_nothing() -> None:
    """Two addresses speak by turns within minutes: two devices with one MAC, or an alias. A return after hours is a move."""
    turns = [("10.0.0.5", "08:00"), ("10.0.0.9", "08:10"), ("10.0.0.5", "08:20"), ("10.0.0.9", "12:00")]
    apart([card(address, "aa", at) for address, at in turns])
    moved = [("10.0.0.5", "08:00"), ("10.0.0.9", "09:30"), ("10.0.0.5", "11:00"), ("10.0.0.9", "12:00")]
    assert told([card(address, "aa", at) for address, at in moved])("10.0.0.9").known_by == "mac"


def name(address: str, value: str, at: str, kind: str = "netbios-name") -> Binding:
    return Binding("site", address, kind, value, clock(at))


LIVES = (("10.0.0.5", "07:00", "09:00"), ("10.0.0.9", "11:00", "23:59"), ("10.0.0.20", "07:00", "23:59"))


def lived(bindings: Sequence[Binding], *lives: tuple[str, str, str]) -> Told:
    """The story, with these lives instead of everybody's whole day."""
    known = {address: (first, last) for address, first, last in (*LIVES, *lives)}
    seen = [SeenHost("site", address, clock(first), clock(last)) for address, (first, last) in known.items()]
    return Told(
        judge(transcript(STORY), [capture_coverage()], seen, Site(), pack(), as_of=DAY, tolerance_days=7, bindings=bindings)
    )


@pytest.mark.parametrize("kind", ["netbios-name", "dhcp-name"])
def test_a_name_follows_a_device_that_is_silent_at_its_old_address(kind: str) -> None:
    both = lived([name("10.0.0.5", "pc7", "07:30", kind), name("10.0.0.9", "PC7.ward.example", "11:10", kind)])
    host = both("10.0.0.9")
    assert (host.verdict, host.addresses, host.known_by) == ("infected", ("10.0.0.9", "10.0.0.5"), "name")
    assert len(both.assessment.hosts) == 2


def test_a_name_of_two_live_hosts_joins_nothing() -> None:
    names = [name("10.0.0.5", "pc7", "07:30"), name("10.0.0.9", "pc7", "11:10")]
    for other in (("10.0.0.5", "07:00", "12:00"), ("10.0.0.9", "08:00", "23:59")):
        hosts = lived(names, other)
        assert hosts.verdicts()["10.0.0.5"] == "suspected"
        assert hosts("10.0.0.9").known_by == "address"


def test_a_name_that_two_cards_have_joins_nothing() -> None:
    names = [name("10.0.0.5", "pc7", "07:30"), name("10.0.0.9", "pc7", "11:10")]
    hosts = lived([*names, card("10.0.0.5", "aa", "07:20"), card("10.0.0.9", "bb", "11:05")])
    assert hosts.verdicts()["10.0.0.5"] == "suspected"
    one = lived([*names, card("10.0.0.5", "aa", "07:20")])
    assert one("10.0.0.9").addresses == ("10.0.0.9", "10.0.0.5")


def test_an_address_with_several_names_at_once_is_joined_by_none() -> None:
    names = [name("10.0.0.5", n, at) for n, at in (("pc7", "07:10"), ("pc8", "07:20"), ("pc7", "07:30"))]
    assert lived([*names, name("10.0.0.9", "pc7", "11:10")]).verdicts()["10.0.0.5"] == "suspected"


def test_an_address_that_many_stand_behind_is_joined_with_no_other_and_says_so() -> None:
    bindings = [card("10.0.0.9", "aa", "12:00"), card("10.0.0.5", "aa", "08:00")]
    seen = [SeenHost("site", a, DAY, clock("23:59")) for a in ("10.0.0.5", "10.0.0.9")]
    site = Site(nat=frozenset({"10.0.0.5"}))
    hosts = Told(
        judge(transcript(STORY), [capture_coverage()], seen, site, pack(), as_of=DAY, tolerance_days=7, bindings=bindings)
    )
    assert (hosts("10.0.0.5").verdict, hosts("10.0.0.5").roles) == ("suspected", ("nat",))
    assert [r.rule for r in hosts("10.0.0.5").reasons][-1] == "site.nat"


# -- IPv6 ------------------------------------------------------------------------------------------------------------------

SIX = """
    08:00 2001:db8::a1 names.day-list A milli=6000
    12:00 2001:db8::b2 names.day-list A milli=6000
"""


def six(bindings: Sequence[Binding], *addresses: str) -> Told:
    seen = [SeenHost("site", a, DAY, clock("23:59")) for a in ("2001:db8::a1", "2001:db8::b2", *addresses)]
    site = Site(ranges=(ip_network("2001:db8::/32"), ip_network("10.0.0.0/8"), ip_network("fe80::/10")))
    return Told(judge(transcript(SIX), [capture_coverage()], seen, site, pack(), as_of=DAY, tolerance_days=7, bindings=bindings))


def test_privacy_addresses_of_one_card_are_one_device_even_at_once() -> None:
    turns = [("2001:db8::a1", "08:00"), ("2001:db8::b2", "08:05"), ("2001:db8::a1", "08:10"), ("10.0.0.7", "08:12")]
    host = six([card(address, "aa", at) for address, at in turns], "10.0.0.7")("10.0.0.7")
    assert (host.verdict, host.known_by) == ("infected", "mac")
    assert host.addresses == ("10.0.0.7", "2001:db8::a1", "2001:db8::b2")


def test_an_address_made_from_a_known_cards_mac_is_that_cards() -> None:
    link = "fe80::5eff:fe00:53aa"
    hosts = six([card("2001:db8::a1", "aa", "08:00")], link)
    assert hosts("2001:db8::a1").addresses == ("2001:db8::a1", link)
    assert len(six([card("2001:db8::a1", "bb", "08:00")], link).assessment.hosts) == 3


def test_two_sites_with_the_same_addresses_and_cards_stay_apart() -> None:
    hosts = told([card("10.0.0.9", "aa", "12:00"), replace(card("10.0.0.5", "aa", "08:00"), site="branch")])
    assert (hosts.verdicts()["10.0.0.5"], hosts("10.0.0.5").known_by, hosts("10.0.0.9").known_by) == (
        "suspected",
        "address",
        "mac",
    )


def test_what_is_known_by_its_address_only_is_said() -> None:
    assert any("Nothing binds the addresses" in note for note in told([]).assessment.notes)
    cards = [card(a, m, "07:00") for a, m in (("10.0.0.5", "aa"), ("10.0.0.9", "bb"), ("10.0.0.20", "cc"))]
    assert not any("Nothing binds the addresses" in note for note in told(cards).assessment.notes)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.sampled_from(["10.0.0.5", "10.0.0.9", "10.0.0.20", "fe80::1"]),
                          st.sampled_from(["mac", "netbios-name", "dhcp-name", "dns-name"]),
                          st.sampled_from(["02:00:5e:00:53:aa", "02:00:5e:00:53:bb", "pc7", "pc8.x", ""]),
                          st.integers(0, 23)), max_size=12), st.randoms())  # fmt: skip
def test_the_order_of_bindings_changes_nothing(rows: list[tuple[str, str, str, int]], chance: Random) -> None:
    bindings = [Binding("site", a, kind, value, clock(f"{hour:02}:00")) for a, kind, value, hour in rows]
    shuffled = chance.sample(bindings, len(bindings))
    assert told(bindings).assessment == told(shuffled).assessment
