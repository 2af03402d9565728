"""A third party's report, the whole way: what it makes of an address, alone and beside other evidence."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path

from wormward.model.findings import Kind
from wormward.model.site import Site
from wormward.model.states import Assessment, Infection
from wormward.packs import builtin_packs
from wormward.pipeline import assess

SOURCES = Path(__file__).parent / "sources"
REPORTS = (SOURCES / "shadowserver/sinkhole/input/2021.csv", SOURCES / "shadowserver/http/input/event4_sinkhole_http.csv")
NAMED = "203.0.113.9"


def judged(*paths: Path, site: Site | None = None) -> Assessment:
    return assess(paths, packs=builtin_packs(), site=site)


def test_a_report_alone_makes_its_address_suspected_and_no_more() -> None:
    said = judged(*REPORTS)
    (finding,) = said.findings
    assert (finding.rule, finding.kind, finding.actor, finding.count) == ("reported.sinkhole", Kind.REPORTED, NAMED, 1)
    assert "behind" in finding.say()
    assert len(finding.cites) == 2
    (host,) = said.hosts
    assert (host.address, host.verdict, host.roles) == (NAMED, Infection.SUSPECTED, ("reported",))
    assert "which host behind this address" in host.reasons[0].sentence
    assert said.patient_zero == ()


def test_the_address_is_listed_beside_private_ones_and_outside_the_ranges() -> None:
    firewall = SOURCES / "pfirewall/every-action/input/pfirewall.log"
    for site in (None, Site(ranges=(ip_network("10.0.0.0/8"),))):
        hosts = {h.address: h for h in judged(*REPORTS, firewall, site=site).hosts}
        assert hosts[NAMED].verdict is Infection.SUSPECTED
        assert {a for a, h in hosts.items() if h.verdict is not Infection.UNKNOWN} == {NAMED}
        assert "10.0.0.7" in hosts


def test_a_report_of_another_worm_says_nothing() -> None:
    said = judged(SOURCES / "shadowserver/sinkhole/input/now.csv")
    assert said.findings == ()
    assert said.hosts == ()
