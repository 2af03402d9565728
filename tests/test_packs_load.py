"""Loading a pack: strict at the door, errors that name the file, the key and the remedy; the made-up worm loads too."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
from datetime import date
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wormward.detect import DETECTORS
from wormward.model import pack as model
from wormward.model.errors import PackError
from wormward.model.findings import Kind
from wormward.model.rules import RULES
from wormward.packs import build, builtin_packs, files, lint, load, registry, schema


@pytest.fixture(scope="session")
def made_up(repo: Path) -> Path:
    """The folder of the worm that does not exist."""
    return repo / "tests" / "packs" / "mothlantern"


@pytest.fixture
def copy(made_up: Path, tmp_path: Path) -> Path:
    """A copy of it, to be spoilt."""
    return Path(shutil.copytree(made_up, tmp_path / "moth"))


def spoil(folder: Path, old: str, new: str) -> None:
    file = folder / "pack.toml"
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), encoding="utf-8")


def refusal(folder: Path) -> str:
    with pytest.raises(PackError) as caught:
        load(folder)
    return str(caught.value)


def test_the_made_up_worm_loads_by_the_same_loader(made_up: Path) -> None:
    pack = load(made_up)
    assert lint(pack) == []
    assert [v.letter for v in pack.variants] == ["K", "L", "M"]
    first = [v.domains.names_per_day for v in pack.variants if v.domains]
    assert first == [120, 300, 4000]
    for variant in pack.variants:
        assert variant.domains is not None
        names = variant.domains.names(variant.first_day)
        found = variant.domains.find(names[:10], variant.first_day, variant.first_day).to_pylist()
        assert [row["position"] for row in found] == list(range(10))
        assert (variant.domains.letters(names) > 0).all()
    assert pack.spreading.scan_ports == (7445,)
    assert "caught.mothlantern.example" in pack.sinkholes


def test_it_shares_no_shape_with_the_first_worm(made_up: Path) -> None:
    ours, theirs = builtin_packs()[0], load(made_up)
    assert not {f.uri for f in ours.http_forms} & {f.uri for f in theirs.http_forms} - {"/"}
    assert not {s for f in ours.http_forms for s in f.header_sets} & {s for f in theirs.http_forms for s in f.header_sets}
    assert not {f.path for f in ours.file_forms} & {f.path for f in theirs.file_forms}
    assert not set(ours.spreading.scan_ports) & set(theirs.spreading.scan_ports)
    assert not ours.sinkholes & theirs.sinkholes
    assert not set(ours.closed_network.date_sites) & set(theirs.closed_network.date_sites)


def test_builtin_packs_are_listed_and_loaded() -> None:
    packs = builtin_packs()
    assert [p.name for p in packs] == sorted(folder.name for folder in registry.folders())
    assert all(len(p.digest) == 64 for p in packs)


SPOILT = {
    "unknown key": ("[pack]\n", "[pack]\ncolour = 1\n", "moth/pack.toml: pack.colour: is not a key of this table; remove it"),
    "missing key": ('title = "Mothlantern"\n', "", "moth/pack.toml: pack.title: is missing; add it"),
    "wrong type": ("least_names = 3", 'least_names = "3"', "moth/pack.toml: pack.least_names: input should be a valid integer"),
    "no silent number": ("tolerance_days = 5", "tolerance_days = 5.0", "pack.tolerance_days: input should be a valid integer"),
    "no silent truth": ("least_names = 3", "least_names = true", "pack.least_names: input should be a valid integer"),
    "date as text": ("since = 2019-06-01", 'since = "2019-06-01"', "pack.since: input should be a valid date"),
    "out of range": ("least_port = 1024", "least_port = 70000", "peer_to_peer.least_port: input should be less than or equal"),
    "bad pattern": (r"uri = '/pub/lamp", r"uri = '/pub/(lamp", "http_forms[2].uri: is no regular expression"),
    "endless pattern": (r"uri = '/pub/lamp[0-9]{2}", r"uri = '/pub/(x+)+lamp", "http_forms[2].uri: repeats a repetition"),
    "long pattern": (r"uri = '/pub/lamp", "uri = '/pub/" + "l" * 501, "http_forms[2].uri: is a pattern of more than 500"),
    "example does not fit": ("/pub/lamp07.bin", "/pub/lamp7.bin", "http_forms[2]: does not agree with its own example"),
    "counterexample fits": ("/pub/lamp.bin", "/pub/lamp11.bin", "http_forms[2]: does not agree with its own example"),
    "no example": ("examples = ['holiday photos.lnk']", "examples = []", "file_forms[2]: needs at least one example"),
    "hosts without list": ('host = "dotted-quad"', 'host = "listed"', "http_forms[1]: has hosts without"),
    "unknown rule": ('rule = "p2p.ports"', 'rule = "p2p.sound"', "names the rule 'p2p.sound', which this program does not have"),
    "unknown way": ('way = "share"', 'way = "post"', "'post' is no way in; it may be exploit, password"),
    "unknown kind of form": ('rule = "http.download"', 'rule = "http.upload"', "http_forms[2].rule: input should be"),
    "unknown letter": ('variants_password = ["L"]', 'variants_password = ["Z"]', "letter 'Z' is used but not described"),
    "same letter": ('letter = "L"', 'letter = "K"', "two of them have the same letter"),
    "same form": ('id = "lamp"', 'id = "ping"', "http_forms: two of them have the same id"),
    "weight of both kinds": ("computed = true", "computed = true\nmilli = 5", "needs either milli or computed = true"),
    "unknown algorithm": (
        'algorithm = "conficker.domains"', 'algorithm = "shell.command"',
        "moth/pack.toml: variants[1].domains.algorithm: there is no domains algorithm 'shell.command'; this program has:",
    ),
    "algorithm of another kind": (
        'algorithm = "conficker.packets"', 'algorithm = "conficker.ports"',
        "peer_to_peer.packets.algorithm: there is no packets algorithm",
    ),
    "parameter unknown": ("con1 = 0x31415926535", "con1 = 1\ncon9 = 1", "variants[1].domains: unknown key 'con9'; remove it"),
    "parameter missing": ("con1 = 0x31415926535\n", "", "variants[1].domains: the key 'con1' is missing; add it"),
    "parameter of another type": (
        "con_dbl = 0.271828182", "con_dbl = 1", "variants[1].domains: con_dbl is of the wrong type; it must be a number with"
    ),
    "list of another type": ('suffixes = ["se", "fi", "dk"]', "suffixes = [1]", "[2].domains: suffixes is of the wrong type"),
    "parameter refused": ("con2 = 864000000000", "con2 = 0", "variants[1].domains: con2 and con_rand must not be 0"),
    "port rule refused": ("multiplier = 0x41C64E6D", "multiplier = 0", "peer_to_peer.ports: multiplier must be"),
    "left out": ('left_out = [["udp", 6881]]', 'left_out = [["udp", "x"]]', "peer_to_peer: has ['udp', 'x'] in left_out"),
    "interface": ('interface = "4b324fc8', 'interface = "4B324FC8', "wanted_calls[1].interface: is no interface UUID"),
    "no TOML": ("[pack]\n", "[pack\n", "moth/pack.toml: is no TOML: "),
    "several": ("tolerance_days = 5\nnames_convict_milli = 9000", "tolerance_days = -1\nnames_convict_milli = 1.5", "(and 1 m"),
}  # fmt: skip


@pytest.mark.parametrize("case", SPOILT)
def test_refusals(copy: Path, case: str) -> None:
    old, new, said = SPOILT[case]
    spoil(copy, old, new)
    text = refusal(copy)
    assert said in text
    assert text.startswith("moth/pack.toml: ")
    assert "\n" not in text


def test_no_folder_no_pack(tmp_path: Path) -> None:
    assert "cannot be read" in refusal(tmp_path / "nowhere")
    assert "has no pack.toml" in refusal(tmp_path)
    (tmp_path / "pack.toml").write_bytes(b'title = "\xff"')
    assert "is not UTF-8 (byte 9)" in refusal(tmp_path)


def test_a_pack_is_bounded(copy: Path) -> None:
    (copy / "huge.csv").write_bytes(bytes(files.MOST_BYTES + 1))
    assert "huge.csv: is larger than 4 MB" in refusal(copy)
    (copy / "huge.csv").unlink()
    for i in range(files.MOST_FILES):
        (copy / f"{i}.csv").touch()
    assert "has more than 64 files" in refusal(copy)


def test_links_are_not_followed(copy: Path, tmp_path: Path) -> None:
    before = load(copy).digest
    (copy / "indicators" / "more.csv").symlink_to(tmp_path / "elsewhere.csv")
    (copy / "loop").symlink_to(copy)
    assert load(copy).digest == before


SINKHOLES = {
    "address,seen,source\n": "line 1: the columns must be sinkhole,seen,source",
    "sinkhole,seen,source\nhttp://x.example/,,me\n": "line 2: 'http://x.example/' is no address",
    "sinkhole,seen,source\n192.0.2.1,,me\nX.example,,me\n": "line 3: 'X.example' is no address",
    "sinkhole,seen,source\n192.0.2.1\n": "line 2: must have three columns",
    "sinkhole,seen,source\n192.0.2.1,,me,you\n": "line 2: must have three columns",
    "sinkhole,seen,source\n010.0.2.1,,me\n": "line 2: '010.0.2.1' is no address",
    'sinkhole,seen,source\n"192.0.2.1,,me\n': "is no CSV in UTF-8",
}


@pytest.mark.parametrize("text", SINKHOLES)
def test_sinkhole_lists_are_checked(copy: Path, text: str) -> None:
    (copy / "indicators" / "sinkholes.csv").write_text(text)
    said = refusal(copy)
    assert said.startswith("moth/indicators/sinkholes.csv: ")
    assert SINKHOLES[text] in said


def test_a_pack_may_have_no_sinkholes(copy: Path) -> None:
    shutil.rmtree(copy / "indicators")
    assert load(copy).sinkholes == frozenset()


def test_the_digest_is_of_what_speaks(copy: Path) -> None:
    first = load(copy).digest
    (copy / "README.md").write_text("other words")
    os.utime(copy / "pack.toml", (0, 0))
    assert load(copy).digest == first
    spoil(copy, "least_names = 3", "least_names = 4")
    second = load(copy).digest
    assert second != first
    (copy / "indicators" / "sinkholes.csv").rename(copy / "sinkholes.csv")
    assert load(copy).digest not in (first, second)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_damage_is_refused_in_one_sentence_or_harmless(copy: Path, made_up: Path, data: st.DataObject) -> None:
    whole = (made_up / "pack.toml").read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    cut = data.draw(st.integers(0, 40))
    (copy / "pack.toml").write_bytes(whole[:at] + data.draw(st.binary(max_size=8)) + whole[at + cut :])
    with contextlib.suppress(PackError):
        load(copy)


def test_every_rule_has_a_sentence() -> None:
    assert all(sentence.endswith(".") for sentence in RULES.values())
    assert len(Kind) <= len(RULES)


def test_detectors_and_rules_are_the_same_list() -> None:
    assert sorted(detector.rule for detector in DETECTORS) == sorted(RULES)


@pytest.mark.parametrize(
    ("table", "value"), [(schema.SpreadingTable, model.Spreading), (schema.ClosedNetworkTable, model.ClosedNetwork)]
)
def test_tables_that_are_copied_whole_have_the_values_fields(table: type[schema.Strict], value: Any) -> None:
    fields = {f.name: f for f in dataclasses.fields(value)}
    assert set(table.model_fields) == set(fields)
    hints = get_type_hints(value)
    for name, key in table.model_fields.items():
        assert (getattr(key.annotation, "__origin__", None) is list) == (hints[name] not in (int, str)), name


def test_days_are_counted_from_1970() -> None:
    assert build.day_number(date(1970, 1, 2)) == 1


def test_algorithms_are_a_closed_list() -> None:
    assert sorted(registry.ALGORITHMS) == ["conficker.domains", "conficker.packets", "conficker.ports"]
    assert registry.processors() >= 1
    assert get_args(schema.Protocol) == ("tcp", "udp")


def odd(pack: model.ThreatPack, **changes: Any) -> list[str]:
    return lint(dataclasses.replace(pack, **changes))


def test_lint_names_what_is_odd(made_up: Path) -> None:
    pack = load(made_up)
    rules = pack.judge
    weights = tuple(w for w in rules.weights if w.rule != "p2p.ports")
    assert odd(pack, judge=dataclasses.replace(rules, weights=weights)) == [
        "no weight for p2p.ports: what it finds will not count"
    ]
    twice = dataclasses.replace(rules, weights=(*rules.weights, rules.weights[0]))
    assert "two weights for names.day-list as actor" in odd(pack, judge=twice)[0]
    assert "do not rise" in odd(pack, judge=dataclasses.replace(rules, suspected=9000))[0]
    assert "names_convict_milli" in odd(pack, names_convict_milli=1)[0]
    assert "begins before the pack does" in odd(pack, since_day=30000)[0]
    assert "operation 0 of 1ff70682" in odd(pack, wanted_calls=pack.wanted_calls[:1])[0]
    assert "not payload of both protocols" in odd(pack, wants=pack.wants[:1])[0]
