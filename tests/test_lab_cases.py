"""Each detector's case, confirmed by somebody else: tshark's decode, nmap's ports, published names, real requests."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from lab.__main__ import main
from lab.cases import CASES
from lab.cases_network import PEERS
from lab.casework import CLIENT
from lab.site import CONTROLLER, PROXY
from tests.lab_help import WRONG, port_blacklist, published_ports, tshark
from wormward.threats.conficker.packets import Packets

EXPLOIT = "srvsvc.opnum == 31 && dcerpc.pkt_type == 0"


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All cases, made once."""
    folder = tmp_path_factory.mktemp("cases")
    assert main(["case", "all", "--out", str(folder)]) == 0
    return folder


@pytest.fixture(scope="module")
def real_requests(corpora: Path) -> list[list[str]]:
    """The lines of real requests of infected hosts to a sinkhole."""
    rows = (corpora / "sinkhole" / "conficker_sinkhole_http_2011-05-30.jsonl").read_text().splitlines()
    return [json.loads(row)["request"].split("\r\n") for row in rows]


def seen(cases: Path, rule: str, twin: str, fields: list[str], wanted: str) -> list[list[str]]:
    return tshark(cases / rule / twin / "case.pcap", fields, wanted)


@pytest.mark.parametrize("rule", CASES)
def test_every_case_is_whole_and_clean(cases: Path, rule: str) -> None:
    expected = json.loads((cases / rule / "expect.json").read_text())
    assert expected["rule"] == rule
    for twin in ("positive", "benign"):
        folder = cases / rule / twin
        assert (folder / "zeek" / "conn.log").is_file()
        assert tshark(folder / "case.pcap", ["frame.number", "_ws.col.Info"], WRONG) == []
        if expected["target"]:
            pair = f"ip.addr == {CLIENT} && ip.addr == {expected['target']}"
            assert tshark(folder / "case.pcap", ["frame.number"], pair)


def test_a_case_has_the_same_bytes_again(cases: Path, tmp_path: Path) -> None:
    assert main(["case", "exploit.fetch", "--out", str(tmp_path)]) == 0
    for path in sorted(p for p in tmp_path.rglob("*") if p.is_file()):
        assert path.read_bytes() == (cases / "exploit.fetch" / path.relative_to(tmp_path)).read_bytes()


def test_names_are_those_that_others_published(cases: Path, corpora: Path) -> None:
    every = (corpora / "dga" / "conficker_a_2020-01-01_first_45250.txt").read_text().split()
    published = every[14 * 250 : 15 * 250]  # 2020-01-15, before the one absent day
    rows = seen(cases, "names.day-list", "positive", ["dns.qry.name"], f"ip.src == {CLIENT} && dns.qry.type == 1")
    assert [name for (name,) in rows] == published[:12]
    rows = seen(cases, "names.day-list", "benign", ["dns.qry.name"], f"ip.src == {CLIENT} && dns.qry.type == 1")
    assert len(rows) == 31
    assert [name for (name,) in rows if name in every] == [published[7]]


def test_a_name_server_alone_asks_for_published_names(cases: Path, corpora: Path) -> None:
    every = (corpora / "dga" / "conficker_a_2020-01-01_first_45250.txt").read_text().split()
    rows = seen(
        cases, "names.unexplained", "positive", ["dns.qry.name", "ip.src"], "dns.flags.response == 0 && dns.qry.type == 1"
    )
    assert [name for name, _ in rows] == every[14 * 250 : 14 * 250 + 12]
    assert {source for _, source in rows} == {CONTROLLER}


def test_date_sites_fail_hour_after_hour(cases: Path) -> None:
    fields = ["dns.qry.name", "frame.time_relative"]
    rows = seen(cases, "names.date-sites", "positive", fields, "dns.flags.rcode == 2")
    assert len({name for name, _ in rows}) >= 3
    assert len({float(time) // 3600 for _, time in rows}) >= 5
    assert len({name for name, _ in seen(cases, "names.date-sites", "benign", fields, "dns.flags.rcode == 2")}) == 1


@pytest.mark.parametrize("rule", ["http.beacon", "http.download", "http.support"])
def test_requests_have_the_shape_of_real_ones(cases: Path, real_requests: list[list[str]], rule: str) -> None:
    shapes = {tuple(line.split(":")[0] for line in lines[1:] if line) for lines in real_requests}
    shapes.add(("User-Agent", "Host", "Cache-Control"))  # HTTP/1.1, among those that were not kept
    rows = seen(cases, rule, "positive", ["http.request.line"], f"http.request && ip.src == {CLIENT}")
    assert rows
    for (lines,) in rows:
        assert tuple(line.split(":")[0] for line in lines.replace("\\r\\n", "").split("|")) in shapes
    for (lines,) in seen(cases, rule, "benign", ["http.request.line"], "http.request"):
        assert "Accept-Language" in lines


def test_the_download_is_the_real_one(cases: Path, real_requests: list[list[str]]) -> None:
    real = {(lines[0].split()[1], lines[2].split(": ")[1]) for lines in real_requests if ".exe" in lines[0]}
    rows = seen(cases, "http.download", "positive", ["http.request.uri", "http.host"], "http.request")
    assert {tuple(row) for row in rows} <= real


def test_beacons_go_to_a_bare_address(cases: Path) -> None:
    rows = seen(cases, "http.beacon", "positive", ["http.request.uri", "http.host", "ip.dst"], "http.request")
    assert all(uri.startswith("/search?q=") and host == target for uri, host, target in rows)


def test_a_proxy_passes_a_beacon_on(cases: Path) -> None:
    asked = seen(cases, "http.relayed", "positive", ["http.request.uri", "ip.dst"], f"http.request && ip.src == {CLIENT}")
    assert all(uri.startswith("http://") and target == PROXY for uri, target in asked)
    passed = seen(cases, "http.relayed", "positive", ["http.request.line"], f"http.request && ip.src == {PROXY}")
    assert len(passed) == len(asked) == 3
    assert all("Via: " in lines and f"X-Forwarded-For: {CLIENT}" in lines for (lines,) in passed)


def test_a_sinkhole_s_address_is_one_that_was_seen(cases: Path, corpora: Path) -> None:
    rows = (corpora / "sinkhole" / "conficker_sinkhole_http_2011-05-30.jsonl").read_text().splitlines()
    known = {json.loads(row)["dst_ip"] for row in rows} | {"221.8.69.25", "38.102.150.29", "38.229.70.125", "136.161.101.53"}
    known |= {"157.122.62.194"}
    contacted = {
        a for (a,) in seen(cases, "sinkhole.contact", "positive", ["ip.dst"], "tcp.flags.syn == 1 && tcp.flags.ack == 0")
    }
    assert contacted <= known
    assert not known & {a for (a,) in seen(cases, "sinkhole.contact", "benign", ["ip.dst"], "tcp")}


def test_peers_ports_are_those_that_nmap_printed(cases: Path, shared: Path) -> None:
    """nmap's published outputs; and an own reckoning, which then serves for addresses that nobody printed."""
    published = {}
    for line in (shared / "facts/data/p2p-port-vectors.txt").read_text().splitlines():
        if line.endswith("OK"):
            columns = line.split("\t")
            published[columns[0]] = (int(columns[3].split()[0]), int(columns[4].split()[0]))
    assert set(PEERS) == set(published)
    blacklist = port_blacklist(shared / "facts/data/p2p-port-blacklist.txt")
    assert all(published_ports(address, blacklist) == ports for address, ports in published.items())
    tcp = seen(cases, "p2p.ports", "positive", ["ip.dst", "tcp.dstport"], f"tcp && ip.src == {CLIENT}")
    udp = seen(cases, "p2p.ports", "positive", ["ip.dst", "udp.dstport"], f"udp && ip.src == {CLIENT} && !dns")
    assert {(a, int(p)) for a, p in tcp} == {(a, ports[0]) for a, ports in published.items()}
    assert {(a, int(p)) for a, p in udp} == {(a, ports[1]) for a, ports in published.items()}


def test_peers_packets_have_right_sums(cases: Path) -> None:
    """By the program's decoder, which nmap's vectors prove, as they prove the encoder: two hands, one oracle."""
    for twin, right in (("positive", 5), ("benign", 0)):
        rows = seen(cases, "p2p.packet", twin, ["udp.payload"], f"udp && ip.src == {CLIENT} && !dns")
        assert sum(Packets().decode("udp", bytes.fromhex(payload)) is not None for (payload,) in rows) == right


def test_scans_are_mostly_unanswered(cases: Path) -> None:
    knocks = seen(cases, "scan.smb", "positive", ["ip.dst"], f"tcp.dstport == 445 && tcp.flags.syn == 1 && ip.src == {CLIENT}")
    assert len({target for (target,) in knocks}) >= 30
    assert not seen(cases, "scan.smb", "positive", ["frame.number"], "tcp.srcport == 445 && tcp.flags.syn == 1")
    assert seen(cases, "scan.smb", "benign", ["frame.number"], "tcp.srcport == 445 && tcp.flags.syn == 1")


def test_the_probe_s_greeting_is_the_worm_s(cases: Path) -> None:
    fields = ["smb.native_os", "smb.native_lanman", "smb.wct", "nbss.length", "smb.pid"]
    rows = seen(cases, "scan.probe", "positive", fields, f"smb.cmd == 0x73 && ip.src == {CLIENT}")
    assert {tuple(row) for row in rows} == {("MS", "CLIENT", "13", "73", "604")}
    rows = seen(cases, "scan.probe", "benign", ["smb.native_os"], f"smb.cmd == 0x73 && ip.src == {CLIENT}")
    assert "MS" not in {name for (name,) in rows}


@pytest.mark.parametrize("rule", ["exploit.path", "exploit.call", "exploit.fetch", "exploit.contact-fetch"])
def test_the_exploit_s_call_is_what_tshark_reads(cases: Path, rule: str) -> None:
    expected = json.loads((cases / rule / "expect.json").read_text())
    rows = seen(cases, rule, "positive", ["ip.src", "ip.dst", "srvsvc.srvsvc_NetPathCanonicalize.path"], EXPLOIT)
    assert [(source, target) for source, target, _ in rows] == [(CLIENT, expected["target"])]
    assert "\\..\\..\\" in rows[0][2]
    rows = seen(cases, rule, "benign", ["srvsvc.srvsvc_NetPathCanonicalize.path"], EXPLOIT)
    assert bool(rows) == (rule in ("exploit.path", "exploit.fetch"))
    assert not [path for (path,) in rows if "\\..\\..\\" in path]


def test_the_victim_fetches_what_says_that_it_is_inert(cases: Path) -> None:
    expected = json.loads((cases / "exploit.fetch" / "expect.json").read_text())
    wanted = f"http.request && ip.src == {expected['target']} && ip.dst == {CLIENT}"
    (request,) = seen(cases, "exploit.fetch", "positive", ["http.host", "tcp.dstport", "frame.time_relative"], wanted)
    assert request[0] == f"{CLIENT}:{request[1]}"
    (call,) = seen(cases, "exploit.fetch", "positive", ["frame.time_relative"], EXPLOIT)
    assert 0 < float(request[2]) - float(call[0]) < 10
    answer = seen(cases, "exploit.fetch", "positive", ["http.file_data"], f"http.response && ip.src == {CLIENT}")
    assert answer[0][0].startswith("MZThis is no program.")


def test_waves_are_refused_logons_from_one_host_to_many(cases: Path) -> None:
    refused = "smb.nt_status == 0xc000006d || smb2.nt_status == 0xc000006d"
    count = Counter(host for (host,) in seen(cases, "logon.burst", "positive", ["ip.src"], refused))
    assert len(count) >= 5
    assert min(count.values()) >= 9
    assert max(Counter(h for (h,) in seen(cases, "logon.burst", "benign", ["ip.src"], refused)).values()) >= 10


def test_the_copy_and_the_job_are_what_tshark_reads(cases: Path) -> None:
    fields = ["smb.file", "smb2.filename", "atsvc.atsvc_JobInfo.command"]
    wanted = f"ip.src == {CLIENT} && (smb.cmd == 0xa2 || smb2.cmd == 5 || atsvc.opnum == 0)"
    rows = seen(cases, "lateral.admin-share", "positive", fields, wanted)
    texts = [text for row in rows for text in row if text]
    copied = next(text for text in texts if "system32" in text)
    name = copied.rpartition("\\")[2]
    assert any(text.startswith(f"rundll32.exe {name},") for text in texts)
    benign = [text for row in seen(cases, "lateral.admin-share", "benign", fields, wanted) for text in row if text]
    assert any("agentsetup.exe" in text for text in benign)
    assert not any("rundll32" in text or "system32\\" in text.lower() for text in benign)


def test_what_is_written_to_a_share(cases: Path) -> None:
    wanted = f"ip.src == {CLIENT} && (smb.cmd == 0xa2 || smb2.cmd == 5)"
    names = {n for row in seen(cases, "share.autorun", "positive", ["smb.file", "smb2.filename"], wanted) for n in row if n}
    assert any(name.lower().endswith("autorun.inf") for name in names)
    assert any("RECYCLER\\S-" in name for name in names)
    names = {n for row in seen(cases, "share.autorun", "benign", ["smb.file", "smb2.filename"], wanted) for n in row if n}
    assert any(name.lower().endswith("autorun.inf") for name in names)
    assert not any("RECYCLER" in name for name in names)


def test_bot_mail_goes_to_many_exchangers(cases: Path) -> None:
    greetings = f"smtp.req.command == EHLO && ip.src == {CLIENT}"
    assert len({t for (t,) in seen(cases, "bots.mail", "positive", ["ip.dst"], greetings)}) == 30
    assert len({t for (t,) in seen(cases, "bots.mail", "benign", ["ip.dst"], greetings)}) == 1
