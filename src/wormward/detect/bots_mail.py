"""A host delivers mail to many exchangers itself: what a bot does that came with the worm. Support, never proof."""

from __future__ import annotations

from typing import Any

from wormward.detect.base import Detector, Draft, Row, Scope, Tables, windows, witness, witnessed
from wormward.model.findings import Kind
from wormward.model.pack import ThreatPack
from wormward.model.text import N_

SMTP = 25
LEAST_EXCHANGERS = 30
"""Distinct servers within the window: ordinary programs talk to one or two relays."""
WINDOW_S = 3600
_HOST = ("site", "client")
SENTENCE = N_(
    "{actor} tried to deliver mail to {exchangers} {exchangers|server|servers} itself, {most} of them within one or two hours"
)


def find(tables: Tables, _pack: ThreatPack, _scope: Scope) -> Any | None:
    """One row per host."""
    flows = tables["flows"].select("row_id", "site", "time", "client", "server", "server_port", "protocol", "second")
    mail = flows.filter((flows.protocol == "tcp") & (flows.server_port == SMTP))
    per_window = windows(mail, WINDOW_S, (*_HOST, "server")).distinct()
    counted = per_window.group_by(*_HOST, "window").agg(exchangers=per_window.count())
    most = counted.group_by(*_HOST).agg(most=counted.exchangers.max()).filter(lambda t: t.most >= LEAST_EXCHANGERS)
    seen = witnessed(mail.semi_join(most, list(_HOST)), _HOST, exchangers=lambda t: t.server.nunique())
    return seen.join(most, _HOST)


def refine(rows: list[Row], _pack: ThreatPack, _scope: Scope) -> list[Draft]:
    """One draft per host."""
    return [
        Draft(
            actor=row["client"],
            site=row["site"],
            table="flows",
            witness=witness(row),
            sentence=SENTENCE,
            fields={"actor": row["client"], "exchangers": row["exchangers"], "most": row["most"]},
        )
        for row in rows
    ]


DETECTOR = Detector(
    rule="bots.mail",
    kind=Kind.BOT_WORK,
    title="Mail to many exchangers",
    tables=("flows",),
    references=("RFC 5321, 5.1: clients of a site hand mail to its relay",),
    limitations=("Mail servers do this all day.",),
    find=find,
    refine=refine,
    ports=lambda _pack: (SMTP,),
)
