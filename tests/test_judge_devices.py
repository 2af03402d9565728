"""One device with several addresses is one host; what is unclear stays apart."""

from __future__ import annotations

from collections.abc import Sequence

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
