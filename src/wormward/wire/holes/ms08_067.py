r"""MS08-067 (CVE-2008-4250): a path that runs the old path canonicaliser off the front of its buffer.

The bug (Microsoft's bulletin; Honeynet Project, "Know Your Enemy" paper of 30 March 2009, 1.2, names the function):
while `x\..` is taken out in place, the search for the separator before it does not stop at the buffer's start. A
removal that comes back to depth 0 *looks* before the buffer; one more `..` *writes* there. Only writing is an attempt.

The model counts components. Where public descriptions are silent, every reading is judged and the worst one counts:

- a path that begins with two separators: its first component is a server (left out), or an ordinary component;
- device prefixes (`\\?\`, `\\.\`, `\??\`), `UNC`, and a drive (`X:`): left out, or ordinary components;
- doubled separators inside: as one, or as an empty component that `..` can remove;
- the Prefix argument: the path alone, the prefix put before it with one separator, and (where neither has one) none;
- length limits and PathType: none is applied.

Settled: `/` counts as `\`; a string ends at its first zero unit; `.` is nothing; `...` and `.. ` are ordinary names.
Limitations: a call whose counts lie is judged by what its stub holds, although a real server might refuse it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from wormward.model.text import escaped_path
from wormward.wire import srvsvc
from wormward.wire.holes.base import HARMLESS, LOOKS_BEFORE, MALFORMED, QUESTION, WRITES_BEFORE, Effect, Hole

NAME = "MS08-067 (CVE-2008-4250)"
_SEPARATORS = "\\/"
_PREFIXES = frozenset({"?", ".", "??"})
_RANK = {HARMLESS: 0, LOOKS_BEFORE: 1, WRITES_BEFORE: 2}
_LEAST_FILLER = 5
"""Version checkers put one component of so many equal letters before their `..` (5, 35 and 39 seen)."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one path would do: the effect, at which component (from 1), and how far beyond the start it goes."""

    effect: str = HARMLESS
    step: int | None = None
    depth: int | None = None


_HARMLESS = Verdict()


def _walk(parts: list[tuple[int, str]]) -> Verdict:
    """The model itself, over (place, component); empty components, if any are left, are ordinary ones."""
    depth = beyond = looked = wrote = 0
    seen = False
    for place, part in parts:
        if part == ".":
            continue
        if part != "..":
            depth += 1
            seen = True
        elif depth:
            depth -= 1
            if not depth and not looked:
                looked = place
        elif seen:
            beyond += 1
            wrote = wrote or place
    if wrote:
        return Verdict(WRITES_BEFORE, wrote, beyond)
    return Verdict(LOOKS_BEFORE, looked, 0) if looked else _HARMLESS


def _is_drive(part: str) -> bool:
    return len(part) == 2 and part[1] == ":"


def _starts(names: list[str], doubled: bool) -> Iterator[int]:
    """How many leading components (empty ones not counted) the readings leave out."""
    yield 0
    count = 0
    if doubled or (names and names[0] in _PREFIXES):
        count = 1
        yield count
        if names and names[0] in _PREFIXES and len(names) > 1 and names[1].upper() == "UNC":
            yield 2
            yield 3
    if len(names) > count and _is_drive(names[count]):
        yield count + 1


def judge_path(path: str) -> Verdict:
    """The worst of all readings of one path."""
    if ".." not in path:
        return _HARMLESS
    pieces = path.replace("/", "\\").split("\\")
    # The first separators only say where the path begins: one for a rooted path, two for a server or a device.
    doubled = len(pieces) > 2 and not pieces[0] and not pieces[1]
    if not pieces[0]:
        del pieces[0]
    numbered: list[tuple[int, str]] = []
    place = 0
    for piece in pieces:
        place += bool(piece)
        numbered.append((place, piece))
    named = [pair for pair in numbered if pair[1]]
    empties = len(named) != len(numbered)
    worst = _HARMLESS
    for start in _starts([name for _, name in named], doubled):
        readings = [named[start:]]
        if empties:
            readings.append([pair for pair in numbered if pair[0] > start or (pair[0] == start and not pair[1])])
        for reading in readings:
            verdict = _walk(reading)
            if _RANK[verdict.effect] > _RANK[worst.effect]:
                worst = verdict
    return worst


def _texts(call: srvsvc.PathCall) -> Iterator[str]:
    """What the canonicaliser may be given by this call."""
    yield from call.texts
    if call.prefix and call.texts:
        path = call.texts[0]
        yield f"{call.prefix.rstrip(_SEPARATORS)}\\{path.lstrip(_SEPARATORS)}"
        if call.prefix[-1] not in _SEPARATORS and path[:1] not in _SEPARATORS:
            yield call.prefix + path


def _asker(call: srvsvc.PathCall) -> str | None:
    """Which known scanner asks this question; None if none does (facts 4.3 and 4.4)."""
    if call.broken or not call.texts:
        return None
    first = call.texts[0]
    if call.opnum == srvsvc.PATH_CANONICALIZE and call.prefix == "\\":
        if first == "\\..\\":
            return "infection test 1 (SCS 1, nmap, Nessus)"
        if first == "\\" and call.out_size == 2:
            return "infection test 2 (SCS 2, nmap, Nessus)"
    if call.opnum == srvsvc.PATH_COMPARE:
        filler, dots, rest = first[1:].partition("\\..\\")
        equal = len(filler) >= _LEAST_FILLER and filler == filler[0] * len(filler)
        if first[:1] == "\\" and dots and equal and rest and "\\" not in rest and call.texts[1] == "\\" + rest:
            return "patch test (nmap, Nessus and others)"
    return None


def judge(opnum: int, byte_order: str, ndr64: bool, stub: bytes) -> Effect:
    """What one call of `HOLE.opnums` would do. Never raises for hostile stubs."""
    call = srvsvc.decode(opnum, byte_order, ndr64, stub)
    if not call.texts:
        return Effect(NAME, MALFORMED, broken=True)
    worst, shown = _HARMLESS, call.texts[0]
    for text in _texts(call):
        verdict = judge_path(text)
        if _RANK[verdict.effect] > _RANK[worst.effect]:
            worst, shown = verdict, text
    path = escaped_path(shown)
    if worst.effect != WRITES_BEFORE:
        asker = _asker(call)
        if asker:
            return Effect(NAME, QUESTION, escaped_path(call.texts[0]), asker=asker)
        if worst.effect == HARMLESS and call.broken:
            return Effect(NAME, MALFORMED, path, broken=True)
    return Effect(NAME, worst.effect, path, worst.step, worst.depth, broken=call.broken)


HOLE = Hole(
    NAME,
    srvsvc.INTERFACE,
    frozenset({srvsvc.PATH_CANONICALIZE, srvsvc.PATH_COMPARE, srvsvc.NAME_CANONICALIZE}),
    srvsvc.PIPES,
    judge,
)
