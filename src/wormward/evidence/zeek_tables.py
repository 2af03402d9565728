"""What each of Zeek's logs means in our tables: one function a log, whatever the log is written in.

References: the record types of Zeek's base scripts (`scripts/base/protocols/*/main.zeek`); conn_state's list stands in
`conn/main.zeek`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from wormward.evidence import zeek_rpc
from wormward.evidence.capture_rows import host_text, pipe_text, share_text
from wormward.evidence.rows import constant, optional
from wormward.evidence.values import Column, address, either, label_bytes, same
from wormward.evidence.zeek_fields import Fields, lists
from wormward.model.text import escaped_path, printable_bytes
from wormward.wire.dns import QTYPES, qtype_text, rcode_text

Times = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

# conn_state (Zeek's own words) -> state of a flow.
STATES = {
    "S0": "attempt",  # SYN seen, no reply
    "S1": "established",
    "SF": "established",
    "S2": "established",
    "S3": "established",
    "RSTO": "established",  # established, then aborted by the originator
    "RSTR": "established",  # ... by the responder
    "REJ": "refused",
    "RSTOS0": "attempt",  # SYN, then RST of the originator; the responder never answered
    "SH": "attempt",  # SYN, then FIN of the originator; no SYN-ACK
    "RSTRH": "midstream",  # SYN-ACK and RST of the responder; no SYN was seen
    "SHR": "midstream",  # the responder alone was seen
    "OTH": "midstream",  # no SYN seen
}
SMB_PORTS = (139, 445)
# Name services of the local link and of NetBIOS stand in dns.log too; `dns_queries` is about DNS.
_NOT_DNS = (137, 5353, 5355)
# Zeek logs an SMB1 open before it knows whether the tree is a pipe share; these are pipes.
_PIPES = frozenset({
    "atsvc", "browser", "epmapper", "eventlog", "keysvc", "lsarpc", "lsass", "msgsvc", "netdfs", "netlogon", "ntsvcs",
    "protected_storage", "samr", "spoolss", "srvsvc", "svcctl", "trkwks", "w32time", "winreg", "wkssvc",
})  # fmt: skip
_SMALL = 1 << 31


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows for one table: UTC microseconds, lines from 0 in the block, and the table's other columns."""

    table: str
    times: Times
    lines: npt.NDArray[np.int64]
    columns: dict[str, pa.Array]

    def kept(self, keep: Mask) -> Rows:
        """Only some of them."""
        if keep.all():
            return self
        mask = pa.array(keep)
        return Rows(self.table, self.times[keep], self.lines[keep], {k: v.filter(mask) for k, v in self.columns.items()})


Made = tuple[list[Rows], Mask]  # rows, and which of the log's rows were good


def _ends(f: Fields) -> tuple[dict[str, pa.Array], Mask]:
    """Client and server of most logs, and where both are there."""
    client, server = f.address("id.orig_h"), f.address("id.resp_h")
    return {"client": client.arrow(), "server": server.arrow()}, (client.codes >= 0) & (server.codes >= 0)


def _port(f: Fields, name: str) -> npt.NDArray[np.int32]:
    numbers, known = f.number(name)
    return np.where(known & (numbers >= 0) & (numbers < 1 << 16), numbers, 0).astype(np.int32)


def _count(f: Fields, name: str) -> npt.NDArray[np.int64]:
    return f.number(name)[0]  # 0 where unset


def _small(f: Fields, name: str) -> pa.Array:
    numbers, known = f.number(name)
    known = known & (numbers >= 0) & (numbers < _SMALL)
    return optional(np.where(known, numbers, 0).astype(np.int32), known)


def _rows_of(column: Column, *texts: str) -> Mask:
    """Where a column says one of `texts`."""
    return np.equal(column.table(lambda text: int(text in texts)), 1)


def flows(f: Fields, times: Times) -> Made:
    """conn.log."""
    columns, good = _ends(f)
    proto = f.text("proto").fixed(str.lower)
    ported = _rows_of(proto, "tcp", "udp")
    packets_in = _count(f, "resp_pkts")
    # Without a usable conn_state, and for protocols that have none, it counts whether anything came back.
    state = f.text("conn_state").fixed(STATES.get)
    by_answer = (state.codes < 0) | ~ported
    answered = Column((packets_in > 0).astype(np.int32), pa.array(["attempt", "established"]))
    number = f.text("ip_proto").fixed(lambda text: text if text.isascii() and text.isdigit() else None)
    number = either(number, same("0", len(times)), number.codes < 0)
    protocol = proto.fixed(lambda text: text if text in ("tcp", "udp", "icmp") else None)
    columns |= {
        "time_end": pa.array(times + np.maximum(f.number("duration", 6)[0], 0)),
        "client_port": pa.array(np.where(ported, _port(f, "id.orig_p"), 0).astype(np.int32)),
        "server_port": pa.array(np.where(ported, _port(f, "id.resp_p"), 0).astype(np.int32)),
        "protocol": either(protocol, number, protocol.codes < 0).arrow(),
        "state": either(state, answered, by_answer).arrow(),
        "bytes_out": pa.array(_payload(f, "orig", _rows_of(proto, "udp"))),
        "bytes_in": pa.array(_payload(f, "resp", _rows_of(proto, "udp"))),
        "packets_out": pa.array(_count(f, "orig_pkts")),
        "packets_in": pa.array(packets_in),
    }
    return [Rows("flows", times, f.lines, columns)], good


def _payload(f: Fields, side: str, udp: Mask) -> npt.NDArray[np.int64]:
    """Payload bytes; Zeek leaves them unset for a lone UDP packet, where they follow from the IP length."""
    numbers, known = f.number(f"{side}_bytes")
    total, has_total = f.number(f"{side}_ip_bytes")
    six = f.address("id.orig_h").table(lambda text: int(":" in text)) == 1
    # IP header (no options) and 8 bytes of UDP header a packet.
    lone = total - _count(f, f"{side}_pkts") * np.where(six, 48, 28)
    return np.maximum(np.where(~known & has_total & udp, lone, numbers), 0)


def lookups(f: Fields, times: Times) -> Made:
    """dns.log. Rows without a name (an answer whose question was not seen) say nothing and are left out.

    A log that was thinned out may not say which server was asked.
    """
    client, server = f.address("id.orig_h"), f.address("id.resp_h")
    columns = {"client": client.arrow(), "server": server.arrow()}
    good = (client.codes >= 0) & ((server.codes >= 0) | (f.text("id.resp_h").codes < 0))
    name = f.domain("query")
    ports = _port(f, "id.resp_p")
    qtype, has_qtype = f.number("qtype")
    rcode, has_rcode = f.number("rcode")
    codes, answers = f.items("answers", _answer)
    # No answer section but an answer: the list is empty, not unknown.
    codes = np.where((codes < 0) & has_rcode, len(answers), codes).astype(np.int32)
    columns |= {
        "name": name.arrow(),
        "qtype": _numbered(qtype, has_qtype, qtype_text, f.text("qtype_name").fixed(_qtype_name)).arrow(),
        "rcode": _numbered(rcode, has_rcode, rcode_text, f.text("rcode_name").fixed(str.upper)).arrow(),
        "answers": lists(codes, [*answers, []]),
        "additional": constant(None, len(times)),
    }
    rows = Rows("dns_queries", times, f.lines, columns)
    return [rows.kept(good & (name.codes >= 0) & ~np.isin(ports, _NOT_DNS))], good


def _answer(raw: bytes) -> str | None:
    """An address or a name as captures give it, other records as Zeek puts them into words."""
    return address(raw) or (label_bytes(raw) if b" " not in raw else printable_bytes(raw))


def _qtype_name(text: str) -> str:
    """Zeek's name of a record type where the log has no number."""
    if text == "*":
        return QTYPES[255]
    return f"TYPE{text.removeprefix('query-')}" if text.startswith("query-") else text


def _numbered(numbers: npt.NDArray[np.int64], known: Mask, name: Callable[[int], str], otherwise: Column) -> Column:
    """Numbers by name; where there is none, what the log says in words."""
    distinct, codes = np.unique(np.where(known, numbers, -1), return_inverse=True)
    named = Column(codes.astype(np.int32), pa.array([name(int(n)) if n >= 0 else "" for n in distinct], pa.string()))
    return either(named, otherwise, ~known)


def requests(f: Fields, times: Times) -> Made:
    """http.log. Rows without a method (an answer whose request was not seen) are left out.

    Zeek decodes percent signs in URIs, and writes header names (where that script is loaded) in capitals.
    """
    columns, good = _ends(f)
    method = f.text("method")
    uri = f.text("uri", _uri)
    host = f.text("host", host_text)
    absolute = f.text("uri", _absolute_host)
    proxied = _rows_of(f.text("uri", lambda raw: "1" if _cut_uri(raw)[0] else "0"), "1")
    codes, headers = f.items("proxied", lambda raw: printable_bytes(raw.partition(b" ")[0].upper()))
    explicit = np.array([*("PROXY-CONNECTION" in names for names in headers), False])
    status, has_status = f.number("status_code")
    length, has_length = f.number("response_body_len")
    mime_codes, mimes = f.items("resp_mime_types", printable_bytes)
    program = np.array([*(_PROGRAM in types for types in mimes), False])
    header_codes, header_names = f.items("client_header_names", printable_bytes)
    columns |= {
        "client_port": pa.array(_port(f, "id.orig_p")),
        "server_port": pa.array(_port(f, "id.resp_p")),
        "method": method.arrow(),
        "uri": uri.arrow(),
        "host": either(host, absolute, host.codes < 0).arrow(),
        "user_agent": f.text("user_agent").arrow(),
        "header_names": Column(header_codes, pa.array([",".join(names) for names in header_names], pa.string())).arrow(),
        "proxied": pa.array(proxied | explicit[codes]),
        "status": _small(f, "status_code"),
        "response_bytes": optional(length, has_length & (has_status | (length > 0))),
        "executable": optional(program[mime_codes], mime_codes >= 0),
    }
    del status
    return [Rows("http_requests", times, f.lines, columns).kept(good & (method.codes >= 0))], good


_PROGRAM = "application/x-dosexec"


def _cut_uri(raw: bytes) -> tuple[bytes, bytes]:
    """Host and rest of a whole URL; no host and `raw` of anything else."""
    scheme, colon, rest = raw.partition(b"://")
    if not colon or not scheme.isalpha():
        return b"", raw
    host, slash, path = rest.partition(b"/")
    return host, slash + path if slash else b"/"


def _uri(raw: bytes) -> str:
    return printable_bytes(_cut_uri(raw)[1])


def _absolute_host(raw: bytes) -> str | None:
    host = _cut_uri(raw)[0]
    return host_text(host) if host else None


def _path_text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


def shares(f: Fields, times: Times) -> Made:
    """smb_mapping.log: Zeek writes a row when the server granted the tree."""
    columns, good = _ends(f)
    share = f.text("path", lambda raw: share_text(_path_text(raw)))
    pipes = _rows_of(f.text("share_type").fixed(str.upper), "PIPE")
    unknown = _rows_of(share, "<UNKNOWN>") | (share.codes < 0)
    share = either(share, same("IPC$", len(times)), unknown & pipes)
    columns |= {
        "share": share.arrow(),
        "outcome": constant("success", len(times)),
        "status": pa.nulls(len(times), pa.int64()),
    }
    return [Rows("smb_shares", times, f.lines, columns).kept(good & (share.codes >= 0))], good


_ACTIONS = {
    "SMB::FILE_OPEN": "open", "SMB::FILE_WRITE": "write", "SMB::FILE_DELETE": "delete", "SMB::FILE_RENAME": "rename",
}  # fmt: skip
# An empty file that was made when it was opened (by the server's clock, which may lag a little) was made by that.
_MADE_WITHIN_US = 2_000_000


def files(f: Fields, times: Times) -> Made:
    """smb_files.log. Reads, closes and whatever goes on in pipes and print queues is no row here."""
    columns, good = _ends(f)
    action = f.text("action").fixed(_ACTIONS.get)
    path = f.text("name", lambda raw: _file_path(_path_text(raw)))
    share = f.text("path", lambda raw: share_text(_path_text(raw)))
    pipe = (share.codes < 0) & (path.table(lambda text: int(text.lower() in _PIPES)) == 1)
    pipe |= _rows_of(share, "IPC$")
    share = either(share, same("", len(times)), share.codes < 0)  # not named: empty, as an SMB1 open's is
    size, _ = f.number("size")
    created, has_created = f.number("times.created", 6)
    fresh = has_created & (size == 0) & (np.abs(created - times) <= _MADE_WITHIN_US) & _rows_of(action, "open")
    columns |= {
        "share": share.arrow(),
        "path": path.arrow(),
        "action": either(action, same("create", len(times)), fresh).arrow(),
        "bytes": pa.array(np.where(_rows_of(action, "write"), np.maximum(size, 0), 0)),
        "executable": pa.nulls(len(times), pa.bool_()),
    }
    rows = Rows("smb_files", times, f.lines, columns)
    return [rows.kept(good & (action.codes >= 0) & (path.codes >= 0) & ~pipe)], good


def _file_path(text: str) -> str:
    return "" if text == "<share_root>" else escaped_path(text.lstrip("\\"))


def calls(f: Fields, times: Times) -> Made:
    """dce_rpc.log: answered calls only, in words; what the requests said is not shown."""
    columns, good = _ends(f)
    endpoint = f.text("endpoint")
    # The pair decides, so number pairs; over plain TCP Zeek writes the port where the pipe would stand.
    pairs = pair(endpoint, f.text("operation"))
    opnums = np.array([*(-1 if n is None else n for n in (zeek_rpc.operation(*p) for p in pairs[1])), -1], np.int64)[pairs[0]]
    pipe = f.text("named_pipe", lambda raw: None if raw.isdigit() else pipe_text(_path_text(raw)))
    columns |= {
        "server_port": pa.array(_port(f, "id.resp_p")),
        "pipe": pipe.arrow(),
        "interface": endpoint.fixed(zeek_rpc.interface).arrow(),
        "opnum": optional(np.maximum(opnums, 0).astype(np.int32), opnums >= 0),
        "outcome": constant("answered", len(times)),
        "result": pa.nulls(len(times), pa.int64()),
        "byte_order": constant(None, len(times)),
        "ndr64": pa.nulls(len(times), pa.bool_()),
        "stub": pa.nulls(len(times), pa.binary()),
    }
    return [Rows("rpc_calls", times, f.lines, columns)], good


def pair(first: Column, second: Column) -> tuple[npt.NDArray[np.int64], list[tuple[str, str]]]:
    """Number the distinct pairs of two columns (-1 where one is absent), and what they are."""
    both = (first.codes >= 0) & (second.codes >= 0)
    key = np.where(both, first.codes.astype(np.int64) * max(1, len(second.values)) + second.codes, -1)
    distinct, codes = np.unique(key, return_inverse=True)
    left, right = first.values.to_pylist(), second.values.to_pylist()
    pairs = [(left[k // len(right)], right[k % len(right)]) for k in distinct.tolist() if k >= 0]
    return codes - int(distinct[0] < 0) if len(distinct) else codes, pairs


def logons(f: Fields, times: Times) -> Made:
    """ntlm.log, as far as it is about SMB. Where Zeek saw no end of the negotiation the outcome is unknown."""
    columns, good = _ends(f)
    success, known = f.flag("success")
    outcome = Column(np.where(known, success.astype(np.int32), 2).astype(np.int32), pa.array(["failure", "success", "unknown"]))
    columns |= {
        "user": f.text("username").arrow(),
        "domain": f.text("domainname").arrow(),
        "outcome": outcome.arrow(),
        "status": pa.nulls(len(times), pa.int64()),
        "native_os": constant(None, len(times)),
        "native_lanman": constant(None, len(times)),
    }
    return [Rows("smb_logons", times, f.lines, columns).kept(good & np.isin(_port(f, "id.resp_p"), SMB_PORTS))], good


def leases(f: Fields, times: Times) -> Made:
    """dhcp.log: an acknowledged lease binds a MAC and a name to an address until it ends."""
    assigned, asked = f.address("assigned_addr"), f.address("client_addr")
    owner = either(assigned, asked, assigned.codes < 0)
    codes, messages = f.items("msg_types", lambda raw: printable_bytes(raw).upper())
    acknowledged = np.array([*("ACK" in kinds for kinds in messages), True])[codes]
    lease, has_lease = f.number("lease_time", 6)
    has_lease &= (assigned.codes >= 0) & (lease > 0)
    end = optional(np.where(has_lease, times + np.where(has_lease, lease, 0), 0), has_lease)
    name = f.text("host_name")
    name = either(name, f.text("client_fqdn"), name.codes < 0).fixed(lambda text: text.lower().removesuffix(".") or None)
    mac = f.text("mac").fixed(lambda text: text.lower() or None)
    good = np.ones(len(times), np.bool_)
    usable = (owner.codes >= 0) & acknowledged & ~_rows_of(owner, "0.0.0.0")  # noqa: S104 - "none", not a place to listen
    # Both identities of a lease stand together, whatever batch it came in.
    twice = np.repeat(np.arange(len(times)), 2)
    is_name = np.arange(len(twice)) % 2 == 1
    value = either(mac.kept(twice), name.kept(twice), is_name)
    columns = {
        "time_end": end.take(pa.array(twice)),
        "address": owner.kept(twice).arrow(),
        "kind": Column(is_name.astype(np.int32), pa.array(["mac", "dhcp-name"])).arrow(),
        "value": value.arrow(),
    }
    return [Rows("bindings", times[twice], f.lines[twice], columns).kept(usable[twice] & (value.codes >= 0))], good


@dataclass(frozen=True, slots=True)
class Log:
    """One of Zeek's logs: its columns that we read, those it cannot do without, and what they mean."""

    name: str
    needed: tuple[str, ...]
    more: tuple[str, ...]
    rows: Callable[[Fields, Times], Made]

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns that `rows` may ask for, and `ts`."""
        return ("ts", *self.needed, *self.more)


_ENDS = ("id.orig_h", "id.resp_h")
_PORTS = ("id.orig_p", "id.resp_p")

LOGS: dict[str, Log] = {
    log.name: log
    for log in (
        Log("conn", _ENDS, (*_PORTS, "proto", "duration", "orig_bytes", "resp_bytes", "conn_state", "orig_pkts", "orig_ip_bytes",
                            "resp_pkts", "resp_ip_bytes", "ip_proto"), flows),
        Log("dns", ("id.orig_h", "query"), ("id.resp_h", *_PORTS, "qtype", "qtype_name", "rcode", "rcode_name", "answers"),
            lookups),
        Log("http", (*_ENDS, "method", "uri"), (*_PORTS, "host", "user_agent", "client_header_names", "proxied", "status_code",
                                                "response_body_len", "resp_mime_types"), requests),
        Log("smb_mapping", (*_ENDS, "path"), (*_PORTS, "share_type"), shares),
        Log("smb_files", (*_ENDS, "action", "name"), (*_PORTS, "path", "size", "times.created"), files),
        Log("dce_rpc", (*_ENDS, "endpoint", "operation"), (*_PORTS, "named_pipe"), calls),
        Log("ntlm", (*_ENDS, "id.resp_p"), ("id.orig_p", "username", "domainname", "success"), logons),
        Log("dhcp", (), ("client_addr", "assigned_addr", "mac", "host_name", "client_fqdn", "lease_time", "msg_types"), leases),
    )
}  # fmt: skip
