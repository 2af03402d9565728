"""Lookups in Unbound's log (`log-queries`, `log-replies`, `log-tag-queryreply`), in its own file or in syslog.

References: unbound.conf(5); `log_query_info` and `log_reply_info` of Unbound's source; checked against a running
Unbound. With both switched on a reply is joined to its query. Unbound shows the response code and no answers.
`log-time-ascii` writes local time without a year, whatever its manual says of UTC (seen with 1.17).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from wormward.evidence.lines import Clock, Fact
from wormward.evidence.messages.base import Message, MessageKind, Row, Waiting
from wormward.evidence.values import address
from wormward.model.site import Site

# An answer stands behind code, seconds, whether it was cached, and size; newer versions may add where it was asked.
_LOOKUP = re.compile(
    r"(?:\[\d+:\w+\] )?(?:info|query|reply): ([0-9A-Fa-f.:%]+) (\S+) ([A-Z][A-Z0-9-]*) (?:IN|CH|HS|ANY|NONE|CLASS\d+)"
    r"(?: ([A-Z][A-Z0-9-]*) \d+\.\d+ [01] \d+)?(?: |$)"
)
_MOST, _MOST_US = 8192, 60_000_000


class _Parser:
    def __init__(self, _site: Site, _clock: Clock) -> None:
        self._waiting = Waiting(_MOST)

    def message(self, message: Message) -> Sequence[Fact] | None:
        found = _LOOKUP.match(message.text)
        client = address(found[1].encode("utf-8", "replace")) if found else None
        if found is None or client is None:
            return None
        time, name, qtype, rcode = message.time(), found[2], found[3], found[4]
        key = (message.host, client, name, qtype)
        asked = [] if rcode is None else [row for row in self._waiting.open(key) if row.time_us >= time - _MOST_US]
        if asked:
            row = asked[0]
            row.values["rcode"] = rcode
            self._waiting.take(row)
            return (row.fact(),)
        values = {"place": message.number, "client": client, "name": name, "qtype": qtype, "rcode": rcode}
        if rcode is not None:
            return (Fact("dns_queries", time, values),)
        return self._waiting.add(Row(key, "dns_queries", time, values))

    def end(self) -> Iterable[Fact]:
        return self._waiting.end()


KIND = MessageKind("Unbound", ("unbound",), (), _Parser)
