"""The story as Zeek 6 would log it: tab-separated logs with their headers.

Columns and types are those of Zeek 6's base scripts (`scripts/base/protocols/*/main.zeek`). The log's rows come from
the scenes, which write what Zeek would have written, its blind spots included: no `dce_rpc` row for a call
that is never answered, no share in `smb_files` for an SMB1 open, no outcome in `ntlm` for a logon that Windows refused,
and one `ntlm` row a connection.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

_ID = "ts:time uid:string id.orig_h:addr id.orig_p:port id.resp_h:addr id.resp_p:port "

COLUMNS: dict[str, str] = {
    "conn": _ID + "proto:enum service:string duration:interval orig_bytes:count resp_bytes:count conn_state:string "
    "local_orig:bool local_resp:bool missed_bytes:count history:string orig_pkts:count orig_ip_bytes:count "
    "resp_pkts:count resp_ip_bytes:count tunnel_parents:set[string]",
    "dns": _ID + "proto:enum trans_id:count rtt:interval query:string qclass:count qclass_name:string qtype:count "
    "qtype_name:string rcode:count rcode_name:string AA:bool TC:bool RD:bool RA:bool Z:count answers:vector[string] "
    "TTLs:vector[interval] rejected:bool",
    "http": _ID + "trans_depth:count method:string host:string uri:string referrer:string version:string user_agent:string "
    "origin:string request_body_len:count response_body_len:count status_code:count status_msg:string info_code:count "
    "info_msg:string tags:set[enum] username:string password:string proxied:set[string] orig_fuids:vector[string] "
    "orig_filenames:vector[string] orig_mime_types:vector[string] resp_fuids:vector[string] "
    "resp_filenames:vector[string] resp_mime_types:vector[string]",
    "smb_mapping": _ID + "path:string service:string native_file_system:string share_type:string",
    "smb_files": _ID + "fuid:string action:enum path:string name:string size:count prev_name:string times.modified:time "
    "times.accessed:time times.created:time times.changed:time",
    "dce_rpc": _ID + "rtt:interval named_pipe:string endpoint:string operation:string",
    "ntlm": _ID + "username:string hostname:string domainname:string server_nb_computer_name:string "
    "server_dns_computer_name:string server_tree_name:string success:bool",
    "dhcp": "ts:time uids:set[string] client_addr:addr server_addr:addr mac:string host_name:string client_fqdn:string "
    "domain:string requested_addr:addr assigned_addr:addr lease_time:interval client_message:string "
    "server_message:string msg_types:vector[string] duration:interval",
}
"""Log -> its columns as `name:type`, in Zeek's order."""


def seconds(time_us: int) -> str:
    """A time in microseconds as Zeek prints it."""
    return f"{time_us // 1_000_000}.{time_us % 1_000_000:06d}"


def escape(text: str) -> str:
    r"""Text as Zeek's ASCII writer prints it: backslashes doubled, unprintable bytes as ``\\xNN``."""
    if text.isascii() and text.isprintable() and "\\" not in text:
        return text
    out = []
    for byte in text.encode():
        char = chr(byte)
        out.append("\\\\" if char == "\\" else char if 0x20 <= byte < 0x7F else f"\\x{byte:02x}")
    return "".join(out)


def _list(values: Iterable[object], kind: str) -> str:
    inner = kind[kind.index("[") + 1 : -1]
    texts = [_value(value, inner).replace(",", "\\x2c") for value in values]
    return ",".join(texts) if texts else "(empty)"


def _value(value: object, kind: str) -> str:
    if value is None:
        return "-"
    if kind.endswith("]"):
        return _list(value, kind) if isinstance(value, list | tuple) else "-"
    if kind == "time":
        return seconds(int(str(value)))
    if kind == "interval":
        return f"{float(str(value)):.6f}"
    if kind == "bool":
        return "T" if value else "F"
    text = escape(str(value))
    return text if text not in ("-", "(empty)") else "\\x2d" if text == "-" else "\\x28empty)"


class ZeekLogs:
    """A sink that writes one file a log into `folder`; logs without a row are not made, as with Zeek."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, io.TextIOWrapper] = {}
        self._columns = {log: [tuple(c.split(":", 1)) for c in text.split()] for log, text in COLUMNS.items()}

    keeps_packets = False

    def packet(self, time_us: int, frame: bytearray) -> None:
        """Logs keep no packets."""

    def row(self, time_us: int, log: str, values: Mapping[str, object]) -> None:
        """Append a row; rows of logs that Zeek does not have are not ours."""
        columns = self._columns.get(log)
        if columns is None:
            return
        file = self._files.get(log) or self._open(log, time_us)
        file.write("\t".join(_value(values.get(name), kind) for name, kind in columns) + "\n")

    def close(self) -> None:
        """Finish all logs."""
        for log in sorted(self._files):
            self._files[log].close()
        self._files.clear()

    def _open(self, log: str, time_us: int) -> io.TextIOWrapper:
        self._folder.mkdir(parents=True, exist_ok=True)
        file = (self._folder / f"{log}.log").open("w", encoding="ascii", newline="\n")
        names, kinds = zip(*self._columns[log], strict=True)
        file.write("#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n")
        file.write(f"#path\t{log}\n#open\t{_opened(time_us)}\n")
        file.write("#fields\t" + "\t".join(names) + "\n#types\t" + "\t".join(kinds) + "\n")
        self._files[log] = file
        return file


def _opened(time_us: int) -> str:
    return datetime.fromtimestamp(time_us // 1_000_000, UTC).strftime("%Y-%m-%d-%H-%M-%S")
