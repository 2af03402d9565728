"""The worm's own pack: what it says agrees with the facts and with real requests."""

from __future__ import annotations

import json
import re
from ipaddress import IPv4Address
from pathlib import Path

import pyarrow as pa
import pytest

from tests.threat_help import lines
from wormward.annotate import request_forms
from wormward.annotate.base import Days
from wormward.model.pack import ThreatPack
from wormward.packs import builtin_packs, lint
from wormward.threats.conficker import algorithms


@pytest.fixture(scope="module")
def worm() -> ThreatPack:
    (pack,) = (p for p in builtin_packs() if p.name == "conficker")
    return pack


def forms_of(worm: ThreatPack, method: str, uri: str, host: str, header_names: str) -> set[tuple[str, bool]]:
    """The forms that one request has, and whether its headers were seen to fit."""
    key = pa.table({"method": [method], "uri": [uri], "host": [host], "header_names": [header_names]})
    found = request_forms.annotate(key, worm, Days(0, 0))["request_forms"]
    return set(zip(found["form"].to_pylist(), found["exact"].to_pylist(), strict=True))


def test_it_is_in_good_order(worm: ThreatPack) -> None:
    assert lint(worm) == []
    assert [v.letter for v in worm.variants] == ["A", "B", "C", "E"]
    assert all(v.names["Microsoft"].startswith("Worm:Win32/") for v in worm.variants)


def test_generators_are_those_of_the_lab(worm: ThreatPack) -> None:
    """One home of the constants: the pack's and the lab's are built from the same file."""
    for variant in worm.variants[:3]:
        assert variant.domains is not None
        assert variant.domains.names(14500)[:100] == algorithms.domains(variant.letter).names(14500)[:100]
    assert worm.variants[3].domains is None
    assert worm.peer_to_peer is not None
    assert worm.peer_to_peer.ports.usable_ports == algorithms.PORTS.usable_ports == 56384


def test_suffixes_are_those_of_the_facts(shared: Path) -> None:
    rows = [line.split() for line in lines(shared / "facts" / "data" / "c-suffixes.txt")]
    assert [int(number) for number, _ in rows] == list(range(116))
    assert algorithms.domains("C").parameters.suffixes == tuple(suffix for _, suffix in rows)


def test_real_requests_have_its_forms(worm: ThreatPack, corpora: Path) -> None:
    """All 20, those that came through proxies too; each as what it is."""
    rows = (corpora / "sinkhole" / "conficker_sinkhole_http_2011-05-30.jsonl").read_text().splitlines()
    seen = []
    for row in rows:
        head, *rest = json.loads(row)["request"].split("\r\n")
        headers = dict(line.split(": ", 1) for line in rest if line)
        method, uri, _ = head.split(" ")
        found = forms_of(worm, method, uri, headers["Host"], ",".join(headers))
        assert len(found) == 1, row
        ((form, exact),) = found
        assert exact
        seen.append(form)
        assert json.loads(row)["dst_ip"] in worm.sinkholes
    assert {form: seen.count(form) for form in seen} == {"search": 9, "antispyware": 1, "antispyware-home": 10}


WORM_HEADERS = "User-Agent,Host,Pragma"
BROWSER_HEADERS = "Host,User-Agent,Accept,Accept-Language,Accept-Encoding,Connection"


@pytest.mark.parametrize(
    ("uri", "host", "headers", "wanted"),
    [
        ("/search?q=0", "192.0.2.1", WORM_HEADERS, {("search", True)}),
        ("/search?q=0", "192.0.2.1", "", {("search", False)}),
        ("/search?q=" + "9" * 200, "192.0.2.1", "User-Agent,Host,Cache-Control", {("search", True)}),
        ("/search?q=3&aq=7", "192.0.2.1", WORM_HEADERS, {("search-aq", True)}),
        ("/search?q=3&aq=7?00c0ffee", "192.0.2.1", WORM_HEADERS, {("search-aq", True)}),
        ("/search?q=0", "192.0.2.1", "User-Agent,Host,Proxy-Connection,Pragma", {("search", True)}),
        ("/search?q=0", "192.0.2.1", "Host,User-Agent,Pragma", set()),
        ("/search?q=0", "192.0.2.1", "User-Agent,Host", set()),
        ("/search?q=0", "192.0.2.1", "User-Agent,Host,Pragma,Accept", set()),
        ("/search?q=0", "192.0.2.1", BROWSER_HEADERS, set()),
        ("/search?q=0", "www.example.com", WORM_HEADERS, set()),
        ("/search?q=worm", "192.0.2.1", WORM_HEADERS, set()),
        ("/search?q=\u0663", "192.0.2.1", WORM_HEADERS, set()),  # a digit, but none of ASCII
        ("/search?q=0&aq=f", "192.0.2.1", WORM_HEADERS, set()),
        ("/search?q=0\n", "192.0.2.1", WORM_HEADERS, set()),
        ("/", "www.ask.com", "User-Agent,Host,Cache-Control", {("date", True)}),
        ("/", "www.ask.com", BROWSER_HEADERS, set()),
        ("/", "checkip.dyndns.org", WORM_HEADERS, {("own-address", True)}),
        ("/", "www.example.com", WORM_HEADERS, set()),
    ],
)
def test_requests(worm: ThreatPack, uri: str, host: str, headers: str, wanted: set[tuple[str, bool]]) -> None:
    assert forms_of(worm, "GET", uri, host, headers) == wanted
    assert forms_of(worm, "POST", uri, host, headers) == set()


def test_all_forms_share_their_headers(worm: ThreatPack) -> None:
    """The worm has one way to ask, so the lists that the file must repeat may not part."""
    assert len({(form.header_sets, form.proxy_headers) for form in worm.http_forms}) == 1
    headers, proxy = worm.http_forms[0].header_sets, worm.http_forms[0].proxy_headers
    assert {header for names in headers for header in names}.isdisjoint(proxy)


def test_what_readers_keep_leaves_room_for_every_packet(worm: ThreatPack) -> None:
    """No port that the rule can give is left out, for TCP or UDP."""
    assert worm.peer_to_peer is not None
    for want in worm.wants:
        assert not [port for port in want.not_ports if algorithms.PORTS.usable(port).any()]
        assert want.least_size == {"udp": 14, "tcp": 16}[want.protocol]
        assert want.least_port <= worm.peer_to_peer.least_port
    assert {want.protocol for want in worm.wants} == {"tcp", "udp"}


def test_calls_that_readers_keep(worm: ThreatPack) -> None:
    kept = {call.interface: set(call.opnums) for call in worm.wanted_calls}
    assert kept[worm.spreading.hole_interface] == {30, 31, 32, 33, 34}
    assert kept[worm.spreading.job_interface] == {0}


@pytest.mark.parametrize(
    ("command", "runs"),
    [
        ("rundll32.exe zdtnx.g,wdcpr", True),
        ("rundll32 uckhvqo.tqh,abc", True),
        (r"c:\windows\system32\rundll32.exe zdtnx.g,wdcpr", True),
        ("rundll32.exe shell32.dll,control_rundll", False),
        ("rundll32.exe c:\\temp\\x.dll,go", False),
        ("cmd /c dir", False),
    ],
)
def test_job_commands(worm: ThreatPack, command: str, runs: bool) -> None:
    assert bool(re.search(worm.spreading.job_command, command)) is runs


def test_sinkholes(worm: ThreatPack) -> None:
    addresses = sorted(s for s in worm.sinkholes if s[0].isdigit())
    assert len(addresses) == 7
    assert all(IPv4Address(a).is_global for a in addresses)
    assert len(worm.sinkholes) == 10


def test_names_alone_convict_from_one_in_a_thousand_million(worm: ThreatPack) -> None:
    assert worm.judge.prior + worm.names_convict_milli == worm.judge.infected
    (names,) = (w for w in worm.judge.weights if w.rule == "names.day-list")
    assert names.milli is None
    assert names.characteristic


def test_support_alone_never_makes_a_host_suspected(worm: ThreatPack) -> None:
    """One thing that scanners, monitors or mail servers do, and all that is no sign of a kind of its own."""
    for weight in worm.judge.weights:
        if not weight.characteristic:
            assert worm.judge.prior + max(weight.milli or 0, weight.most) < worm.judge.suspected
    assert all(w.milli == 0 for w in worm.judge.weights if w.attacked), "being attacked says nothing of being infected"


def test_no_password_list_is_shipped(repo: Path, shared: Path) -> None:
    """The worm's 248 passwords stay in the facts: at most a few of them occur as words anywhere in the program."""
    passwords = set(lines(shared / "facts" / "data" / "passwords-conficker-B.txt"))
    for path in sorted((repo / "src").rglob("*")):
        if path.suffix in (".toml", ".csv", ".txt", ".py"):
            words = set(re.findall(r"[\w!@#$%^&*]{5,}", path.read_text(encoding="utf-8")))
            assert len(words & passwords) < 25, path
