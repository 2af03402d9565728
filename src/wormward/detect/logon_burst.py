"""Waves of guessed passwords: bursts of failed session setups to one host after another."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from wormward.detect.base import EVENT, Detector, Draft, Row, Scope, Tables, windows, witness, witnessed
from wormward.model.findings import Kind
from wormward.model.pack import ThreatPack
from wormward.model.text import N_

_PAUSE_S = 600
"""So long a silence parts two waves of one source."""
_LEAST_WAVES = 3
"""A rhythm needs two pauses."""

_HOST = ("site", "client")
ONE_WAVE = N_(
    "{actor} failed to log on to {target} {failures} {failures|time|times} with {users} {users|account|accounts}, "
    "one of {targets} {targets|host|hosts} it tried so"
)
RHYTHM = N_(
    "{actor} failed to log on to {target} {failures} {failures|time|times} with {users} {users|account|accounts}, "
    "one of {targets} {targets|host|hosts} it tried so, in {waves} {waves|wave|waves} about {minutes} "
    "{minutes|minute|minutes} apart"
)


def _bursts(tries: Any, pack: ThreatPack) -> Any:
    """One row per source and target, evidence source and window that holds a burst, with `begin`, its first second.

    Every evidence source is counted by itself: two clocks that disagree must not make two tries of one.
    """
    rule = pack.spreading
    per_window = windows(tries, rule.burst_window_s, (*EVENT, "source", "second"))
    counted = per_window.group_by(*EVENT, "source", "window").agg(failures=per_window.count(), begin=per_window.second.min())
    return counted.filter(counted.failures >= rule.burst_failures)


def _waves(bursts: Any) -> Any:
    """Per source: the seconds in which the waves begin that its bursts come in, as `waves`, in no order."""
    import ibis  # noqa: PLC0415 - slow to import

    seconds = bursts.select(*_HOST, "begin").distinct()
    order = ibis.window(group_by=list(_HOST), order_by="begin")
    gaps = seconds.mutate(before_=seconds.begin.lag().over(order))
    starts = gaps.filter(gaps.before_.isnull() | (gaps.begin - gaps.before_ > _PAUSE_S))
    return starts.group_by(*_HOST).agg(waves=starts.begin.collect())


def bursts_of(logons: Any, pack: ThreatPack) -> Any:
    """One row per source and target of a burst of these logons, for sources with bursts on enough targets."""
    rule = pack.spreading
    failed = logons.mutate(user=logons.user.fill_null(""))
    tries = failed.select(*EVENT, "source", "user", "second").distinct()
    bursts = _bursts(tries, pack)
    hit = bursts.select(*EVENT).distinct()
    named = tries.semi_join(hit, list(EVENT)).filter(lambda t: t.user != "")
    accounts = named.group_by(*_HOST).agg(accounts=named.user.nunique())
    # One account that fails everywhere is a program with an old password; no account at all says nothing of that.
    hit = hit.anti_join(accounts.filter(accounts.accounts < rule.burst_accounts), list(_HOST))
    sources = hit.group_by(*_HOST).agg(targets=hit.count()).filter(lambda t: t.targets >= rule.burst_targets)
    hit = hit.semi_join(sources, list(_HOST))
    totals = tries.semi_join(hit, list(EVENT))
    totals = totals.group_by(*EVENT, "source").agg(failures=totals.count(), users=totals.user.nunique())
    totals = totals.group_by(*EVENT).agg(failures=totals.failures.max(), users=totals.users.max())
    seen = witnessed(failed.semi_join(hit, list(EVENT)), EVENT)
    return seen.join(totals, EVENT).join(sources, _HOST).join(_waves(bursts.semi_join(hit, list(EVENT))), _HOST)


def rhythm(starts: Sequence[int], spread_percent: int) -> int:
    """Minutes from one wave to the next, where the pauses agree; 0 where there is no rhythm. `starts` in seconds."""
    gaps = sorted(b - a for a, b in pairwise(sorted(starts)))
    if len(gaps) < _LEAST_WAVES - 1:
        return 0
    median = gaps[len(gaps) // 2]
    return round(median / 60) if all(abs(gap - median) * 100 <= median * spread_percent for gap in gaps) else 0


def find(tables: Tables, pack: ThreatPack, _scope: Scope) -> Any | None:
    """One row per source and target of a burst of refused logons, for sources with bursts on enough targets."""
    logons = tables["smb_logons"]
    return bursts_of(logons.filter(logons.outcome == "failure"), pack)


def refine(rows: list[Row], pack: ThreatPack, _scope: Scope) -> list[Draft]:
    """One draft per source and target."""
    drafts = []
    for row in rows:
        minutes = rhythm(row["waves"], pack.spreading.wave_spread_percent)
        fields = {name: row[name] for name in ("failures", "users", "targets")}
        fields |= {"actor": row["client"], "target": row["server"], "waves": len(row["waves"]), "minutes": minutes}
        drafts.append(
            Draft(
                actor=row["client"],
                target=row["server"],
                site=row["site"],
                table="smb_logons",
                witness=witness(row),
                sentence=RHYTHM if minutes else ONE_WAVE,
                fields=fields,
                variants=pack.spreading.variants_password,
            )
        )
    return drafts


DETECTOR = Detector(
    rule="logon.burst",
    kind=Kind.LOGON_BURST,
    title="Waves of failed logons to one host after another",
    tables=("smb_logons",),
    references=(
        "Microsoft KB962007: account lock-out policies being tripped",
        "Symantec's description of the B build: a pause of about 40 minutes between waves",
    ),
    limitations=(
        "A program with old passwords of several accounts, or a vulnerability scanner, looks the same: support only, and its "
        "targets count as attacked only if it is suspected for a sign of the worm. Name scanners in site.toml.",
        "Guesses that name too few accounts are left out; a source that names no account cannot show how many there are.",
        "Kerberos and encrypted SMB3 sessions hide failures.",
    ),
    find=find,
    refine=refine,
)
