"""The built-in pack's detectors on what others published: name lists, ports, requests. Nobody here made these."""

from __future__ import annotations

import csv
import json
import random
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.detectors import make, play
from wormward.model.findings import Finding
from wormward.model.pack import ThreatPack
from wormward.packs import builtin_packs

EPOCH = date(1970, 1, 1)
DAY_S = 86_400


@pytest.fixture(scope="module")
def pack() -> ThreatPack:
    (known,) = builtin_packs()
    return known


def midnight(day: date) -> int:
    return (day - EPOCH).days * DAY_S


def lookups(day: date, names: list[str], client: str = make.BAD) -> list[dict[str, Any]]:
    """`names` over that day, in order."""
    return [make.lookup(midnight(day) + 600 + i * (80_000 // len(names)), client, name) for i, name in enumerate(names)]


def found(pack: ThreatPack, rows: list[dict[str, Any]], **more: Any) -> list[Finding]:
    return play.assess({"dns_queries": rows}, pack=pack, rules=["names.day-list"], **more)


def published(corpora: Path, letter: str, day: date) -> list[str]:
    """That day's 250 names of 2020 as Bonn's program made them (A's list lacks 2020-05-04; take days before it)."""
    names = (corpora / "dga" / f"conficker_{letter.lower()}_2020-01-01_first_45250.txt").read_text().split()
    start = (day - date(2020, 1, 1)).days * 250
    return names[start : start + 250]


@pytest.mark.parametrize("letter", ["A", "B"])
@pytest.mark.parametrize("day", [date(2020, 1, 1), date(2020, 3, 10), date(2020, 4, 30)])
def test_a_few_published_names_convict_and_tell_variant_and_day(pack: ThreatPack, corpora: Path, letter: str, day: date) -> None:
    names = published(corpora, letter, day)[40:250:30]
    (finding,) = found(pack, lookups(day, [*names, "www.example.com", "mail.example.org"]))
    assert (finding.key, finding.variants, finding.fields["offset_days"]) == (f"{letter}:{day}", (letter,), 0)
    assert finding.milli is not None
    assert finding.milli > pack.names_convict_milli


def test_a_constant_offset_is_told_not_punished(pack: ThreatPack, corpora: Path) -> None:
    day = date(2020, 3, 10)
    (finding,) = found(pack, lookups(day + timedelta(days=3), published(corpora, "B", day)[:40]))
    assert finding.key == "B:2020-03-10"
    assert finding.fields["offset_days"] == -3
    assert "3 days old" in finding.say()
    assert not found(pack, lookups(day + timedelta(days=9), published(corpora, "B", day)[:40]))


@pytest.mark.slow
def test_all_time_finds_whatever_day_the_host_believes_in(pack: ThreatPack, corpora: Path) -> None:
    day = date(2020, 3, 10)
    (finding,) = found(pack, lookups(day + timedelta(days=900), published(corpora, "B", day)[:40]), all_time=True)
    assert finding.fields["offset_days"] == -900


def test_names_seen_in_the_wild(pack: ThreatPack, shared: Path) -> None:
    text = (shared / "facts" / "vectors" / "B-field-sightings-2009.txt").read_text()
    rows = [line.split("\t")[:2] for line in text.splitlines() if line and not line.startswith("#")]
    queries = [
        q for day in sorted({d for _, d in rows}) for q in lookups(date.fromisoformat(day), [n for n, d in rows if d == day])
    ]
    assert [f.key for f in found(pack, queries)] == ["B:2009-01-08", "B:2009-09-02"]


def test_samples_of_c_with_both_branches(pack: ThreatPack, shared: Path) -> None:
    text = (shared / "facts" / "vectors" / "C-2014-11-netlab-samples.txt").read_text()
    rows = [line.split("\t") for line in text.splitlines() if line and not line.startswith("#")]
    of_day = [name for name, where in rows if where.startswith("2014-11-17")]
    assert len(of_day) >= 3
    (finding,) = found(pack, lookups(date(2014, 11, 17), of_day))
    assert finding.key == "C:2014-11-17"
    assert (finding.milli or 0) > pack.names_convict_milli


def test_two_real_names_of_the_lists_of_2020_prove_nothing(pack: ThreatPack) -> None:
    """siasat.com and iidns.com stand in lists of 2020, of A and of B; people ask for them every day."""
    queries = [
        q for day in range(0, 366, 7) for q in lookups(date(2020, 1, 1) + timedelta(days=day), ["siasat.com", "iidns.com"])
    ]
    assert not found(pack, queries)


@pytest.mark.slow
def test_noise_against_all_days_convicts_nobody(pack: ThreatPack) -> None:
    """Every other short name is in some list of the last 18 years; no host is suspected for asking for thousands."""
    chance = random.Random(7)
    c = pack.variant("C").domains
    assert c is not None
    suffixes = sorted({name.split(".", 1)[1] for name in c.names(16_000)})
    queries = []
    for host, (least, most, count) in enumerate([(4, 4, 4000), (4, 5, 4000), (5, 7, 4000), (4, 9, 6000)]):
        words = ["".join(chance.choices("abcdefghijklmnopqrstuvwxyz", k=chance.randint(least, most))) for _ in range(count)]
        queries += lookups(date(2020, 6, 1), [f"{w}.{chance.choice(suffixes)}" for w in words], f"10.0.1.{host}")
    assert max((f.milli or 0 for f in found(pack, queries, all_time=True)), default=0) < 5000


def test_ports_that_nmap_printed(pack: ThreatPack, corpora: Path) -> None:
    flows = []
    with (corpora / "p2p" / "nmap_p2p_conficker_vectors.csv").open() as file:
        for row in csv.DictReader(line for line in file if not line.startswith("#")):
            time = play.when(row["time_utc"]).timestamp()
            for column in ("tcp_a", "tcp_b", "udp_a", "udp_b"):
                port = int(row[column])
                flows.append(make.flow(int(time), make.BAD, row["ip"], port, protocol=column[:3], state="attempt"))
    (finding,) = play.assess({"flows": flows}, pack=pack, rules=["p2p.ports"])
    # An address that was scanned in several years has the same pair of ports in all of them.
    assert finding.fields["contacts"] == len({(f["server"], f["protocol"], f["server_port"]) for f in flows})
    assert finding.fields["by_week"] == len(flows) // 2
    assert finding.fields["week_offset"] == 0
    assert (finding.milli or 0) > 50_000


def test_requests_that_a_sinkhole_received(pack: ThreatPack, corpora: Path) -> None:
    rows = []
    for line in (corpora / "sinkhole" / "conficker_sinkhole_http_2011-05-30.jsonl").read_text().splitlines():
        seen = json.loads(line)
        head, _, rest = seen["request"].partition("\r\n")
        headers = [h.partition(": ") for h in rest.strip().split("\r\n")]
        host = next(value for name, _, value in headers if name.lower() == "host")
        rows.append(
            make.request(midnight(date(2011, 5, 30)), seen["src_ip"], head.split()[1], host, ",".join(h[0] for h in headers))
            | {"server": seen["dst_ip"]}
        )
    findings = play.assess({"http_requests": rows}, pack=pack)
    told = {f.actor for f in findings}
    assert told == {row["client"] for row in rows}
    beacons = {f.actor for f in findings if f.rule in {"http.beacon", "http.relayed", "http.download"}}
    assert beacons == {row["client"] for row in rows if row["uri"] != "/"}
