"""What stands before a message in a syslog file, in all the forms that daemons, relays and devices write it.

- RFC 3164 as files have it (`Nov 23 08:49:33 host prog[pid]: message`), with or without priority, host, year, fraction;
  Cisco's forms of it (sequence number, `*`, zone), OpenWrt's `logread` and `dmesg -T` (`Mon Nov 23 08:49:33 2026 ...`)
- RFC 5424 (`1 2026-11-23T08:49:33Z host prog pid id [data] message`)
- ISO 8601 stamps (rsyslog, syslog-ng, `journalctl -o short-iso`), seconds since 1970 (Unbound's own file,
  `journalctl -o short-unix`)
- no stamp at all, where a message carries its own
"""

from __future__ import annotations

import re

from wormward.evidence.lines import Clock

_ISO = r"(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?)"
_BSD = r"([A-Z][a-z]{2} {1,2}\d{1,2} (?:\d{4} )?\d\d:\d\d:\d\d(?:\.\d{1,6})?(?: (?:UTC|GMT)(?=:? ))?)"
_CTIME = r"[A-Z][a-z]{2} ([A-Z][a-z]{2} {1,2}\d{1,2} \d\d:\d\d:\d\d \d{4})"
_EPOCH = r"(\d{9,11}(?:\.\d{1,9})?)(?=[\] ])"
_STAMP = re.compile(rf"(?:<\d{{1,3}}>)?:?(?:\d{{1,10}}: )?[*.\[]?(?:{_BSD}|{_ISO}|{_CTIME}|{_EPOCH})[\]:]? ?")
_MODERN = re.compile(rf"(?:<\d{{1,3}}>)?1 (?:{_ISO}|-) (\S+) (\S+) \S+ \S+ (?:-|(?:\[(?:[^\]\\]|\\.)*\])+) ?\ufeff?")
# Behind the stamp stand no word, the host, or host and facility; then the program. Unbound's own tag has no colon.
_TAG = re.compile(r"((?:\S+ ){0,2}?)([^\s:\[\]]+)(?:(?:\[[^\]\s]*\])?:(?: |$)|\[\d+:\w+\] )")
_PRIORITY = re.compile(r"<\d{1,3}>")


class Header:
    """Takes one line after the other apart: `host`, `program`, `rest` behind the stamp, `text` behind the tag."""

    __slots__ = ("_clock", "_last", "_stamp", "_time", "host", "program", "rest", "text")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._stamp = self._last = ""
        self._time = 0
        self.host = self.program = self.rest = self.text = ""

    def take(self, line: str) -> None:
        """Look at a line. What it does not have is empty."""
        found = _STAMP.match(line)
        if found is None:
            self._unstamped(line)
            return
        self._stamp = found[found.lastindex or 0]
        rest = self.rest = line[found.end() :]
        tag = _TAG.match(rest)
        if tag is None:
            self.host, self.program, self.text = "", "", rest
        else:
            self.host, self.program, self.text = tag[1], tag[2], rest[tag.end() :]

    def _unstamped(self, line: str) -> None:
        modern = _MODERN.match(line)
        if modern:
            self._stamp, self.host, self.program = modern[1] or "", modern[2], modern[3]
            self.rest = self.text = line[modern.end() :]
            return
        priority = _PRIORITY.match(line)
        self._stamp = self.host = self.program = ""
        self.rest = self.text = line[priority.end() :] if priority else line

    def time(self) -> int:
        """Time of the line's stamp in UTC microseconds. Raises ValueError without one, EvidenceError without a year."""
        stamp = self._stamp
        if stamp == self._last and stamp:
            return self._time
        if not stamp:
            raise ValueError("no stamp")
        if not stamp[0].isdigit():
            self._time = self._clock.stamp(stamp)
        elif stamp[4:5] == "-":
            self._time = self._clock.iso(stamp)
        else:
            self._time = self._clock.epoch(stamp)
        self._last = stamp
        return self._time
