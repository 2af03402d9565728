"""Which build a host carries: told, intersected, handed on."""

from __future__ import annotations

from tests.judge_help import assessed, clock


def test_a_name_list_tells_the_variant_and_others_names() -> None:
    host = assessed("08:00 10.0.0.5 names.day-list B milli=14000")("10.0.0.5")
    assert host.variant == ("B",)
    assert dict(host.names) == {"Acme": "Worm.B", "Zeta": "W32.B"}


def test_the_latest_build_stands_and_the_earlier_are_history() -> None:
    host = assessed("""
        08:00 10.0.0.5 names.day-list A milli=14000 until=09:00
        d2 08:00 10.0.0.5 names.day-list C milli=14000
        d2 10:00 10.0.0.5 p2p.ports C milli=12000
    """)("10.0.0.5")
    assert host.variant == ("C",)
    (past,) = host.history
    assert (past.variant, past.first_seen, past.last_seen) == ("A", clock("08:00"), clock("09:00"))


def test_build_order_counts_not_the_order_of_signs() -> None:
    host = assessed("""
        08:00 10.0.0.5 names.day-list C milli=14000
        09:00 10.0.0.5 names.day-list B milli=14000
    """)("10.0.0.5")
    assert (host.variant, [p.variant for p in host.history]) == (("C",), ["B"])


def test_an_older_build_long_after_a_newer_one_is_a_new_infection() -> None:
    host = assessed("""
        08:00 10.0.0.5 names.day-list B milli=14000 until=18:00
        d3 08:00 10.0.0.5 names.day-list A milli=14000
    """)("10.0.0.5")
    assert (host.variant, [p.variant for p in host.history]) == (("A",), ["B"])
    assert host.history[0].last_seen == clock("18:00")


def test_builds_whose_signs_overlap_are_said_to() -> None:
    told = assessed("""
        08:00 10.0.0.5 names.day-list A milli=14000 until=18:00
        08:01 10.0.0.5 names.day-list C milli=14000 until=18:00
        08:00 10.0.0.6 names.day-list B milli=14000 until=12:10
        12:00 10.0.0.6 names.day-list C milli=14000 until=18:00
    """)
    assert [r.fields for r in told("10.0.0.5").reasons if r.rule == "host.together"] == [{"variants": "A, C"}]
    assert not [r for r in told("10.0.0.6").reasons if r.rule == "host.together"]


def test_sets_are_intersected_where_nothing_tells_one() -> None:
    host = assessed("""
        08:00 10.0.0.5 exploit.path > 10.0.0.9 A,B,E
        08:01 10.0.0.5 exploit.path > 10.0.0.8 A,B,E
        09:00 10.0.0.5 http.beacon A,B
    """)("10.0.0.5")
    assert host.variant == ("A", "B")
    assert host.names["Acme"] == "Worm.A / Worm.B"


def test_sets_that_exclude_each_other_are_an_update() -> None:
    host = assessed("""
        08:00 10.0.0.5 exploit.path > 10.0.0.9 A,B
        09:00 10.0.0.5 p2p.ports C,E milli=12000
    """)("10.0.0.5")
    assert host.variant == ("C",), "E came as an update too, and nothing tells it from C"
    assert host.history == (), "no single letter was told for the time before"


def test_an_update_explains_as_much_as_a_rare_build() -> None:
    host = assessed("""
        08:00 10.0.0.5 exploit.path > 10.0.0.9 A,B,E
        08:05 10.0.0.5 exploit.path > 10.0.0.8 A,B,E
        09:00 10.0.0.5 p2p.ports C,E milli=12000
    """)("10.0.0.5")
    assert host.variant == ("C",)


def test_what_exploits_after_it_had_peers_is_the_later_build() -> None:
    host = assessed("""
        08:00 10.0.0.5 p2p.ports C,E milli=12000
        09:00 10.0.0.5 exploit.path > 10.0.0.9 A,B,E
    """)("10.0.0.5")
    assert host.variant == ("E",)


def test_peers_after_a_told_build_are_an_update() -> None:
    host = assessed("""
        08:00 10.0.0.5 names.day-list B milli=12000
        09:00 10.0.0.5 p2p.ports C,E milli=12000
        10:00 10.0.0.5 p2p.ports C,E milli=12000
    """)("10.0.0.5")
    assert (host.variant, [p.variant for p in host.history]) == (("C",), ["B"])


def test_a_later_list_keeps_a_told_build() -> None:
    host = assessed("""
        08:00 10.0.0.5 names.day-list C milli=12000
        09:00 10.0.0.5 exploit.path > 10.0.0.9 A,B,E
    """)("10.0.0.5")
    assert host.variant == ("C",)


def test_a_weak_coincidence_tells_no_variant() -> None:
    host = assessed("""
        08:00 10.0.0.5 names.day-list C milli=2500
        09:00 10.0.0.5 names.day-list A milli=14000
    """)("10.0.0.5")
    assert (host.variant, host.history) == (("A",), ())


def test_an_undecided_victim_carries_what_its_infector_carried_then() -> None:
    told = assessed("""
        08:00 10.0.0.5 names.day-list A milli=14000
        08:30 10.0.0.5 exploit.fetch > 10.0.0.9 A,B,E executable=yes
        d2 08:00 10.0.0.5 names.day-list B milli=14000
        d2 08:30 10.0.0.5 exploit.fetch > 10.0.0.8 A,B,E executable=yes
    """)
    assert told("10.0.0.9").variant == ("A",)
    assert told("10.0.0.8").variant == ("B",)
    inherited = told("10.0.0.8").reasons[-1]
    assert (inherited.rule, inherited.fields["other"], inherited.milli) == ("graph.variant", "10.0.0.5", 0)


def test_variants_are_handed_down_a_whole_chain() -> None:
    told = assessed("""
        08:00 10.0.0.1 names.day-list B milli=14000
        08:30 10.0.0.1 exploit.fetch > 10.0.0.2 A,B,E executable=yes
        08:40 10.0.0.2 exploit.fetch > 10.0.0.3 A,B,E executable=yes
        08:50 10.0.0.3 exploit.fetch > 10.0.0.4 A,B,E executable=yes
    """)
    assert [told(f"10.0.0.{n}").variant for n in (2, 3, 4)] == [("B",)] * 3


def test_an_infector_that_shows_nothing_carried_what_its_victim_shows() -> None:
    told = assessed("""
        08:00 10.0.0.5 exploit.path  > 10.0.0.8 A,B,E
        08:30 10.0.0.5 exploit.fetch > 10.0.0.9 A,B,E executable=yes
        09:00 10.0.0.9 names.day-list B milli=14000
        09:10 10.0.0.5 exploit.fetch > 10.0.0.7 A,B,E executable=yes
    """)
    assert told("10.0.0.5").variant == ("B",)
    assert told("10.0.0.7").variant == ("B",), "and so did its other victims"
    assert told("10.0.0.9").reasons[-1].rule != "graph.variant", "what a host tells itself is not handed on to it"


def test_an_updated_victim_keeps_what_it_was_infected_with_as_history() -> None:
    told = assessed("""
        08:00 10.0.0.5 names.day-list B milli=14000
        08:30 10.0.0.5 exploit.fetch > 10.0.0.9 A,B,E executable=yes
        d2 09:00 10.0.0.9 names.day-list C milli=14000
    """)
    assert (told("10.0.0.9").variant, [p.variant for p in told("10.0.0.9").history]) == (("C",), ["B"])


def test_a_constant_clock_offset_is_said_as_that() -> None:
    host = assessed("""
        08:00 10.0.0.5 names.day-list A milli=14000 key=1 offset_days=3
        d2 08:00 10.0.0.5 names.day-list A milli=14000 key=2 offset_days=3
    """)("10.0.0.5")
    assert host.clock_offset_days == 3
    assert host.reasons[-1].rule == "names.clock"
    assert "3" not in host.reasons[-1].sentence


def test_an_offset_that_changes_or_is_none_is_not() -> None:
    told = assessed("""
        08:00 10.0.0.5 names.day-list A milli=14000 key=1 offset_days=0
        08:00 10.0.0.6 names.day-list A milli=14000 key=1 offset_days=0
        d2 08:00 10.0.0.6 names.day-list A milli=14000 key=2 offset_days=-1
    """)
    assert told("10.0.0.5").clock_offset_days == 0
    assert told("10.0.0.6").clock_offset_days is None
    assert all(r.rule != "names.clock" for h in told.assessment.hosts for r in h.reasons)
