"""Clients that pass on what others ask them: told by two logs, one below the forwarder and one above it.

A small forwarder (a router's dnsmasq, a branch's resolver) asks upwards within a second for what it was asked. Its own
log does not name its address, and the log above shows it like any host: without this look it would be convicted for what
its clients asked. Where nearly all that a client asks was asked a moment before by others, of a server that the source
does not name, it is taken for a forwarder. Only listed names are looked at, for only they convict.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wormward.engine.base import Engine

LEAST_NAMES = 20
"""Distinct names that must have been asked below first."""
LEAST_PERCENT = 95
"""Of a client's lookups so many were asked below the same second or the one before."""
MOST_EACH = 3
"""Where each was asked below by more others than this, the names are simply in many mouths, and nothing follows."""


def infer_forwarders(engine: Engine) -> frozenset[str]:
    """Addresses that pass on listed names; needs the cut `telling_queries`. Raises WorkspaceError."""
    if "telling_queries" in engine.empty():
        return frozenset()
    lookups = engine.tables()["telling_queries"]
    above = lookups.select("row_id", "site", "client", "source", "name", "second")
    below = lookups.filter(lookups.server.isnull())
    below = below.select("site", "name", asker=below.client, log=below.source, second=below.second).distinct()
    pairs = _paired(above, below, 0).union(_paired(above, below, 1))
    # A log in which it asks itself is none of what lies below it.
    at_home = above.select("site", "client", log=above.source).distinct()
    pairs = pairs.anti_join(at_home, ["site", "client", "log"])
    met = pairs.group_by("site", "client").agg(lookups=pairs.row_id.nunique(), names=pairs.name.nunique(), pairs=pairs.count())
    asked = above.group_by("site", "client").agg(asked=above.count())
    judged = met.join(asked, ["site", "client"])
    passing = judged.filter(
        (judged.names >= LEAST_NAMES)
        & (judged.lookups * 100 >= judged.asked * LEAST_PERCENT)
        & (judged.pairs <= judged.lookups * MOST_EACH)
    )
    lags = pairs.semi_join(passing, ["site", "client"])
    lags = lags.group_by("site", "client", "asker").agg(seconds=lags.later.sum())
    return _behind({(row["site"], row["client"], row["asker"]): int(row["seconds"]) for row in engine.fetch(lags)})


def _behind(lags: Mapping[tuple[str, str, str], int]) -> frozenset[str]:
    """Of these clients those that ask after their askers.

    Of two that ask for each other's names only one can pass them on: the one that is more often a second later, else neither.
    """
    found = {(site, client) for site, client, _ in lags}
    ahead = {
        (site, client)
        for (site, client, asker), lag in lags.items()
        if (site, asker) in found and lags.get((site, asker, client), -1) >= lag
    }
    return frozenset(client for _, client in found - ahead)


def _paired(above: Any, below: Any, seconds: int) -> Any:
    """Lookups, each with those of others for the same name so many seconds before."""
    later = below.mutate(second=below.second + seconds, later=seconds)
    pairs = above.join(later, ["site", "name", "second"])
    return pairs.filter(pairs.asker != pairs.client).select("row_id", "site", "client", "name", "asker", "log", "later")
