"""The sentences that a verdict may need besides the pack's: what would decide, clocks, what was taken over."""

from __future__ import annotations

from collections.abc import Sequence

from wormward.judge.weigh import Tally
from wormward.model.states import Coverage, Infection, Reason
from wormward.model.text import N_

NO_DNS = N_("Its DNS lookups would tell more: the query log of its resolver, or a capture between the two.")
NO_CALLS = N_("A capture at its switch port would tell more: who opened its SMB service, and what was asked of it.")
NO_FLOWS = N_("Flow records or a capture of its segment would tell more: whom it contacts, and on which ports.")
LONGER = N_("A day or more of the same evidence would tell more: a worm repeats itself every few hours.")
ITSELF = N_("Only a look at the host itself (services, scheduled tasks, files, updates) can show that it is clean.")
SUCCESS = N_("Whether an attack succeeded is seen on the host itself, and in what it does in the hours after.")

CLOCK_BEHIND = N_(
    "The names it asked for are always those of {days} days after the log's date: the log's clock or time zone is off, "
    "or whoever told the host the date."
)
CLOCK_AHEAD = N_(
    "The names it asked for are always those of {days} days before the log's date: the log's clock or time zone is off, "
    "or whoever told the host the date."
)
UNWEIGHED = N_("It takes part in {count} findings that say nothing of infection by themselves.")
INHERITED = N_("Its own traffic leaves the variant open; {other} carried variant {variant} when the worm passed between them.")

TRAFFIC_ONLY = N_("Traffic alone never shows that a host is clean; a host that showed nothing is unknown.")
NO_RANGES = N_("The site's address ranges were not given: private addresses were taken as the site.")
NO_INVENTORY = N_("No inventory of the site was given: hosts that sent nothing past the sensors are not listed.")


def shown_tables(coverage: Sequence[Coverage]) -> frozenset[str]:
    """The tables that any source gave rows of."""
    return frozenset(table for source in coverage for table, count in source.rows.items() if count)


def would_decide(verdict: Infection, reasons: Sequence[Reason], shown: frozenset[str]) -> tuple[str, ...]:
    """What evidence would turn this answer into a firmer one; empty for an infected host. `shown`: see `shown_tables`."""
    if verdict is Infection.INFECTED:
        return ()
    out = [SUCCESS] if verdict is Infection.ATTACKED else []
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
