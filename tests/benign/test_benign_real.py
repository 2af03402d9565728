"""What real programs do must accuse nobody, and must be seen as what it was."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.benign import servers
from tests.benign.recorder import CLIENT, SERVER, wire
from tests.capture_help import tshark
from tests.need import need_program

pytestmark = [pytest.mark.root, pytest.mark.slow]

NEEDED = {
    "ip": "iproute2", "tcpdump": "tcpdump", "smbd": "samba", "smbclient": "smbclient", "rpcclient": "smbclient",
    "named": "bind9", "dig": "bind9-dnsutils", "curl": "curl",
}  # fmt: skip


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One quarter of an hour of a ward, in ten seconds: shares over three dialects, logons, lookups, web."""
    if os.geteuid() != 0:
        pytest.skip("needs root to make network namespaces")
    for program, package in NEEDED.items():
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed: apt-get install {package}")
    folder = tmp_path_factory.mktemp("real")
    given = folder / "given"
    given.mkdir()
    tool = folder / "tool.exe"
    tool.write_bytes(b"MZ" + b"ordinary" * 30_000)
    (folder / "autorun.inf").write_text("[autorun]\nopen=setup.exe\nicon=setup.exe\n")
    with wire() as w:
        servers.samba(w, folder / "smb")
        queries = servers.bind(w, folder / "dns")
        servers.web(w, folder / "web")
        with w.capture(given / "ward.pcap"):
            for dialect in ("NT1", "SMB2_02", "SMB3"):
                w.client(
                    "smbclient", f"//{SERVER}/data", "-U", f"root%{servers.WORD}", "-m", dialect,
                    "--option=client min protocol=NT1", "-c",
                    f"put {tool} tool.exe; put {folder}/autorun.inf autorun.inf; get tool.exe {folder}/back; "
                    "rename tool.exe older.exe; del older.exe", check=True,
                )  # fmt: skip
            w.client("smbclient", f"//{SERVER}/ADMIN$", "-U", f"root%{servers.WORD}", "-c", f"put {tool} tool.exe", check=True)
            for _ in range(3):  # a typing error, three times
                w.client("smbclient", f"//{SERVER}/data", "-U", "root%wrong", "-m", "NT1",
                         "--option=client min protocol=NT1", "-c", "ls")  # fmt: skip
            w.client("smbclient", "-L", f"//{SERVER}", "-N", check=True)
            w.client("rpcclient", "-U", f"root%{servers.WORD}", SERVER, "-c", "netshareenum; srvinfo", check=True)
            for name in ("files", "www", "nobody", "_ldap._tcp"):
                w.client("dig", f"@{SERVER}", "+tries=1", f"{name}.ward.example", "SRV" if name[0] == "_" else "A", check=True)
            for page in ("", "search?q=7", "setup.exe", "none"):
                w.client("curl", "-s", "-o", "/dev/null", f"http://{SERVER}/{page}", check=True)
        shutil.copy(queries, given / "queries.log")
    return {"given": given, "capture": given / "ward.pcap"}


def assess(*words: str, out: Path) -> tuple[int, dict[str, Any]]:
    """Run the real command; its exit code and its JSON."""
    command = [sys.executable, "-m", "wormward.cli", "assess", *words, "--json", str(out)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=300)
    assert out.exists(), done.stderr
    return done.returncode, json.loads(out.read_text())


def test_nobody_is_accused(recording: dict[str, Path], tmp_path: Path) -> None:
    """The page /search?q=7, a program put into ADMIN$, autorun.inf on a share: each is ordinary by itself."""
    code, said = assess(str(recording["given"]), out=tmp_path / "out.json")
    assert code == 0
    assert {h["address"] for h in said["hosts"] if "." in h["address"]} == {CLIENT, SERVER}
    assert {h["verdict"] for h in said["hosts"]} == {"unknown"}


def test_the_capture_shows_what_was_done(recording: dict[str, Path], tmp_path: Path) -> None:
    """Each thing the client did is one row, whatever the dialect."""
    import duckdb

    work = tmp_path / "work"
    assess(str(recording["capture"]), "--workspace", str(work), out=tmp_path / "out.json")

    def rows(table: str, columns: str, where: str = "true") -> list[tuple[Any, ...]]:
        files = f"{work}/tables/{table}/*.parquet"
        return duckdb.sql(f"select {columns} from read_parquet('{files}') where {where} order by all").fetchall()  # noqa: S608

    done = rows("smb_files", "path, action, count(*)", "share = 'DATA' and path in ('tool.exe', 'older.exe') group by all")
    assert ("tool.exe", "write", 3) in done
    assert ("older.exe", "rename", 3) in done  # a rename is told by the new name
    assert ("older.exe", "delete", 3) in done
    assert rows("smb_files", "distinct executable", "action = 'write' and path = 'tool.exe'") == [(True,)]
    assert rows("smb_files", "sum(bytes)", "action = 'write' and path = 'tool.exe' and share = 'DATA'") == [(3 * 240_002,)]
    # The three typing errors, and smbclient -N, which tries the user without a password before it goes anonymous.
    assert rows("smb_logons", "count(*)", "outcome = 'failure'") == [(4,)]
    asked = rows("dns_queries", "name, rcode")
    assert ("nobody.ward.example", "NXDOMAIN") in asked
    assert ("files.ward.example", "NOERROR") in asked
    assert ("/setup.exe", True) in rows("http_requests", "uri, executable")
    calls = rows("rpc_calls", "interface, opnum", "outcome = 'answered'")
    assert ("4b324fc8-1670-01d3-1278-5a47bf6ee188", 15) in calls  # NetrShareEnum
    assert ("4b324fc8-1670-01d3-1278-5a47bf6ee188", 21) in calls  # NetrServerGetInfo


def test_encrypted_shares_are_told_of(tmp_path: Path) -> None:
    """Samba that requires encryption: as many messages as tshark sees, and nothing is made up of what they carry."""
    if os.geteuid() != 0:
        pytest.skip("needs root to make network namespaces")
    for program in ("ip", "tcpdump", "smbd", "smbclient", "tshark"):
        need_program(program)
    capture = tmp_path / "sealed.pcap"
    (tmp_path / "tool.exe").write_bytes(b"MZ" + b"ordinary" * 30_000)
    with wire() as w:
        servers.samba(w, tmp_path / "smb", "server smb encrypt = required")
        with w.capture(capture):
            for _ in range(2):
                w.client(
                    "smbclient", f"//{SERVER}/data", "-U", f"root%{servers.WORD}", "-m", "SMB3",
                    "--client-protection=encrypt", "-c", f"put {tmp_path}/tool.exe tool.exe", check=True,
                )  # fmt: skip
    code, said = assess(str(capture), out=tmp_path / "out.json")
    (source,) = said["coverage"]
    transforms = tshark(capture, ["tcp.stream", "smb2.header.transform.msg_size"], show="smb2.header.transform.msg_size")
    messages = sum(row["smb2.header.transform.msg_size"].count(",") + 1 for row in transforms)
    assert len({row["tcp.stream"] for row in transforms}) == 2
    (note,) = (n for n in source["notes"] if "encrypted" in n)
    assert note.startswith(f"2 SMB connections were encrypted ({messages} messages, the first in frame ")
    assert (code, source["problems"], source["rows"].get("smb_files"), source["rows"]["smb_logons"]) == (0, [], None, 2)
