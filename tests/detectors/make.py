"""Writes the inputs of all cases: `python -m tests.detectors.make`. Deterministic; a test compares.

Each maker gives what must be found (`positive`) and what looks like it and is not (`benign`), as table rows.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from tests.detectors import toy

Rows = dict[str, list[dict[str, Any]]]
HERE = Path(__file__).parent
NOON = toy.DAY * 86_400 + 43_200
BAD, GOOD, THIRD, RESOLVER, PROXY = "10.0.0.5", "10.0.0.6", "10.0.0.7", "10.0.0.2", "10.0.0.3"
OUTSIDE = "203.0.113.9"


def lookup(time: int, client: str, name: str, **more: Any) -> dict[str, Any]:
    return {"time": time, "client": client, "server": RESOLVER, "name": name, "rcode": "NXDOMAIN", **more}


def names_day_list() -> tuple[Rows, Rows]:
    """Half of X's list of the day asked through a forwarder, and six names of Y's, two days old; one name each of many days,
    a known resolver, a list of a month ago.
    """
    x, y = toy.NAMES["X"], toy.NAMES["Y"]
    bad = [lookup(NOON + 20 * i, BAD, name, server=PROXY) for i, name in enumerate(x.names(toy.DAY)[:20])]
    forwarder = [{**row, "time": row["time"] + 1, "client": PROXY, "server": OUTSIDE} for row in bad]
    plain = [lookup(NOON + 7 * i, BAD, f"www{i}.wormfree.example", rcode="NOERROR") for i in range(5)]
    late = [lookup(NOON + 30 * i, THIRD, name) for i, name in enumerate(y.names(toy.DAY - 2)[10:16])]
    # One name each of many days: what a host with odd habits hits by accident.
    odd = [lookup(NOON + i, GOOD, x.names(toy.DAY - 7 + i)[3]) for i in range(14)]
    # A known resolver asks for names whoever asked it for them; a list of a month ago is no list of today.
    passed = [lookup(NOON + 20 * i, RESOLVER, name, server=OUTSIDE) for i, name in enumerate(x.names(toy.DAY)[:20])]
    old = [lookup(NOON + i, THIRD, name) for i, name in enumerate(x.names(toy.DAY - 30)[:9])]
    return {"dns_queries": bad + forwarder + plain + late}, {"dns_queries": odd + passed + old}


def names_relayed() -> tuple[Rows, Rows]:
    """Half of X's list asked of the resolver and passed on; names of many days passed on, and no list by it."""
    x = toy.NAMES["X"]
    asked = [lookup(NOON + 20 * i, BAD, name) for i, name in enumerate(x.names(toy.DAY)[:20])]
    passed = [{**row, "client": RESOLVER, "server": OUTSIDE} for row in asked]
    odd = [lookup(NOON + i, GOOD, x.names(toy.DAY - 7 + i)[3]) for i in range(14)]
    odd_passed = [{**row, "client": RESOLVER, "server": OUTSIDE} for row in odd]
    return {"dns_queries": asked + passed}, {"dns_queries": odd + odd_passed}


def names_unexplained() -> tuple[Rows, Rows]:
    """Half of X's list asked by the resolver alone; the same, passed on for hosts of which one source names no server."""
    x = toy.NAMES["X"]
    alone = [lookup(NOON + 20 * i, RESOLVER, name, server=OUTSIDE) for i, name in enumerate(x.names(toy.DAY)[:20])]
    client = [lookup(NOON + 7 * i, GOOD, f"www{i}.wormfree.example", rcode="NOERROR") for i in range(5)]
    asked = [lookup(NOON + 20 * i, BAD, name, server=None, rcode=None, file=1) for i, name in enumerate(x.names(toy.DAY)[:20])]
    return {"dns_queries": alone + client}, {"dns_queries": asked + alone}


def names_date_sites() -> tuple[Rows, Rows]:
    """Five hours, one site at a time, no answer, and one that is met with silence; one that got one, one that asks for all."""
    sites = toy.PACK.closed_network.date_sites
    asked = [("www." if hour % 2 else "") + sites[hour % 4] for hour in range(5)]
    bad = [lookup(NOON + 3600 * h + 300, BAD, s, rcode="SERVFAIL" if h else None) for h, s in enumerate(asked)]
    answered = [*({**row, "client": GOOD} for row in bad), lookup(NOON + 9, GOOD, sites[0], rcode="NOERROR")]
    at_once = [lookup(NOON + 3600 * hour + i, THIRD, site) for hour in range(5) for i, site in enumerate(sites)]
    # A query log shows no answers at all: that says nothing.
    silent = [lookup(NOON + 3600 * hour, PROXY, sites[hour % 4], rcode=None, file=1) for hour in range(5)]
    unheard = [{**row, "client": "10.0.0.8", "rcode": None} for row in bad]
    return {"dns_queries": bad + unheard}, {"dns_queries": answered + at_once + silent}


def request(time: int, client: str, uri: str, host: str, names: str | None = "User-Agent,Host", **more: Any) -> dict[str, Any]:
    return {
        "time": time, "client": client, "server": host if host[0].isdigit() else OUTSIDE, "server_port": 80, "uri": uri,
        "host": host, "header_names": names, **more,
    }  # fmt: skip


def http_beacon() -> tuple[Rows, Rows]:
    """Three calls with the worm's headers; a browser's with more of them, the same for a named host and for one of the site."""
    bad = [request(NOON + i, BAD, f"/hello?n={i}", f"198.51.100.{i}") for i in range(1, 4)]
    browser = request(NOON, GOOD, "/hello?n=4", "198.51.100.4", "Host,User-Agent,Accept,Accept-Language")
    named = request(NOON, GOOD, "/hello?n=4", "hello.example")
    return {"http_requests": bad}, {"http_requests": [browser, named, request(NOON, THIRD, "/hello?n=4", "10.0.0.30")]}


def http_beacon_loose() -> tuple[Rows, Rows]:
    """The form in a source without header names; a request that only resembles it."""
    bad = [request(NOON + i, BAD, f"/hello?n={i}", f"198.51.100.{i}", None) for i in range(1, 4)]
    return {"http_requests": bad}, {"http_requests": [request(NOON, GOOD, "/hello?name=4", "198.51.100.4", None)]}


def http_download() -> tuple[Rows, Rows]:
    """The file at its host, once in a source without header names; another file there, the file elsewhere."""
    bad = [request(NOON, BAD, "/toy/box.exe", "toys.example"), request(NOON, THIRD, "/toy/box.exe", "toys.example", None)]
    other = [request(NOON, GOOD, "/toy/list.txt", "toys.example"), request(NOON, GOOD, "/toy/box.exe", "games.example")]
    return {"http_requests": bad}, {"http_requests": other}


def http_support() -> tuple[Rows, Rows]:
    """The date in the worm's header shape; a browser on the same site, and a source that shows no headers."""
    bad = [request(NOON, BAD, "/", "clock.example")]
    other = [request(NOON, GOOD, "/", "clock.example", "Host,User-Agent,Accept"), request(NOON, GOOD, "/", "clock.example", None)]
    return {"http_requests": bad}, {"http_requests": other}


def http_relayed() -> tuple[Rows, Rows]:
    """A proxy passes on what a client asked it for, another says so in a header; a proxy that passes on news."""
    inner = request(NOON, BAD, "/hello?n=1", "198.51.100.1", server=PROXY, proxied=True)
    outer = request(NOON, PROXY, "/hello?n=1", "198.51.100.1")
    told = request(NOON, "10.0.0.9", "/hello?n=2", "198.51.100.2", "User-Agent,Host,Via")
    news = request(NOON, GOOD, "/today", "news.example", server=PROXY, proxied=True)
    return {"http_requests": [inner, outer, told]}, {"http_requests": [news, request(NOON, PROXY, "/today", "news.example")]}


def flow(time: int, client: str, server: str, port: int, **more: Any) -> dict[str, Any]:
    return {"time": time, "client": client, "server": server, "server_port": port, "state": "established", **more}


def sinkhole_contact() -> tuple[Rows, Rows]:
    """A blocked connection, a request, both, and a call home; a resolver's question, a proxy, a neighbour address."""
    caught = sorted(toy.PACK.sinkholes)[0]
    bad = {
        "flows": [flow(NOON, BAD, caught, 80, state="attempt"), flow(NOON + 60, THIRD, caught, 80)],
        "http_requests": [
            request(NOON + 61, THIRD, "/", caught),
            request(NOON + 5, "10.0.0.8", "/", caught),
            request(NOON + 9, "10.0.0.9", "/hello?n=1", caught, None),
        ],
    }
    asked = flow(NOON, RESOLVER, caught, 53, protocol="udp")
    other = {
        "flows": [flow(NOON, GOOD, "198.51.100.67", 80), asked, flow(NOON, PROXY, caught, 80)],
        "http_requests": [request(NOON, GOOD, "/", "news.example", server=PROXY, proxied=True)],
    }
    return bad, other


def reported_sinkhole() -> tuple[Rows, Rows]:
    """An address named in any of three fields, in any case, twice by one report and once by another; another worm, a
    longer name, and one that is not named at all.
    """
    base = {"reporter": "herald", "feed": "sinkhole", "observer": "198.51.100.66"}
    bad = [
        {"time": NOON, "address": OUTSIDE, "infection": "TOYBOX", **base},
        {"time": NOON + 60, "address": OUTSIDE, "family": "toy.x", **base},
        {"time": NOON + 90, "address": OUTSIDE, "tag": "toybox", **base, "reporter": "crier"},
        {"time": NOON + 99, "address": "203.0.113.10", "infection": "unknown", "tag": "toy.x", **base},
    ]
    other = [
        {"time": NOON, "address": OUTSIDE, "infection": "moth", "family": "lantern", **base},
        {"time": NOON, "address": OUTSIDE, "infection": "toyboxes", "tag": "toy-x", **base},
        {"time": NOON, "address": OUTSIDE, **base},
    ]
    return {"sightings": bad}, {"sightings": other}


def _peers(count: int) -> Iterator[tuple[str, int]]:
    for i in range(count):
        address = IPv4Address(0xCB007100 + 11 * i)
        yield str(address), int(address)


def p2p_ports() -> tuple[Rows, Rows]:
    """Four ports of addresses, three of addresses and next week (a clock a week fast); a busy file sharer."""
    week = NOON // 604_800
    bad = [
        flow(NOON + i, BAD, a, toy.PORTS.port(n, week, 1), protocol="udp", state="attempt") for i, (a, n) in enumerate(_peers(4))
    ]
    bad += [flow(NOON + 90 + i, BAD, a, toy.PORTS.port(n, week + 1, 2)) for i, (a, n) in enumerate(_peers(3))]
    bad += [flow(NOON + 200 + i, BAD, "192.0.2.1", 21_000 + i) for i in range(5)]
    sharer = [flow(NOON + i, GOOD, f"192.0.2.{i % 200}", 20_000 + 97 * i % 40_000) for i in range(400)]
    sharer += [flow(NOON + i, GOOD, a, toy.PORTS.port(n, week, 0)) for i, (a, n) in enumerate(_peers(2))]
    return {"flows": bad}, {"flows": sharer}


def p2p_packet() -> tuple[Rows, Rows]:
    """Two packets whose sums are right; one that is not, and one over TCP."""
    good = [toy.PACKETS.make(text).hex() for text in ("hello", "there")]
    base = {"time": NOON, "client": BAD, "client_port": 22_000, "server": OUTSIDE, "server_port": 23_000, "protocol": "udp"}
    broken = toy.PACKETS.make("hello")[:-1].hex() + "00"
    other = [{**base, "client": GOOD, "payload": broken}, {**base, "client": GOOD, "payload": good[0], "protocol": "tcp"}]
    return {"payloads": [{**base, "payload": p} for p in good]}, {"payloads": other}


def scan_smb() -> tuple[Rows, Rows]:
    """Thirty hosts in half a minute, most silent; a monitor that is answered, slow tries, one host many times, web servers."""
    bad = [flow(NOON + i, BAD, f"10.0.1.{i}", 445, state="established" if i % 5 == 0 else "attempt") for i in range(30)]
    bad += [flow(NOON + 4000, BAD, "10.0.1.200", 445, state="refused")]
    monitor = [flow(NOON + i, GOOD, f"10.0.1.{i}", 445) for i in range(30)]
    slow = [flow(NOON + 100 * i, THIRD, f"10.0.1.{i}", 445, state="attempt") for i in range(30)]
    again = [flow(NOON + i, "10.0.0.8", "10.0.1.9", 139, state="refused") for i in range(30)]
    web = [flow(NOON + i, "10.0.0.9", f"10.0.1.{i}", 80, state="attempt") for i in range(30)]
    return {"flows": bad}, {"flows": monitor + slow + again + web}


def logon(time: int, client: str, server: str, user: str, **more: Any) -> dict[str, Any]:
    return {"time": time, "client": client, "server": server, "user": user, "outcome": "failure", **more}


def scan_probe() -> tuple[Rows, Rows]:
    """The probe's own names; an ordinary client's."""
    own = {"native_os": "TOY-OS", "native_lanman": "TOY-LM"}
    bad = [logon(NOON + i, BAD, f"10.0.1.{i}", "", outcome="success", **own) for i in range(3)]
    other = logon(NOON, GOOD, "10.0.1.1", "", outcome="success", native_os="Unix", native_lanman="Samba")
    return {"smb_logons": bad}, {"smb_logons": [other]}


def _path_stub(path: str) -> str:
    """NetprPathCanonicalize (srvsvc 31) of `path`, little-endian NDR, as hexadecimal text."""

    def wide(text: str) -> bytes:
        units = len(text) + 1
        raw = struct.pack("<III", units, 0, units) + (text + "\0").encode("utf-16-le")
        return raw + b"\0" * (-len(raw) % 4)

    return (struct.pack("<I", 0) + wide(path) + struct.pack("<I", 2) + wide("\\") + struct.pack("<II", 1, 1)).hex()


def call(time: float, client: str, server: str, stub: str | None, **more: Any) -> dict[str, Any]:
    shown = {} if stub is None else {"stub": stub, "byte_order": "little", "ndr64": False}
    return {
        "time": time, "client": client, "server": server, "server_port": 445, "pipe": "browser", "interface": toy.HOLE,
        "opnum": 31, "outcome": "answered", **shown, **more,
    }  # fmt: skip


MARK = bytes(b ^ 0x55 for b in b"toy://10.0.0.5/bear")
WRITES = _path_stub("\\aaaa\\..\\..\\bbb")
ASKS = _path_stub("\\..\\")
PLAIN = _path_stub("\\windows\\system32")


def exploit_path() -> tuple[Rows, Rows]:
    """Two attempts a minute apart, each seen twice, one with the worm's mark; a scanner's question, an ordinary path."""
    times = (NOON + 0.2, NOON + 0.9, NOON + 60, NOON + 61)
    bad = [call(t, BAD, "10.0.1.1", WRITES) for t in times]
    marked = _path_stub("\\aaaa" + (MARK + b"a" * (len(MARK) % 2)).decode("utf-16-le") + "\\..\\..\\bbb")
    bad.append(call(NOON + 90, THIRD, "10.0.1.1", marked))
    return {"rpc_calls": bad}, {"rpc_calls": [call(NOON, GOOD, "10.0.1.1", ASKS), call(NOON, GOOD, "10.0.1.1", PLAIN)]}


def exploit_call() -> tuple[Rows, Rows]:
    """Calls without arguments; another operation, and a call whose argument a second source shows."""
    bad = [call(NOON + i, BAD, "10.0.1.1", None) for i in range(2)]
    shown = [call(NOON, GOOD, "10.0.1.1", None), call(NOON + 1, GOOD, "10.0.1.1", PLAIN, file=1)]
    return {"rpc_calls": bad}, {"rpc_calls": [*shown, call(NOON, GOOD, "10.0.1.2", None, opnum=15)]}


def exploit_fetch() -> tuple[Rows, Rows]:
    """The victim fetches an executable, another something unseen; a late fetch, one by name, one after a harmless call."""
    bad = {
        "rpc_calls": [call(NOON, BAD, "10.0.1.1", WRITES), call(NOON + 100, BAD, "10.0.1.2", None)],
        "http_requests": [
            request(NOON + 3, "10.0.1.1", "/abcd", BAD, executable=True, server_port=4711),
            request(NOON + 102, "10.0.1.2", "/efgh", BAD),
        ],
    }
    other = {
        "rpc_calls": [
            call(NOON, BAD, "10.0.1.3", WRITES), call(NOON, BAD, "10.0.1.4", WRITES), call(NOON, GOOD, "10.0.1.5", PLAIN),
            call(NOON + 1, GOOD, "10.0.1.5", None, file=1),
        ],
        "http_requests": [
            request(NOON + 600, "10.0.1.3", "/late", BAD),
            request(NOON + 3, "10.0.1.4", "/named", "intranet.example", server=BAD),
            request(NOON + 3, "10.0.1.5", "/", GOOD),
        ],
    }  # fmt: skip
    return bad, other


def exploit_contact() -> tuple[Rows, Rows]:
    """Logs without calls show a contact and then an executable fetched; a text fetched, one fetched by name, one much later."""
    contacts = [flow(NOON, BAD, f"10.0.1.{i}", 445) for i in range(1, 5)]
    fetched = request(NOON + 9, "10.0.1.1", "/abcd", BAD, executable=True)
    other = [
        request(NOON + 9, "10.0.1.2", "/readme", BAD, executable=False),
        request(NOON + 9, "10.0.1.3", "/setup", "tools.example", server=BAD, executable=True),
        request(NOON + 900, "10.0.1.4", "/abcd", BAD, executable=True),
        request(NOON + 9, "10.0.1.5", "/abcd", BAD, executable=True),
    ]
    return {"flows": contacts[:1], "http_requests": [fetched]}, {"flows": contacts[1:], "http_requests": other}


def logon_burst() -> tuple[Rows, Rows]:
    """Three waves, 40 minutes apart, over four hosts; many accounts on one host only, an old
    password on several, slowly, and one that is tried fast.
    """
    bad = [
        logon(NOON + 2400 * wave + 60 * host + i, BAD, f"10.0.1.{host}", f"user{i % 4}")
        for wave in range(3)
        for host in range(4)
        for i in range(12)
    ]
    one = [logon(NOON + i, GOOD, "10.0.1.1", f"user{i}") for i in range(40)]
    stale = [logon(NOON + 300 * i + h, THIRD, f"10.0.1.{h}", "printer") for h in range(4) for i in range(20)]
    service = [logon(NOON + i, PROXY, f"10.0.1.{h}", "backup") for h in range(4) for i in range(20)]
    return {"smb_logons": bad}, {"smb_logons": one + stale + service}


def logon_unshown() -> tuple[Rows, Rows]:
    """Guesses in a log that does not show how they ended; the same to one host only, and without accounts."""
    guess = [(60 * host + i, f"10.0.1.{host}", f"user{i % 4}") for host in range(4) for i in range(12)]
    bad = [logon(NOON + at, BAD, server, user, outcome="unknown") for at, server, user in guess]
    one = [logon(NOON + at, GOOD, "10.0.1.1", user, outcome="unknown") for at, _, user in guess]
    nobody = [logon(NOON + at, THIRD, server, "", outcome="unknown") for at, server, _ in guess]
    return {"smb_logons": bad}, {"smb_logons": one + nobody}


def _job(command: str) -> str:
    """NetrJobAdd (atsvc 0) of `command`, little-endian NDR, as hexadecimal text."""
    units = len(command) + 1
    raw = struct.pack("<IIIBBHI", 0, 0, 0, 0, 0, 0, 1) + struct.pack("<III", units, 0, units)
    return (raw + (command + "\0").encode("utf-16-le")).hex()


def job(time: int, server: str, command: str | None, **more: Any) -> dict[str, Any]:
    stub = None if command is None else _job(command)
    return call(time, more.pop("client", BAD), server, stub, opnum=0, interface=toy.JOBS, **{"pipe": "atsvc", **more})


def put(time: int, client: str, server: str, place: str, **more: Any) -> dict[str, Any]:
    share, _, path = place.partition("\\")
    return {"time": time, "client": client, "server": server, "share": share, "path": path, "action": "write", **more}


def lateral_admin_share() -> tuple[Rows, Rows]:
    """File and job, the command shown or not; an administrator's tool, a job that runs something else, a file alone."""
    bad = {
        "smb_files": [
            put(NOON, BAD, "10.0.1.1", "ADMIN$\\Toys\\abcd.xy", executable=True, bytes=9000),
            put(NOON + 50, BAD, "10.0.1.2", "ADMIN$\\Toys\\efgh.z", action="open"),
        ],
        "rpc_calls": [job(NOON + 5, "10.0.1.1", "run abcd.xy,go"), job(NOON + 55, "10.0.1.2", None)],
    }
    other = {
        "smb_files": [
            put(NOON, GOOD, "10.0.1.1", "ADMIN$\\tools\\setup.exe", executable=True),
            put(NOON, GOOD, "10.0.1.2", "ADMIN$\\Toys\\note.txt", executable=False),
            *(put(NOON, GOOD, f"10.0.1.{host}", "ADMIN$\\Toys\\abcd.xy") for host in (3, 4, 5)),
        ],
        "rpc_calls": [
            job(NOON + 5, "10.0.1.1", "run setup.exe", client=GOOD),
            job(NOON + 5, "10.0.1.2", "run note.txt", client=GOOD),
            job(NOON + 5, "10.0.1.3", "run other.ab", client=GOOD),
            job(NOON + 5, "10.0.1.3", None, client=GOOD, file=1),
            job(NOON + 900, "10.0.1.5", None, client=GOOD),
        ],
    }
    return bad, other


def share_autorun() -> tuple[Rows, Rows]:
    """Both files within minutes; one alone, both a day apart, and a reader who merely opens them."""
    pair = ("start.me", "bin\\z-12\\abc.zip")
    bad = [put(NOON + 3590 * i, BAD, "10.0.1.1", f"PUBLIC\\{path}") for i, path in enumerate(pair)]
    alone = [put(NOON, GOOD, "10.0.1.1", f"PUBLIC\\{pair[0]}")]
    apart = [put(NOON + 86_400 * i, THIRD, "10.0.1.1", f"PUBLIC\\{path}") for i, path in enumerate(pair)]
    reader = [put(NOON + i, "10.0.0.8", "10.0.1.1", f"PUBLIC\\{path}", action="open") for i, path in enumerate(pair)]
    elsewhere = [put(NOON + i, "10.0.0.9", "10.0.1.1", f"S{i}\\{path}") for i, path in enumerate(pair)]
    return {"smb_files": bad}, {"smb_files": alone + apart + reader + elsewhere}


def bots_mail() -> tuple[Rows, Rows]:
    """Forty exchangers in forty minutes; a client with its relay, and a server with a few."""
    bad = [flow(NOON + 60 * i, BAD, f"203.0.113.{i}", 25, state="attempt") for i in range(40)]
    relay = [flow(NOON + 60 * i, GOOD, "10.0.0.4", 25) for i in range(40)]
    few = [flow(NOON + 600 * i, "10.0.0.4", f"203.0.113.{i}", 25) for i in range(40)]
    return {"flows": bad}, {"flows": relay + few}


def alert_rule() -> tuple[Rows, Rows]:
    """A rule that the pack names, seen by two sensors, and one whose text names the worm; the same number of a sensor's own
    decoder, another rule, a text that only nearly names it.
    """
    base = {"client": BAD, "server": "10.0.1.1", "sensor": "Suricata", "generator": 1, "rule": 7_000_001, "signature": "ANY Hole"}
    bad = [
        {"time": NOON, **base},
        {"time": NOON + 5, **base},
        {"time": NOON, **base, "file": 1, "revision": 2},
        {"time": NOON + 9, **base, "rule": 9, "signature": "SOME ToyBox reporting", "server": "198.51.100.7"},
    ]
    other = [
        {"time": NOON, **base, "generator": 128},
        {"time": NOON, **base, "rule": 7_000_002},
        {"time": NOON, **base, "rule": 8, "signature": "SOME Toy Box"},
    ]
    return {"alerts": bad}, {"alerts": other}


MAKERS: dict[str, Callable[[], tuple[Rows, Rows]]] = {
    "names.day-list": names_day_list,
    "names.relayed": names_relayed,
    "names.unexplained": names_unexplained,
    "names.date-sites": names_date_sites,
    "http.beacon": http_beacon,
    "http.beacon-loose": http_beacon_loose,
    "http.download": http_download,
    "http.support": http_support,
    "http.relayed": http_relayed,
    "sinkhole.contact": sinkhole_contact,
    "reported.sinkhole": reported_sinkhole,
    "p2p.ports": p2p_ports,
    "p2p.packet": p2p_packet,
    "scan.smb": scan_smb,
    "scan.probe": scan_probe,
    "exploit.path": exploit_path,
    "exploit.call": exploit_call,
    "exploit.fetch": exploit_fetch,
    "exploit.contact-fetch": exploit_contact,
    "logon.burst": logon_burst,
    "logon.unshown": logon_unshown,
    "lateral.admin-share": lateral_admin_share,
    "share.autorun": share_autorun,
    "bots.mail": bots_mail,
    "alert.rule": alert_rule,
}


def text(rule: str) -> str:
    """The input file of one case: one row a line."""
    lines = []
    for label, rows in zip(("positive", "benign"), MAKERS[rule](), strict=True):
        tables = []
        for name, group in sorted(rows.items()):
            body = ",\n".join("   " + json.dumps(row) for row in group)
            tables.append(f'  "{name}": [\n{body}\n  ]')
        lines.append(f' "{label}": {{\n' + ",\n".join(tables) + "\n }")
    return "{\n" + ",\n".join(lines) + "\n}\n"


if __name__ == "__main__":
    for each in MAKERS:
        (HERE / each).mkdir(exist_ok=True)
        (HERE / each / "input.json").write_text(text(each))
