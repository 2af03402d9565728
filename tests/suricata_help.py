"""What the real Suricata says of a capture: its EVE lines, with rules where a test gives some."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.need import need_program

TYPES = (
    "[flow, {dns: {version: 2}}, {http: {extended: yes, dump-all-headers: both}}, smb, dcerpc, {dhcp: {extended: yes}}, alert]"
)
CONFIG = f"""%YAML 1.1
---
vars:
  address-groups: {{HOME_NET: "any", EXTERNAL_NET: "any", SMTP_SERVERS: "any", HTTP_SERVERS: "any"}}
  port-groups: {{HTTP_PORTS: "80", SHELLCODE_PORTS: "!80"}}
outputs:
  - eve-log: {{enabled: yes, filetype: regular, filename: eve.json, types: {TYPES}}}
app-layer:
  protocols:
    dns: {{tcp: {{enabled: yes, detection-ports: {{dp: 53}}}}, udp: {{enabled: yes, detection-ports: {{dp: 53}}}}}}
    http: {{enabled: yes}}
    smb: {{enabled: yes, detection-ports: {{dp: "139, 445"}}}}
    dcerpc: {{enabled: yes}}
    dhcp: {{enabled: yes}}
"""


def events(capture: Path, folder: Path, rules: Path | None = None) -> Path:
    """The EVE file that Suricata writes into `folder` (made here) about `capture`, by `rules` or none."""
    program = need_program("suricata")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "suricata.yaml").write_text(CONFIG)
    (folder / "none.rules").write_text("")
    words = [program, "-c", folder / "suricata.yaml", "-r", capture, "-l", folder, "-S", rules or folder / "none.rules"]
    done = subprocess.run(
        [*map(str, words), "--runmode", "single", "-k", "none", "--pidfile", str(folder / "pid")],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-500:]
    return folder / "eve.json"
