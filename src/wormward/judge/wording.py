"""The sentences that a verdict may need besides the pack's: what would decide, clocks, what was taken over."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from wormward.judge.weigh import Tally
from wormward.model.states import Coverage, Host, Infection, Listed, Reason, Remark
from wormward.model.text import N_

SCANNERS = N_(
    "A vulnerability scanner or an inventory program does the same: if it is one of the site's, name it in site.toml (scanners)."
)
NO_INTERNET = N_(
    "On a network without Internet its connections would decide: a capture of its segment, or Zeek's conn, ntlm and dce_rpc "
    "logs, shows whether it scans, guesses passwords or sends the exploit."
)
NO_DNS = N_("Its DNS lookups would tell more: the query log of its resolver, or a capture between the two.")
NO_CALLS = N_("A capture at its switch port would tell more: who opened its SMB service, and what was asked of it.")
NO_FLOWS = N_("Flow records or a capture of its segment would tell more: whom it contacts, and on which ports.")
LONGER = N_("A day or more of the same evidence would tell more: a worm repeats itself every few hours.")
ITSELF = N_("Only a look at the host itself (services, scheduled tasks, files, updates) can show that it is clean.")
SUCCESS = N_("Whether an attack succeeded is seen on the host itself, and in what it does in the hours after.")

CLOCK_BEHIND = N_(
    "The names it asked for are always those of {days} {days|day|days} after the log's date: the log's clock or time zone is "
    "off, or whoever told the host the date."
)
CLOCK_AHEAD = N_(
    "The names it asked for are always those of {days} {days|day|days} before the log's date: the log's clock or time zone is "
    "off, or whoever told the host the date."
)
UNWEIGHED = N_(
    "It takes part in {count} {count|finding|findings} that {count|says|say} nothing of infection by {count|itself|themselves}."
)
TOGETHER = N_(
    "Signs of variants {variants} overlap in time: several hosts stand behind this address (a name server that forwards, "
    "address translation), or several builds run side by side. If it is a name server or a proxy, "
    "say so in site.toml (resolvers, proxies)."
)
CHANGED_HANDS = N_(
    "Its address came to another device at {time}: what was seen before that was the one that had it then ({device})."
)
CHANGED_HANDS_UNNAMED = N_(
    "Its address came to another device at {time}: what was seen before that was the one that had it then, whose name is unknown."
)
BEHIND_NAT = N_("Many hosts stand behind this address (site.toml, nat): the answer is of one of them; its own logs tell which.")
INHERITED = N_("Its own traffic leaves the variant open; {other} carried variant {variant} when the worm passed between them.")

TRAFFIC_ONLY = N_("Traffic alone never shows that a host is clean; a host that showed nothing is unknown.")
NO_RANGES = N_("The site's address ranges were not given: private addresses were taken as the site.")
OUTSIDERS = N_(
    "Addresses outside of the site showed the worm too and did nothing to its hosts: they are named in findings only. "
    "Give the site's address ranges if some of them are yours."
)
NO_INVENTORY = N_("No inventory of the site was given: hosts that sent nothing past the sensors are not listed.")

BY_ADDRESS = N_(
    "Nothing binds the addresses of some hosts to a device (a lease, a card, a name, the inventory): there the address is taken "
    "for the device, and one device may be listed several times or several as one."
)
INVENTORY = N_(
    "The inventory {source} lists {total} {total|host|hosts}: {observed} {observed|was|were} seen in this evidence, {infected} "
    "of these {infected|is|are} infected; of {unseen} it shows nothing. {unlisted} {unlisted|host|hosts} of the site that "
    "{unlisted|was|were} seen {unlisted|does|do} not stand in it."
)

LIKE_A_SCANNER = frozenset({"scan.smb", "scan.probe", "exploit.path", "exploit.call", "logon.burst", "logon.unshown"})
"""Rules that meet what a vulnerability scanner does too."""
DATE_SITES = "names.date-sites"
CLOSED = N_(
    "{number} {number|host|hosts} of which no more is known looked up the sites that the worm takes the date from, in its manner "
    "and in vain ({hosts}): a capture of their segment, or Zeek's conn, ntlm and dce_rpc logs, would decide."
)
CLOCKS = N_(
    "{number} {number|source has a clock that is|sources have clocks that are} off against the others, by up to {most}: so say "
    "events that several of them saw. Times were set right, and coverage says by how much. Nothing says which clock is right: "
    "the middle one is taken to be."
)
MOST_HOSTS = 5
"""So many hosts are named."""


def closed_network(hosts: Sequence[Host]) -> tuple[Remark, ...]:
    """What stands on the first page of hosts that only show what the worm does on a network without Internet."""
    asking = [h for h in hosts if h.verdict is Infection.UNKNOWN and any(r.rule == DATE_SITES for r in h.reasons)]
    named = ", ".join(h.address for h in asking[:MOST_HOSTS]) + (", …" if len(asking) > MOST_HOSTS else "")
    return (Remark(CLOSED, {"number": len(asking), "hosts": named}),) if asking else ()


def of_inventory(listed: Listed | None, hosts: Sequence[Host]) -> tuple[Remark, ...]:
    """The first page's sentence on how much of the inventory was seen."""
    if listed is None:
        return ()
    infected = sum(h.verdict is Infection.INFECTED and h.inventory is not None for h in hosts)
    fields: dict[str, str | int] = {
        "source": listed.source,
        "total": listed.hosts,
        "observed": listed.observed,
        "infected": infected,
        "unseen": listed.hosts - listed.observed,
        "unlisted": listed.unlisted,
    }
    return (Remark(INVENTORY, fields),)


def clocks_off(coverage: Sequence[Coverage]) -> tuple[Remark, ...]:
    """What stands on the first page of sources whose times were moved."""
    off = [abs(c.clock_shift_s) for c in coverage if c.clock_shift_s and not c.duplicate_of]
    return (Remark(CLOCKS, {"number": len(off), "most": f"{timedelta(seconds=max(off))}"}),) if off else ()


def changed_hands(time: datetime, device: str) -> Reason:
    """An address that came to another device at `time`; `device` is the earlier one's name, if known."""
    fields: dict[str, str | int] = {"time": f"{time:%Y-%m-%d %H:%M:%S} UTC", "device": device}
    return Reason("site.changed-hands", CHANGED_HANDS if device else CHANGED_HANDS_UNNAMED, fields, (), 0)


def shown_tables(coverage: Sequence[Coverage]) -> frozenset[str]:
    """The tables that any source gave rows of."""
    return frozenset(table for source in coverage for table, count in source.rows.items() if count)


def would_decide(verdict: Infection, reasons: Sequence[Reason], shown: frozenset[str]) -> tuple[str, ...]:
    """What evidence would turn this answer into a firmer one; empty for an infected host. `shown`: see `shown_tables`."""
    if verdict is Infection.INFECTED:
        return ()
    out = [SUCCESS] if verdict is Infection.ATTACKED else []
    told = {r.rule for r in reasons}
    if verdict is Infection.SUSPECTED and told <= LIKE_A_SCANNER:
        out.append(SCANNERS)
    if DATE_SITES in told:
        out.append(NO_INTERNET)
    out += [sentence for table, sentence in (("dns_queries", NO_DNS), ("flows", NO_FLOWS)) if table not in shown]
    if not shown & {"rpc_calls", "smb_logons"}:
        out.append(NO_CALLS)
    if reasons and verdict is not Infection.ATTACKED:
        out.append(LONGER)
    return (*out, ITSELF)


def clock_offset(tally: Tally) -> int | None:
    """Days by which the day of a host's names parts from the log's, if it always parts by the same; else None."""
    offsets = {s.finding.fields["offset_days"] for s in tally.telling if "offset_days" in s.finding.fields}
    return int(next(iter(offsets))) if len(offsets) == 1 else None


def clock_reason(tally: Tally, offset: int) -> Reason:
    """The sentence on an offset that is not 0, with the findings that show it. `offset`: names' day minus log's day."""
    ids = tuple(s.finding.id for s in tally.telling if "offset_days" in s.finding.fields)
    return Reason("names.clock", CLOCK_BEHIND if offset > 0 else CLOCK_AHEAD, {"days": abs(offset)}, ids, 0)
