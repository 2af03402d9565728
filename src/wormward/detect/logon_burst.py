"""Waves of guessed passwords: bursts of failed session setups to one host after another."""

from __future__ import annotations

from typing import Any

from wormward.detect.base import EVENT, Detector, Draft, Row, Scope, Tables, windows, witness, witnessed
from wormward.model.findings import Kind
from wormward.model.pack import ThreatPack
from wormward.model.text import N_

_PAUSE_S = 600
"""So long a silence parts two waves of one source."""
_LEAST_WAVES = 3
"""A rhythm needs two intervals."""

_HOST = ("site", "client")
ONE_WAVE = N_("{actor} failed to log on to {target} {failures} times with {users} accounts, one of {targets} hosts it tried so")
RHYTHM = N_(
    "{actor} failed to log on to {target} {failures} times with {users} accounts, one of {targets} hosts it tried so, "
    "in {waves} waves about {minutes} minutes apart"
)


def _waves(tries: Any) -> Any:
    """Per source: how many waves its failures come in, and the time from the first wave's start to the last's."""
    import ibis  # noqa: PLC0415 - slow to import

    seconds = tries.select(*_HOST, "second").distinct()
    order = ibis.window(group_by=list(_HOST), order_by="second")
    gaps = seconds.mutate(before_=seconds.second.lag().over(order))
    starts = gaps.filter(gaps.before_.isnull() | (gaps.second - gaps.before_ > _PAUSE_S))
    return starts.group_by(*_HOST).agg(waves=starts.count(), span=starts.second.max() - starts.second.min())


def bursts_of(logons: Any, pack: ThreatPack) -> Any:
    """One row per source and target of a burst of these logons, for sources with bursts on enough targets."""
    rule = pack.spreading
    failed = logons.mutate(user=logons.user.fill_null(""))
    # One try seen by two sources is one: told by account and second.
    tries = failed.select(*EVENT, "user", "second").distinct()
    per_window = windows(tries, rule.burst_window_s, EVENT)
    bursts = per_window.group_by(*EVENT, "window").agg(failures=per_window.count())
    hit = bursts.filter(bursts.failures >= rule.burst_failures).select(*EVENT).distinct()
    sources = hit.group_by(*_HOST).agg(targets=hit.count()).filter(lambda t: t.targets >= rule.burst_targets)
    hit = hit.semi_join(sources, list(_HOST))
    totals = tries.semi_join(hit, list(EVENT))
    totals = totals.group_by(*EVENT).agg(failures=totals.count(), users=totals.user.nunique())
    waves = _waves(tries.semi_join(sources, list(_HOST)))
    seen = witnessed(failed.semi_join(hit, list(EVENT)), EVENT)
    return seen.join(totals, EVENT).join(sources, _HOST).join(waves, _HOST)


def find(tables: Tables, pack: ThreatPack, _scope: Scope) -> Any | None:
    """One row per source and target of a burst of refused logons, for sources with bursts on enough targets."""
    logons = tables["smb_logons"]
    return bursts_of(logons.filter(logons.outcome == "failure"), pack)


def refine(rows: list[Row], pack: ThreatPack, _scope: Scope) -> list[Draft]:
    """One draft per source and target."""
    drafts = []
    for row in rows:
        rhythmic = row["waves"] >= _LEAST_WAVES
        fields = {name: row[name] for name in ("failures", "users", "targets", "waves")}
        fields |= {"actor": row["client"], "target": row["server"]}
        fields["minutes"] = round(row["span"] / (row["waves"] - 1) / 60) if rhythmic else 0
        drafts.append(
            Draft(
                actor=row["client"],
                target=row["server"],
                site=row["site"],
                table="smb_logons",
                witness=witness(row),
                sentence=RHYTHM if rhythmic else ONE_WAVE,
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
        "A program with an old password that talks to many servers looks the same; support only.",
        "Kerberos and encrypted SMB3 sessions hide failures.",
    ),
    find=find,
    refine=refine,
)
