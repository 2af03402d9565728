"""What captures say, as rows of tables: flows, lookups, payloads and the facts of decoded conversations."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from ipaddress import IPv6Address
from itertools import repeat
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from wormward.evidence.capture_columns import Columns, flow_columns, lookup_columns
from wormward.evidence.capture_state import Hidden
from wormward.model.reading import ReadContext
from wormward.model.tables import FACTS
from wormward.model.text import escaped_path, printable, printable_bytes
from wormward.wire.addresses import address_text
from wormward.wire.facts import HttpExchange, RpcCall, SmbFile, SmbLogon, SmbShare, Stamp, Unseen
from wormward.wire.holes import HOLES
from wormward.wire.lookups import Batch
from wormward.wire.talks import Ends, StreamStart

BATCH: Final = 8192
"""Rows that are collected before they are handed to the sink."""
MOST_BYTES: Final = 8 << 20
"""Bytes of payloads and stubs that are collected before they are handed to the sink."""
MOST_ADDRESSES: Final = 65_536
"""Addresses whose text is kept at hand."""
MOST_TEXTS: Final = 8192
"""Host names, agents and lists of headers whose printable form is kept at hand."""

_LONGEST_LITERAL = 47  # an IPv6 address with an IPv4 one at its end, in brackets

MANY: Final = 4096
"""Rows of one file from which on the sink is given Arrow arrays; it gathers fewer from lists."""
_COLUMNS: Final = {table.name: tuple(c.name for c in table.reader_columns) for table in FACTS}
_DATAGRAM: Final = ("src_hi", "src_lo", "sport", "dst_hi", "dst_lo", "dport", "offset", "size", "time_us", "frame")

Row = tuple[Any, ...]


def host_text(host: bytes) -> str:
    """A host header without its port, lower case, escaped; an IPv6 address as in all tables, without its brackets."""
    name, colon, port = host.strip().rpartition(b":")
    if not colon or not (port.isdigit() or not port) or (b":" in name and not name.endswith(b"]")):
        name = host.strip()
    if name[:1] == b"[" and name[-1:] == b"]" and len(name) <= _LONGEST_LITERAL:
        try:
            return address_text(int(IPv6Address(name[1:-1].decode("ascii"))))
        except ValueError:
            pass
    return printable_bytes(name.lower())


def share_text(share: str) -> str:
    """Last part of a share's path, upper case, escaped."""
    return printable(share.rstrip("\\").rpartition("\\")[2].upper())


def pipe_text(pipe: str) -> str:
    r"""A pipe's name without ``\PIPE\``, lower case, escaped."""
    name = pipe.lower().lstrip("\\")
    return printable(name.removeprefix("pipe\\"))


def _text(text: str | None) -> str | None:
    return None if text is None else printable(text)


def _program(start: bytes | None) -> bool | None:
    """Whether bytes begin like a DOS or Windows program; None if there are none."""
    return None if not start else start[:2] == b"MZ"


class CaptureRows:
    """Collects rows and hands them to the sink in batches; a row belongs to the file of the frame it cites."""

    def __init__(self, context: ReadContext) -> None:
        self._context = context
        self.site = context.site.name  # whose rows are collected now
        self._rows: dict[tuple[str, int], list[Row]] = {}
        self._pending = 0
        self._pending_bytes = 0
        self._flows: list[tuple[npt.NDArray[np.void], npt.NDArray[np.void]]] = []
        self._flow_count = 0
        self._addresses: dict[int, str] = {}
        self._texts: dict[bytes, str] = {}
        self._hosts: dict[bytes, str] = {}
        self._wanted = {(w.interface.lower(), opnum) for w in context.wanted_calls for opnum in w.opnums}
        # A call whose bind was not seen is kept where a hole can tell by the call alone.
        self._unbound = {(p, o) for h in HOLES for o in h.opnums if (h.interface, o) in self._wanted for p in ("", *h.pipes)}
        self.counts: dict[int, Counter[str]] = defaultdict(Counter)  # rows by file and table
        self.unseen: dict[int, dict[str, Hidden]] = defaultdict(dict)  # what decoders could not look into, by file
        self.notes: dict[int, list[tuple[str, str]]] = defaultdict(list)  # of one file: what coverage notes, what is not shown
        self._by_kind: dict[type, Callable[[Ends, Any], None]] = {
            HttpExchange: self._http,
            SmbLogon: self._logon,
            SmbShare: self._share,
            SmbFile: self._file,
            RpcCall: self._call,
            StreamStart: self._start,
            Unseen: self._unseen,
        }

    def fact(self, ends: Ends, fact: Any) -> None:
        """One fact of a decoded conversation."""
        self._by_kind[type(fact)](ends, fact)

    def address(self, address: int) -> str:
        """Text of an address (128 bits), made once."""
        text = self._addresses.get(address)
        if text is None:
            if len(self._addresses) >= MOST_ADDRESSES:
                self._addresses.clear()
            text = self._addresses[address] = address_text(address)
        return text

    def datagrams(self, packets: npt.NDArray[np.void], window: npt.NDArray[np.uint8]) -> list[Row]:
        """Rows for `payloads` of UDP datagrams: rows of PACKET, whose bytes stand in `window`."""
        if not len(packets):
            return []
        source_hi, source_lo, sport, target_hi, target_lo, dport, offset, size, time_us, frame = (
            packets[name].tolist() for name in _DATAGRAM
        )
        view = memoryview(window)  # type: ignore[arg-type]
        payloads = [bytes(view[begin : begin + length]) for begin, length in zip(offset, size, strict=True)]
        site, protocol = repeat(self.site), repeat("udp")
        sources, targets = self._texts_of(source_hi, source_lo), self._texts_of(target_hi, target_lo)
        # Site and protocol go on for ever.
        return list(zip(frame, site, time_us, sources, sport, targets, dport, protocol, payloads, strict=False))

    def payloads(self, rows: list[Row], file_no: int) -> None:
        """Rows that `datagrams` made, in their order."""
        if rows:
            self._pending_bytes += sum([len(row[-1]) for row in rows])
            self._add("payloads", file_no, *rows)

    def _texts_of(self, hi: list[int], lo: list[int]) -> list[str]:
        """Texts of addresses given in two halves."""
        known, make = self._addresses.get, self.address
        numbers = [high << 64 | low for high, low in zip(hi, lo, strict=True)]
        return [known(number) or make(number) for number in numbers]

    def _add(self, table: str, file_no: int, *new: Row) -> None:
        rows = self._rows.get((table, file_no))
        if rows is None:
            rows = self._rows[table, file_no] = []
        rows += new
        self._pending += len(new)
        if self._pending >= BATCH or self._pending_bytes >= MOST_BYTES:
            self._send()

    def _send(self) -> None:
        """Hand over the facts."""
        for (table, file_no), rows in sorted(self._rows.items(), key=lambda item: item[0]):
            columns = map(list, zip(*rows, strict=True))
            self._put(table, file_no, dict(zip(_COLUMNS[table], columns, strict=True)), len(rows))
        self._rows.clear()
        self._pending = self._pending_bytes = 0

    def _put(self, table: str, file_no: int, columns: Mapping[str, Sequence[Any] | pa.Array], count: int) -> None:
        self._context.sink.add(table, file_no, columns)
        self.counts[file_no][table] += count

    # -- facts -----------------------------------------------------------------------------------------------------

    def _http(self, ends: Ends, fact: HttpExchange) -> None:
        time_us, file_no, frame = fact.stamp
        client, client_port, server, server_port = ends
        known = self._addresses
        row = (
            frame,
            self.site,
            time_us,
            known.get(client) or self.address(client),
            client_port,
            known.get(server) or self.address(server),
            server_port,
            self._often(fact.method),
            printable_bytes(fact.uri),
            None if fact.host is None else self._host(fact.host),
            None if fact.user_agent is None else self._often(fact.user_agent),
            self._often(b",".join(fact.header_names)),
            fact.proxied,
            fact.status,
            fact.response_bytes,
            _program(fact.body_start),
        )
        self._add("http_requests", file_no, row)

    def _often(self, raw: bytes) -> str:
        """Printable form of what comes again and again."""
        text = self._texts.get(raw)
        if text is None:
            if len(self._texts) >= MOST_TEXTS:
                self._texts.clear()
            text = self._texts[raw] = printable_bytes(raw)
        return text

    def _host(self, raw: bytes) -> str:
        text = self._hosts.get(raw)
        if text is None:
            if len(self._hosts) >= MOST_TEXTS:
                self._hosts.clear()
            text = self._hosts[raw] = host_text(raw)
        return text

    def _unseen(self, ends: Ends, fact: Unseen) -> None:  # noqa: ARG002 - as the others
        self.unseen[fact.stamp.file_no].setdefault(fact.what, Hidden()).add(fact)

    def _logon(self, ends: Ends, fact: SmbLogon) -> None:
        row = (
            *self._who(ends, fact),
            _text(fact.user),
            _text(fact.domain),
            fact.outcome,
            fact.status,
            _text(fact.native_os),
            _text(fact.native_lanman),
        )
        self._add("smb_logons", fact.stamp.file_no, row)

    def _share(self, ends: Ends, fact: SmbShare) -> None:
        self._add("smb_shares", fact.stamp.file_no, (*self._who(ends, fact), share_text(fact.share), fact.outcome, fact.status))

    def _file(self, ends: Ends, fact: SmbFile) -> None:
        path = escaped_path(fact.path.lstrip("\\"))
        row = (*self._who(ends, fact), share_text(fact.share), path, fact.action, fact.size, _program(fact.start))
        self._add("smb_files", fact.stamp.file_no, row)

    def _call(self, ends: Ends, fact: RpcCall) -> None:
        if fact.interface is None:
            wanted = (fact.pipe, fact.opnum) in self._unbound
        else:
            wanted = (fact.interface, fact.opnum) in self._wanted
        self._pending_bytes += len(fact.stub) if wanted else 0
        row = (
            *self._who(ends, fact),
            ends.server_port,
            None if fact.pipe is None else pipe_text(fact.pipe),
            fact.interface,
            fact.opnum,
            fact.outcome,
            fact.result,
            fact.byte_order,
            fact.ndr64,
            fact.stub if wanted else None,
        )
        self._add("rpc_calls", fact.stamp.file_no, row)

    def _who(self, ends: Ends, fact: Any) -> Row:
        stamp = fact.stamp
        return stamp.frame, self.site, stamp.time_us, self.address(ends.client), self.address(ends.server)

    def _start(self, ends: Ends, fact: StreamStart) -> None:
        client, sport, server, dport = ends if fact.to_server else ends.turned()
        self._pending_bytes += len(fact.payload)
        time_us, file_no, frame = fact.stamp
        who = self.address(client), sport, self.address(server), dport
        self._add("payloads", file_no, (frame, self.site, time_us, *who, "tcp", fact.payload))

    def binding(self, stamp: Stamp, address: int, kind: str, value: bytes, end_us: int | None = None) -> None:
        """An identity that an address claimed, or was given until `end_us`."""
        text = printable_bytes(value).lower()
        row = (stamp.frame, self.site, stamp.time_us, end_us, self.address(address), kind, text)
        self._add("bindings", stamp.file_no, row)

    def exported(self, file_no: int, frame: int, time_us: int, values: Mapping[str, Any]) -> None:
        """A flow that a router told; what it did not tell is null."""
        known = {**values, "place": frame, "site": self.site, "time": time_us}
        self._add("flows", file_no, tuple(known.get(name) for name in _COLUMNS["flows"]))

    # -- columns ---------------------------------------------------------------------------------------------------

    def flows(self, rows: npt.NDArray[np.void], sides: npt.NDArray[np.void]) -> None:
        """Flows that ended: rows of FLOW, and of SIDE with shape (n, 2)."""
        self._flows.append((rows, sides))
        self._flow_count += len(rows)
        if self._flow_count >= BATCH:
            self._send_flows()

    def _send_flows(self) -> None:
        if self._flow_count:
            rows = _joined([rows for rows, _ in self._flows])
            sides = _joined([sides.reshape(-1) for _, sides in self._flows]).reshape(-1, 2)
            self._flows, self._flow_count = [], 0
            self._by_file("flows", rows["file_no"], flow_columns(rows, sides, self.site, self.address))

    def lookups(self, batch: Batch) -> None:
        """DNS queries in order."""
        if len(batch.rows):
            self._by_file("dns_queries", batch.rows["file_no"], lookup_columns(batch, self.site, self.address))

    def _by_file(self, table: str, file_no: npt.NDArray[np.int32], columns: Columns) -> None:
        """Hand over columns whose rows belong to files as `file_no` says; usually those of a file stand together."""
        ends = [*(np.flatnonzero(file_no[1:] != file_no[:-1]) + 1).tolist(), len(file_no)]
        if len(file_no) < MANY * len(ends):
            columns = {name: c if isinstance(c, list) else c.to_pylist() for name, c in columns.items()}
        start = 0
        for end in ends:
            part = columns if len(ends) == 1 else {name: c[start:end] for name, c in columns.items()}
            self._put(table, int(file_no[start]), part, end - start)
            start = end

    def flush(self) -> None:
        """Hand over everything."""
        self._send_flows()
        self._send()


def _joined(parts: list[npt.NDArray[np.void]]) -> npt.NDArray[np.void]:
    """Rows one after the other; as bytes, because numpy compares all field names of each part first."""
    if len(parts) == 1:
        return parts[0]
    return np.concatenate([part.view(np.uint8) for part in parts]).view(parts[0].dtype)
