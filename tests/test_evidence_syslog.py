"""Syslog: headers of every form, each kind of message, joins over lines, years, hostile lines, and the same verdict as BIND's."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lab.__main__ import main
from tests.evidence_help import problems, read_bytes
from wormward.evidence import lines, syslog
from wormward.evidence.lines import OTHERS, YEAR_GIVEN, Clock
from wormward.evidence.messages import cards, cisco_asa, dnsmasq
from wormward.evidence.messages.packets import Packet, flow_of
from wormward.evidence.registry import READERS
from wormward.evidence.rows import Zone
from wormward.evidence.syslog_lines import Header
from wormward.model.site import Site
from wormward.packs import builtin_packs
from wormward.pipeline import assess

YEAR = Site(year=2026)
AT = datetime(2026, 11, 23, 8, 49, 33, tzinfo=UTC)


@pytest.mark.parametrize(
    "head",
    [
        "Nov 23 08:49:33 gw dnsmasq[12]: ",
        "Nov 23 08:49:33 dnsmasq[12]: ",
        "<30>Nov 23 08:49:33 gw dnsmasq: ",
        "<30>Nov 23 2026 08:49:33 gw dnsmasq[12]: ",
        "2026-11-23T08:49:33Z gw dnsmasq[12]: ",
        "2026-11-23T17:49:33+0900 gw dnsmasq[12]: ",
        "2026-11-23T17:49:33.000000+09:00 gw dnsmasq[12]: ",
        "<30>1 2026-11-23T08:49:33Z gw dnsmasq 12 - - ",
        '<30>1 2026-11-23T08:49:33Z gw dnsmasq 12 id [a b="\\]"][c d="e"] \ufeff',
        "Mon Nov 23 08:49:33 2026 daemon.info dnsmasq[12]: ",
        "[Mon Nov 23 08:49:33 2026] dnsmasq[12]: ",
        "1795423773 gw dnsmasq[12]: ",
        "1795423773.0001 gw dnsmasq[12]: ",
        "<30>77: *Nov 23 2026 08:49:33.000 UTC: dnsmasq[12]: ",
        "Nov 23 08:49:33 gw daemon.info dnsmasq[12]: ",
    ],
)
def test_headers(tmp_path: Path, head: str) -> None:
    read = read_bytes(tmp_path, f"{head}query[AAAA] A.example from 10.0.0.1\n".encode(), site=YEAR)
    assert problems(read.reads) == []
    assert read.column("dns_queries", "time")[0].replace(microsecond=0) == AT
    assert read.column("dns_queries", "name") == ["a.example"]
    assert read.coverage.kind == "syslog"


def test_a_header_gives_its_parts() -> None:
    header = Header(Clock(year=2026))
    header.take("<30>Nov 23 08:49:33 gw.example cron[1:2]: (root) CMD")
    assert (header.host, header.program, header.text) == ("gw.example ", "cron", "(root) CMD")
    assert header.rest == "gw.example cron[1:2]: (root) CMD"
    header.take("no header")
    assert (header.host, header.program, header.text) == ("", "", "no header")
    with pytest.raises(ValueError, match="stamp"):
        header.time()


def test_stamps_without_zone_are_the_sites(tmp_path: Path) -> None:
    line = b"Nov 23 17:49:33 dnsmasq[1]: query[A] a.example from 10.0.0.1\n"
    read = read_bytes(tmp_path, line, site=Site(year=2026, time_zone="Asia/Tokyo"))
    assert read.column("dns_queries", "time") == [AT]
    assert read.coverage.notes == (YEAR_GIVEN,)


def test_stamps_without_year_need_one(tmp_path: Path) -> None:
    told = b"2026-11-23T08:49:33Z gw dnsmasq[1]: query[A] told.example from 10.0.0.1\n"
    lines_ = b"Nov 23 08:49:33 dnsmasq[1]: query[A] a.example from 10.0.0.1\n" * 2 + told
    read = read_bytes(tmp_path, lines_)
    assert problems(read.reads) == ["evidence.log, line 1: its stamps carry no year"]
    assert read.column("dns_queries", "name") == ["told.example"]
    assert len(read.coverage.sha256) == 64


def test_new_year() -> None:
    clock = Clock(Zone(), 2025)
    stamps = ["Nov 30 10:00:00", "Dec 31 23:59:59", "Jan  1 00:00:00", "Dec 31 23:59:58", "Jan  1 00:00:01", "Jul  1 00:00:00"]
    years = [
        datetime.fromtimestamp(clock.stamp(text) / 1e6, UTC).year for text in [*stamps, "Nov  1 00:00:00", "Feb  1 00:00:00"]
    ]
    assert years == [2025, 2025, 2026, 2025, 2026, 2026, 2026, 2027]


def test_other_files_are_not_recognised() -> None:
    other = "Nov 23 08:49:33 gw {}\n"
    texts = [
        "sshd[1]: Accepted publickey for root from 10.0.0.1 port 22", "kernel: [ 1.0] eth0: link up IN=1",
        "dnsmasq[1]: started, version 2.90 cachesize 150", "named[1]: client @0x1 10.0.0.1#5 (a.b): query: a.b IN A + (10.0.0.2)",
        "unbound[1]: [1:0] info: start of service (unbound 1.17.1).", "x: date=1 time=2 type=3",
        "fw %ASA-6-305011: Built dynamic TCP translation from inside:10.1.1.2/5 to outside:198.51.100.1/5",
    ]  # fmt: skip
    assert not syslog.recognise("".join(map(other.format, texts)).encode(), "syslog")
    assert not syslog.recognise(b"", "syslog")
    known = other.format("dnsmasq[1]: forwarded a.b to 10.0.0.9")
    assert syslog.recognise(("".join(map(other.format, texts)) + known).encode(), "x")


def test_only_this_reader_takes_its_files_and_no_others() -> None:
    """Of all cases of all sources each file of `syslog` is recognised by this reader alone, and no other file by it."""
    for path in sorted((Path(__file__).parent / "sources").glob("*/*/input/**/*")):
        if path.is_file():
            head = path.read_bytes()[:4096]
            took = [reader.kind for reader in READERS if reader.recognise(head, path.name)]
            assert (took == ["syslog"]) == ("sources/syslog/" in path.as_posix()), path
            assert "sources/syslog/" not in path.as_posix() or took == ["syslog"], path


def test_a_mixed_file_fills_several_tables_and_says_what_it_left_out(tmp_path: Path) -> None:
    text = (Path(__file__).parent / "sources/syslog/openwrt/input/logread.txt").read_bytes()
    read = read_bytes(tmp_path, text)
    assert set(read.tables) == {"flows", "dns_queries", "bindings"}
    assert read.coverage.notes == (OTHERS,)


def dns(tmp_path: Path, *messages: str) -> list[dict[str, object]]:
    text = "".join(f"2026-11-23T08:49:33Z gw dnsmasq[1]: {m}\n" for m in messages)
    return read_bytes(tmp_path, text.encode()).tables["dns_queries"]


def test_replies_go_to_all_who_wait_but_a_cached_answer_to_the_last(tmp_path: Path) -> None:
    rows = dns(
        tmp_path, "query[A] a.example from 10.0.0.1", "query[AAAA] A.example from 10.0.0.1", "query[A] a.example from 10.0.0.2",
        "reply a.example is 192.0.2.1", "reply a.example is 192.0.2.2", "query[A] b.example from 10.0.0.1",
        "query[A] b.example from 10.0.0.2", "cached b.example is 192.0.2.3", "query[A] c.example from 10.0.0.1",
    )  # fmt: skip
    assert [row["answers"] for row in rows] == [
        ["192.0.2.1", "192.0.2.2"],
        None,
        ["192.0.2.1", "192.0.2.2"],
        None,
        ["192.0.2.3"],
        None,
    ]
    assert [row["place"] for row in rows] == [1, 2, 3, 6, 7, 9]


def test_an_alias_belongs_to_the_lookup_before_it(tmp_path: Path) -> None:
    rows = dns(
        tmp_path, "query[A] a.example from 10.0.0.1", "query[AAAA] a.example from 10.0.0.1", "query[A] c.example from 10.0.0.3",
        "reply a.example is <CNAME>", "reply b.example is <CNAME>", "reply c.example is 2001:db8::1",
        "reply c.example is 2001:db8::2", "reply c.example is NXDOMAIN",
    )  # fmt: skip
    found = [(row["qtype"], row["rcode"], row["answers"]) for row in rows]
    assert found[1] == ("AAAA", "NOERROR", ["b.example", "c.example", "2001:db8::1", "2001:db8::2"])
    assert found[0] == ("A", None, None)
    assert found[2] == ("A", "NXDOMAIN", [])


def test_two_kinds_of_one_name_are_two_answers(tmp_path: Path) -> None:
    rows = dns(
        tmp_path, "query[A] a.example from 10.0.0.1", "query[AAAA] a.example from 10.0.0.1", "reply a.example is <CNAME>",
        "reply b.example is 192.0.2.1", "reply a.example is <CNAME>", "reply b.example is 2001:db8::1",
    )  # fmt: skip
    assert [row["answers"] for row in rows] == [["b.example", "192.0.2.1"], ["b.example", "2001:db8::1"]]


@pytest.mark.parametrize(
    "source", ["gravity blocked", "regex denied", "exactly blacklisted", "config", "/etc/hosts", "cached-stale"]
)
def test_answers_that_come_from_nowhere_else(tmp_path: Path, source: str) -> None:
    rows = dns(
        tmp_path,
        "query[type=65] a.example from 10.0.0.1",
        "query[A] a.example from 10.0.0.1",
        f"{source} a.example is 192.0.2.200",
    )
    assert [(row["qtype"], row["answers"]) for row in rows] == [("HTTPS", None), ("A", ["192.0.2.200"])]


def test_a_lease_of_version_6_binds_its_name(tmp_path: Path) -> None:
    line = b"2026-11-23T08:49:33Z gw dnsmasq-dhcp[1]: 77 DHCPREPLY(br0) 2001:DB8::5 00:01:00:01:2a:bb PC5\n"
    (row,) = read_bytes(tmp_path, line).tables["bindings"]
    assert (row["address"], row["kind"], row["value"]) == ("2001:db8::5", "dhcp-name", "pc5")


def test_hosts_in_one_file_do_not_mix(tmp_path: Path) -> None:
    text = (
        "2026-11-23T08:49:33Z one dnsmasq[1]: query[A] a.example from 10.0.0.1\n"
        "2026-11-23T08:49:33Z two dnsmasq[1]: query[A] a.example from 10.9.0.1\n"
        "2026-11-23T08:49:33Z two dnsmasq[1]: reply a.example is NXDOMAIN\n"
    )
    rows = read_bytes(tmp_path, text.encode()).tables["dns_queries"]
    assert {row["client"]: row["rcode"] for row in rows} == {"10.0.0.1": None, "10.9.0.1": "NXDOMAIN"}


def test_an_answer_after_a_minute_is_no_answer_to_it(tmp_path: Path) -> None:
    text = (
        "2026-11-23T08:49:33Z gw dnsmasq[1]: query[A] a.example from 10.0.0.1\n"
        "2026-11-23T08:50:34Z gw dnsmasq[1]: reply a.example is 192.0.2.1\n"
    )
    assert read_bytes(tmp_path, text.encode()).column("dns_queries", "rcode") == [None]


def test_many_waiting_lookups_are_let_go_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dnsmasq, "_MOST", 4)
    rows = dns(tmp_path, *(f"query[A] n{i}.example from 10.0.0.1" for i in range(11)))
    assert [row["place"] for row in rows] == list(range(1, 12))


def test_connections_beyond_the_bound_stand_as_they_began(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cisco_asa, "_MOST", 3)
    fw, ends = "2026-11-23T08:49:33Z fw %ASA-6-", "for out:192.0.2.1/{0} to in:10.0.0.1/80"
    built = fw + "302013: Built inbound TCP connection {0} " + ends + " (b/1)\n"
    end = fw + "302014: Teardown TCP connection {0} " + ends + " duration 0:00:01 bytes 5 TCP FINs\n"
    text = "".join(built.format(1000 + i) for i in range(4)) + end.format(1003) + end.format(1000)
    rows = read_bytes(tmp_path, text.encode()).tables["flows"]
    by_port = sorted((row["client_port"], row["state"]) for row in rows)
    assert by_port == [
        (1000, "midstream"), (1000, "tried"), (1001, "tried"), (1002, "tried"), (1003, "established"),
    ]  # fmt: skip


def packet(
    flags: str, ports: tuple[int, int] = (50000, 445), protocol: str = "tcp", dropped: bool = False, kind: int | None = None
) -> object:
    facts = flow_of(Packet("10.0.0.1", ports[0], "10.0.0.2", ports[1], protocol, flags, None, dropped, kind), 5)
    return [(f.values["client"], f.values["state"]) for f in facts]


def test_what_one_packet_says() -> None:
    near, far = "10.0.0.1", "10.0.0.2"
    assert packet("S") == [(near, "tried")]
    assert packet("S", dropped=True) == [(near, "attempt")]
    assert packet("SA", (445, 50000)) == [(far, "midstream")]
    assert packet("SA", (445, 50000), dropped=True) == [(far, "attempt")]
    assert packet("A", (445, 50000)) == [(far, "midstream")]
    assert packet("FA", (50000, 445), dropped=True) == [(near, "midstream")]
    assert packet("R") == packet("RA", dropped=True) == []
    assert packet("", (53, 50000), "udp") == [(far, "midstream")]
    assert packet("", (53, 50000), "udp", dropped=True) == [(near, "attempt")]
    assert packet("", (0, 0), "icmp", kind=8) == [(near, "tried")]
    assert packet("", (0, 0), "icmp", kind=0) == [(far, "midstream")]
    assert packet("", (0, 0), "icmp", kind=3) == []


def test_a_card_is_bound_only_where_it_is_sound() -> None:
    seen = cards.Cards(Site())
    seen.saw("02:00:5E:00:00:01", "10.0.0.1", 7, 1)
    seen.saw("02:00:5e:00:00:01".upper(), "2001:db8::1", 8, 2)  # its other address, and not the site's
    for i, address in enumerate(["10.0.0.2", "10.0.0.3"]):
        seen.saw("02:00:5e:00:00:02", address, 9, 3 + i)  # two behind one card
    seen.saw("02:00:5e:00:00:03", "10.0.0.4", 9, 5)
    seen.saw("02:00:5e:00:00:03", cards.BEHIND_A_ROUTER, 9, 6)  # a router
    seen.saw("02:00:5e:00:00:04", "192.0.2.1", 9, 7)  # not the site's
    assert [(f.values["address"], f.values["value"], f.values["place"]) for f in seen.facts()] == [
        ("10.0.0.1", "02:00:5e:00:00:01", 1)
    ]


HOSTILE = [
    "IN= OUT= " * 8000 + " SRC= DST=", " IN=a OUT=b SRC=" + "1.1.1.1 DST=" * 6000, "query[A] " + "a from " * 9000,
    "reply " + "a is " * 12000, "%ASA-6-106015: Deny TCP (no connection) from 1.1.1.1/1 to 1.1.1.1/1 flags" + " " * 60000,
    "%ASA-6-302014: Teardown TCP connection 1 for " + "a:" * 30000, "%ASA-4-106023: Deny tcp src " + "x:1/1(" * 9000,
    "%ASA-6-302013: Built inbound TCP connection 1 for i:1.1.1.1/1" + " (a)" * 15000, "logid= " + 'a="\\' * 15000,
    'logid="' + "\\\\" * 30000, "%ASA-" * 12000, "type=traffic logid=1 " + "srcip=1 " * 8000,
    "%ASA-6-106100: access-list a permitted tcp " + "a/1.1.1.1(1)" * 5000, "[1:0] info: " + "1 " * 30000, "a " * 32000,
    "DHCPACK on 10.0.0.1 to 02:00:00:00:00:01 " + "(" * 60000, "<" * 60000, "[" * 60000, "1 - " * 15000,
    "IN=" * 20000 + " DST= SRC=",
]  # fmt: skip


@pytest.mark.parametrize(
    "head",
    [
        "",
        "Nov 23 2026 08:49:33 gw dnsmasq[1]: ",
        "Nov 23 2026 08:49:33 gw unbound: ",
        "<1>1 - h dhcpd 1 - [",
        "Nov 23 2026 08:49:33 ",
    ],
)
def test_hostile_lines_take_no_long_time(tmp_path: Path, head: str) -> None:
    for text in HOSTILE:
        line = (head + text)[: lines.MOST_LINE].encode()
        begin = time.process_time()
        read_bytes(tmp_path, b"Nov 23 2026 08:49:33 gw dnsmasq[1]: query[A] a.b from 10.0.0.1\n" + line + b"\n")
        assert time.process_time() - begin < 3, text[:40]


def test_damaged_lines_are_named(tmp_path: Path) -> None:
    good = "2026-11-23T08:49:33Z gw dnsmasq[1]: query[A] a.b from 10.0.0.1\n"
    bad = good.replace("10.0.0.1", "nobody") + good.replace("-11-", "-13-")
    read = read_bytes(tmp_path, (good + bad + good).encode())
    assert problems(read.reads) == ["evidence.log, line 2: 2 lines could not be read (line 2, 3)"]
    assert read.column("dns_queries", "place") == [1, 4]


def test_hostile_text_is_escaped(tmp_path: Path) -> None:
    text = "2026-11-23T08:49:33Z gw dnsmasq[1]: query[A] a\u202e\x1b[31mb.example from 10.0.0.1\n"
    text += "2026-11-23T08:49:33Z gw dnsmasq-dhcp[1]: DHCPACK(br0) 10.0.0.1 02:00:5e:00:00:01 pc\u202e\x07\n"
    read = read_bytes(tmp_path, text.encode())
    shown = json.dumps([read.column("dns_queries", "name"), read.column("bindings", "value")], ensure_ascii=False)
    assert all(char.isprintable() for char in shown)


def test_lines_end_as_windows_and_in_cp932(tmp_path: Path) -> None:
    line = "2026-11-23T08:49:33Z gw dnsmasq-dhcp[1]: DHCPACK(br0) 10.0.0.1 02:00:5e:00:00:01 総務部\r\n"
    assert read_bytes(tmp_path, line.encode("cp932")).column("bindings", "value") == ["02:00:5e:00:00:01", "総務部"]
    assert read_bytes(tmp_path, b"\xef\xbb\xbf" + line.encode()).column("bindings", "value") == ["02:00:5e:00:00:01", "総務部"]


def _dnsmasq(at: datetime, number: int, row: dict[str, str], extra: bool) -> list[str]:
    head = f"{at:%b %d %H:%M:%S} gw dnsmasq[77]: " + (f"{number} {row['client']}/{40000 + number % 9999} " if extra else "")
    said = row["answer"].split() or ["NXDOMAIN"]
    return [f"{head}query[A] {row['name']} from {row['client']}", f"{head}forwarded {row['name']} to 192.0.2.53"] + [
        f"{head}reply {row['name']} is {answer}" for answer in said
    ]


def _unbound(at: datetime, _number: int, row: dict[str, str], _extra: bool) -> list[str]:
    head = f"[{int(at.timestamp())}] unbound[77:0] info: {row['client']} {row['name']}. A IN"
    return [head, f"{head} {'NOERROR' if row['answer'] else 'NXDOMAIN'} 0.012000 0 60"]


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("story")
    assert main(["outbreak", "--seed", "3", "--hosts", "20", "--infected", "6", "--out", str(folder)]) == 0
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(("form", "extra"), [(_dnsmasq, False), (_dnsmasq, True), (_unbound, False)])
def test_an_outbreak_is_told_as_from_binds_log(story: Path, tmp_path: Path, form: object, extra: bool) -> None:
    (table,) = story.rglob("queries.csv")
    (bind,) = story.rglob("queries.log")
    log = tmp_path / "messages"
    rows = [
        dict(zip(("time", "client", "name", "answer"), line.split(","), strict=True))
        for line in table.read_text().splitlines()[1:]
    ]
    with log.open("w") as out:
        for number, row in enumerate(rows, 1):
            out.writelines(f"{text}\n" for text in form(datetime.fromisoformat(row["time"]), number, row, extra))  # type: ignore[operator]
    pack = builtin_packs()[0]
    year = Site(year=int(rows[0]["time"][:4]))

    def told(path: Path) -> list[tuple[str, str, object]]:
        return sorted((h.address, h.verdict.value, h.variant) for h in assess([path], packs=[pack], site=year).hosts)

    expected = told(bind)
    assert any(verdict == "infected" for _, verdict, _ in expected)
    assert told(log) == expected


def test_a_firewalls_session_without_its_log_number_is_one(tmp_path: Path) -> None:
    """Collectors leave fields out; and a count that no session can have does not make the session doubtful."""
    line = (
        'date=2026-03-02 time=17:05:1{0} devname="FG" {1}type="traffic" subtype="forward" tz="+0900" srcip=10.5.1.9 '
        'srcport=5011{0} dstip=10.5.2.8 dstport=445 proto=6 action="accept" duration=3 sentbyte=1000 rcvdbyte={2}\n'
    )
    whole = line.format(1, 'logid="0000000013" ', 99) + line.format(2, "", 99) + line.format(3, "", 9 * 10**30)
    (tmp_path / "fw.log").write_text(whole + 'date=2026-03-02 time=17:05:14 type="traffic" subtype="local" msg="x"\n')
    said = assess([tmp_path / "fw.log"], packs=builtin_packs())
    assert [dict(c.rows) for c in said.coverage] == [{"flows": 3}]
    assert not said.coverage[0].problems
