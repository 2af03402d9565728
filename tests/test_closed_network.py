"""A closed network whose name server is dead: nobody answers, and that itself is seen where a source shows answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from wormward.judge.wording import CLOSED
from wormward.packs import builtin_packs
from wormward.pipeline import assess

BEGIN = 1_772_438_400  # 2026-03-02 08:00 UTC
SITES = ("baidu.com", "google.com", "yahoo.com", "msn.com", "ask.com", "w3.org")


def _asked() -> list[tuple[int, str]]:
    """Thirty lookups over ten hours, one site at a time."""
    return [(BEGIN + 1200 * i, f"www.{SITES[i % len(SITES)]}") for i in range(30)]


def _iso(time: int) -> str:
    return datetime.fromtimestamp(time, UTC).isoformat()


def _zeek(path: Path) -> Path:
    rows = [
        {
            "ts": float(time), "uid": f"C{i}", "id.orig_h": "10.1.1.8", "id.orig_p": 1025 + i, "id.resp_h": "10.0.0.53",
            "id.resp_p": 53, "proto": "udp", "trans_id": i, "query": name, "qtype": 1, "qtype_name": "A",
        }
        for i, (time, name) in enumerate(_asked())
    ]  # fmt: skip
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def _csv(path: Path) -> Path:
    path.write_text("time,client,name\n" + "".join(f"{_iso(time)},10.1.1.8,{name}\n" for time, name in _asked()))
    return path


@pytest.mark.parametrize(("source", "told"), [(_zeek, True), (_csv, False)])
def test_silence_speaks_only_where_answers_would_be_seen(source: Callable[[Path], Path], told: bool, tmp_path: Path) -> None:
    said = assess([source(tmp_path / "dns.log")], packs=builtin_packs())
    assert [f.rule for f in said.findings] == (["names.date-sites"] if told else [])
    assert {h.verdict.value for h in said.hosts} == {"unknown"}
    remarks = [r.fields for r in said.remarks if r.sentence == CLOSED]
    assert remarks == ([{"number": 1, "hosts": "10.1.1.8"}] if told else [])
