"""A proxy is not blamed for what it asks for others: its own log shows who, or the site says that it is one."""

from __future__ import annotations

import json
from ipaddress import ip_network
from pathlib import Path

import pytest

from wormward.model.site import Site
from wormward.model.states import Assessment
from wormward.packs import builtin_packs
from wormward.pipeline import assess

PROXY, ILL, OTHER = "10.0.0.3", "10.0.0.5", "10.0.0.6"
URI, HOST = "/4vir/antispyware/loadadv.exe", "trafficconverter.biz"
SINKHOLE = "149.20.56.34"


def squid(folder: Path, *clients: str) -> Path:
    """Squid's log of clients that download and call home."""
    path = folder / "access.log"
    lines = []
    for i, client in enumerate(clients):
        for n, url in enumerate((f"http://{HOST}{URI}", f"http://{SINKHOLE}/search?q=1&aq=7")):
            time = 1772438400 + 60 * i + 10 * n
            lines.append(f"{time}.100     90 {client} TCP_MISS/200 4096 GET {url} - HIER_DIRECT/198.51.100.9 text/html\n")
    path.write_text("".join(lines))
    return path


def outside(folder: Path, client: str) -> Path:
    """What Suricata sees between the proxy and the Internet, without header names."""
    path = folder / "eve.json"
    with path.open("w") as out:
        for n, (host, uri) in enumerate(((HOST, URI), (SINKHOLE, "/search?q=1&aq=7"))):
            event = {
                "timestamp": f"2026-03-02T08:00:{10 * n:02}.200000+0000", "event_type": "http", "src_ip": client,
                "src_port": 40000 + n, "dest_ip": "198.51.100.9" if n == 0 else SINKHOLE, "dest_port": 80, "proto": "TCP",
                "http": {"hostname": host, "url": uri, "http_method": "GET", "status": 200, "length": 4096},
            }  # fmt: skip
            out.write(json.dumps(event) + "\n")
    return path


def verdicts(said: Assessment) -> dict[str, str]:
    return {host.address: host.verdict.value for host in said.hosts}


@pytest.mark.parametrize("clients", [(ILL,), (ILL, OTHER)])
def test_the_proxys_own_log_shows_for_whom_it_asked(tmp_path: Path, clients: tuple[str, ...]) -> None:
    said = assess([squid(tmp_path, *clients), outside(tmp_path, PROXY)], packs=builtin_packs())
    found = verdicts(said)
    assert found[PROXY] == "unknown"
    assert all(found[client] == "infected" for client in clients)
    assert "http.relayed" in {f.rule for f in said.findings if f.actor == PROXY}


def test_a_host_that_asks_past_the_proxy_is_blamed_all_the_same(tmp_path: Path) -> None:
    """It is a client of the proxy's itself, so it is none."""
    said = assess([squid(tmp_path, ILL, OTHER), outside(tmp_path, OTHER)], packs=builtin_packs())
    assert verdicts(said)[OTHER] == "infected"


def test_the_site_may_say_who_is_a_proxy(tmp_path: Path) -> None:
    outer = outside(tmp_path, PROXY)
    assert verdicts(assess([outer], packs=builtin_packs()))[PROXY] == "infected"
    site = Site(ranges=(ip_network("10.0.0.0/8"),), proxies=frozenset({PROXY}))
    assert verdicts(assess([outer], packs=builtin_packs(), site=site))[PROXY] == "unknown"


def test_what_a_firewall_let_through_was_not_in_vain(tmp_path: Path) -> None:
    """A hundred and twenty lines of a backup server: accepted they say nothing of a scan, dropped they do."""
    found = {}
    for word in ("ACCEPT", "DROP"):
        path = tmp_path / f"{word}.log"
        path.write_text(
            "".join(
                f"2026-03-02T08:{i // 60:02}:{i % 60:02}+00:00 fw kernel: [1.0] {word} IN=eth0 OUT=eth1 "
                f"SRC=10.0.0.30 DST=10.0.{i // 100}.{i % 100 + 100} "
                f"LEN=60 TOS=0x00 PREC=0x00 TTL=63 ID=1 DF PROTO=TCP SPT={2000 + i} DPT=445 WINDOW=64240 RES=0x00 SYN URGP=0\n"
                for i in range(120)
            )
        )
        found[word] = {f.rule for f in assess([path], packs=builtin_packs()).findings}
    assert found == {"ACCEPT": set(), "DROP": {"scan.smb"}}
