"""Every table schema, once. Each column has a sentence; `docs/tables.md` is generated from this file.

Readers fill tables, detectors read them, neither knows the other. Column types are the ones that DuckDB
and Spark share: bool, int32, int64, float64, string, binary, timestamp[us, UTC], list.

All tables begin with the columns of `CITATION`; the store fills `row_id` and `source`, the reader the rest.
"""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

TIME = pa.timestamp("us", tz="UTC")
# A source's place in sha256 order is shifted by this many bits in a row id; the low bits are the row's place in it.
ROW_BITS = 40


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its name, Arrow type and the sentence that explains it."""

    name: str
    type: pa.DataType
    doc: str


@dataclass(frozen=True, slots=True)
class Table:
    """One kind of fact about the world, or one annotation of it."""

    name: str
    doc: str
    columns: tuple[Column, ...]

    @property
    def schema(self) -> pa.Schema:
        """The Arrow schema, columns in documented order."""
        return pa.schema([pa.field(c.name, c.type) for c in self.columns])

    @property
    def reader_columns(self) -> tuple[Column, ...]:
        """The columns that a reader must fill: all but the store's own two."""
        return tuple(c for c in self.columns if c.name not in ("row_id", "source"))


CITATION = (
    Column("row_id", pa.int64(), "Stable id: the source's place in sha256 order times 2^40 plus the row's place in it."),
    Column("source", pa.int32(), "The source's place in sha256 order, counted from 0; `sources` says which file it is."),
    Column("place", pa.int64(), "Frame (captures) or line (logs) that completes this fact, counted from 1 as tshark and sed do."),
    Column("site", pa.string(), "Name of the site the evidence belongs to."),
    Column("time", TIME, "When it happened, UTC."),
)


def _table(name: str, doc: str, *columns: Column) -> Table:
    return Table(name, doc, CITATION + columns)


FLOWS = _table(
    "flows",
    "A conversation between two addresses: TCP connection, UDP exchange, or attempt at one. `place` is its first frame.",
    Column("time_end", TIME, "Time of the last packet."),
    Column("client", pa.string(), "Address that opened it."),
    Column("client_port", pa.int32(), "Port of the opener; 0 where the protocol has none."),
    Column("server", pa.string(), "Address that was contacted."),
    Column("server_port", pa.int32(), "Port that was contacted; 0 where the protocol has none."),
    Column("protocol", pa.string(), "`tcp`, `udp`, `icmp`, or the IP protocol number as text."),
    Column(
        "state",
        pa.string(),
        "`attempt` (no answer), `refused`, `established`, `midstream` (its beginning was not seen), or `tried` (what came of it "
        "is not shown).",
    ),
    Column("bytes_out", pa.int64(), "Payload bytes from client to server."),
    Column("bytes_in", pa.int64(), "Payload bytes from server to client."),
    Column("packets_out", pa.int64(), "Packets from client to server."),
    Column("packets_in", pa.int64(), "Packets from server to client."),
)

DNS_QUERIES = _table(
    "dns_queries",
    "A name that a client asked for, with the answer where it was seen.",
    Column("client", pa.string(), "Address that asked."),
    Column("server", pa.string(), "Address that was asked; null where the source does not say."),
    Column("name", pa.string(), "The name, lower case, without the final dot, escaped printable form."),
    Column("qtype", pa.string(), "Record type as text (`A`, `AAAA`, `SRV`, ...), or `TYPE<n>`."),
    Column("rcode", pa.string(), "`NOERROR`, `NXDOMAIN`, ... ; null where no answer was seen."),
    Column("answers", pa.list_(pa.string()), "Addresses and names of the answer section, as text; null where not seen."),
    Column(
        "additional", pa.list_(pa.string()), "Address records of the additional section as `name address`; null where not seen."
    ),
)

HTTP_REQUESTS = _table(
    "http_requests",
    "An HTTP request, with its response where it was seen. `place` completes the request.",
    Column("client", pa.string(), "Address that asked."),
    Column("client_port", pa.int32(), "Its port."),
    Column("server", pa.string(), "Address that was asked (the proxy where there is one); null where the source does not say."),
    Column("server_port", pa.int32(), "Its port."),
    Column("method", pa.string(), "Method as sent, escaped printable form."),
    Column("uri", pa.string(), "Path and query as sent, escaped; scheme and host are cut off a proxy request."),
    Column(
        "host",
        pa.string(),
        "Host header (or the host of a proxy request), lower case, without port and without brackets; null if absent.",
    ),
    Column("user_agent", pa.string(), "User-Agent header, escaped; null if absent or not shown by the source."),
    Column(
        "header_names",
        pa.string(),
        "Request header names as sent, in order, joined by `,`; null where the source does not show them.",
    ),
    Column("proxied", pa.bool_(), "True if the request line carried a whole URL."),
    Column("status", pa.int32(), "Response status; null where not seen."),
    Column("response_bytes", pa.int64(), "Body bytes of the response as far as seen; null where not seen."),
    Column(
        "executable", pa.bool_(), "True if the response body is a DOS or Windows executable (begins `MZ`); null where not seen."
    ),
)

SMB_LOGONS = _table(
    "smb_logons",
    "An attempt to open an SMB session (one answered session setup).",
    Column("client", pa.string(), "Address that logs on."),
    Column("server", pa.string(), "Address it logs on to."),
    Column("user", pa.string(), "Account name, escaped; empty for an anonymous session; null where not shown."),
    Column("domain", pa.string(), "Domain or workgroup, escaped; null where not shown."),
    Column("outcome", pa.string(), "`success`, `failure` or `unknown` (no answer seen)."),
    Column("status", pa.int64(), "NTSTATUS of the answer; null where not shown."),
    Column("native_os", pa.string(), "Native OS string of the client (SMB1), escaped; null where not shown."),
    Column("native_lanman", pa.string(), "Native LAN manager string of the client (SMB1), escaped; null where not shown."),
)

SMB_SHARES = _table(
    "smb_shares",
    "A tree connect: a client opens a share.",
    Column("client", pa.string(), "Address that opens it."),
    Column("server", pa.string(), "Address that serves it."),
    Column("share", pa.string(), "Last part of the share path, upper case, escaped (`ADMIN$`); `<UNKNOWN>` as Zeek says it."),
    Column("outcome", pa.string(), "`success`, `failure` or `unknown`."),
    Column("status", pa.int64(), "NTSTATUS of the answer; null where not shown."),
)

SMB_FILES = _table(
    "smb_files",
    "Something a client did to a file on a share (pipes are not files).",
    Column("client", pa.string(), "Address that acts."),
    Column("server", pa.string(), "Address that holds the share."),
    Column(
        "share",
        pa.string(),
        "Last part of the share path, upper case, escaped; empty where not shown: the tree connect was not seen, or Zeek's "
        "smb_files log did not name it, as it does not for what is opened over SMB1.",
    ),
    Column("path", pa.string(), "Path in the share, backslashes, no leading one, as sent, escaped."),
    Column(
        "action",
        pa.string(),
        "`open`, `create`, `write`, `delete` or `rename` (`path` is the new name); one row a kind of action and opened file.",
    ),
    Column("bytes", pa.int64(), "Bytes written, for `write`; else 0."),
    Column("executable", pa.bool_(), "True if what was written at offset 0 begins `MZ`; null where not seen."),
)

RPC_CALLS = _table(
    "rpc_calls",
    "A completed DCE/RPC request, with its answer where it was seen. `place` completes the request.",
    Column("client", pa.string(), "Address that calls."),
    Column("server", pa.string(), "Address that is called."),
    Column("server_port", pa.int32(), "Port it runs over."),
    Column("pipe", pa.string(), "Pipe name, lower case, without `\\PIPE\\`, escaped; empty where not seen, null over plain TCP."),
    Column("interface", pa.string(), "Interface UUID, lower case; null where the bind was not seen."),
    Column("opnum", pa.int32(), "Operation number."),
    Column("outcome", pa.string(), "`answered`, `fault` or `unanswered`."),
    Column(
        "result",
        pa.int64(),
        "Last 4 bytes of the answer as a number (the return value of most calls), or the fault code; null if none.",
    ),
    Column(
        "byte_order",
        pa.string(),
        "`little` or `big`: integer order of the request; null where the source does not show the stub.",
    ),
    Column("ndr64", pa.bool_(), "True if the context uses NDR64; null where the source does not show the stub."),
    Column(
        "stub",
        pa.binary(),
        "Request stub, whole, where a pack wants this interface and operation (where the bind was not seen: where it may be "
        "one of these); else null.",
    ),
)

PAYLOADS = _table(
    "payloads",
    "The first bytes that one side said, kept only where a pack wants such payload.",
    Column("client", pa.string(), "Address that sent these bytes."),
    Column("client_port", pa.int32(), "Its port."),
    Column("server", pa.string(), "Address they were sent to."),
    Column("server_port", pa.int32(), "Its port."),
    Column("protocol", pa.string(), "`tcp` (start of the stream of this direction) or `udp` (one datagram)."),
    Column("payload", pa.binary(), "The bytes."),
)

BINDINGS = _table(
    "bindings",
    "An identity that was seen to belong to an address.",
    Column("time_end", TIME, "Until when the source says it holds; null where it does not say."),
    Column("address", pa.string(), "The address."),
    Column("kind", pa.string(), "`mac`, `dhcp-name`, `netbios-name` or `dns-name`."),
    Column("value", pa.string(), "The identity, lower case for names and MACs, escaped."),
)

SIGHTINGS = _table(
    "sightings",
    "A third party says that it saw an address behave. It saw it, not the site: no flow or request of the site's stands here.",
    Column("address", pa.string(), "The address that it names; many hosts may stand behind it."),
    Column("port", pa.int32(), "Port that the address spoke from; null where not told."),
    Column("protocol", pa.string(), "`tcp` or `udp`; null where not told."),
    Column("reporter", pa.string(), "Who says so, e.g. `shadowserver`."),
    Column("feed", pa.string(), "Which of the reporter's reports, e.g. `sinkhole` or `sinkhole-http`."),
    Column("infection", pa.string(), "What the reporter calls the infection, escaped; null where not told."),
    Column("family", pa.string(), "What the reporter calls its family, escaped; null where not told."),
    Column("tag", pa.string(), "The reporter's tag, escaped; null where not told."),
    Column("observer", pa.string(), "Address where the reporter saw it (its sinkhole); null where not told."),
    Column("observer_port", pa.int32(), "Port there; null where not told."),
    Column("host", pa.string(), "Host that was asked for there, lower case, without port, escaped; null where not told."),
    Column("uri", pa.string(), "Path and query that were asked for there, escaped; null where not told."),
    Column("user_agent", pa.string(), "User-Agent header of that, escaped; null where not told."),
    Column("device", pa.string(), "What device the reporter takes the address for, escaped; null where not told."),
)

ALERTS = _table(
    "alerts",
    "A sensor's rule fired. What the rule's text says is its author's opinion of some bytes, not what they are.",
    Column("client", pa.string(), "Address that sent what the rule fired on."),
    Column("client_port", pa.int32(), "Its port; 0 where the protocol has none."),
    Column("server", pa.string(), "Address that it was sent to."),
    Column("server_port", pa.int32(), "Its port; 0 where the protocol has none."),
    Column("protocol", pa.string(), "`tcp`, `udp`, `icmp`, or the IP protocol number as text."),
    Column("sensor", pa.string(), "What program's rule it is, e.g. `Suricata`."),
    Column("generator", pa.int32(), "What part of the sensor the number belongs to: 1 for rules."),
    Column("rule", pa.int64(), "The rule's number."),
    Column("revision", pa.int64(), "The rule's revision; null where not told."),
    Column("signature", pa.string(), "The rule's text, escaped."),
    Column("category", pa.string(), "The rule's class, escaped; null where not told."),
    Column("severity", pa.int32(), "As the sensor counts it: 1 is the most severe; null where not told."),
    Column("action", pa.string(), "`allowed` or `blocked`, as the sensor says, escaped; null where not told."),
)

FACTS: tuple[Table, ...] = (
    FLOWS, DNS_QUERIES, HTTP_REQUESTS, SMB_LOGONS, SMB_SHARES, SMB_FILES, RPC_CALLS, PAYLOADS, BINDINGS, SIGHTINGS, ALERTS,
)  # fmt: skip

# Side tables: what an annotator says of a distinct key. No citation columns: they cite nothing, rows do.
NAME_DAYS = Table(
    "name_days",
    "A looked-up name stands in one variant's list of one day.",
    (
        Column("name", pa.string(), "Key: the name as in `dns_queries`."),
        Column("variant", pa.string(), "Letter of the variant whose generator makes it."),
        Column("day", pa.int32(), "Day of the list, in days since 1970-01-01 UTC."),
        Column("position", pa.int32(), "Place in that day's list, counted from 0."),
        Column("branch", pa.string(), "`x87` (66-bit pi sine), `libm` (exact sine), or `both`."),
    ),
)
NAME_SHAPES = Table(
    "name_shapes",
    "A looked-up name has the shape of one variant's names (its suffixes and lengths).",
    (
        Column("name", pa.string(), "Key: the name as in `dns_queries`."),
        Column("variant", pa.string(), "Letter of the variant."),
        Column("letters", pa.int32(), "Number of letters before the suffix."),
    ),
)
TELLING_NAMES = Table(
    "telling_names",
    "A looked-up name that some rule knows: it stands in a list, is a date site, or finds domain controllers.",
    (Column("name", pa.string(), "Key: the name as in `dns_queries`."),),
)
CONTACT_WEEKS = Table(
    "contact_weeks",
    "Which week of the port generator an hour belongs to.",
    (
        Column("hour", pa.int64(), "Key: hours since 1970-01-01 UTC, rounded down."),
        Column("week", pa.int32(), "Week as the generator counts weeks."),
    ),
)
USABLE_PORTS = Table(
    "usable_ports",
    "A port that the port generator can give and that ordinary programs do not use.",
    (
        Column("protocol", pa.string(), "`tcp` or `udp`."),
        Column("server_port", pa.int32(), "The port."),
    ),
)
CONTACT_PORTS = Table(
    "contact_ports",
    "A contacted port is one that the contacted address would open if it were infected; other contacts have no row.",
    (
        Column("server", pa.string(), "Key: address contacted."),
        Column("protocol", pa.string(), "Key: `tcp` or `udp`."),
        Column("server_port", pa.int32(), "Key: port contacted."),
        Column("week", pa.int32(), "Key: week of the contact as the generator counts weeks."),
        Column(
            "match",
            pa.string(),
            "`address` (derived from the address alone) or `week` (from address and week).",
        ),
        Column("week_offset", pa.int32(), "For `week`: generator's week minus week of the contact; else 0."),
    ),
)
PACKET_FORMS = Table(
    "packet_forms",
    "A payload decodes as one of the pack's peer-to-peer packets and its sum is right.",
    (
        Column("protocol", pa.string(), "Key: `tcp` or `udp`."),
        Column("payload", pa.binary(), "Key: the bytes."),
        Column("form", pa.string(), "The pack's name of the packet form."),
        Column("detail", pa.string(), "What it says, decoded, printable."),
    ),
)
REQUEST_FORMS = Table(
    "request_forms",
    "An HTTP request has one of the pack's forms.",
    (
        Column("method", pa.string(), "Key."),
        Column("uri", pa.string(), "Key."),
        Column("host", pa.string(), "Key; empty where null."),
        Column("header_names", pa.string(), "Key; empty where null."),
        Column("form", pa.string(), "The pack's id of the form."),
        Column("exact", pa.bool_(), "True if the header names were seen and fit; false if the source does not show them."),
    ),
)
FILE_FORMS = Table(
    "file_forms",
    "A path on a share has one of the pack's forms.",
    (
        Column("share", pa.string(), "Key."),
        Column("path", pa.string(), "Key."),
        Column("form", pa.string(), "The pack's id of the form."),
        Column("file_name", pa.string(), "Last part of the path, lower case."),
    ),
)
CALL_EFFECTS = Table(
    "call_effects",
    "What a decoded call would do to the service that it is sent to.",
    (
        Column("interface", pa.string(), "Key; empty where null."),
        Column("opnum", pa.int32(), "Key."),
        Column("byte_order", pa.string(), "Key."),
        Column("ndr64", pa.bool_(), "Key."),
        Column("stub", pa.binary(), "Key."),
        Column("hole", pa.string(), "Vulnerability that was judged, e.g. `MS08-067 (CVE-2008-4250)`; null where none applies."),
        Column(
            "effect",
            pa.string(),
            "`writes-before`, `looks-before`, `question` (a scanner's), `harmless`, `malformed`, or `none`.",
        ),
        Column("path", pa.string(), "The decoded path, escaped; null where the call has none."),
        Column("step", pa.int32(), "Component (from 1) at which the path leaves the buffer; null where it does not."),
        Column("command", pa.string(), "Command line of a remote job, escaped; null where the call has none."),
    ),
)

ANNOTATIONS: tuple[Table, ...] = (
    NAME_DAYS, NAME_SHAPES, TELLING_NAMES, CONTACT_WEEKS, USABLE_PORTS, CONTACT_PORTS, PACKET_FORMS, REQUEST_FORMS,
    FILE_FORMS, CALL_EFFECTS,
)  # fmt: skip

# Cuts of big fact tables, made once for all detectors that would otherwise each look through the whole.
TELLING_QUERIES = Table(
    "telling_queries",
    "The rows of `dns_queries` whose name is a telling one, without what only few of them need.",
    tuple(c for c in DNS_QUERIES.columns if c.name in {"row_id", "source", "site", "time", "client", "server", "name", "rcode"}),
)

CUTS: tuple[Table, ...] = (TELLING_QUERIES,)

SOURCES = Table(
    "sources",
    "The evidence files, in the order of their sha256.",
    (
        Column("source", pa.int32(), "Place in sha256 order, counted from 0."),
        Column("sha256", pa.string(), "SHA-256 of the uncompressed bytes, lower-case hex."),
        Column("name", pa.string(), "File name as given, never an absolute path, escaped."),
        Column("kind", pa.string(), "What it was recognised as, e.g. `pcap`, `zeek-dns`."),
        Column("unit", pa.string(), "What `place` counts: `frame` or `line`."),
    ),
)

BY_NAME: dict[str, Table] = {t.name: t for t in (*FACTS, *ANNOTATIONS, *CUTS, SOURCES)}
