"""Block lists where they are used: a real BIND answers NXDOMAIN, a real Suricata loads, alerts and drops."""

from __future__ import annotations

import base64
import csv
import io
import json
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import stix2
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.cli_help import Done
from tests.judge_help import pack
from tests.need import need_program
from tests.report_help import outbreak, poisoned
from tests.suricata_help import CONFIG
from wormward.command.outputs import OUTPUTS
from wormward.model.own import OWN_MARKS
from wormward.model.states import Infection
from wormward.packs import builtin_packs
from wormward.report import blocking
from wormward.report.blocklists import FILES, to_blocklists
from wormward.report.stix import to_stix

RULE = re.compile(
    r"(drop|alert) (dns|tcp|ip) [0-9a-z.:$]+ any -> (any|\$HOME_NET|[0-9a-f.:]+) (any|\[[0-9,]+\]) \((?:[^;\"()]|\"[^;\"()]*\")+"
    r"(; (?:[^;\"()]|\"[^;\"()]*\")+)*;\)"
)


def left_out(text: str) -> dict[str, str]:
    return {row["entry"]: row["reason"] for row in csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline=""))}


def names_of(zone: str) -> set[str]:
    return {line.split()[0] for line in zone.splitlines() if line.endswith(" CNAME .") and not line.startswith("*")}


def test_each_entry_names_its_findings_and_nothing_innocent_is_blocked(example_outputs: Path, repo: Path) -> None:
    said = json.loads((example_outputs / "json").read_text(encoding="utf-8"))
    known = {f["id"] for f in said["findings"]}
    zone = (example_outputs / "blocklists" / "names.rpz").read_text().splitlines()
    rules = (example_outputs / "blocklists" / "wormward.rules").read_text().splitlines()
    for i, line in enumerate(zone):
        if line.endswith("CNAME .") and not line.startswith("*"):
            assert set(re.findall(r"F-[0-9a-f]{12}", zone[i - 1])) & known
    for comment, rule in zip(rules[1::2], rules[2::2], strict=True):
        assert comment.startswith("# F-")
        assert set(re.findall(r"F-[0-9a-f]{12}", comment)) <= known
        assert RULE.fullmatch(rule), rule
    sids = re.findall(r"sid:(\d+)", "\n".join(rules))
    assert len(sids) == len(set(sids)) == len(rules) // 2
    truth = json.loads((repo / "examples" / "outbreak" / "truth.json").read_text(encoding="utf-8"))
    hosts = {line.split()[2] for line in rules if line.startswith("drop tcp")}
    assert hosts
    assert hosts <= set(truth["infected"])
    controllers = {h["address"] for h in said["hosts"] if "domain-controller" in h["roles"]}
    assert controllers.isdisjoint(hosts)


def test_what_is_left_out_has_its_reason(example_outputs: Path) -> None:
    reasons = left_out((example_outputs / "blocklists" / "left-out.csv").read_text(encoding="utf-8"))
    assert reasons["google.com"] == blocking.ORDINARY
    assert reasons["204.152.184.139"] == blocking.SINKHOLE
    assert reasons["203.0.113.251"] == blocking.CALLED
    assert reasons["aaabnoe.dm"] == blocking.SHORT
    names = names_of((example_outputs / "blocklists" / "names.rpz").read_text())
    assert names.isdisjoint(reasons)
    assert {n for n in names if len(n.split(".")[0]) < blocking.LEAST_LETTERS} == {"www.trafficconverter.biz"}
    rules = (example_outputs / "blocklists" / "wormward.rules").read_text()
    assert not re.search(r"^drop .*204\.152\.184\.139", rules, re.MULTILINE)
    assert re.search(r"^alert ip any any -> 204\.152\.184\.139", rules, re.MULTILINE)


def test_days_to_come_are_whole_lists_and_stand_apart(example_outputs: Path) -> None:
    letters = {"A", "B", "C"}
    expected = {
        name
        for variant in builtin_packs()[0].variants
        if variant.letter in letters and variant.domains
        for day in (date(2026, 3, 2), date(2026, 3, 3))
        for name in variant.domains.names((day - date(1970, 1, 1)).days)
        if len(name.split(".")[0]) >= blocking.LEAST_LETTERS
    }
    assert names_of((example_outputs / "blocklists" / "upcoming.rpz").read_text()) == expected
    loaded = [
        base64.b64decode(line).decode() for line in (example_outputs / "blocklists" / "upcoming-names.lst").read_text().split()
    ]
    assert set(loaded[1:]) == expected
    about = (example_outputs / "blocklists" / "README.txt").read_text()
    assert "from the evidence's last day on" in about
    for variant in builtin_packs()[0].variants:
        if variant.letter in letters and variant.domains:
            made = [n for d in (date(2026, 3, 2), date(2026, 3, 3)) for n in variant.domains.names((d - date(1970, 1, 1)).days)]
            short = sum(len(n.split(".")[0]) < blocking.LEAST_LETTERS for n in made)
            share = f"VARIANT {variant.letter} IS NOT BLOCKED WHOLLY: {short:,} of its {len(made):,} names"
            assert (share in about) == bool(short), variant.letter
    assert not names_of(to_blocklists(outbreak().assessment, [pack()])["upcoming.rpz"])


def test_hosts_that_must_not_be_cut_off() -> None:
    told = outbreak().assessment
    ill = next(h for h in told.hosts if h.verdict is Infection.INFECTED)
    suspected = next(h for h in told.hosts if h.verdict is Infection.SUSPECTED)
    for role in ("domain-controller", "resolver", "scanner"):
        hosts = tuple(replace(h, roles=(role,)) if h is ill else h for h in told.hosts)
        made = blocking.blocking(replace(told, hosts=hosts), [pack()])
        assert ill.address not in {b.value for b in made.inside}
        assert ill.address in {e.value for e in made.left_out if role.replace("-", " ") in e.reason}
    made = blocking.blocking(told, [pack()], needed={ill.address})
    assert ill.address not in {b.value for b in made.inside}
    assert "site.toml" in {e.value: e.reason for e in made.left_out}[ill.address]
    made = blocking.blocking(told, [pack()])
    assert ill.address in {b.value for b in made.inside}
    assert {e.reason for e in made.left_out if e.value == suspected.address} == {blocking.SUSPECTED}
    twice = replace(told, hosts=(*told.hosts, replace(ill, site="elsewhere")))
    assert ill.address not in {b.value for b in blocking.blocking(twice, [pack()]).inside}
    outsider = replace(told, hosts=tuple(replace(h, roles=("outside",)) if h is ill else h for h in told.hosts))
    made = blocking.blocking(outsider, [pack()])
    assert ill.address in {b.value for b in made.outside} - {b.value for b in made.inside}


def test_hostile_names_never_reach_a_list() -> None:
    made = to_blocklists(poisoned().assessment, [pack()])
    for line in made["wormward.rules"].splitlines():
        assert line.startswith("# ") or RULE.fullmatch(line), line
    assert re.fullmatch(r"(?:[;$@][^\n]*\n|[a-z0-9.*-]+ CNAME \.\n)+", made["names.rpz"])
    assert tuple(made) == FILES
    (output,) = [o for o in OUTPUTS if o.option == "blocklists"]
    assert output.files == FILES
    assert all(any(mark in text.encode()[:4096] for mark in OWN_MARKS) for text in made.values())


@settings(deadline=None, max_examples=50)
@given(st.text(max_size=60))
def test_whatever_a_field_says_no_list_and_no_bundle_breaks(text: str) -> None:
    told = outbreak().assessment
    findings = tuple(replace(f, fields={**f.fields, "examples": text, "host": text, "sinkhole": text}) for f in told.findings)
    made = to_blocklists(replace(told, findings=findings), [pack()])
    for line in made["wormward.rules"].splitlines():
        assert line.startswith("# ") or RULE.fullmatch(line), line
    assert re.fullmatch(r"(?:[;$@][^\n]*\n|[a-z0-9.*-]+ CNAME \.\n)+", made["names.rpz"])
    stix2.parse(to_stix(replace(told, findings=findings), [pack()]), allow_custom=False)


def suricata(folder: Path, rules: Path, *words: str) -> Done:
    folder.mkdir(exist_ok=True)
    (folder / "suricata.yaml").write_text(CONFIG)
    command = [
        need_program("suricata"),
        "-c",
        str(folder / "suricata.yaml"),
        "-S",
        str(rules),
        "-l",
        str(folder),
        "--init-errors-fatal",
    ]
    done = subprocess.run([*command, *words], check=False, capture_output=True, text=True, timeout=120)
    return Done(done.returncode, done.stdout, done.stderr)


def test_suricata_takes_hosts_of_both_families(tmp_path: Path) -> None:
    told = outbreak().assessment
    sixes = {h.address: f"2001:db8::{i:x}" for i, h in enumerate(told.hosts, 1)}
    hosts = tuple(replace(h, address=sixes[h.address], addresses=(sixes[h.address],)) for h in told.hosts)
    (tmp_path / "six.rules").write_text(to_blocklists(replace(told, hosts=hosts), [pack()])["wormward.rules"])
    assert "drop tcp 2001:db8::1 any" in (tmp_path / "six.rules").read_text()
    assert suricata(tmp_path / "t", tmp_path / "six.rules", "-T").code == 0


def alerts(folder: Path) -> list[dict[str, Any]]:
    events = map(json.loads, (folder / "eve.json").read_text().splitlines())
    return [event["alert"] for event in events if event["event_type"] == "alert"]


@pytest.mark.parametrize("mode", ["ids", "ips"])
def test_suricata_loads_every_rule_and_each_fires_on_the_example(
    example_outputs: Path, repo: Path, tmp_path: Path, mode: str
) -> None:
    rules = example_outputs / "blocklists" / "wormward.rules"
    tested = suricata(tmp_path / "t", rules, "-T")
    count = rules.read_text().count("sid:")
    assert f"{count} rules successfully loaded, 0 rules failed" in tested.out + tested.err
    assert tested.code == 0
    capture = str(repo / "examples" / "outbreak" / "outbreak.pcap")
    more = ("--simulate-ips",) if mode == "ips" else ()
    done = suricata(tmp_path / "r", rules, "-r", capture, "--runmode", "single", "-k", "none", *more)
    assert done.code == 0, done.err
    fired = alerts(tmp_path / "r")
    wanted = set(re.findall(r"sid:(\d+)", rules.read_text()))
    if mode == "ids":
        assert {str(a["signature_id"]) for a in fired} == wanted
    else:
        acts = {("lookup" in a["signature"], "sinkhole" in a["signature"], a["action"]) for a in fired}
        assert (False, True, "blocked") not in acts
        assert {(True, False, "blocked"), (False, False, "blocked")} <= acts
        assert (True, False, "allowed") not in acts


def test_suricata_finds_the_names_of_the_day_by_its_list(example_outputs: Path, repo: Path, tmp_path: Path) -> None:
    rules = example_outputs / "blocklists" / "upcoming.rules"
    capture = str(repo / "examples" / "outbreak" / "outbreak.pcap")
    done = suricata(tmp_path / "r", rules, "-r", capture, "--runmode", "single", "-k", "none")
    assert done.code == 0, done.err
    assert len(alerts(tmp_path / "r")) > 500


@pytest.fixture(scope="module")
def bind(example_outputs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    """A BIND on loopback that knows an address for every name there is, but for those of the policy zones."""
    named = need_program("named")
    folder = tmp_path_factory.mktemp("bind")
    for name in ("names.rpz", "upcoming.rpz"):
        (folder / name).write_bytes((example_outputs / "blocklists" / name).read_bytes())
    (folder / "all.zone").write_text(
        "$TTL 60\n@ SOA localhost. root.localhost. ( 1 60 60 60 60 )\n@ NS localhost.\n* A 192.0.2.1\n"
    )
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (folder / "named.conf").write_text(f"""
options {{
  directory "{folder}"; pid-file none; session-keyfile none; recursion yes; dnssec-validation no;
  listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};
  response-policy {{ zone "names.rpz"; zone "upcoming.rpz"; }};
}};
controls {{ }};
zone "." {{ type primary; file "all.zone"; }};
zone "names.rpz" {{ type primary; file "names.rpz"; }};
zone "upcoming.rpz" {{ type primary; file "upcoming.rpz"; }};
""")
    last = sorted(names_of((folder / "upcoming.rpz").read_text()))[-1]
    log = folder / "log"
    with log.open("w") as out, subprocess.Popen([named, "-g", "-c", folder / "named.conf"], stdout=out, stderr=out) as running:
        try:
            for _ in range(150):  # policies are put together after the zones are loaded
                if running.poll() is not None or "NXDOMAIN" in asked(port, last):
                    break
                time.sleep(0.1)
            assert running.poll() is None, log.read_text()[-2000:]
            yield "127.0.0.1", port
        finally:
            running.terminate()
            running.wait(timeout=30)


def asked(port: int, name: str) -> str:
    words = [need_program("dig"), "@127.0.0.1", "-p", str(port), "+tries=1", "+time=2", name, "A"]
    return subprocess.run(words, check=False, capture_output=True, text=True, timeout=30).stdout


def test_bind_answers_nxdomain_for_what_is_blocked_and_nothing_else(bind: tuple[str, int], example_outputs: Path) -> None:
    _, port = bind
    blocked = sorted(names_of((example_outputs / "blocklists" / "names.rpz").read_text()))
    coming = sorted(names_of((example_outputs / "blocklists" / "upcoming.rpz").read_text()))
    for name in (*blocked, *coming[:3], f"www.{blocked[0]}", blocked[0].upper()):
        assert "status: NXDOMAIN" in asked(port, name), name
    for name in ("google.com", "www.google.com", "example.org", f"not-{blocked[0]}", "aaabnoe.dm"):
        answer = asked(port, name)
        assert "status: NOERROR" in answer, name
        assert "192.0.2.1" in answer


def test_bind_checks_the_zones(example_outputs: Path) -> None:
    for name in ("names.rpz", "upcoming.rpz"):
        words = [need_program("named-checkzone"), "rpz.example", str(example_outputs / "blocklists" / name)]
        assert subprocess.run(words, check=False, capture_output=True, timeout=60).returncode == 0
