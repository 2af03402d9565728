"""The example's outbreak over IPv6: the same hosts, findings and edges, by their new addresses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.cli_help import assessed_json
from tests.ipv6_help import Map, rewrite
from tests.lab_help import WRONG, tshark

ONLY_IPV4 = {"p2p.ports"}
"""The rule reckons ports from an IPv4 address."""
LISTED_IPV4 = {"sinkhole.contact"}
"""The list is of IPv4 addresses: a lookup's answer and a connection do not name them here, only a Host header does, later."""
RULES = {"scan.smb", "exploit.path", "exploit.fetch", "http.beacon", "names.day-list", "p2p.packet", "lateral.admin-share"}


@pytest.fixture(scope="module")
def told(repo: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Map, Path, dict[str, Any], dict[str, Any]]:
    """The map of addresses, the rewritten capture, and what is said of both."""
    folder = tmp_path_factory.mktemp("six")
    old, new = repo / "examples" / "outbreak" / "outbreak.pcap", folder / "six.pcap"
    addresses = rewrite(old, new)
    four = assessed_json(old, folder=folder, code=1)
    return addresses, new, four, assessed_json(new, "--html", folder / "six.html", folder=folder, code=1)


def test_the_rewritten_capture_is_sound_ipv6(told: tuple[Map, Path, dict[str, Any], dict[str, Any]]) -> None:
    _, new, _, _ = told
    assert not tshark(new, ["frame.number"], WRONG)
    assert not tshark(new, ["frame.number"], "not ipv6")


def test_the_same_is_found(told: tuple[Map, Path, dict[str, Any], dict[str, Any]]) -> None:
    addresses, _, four, six = told

    def found(said: dict[str, Any], to: dict[str, str]) -> set[tuple[Any, ...]]:
        told = [f for f in said["findings"] if f["rule"] not in ONLY_IPV4]
        whom = [(f, to.get(f["actor"], f["actor"]), to.get(f["target"], f["target"])) for f in told]
        return {(f["rule"], *both, None if f["rule"] in LISTED_IPV4 else f["time"]) for f, *both in whom}

    assert found(six, {}) == found(four, addresses.known)
    assert {rule for rule, *_ in found(six, {})} >= RULES


def test_the_answers_are_the_same(told: tuple[Map, Path, dict[str, Any], dict[str, Any]]) -> None:
    addresses, _, four, six = told

    def answers(said: dict[str, Any], to: dict[str, str]) -> dict[str, Any]:
        return {
            to.get(h["address"], h["address"]): (h["verdict"], h["variant"], h["first_seen"], h["roles"]) for h in said["hosts"]
        }

    def edges(said: dict[str, Any], to: dict[str, str]) -> set[tuple[str, str, str]]:
        return {(to.get(e["from"], e["from"]), to.get(e["to"], e["to"]), e["way"]) for e in said["graph"]["edges"]}

    assert answers(six, {}) == answers(four, addresses.known)
    assert edges(six, {}) == edges(four, addresses.known)
    assert six["as_of"] == four["as_of"]
