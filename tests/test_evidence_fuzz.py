"""No reader falls over what it is given: cut files, garbage lines, bytes changed. Trouble is coverage, never an exception."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.evidence_help import read_paths
from tests.test_evidence_zeek import CONN, ID, ndjson, tsv
from wormward.evidence import (
    argus,
    bind_querylog,
    blocks,
    dns_csv,
    eve,
    isc_leases,
    kea_leases,
    nfdump_csv,
    pfirewall,
    shadowserver,
    silk,
    squid,
    syslog,
    w3c,
    windows_dhcp,
    windows_dns,
    zeek,
)
from wormward.evidence.files import EvidenceFile
from wormward.evidence.registry import READERS
from wormward.model.reading import ReadContext
from wormward.store import Workspace

STORY = {
    "conn": CONN,
    "dns": {**ID, "id.resp_p": 53, "query": "a.b", "qclass": 1, "qtype": 1, "rcode": 0, "answers": ["10.0.0.1", "c.d"]},
    "http": {**ID, "trans_depth": 1, "method": "GET", "uri": "http://h/x", "host": "H:1", "status_code": 200,
             "response_body_len": 3, "proxied": ["VIA -> x"], "resp_mime_types": ["text/html"],
             "client_header_names": ["HOST"]},
    "smb_mapping": {**ID, "path": "\\\\h\\ADMIN$", "share_type": "DISK"},
    "smb_files": {**ID, "action": "SMB::FILE_OPEN", "path": "\\\\h\\C$", "name": "x", "size": 0, "times.created": 5.5},
    "dce_rpc": {**ID, "endpoint": "srvsvc", "operation": "NetprPathCompare", "named_pipe": "\\PIPE\\x", "rtt": 0.1},
    "ntlm": {**ID, "username": "u", "domainname": "d", "success": False},
    "dhcp": {"ts": 1.5, "uids": ["C"], "msg_types": ["ACK"], "assigned_addr": "10.0.0.1", "mac": "a",
             "host_name": "h", "lease_time": 5.0},
}  # fmt: skip
FILES: dict[str, object] = {
    "squid/real-native/input/access.log": squid,
    "squid/real-forms/input/combined.log": squid,
    "squid/real-forms/input/headers.log": squid,
    "w3c/iis/input/u_ex261123.log": w3c,
    "w3c/bluecoat/input/times.log": w3c,
    "w3c/tmg/input/ISALOG_20261123_WEB_000.w3c": w3c,
    "pfirewall/every-action/input/pfirewall.log": pfirewall,
    "windows-dns/us/input/dns.log": windows_dns,
    "windows-dns/details/input/dns.log": windows_dns,
    "windows-dhcp/english/input/DhcpSrvLog-Mon.log": windows_dhcp,
    "isc-leases/history/input/dhcpd.leases": isc_leases,
    "kea/states/input/kea-leases4.csv": kea_leases,
    "syslog/openwrt/input/logread.txt": syslog,
    "syslog/dnsmasq-extra/input/messages": syslog,
    "syslog/unbound-real/input/unbound-4.log": syslog,
    "syslog/cisco-asa/input/asa.log": syslog,
    "syslog/fortigate/input/fortigate.log": syslog,
    "syslog/filterlog/input/filter.log": syslog,
    "syslog/dhcpd-real/input/dhcpd.log": syslog,
    "syslog/packets-real/input/kern.log": syslog,
    "windows-dhcp/japanese/input/DhcpSrvLog-Mon.log": windows_dhcp,
    "kea/real/input/kea-leases6.csv": kea_leases,
    "isc-leases/real/input/dhcpd.leases": isc_leases,
    "shadowserver/sinkhole/input/2021.csv": shadowserver,
    "eve/alerts/input/eve.json": eve,
    "shadowserver/http/input/event4_sinkhole_http.csv": shadowserver,
}
"""Cases of sources that are seeds too, with their reader."""
SEEDS: dict[str, tuple[object, bytes]] = {
    "bind": (
        bind_querylog,
        b"23-Nov-2026 08:49:33.123 queries: info: client @0x7f 10.1.2.3#5 (a.b): query: a.b IN A + (10.0.0.53)\n" * 3,
    ),
    "bind-iso": (
        bind_querylog,
        b"2026-11-23T08:49:33.123Z client ::1#5 (a.b): view v: query: a\\032b IN A +E(0)K (::2) [ECS 1/2]\n" * 3,
    ),
    "csv": (
        dns_csv,
        b'time,client,name,answer\n2026-11-23T08:49:33Z,10.0.0.1,a.b,"10.0.0.2 c.d"\n2026-11-23 08:49,::1,c.d,NXDOMAIN\n',
    ),
    "argus": (argus, (Path(__file__).parent / "sources/argus/states/input/flows.txt").read_bytes()),
    "argus-flags": (argus, (Path(__file__).parent / "sources/argus/argus3/input/flows.binetflow").read_bytes()),
    "nfdump": (nfdump_csv, (Path(__file__).parent / "sources/nfdump/csv17/input/flows.csv").read_bytes()),
    "nfdump-newer": (nfdump_csv, (Path(__file__).parent / "sources/nfdump/csv-newer/input/flows.csv").read_bytes()),
    "silk": (silk, (Path(__file__).parent / "sources/silk/rwcut/input/flows.txt").read_bytes()),
    "eve": (eve, (Path(__file__).parent / "sources/eve/suricata7/input/eve.json").read_bytes()[:6000]),
    "eve-dns": (eve, (Path(__file__).parent / "sources/eve/dns-versions/input/eve.json").read_bytes()),
    **{name: (reader, (Path(__file__).parent / "sources" / name).read_bytes()[:6000]) for name, reader in FILES.items()},
    **{f"{log}-tsv": (zeek, tsv(log, row, row)) for log, row in STORY.items()},
    **{f"{log}-json": (zeek, ndjson(row, row)) for log, row in STORY.items()},
}


def read(reader: object, folder: Path, data: bytes) -> None:
    """Read `data` by one reader, recognised or not; what comes out must be told."""
    path = folder / "x"
    path.write_bytes(data)
    with Workspace() as store:
        found = reader.read(EvidenceFile(path, "x", 0, "site", len(data)), ReadContext(store))  # type: ignore[attr-defined]
        store.finish([])
        for table, count in found.coverage.rows.items():
            rows = store.parts(table).memory
            assert rows.num_rows == count
            rows.validate(full=True)
            assert rows.column("time").null_count == rows.column("place").null_count == rows.column("site").null_count == 0
            lines = data.count(b"\n") + 1
            assert all(1 <= place <= lines for place in rows.column("place").to_pylist()) or b"\0" in data[:4]


_MEANS_SOMETHING = [b"\n", b"\t", b"\0", b"\xff", b"-", b"9" * 20, b"\\x", b'"', b"{", b"#", b"(empty)"]
_edit = st.one_of(
    st.tuples(st.just("cut"), st.integers(0, 3000), st.just(b"")),
    st.tuples(st.just("put"), st.integers(0, 3000), st.binary(min_size=1, max_size=4)),
    st.tuples(st.just("over"), st.integers(0, 3000), st.sampled_from(_MEANS_SOMETHING)),
    st.tuples(st.just("line"), st.integers(0, 9), st.one_of(st.binary(max_size=40), st.text(max_size=20).map(str.encode))),
)  # fmt: skip


def edited(data: bytes, edits: list[tuple[str, int, bytes]]) -> bytes:
    for what, at, new in edits:
        if what == "line":
            lines = data.split(b"\n")
            lines.insert(at % (len(lines) + 1), new)
            data = b"\n".join(lines)
            continue
        place = at % (len(data) + 1)
        data = data[:place] if what == "cut" else data[:place] + new + data[place + (len(new) if what == "over" else 0) :]
    return data


@pytest.mark.parametrize("seed", SEEDS)
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(edits=st.lists(_edit, min_size=1, max_size=6), block=st.sampled_from([64, 1000, 1 << 20]))
@example(edits=[("line", 0, b"")], block=64)
def test_damaged_logs(tmp_path: Path, seed: str, edits: list[tuple[str, int, bytes]], block: int) -> None:
    reader, data = SEEDS[seed]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "BLOCK", block)
        read(reader, tmp_path, edited(data, edits))


@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=300), which=st.sampled_from([bind_querylog, dns_csv, zeek, *dict.fromkeys(FILES.values())]))
def test_garbage(tmp_path: Path, data: bytes, which: object) -> None:
    read(which, tmp_path, data)


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=200), st.sampled_from([data for _, data in SEEDS.values()]), st.integers(0, 300))
def test_recognition_never_raises(noise: bytes, seed: bytes, at: int) -> None:
    for reader in READERS:
        assert reader.recognise(seed[:at] + noise + seed[at:], "x") in (True, False)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.sampled_from(sorted(SEEDS)), cut=st.integers(1, 400), flip=st.integers(0, 400))
def test_damaged_packed_files(tmp_path: Path, seed: str, cut: int, flip: int) -> None:
    packed = bytearray(gzip.compress(SEEDS[seed][1]))
    packed[flip % len(packed)] ^= 1 << (flip % 8)
    path = tmp_path / "x.gz"
    path.write_bytes(packed[: max(1, len(packed) - cut % 40)])
    found = read_paths(path)
    assert found.reads or found.found.unreadable
