"""Alerts of a real Suricata: shown and cited beside what we saw ourselves, and never weighed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab.__main__ import main
from tests.evidence_help import read_bytes
from tests.suricata_help import events
from wormward.model.states import Assessment, Infection
from wormward.packs import builtin_packs
from wormward.pipeline import assess

RULE = (
    'alert tcp any any -> any 445 (msg:"OURS Path with dots over a path call, perhaps MS08-067"; flow:to_server,established; '
    'content:"|5c 00 2e 00 2e 00 5c 00|"; classtype:attempted-admin; sid:1000001; rev:3;)\n'
)
"""As loose as the public ones: two dots after a backslash, anywhere."""


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The lab's exploit request and its benign twin, each with what Suricata says of it."""
    folder = tmp_path_factory.mktemp("alerts")
    assert main(["case", "exploit.path", "--out", str(folder / "case")]) == 0
    (folder / "own.rules").write_text(RULE)
    for twin in ("positive", "benign"):
        events(folder / "case" / twin / "case.pcap", folder / twin, folder / "own.rules")
    return folder


def judged(*paths: Path) -> Assessment:
    return assess(paths, packs=builtin_packs())


def test_an_alert_stands_beside_our_own_finding_and_changes_nothing(cases: Path) -> None:
    capture = cases / "case/positive/case.pcap"
    alone, both = judged(capture), judged(capture, cases / "positive/eve.json")
    (alert,) = (f for f in both.findings if f.rule == "alert.rule")
    own = next(f for f in both.findings if f.rule == "exploit.path")
    assert (alert.actor, alert.target) == (own.actor, own.target)
    assert alert.say().startswith("A rule of Suricata (1:1000001, “OURS Path with dots")
    assert {c.unit for c in alert.cites} == {"line"}
    line = (cases / "positive/eve.json").read_text().splitlines()[alert.cites[0].place - 1]
    assert json.loads(line)["event_type"] == "alert"
    answers = [{h.address: (h.verdict, h.confidence, h.first_seen) for h in said.hosts} for said in (alone, both)]
    assert answers[0] == answers[1]
    host = next(h for h in both.hosts if h.address == alert.actor)
    assert alert.id in {i for reason in host.reasons for i in reason.findings}


def test_an_alert_alone_is_shown_and_says_nothing(cases: Path) -> None:
    lines = (cases / "positive/eve.json").read_text().splitlines()
    only = cases / "alerts.json"
    only.write_text("".join(line + "\n" for line in lines if '"event_type":"alert"' in line))
    said = judged(only)
    assert {f.rule for f in said.findings} == {"alert.rule"}
    assert {h.verdict for h in said.hosts} <= {Infection.UNKNOWN}


def test_the_rule_fires_on_a_harmless_path_and_nobody_is_blamed(cases: Path) -> None:
    said = judged(cases / "case/benign/case.pcap", cases / "benign/eve.json")
    assert {f.rule for f in said.findings} == {"alert.rule"}
    assert {h.verdict for h in said.hosts} == {Infection.UNKNOWN}


@pytest.mark.slow
def test_public_rules_fire_on_the_example(corpora: Path, repo: Path, tmp_path: Path) -> None:
    """Emerging Threats' rules of 2019: their alerts are known by number, and each is of a host that is in the story."""
    rules = corpora / "rules/emerging-threats-2019-ms08-067-conficker.rules"
    eve = events(repo / "examples/outbreak/outbreak.pcap", tmp_path / "out", rules)
    said = judged(eve)
    alerts = [f for f in said.findings if f.rule == "alert.rule"]
    assert alerts
    assert {f.fields["number"].partition(":")[0] for f in alerts} == {"1"}
    truth = json.loads((repo / "examples/outbreak/truth.json").read_text())["infected"]
    assert {f.actor for f in alerts} <= set(truth)


@pytest.mark.parametrize(
    "alert",
    ['{}', '{"signature_id": -1, "signature": "x"}', '{"signature_id": "1", "signature": "x"}', '{"signature_id": 1}', "[]", "7"],
)  # fmt: skip
def test_damaged_alerts_are_bad_lines(tmp_path: Path, alert: str) -> None:
    head = '{"timestamp": "2026-03-02T08:00:00.000000+0000", "event_type": "alert", "src_ip": "10.0.0.1", "dest_ip": "10.0.0.2"'
    good = (
        head
        + ', "proto": "TCP", "alert": {"signature_id": 5, "gid": 99999999999, "severity": 1, "signature": "\\u202e<b>MS08-067"}}'
    )
    read = read_bytes(tmp_path, f'{good}\n{head}, "alert": {alert}}}\n'.encode(), "eve.json")
    assert [p.place for p in read.coverage.problems] == ["line 2"]
    (row,) = read.tables["alerts"]
    assert (row["signature"], row["generator"], row["rule"], row["severity"]) == ("\\u202e<b>MS08-067", 2**31 - 1, 5, 1)
