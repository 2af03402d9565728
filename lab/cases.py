"""One case per detector: a small capture that must make it fire, and a benign twin that must not.

A positive has the least that a rule needs; its twin is the ordinary thing that looks most like it. `expect.json` beside
them says who does it to whom, so that a test need not know the story.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from lab import cases_network, cases_windows
from lab.capture import Capture
from lab.casework import CLIENT, Case
from lab.dnslogs import DnsLogs
from lab.site import CONTROLLER, NETWORK, PROXY, Site
from lab.stage import SECOND, Sink, Stage
from lab.worm import Play
from lab.zeek import ZeekLogs

START = datetime(2020, 1, 15, 9, tzinfo=UTC)
"""A day whose lists others published, so that a case's names can be held against them."""

Scene = Callable[[Case], None]


@dataclass(frozen=True, slots=True)
class Pair:
    """A rule's positive and its benign twin.

    `target` is true if the finding has one; `form` is the form in which the rule shows (what a capture tells outright
    a log leaves open, and the other way round); `actor` is who is found, where it is not the host that does it.
    """

    positive: Scene
    benign: Scene
    target: bool = False
    form: str = "case.pcap"
    actor: str = CLIENT
    closed: bool = False
    proxied: bool = False
    hours: int = 1


CASES: dict[str, Pair] = {
    "names.day-list": Pair(cases_network.day_list, cases_network.chance_names),
    "names.relayed": Pair(cases_network.day_list, cases_network.chance_names, actor=CONTROLLER),
    "names.unexplained": Pair(cases_network.servers_list, cases_network.servers_chance_names, actor=CONTROLLER),
    "names.date-sites": Pair(cases_network.date_sites, cases_network.home_page, closed=True, hours=6),
    "http.beacon": Pair(cases_network.beacon, cases_network.search_engine),
    "http.beacon-loose": Pair(cases_network.beacon, cases_network.search_engine, form="zeek"),
    "http.download": Pair(cases_network.download, cases_network.other_download),
    "http.support": Pair(cases_network.support, cases_network.browse_date_sites),
    "http.relayed": Pair(cases_network.beacon, cases_network.search_engine, actor=PROXY, proxied=True),
    "sinkhole.contact": Pair(cases_network.sinkhole, cases_network.neighbour_of_sinkhole),
    "p2p.ports": Pair(cases_network.peer_ports, cases_network.file_sharing),
    "p2p.packet": Pair(cases_network.peer_packets, cases_network.file_sharing),
    "scan.smb": Pair(cases_windows.scan, cases_windows.many_servers),
    "scan.probe": Pair(cases_windows.probe, cases_windows.scanner),
    "exploit.path": Pair(cases_windows.exploit_in_vain, cases_windows.tidy_path, target=True),
    "exploit.call": Pair(cases_windows.exploit_in_vain, cases_windows.list_shares, target=True, form="zeek"),
    "exploit.fetch": Pair(cases_windows.exploit, cases_windows.intranet_by_address, target=True),
    "exploit.contact-fetch": Pair(cases_windows.exploit, cases_windows.agent_by_name, target=True, form="zeek"),
    "logon.burst": Pair(cases_windows.wave, cases_windows.typos),
    "logon.unshown": Pair(cases_windows.wave, cases_windows.typos, form="zeek"),
    "lateral.admin-share": Pair(cases_windows.drop, cases_windows.administer, target=True),
    "share.autorun": Pair(cases_windows.sow, cases_windows.install_disc, target=True),
    "bots.mail": Pair(cases_network.bot_mail, cases_network.office_mail),
}
"""Rule -> its pair."""


def write_case(rule: str, folder: Path, play: Play, seed: int = 1) -> None:
    """Write `positive/` and `benign/` (each `case.pcap`, `zeek/`, `dns/`) and `expect.json` into `folder`."""
    pair = CASES[rule]
    for name, scene in (("positive", pair.positive), ("benign", pair.benign)):
        case = _play(scene, folder / name, play, seed, pair)
        if name == "positive":
            expected = {"rule": rule, "form": pair.form, "actor": pair.actor, "target": case.target if pair.target else None}
            (folder / "expect.json").write_text(json.dumps(expected, indent=1) + "\n", encoding="ascii")


def _play(scene: Scene, folder: Path, play: Play, seed: int, pair: Pair) -> Case:
    sinks: tuple[Sink, ...] = (Capture(folder / "case.pcap"), ZeekLogs(folder / "zeek"), DnsLogs(folder / "dns"))
    stage = Stage(seed, sinks, NETWORK)
    case = Case(
        Site(stage, 24, closed=pair.closed, proxied=pair.proxied, avoid=frozenset(play.sinkholes)),
        play,
        int(START.timestamp()) * SECOND,
    )
    case.introduce()
    scene(case)
    stage.run(case.start_us + pair.hours * 3600 * SECOND)
    return case
