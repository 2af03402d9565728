"""The two drawings of the HTML report: nobody is missing from them, nothing lies on anything else, at 30 hosts and at 2,000."""

from __future__ import annotations

import re
from itertools import pairwise
from xml.etree import ElementTree

import pytest

from bench.report import outbreak as made_up
from tests.judge_help import assessed, pack
from tests.report_help import outbreak
from wormward.model.states import Assessment, Infection
from wormward.packs import builtin_packs
from wormward.report.html import to_html
from wormward.report.timeline import BUCKETS, MARK, network_of, timeline
from wormward.report.tree import LEFT, MOST_FOLDED, MOST_SINGLE, TOP, Tree, tree

CHAIN = 1400


def large(hosts: int = 2000) -> Assessment:
    return made_up(hosts, builtin_packs()[0])


def drawn(story: str) -> Tree:
    made = tree(assessed(story).assessment)
    assert made
    return made


def test_the_drawings_are_xml_and_lie_within_their_bounds() -> None:
    for assessment in (outbreak().assessment, large()):
        for svg in re.findall(r"<svg.*?</svg>", to_html(assessment, [pack()]), re.DOTALL):
            ElementTree.fromstring(svg)  # noqa: S314 - made by ourselves
        graph, line = tree(assessment), timeline(assessment)
        assert graph
        assert line
        assert all(0 < n.x < graph.width and TOP < n.y < graph.height for n in (*graph.nodes, *graph.bundles))
        assert all(0 <= m.x < line.width for row in line.lines for m in row.marks)
        assert all(0 <= c.x <= line.width - line.cell for row in line.networks for c in row.cells)
        assert all(b.y > 0 and b.y + b.height < line.height for b in line.bars)


def test_a_small_outbreak_is_drawn_host_by_host() -> None:
    graph, line = tree(outbreak().assessment), timeline(outbreak().assessment)
    assert graph
    assert {n.host.address for n in graph.nodes} == {"10.0.0.1", "10.0.0.2", "10.0.0.3"}
    assert not graph.bundles
    assert line
    assert (len(line.lines), len(line.networks), line.hosts) == (5, 0, 5)


def test_a_victim_stands_below_and_right_of_its_infector() -> None:
    graph = tree(outbreak().assessment)
    assert graph
    nodes = {n.host.address: n for n in graph.nodes}
    for node in graph.nodes:
        if node.edge:
            assert node.above == nodes[node.edge.start].y < node.y
            assert node.x > nodes[node.edge.start].x


def test_no_line_of_the_graph_crosses_a_host() -> None:
    story = ["08:00 10.0.0.1 http.beacon A"]
    acts = (f"{8 + n // 6:02}:{n % 6}0 10.0.0.{n // 3 + 1} exploit.fetch > 10.0.0.{n} A executable=yes" for n in range(2, 40))
    graph = drawn("\n".join([*story, *acts]))
    assert len(graph.nodes) == 39
    for node in graph.nodes:
        for other in graph.nodes:
            if node.edge and node.above < other.y < node.y:
                assert other.x >= node.x, "what stands between a host and its infector begins later"


@pytest.mark.parametrize("hosts", [30, 2000, 10_000])
def test_every_infected_host_is_in_the_drawing_once(hosts: int) -> None:
    assessment = large(hosts)
    infected = assessment.count(Infection.INFECTED)
    graph = tree(assessment)
    assert graph
    assert graph.hosts == len(graph.nodes) + sum(b.count for b in graph.bundles) == infected
    assert len(graph.nodes) == (infected if infected <= MOST_SINGLE else MOST_FOLDED)
    assert len(graph.bundles) <= MOST_FOLDED + 1
    assert all(b.count == sum(n for _, n in b.letters) for b in graph.bundles)
    places = [n.y for n in (*graph.nodes, *graph.bundles)]
    assert len(set(places)) == len(places)
    line = timeline(assessment)
    assert line
    assert line.bars[-1].total == sum(b.infected for b in line.bars) == infected
    ill = infected + assessment.count(Infection.SUSPECTED)
    assert line.hosts == ill == len(line.lines) + sum(n.hosts for n in line.networks)
    assert all(row.hosts == sum(c.count for c in row.cells) for row in line.networks)
    assert all(len(row.cells) <= BUCKETS for row in line.networks)


def test_what_was_folded_is_said() -> None:
    text = re.sub(r"\s+", " ", to_html(large(), [pack()]))
    assert "are too many to draw one by one: the 24 through which most others were infected are" in text
    assert "are too many for a line each, so each line is a network" in text
    assert "or a host that it infected" in text


def test_the_most_important_spreaders_are_drawn() -> None:
    story = ["08:00 10.0.0.1 http.beacon A"]
    story += [f"09:{n % 60:02} 10.0.0.1 exploit.fetch > 10.1.{n // 200}.{n % 200 + 1} A executable=yes" for n in range(300)]
    story += [f"10:{n % 60:02} 10.1.0.5 exploit.fetch > 10.2.{n // 200}.{n % 200 + 1} A executable=yes" for n in range(100)]
    graph = drawn("\n".join(story))
    single = {n.host.address for n in graph.nodes}
    assert {"10.0.0.1", "10.1.0.5"} <= single
    below = {b.parent.address: b.count for b in graph.bundles if b.parent}
    assert below["10.1.0.5"] >= 70
    assert sum(below.values()) + len(single) == 401


def test_a_long_chain_is_no_stack_overflow() -> None:
    hosts = [f"10.0.{n // 250}.{n % 250 + 1}" for n in range(CHAIN)]
    story = [f"08:00:00 {hosts[0]} http.beacon A"]
    story += [f"{8 + n // 60}:{n % 60:02} {a} lateral.admin-share > {b} B" for n, (a, b) in enumerate(pairwise(hosts))]
    graph = drawn("\n".join(story))
    assert graph.hosts == len(graph.nodes) + sum(b.count for b in graph.bundles)


def test_marks_stand_beside_each_other() -> None:
    line = timeline(outbreak().assessment)
    assert line
    for row in line.lines:
        assert all(b.x - a.x >= MARK for a, b in pairwise(row.marks))


def test_networks_are_those_that_people_know() -> None:
    assert network_of("10.20.30.40") == "10.20.30.0/24"
    assert network_of("2001:db8::1:2") == "2001:db8::/64"
    assert network_of("not an address") == "not an address"


def test_the_drawing_begins_at_the_left() -> None:
    graph = tree(outbreak().assessment)
    assert graph
    assert min(n.x for n in graph.nodes) == LEFT
