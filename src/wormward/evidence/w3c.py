"""The W3C extended log format: IIS (also with Application Request Routing), Blue Coat ProxySG, Microsoft ISA and TMG.

References: W3C working draft "Extended Log File Format"; Microsoft, "W3C Logging" (IIS) and "Web Proxy Log Fields"
(ISA, TMG); Blue Coat, "Access Logging" (SGOS 3 to 7). Fields are read by the names that `#Fields` gives, which may
change within a file; names that are not known are passed over. Names of users are not kept.

Times are UTC, as the format says; Blue Coat's `localtime` carries its offset or is the site's. Where lines have a time
only, `#Date` gives their day. IIS writes `+` for a blank in what clients send and adds its own parameters to the query
of a request that it routes on; both are undone. Where the log is a proxy's, `server` is the proxy (null if its address
is in no field): the address that the proxy asked is not taken for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from wormward.evidence.columns import Unknown
from wormward.evidence.files import EvidenceFile
from wormward.evidence.lines import Clock, Fact, first_lines, read_lines
from wormward.evidence.web_fields import Target, clf_time, count, ip, port, status, target
from wormward.model.reading import FileRead, ReadContext
from wormward.model.text import N_

KIND: Final = "w3c-extended"
BLIND: Final = (
    N_("The log of a web server or proxy shows only what was asked of it."),
    N_("It does not show the names of request headers: calls home are judged without them."),
    N_("Where hosts come through another proxy or address translation, its address stands in the log instead of theirs."),
)
_NO_AGENT: Final = N_("This form of the log does not show user agents.")
_NO_CLIENT: Final = N_("Some lines do not name the client's address, so nobody can be blamed for them; they were passed over.")
_USELESS: Final = N_("Some of its lines stand under fields that do not name the client, the method and what was asked for.")

_METHODS: Final = frozenset(
    """ACL BASELINE-CONTROL BCOPY BDELETE BITS_POST BMOVE BPROPFIND BPROPPATCH CHECKIN CHECKOUT CONNECT COPY DEBUG DELETE GET
    HEAD LABEL LOCK MERGE MKACTIVITY MKCALENDAR MKCOL MKWORKSPACE MOVE NOTIFY OPTIONS ORDERPATCH PATCH POLL POST PRI PROPFIND
    PROPPATCH PURGE PUT REBIND REPORT RPC_IN_DATA RPC_OUT_DATA SEARCH SUBSCRIBE TRACE TRACK TUNNEL UNBIND UNCHECKOUT UNLINK
    UNLOCK UNSUBSCRIBE UPDATE VERSION-CONTROL X-MS-ENUMATTS""".split()  # noqa: SIM905 - a table of words
)
"""Methods of HTTP and WebDAV. IIS logs FTP, SMTP and NNTP in the same form, with the commands of those."""
_TOKEN: Final = re.compile(r'"((?:[^"]|"")*)"(?=\s|$)|(\[[^\]"]{1,60}\])(?=\s|$)|(\S+)')
_ROUTED: Final = re.compile(r"(?:^|&)X-ARR-(?:CACHE-HIT|LOG-ID)=.*", re.DOTALL)
_DAY: Final = re.compile(r"(\d{4})-(\d\d)-(\d\d)")
_TIME: Final = re.compile(r"(\d{1,2}):(\d\d)(?::(\d\d)(?:\.(\d{1,6}))?)?")
_GMT: Final = re.compile(r"\[?(\d\d)/(\d\d)/(\d{4})[: ](\d\d):(\d\d):(\d\d)(?: GMT)?\]?")
_AGENTS: Final = ("cs(user-agent)", "c-agent", "c-user-agent")
_METHOD: Final = ("cs-method", "s-operation")
_ASKED: Final = ("cs-uri", "cs-uri-stem", "cs-uri-path", "c-uri")
_NEEDED: Final = (("c-ip",), _METHOD, _ASKED)
_VERSIONS: Final = ("2.0", "1.0")
"""2.0 is what ISA and TMG write; which fields there are is told by the log itself."""
_HALF_DAY_S: Final = 43_200
_REMEDY: Final = "look at these lines: a copy may be cut, or its #Fields lines, which name the columns, may be missing"


@dataclass(frozen=True, slots=True)
class _Fields:
    """What a `#Fields` line says: which field stands where, and what separates them."""

    names: dict[str, int]
    tabs: bool

    @property
    def useful(self) -> bool:
        """True if they show who asked for what."""
        return all(any(name in self.names for name in group) for group in _NEEDED)

    def split(self, text: str) -> list[str] | None:
        """The values of a line; None if there are not as many as fields."""
        if self.tabs:
            values = text.split("\t")
            if len(values) == len(self.names) + 1 and not values[-1]:
                values.pop()
        else:
            values = [m[3] if m[3] is not None else m[2] or m[1].replace('""', '"') for m in _TOKEN.finditer(text)]
        return values if len(values) == len(self.names) else None


def _fields(text: str) -> _Fields | None:
    """The fields that a directive names; None if it is no `#Fields` line."""
    word, _, rest = text.partition(":")
    if word.strip().lower() != "#fields":
        return None
    tabs = "\t" in rest.strip()
    names = rest.strip().lower().split("\t" if tabs else None)
    return _Fields({name.strip(): place for place, name in enumerate(names)} if len(set(names)) == len(names) else {}, tabs)


def recognise(head: bytes, name: str) -> bool:  # noqa: ARG001 - names are not asked
    """True if a directive among the first lines names fields of requests."""
    for line in first_lines(head, 40):
        fields = _fields(line) if line.startswith("#") else None
        if fields is not None and fields.useful:
            return True
    return False


class _Row:
    """The values of one line by name; `-` and what is empty is None."""

    def __init__(self, fields: _Fields, values: list[str]) -> None:
        self._names, self._values = fields.names, values

    def __getitem__(self, name: str) -> str | None:
        place = self._names.get(name)
        value = None if place is None else self._values[place].strip()
        return None if value in (None, "", "-") else value

    def first(self, names: Iterable[str]) -> str | None:
        """The first of these fields that says something."""
        return next((value for value in map(self.__getitem__, names) if value is not None), None)


class _Requests:
    """The parser of one file (see `lines.Parser`)."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._fields: _Fields | None = None
        self._iis = False
        self._day = ""
        self._last_s = -1  # of the day, where lines have a time only
        self._rolled = 0
        self._unknown = Unknown((), _VERSIONS)
        self._agents = self._any = self._nobody = self._useless = False

    def line(self, text: str, number: int) -> Iterable[Fact] | None:  # noqa: ARG002 - places are the lines
        """See `lines.Parser`."""
        if text.startswith("#"):
            self._directive(text)
            return ()
        if self._fields is None:
            raise ValueError("no #Fields line stands before it")
        if not self._fields.useful:
            self._useless = True
            return ()
        values = self._fields.split(text)
        if values is None:
            raise ValueError("not as many values as fields")
        row = _Row(self._fields, values)
        time = self._time(row)
        method = row.first(_METHOD)
        if method is None or method.upper() not in _METHODS:
            return None
        client = ip(row["c-ip"])
        if client is None:
            self._nobody = True
            return ()
        self._any = True
        return (self._request(row, time, client, method),)

    def end(self) -> Iterable[Fact]:
        """See `lines.Parser`."""
        return ()

    def notes(self) -> tuple[str, ...]:
        """See `lines.Parser`."""
        said = ((_NO_AGENT, self._any and not self._agents), (_NO_CLIENT, self._nobody), (_USELESS, self._useless))
        return (*(note for note, holds in said if holds), *self._unknown.notes())

    def _directive(self, text: str) -> None:
        fields = _fields(text)
        if fields is not None:
            self._fields = fields
            self._agents = self._agents or any(name in fields.names for name in _AGENTS)
        word, _, rest = text.partition(":")
        if word.lower() == "#version":
            self._unknown.version(rest)
        if word.lower() == "#software":
            self._iis = "internet information services" in rest.lower()
        elif word.lower() in ("#date", "#start-date"):
            self._day, self._last_s, self._rolled = rest.strip(), -1, 0

    def _time(self, row: _Row) -> int:
        """Time of a line. Raises ValueError if it has none."""
        clock, time = self._clock, row["time"]
        if time is not None:
            return self._of_day(row["date"], time)
        if (gmt := row["gmttime"]) is not None:
            found = _GMT.fullmatch(gmt)
            if found is None:
                raise ValueError("no such stamp")
            day, month, year, hour, minute, second = map(int, found.groups())
            return clock.at(year, month, day, hour, minute, second, offset_s=0)
        if (local := row["localtime"]) is not None:
            return clf_time(clock, local)
        return clock.epoch(row.first(("timestamp", "x-timestamp-unix-utc")) or "")

    def _of_day(self, date: str | None, time: str) -> int:
        day, clock_time = _DAY.match(date or self._day), _TIME.fullmatch(time)
        if day is None or clock_time is None:
            raise ValueError("no date or no time")
        hour, minute, second = int(clock_time[1]), int(clock_time[2]), int(clock_time[3] or 0)
        micro = int((clock_time[4] or "0").ljust(6, "0"))
        at = self._clock.at(int(day[1]), int(day[2]), int(day[3]), hour, minute, second, micro=micro, offset_s=0)
        if date is not None:
            return at
        of_day = hour * 3600 + minute * 60 + second
        if self._last_s - of_day > _HALF_DAY_S:  # past midnight, and no new #Date
            self._rolled += 1
        self._last_s = of_day
        return at + self._rolled * 86_400_000_000

    def _request(self, row: _Row, time: int, client: str, method: str) -> Fact:
        asked = self._target(row, method)
        agent = row.first(_AGENTS)
        if agent is not None and self._iis:
            agent = agent.replace("+", " ")
        return Fact(
            "http_requests",
            time,
            {
                "client": client,
                "client_port": port(row["c-port"]),
                "server": ip(row["s-ip"]),
                "server_port": port(row["s-port"]),
                "method": method,
                "uri": asked.uri,
                "host": asked.host,
                "user_agent": agent,
                "proxied": asked.whole,
                "status": status(row["sc-status"] or row["sc-http-status"]),
                "response_bytes": count(row["sc-bodylength"] or row["sc-body-size"], 1 << 62),
            },
        )

    def _target(self, row: _Row, method: str) -> Target:
        """What was asked for, of the fields that show it whole, in parts, or as a server sees it."""
        host = row["cs-host"] or row["cs(host)"] or row["r-host"] or row["r-dns"]
        url = row["cs-uri"] or row["c-uri"]
        if url is not None:
            asked = target(method, url)
            return asked._replace(host=asked.host or host)
        stem, query = row["cs-uri-stem"] or row["cs-uri-path"] or "/", row["cs-uri-query"]
        if query is not None and self._iis:
            query = _ROUTED.sub("", query)
        uri = stem + ("?" + query.removeprefix("?") if query else "")
        scheme = row["cs-uri-scheme"]
        if method == "CONNECT" and host is not None:
            far = row["cs-uri-port"]
            return Target(host, f"{host}:{far}" if far and ":" not in host else host, True)
        asked = target(method, uri)
        return asked._replace(host=asked.host or host, whole=asked.whole or scheme is not None)


def read(file: EvidenceFile, context: ReadContext) -> FileRead:
    """Read one log into `http_requests`. Trouble becomes problems, never an exception. Raises WorkspaceError."""
    return read_lines(file, context, KIND, _Requests, blind=BLIND, remedy=_REMEDY)
