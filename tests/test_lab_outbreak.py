"""The committed outbreak: made again byte for byte, clean for tshark, and its truth is what its packets show."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from lab.__main__ import main
from lab.knobs import Knobs
from lab.outbreak import write_outbreak
from tests.lab_help import REPO, WRONG, conficker, port_blacklist, published_ports, tshark, zeek

EXAMPLE = REPO / "examples" / "outbreak"
CAPTURE = EXAMPLE / "outbreak.pcap"
TRUTH: dict[str, Any] = json.loads((EXAMPLE / "truth.json").read_text())
INFECTED: dict[str, dict[str, Any]] = TRUTH["infected"]


def when(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)


def files(folder: Path) -> dict[str, str]:
    """Relative name -> sha256 of everything that the lab wrote."""
    made = [p for p in sorted(folder.rglob("*")) if p.is_file() and p.name != "README.md"]
    return {p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in made}


def test_the_example_is_made_again_byte_for_byte(tmp_path: Path) -> None:
    """If this fails after a change of the lab or the pack that is meant: `python -m lab example`."""
    assert main(["example", "--out", str(tmp_path / "page")]) == 0
    assert files(tmp_path / "page") == files(EXAMPLE)
    assert (tmp_path / "page" / "README.md").read_text() == (EXAMPLE / "README.md").read_text()
    assert main(["outbreak", "--hosts", "30", "--seed", "1", "--out", str(tmp_path / "bare")]) == 0
    assert files(tmp_path / "bare") == files(EXAMPLE)


def test_its_page_names_every_file_with_its_digest() -> None:
    page = (EXAMPLE / "README.md").read_text()
    for name, digest in files(EXAMPLE).items():
        assert f"| `{name}` | " in page
        assert digest in page


def test_it_is_small() -> None:
    assert sum(p.stat().st_size for p in EXAMPLE.rglob("*") if p.is_file()) < 5_000_000


def test_another_seed_is_another_story(tmp_path: Path) -> None:
    write_outbreak(Knobs(seed=2, hours=1.0), conficker(), tmp_path / "two")
    write_outbreak(Knobs(seed=3, hours=1.0), conficker(), tmp_path / "three")
    two, three = files(tmp_path / "two"), files(tmp_path / "three")
    assert two.keys() == three.keys()
    assert not set(two.values()) & set(three.values())


def test_logs_do_not_depend_on_the_capture_being_written(tmp_path: Path) -> None:
    story = write_outbreak(Knobs(), conficker(), tmp_path, capture=False)
    assert story.times
    assert files(tmp_path) == {name: digest for name, digest in files(EXAMPLE).items() if not name.endswith(".pcap")}


@pytest.mark.parametrize("form", ["plain", "closed", "proxied"])
def test_tshark_finds_nothing_wrong(form: str, tmp_path: Path) -> None:
    capture = CAPTURE
    if form != "plain":
        knobs = Knobs(seed=5, hours=1.5, closed=form == "closed", proxied=form == "proxied")
        write_outbreak(knobs, conficker(), tmp_path)
        capture = tmp_path / "outbreak.pcap"
    assert tshark(capture, ["frame.number", "_ws.col.Protocol", "_ws.col.Info"], WRONG) == []


class Packet(NamedTuple):
    """What the checks below look at."""

    time: datetime
    source: str
    target: str
    port: str
    info: str


@pytest.fixture(scope="module")
def calls() -> list[Packet]:
    """All RPC requests, HTTP requests and SMB file creations that tshark decodes, in order."""
    fields = ["frame.time_epoch", "ip.src", "ip.dst", "tcp.dstport", "_ws.col.Info"]
    wanted = "dcerpc.pkt_type == 0 || http.request || smb.cmd == 0xa2 || smb2.cmd == 5"
    rows = tshark(CAPTURE, fields, wanted)
    return [Packet(datetime.fromtimestamp(float(r[0]), UTC), *r[1:]) for r in rows]


def of(calls: list[Packet], source: str, target: str, words: str) -> list[Packet]:
    return [c for c in calls if c.source == source and c.target == target and words in c.info]


def test_the_tree_is_possible() -> None:
    zeros = [address for address, host in INFECTED.items() if host["infected_by"] is None]
    assert sorted(zeros) == sorted(TRUTH["patient_zero"])
    assert {host["way"] for host in INFECTED.values()} >= {"usb", "exploit", "password"}
    assert {host["variant"] for host in INFECTED.values()} == {"A", "B", "C"}
    for host in INFECTED.values():
        if host["infected_by"]:
            source = INFECTED[host["infected_by"]]
            assert when(source["time"]) < when(host["time"])
            past = source.get("history", [])
            assert not past or when(host["time"]) < when(past[-1]["until"])
            carried = host["history"][0]["variant"] if host.get("history") else host["variant"]
            assert carried == (past[0]["variant"] if past else source["variant"])
    assert not set(TRUTH["attacked"]) & set(INFECTED)


def test_every_exploit_is_in_the_capture_before_its_infection(calls: list[Packet]) -> None:
    victims = {a: h for a, h in INFECTED.items() if h["way"] == "exploit"}
    assert len(victims) >= 3
    for address, host in victims.items():
        attack = of(calls, host["infected_by"], address, "NetPathCanonicalize request")
        fetch = of(calls, address, host["infected_by"], "GET /")
        end = when(host["time"])
        assert attack
        assert fetch
        assert attack[-1].time < fetch[-1].time < end + timedelta(seconds=1)
        assert end - attack[-1].time < timedelta(seconds=30)


def test_every_guessed_password_is_in_the_capture_before_its_infection(calls: list[Packet]) -> None:
    victims = {a: h for a, h in INFECTED.items() if h["way"] == "password"}
    assert len(victims) >= 2
    for address, host in victims.items():
        copied = of(calls, host["infected_by"], address, "system32\\")
        job = of(calls, host["infected_by"], address, "JobAdd request")
        assert copied
        assert job
        assert copied[-1].time < job[-1].time < when(host["time"]) < job[-1].time + timedelta(minutes=2)


def test_entries_by_stick_leave_no_trace_of_arrival(calls: list[Packet]) -> None:
    for address, host in INFECTED.items():
        if host["way"] in ("usb", "unknown"):
            before = [c for c in calls if c.target == address and c.time < when(host["time"])]
            assert not [c for c in before if "NetPathCanonicalize" in c.info or "JobAdd" in c.info]


def test_attacked_hosts_were_attacked_and_others_not(calls: list[Packet]) -> None:
    """By the exploit's call from an infected host, or by many refused logons from one."""
    called = {c.target for c in calls if "NetPathCanonicalize" in c.info and c.source in INFECTED}
    refused = tshark(CAPTURE, ["ip.src", "ip.dst"], "smb.nt_status == 0xc000006d || smb2.nt_status == 0xc000006d")
    count: dict[tuple[str, str], int] = defaultdict(int)
    for source, target in refused:
        count[source, target] += 1
    guessed = {host for (host, by), n in count.items() if by in INFECTED and n >= 5}
    assert (called | guessed) - set(INFECTED) == set(TRUTH["attacked"])


def test_infected_hosts_ask_for_names_of_their_own_lists() -> None:
    """Each of the worm's names once, by nobody but infected hosts and the resolver, none before the infection."""
    play = conficker()
    day = when(TRUTH["begin"]).toordinal() - datetime(1970, 1, 1, tzinfo=UTC).toordinal()
    lists = {build.letter: set(build.names.names(day)) for build in play.builds if build.names}
    asked: dict[tuple[str, str], list[datetime]] = defaultdict(list)
    for source, name, time in tshark(CAPTURE, ["ip.src", "dns.qry.name", "frame.time_epoch"], "dns.flags.response == 0"):
        for letter, names in lists.items():
            if name in names and source != "10.20.0.10":
                asked[source, letter].append(datetime.fromtimestamp(float(time), UTC))
    for address, host in INFECTED.items():
        letters = [h["variant"] for h in host.get("history", [])] + [host["variant"]]
        for letter in letters:
            assert len(asked[address, letter]) >= 8
            assert min(asked[address, letter]) >= when(host["time"])
    by_chance = {(a, letter): t for (a, letter), t in asked.items() if a not in INFECTED}
    assert not by_chance


def test_peers_are_asked_at_the_ports_that_they_would_open(shared: Path) -> None:
    """The ports of the address by an own reckoning that nmap's outputs prove; the week's by the pack's rule."""
    play = conficker()
    assert play.peers
    blacklist = port_blacklist(shared / "facts/data/p2p-port-blacklist.txt")
    later = {a: when(h["history"][-1]["until"]) for a, h in INFECTED.items() if h["variant"] == "C"}
    assert later
    high = "udp && udp.dstport > 1024 && udp.srcport > 1024"
    rows = tshark(CAPTURE, ["ip.src", "ip.dst", "udp.dstport", "frame.time_epoch"], high)
    met = [(a, b, int(p), float(t)) for a, b, p, t in rows if a in later]
    assert len(met) > 100
    for source, target, port, time in met:
        assert datetime.fromtimestamp(time, UTC) > later[source]
        assert port in play.peers.opened(int(IPv4Address(target)), int(time) * 1_000_000)["udp"]
    by_address = sum(port == published_ports(target, blacklist)[1] for _, target, port, _ in met)
    assert 0.35 < by_address / len(met) < 0.65


def udp_conversations(rows: list[list[str]]) -> int:
    """How many UDP conversations Zeek would count: one ends after a minute of silence."""
    count = 0
    last: dict[frozenset[tuple[str, str]], float] = {}
    for time, source, source_port, target, target_port in rows:
        ends = frozenset({(source, source_port), (target, target_port)})
        count += ends not in last or float(time) - last[ends] > 60
        last[ends] = float(time)
    return count


def test_zeek_s_connections_are_tshark_s() -> None:
    conn = zeek(EXAMPLE / "zeek" / "conn.log")
    tcp = [row for row in conn if row["proto"] == "tcp"]
    segments = tshark(CAPTURE, ["tcp.stream", "tcp.len"], "tcp")
    assert len(tcp) == len({stream for stream, _ in segments})
    said = sum(int(row[side]) for row in tcp for side in ("orig_bytes", "resp_bytes") if row[side] != "-")
    assert said == sum(int(length) for _, length in segments)
    assert sum(int(row[side]) for row in tcp for side in ("orig_pkts", "resp_pkts")) == len(segments)
    datagrams = tshark(CAPTURE, ["frame.time_epoch", "ip.src", "udp.srcport", "ip.dst", "udp.dstport"], "udp")
    assert len(conn) - len(tcp) == udp_conversations(datagrams)


def test_zeek_s_other_logs_agree_with_tshark() -> None:
    log = {name: zeek(EXAMPLE / "zeek" / f"{name}.log") for name in ("dns", "http", "smb_mapping", "dce_rpc", "ntlm")}
    questions = tshark(CAPTURE, ["dns.qry.name"], "dns.flags.response == 0")
    assert sorted(r["query"] for r in log["dns"]) == sorted(name for (name,) in questions)
    assert len(log["http"]) == len(tshark(CAPTURE, ["frame.number"], "http.request"))
    one = "(smb.cmd == 0x75 && smb.flags.response == 1 && smb.nt_status == 0)"
    two = "(smb2.cmd == 3 && smb2.flags.response == 1 && smb2.nt_status == 0)"
    assert len(log["smb_mapping"]) == len(tshark(CAPTURE, ["frame.number"], f"{one} || {two}"))
    assert len(log["dce_rpc"]) == len(tshark(CAPTURE, ["frame.number"], "dcerpc.pkt_type == 2"))
    proofs = tshark(CAPTURE, ["tcp.stream"], "ntlmssp.messagetype == 0x00000003")
    assert len(log["ntlm"]) == len({stream for (stream,) in proofs})


def test_every_row_of_zeek_s_logs_belongs_to_a_connection() -> None:
    known = {row["uid"] for row in zeek(EXAMPLE / "zeek" / "conn.log")}
    for log in ("dns", "http", "smb_mapping", "smb_files", "dce_rpc", "ntlm"):
        assert {row["uid"] for row in zeek(EXAMPLE / "zeek" / f"{log}.log")} <= known


def test_the_name_server_s_logs_are_the_site_s_lookups() -> None:
    asked = tshark(CAPTURE, ["ip.src", "dns.qry.name"], "dns.flags.response == 0 && ip.dst == 10.20.0.10")
    table = (EXAMPLE / "dns" / "queries.csv").read_text().splitlines()
    assert table[0] == "time,client,name,answer"
    assert sorted(line.split(",")[1:3] for line in table[1:]) == sorted(asked)
    lines = (EXAMPLE / "dns" / "queries.log").read_text().splitlines()
    assert len(lines) == len(asked)
    assert sorted((w[6].split("#")[0], w[9]) for w in (line.split(" ") for line in lines)) == sorted(map(tuple, asked))
