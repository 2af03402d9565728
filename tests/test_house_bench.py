"""The arithmetic of the benchmarks, and that the peer does what it is compared for."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import compare, suricata
from bench.__main__ import PARTS, benchmarks
from tests.need import need_program


def test_a_cost_is_better_when_it_is_lower() -> None:
    row = compare.ratio("captures", ours=2.0, peer=26.0, wanted=12)
    assert (row.ratio, row.holds) == (13.0, True)
    assert not compare.ratio("captures", ours=2.0, peer=23.0, wanted=12).holds


def test_a_rate_is_better_when_it_is_higher() -> None:
    assert compare.ratio("lines", ours=4e6, peer=1e6, wanted=3, unit="lines/s", more_is_better=True).ratio == 4.0
    assert compare.limit("lines", ours=2.9e6, least=3e6, unit="lines/s").holds is False


def test_a_limit_is_one_of_two() -> None:
    assert compare.limit("memory", ours=400, most=500, unit="MB").holds
    with pytest.raises(ValueError, match="exactly one"):
        compare.limit("memory", ours=400)
    with pytest.raises(ValueError, match="exactly one"):
        compare.limit("memory", ours=400, most=500, least=1)


def test_a_missed_figure_shows_in_the_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [compare.limit("good", ours=1, most=2), compare.limit("bad", ours=3, most=2)]
    assert compare.show(rows[:1]) == 0
    assert compare.show(rows) == 1
    printed = capsys.readouterr().out.splitlines()
    assert all(line.startswith(compare.MARK) for line in printed)
    assert "MISSED" in printed[-1]
    assert len({line.count("|") for line in [compare.HEAD, *printed]}) == 1


def test_the_runner_runs_benchmarks_only() -> None:
    assert not set(benchmarks()) & set(PARTS)


@pytest.mark.parametrize(
    ("capture", "wanted"),
    [
        ("zeek/smb/smb2.pcap", {"flow", "smb"}),
        ("zeek/http/get-gzip.pcap", {"flow", "http"}),
        ("arkime/dns-tcp.pcap", {"flow", "dns"}),
        ("arkime/dcerpc_synthetic.pcap", {"flow", "dcerpc"}),
    ],
)
def test_the_peer_does_what_it_is_compared_for(corpora: Path, capture: str, wanted: set[str]) -> None:
    need_program("suricata")
    need_program("taskset")
    assert set(suricata.run(corpora / "captures" / capture).events) == wanted
