"""Any worm that a pack describes is played: the first one, and one that was made up."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from lab.__main__ import main
from lab.stage import Stage
from lab.worm import load_play
from tests.lab_help import CONFICKER, REPO, tshark, zeek

PACKS = [CONFICKER, *sorted(path.parent for path in (REPO / "tests" / "packs").glob("*/pack.toml"))]
MADE_UP = [pack for pack in PACKS if pack != CONFICKER]


def table(pack: Path) -> dict[str, Any]:
    return tomllib.loads((pack / "pack.toml").read_text())


@pytest.mark.parametrize("pack", PACKS, ids=lambda p: p.name)
def test_what_is_drawn_fits_the_pack(pack: Path) -> None:
    play, rng, data = load_play(pack), Stage(1).rng("draw"), table(pack)
    for form in play.forms:
        request = form.request(rng, "192.0.2.1", "agent")
        assert re.fullmatch(form.uri, request.uri)
        assert tuple(name for name, _ in request.headers) in form.header_sets
    for _ in range(20):
        path = play.admin_file(rng)
        assert any(re.fullmatch(f["path"], path) for f in data["file_forms"] if f.get("shares"))
        assert re.fullmatch(data["spreading"]["job_command"], play.job_command(rng, path))
        written = [path.lower() for path in play.share_files(rng)]
        assert all(any(re.fullmatch(f["path"], p) for p in written) for f in data["file_forms"] if not f.get("shares"))


@pytest.mark.parametrize("pack", PACKS, ids=lambda p: p.name)
def test_builds_are_those_of_the_pack(pack: Path) -> None:
    play = load_play(pack)
    letters = [v["letter"] for v in table(pack)["variants"] if "domains" in v]
    assert [b.letter for b in play.builds] == letters
    assert play.updates
    assert all(build.list_of(18_000, Stage(1).rng("list")) for build in play.builds)


@pytest.mark.parametrize("pack", MADE_UP, ids=lambda p: p.name)
def test_a_made_up_worm_is_played_in_its_own_way(pack: Path, tmp_path: Path) -> None:
    """Its ports, names, requests and files, none of the first worm's."""
    assert main(["outbreak", "--worm", str(pack), "--out", str(tmp_path)]) == 0
    truth, data, play = json.loads((tmp_path / "truth.json").read_text()), table(pack), load_play(pack)
    infected = truth["infected"]
    assert len(infected) >= 8
    assert {h["variant"] for h in infected.values()} <= {b.letter for b in play.builds}
    capture = tmp_path / "outbreak.pcap"
    scanned = {p for (p,) in tshark(capture, ["tcp.dstport"], f"tcp.dstport == {data['spreading']['scan_ports'][0]}")}
    assert scanned
    day = 20_514  # 2026-03-02
    lists = {name for build in play.builds for name in build.names.names(day)} if play.builds else set()
    asked = {row["query"] for row in zeek(tmp_path / "zeek" / "dns.log") if row["id.orig_h"] in infected}
    assert len(asked & lists) > 100
    uris = {row["uri"] for row in zeek(tmp_path / "zeek" / "http.log") if row["id.orig_h"] in infected}
    beacons = [form for form in play.forms if form.rule == "http.beacon"]
    assert any(re.fullmatch(form.uri, uri) for form in beacons for uri in uris)
    first = load_play(CONFICKER)
    assert not any(re.fullmatch(form.uri, uri) for form in first.forms if form.rule == "http.beacon" for uri in uris)
    assert not asked & {name for build in first.builds if build.names for name in build.names.names(day)}


def test_a_closed_network_shows_no_generated_name_but_failing_date_sites(tmp_path: Path) -> None:
    assert main(["outbreak", "--closed", "--hosts", "20", "--out", str(tmp_path)]) == 0
    play = load_play(CONFICKER)
    infected = json.loads((tmp_path / "truth.json").read_text())["infected"]
    lists = {name for build in play.builds if build.names for name in build.names.names(20_514)}
    rows = zeek(tmp_path / "zeek" / "dns.log")
    assert not lists & {row["query"] for row in rows}
    for address in infected:
        failed = {r["query"].removeprefix("www.") for r in rows if r["id.orig_h"] == address and r["rcode_name"] == "SERVFAIL"}
        assert len(failed & set(play.date_sites)) >= 3
    assert {h["variant"] for h in infected.values()} == {"A", "B", "C"}


def test_a_wrong_date_shifts_all_names(tmp_path: Path) -> None:
    assert main(["outbreak", "--date-offset", "-3000", "--no-capture", "--out", str(tmp_path)]) == 0
    play = load_play(CONFICKER)
    asked = {row["query"] for row in zeek(tmp_path / "zeek" / "dns.log")}
    for build in play.builds:
        assert build.names
        assert not asked & set(build.names.names(20_514))
        assert asked & set(build.names.names(20_514 - 3000))


@pytest.mark.slow
def test_a_thousand_hosts(tmp_path: Path) -> None:
    assert main(["outbreak", "--hosts", "1000", "--infected", "10", "--no-capture", "--out", str(tmp_path)]) == 0
    assert len(json.loads((tmp_path / "truth.json").read_text())["infected"]) == 100
