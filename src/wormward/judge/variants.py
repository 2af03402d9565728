"""Which build a host carries, and carried before.

A telling sign allows a set of variants. A sign that allows just one (a name of one variant's list, a packet of one
variant) tells it: the latest letter told, in the pack's order of builds, is the host's, the earlier ones are its
history (but an older build that came long after a newer one fell silent is a new infection). Where no sign tells a
single one, the sets are intersected in time order; where they exclude each other, or an update explains them as well
as one rare build would, the later set begins a new build. What stays open is settled over the infection graph: the
worm copies itself, so infector and victim carried the same build at that moment. At last a build that came only as an
update stands for later ones that came that way too, unless a sign parts them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise

from wormward.judge.weigh import Key, Sign
from wormward.model.findings import Finding
from wormward.model.states import Past, Way

FIRM = 3000
"""A sign of less than a thousand to one tells no variant: in a large site some host meets a stray name by chance."""

APART = timedelta(hours=12)
"""An older build whose first sign comes this long after a newer build's last one came anew: names are asked for in all
hours that a host is on."""

UPDATE = timedelta(hours=1)
"""The old build may still ask for names so long after the new one began."""


@dataclass(frozen=True, slots=True)
class Epoch:
    """While a host carried one of these letters: first and last sign of it."""

    letters: frozenset[str]
    first: datetime
    last: datetime

    def with_sign(self, finding: Finding, letters: frozenset[str]) -> Epoch:
        """The epoch, narrowed to `letters` and stretched over `finding`."""
        return Epoch(letters, min(self.first, finding.time), max(self.last, finding.time_last))


@dataclass(frozen=True, slots=True)
class Strain:
    """The builds of one host, oldest first. `inherited` names the host that a letter was taken over from."""

    epochs: tuple[Epoch, ...] = ()
    inherited: str | None = None

    def at(self, time: datetime) -> frozenset[str]:
        """The letters that the host can have carried at `time`; empty if nothing is known."""
        letters: frozenset[str] = self.epochs[0].letters if self.epochs else frozenset()
        for epoch in self.epochs:
            if epoch.first <= time:
                letters = epoch.letters
        return letters

    @property
    def letters(self) -> tuple[str, ...]:
        """The latest build: one letter, or the sorted letters that evidence cannot decide between."""
        return tuple(sorted(self.epochs[-1].letters)) if self.epochs else ()

    @property
    def together(self) -> tuple[str, ...]:
        """Letters of builds whose signs overlap for longer than an update takes, sorted; empty if none do."""
        pairs = [(a, b) for a, b in pairwise(self.epochs) if a.last - b.first > UPDATE and b.last - a.first > UPDATE]
        return tuple(sorted({letter for pair in pairs for e in pair if len(e.letters) == 1 for letter in e.letters}))

    @property
    def history(self) -> tuple[Past, ...]:
        """The builds before it, as far as one letter was told."""
        return tuple(Past(next(iter(e.letters)), e.first, e.last) for e in self.epochs[:-1] if len(e.letters) == 1)


def strain(signs: Sequence[Sign], order: Mapping[str, int]) -> Strain:
    """The builds that a host's own signs show; `order` maps letters to the order of builds."""
    allowed = [(s.finding, _known(s.finding.variants, order)) for s in signs if s.telling and s.milli >= FIRM]
    told: dict[str, Epoch] = {}
    for finding, letters in allowed:
        if len(letters) == 1:
            letter = next(iter(letters))
            seen = told.get(letter, Epoch(letters, finding.time, finding.time_last))
            told[letter] = seen.with_sign(finding, letters)
    epochs = _in_sequence([told[letter] for letter in sorted(told, key=lambda x: order[x])])
    sets = [(f, letters) for f, letters in allowed if len(letters) > 1]
    return Strain(tuple(_with_sets(epochs, sets, order)))


def _in_sequence(epochs: list[Epoch]) -> list[Epoch]:
    """Told builds as they followed each other.

    That is the order of builds, but one that began long after a newer one had fallen silent is a new infection.
    """
    out: list[Epoch] = []
    for epoch in epochs:
        place = len(out)
        while place and out[place - 1].first > epoch.last + APART:
            place -= 1
        out.insert(place, epoch)
    return out


def _known(letters: Iterable[str], order: Mapping[str, int]) -> frozenset[str]:
    return frozenset(x for x in letters if x in order)


def _with_sets(epochs: list[Epoch], sets: Sequence[tuple[Finding, frozenset[str]]], order: Mapping[str, int]) -> list[Epoch]:
    """Add the signs that allow several letters, in time order."""
    told = bool(epochs)
    for finding, letters in sets:
        fitting = [i for i, e in enumerate(epochs) if e.letters & letters]
        begun = [i for i in fitting if epochs[i].first <= finding.time]
        i = begun[-1] if begun else fitting[0] if fitting else -1
        if i >= 0 and not _is_update(epochs[i].letters, letters, order):
            epochs[i] = epochs[i].with_sign(finding, epochs[i].letters & letters)
        else:
            _add_epoch(epochs, Epoch(letters, finding.time, finding.time_last), told, order)
    return epochs


def _is_update(before: frozenset[str], after: frozenset[str], order: Mapping[str, int]) -> bool:
    """True if an update from `before` to `after` explains both as well as one letter that is in both.

    So it is if letters that only the former allows are older than one that only the latter allows, and older than
    those that both allow: where an old build explains both, it is the simplest account.
    """
    gone, come, common = before - after, after - before, before & after
    if not gone or not come:
        return False
    oldest_gone = min(order[x] for x in gone)
    return oldest_gone < max(order[x] for x in come) and all(oldest_gone < order[x] for x in common)


def _add_epoch(epochs: list[Epoch], fresh: Epoch, told: bool, order: Mapping[str, int]) -> None:
    """Begin a build that fits none of the others, before or after them."""
    if not epochs:
        epochs.append(fresh)
        return
    oldest = min(order[x] for x in epochs[0].letters)
    newest = max(order[x] for x in epochs[-1].letters)
    older = frozenset(x for x in fresh.letters if order[x] < oldest)
    newer = frozenset(x for x in fresh.letters if order[x] > (newest if told else oldest))
    if older and fresh.first <= epochs[0].first:
        epochs.insert(0, replace(fresh, letters=older))
    elif newer and (not told or newer == fresh.letters):
        epochs.append(replace(fresh, letters=newer))
    # Else an older build's sign after a newer build's: another device at this address, or a second infection
    # that lost; the newest letter told stands.


def settle(strains: Mapping[Key, Strain], edges: Sequence[tuple[Key, Key, datetime]]) -> dict[Key, Strain]:
    """Close open sets over likely edges (infector, victim, time), given in time order.

    Forward: a victim takes over what its infector carried then. Backward: an infector that showed nothing of its
    own build carried what its victim first showed. Forward again, for what that opened.
    """
    now = dict(strains)
    for infector, victim, time in edges:
        _hand_on(now, infector, victim, time)
    for infector, victim, time in reversed(edges):
        first = now[victim].epochs[0].letters if now[victim].epochs else frozenset()
        now[infector] = _narrowed(now[infector], _epoch_at(now[infector], time), first, victim)
    for infector, victim, time in edges:
        _hand_on(now, infector, victim, time)
    return now


def _hand_on(strains: dict[Key, Strain], infector: Key, victim: Key, time: datetime) -> None:
    letters = strains[infector].at(time)
    if strains[victim].epochs:
        strains[victim] = _narrowed(strains[victim], 0, letters, infector)
    elif letters:
        strains[victim] = Strain((Epoch(letters, time, time),), infector[1])


def covering(letters: tuple[str, ...], updates: Mapping[str, frozenset[str]], order: Mapping[str, int]) -> tuple[str, ...]:
    """The letter that stands for an open set: its oldest, if that came only as an update and the others may have.

    `updates` maps letters to the ways that the variant comes.
    """
    oldest = min(letters, key=lambda x: order[x], default="")
    if len(letters) > 1 and updates[oldest] == {Way.UPDATE.value} and all(Way.UPDATE.value in updates[x] for x in letters):
        return (oldest,)
    return letters


def _epoch_at(carried: Strain, time: datetime) -> int:
    begun = [i for i, e in enumerate(carried.epochs) if e.first <= time]
    return begun[-1] if begun else 0


def _narrowed(own: Strain, index: int, letters: frozenset[str], source: Key) -> Strain:
    """`own` with epoch `index` narrowed to `letters`, if that decides something."""
    if index >= len(own.epochs):
        return own
    epoch = own.epochs[index]
    both = epoch.letters & letters
    if not both or both == epoch.letters:
        return own
    epochs = (*own.epochs[:index], replace(epoch, letters=both), *own.epochs[index + 1 :])
    latest = index == len(own.epochs) - 1
    return Strain(epochs, source[1] if latest else own.inherited)
