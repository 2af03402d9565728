"""Who infected whom, which way, and who was first."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.judge_help import assessed, clock, judged, pack, transcript
from wormward.model.states import Way

TREE = """
    08:00 10.0.0.1 names.day-list B milli=14000
    08:10 10.0.0.1 exploit.path        > 10.0.0.2 A,B,E
    08:10 10.0.0.1 exploit.fetch       > 10.0.0.2 A,B,E executable=yes
    08:20 10.0.0.2 names.day-list B milli=14000
    08:30 10.0.0.2 logon.burst         > 10.0.0.3
    08:31 10.0.0.2 lateral.admin-share > 10.0.0.3 B
    08:40 10.0.0.3 names.day-list B milli=14000
    # later attempts on hosts that are infected already
    08:50 10.0.0.3 exploit.path        > 10.0.0.2 A,B,E
    08:55 10.0.0.3 exploit.fetch       > 10.0.0.1 A,B,E executable=yes
"""


def test_the_tree_of_an_outbreak() -> None:
    told = assessed(TREE)
    assert told("10.0.0.1").infected_by == ()
    assert (told.edge("10.0.0.2").start, told.edge("10.0.0.2").way) == ("10.0.0.1", Way.EXPLOIT)
    assert (told.edge("10.0.0.3").start, told.edge("10.0.0.3").way) == ("10.0.0.2", Way.PASSWORD)
    assert told.edge("10.0.0.3").time == clock("08:31")
    assert told("10.0.0.3").way is Way.PASSWORD
    assert told("10.0.0.1").way is Way.UNKNOWN
    assert told.assessment.patient_zero[0].address == "10.0.0.1"
    assert told.assessment.patient_zero[0].likelihood > 0.9


def test_an_edge_cites_the_attempt_and_its_success() -> None:
    told = assessed(TREE)
    rules = {f.id: f.rule for f in told.assessment.findings}
    assert [rules[i] for i in told.edge("10.0.0.2").findings] == ["exploit.fetch", "exploit.path"]


def test_the_first_success_wins_over_later_ones() -> None:
    told = assessed("""
        08:00 10.0.0.1 http.beacon A
        08:00 10.0.0.2 http.beacon A
        08:10 10.0.0.2 exploit.fetch > 10.0.0.9 A executable=yes
        08:20 10.0.0.1 exploit.fetch > 10.0.0.9 A executable=yes
        08:30 10.0.0.1 exploit.fetch > 10.0.0.9 A executable=yes
    """)
    first, second = told("10.0.0.9").infected_by
    assert (first.start, second.start) == ("10.0.0.2", "10.0.0.1")
    assert first.likelihood > 0.99
    assert second.time == clock("08:20")


def test_a_success_wins_over_an_earlier_attempt() -> None:
    told = assessed("""
        08:00 10.0.0.1 http.beacon A
        08:00 10.0.0.2 http.beacon A
        08:10 10.0.0.2 exploit.path > 10.0.0.9 A
        08:20 10.0.0.1 exploit.fetch > 10.0.0.9 A executable=yes
    """)
    assert told.edge("10.0.0.9").start == "10.0.0.1"


def test_mere_attempts_leave_an_unseen_way_likelier() -> None:
    told = assessed("""
        08:00 10.0.0.1 http.beacon A
        08:10 10.0.0.1 exploit.path > 10.0.0.9 A
        09:00 10.0.0.9 http.beacon A
    """)
    (edge,) = told.assessment.edges
    assert edge.likelihood < 0.1
    assert (told("10.0.0.9").way, told("10.0.0.9").infected_by) == (Way.UNKNOWN, ())


def test_hosts_that_are_not_infected_infect_nobody() -> None:
    told = assessed("""
        08:10 10.0.0.1 logon.burst > 10.0.0.9
        09:00 10.0.0.9 http.beacon A
    """)
    assert told("10.0.0.9").infected_by == ()


def test_nobody_is_infected_after_it_acted_or_by_who_was_not_yet() -> None:
    told = assessed("""
        08:00 10.0.0.9 http.beacon A
        08:10 10.0.0.1 exploit.fetch > 10.0.0.9 A executable=yes
        08:00 10.0.0.2 logon.burst   > 10.0.0.8
        12:00 10.0.0.2 http.beacon A
        12:00 10.0.0.8 http.beacon A
    """)
    assert told("10.0.0.9").infected_by == ()
    assert told("10.0.0.8").infected_by == ()


def test_what_a_host_did_before_it_was_infected_is_no_act_of_the_worm() -> None:
    told = assessed("""
        08:00 10.0.0.9 scan.smb
        08:00 10.0.0.1 http.beacon A
        09:00 10.0.0.1 exploit.fetch > 10.0.0.9 A executable=yes
        09:30 10.0.0.9 lateral.admin-share > 10.0.0.8
        09:50 10.0.0.8 http.beacon A
    """)
    assert told.edge("10.0.0.9").start == "10.0.0.1"
    assert told.edge("10.0.0.8").start == "10.0.0.9"


def test_an_updated_host_keeps_the_edge_of_its_first_build() -> None:
    told = assessed("""
        08:00 10.0.0.1 names.day-list A milli=14000
        08:10 10.0.0.1 exploit.fetch > 10.0.0.2 A,B,E executable=yes
        d2 08:00 10.0.0.2 names.day-list C milli=14000
    """)
    assert told("10.0.0.2").variant == ("C",)
    assert told.edge("10.0.0.2").way is Way.EXPLOIT
    assert told("10.0.0.2").way is Way.EXPLOIT


def test_a_build_that_does_not_spread_came_as_an_update() -> None:
    host = assessed("08:00 10.0.0.2 names.day-list C milli=14000")("10.0.0.2")
    assert (host.way, host.infected_by) == (Way.UPDATE, ())


def test_patient_zero_is_who_came_first_unseen() -> None:
    told = assessed("""
        08:00 10.0.0.7 http.beacon B
        17:00 10.0.0.1 http.beacon B
        d2 08:00 10.0.0.2 http.beacon B
        08:30 10.0.0.7 exploit.fetch > 10.0.0.3 B executable=yes
    """)
    assert [p.address for p in told.assessment.patient_zero][:2] == ["10.0.0.7", "10.0.0.1"]
    assert sum(p.likelihood for p in told.assessment.patient_zero) > 0.998


def test_who_was_infected_from_outside_is_the_first_of_the_site() -> None:
    told = judged(
        transcript("""
            07:00 203.0.113.5 exploit.fetch > 10.0.0.7 B executable=yes
            07:01 203.0.113.5 http.beacon B
            07:30 10.0.0.7 exploit.fetch > 10.0.0.3 B executable=yes
        """),
        silent=["10.0.0.7"],
    )
    assert told.edge("10.0.0.7").start == "203.0.113.5"
    first = told.assessment.patient_zero[0]
    assert first.address == "10.0.0.7"
    assert first.likelihood > 0.99


def test_two_sites_have_two_firsts() -> None:
    told = assessed("08:00 10.0.0.7 http.beacon B site=x\n09:00 10.0.0.7 http.beacon B site=y")
    assert [(p.site, p.likelihood) for p in told.assessment.patient_zero] == [("x", 1.0), ("y", 1.0)]


def _password(others: str) -> float:
    """Likelihood of the one password edge of a site where `others` happened as well."""
    return assessed(f"""
        08:00 10.0.0.1 http.beacon B
        08:10 10.0.0.1 lateral.admin-share > 10.0.0.9 B
        {others}
    """).edge("10.0.0.9").likelihood  # fmt: skip


def test_the_more_ways_in_nobody_saw_the_less_likely_are_those_that_were_seen() -> None:
    seen = "\n".join(f"08:1{i} 10.0.0.1 lateral.admin-share > 10.0.1.{i} B" for i in range(1, 9))
    unseen = "\n".join(f"08:1{i} 10.0.1.{i} http.beacon B" for i in range(1, 9))
    assert _password(seen) > 0.99
    assert 0.5 < _password(unseen) < 0.9
    # The hole is closed behind the worm: who fetched it did not have it.
    fetched = assessed(unseen + "\n08:00 10.0.0.1 http.beacon B\n08:10 10.0.0.1 exploit.fetch > 10.0.0.9 B executable=yes")
    assert fetched.edge("10.0.0.9").likelihood > 0.99


def test_where_hosts_meet_the_worm_twice_a_success_may_not_have_been_the_first() -> None:
    unseen = "\n".join(f"08:1{i} 10.0.1.{i} http.beacon B" for i in range(1, 5))
    once = "\n".join(f"08:20 10.0.0.1 lateral.admin-share > 10.0.2.{i} B" for i in range(1, 7))
    twice = "\n".join(f"08:50 10.0.1.1 lateral.admin-share > 10.0.2.{i} B" for i in range(1, 7))
    assert _password(f"{unseen}\n{once}\n{twice}") < _password(f"{unseen}\n{once}")


def test_an_earlier_suspected_host_may_have_been_the_first() -> None:
    told = assessed("""
        08:00 10.0.0.7 exploit.path > 10.0.0.4 B
        17:00 10.0.0.1 http.beacon B
    """)
    assert told("10.0.0.7").verdict == "suspected"
    suspect, later = told.assessment.patient_zero
    assert (suspect.address, later.address) == ("10.0.0.7", "10.0.0.1")
    assert suspect.likelihood > later.likelihood > 0.05
    assert told("10.0.0.7").infected_by == ()


ADDRESSES = ["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"]
EVENTS = st.tuples(
    st.integers(0, 23),
    st.sampled_from(ADDRESSES),
    st.sampled_from(["http.beacon", "exploit.path", "exploit.fetch", "lateral.admin-share", "logon.burst"]),
    st.sampled_from(ADDRESSES),
)


@settings(max_examples=60)
@given(st.lists(EVENTS, max_size=25))
def test_any_story_gives_a_graph_without_circles_whose_shares_add_up(events: list[tuple[int, str, str, str]]) -> None:
    lines = [f"{h:02}:00 {a} {rule}" + ("" if rule == "http.beacon" else f" > {t}") + " B" for h, a, rule, t in events]
    told = judged(transcript("\n".join(lines)))
    assert pack().judge.unseen_way
    above: dict[str, set[str]] = {}
    for edge in told.assessment.edges:
        above.setdefault(edge.end, set()).add(edge.start)
    for host in ADDRESSES:
        reached: set[str] = set()
        todo = list(above.get(host, ()))
        while todo:
            parent = todo.pop()
            if parent not in reached:
                reached.add(parent)
                todo += above.get(parent, ())
        assert host not in reached
    for host in told.assessment.hosts:
        assert sum(e.likelihood for e in host.infected_by) <= 1.002
        assert (host.way is not None) == (host.verdict == "infected")
