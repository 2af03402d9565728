"""The packs' own weights: what one sign alone may say, and what takes two."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.judge_help import Told, assessed
from wormward.detect.http_beacon_loose import WIDE, strength
from wormward.detect.logon_burst import rhythm
from wormward.judge.wording import NO_INTERNET, SCANNERS, closed_network
from wormward.model.pack import ThreatPack
from wormward.packs import builtin_packs


@pytest.fixture(scope="module")
def worm() -> ThreatPack:
    (pack,) = builtin_packs()
    return pack


def test_a_contact_with_sinkholes_alone_makes_nobody_suspected(worm: ThreatPack) -> None:
    story = "\n".join(f"08:{n:02} 10.0.0.5 sinkhole.contact formed=no" for n in range(7))
    assert assessed(story, threat=worm).verdicts() == {}


def test_requests_of_the_form_to_sinkholes_suspect_and_to_many_convict(worm: ThreatPack) -> None:
    one = "08:00 10.0.0.5 sinkhole.contact B formed=yes\n08:00 10.0.0.5 http.beacon-loose B milli=2000 wide=no"
    assert assessed(one, threat=worm).verdicts() == {"10.0.0.5": "suspected"}
    many = "\n".join(f"08:{n:02} 10.0.0.5 sinkhole.contact B formed=yes" for n in range(7))
    told = assessed(f"{many}\n08:00 10.0.0.5 http.beacon-loose B milli={strength(7)} wide=no", threat=worm)
    assert told.verdicts() == {"10.0.0.5": "infected"}


@pytest.mark.parametrize(("hosts", "wide", "verdicts"), [(7, "no", {}), (8, "yes", {"10.0.0.5": "suspected"})])
def test_loose_requests_count_by_the_addresses_called(worm: ThreatPack, hosts: int, wide: str, verdicts: dict[str, str]) -> None:
    assert (hosts >= WIDE) == (wide == "yes")
    told = assessed(f"08:00 10.0.0.5 http.beacon-loose B milli={strength(hosts)} wide={wide}", threat=worm)
    assert told.verdicts() == verdicts


def test_strength_grows_with_every_doubling() -> None:
    assert [strength(n) for n in (0, 1, 2, 3, 4, 8, 16)] == [2000, 2000, 3000, 3000, 4000, 5000, 6000]


def _paths(count: int, marked: str = "no") -> str:
    return "\n".join(f"08:{n:02} 10.0.0.5 exploit.path > 10.0.1.{n} A,B,E marked={marked}" for n in range(count))


def test_paths_alone_never_convict_and_say_what_else_it_may_be(worm: ThreatPack) -> None:
    told = assessed(_paths(40), threat=worm)
    assert told("10.0.0.5").verdict == "suspected"
    assert SCANNERS in told("10.0.0.5").would_decide
    assert told("10.0.1.7").verdict == "attacked"


@pytest.mark.parametrize("other", ["scan.smb", "logon.burst > 10.0.1.9", "names.date-sites A", "exploit.fetch > 10.0.1.9 A"])
def test_paths_and_a_sign_of_another_rule_convict(worm: ThreatPack, other: str) -> None:
    told = assessed(f"{_paths(2)}\n08:30 10.0.0.5 {other}", threat=worm)
    assert told("10.0.0.5").verdict == "infected"


def test_the_worms_own_mark_convicts(worm: ThreatPack) -> None:
    assert assessed(_paths(1, "yes"), threat=worm)("10.0.0.5").verdict == "infected"


def _guesses(more: str, worm: ThreatPack) -> Told:
    return assessed(f"08:00 10.0.0.5 logon.burst > 10.0.0.9\n{more}", threat=worm)


def test_who_is_guessed_on_is_attacked_only_by_somebody_ill(worm: ThreatPack) -> None:
    scanner = _guesses("08:00 10.0.0.5 scan.smb", worm)
    assert scanner.verdicts() == {"10.0.0.5": "suspected"}
    assert SCANNERS in scanner("10.0.0.5").would_decide
    assert _guesses("", worm).verdicts() == {}
    doubted = _guesses("08:00 10.0.0.5 names.day-list B milli=5500", worm)
    assert doubted("10.0.0.9").verdict == "attacked"
    weak = _guesses("09:00 10.0.0.5 exploit.path > 10.0.0.8 B marked=no", worm)
    assert weak("10.0.0.9").verdict == "attacked"


def test_a_host_of_a_closed_network_is_named_on_the_first_page(worm: ThreatPack) -> None:
    story = "\n".join(f"08:00 10.0.0.{n} names.date-sites A,B,C" for n in range(1, 8))
    told = assessed(story, threat=worm)
    assert told.verdicts() == {}
    assert NO_INTERNET in told("10.0.0.3").would_decide
    (remark,) = closed_network(told.assessment.hosts)
    assert remark.fields == {"number": 7, "hosts": "10.0.0.1, 10.0.0.2, 10.0.0.3, 10.0.0.4, 10.0.0.5, …"}
    assert closed_network(assessed("08:00 10.0.0.5 scan.smb", threat=worm).assessment.hosts) == ()


def test_waves_have_a_rhythm_only_if_their_pauses_agree() -> None:
    forty = int(timedelta(minutes=40).total_seconds())
    assert rhythm([0, forty, 2 * forty + 90, 3 * forty], 25) == 40
    assert rhythm([3 * forty, 0, forty], 25) == 0  # 40 and 80 minutes
    assert rhythm([0, 660, 1320, 36_000], 25) == 0
    assert rhythm([0, forty], 25) == 0
