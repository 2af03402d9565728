"""Annotators: distinct keys in, side tables out; pure, ordered, and what the pack says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.detectors import make, play, toy
from wormward.annotate import ANNOTATORS, Days, annotate_all, contact_ports, file_forms, name_days, packet_forms, request_forms
from wormward.annotate.call_effects import annotate as call_effects
from wormward.model.pack import HttpForm
from wormward.model.tables import ANNOTATIONS, BY_NAME, CUTS, FACTS

TODAY = Days(toy.DAY, toy.DAY)


def keyed(**columns: Any) -> pa.Table:
    return pa.table(columns)


def test_names_of_the_days_around() -> None:
    near, far = toy.NAMES["X"].names(toy.DAY + 7)[0], toy.NAMES["X"].names(toy.DAY + 8)[0]
    made = name_days.annotate(keyed(name=[far, near, "www.example.com", "toolongaword.toy"]), toy.PACK, TODAY)
    assert made["name_days"].to_pylist() == [{"name": near, "variant": "X", "day": toy.DAY + 7, "position": 0, "branch": "both"}]
    shapes = made["name_shapes"].to_pylist()
    assert {(s["name"], s["variant"]) for s in shapes} == {(n, v) for n in (near, far) for v in "XY"}
    assert all(s["letters"] == s["name"].index(".") for s in shapes)


def test_gaps_between_lookups_are_not_searched() -> None:
    variant, pack, day = toy.PACK.variants[0], toy.PACK, toy.DAY
    spans = ((day - 300, day - 299), (day - 280, day - 280), (day, day + 1))
    tried = name_days.list_days(variant, pack, Days(day - 300, day + 1, spans=spans))
    assert tried == [(day - 307, day - 273), (day - 7, day + 8)]
    assert name_days.list_days(variant, pack, Days(day - 900, day - 800)) == []
    assert name_days.list_days(variant, pack, Days(day, day, all_time=True, spans=spans)) == [(day - 400, day + 7)]


def test_all_time_begins_with_the_first_list() -> None:
    x = toy.NAMES["X"]
    old, before = x.names(toy.DAY - 400)[5], x.names(toy.DAY - 401)[5]
    made = name_days.annotate(keyed(name=[old, before]), toy.PACK, Days(toy.DAY, toy.DAY, all_time=True))
    assert made["name_days"].column("name").to_pylist() == [old]


def test_both_branches_are_told_apart() -> None:
    rows = toy.NAMES["X"].both(toy.DAY)
    made = name_days.annotate(keyed(name=[name for name, *_ in rows]), toy.PACK, TODAY)["name_days"]
    assert sorted(set(made.column("branch").to_pylist())) == ["both", "libm", "x87"]
    assert made.num_rows == len(rows)


def test_ports_of_address_and_week() -> None:
    address, number, week = "10.1.2.3", 0x0A010203, 2571
    port = [toy.PORTS.port(number, week + shift, kind) for shift, kind in ((0, 0), (0, 1), (-1, 2), (2, 2))]
    keys = keyed(
        server=[address] * 5 + ["fe80::1", address],
        protocol=["tcp", "udp", "tcp", "tcp", "tcp", "tcp", "tcp"],
        server_port=[*port, 25_000, 25_000, 30_000],
        week=[week] * 7,
    )
    made = contact_ports.annotate(keys, toy.PACK, TODAY)["contact_ports"].to_pylist()
    found = {(r["protocol"], r["server_port"]): (r["match"], r["week_offset"]) for r in made}
    assert found == {
        ("tcp", port[0]): ("address", 0),
        ("udp", port[1]): ("address", 0),
        ("tcp", port[2]): ("week", -1),
    }


def test_weeks_of_hours() -> None:
    hours = [604_800 // 3600 - 1, 604_800 // 3600]
    made = contact_ports.annotate_weeks(keyed(hour=pa.array(hours, pa.int64())), toy.PACK, TODAY)
    assert made["contact_weeks"].to_pylist() == [{"hour": hours[0], "week": 0}, {"hour": hours[1], "week": 1}]
    usable = {(r["protocol"], r["server_port"]) for r in made["usable_ports"].to_pylist()}
    assert len(usable) == 2 * toy.PORTS.usable_ports - 1
    assert ("tcp", 30_000) not in usable  # left out by the pack
    assert ("udp", 30_000) in usable


@pytest.mark.parametrize(
    ("uri", "host", "names", "exact"),
    [
        ("/hello?n=7", "192.0.2.1", "User-Agent,Host", True),
        ("/hello?n=7", "192.0.2.1", "user-agent,HOST", True),
        ("/hello?n=7", "192.0.2.1", "User-Agent,Host,Via", True),
        ("/hello?n=7", "192.0.2.1", "", False),
        ("/hello?n=7", "192.0.2.1", "Host,User-Agent", None),
        ("/hello?n=7", "192.0.2.1", "User-Agent,Host,Accept", None),
        ("/hello?n=7", "192.0.2.300", "User-Agent,Host", None),
        ("/hello?n=7&x", "192.0.2.1", "User-Agent,Host", None),
        ("/toy/box.exe", "toys.example", "", True),
        ("/toy/box.exe", "other.example", "", None),
    ],
)
def test_request_forms(uri: str, host: str, names: str, exact: bool | None) -> None:
    keys = keyed(method=["GET"], uri=[uri], host=[host], header_names=[names])
    made = request_forms.annotate(keys, toy.PACK, TODAY)["request_forms"].to_pylist()
    assert [row["exact"] for row in made] == ([] if exact is None else [exact])


def test_a_form_for_any_host() -> None:
    fits = request_forms._judge(HttpForm("any", "http.support", (), "GET", "/x", "any"))
    assert fits("GET", "/x", "", "") is True
    assert fits("POST", "/x", "", "") is None


def test_packets_and_files() -> None:
    good = toy.PACKETS.make("hi")
    keys = keyed(protocol=["udp", "tcp", "udp"], payload=[good, good, b"TOYjunk...."])
    assert packet_forms.annotate(keys, toy.PACK, TODAY)["packet_forms"].to_pylist() == [
        {"protocol": "udp", "payload": good, "form": "peer-to-peer", "detail": "hi"}
    ]
    paths = keyed(share=["ADMIN$", "C$", "X", ""], path=["Toys\\AbC.de", "toys\\abc.de", "START.ME", "toys\\a.b"])
    made = file_forms.annotate(paths, toy.PACK, TODAY)["file_forms"].to_pylist()
    assert [(r["share"], r["form"], r["file_name"]) for r in made] == [
        ("", "job-file", "a.b"),  # a share that the source does not name may be any
        ("ADMIN$", "job-file", "abc.de"),
        ("X", "starter", "start.me"),
    ]


def test_calls() -> None:
    rows = [("", make.WRITES), ("", make.PLAIN), (toy.HOLE, make.ASKS), (toy.HOLE, "00"), (toy.JOBS, make._job("run x.y"))]
    keys = keyed(
        interface=[i for i, _ in rows],
        opnum=pa.array([0 if i == toy.JOBS else 31 for i, _ in rows], pa.int32()),
        byte_order=["little"] * len(rows),
        ndr64=[False] * len(rows),
        stub=[bytes.fromhex(stub) for _, stub in rows],
    )
    made = {(r["interface"], r["stub"].hex()): r for r in call_effects(keys, toy.PACK, TODAY)["call_effects"].to_pylist()}
    assert [made[row]["effect"] for row in rows] == ["writes-before", "none", "question", "malformed", "none"]
    assert made["", make.WRITES]["step"] == 3
    assert made[toy.JOBS, make._job("run x.y")]["command"] == "run x.y"


def _keys(annotator: Any, duck: Any) -> pa.Table:
    return duck.arrow(annotator.keys(duck.tables(), toy.PACK))


@pytest.mark.parametrize("annotator", ANNOTATORS, ids=lambda a: a.name)
@settings(max_examples=5, deadline=None)
@given(data=st.data())
def test_order_of_keys_means_nothing(annotator: Any, data: st.DataObject) -> None:
    rows: dict[str, list[dict[str, Any]]] = {}
    for rule in make.MAKERS:
        case = json.loads((Path(__file__).parent / "detectors" / rule / "input.json").read_text())
        rows.setdefault(annotator.fact, []).extend(case["positive"].get(annotator.fact, []))
    with play.open_duck(rows) as duck:
        play.annotate(duck, toy.PACK)
        keys = _keys(annotator, duck)
    assert keys.num_rows
    order = data.draw(st.permutations(range(keys.num_rows)))
    made = annotator.annotate(keys, toy.PACK, TODAY)
    assert {name: t.schema for name, t in made.items()} == {name: BY_NAME[name].schema for name in annotator.makes}
    assert annotator.annotate(keys.take(pa.array(order)), toy.PACK, TODAY) == made
    assert annotator.annotate(keys.slice(0, 0), toy.PACK, TODAY).keys() == made.keys()


def test_empty_facts_make_empty_tables_also_after_full_ones() -> None:
    with play.open_duck({}) as duck:
        for annotator in ANNOTATORS:
            for name in annotator.makes:
                duck.add(name, pa.table([[None]] * len(BY_NAME[name].columns), schema=BY_NAME[name].schema))
        assert duck.empty() & {name for a in ANNOTATORS for name in a.makes} == set()
        annotate_all(duck, toy.PACK, TODAY)
        assert duck.empty() == {t.name for t in (*FACTS, *ANNOTATIONS, *CUTS)}


def test_telling_queries_are_those_with_telling_names() -> None:
    listed = toy.NAMES["Y"].names(toy.DAY)[0]
    names = ["www.example", listed, "www.clock.example", "_ldap._tcp.corp.example", "ldap.corp.example"]
    rows = {"dns_queries": [make.lookup(make.NOON + i, make.GOOD, name) for i, name in enumerate(names)]}
    with play.open_duck(rows) as duck:
        play.annotate(duck, toy.PACK)
        assert sorted(r["name"] for r in duck.fetch(duck.tables()["telling_queries"])) == sorted(names[1:4])
