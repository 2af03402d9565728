"""Programs from outside that a test compares with, and how to get them.

A developer's machine may lack one: then the test skips and says which package brings it. In CI nothing may be
lacking, so the same want fails there (`CI=true`); a program that the machine's package source does not have at all
is named in `WORMWARD_WITHOUT` by `.ci/run`, which says so aloud.
"""

from __future__ import annotations

import importlib.util
import os
import shutil

import pytest

# Program -> Debian package. `scripts/system.sh` installs the same packages; a test compares the two.
PACKAGES: dict[str, str] = {
    "tshark": "tshark",
    "capinfos": "wireshark-common",
    "mergecap": "wireshark-common",
    "editcap": "wireshark-common",
    "nmap": "nmap",
    "smbd": "samba",
    "smbclient": "smbclient",
    "rpcclient": "smbclient",
    "named": "bind9",
    "named-checkzone": "bind9-utils",
    "dig": "bind9-dnsutils",
    "curl": "curl",
    "ip": "iproute2",
    "taskset": "util-linux",
    "unshare": "util-linux",
    "tcpdump": "tcpdump",
    "chromium": "chromium",
    "pdfinfo": "poppler-utils",
    "pdftotext": "poppler-utils",
    "suricata": "suricata",
    "softflowd": "softflowd",
    "soffice": "libreoffice-calc-nogui",
    "java": "default-jre-headless",
}


def in_ci() -> bool:
    """Whether this run is one where nothing may be lacking."""
    return os.environ.get("CI", "").lower() in ("1", "true")


def need_program(name: str) -> str:
    """The path of a program, or a skip that says how to install it (a failure in CI).

    Programs in `/usr/sbin` are found too: a plain user's PATH on Debian leaves it out.
    """
    found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if found:
        return found
    if name in os.environ.get("WORMWARD_WITHOUT", "").split():
        pytest.skip(f"{name} is not to be had from this machine's package source")
    reason = f"{name} is not installed: apt-get install {PACKAGES.get(name, name)} (or `make test`)"
    if in_ci():
        pytest.fail(f"{reason}; in CI nothing may be lacking")
    pytest.skip(reason)


def need_module(name: str, command: str) -> None:
    """A skip that says which command installs a Python package that is an extra, where it is not there (a failure in CI)."""
    if importlib.util.find_spec(name) is not None:
        return
    reason = f"{name} is not installed: {command}"
    if in_ci():
        pytest.fail(f"{reason}; in CI nothing may be lacking")
    pytest.skip(reason)
