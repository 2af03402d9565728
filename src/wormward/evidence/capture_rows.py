"""What captures say, as rows of tables: flows, lookups, payloads and the facts of decoded conversations."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from wormward.evidence.capture_columns import Columns, flow_columns, lookup_columns
from wormward.model.reading import ReadContext
from wormward.model.tables import FACTS
from wormward.model.text import escaped_path, printable, printable_bytes
from wormward.wire.addresses import address_text
from wormward.wire.facts import HttpExchange, RpcCall, SmbFile, SmbLogon, SmbShare
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

MANY: Final = 4096
"""Rows of one file from which on the sink is given Arrow arrays; it gathers fewer from lists."""
_COLUMNS: Final = {table.name: tuple(c.name for c in table.reader_columns) for table in FACTS}

Row = tuple[Any, ...]


def host_text(host: bytes) -> str:
    """A host header without its port, lower case, escaped."""
    name, colon, port = host.strip().rpartition(b":")
    if not colon or not (port.isdigit() or not port) or (b":" in name and not name.endswith(b"]")):
        name = host.strip()
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
        self.counts: dict[int, Counter[str]] = defaultdict(Counter)  # rows by file and table
        self._by_kind: dict[type, Callable[[Ends, Any], None]] = {
            HttpExchange: self._http,
            SmbLogon: self._logon,
            SmbShare: self._share,
            SmbFile: self._file,
            RpcCall: self._call,
            StreamStart: self._start,
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

    def payload(self, ends: tuple[int, int, int, int], protocol: str, stamp: tuple[int, int, int], payload: bytes) -> None:
        """A payload that a pack wants. `ends`: sender's address and port, receiver's; `stamp`: time, file, frame."""
        time_us, file_no, frame = stamp
        source, sport, target, dport = ends
        known = self._addresses
        client = known.get(source) or self.address(source)
        server = known.get(target) or self.address(target)
        self._pending_bytes += len(payload)
        self._add("payloads", file_no, (frame, self.site, time_us, client, sport, server, dport, protocol, payload))

    def _add(self, table: str, file_no: int, row: Row) -> None:
        rows = self._rows.get((table, file_no))
        if rows is None:
            rows = self._rows[table, file_no] = []
        rows.append(row)
        self._pending += 1
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
        stamp = fact.stamp
        row = (
            stamp.frame,
            self.site,
            stamp.time_us,
            self.address(ends.client),
            ends.client_port,
            self.address(ends.server),
            ends.server_port,
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
        self._add("http_requests", stamp.file_no, row)

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
        wanted = fact.interface is not None and (fact.interface, fact.opnum) in self._wanted
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
        self.payload(ends if fact.to_server else ends.turned(), "tcp", fact.stamp, fact.payload)

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
