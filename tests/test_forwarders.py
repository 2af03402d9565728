"""A forwarder is not convicted for what its clients asked, where the log below it tells; and nobody hides behind that."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.detectors import make, play, toy
from wormward.engine import infer_forwarders
from wormward.model.site import Site
from wormward.packs import builtin_packs
from wormward.pipeline import assess

T0 = make.NOON
NAMES = [name for shift in range(2) for name in toy.NAMES["X"].names(toy.DAY - shift)][:40]
BRANCH, ASKER, OTHER = "10.0.9.1", "10.0.9.66", "10.0.0.77"
BEGIN = 1_772_438_400  # 2026-03-02 08:00 UTC


def rows(delays: list[int], askers: int = 1, file: int = 1) -> list[dict[str, object]]:
    """The branch's log, without its server, and the log above it, in which the branch's forwarder asks."""
    below, above = [], []
    for i, (name, delay) in enumerate(zip(NAMES, delays, strict=True)):
        time = T0 + 30 * i
        below += [make.lookup(time, f"10.0.9.{66 + n}", name, file=0, server=None) for n in range(askers)]
        above.append(make.lookup(time + delay, BRANCH, name, file=file, server="10.0.0.2"))
    return below + above


@pytest.mark.parametrize(
    ("delays", "askers", "file", "found"),
    [
        ([i % 2 for i in range(40)], 1, 1, True),
        ([0 if i else 600 for i in range(40)], 1, 1, True),  # one of forty came from elsewhere
        ([0 if i % 8 else 600 for i in range(40)], 1, 1, False),
        ([-1] * 40, 1, 1, False),  # it asked before the others did
        ([20] * 40, 1, 1, False),
        ([0] * 40, 9, 1, False),  # everybody asks for them all the time
        ([0] * 40, 1, 0, False),  # it asks in that very log
    ],
)
def test_who_asks_what_was_asked_a_moment_before_passes_it_on(delays: list[int], askers: int, file: int, found: bool) -> None:
    with play.open_duck({"dns_queries": rows(delays, askers, file)}) as duck:
        play.annotate(duck, toy.PACK)
        assert infer_forwarders(duck) == ({BRANCH} if found else frozenset())


def test_few_names_tell_nothing() -> None:
    with play.open_duck({"dns_queries": [row for row in rows([0] * 40) if row["name"] in NAMES[:19]]}) as duck:
        play.annotate(duck, toy.PACK)
        assert infer_forwarders(duck) == frozenset()


@pytest.mark.parametrize(("lags", "found"), [((0,), set()), ((0, 0, 0, 1), {BRANCH}), ((0, 0, -1, 0), {ASKER}), ((1, -1), set())])
def test_of_two_that_ask_for_the_same_only_the_later_passes_on(lags: tuple[int, ...], found: set[str]) -> None:
    """Two logs without their servers, so that each could lie below the other."""
    both = []
    for i, name in enumerate(NAMES):
        both.append(make.lookup(T0 + 30 * i, ASKER, name, file=0, server=None))
        both.append(make.lookup(T0 + 30 * i + lags[i % len(lags)], BRANCH, name, file=1, server=None))
    with play.open_duck({"dns_queries": both}) as duck:
        play.annotate(duck, toy.PACK)
        assert infer_forwarders(duck) == found


def _log(path: Path, lines: list[tuple[int, str]]) -> Path:
    path.write_text("".join(text for _, text in sorted(lines)))
    return path


def test_a_branch_with_its_forwarders_log(tmp_path: Path) -> None:
    """dnsmasq's log of a branch and BIND's above it: who asked is infected, who passed it on is not, a third is himself."""
    domains = builtin_packs()[0].variants[1].domains
    assert domains is not None
    names = domains.names((datetime(2026, 3, 2, tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)).days)[:60]
    rng = random.Random(7)
    below, above = [], []
    for i, name in enumerate(names):
        at = BEGIN + 60 * i
        stamp = datetime.fromtimestamp(at, UTC)
        below.append((at, f"{stamp:%b %e %H:%M:%S} gw dnsmasq[412]: query[A] {name} from {ASKER}\n"))
        for client, when in ((BRANCH, at + i % 2), (OTHER, BEGIN + rng.randrange(3600))):
            bind = datetime.fromtimestamp(when, UTC)
            text = f"client @0x7f {client}#4711 ({name}): query: {name} IN A +E(0)K (10.0.0.2)"
            above.append((when, f"{bind:%d-%b-%Y %H:%M:%S}.000 queries: info: {text}\n"))
    paths = [_log(tmp_path / "dnsmasq.log", below), _log(tmp_path / "named.log", above)]

    said = assess(paths, packs=builtin_packs(), site=Site(year=2026))
    assert {h.address: h.verdict.value for h in said.hosts} == {ASKER: "infected", OTHER: "infected", BRANCH: "unknown"}
    alone = assess(paths[1:], packs=builtin_packs())
    assert {h.address: h.verdict.value for h in alone.hosts} == {OTHER: "infected", BRANCH: "infected"}
