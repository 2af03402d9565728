"""Likelihoods that mean something: a few of the sites that `make bench` holds twenty of; and the generator itself."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from bench.likelihoods import HELD_OUT, ILL, TUNED, Sums, changed, hold, reliability
from lab.knobs import Knobs
from lab.withheld import Loss, knobs_of, write_withheld
from lab.worm import load_play
from tests.lab_help import CONFICKER
from wormward.packs import builtin_packs
from wormward.pipeline import assess

SEEDS = (4001, 4002, 4003)
"""Neither tuned on nor reported by the bench."""


def written(seed: int, folder: Path, loss: Loss | None = None, knobs: Knobs | None = None) -> Mapping[str, Any]:
    return write_withheld(seed, load_play(CONFICKER), folder, loss, knobs)


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> Sums:
    """Sites with a third of the switches unseen, half of the logs lost and clocks off, assessed."""
    folder = tmp_path_factory.mktemp("withheld")
    held = []
    for seed in SEEDS:
        truth = written(seed, folder / str(seed))
        held.append(hold(assess([folder / str(seed)], packs=tuple(builtin_packs())), truth))
    return Sums(held)


@pytest.mark.slow
def test_of_edges_given_nine_in_ten_nine_in_ten_are_true(sites: Sums) -> None:
    assert sum(stated >= 0.9 for stated, _ in sites.edges) >= 5
    assert sites.share_true() >= 90
    assert sites.brier() < 0.1


@pytest.mark.slow
def test_no_innocent_host_is_infected(sites: Sums) -> None:
    assert sites.convicted() == 0


@pytest.mark.slow
def test_of_the_infected_that_left_any_trace_ninety_five_in_a_hundred_are_found(sites: Sums) -> None:
    assert sum(len(s.traced) for s in sites.sites) >= 20
    assert sites.share_found(*ILL) >= 95


@pytest.mark.slow
def test_the_first_host_is_among_three(sites: Sums) -> None:
    assert sites.among_three() == len(SEEDS)


def test_seeds_are_told_apart() -> None:
    assert not set(TUNED) & {*HELD_OUT, *SEEDS}
    assert not set(HELD_OUT) & set(SEEDS)
    assert len({(k.hosts, k.hours, k.start) for k in map(knobs_of, HELD_OUT)}) == len(HELD_OUT)


SMALL = Knobs(hosts=14, seed=5, hours=2.0, carried_percent=30, again_percent=50)


def digest(folder: Path) -> str:
    """One digest of all files below a folder."""
    names = sorted(p for p in folder.rglob("*") if p.is_file())
    return hashlib.sha256(b"".join(f"{p.relative_to(folder)}".encode() + p.read_bytes() for p in names)).hexdigest()


def test_the_same_seed_gives_the_same_evidence(tmp_path: Path) -> None:
    one, other = (written(5, tmp_path / name, knobs=SMALL) for name in "ab")
    assert one == other
    assert digest(tmp_path / "a") == digest(tmp_path / "b")


def test_what_is_withheld_is_not_there(tmp_path: Path) -> None:
    """Fewer files, no frame of a host whose conversations only unseen switches carry, and traces only of what was kept."""
    whole = written(5, tmp_path / "whole", Loss(0, 0, 0, clocks=False), SMALL)
    part = written(5, tmp_path / "part", knobs=SMALL)
    assert part["files"] < whole["files"]
    assert not whole["unseen"]
    assert part["unseen"]
    assert not any(whole["clocks"].values())
    assert any(part["clocks"].values())
    for address, kept in part["traces"].items():
        assert all(count <= whole["traces"][address][what] for what, count in kept.items())
    assert {k: v for k, v in part.items() if k in ("infected", "first")} == {k: whole[k] for k in ("infected", "first")}


def test_a_trace_is_in_the_evidence(tmp_path: Path) -> None:
    """Lookups that count as traces stand in the name server's log under the host's address, and no host else has any."""
    truth = written(5, tmp_path / "site", Loss(0, 0, 0, clocks=False), SMALL)
    text = "".join(p.read_text() for p in sorted((tmp_path / "site" / "resolver").iterdir()))
    assert set(truth["traces"]) <= set(truth["infected"])
    for address, kept in truth["traces"].items():
        ip_address(address)
        asked = text.count(f" {address}#") + text.count(f",{address},")
        assert kept.get("lookup", 0) <= asked
    assert json.loads((tmp_path / "site.truth.json").read_text())["traces"] == truth["traces"]


def test_the_table_counts_what_was_stated() -> None:
    lines = reliability([(0.95, True), (0.96, False), (1.0, True), (0.2, False)])
    assert [line.split() for line in lines[1:]] == [
        ["0.10", "to", "0.30", "1", "0.200", "0.000"],
        ["0.95", "to", "0.99", "2", "0.955", "0.500"],
        ["0.99", "to", "1.00", "1", "1.000", "1.000"],
    ]
    assert changed([], []) == ["    no host's answer changed"]
