"""Shareable copies: published vectors, networks that stay networks, and no original identifier in any output."""

from __future__ import annotations

import csv
import html
import json
import re
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.cli_help import Done, lookups, wormward
from tests.judge_help import pack
from tests.report_help import SITE, outbreak, poisoned
from tests.test_house_copies import strings
from wormward.command.outputs import OUTPUTS
from wormward.model.states import Remark
from wormward.packs import builtin_packs
from wormward.report.cryptopan import CryptoPan
from wormward.report.pseudonyms import pseudonymous
from wormward.report.traces import is_address, public_names
from wormward.report.words import NOBODYS

# The sample key and sample trace that came with the reference implementation (Xu, Fan, Ammar, Moon, 2002).
REFERENCE_KEY = bytes([
    21, 34, 23, 141, 51, 164, 207, 128, 19, 10, 91, 22, 73, 144, 125, 16,
    216, 152, 143, 131, 121, 121, 101, 39, 98, 87, 76, 45, 42, 132, 34, 2,
])  # fmt: skip
REFERENCE = {
    "128.11.68.132": "135.242.180.132", "129.118.74.4": "134.136.186.123", "130.132.252.244": "133.68.164.234",
    "141.223.7.43": "141.167.8.160", "141.233.145.108": "141.129.237.235", "152.163.225.39": "151.140.114.167",
    "156.29.3.236": "147.225.12.42", "165.247.96.84": "162.9.99.234", "166.107.77.190": "160.132.178.185",
    "192.102.249.13": "252.138.62.131", "192.215.32.125": "252.43.47.189", "192.233.80.103": "252.25.108.8",
    "192.41.57.43": "252.222.221.184", "193.150.244.223": "253.169.52.216", "195.205.63.100": "255.186.223.5",
    "198.200.171.101": "249.199.68.213", "198.26.132.101": "249.36.123.202", "198.36.213.5": "249.7.21.132",
    "198.51.77.238": "249.18.186.254", "199.217.79.101": "248.38.184.213", "202.49.198.20": "245.206.7.234",
    "203.12.160.252": "244.248.163.4", "204.184.162.189": "243.192.77.90",
}  # fmt: skip
# The same key in yacryptopan 1.0.2, another author's implementation of both families.
SIXES = {
    "::1": "78ff:f001:9fc0:20df:8380:b1f1:704:ed", "::2": "78ff:f001:9fc0:20df:8380:b1f1:704:ef",
    "::ffff": "78ff:f001:9fc0:20df:8380:b1f1:704:f838", "2001:db8::1": "4401:2bc:603f:d91d:27f:ff8e:e6f1:dc1e",
    "2001:db8::2": "4401:2bc:603f:d91d:27f:ff8e:e6f1:dc1c",
}  # fmt: skip
KEY = bytes(range(40))


def test_addresses_map_as_the_reference_maps_them() -> None:
    pan = CryptoPan(REFERENCE_KEY)
    assert {a: pan.pseudonym(a) for a in REFERENCE} == REFERENCE
    assert {a: pan.pseudonym(a) for a in SIXES} == SIXES


@pytest.mark.parametrize("bits", [32, 128])
def test_networks_stay_networks(bits: int) -> None:
    kind = type(ip_address("10.0.0.1" if bits == 32 else "::1"))
    pan = CryptoPan(REFERENCE_KEY)

    def shared(a: int, b: int) -> int:
        return bits - (a ^ b).bit_length()

    @settings(deadline=None)
    @given(st.integers(0, 2**bits - 1), st.integers(0, 2**bits - 1), st.integers(0, bits))
    def check(one: int, other: int, same: int) -> None:
        other = (one >> bits - same << bits - same) | (other & ((1 << bits - same) - 1))
        mapped = [int(ip_address(pan.pseudonym(str(kind(value))))) for value in (one, other)]
        assert shared(*mapped) == shared(one, other)

    check()


def test_nothing_hostile_and_no_name_is_left() -> None:
    told = poisoned().assessment
    copy = pseudonymous(told, [pack()], KEY)
    left = {text for text in strings(copy) if "alert(1)" in text or SITE in text}
    assert left <= {told.pack["title"]}, "only the pack's own words stay"
    originals = {h.address for h in told.hosts} | {h.device for h in told.hosts} - {told.pack["title"]}
    assert originals.isdisjoint(strings(copy))


def test_one_key_one_copy_and_another_key_another() -> None:
    told = outbreak().assessment
    copy, again, other = (pseudonymous(told, [pack()], key) for key in (KEY, KEY, KEY[::-1]))
    assert copy == again
    assert {h.address for h in copy.hosts}.isdisjoint(h.address for h in other.hosts)
    assert {f.id for f in copy.findings}.isdisjoint(f.id for f in told.findings)
    assert list(copy.hosts) == sorted(copy.hosts, key=lambda h: (h.site, int(ip_address(h.address)))), "not the original order"
    assert sorted(h.verdict for h in copy.hosts) == sorted(h.verdict for h in told.hosts)
    known = {f.id for f in copy.findings}
    assert {i for h in copy.hosts for r in h.reasons for i in r.findings} <= known
    assert {i for e in copy.edges for i in e.findings} <= known
    cited = {c.sha256 for f in copy.findings for c in f.cites}
    assert cited <= {c.sha256 for c in copy.coverage}


def test_places_of_a_sentence() -> None:
    """Addresses keep being addresses wherever they stand, rule numbers numbers; all else is a token."""
    fields: dict[str, str | int] = {
        "hosts": "10.0.0.1, 10.0.0.2, 2001:db8::7, …",
        "host": "10.0.0.1 [Ward 7]",
        "detail": "flags 0x0001: address 10.0.0.1, port 4000",
        "number": "1:2009024",
        "sinkhole": "10.0.0.1",
        "uri": "/patients/yamada",
        "count": 3,
        "new": "who knows",
    }
    told = replace(outbreak().assessment, remarks=(Remark("x", fields),))
    copy = pseudonymous(told, [pack()], KEY).remarks[2].fields
    one = str(copy["sinkhole"])
    assert is_address(one)
    assert one != "10.0.0.1"
    shown = str(copy["hosts"]).split(", ")
    assert (one in shown, shown[-1], len(shown)) == (True, "…", 4)
    assert re.fullmatch(re.escape(one) + r" \[site-[a-z2-7]{16}\]", str(copy["host"]))
    assert copy["detail"] == f"flags 0x0001: address {one}, port 4000"
    assert (copy["number"], copy["count"]) == ("1:2009024", 3)
    assert re.fullmatch(r"uri-[a-z2-7]{16}", str(copy["uri"]))
    assert re.fullmatch(r"new-[a-z2-7]{16}", str(copy["new"]))


# Columns of the example's Zeek logs that tell who is who.
TELLING = {
    "conn": ("id.orig_h", "id.resp_h"),
    "dns": ("id.orig_h", "id.resp_h", "answers"),
    "http": ("id.orig_h", "id.resp_h", "host"),
    "smb_files": ("path", "name"),
    "smb_mapping": ("path",),
    "ntlm": ("username", "hostname", "domainname"),
    "dhcp": ("mac", "host_name", "assigned_addr"),
}
COMMON = {"", "-", "administrator", "admin", "guest", "user", "data", "public", "service", "workgroup", "ms", "client"}
"""Account and share names that are words of reports too."""
NOBODY = {"0.0.0.0", "255.255.255.255"}  # noqa: S104 - addresses of nobody


def identifiers(repo: Path) -> set[str]:
    """What the example's logs hold that a shareable copy must not."""
    found: set[str] = set()
    folder = repo / "examples" / "outbreak"
    for log, columns in TELLING.items():
        fields: list[str] = []
        for line in (folder / "zeek" / f"{log}.log").read_text(encoding="utf-8").splitlines():
            if line.startswith("#fields"):
                fields = line.split("\t")[1:]
            elif not line.startswith("#"):
                row = dict(zip(fields, line.split("\t"), strict=True))
                found |= {part for column in columns if column in row for part in row[column].split(",")}
    found |= {path.name for path in folder.rglob("*") if path.is_file()}
    threat = builtin_packs()[0]
    public = threat.sinkholes | public_names(threat) | {h for form in threat.http_forms for h in form.hosts}
    return {x for x in found if x.lower() not in public | COMMON and len(x) > 2 and x not in NOBODY}


@pytest.fixture(scope="module")
def shared(repo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every shareable output of the example, and what the terminal shows."""
    folder = tmp_path_factory.mktemp("copy")
    (folder / "key").write_bytes(KEY)
    (folder / "key").chmod(0o600)
    asked = [w for o in OUTPUTS if o.shareable for w in (f"--{o.option}", folder / "out" / o.option)]
    (folder / "out").mkdir()
    done = wormward("assess", repo / "examples" / "outbreak", *asked, "--pseudonymous", folder / "key")
    assert done.code == 1, done.err
    (folder / "out" / "stdout").write_text(done.out, encoding="utf-8")
    return folder / "out"


def test_no_output_names_anybody(shared: Path, example_outputs: Path, repo: Path) -> None:
    told = json.loads((example_outputs / "json").read_text(encoding="utf-8"))
    wanted = identifiers(repo)
    wanted |= {c["sha256"] for c in told["coverage"]} | {f["id"] for f in told["findings"]}
    wanted |= {h["device"] for h in told["hosts"]} | {a for h in told["hosts"] for a in h["addresses"]}
    assert len([w for w in wanted if is_address(w)]) > 100
    assert len([w for w in wanted if not is_address(w)]) > 100
    long = {w.lower() for w in wanted if len(w) > 9 and not is_address(w) and not re.fullmatch(r"\w+", w)}
    files = [p for p in shared.rglob("*") if p.is_file()]
    assert {p.relative_to(shared).parts[0] for p in files} == {"stdout", *(o.option for o in OUTPUTS if o.shareable)}
    for path in files:
        text = path.read_text(encoding="utf-8")
        assert "TLP:AMBER" in text, path
        for form in {text, html.unescape(text), text.replace("\\\\", "\\")}:
            words = set(re.findall(r"[\w.:$\\-]+", form.lower())) | set(re.findall(r"[\w.]+", form.lower()))
            assert not {w for w in wanted if w.lower() in words}, path
            assert not {w for w in long if w in form.lower()}, path


def test_the_same_search_finds_them_where_they_are(example_outputs: Path, repo: Path) -> None:
    text = (example_outputs / "json").read_text(encoding="utf-8").lower()
    words = set(re.findall(r"[\w.]+", text))
    assert len({w for w in identifiers(repo) if w.lower() in words}) > 40


def test_every_output_says_that_the_addresses_are_nobodys(shared: Path, example_outputs: Path) -> None:
    """A recipient must not block or blame the real owners of such addresses."""
    files = [p for p in shared.rglob("*") if p.is_file()]
    assert [p for p in files if NOBODYS not in html.unescape(p.read_text(encoding="utf-8"))] == []
    plain = [p for o in OUTPUTS for p in (example_outputs / o.option,) if p.is_file()]
    assert [p for p in plain if NOBODYS in html.unescape(p.read_text(encoding="utf-8"))] == []
    assert json.loads((shared / "json").read_text(encoding="utf-8"))["pseudonymous"] is True
    assert json.loads((example_outputs / "json").read_text(encoding="utf-8"))["pseudonymous"] is False
    events = [json.loads(line) for line in (shared / "ocsf").read_text(encoding="utf-8").splitlines()]
    assert all(NOBODYS in event["metadata"]["labels"] for event in events)
    for path in (shared / "csv").iterdir():
        head, *rows = csv.reader(path.read_text(encoding="utf-8-sig").splitlines())
        assert head[-1] == "note"
        assert rows
        assert {row[-1] for row in rows} == {NOBODYS}
    objects = json.loads((shared / "stix").read_text(encoding="utf-8"))["objects"]
    addresses = {o["id"] for o in objects if o["type"] in {"ipv4-addr", "ipv6-addr"}}
    assert addresses <= {ref for o in objects if o["type"] == "note" and o["content"] == NOBODYS for ref in o["object_refs"]}
    ours = [o for o in objects if "created_by_ref" in o]
    assert ours
    assert all(o["labels"] == ["pseudonymous"] for o in ours)
    assert all(o["description"] == NOBODYS for o in ours if o["type"] == "identity")


def test_a_copy_keeps_the_contract(shared: Path, example_outputs: Path, repo: Path) -> None:
    copy, told = (json.loads((folder / "json").read_text(encoding="utf-8")) for folder in (shared, example_outputs))
    schema = json.loads((repo / "docs" / "assessment.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(schema).validate(copy)
    assert copy["summary"] == told["summary"]
    assert sorted(f["rule"] for f in copy["findings"]) == sorted(f["rule"] for f in told["findings"])
    assert sorted(e["likelihood"] for e in copy["graph"]["edges"]) == sorted(e["likelihood"] for e in told["graph"]["edges"])
    sinkholes = {f["fields"]["sinkhole"] for f in told["findings"] if "sinkhole" in f["fields"]}
    assert sinkholes == {f["fields"]["sinkhole"] for f in copy["findings"] if "sinkhole" in f["fields"]}


def refused(folder: Path, *words: str | Path) -> str:
    done: Done = wormward("assess", lookups(folder), *words)
    assert done.code == 2
    return done.one_sentence()


def test_keys_that_others_may_know_are_refused(tmp_path: Path) -> None:
    key, out = tmp_path / "key", tmp_path / "out"
    assert wormward("keygen", key).code == 0
    assert key.stat().st_mode & 0o777 == 0o600
    assert len(key.read_bytes()) == 32
    assert wormward("keygen", key).code == 2
    assert wormward("keygen", tmp_path / "no" / "key").code == 2
    for mode in (0o640, 0o604, 0o660):
        key.chmod(mode)
        assert "by others" in refused(tmp_path, "--pseudonymous", key)
    key.chmod(0o600)
    out.mkdir()
    (out / "key").write_bytes(KEY)
    (out / "key").chmod(0o600)
    for option in ("--csv", "--workspace"):
        assert "handed round" in refused(tmp_path, "--pseudonymous", out / "key", option, out)
    assert "other people's addresses" in refused(tmp_path, "--pseudonymous", key, "--blocklists", out)
    (tmp_path / "short").write_bytes(b"x" * 31)
    (tmp_path / "short").chmod(0o600)
    assert "31 bytes" in refused(tmp_path, "--pseudonymous", tmp_path / "short")
    assert "cannot be read" in refused(tmp_path, "--pseudonymous", tmp_path / "none")
    assert wormward("assess", lookups(tmp_path), "--pseudonymous", key, "--csv", out, "--quiet").code == 0
