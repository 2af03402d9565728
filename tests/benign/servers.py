"""Real servers for the server's end of the wire: Samba, BIND, a web server."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.benign.recorder import SERVER, Wire

USER, WORD = "anna", "Stille-Post-7"  # of this throw-away Samba only


def samba(wire: Wire, folder: Path, more: str = "") -> Path:
    """Start Samba with a share, an ADMIN$-like share and SMB1 allowed; returns its configuration file.

    `more` are further lines of its global section.
    """
    share = folder / "share"
    share.mkdir(parents=True)
    for name in ("private", "state", "cache", "lock", "pid", "ncalrpc"):
        (folder / name).mkdir()
    conf = folder / "smb.conf"
    dirs = "\n".join(f"{option} = {folder / name}" for option, name in (
        ("private dir", "private"), ("state directory", "state"), ("cache directory", "cache"),
        ("lock directory", "lock"), ("pid directory", "pid"), ("ncalrpc dir", "ncalrpc"),
    ))  # fmt: skip
    conf.write_text(
        f"""[global]
workgroup = WARD
security = user
map to guest = Bad User
server min protocol = NT1
client min protocol = NT1
interfaces = {SERVER}
bind interfaces only = yes
disable netbios = yes
smb ports = 445
load printers = no
admin users = root
log level = 0
{dirs}
{more}
[data]
path = {share}
read only = no
[ADMIN$]
path = {share}
read only = no
"""
    )
    (folder / "word").write_text(f"{WORD}\n{WORD}\n")
    with (folder / "word").open() as word:
        subprocess.run(["smbpasswd", "-c", str(conf), "-s", "-a", "root"], stdin=word, check=True, capture_output=True)
    wire.serve("smbd", "-F", "--no-process-group", "-s", str(conf))
    wire.wait_for(445)
    return conf


def bind(wire: Wire, folder: Path) -> Path:
    """Start BIND for the zone ward.example; returns the query log that it will write."""
    folder.mkdir(parents=True)
    (folder / "zone").write_text(
        "$TTL 60\n@ IN SOA ns hostmaster 1 60 60 60 60\n@ IN NS ns\nns IN A 10.77.0.20\n"
        "files IN A 10.77.0.20\nwww IN A 10.77.0.20\n_ldap._tcp IN SRV 0 100 389 files\n"
    )
    log = folder / "queries.log"
    (folder / "named.conf").write_text(
        f"""options {{ directory "{folder}"; listen-on {{ {SERVER}; }}; listen-on-v6 {{ none; }}; recursion no;
pid-file "{folder}/pid"; session-keyfile "{folder}/key"; querylog yes; dnssec-validation no; }};
controls {{ }};
logging {{ channel q {{ file "{log}"; print-time yes; print-category yes; print-severity yes; }}; category queries {{ q; }}; }};
zone "ward.example" {{ type primary; file "{folder}/zone"; }};
"""
    )
    wire.serve("named", "-f", "-u", "root", "-c", str(folder / "named.conf"))
    wire.wait_for(53)
    return log


def web(wire: Wire, folder: Path) -> None:
    """Start Python's own web server on port 80 with one page and one ordinary program to download."""
    folder.mkdir(parents=True)
    (folder / "index.html").write_text("<title>ward</title>" + "<p>bed</p>" * 2000)
    (folder / "search").write_text("nothing found")
    (folder / "setup.exe").write_bytes(b"MZ" + bytes(4000))
    wire.serve(sys.executable, "-m", "http.server", "80", "--bind", SERVER, cwd=folder)
    wire.wait_for(80)
