"""Odds: what convicts, what only adds up, what is excused."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network

from hypothesis import given
from hypothesis import strategies as st

from tests.judge_help import assessed, judged, pack, transcript
from wormward.judge.weigh import confidence, once
from wormward.judge.wording import OUTSIDERS
from wormward.model.findings import Cite
from wormward.model.site import Site
from wormward.model.states import Infection, Why


def test_names_alone_convict_from_one_in_a_thousand_million() -> None:
    told = assessed("""
        08:00 10.0.0.5 names.day-list A milli=9000
        08:00 10.0.0.6 names.day-list A milli=8999
        08:00 10.0.0.7 names.day-list A milli=4000
    """)
    assert told.verdicts() == {"10.0.0.5": "infected", "10.0.0.6": "suspected"}
    assert told("10.0.0.7").unknown_because is Why.NOT_CONCLUSIVE


def test_a_rule_adds_no_more_than_its_bound() -> None:
    told = assessed("\n".join(f"08:{m:02} 10.0.0.5 scan.smb" for m in range(30)))
    assert [r.milli for r in told("10.0.0.5").reasons] == [2000]
    assert told("10.0.0.5").verdict is Infection.UNKNOWN


def test_scan_and_guessing_are_suspected_each_alone_is_not() -> None:
    told = assessed("""
        08:00 10.0.0.5 scan.smb
        08:10 10.0.0.5 logon.burst > 10.0.0.9
        08:00 10.0.0.6 scan.smb
        08:00 10.0.0.6 scan.probe
        08:00 10.0.0.7 logon.burst > 10.0.0.9
        08:00 10.0.0.8 bots.mail
    """)
    assert told.verdicts() == {"10.0.0.5": "suspected", "10.0.0.9": "attacked"}


def test_nothing_uncharacteristic_ever_convicts() -> None:
    heavy = replace(pack().judge, prior=10_000)
    told = assessed("08:00 10.0.0.5 scan.smb\n08:10 10.0.0.5 logon.burst > 10.0.0.9", threat=pack(judge=heavy))
    assert told("10.0.0.5").verdict is Infection.SUSPECTED


def test_the_condition_of_a_weight_chooses_it() -> None:
    told = assessed("""
        08:00 10.0.0.5 exploit.fetch > 10.0.0.9 A executable=yes
        08:00 10.0.0.5 exploit.fetch > 10.0.0.8 A executable=no
    """)
    assert told("10.0.0.9").reasons[0].milli == 9500
    assert told("10.0.0.8").reasons[0].milli == 7000
    assert told.verdicts() == {"10.0.0.5": "infected", "10.0.0.8": "suspected", "10.0.0.9": "infected"}


def test_a_call_whose_argument_is_not_shown_counts_only_from_a_convicted_host() -> None:
    told = assessed("""
        08:00 10.0.0.5 names.day-list A milli=12000
        08:05 10.0.0.5 exploit.call > 10.0.0.9
        08:05 10.0.0.6 exploit.call > 10.0.0.8
    """)
    assert told.verdicts() == {"10.0.0.5": "infected", "10.0.0.9": "attacked"}


def test_convictions_that_depend_on_convictions_are_followed_to_the_end() -> None:
    base = pack().judge
    chained = tuple(
        replace(w, needs_infected_actor=True) if (w.rule, w.role) == ("lateral.admin-share", "target") else w
        for w in base.weights
    )
    told = assessed(
        """
        08:00 10.0.0.1 http.beacon A
        08:05 10.0.0.1 lateral.admin-share > 10.0.0.2 B
        08:10 10.0.0.2 lateral.admin-share > 10.0.0.3 B
        08:15 10.0.0.3 lateral.admin-share > 10.0.0.4 B
        08:05 10.0.0.11 lateral.admin-share > 10.0.0.12 B
        08:10 10.0.0.12 lateral.admin-share > 10.0.0.11 B
        """,
        threat=pack(judge=replace(base, weights=chained)),
    )
    ill = {a for a, v in told.verdicts().items() if v == "infected"}
    assert ill == {"10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"}, "two hosts cannot convict each other"


def test_a_known_scanner_is_not_convicted_by_what_scanners_do() -> None:
    story = """
        08:00 10.0.0.5 scan.smb
        08:01 10.0.0.5 exploit.path > 10.0.0.9 A
        08:02 10.0.0.5 exploit.path > 10.0.0.8 A
        08:03 10.0.0.5 logon.burst > 10.0.0.8
    """
    assert assessed(story).verdicts()["10.0.0.5"] == "infected"
    told = assessed(story, site=Site(scanners=frozenset({"10.0.0.5"})), silent=["10.0.0.9"])
    assert told.verdicts() == {}
    assert told("10.0.0.5").roles == ("scanner",)
    (reason,) = told("10.0.0.5").reasons
    assert (reason.rule, reason.milli, reason.fields["count"], len(reason.findings)) == ("site.scanner", 0, 4, 4)


def test_a_known_scanner_that_looks_up_the_names_is_infected_all_the_same() -> None:
    told = assessed("08:00 10.0.0.5 names.day-list B milli=14000", site=Site(scanners=frozenset({"10.0.0.5"})))
    assert told.verdicts() == {"10.0.0.5": "infected"}


def test_copies_of_an_event_never_raise_the_odds() -> None:
    story = transcript("08:00 10.0.0.5 exploit.path > 10.0.0.9 A frame=3")
    copy = replace(story[0], rows=(9,), cites=(Cite("99" * 32, "line", 9),), milli=None)
    told = judged([*story, copy])
    assert told("10.0.0.5").verdict is Infection.SUSPECTED
    assert len(told.assessment.findings) == 1
    assert len(told.assessment.findings[0].cites) == 2


def test_a_silent_host_is_unknown_and_told_what_would_decide() -> None:
    told = assessed("", silent=["10.0.0.5"], coverage=())
    host = told("10.0.0.5")
    assert (host.verdict, host.unknown_because, host.confidence) == (Infection.UNKNOWN, Why.SILENT, 0.0)
    assert len(host.would_decide) == 4
    assert len(assessed("", silent=["10.0.0.5"])("10.0.0.5").would_decide) == 1


def test_an_attack_is_as_sure_as_its_attacker() -> None:
    told = assessed("""
        08:00 10.0.0.5 logon.burst > 10.0.0.9
        08:00 10.0.0.6 http.beacon A
        08:00 10.0.0.6 logon.burst > 10.0.0.8
        08:00 10.0.0.7 exploit.path > 10.0.0.10 A
    """)
    assert told("10.0.0.9").confidence < 0.1
    assert told("10.0.0.10").confidence == 0.99
    assert told("10.0.0.8").confidence == 0.999


def test_outsiders_are_listed_only_when_they_are_ill() -> None:
    told = assessed(
        """
        08:00 203.0.113.5 exploit.path  > 10.0.0.9 A
        08:00 203.0.113.5 exploit.fetch > 10.0.0.9 A executable=yes
        08:10 10.0.0.9    exploit.path  > 198.51.100.7 A
        """,
        silent=["10.0.0.9"],
    )
    assert told.verdicts() == {"10.0.0.9": "infected", "203.0.113.5": "infected"}
    assert told("203.0.113.5").roles == ("outside",)


def test_outsiders_that_do_nothing_to_the_site_are_not_its_hosts() -> None:
    told = assessed("08:00 203.0.113.5 p2p.ports C milli=14000\n08:00 10.0.0.9 p2p.ports C milli=14000", silent=["10.0.0.9"])
    assert told.verdicts() == {"10.0.0.9": "infected"}
    assert len(told.assessment.findings) == 2
    assert OUTSIDERS in told.assessment.notes
    assert [p.address for p in told.assessment.patient_zero] == ["10.0.0.9"]


def test_a_host_whose_lookups_convict_it_is_of_the_site_whatever_its_address() -> None:
    told = assessed("08:00 2001:db8::5 names.day-list B milli=14000", silent=["10.0.0.9"])
    assert (told("2001:db8::5").verdict, told("2001:db8::5").roles) == ("infected", ())
    assert [p.address for p in told.assessment.patient_zero] == ["2001:db8::5"]
    told = assessed(
        "08:00 2001:db8::5 names.day-list B milli=14000", silent=["10.0.0.9"], site=Site(ranges=(ip_network("10.0.0.0/8"),))
    )
    assert (told("2001:db8::5").verdict, told("2001:db8::5").roles) == ("infected", ("outside",))


def test_a_site_without_private_addresses_is_everybody() -> None:
    told = assessed("08:00 203.0.113.5 exploit.path > 198.51.100.7 A")
    assert told.verdicts() == {"203.0.113.5": "suspected", "198.51.100.7": "attacked"}


def test_same_addresses_of_two_sites_are_two_hosts() -> None:
    told = assessed("08:00 10.0.0.5 http.beacon A site=x\n08:00 10.0.0.5 scan.smb site=y")
    assert [(h.site, h.verdict.value) for h in told.assessment.hosts] == [("x", "infected"), ("y", "unknown")]


@given(st.integers(-(10**6), 10**6))
def test_confidence_is_a_probability_and_never_certain(milli: int) -> None:
    assert 0.0 <= confidence(milli) <= 0.999


@given(st.permutations(range(6)))
def test_the_order_of_findings_changes_nothing(order: list[int]) -> None:
    story = transcript("""
        08:00 10.0.0.5 names.day-list A milli=5000 key=a
        08:00 10.0.0.5 names.day-list A milli=5000 key=b
        08:05 10.0.0.5 exploit.path   > 10.0.0.9 A,B
        08:05 10.0.0.5 exploit.fetch  > 10.0.0.9 A,B executable=yes
        09:00 10.0.0.9 scan.smb
        09:05 10.0.0.9 logon.burst    > 10.0.0.5
    """)
    assert judged([story[i] for i in order]).assessment == judged(story).assessment
    assert once(story) == once([story[i] for i in order])
