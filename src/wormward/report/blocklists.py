"""Block lists for resolvers (response policy zones) and for Suricata, and what was left out of them.

Only what `blocking` found safe. Each entry has the findings that justify it as a comment; names from the evidence's
last day on, which no finding shows, are in files of their own. Nothing but plain host names and addresses gets into a
list, so that no text of evidence can break its syntax.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence, Set

from wormward.model.pack import ThreatPack
from wormward.model.states import Assessment
from wormward.report.blocking import Blocked, Blocking, LeftOut, blocking
from wormward.report.csvout import Column, table

ZONE, RULES, UPCOMING_ZONE, UPCOMING_RULES, UPCOMING_NAMES, LEFT_OUT, ABOUT = FILES = (
    "names.rpz",
    "wormward.rules",
    "upcoming.rpz",
    "upcoming.rules",
    "upcoming-names.lst",
    "left-out.csv",
    "README.txt",
)
"""What stands in the folder."""

_TITLE = "wormward block list"
_SIDS = range(1_000_000, 1_900_000)
"""Signature ids that are kept for local use (the upper end is left to others)."""
_MOST_IDS = 5
"""So many findings are named in a comment."""

_ABOUT = """\
wormward block list, {tlp}

names.rpz           response policy zone: names that infected hosts asked for and nobody else needs. BIND: a zone of
                    type primary, named in response-policy {{ zone "..."; }}. Answers NXDOMAIN, for names below them too.
wormward.rules      Suricata 7: the same names, and file sharing (TCP {ports}) that infected hosts begin. "drop" rules
                    drop in IPS mode and alert in IDS mode. Rules on sinkholes alert in any mode: do not change that.
upcoming.rpz        names of {days} days from the evidence's last day on (--block-days); no finding shows them.
upcoming.rules      the same for Suricata; upcoming-names.lst must lie beside it.
{short}left-out.csv        what was not blocked, and why. Read it before you block more by hand.

Names are good for their day only: make new lists from new evidence.
"""

_LEFT_OUT: tuple[Column[LeftOut], ...] = (
    Column("entry", "What is not blocked.", lambda e: e.value),
    Column("what", "What it is.", lambda e: e.what),
    Column("reason", "Why it is not blocked.", lambda e: e.reason),
    Column("findings", "Findings that name it.", lambda e: "; ".join(e.findings)),
)


def to_blocklists(
    assessment: Assessment, packs: Sequence[ThreatPack], days: int = 0, needed: Set[str] = frozenset()
) -> dict[str, str]:
    """The text of each of `FILES`; `days` and `needed` as `blocking` has them."""
    told = blocking(assessment, packs, days, needed)
    head = f"{_TITLE}, {assessment.tlp.label}"
    serial = int(assessment.as_of.timestamp()) % 2**32 if assessment.as_of else 1
    return {
        ZONE: _zone(head, serial, [(e.value, _because(e)) for e in told.names]),
        RULES: _rules(head, told),
        UPCOMING_ZONE: _zone(head, serial, [(u.value, f"upcoming: variant {u.variant}, {u.day}") for u in told.upcoming]),
        UPCOMING_RULES: _upcoming_rules(head, bool(told.upcoming)),
        UPCOMING_NAMES: "".join(f"{_base64(text)}\n" for text in (_TITLE, *sorted(u.value for u in told.upcoming))),
        LEFT_OUT: table(_LEFT_OUT, told.left_out, assessment.tlp.label),
        ABOUT: _ABOUT.format(tlp=assessment.tlp.label, ports=", ".join(map(str, told.ports)), days=days, short=_short(told)),
    }


def _short(told: Blocking) -> str:
    """What share of each variant's names is not blocked, for whoever believes that a variant is."""
    lines = [
        f"                    VARIANT {variant} IS NOT BLOCKED WHOLLY: {left:,} of its {made:,} names of these days "
        f"({100 * left // made}%) are left out,\n                    for they are so short that they may be somebody's.\n"
        for variant, left, made in told.shares
        if left
    ]
    return "".join(lines)


def _because(entry: Blocked) -> str:
    more = len(entry.findings) - _MOST_IDS
    return " ".join(entry.findings[:_MOST_IDS]) + (f" and {more} more" if more > 0 else "")


def _zone(head: str, serial: int, entries: Sequence[tuple[str, str]]) -> str:
    """A response policy zone (draft-vixie-dnsop-dns-rpz): CNAME to the root means NXDOMAIN."""
    lines = [
        f"; {head}",
        "$TTL 300",
        f"@ SOA localhost. hostmaster.localhost. ( {serial} 3600 600 604800 300 )",
        "@ NS localhost.",
    ]
    for name, why in entries:
        lines += [f"; {why}", f"{name} CNAME .", f"*.{name} CNAME ."]
    return "\n".join(lines) + "\n"


def _rules(head: str, told: Blocking) -> str:
    ports = f"[{','.join(map(str, told.ports))}]"
    rules: list[tuple[str, str, str]] = []  # what it is on, before the message, after it
    for e in told.names:
        rest = f'dns.query; dotprefix; content:".{e.value}"; nocase; endswith'
        rules.append((_because(e), f'drop dns any any -> any any (msg:"wormward: lookup of {e.value}"', rest))
    for e in told.inside if told.ports else ():
        message = f'(msg:"wormward: infected {e.value} begins file sharing"'
        rules.append((_because(e), f"drop tcp {e.value} any -> any {ports} {message}", "flow:to_server"))
    for e in told.outside if told.ports else ():
        message = f'(msg:"wormward: infected outsider {e.value} begins file sharing"'
        rules.append((_because(e), f"drop tcp {e.value} any -> $HOME_NET {ports} {message}", "flow:to_server"))
    for e in told.watched:
        message = f'(msg:"wormward: contact with the sinkhole {e.value}"'
        limit = "threshold:type limit, track by_src, count 1, seconds 3600"
        rules.append((_because(e), f"alert ip any any -> {e.value} any {message}", limit))
    used: set[int] = set()
    lines = [f"# {head}"]
    for why, first, rest in rules:
        lines += [f"# {why}", f"{first}; {rest}; sid:{_sid(first, used)}; rev:1;)"]
    return "\n".join(lines) + "\n"


def _upcoming_rules(head: str, any_names: bool) -> str:
    if not any_names:
        return f"# {head}; no names from the evidence's last day on were asked for\n"
    first = 'drop dns any any -> any any (msg:"wormward: lookup of a name of the days from the last of the evidence on"'
    rest = f"dns.query; to_lowercase; dataset:isset,wormward-upcoming,type string,load {UPCOMING_NAMES}"
    return f"# {head}\n{first}; {rest}; sid:{_sid(first, set())}; rev:1;)\n"


def _sid(rule: str, used: set[int]) -> int:
    """The same id for the same entry in every list, so that a site's own tuning by id holds; the next free one if taken."""
    number = int.from_bytes(hashlib.sha256(rule.encode()).digest()[:4], "big") % len(_SIDS)
    while number in used:
        number = (number + 1) % len(_SIDS)
    used.add(number)
    return _SIDS[number]


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
