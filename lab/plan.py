"""Who infects whom, when and how: the tree is drawn before anything is played, so that the truth is known.

An entry comes by a stick (the first build that can) or is carried in. Everyone else is infected by a host that has had
the worm for a while, by a way that its build has. Some hosts are later updated to a build that only comes so.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from lab.site import Host
from lab.stage import MINUTE
from lab.worm import Build, Play


@dataclass(frozen=True, slots=True)
class Infection:
    """One host's way to the worm. `by` is None for an entry; `update_us` and `later` say when it became a later build."""

    address: str
    build: Build
    by: str | None
    way: str
    time_us: int
    later: Build | None = None
    update_us: int | None = None

    def build_at(self, time_us: int) -> Build:
        """Which build the host carries at a time after its infection."""
        return self.later if self.later and self.update_us is not None and time_us >= self.update_us else self.build


@dataclass(frozen=True, slots=True)
class Span:
    """The capture's begin and end."""

    start_us: int
    end_us: int

    def at(self, share: float) -> int:
        """The time at a share of the span."""
        return self.start_us + int((self.end_us - self.start_us) * share)


@dataclass(frozen=True, slots=True)
class Habits:
    """How it spreads: how long a host has the worm before it infects others, how the infections lie in the span."""

    ripe_us: int = 14 * MINUTE
    growth: tuple[float, float] = (0.17, 0.43)
    carried_percent: int = 0


def draw_tree(
    play: Play, hosts: Sequence[Host], wanted: int, span: Span, rng: random.Random, habits: Habits, *, closed: bool
) -> list[Infection]:
    """Infections in time order, `wanted` of them (or fewer if the hosts do not suffice)."""
    free = [h for h in hosts if h.role in ("client", "device")]
    rng.shuffle(free)
    tree = _entries(play, free, span, rng, closed=closed)
    marked = _update_plan(play, wanted, closed=closed)
    begin, length = habits.growth
    times = sorted(span.at(begin + length * rng.random() ** 0.8) for _ in range(wanted - len(tree)))
    for number, time_us in enumerate(times):
        if habits.carried_percent and free and rng.randrange(100) < habits.carried_percent:
            tree.append(_carried(play, free.pop(0), time_us + number, rng))
            continue
        grown = _grow(tree, free, time_us + number, rng, habits.ripe_us)
        if grown is not None:
            tree.append(grown)
    return sorted(_updated(play, tree, marked, span, rng), key=lambda i: (i.time_us, i.address))


def _entries(play: Play, free: list[Host], span: Span, rng: random.Random, *, closed: bool) -> list[Infection]:
    """One entry a spreading build; on a closed network also one of each build that no update can bring there."""
    entries = []
    builds = [b for b in play.builds if b.spreads or closed]
    sticks = [b for b in builds if "usb" in b.ways] + [b for b in builds if "usb" not in b.ways]
    for number, build in enumerate(sticks):
        xp = next(i for i, h in enumerate(free) if h.system == "xp")
        time_us = span.at(0.03 + 0.04 * number) + rng.randrange(MINUTE)
        entries.append(Infection(free.pop(xp).address, build, None, "usb" if "usb" in build.ways else "unknown", time_us))
    return entries


def _carried(play: Play, host: Host, time_us: int, rng: random.Random) -> Infection:
    """One more host to which the worm came over no network: by a stick, or with a guest."""
    build = rng.choice([b for b in play.builds if b.spreads])
    return Infection(host.address, build, None, "usb" if "usb" in build.ways else "unknown", time_us)


def _grow(tree: Sequence[Infection], free: list[Host], time_us: int, rng: random.Random, ripe_us: int) -> Infection | None:
    """The next infection: a ripe infector, one of its ways in turn, a host that this way can enter."""
    ripe = [i for i in tree if i.time_us + ripe_us <= time_us and i.build.spreads]
    if not ripe:
        return None
    source = rng.choice(ripe)
    used = [i.way for i in tree if i.by is not None]
    for way in sorted(source.build.spreads, key=lambda w: (used.count(w), w)):
        index = next((i for i, h in enumerate(free) if way != "exploit" or h.system == "xp"), None)
        if index is not None:
            return Infection(free.pop(index).address, source.build, source.address, way, time_us)
    return None


def _update_plan(play: Play, wanted: int, *, closed: bool) -> int:
    """How many hosts are updated: a quarter, where there is a build that comes so and an Internet that brings it."""
    return 0 if closed or not play.updates else max(1, wanted // 4)


def _updated(play: Play, tree: list[Infection], count: int, span: Span, rng: random.Random) -> list[Infection]:
    """The tree with `count` hosts updated, the early ones of the build just before, once they infect nobody any more."""
    if not count:
        return tree
    later = play.updates[0]
    before = max((b for b in play.builds if b.order < later.order and b.spreads), key=lambda b: b.order)
    last_act = {i.address: max([j.time_us for j in tree if j.by == i.address], default=i.time_us) for i in tree}
    able = sorted((i for i in tree if i.build is before), key=lambda i: (max(last_act[i.address], i.time_us), i.address))
    chosen = {i.address for i in able[:count]}
    out = []
    for each in tree:
        if each.address in chosen:
            time_us = max(span.at(0.5 + 0.08 * rng.random()), last_act[each.address] + 6 * MINUTE)
            each = Infection(each.address, each.build, each.by, each.way, each.time_us, later, time_us)  # noqa: PLW2901
        out.append(each)
    return out
