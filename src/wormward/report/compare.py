"""What differs between two reports in their JSON form, and how it is told. The other report is not trusted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from wormward.model.differences import Change, Comparison, Difference, Subject
from wormward.model.text import N_
from wormward.report.i18n import Language
from wormward.report.words import minute, stamp

Report = Mapping[str, Any]
Key = tuple[str, ...]

SENTENCES: Mapping[tuple[Subject, Difference], str] = {
    (Subject.HOST, Difference.NEW): N_("new host {address}: {after}"),
    (Subject.HOST, Difference.GONE): N_("host {address} is gone, it was {before}"),
    (Subject.STATE, Difference.CHANGED): N_("{address} is {after}, it was {before}"),
    (Subject.VARIANT, Difference.CHANGED): N_("{address}: variant {after}, it was {before}"),
    (Subject.EDGE, Difference.NEW): N_("new: {address} infected {other} ({after})"),
    (Subject.EDGE, Difference.GONE): N_("no more: {address} infected {other} ({before})"),
    (Subject.EDGE, Difference.CHANGED): N_("{address} infected {other}: likelihood {after}, it was {before}"),
    (Subject.COVERAGE, Difference.NEW): N_("new evidence: {source}"),
    (Subject.COVERAGE, Difference.GONE): N_("evidence is gone: {source}"),
    (Subject.COVERAGE, Difference.CHANGED): N_("{source}: {after} problems, there were {before}"),
    (Subject.SETTINGS, Difference.CHANGED): N_("it was asked in another way: {source} is {after}, it was {before}"),
}
NO_EARLIER = N_("There is no earlier run of this workspace to compare with.")
NO_CHANGE = N_("nothing is new, gone or changed")
_NOTHING = "-"
_SETTINGS = ("tolerance_days", "all_time", "since", "until")


def compare(before: Report, after: Report) -> Comparison:
    """How `after` differs from `before`. Raises KeyError, TypeError, ValueError or AttributeError if one is no report."""
    as_of = before["as_of"]
    return Comparison(
        None if as_of is None else datetime.fromisoformat(str(as_of)),
        (*_settings(before, after), *_hosts(before, after), *_edges(before, after), *_coverage(before, after)),
        len(before["hosts"]),
    )


def _settings(before: Report, after: Report) -> Iterator[Change]:
    old, new = (
        {name: _word(report.get("scope", {}).get(name)) for name in _SETTINGS} | {"pack": str(report["pack"]["digest"])[:12]}
        for report in (before, after)
    )
    for name, value in new.items():
        if old[name] != value:
            yield Change(Difference.CHANGED, Subject.SETTINGS, source=name, before=old[name], after=value)


def _hosts(before: Report, after: Report) -> Iterator[Change]:
    old, new = ({(str(h["site"]), str(h["address"])): h for h in report["hosts"]} for report in (before, after))
    for difference, key in _sorted(old, new):
        site, address = key
        was, now = (_word(hosts[key]["verdict"]) if key in hosts else "" for hosts in (old, new))
        if difference is not None:
            yield Change(difference, Subject.HOST, site, address, before=was, after=now)
            continue
        if was != now:
            yield Change(Difference.CHANGED, Subject.STATE, site, address, before=was, after=now)
        letters = [_letters(hosts[key]["variant"]) for hosts in (old, new)]
        if letters[0] != letters[1]:
            yield Change(Difference.CHANGED, Subject.VARIANT, site, address, before=letters[0], after=letters[1])


def _edges(before: Report, after: Report) -> Iterator[Change]:
    old, new = (
        {(str(e.get("site", "")), str(e["from"]), str(e["to"]), str(e["way"])): e for e in report["graph"]["edges"]}
        for report in (before, after)
    )
    for difference, key in _sorted(old, new):
        site, start, end, way = key
        if difference is not None:
            was, now = (way if key in edges else "" for edges in (old, new))
            yield Change(difference, Subject.EDGE, site, start, end, before=was, after=now)
            continue
        was, now = (f"{float(edges[key]['likelihood']):.2f}" for edges in (old, new))
        if was != now:
            yield Change(Difference.CHANGED, Subject.EDGE, site, start, end, before=was, after=now)


def _coverage(before: Report, after: Report) -> Iterator[Change]:
    old, new = (
        {(str(c["source"]), str(c["sha256"])): str(len(c["problems"])) for c in report["coverage"]} for report in (before, after)
    )
    for difference, key in _sorted(old, new):
        was, now = old.get(key, ""), new.get(key, "")
        if difference is not None or was != now:
            yield Change(difference or Difference.CHANGED, Subject.COVERAGE, source=key[0], before=was, after=now)


def _sorted(old: Iterable[Key], new: Iterable[Key]) -> list[tuple[Difference | None, Any]]:
    """All keys in order: what is only in `new`, only in `old`, and in both (None)."""
    was, now = set(old), set(new)
    sides = dict.fromkeys(now - was, Difference.NEW) | dict.fromkeys(was - now, Difference.GONE)
    return sorted(((sides.get(key), key) for key in was | now), key=lambda one: one[1])


def _word(value: object) -> str:
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _letters(variant: object) -> str:
    return "/".join(map(str, variant)) if isinstance(variant, list) else _word(variant)


def as_dict(comparison: Comparison | None) -> dict[str, Any] | None:
    """The JSON form; fields that say nothing are left out."""
    if comparison is None:
        return None
    fields = ("site", "address", "other", "source", "before", "after")
    changes = [
        {"difference": c.difference.value, "subject": c.subject.value, **{f: getattr(c, f) for f in fields if getattr(c, f)}}
        for c in comparison.changes
    ]
    return {"as_of": stamp(comparison.as_of), "hosts": comparison.hosts_before, "changes": changes}


def told(comparison: Comparison, language: Language, most: int) -> list[str]:
    """What differs as sentences, what a person must know first; at most `most` of each sort, the rest counted."""
    lines = []
    for sort, sentence in SENTENCES.items():
        changes = _telling(comparison.some(*sort))
        for change in changes[:most]:
            words = {
                name: language(value) if name in ("before", "after") else value
                for name in ("address", "other", "source", "before", "after")
                for value in (getattr(change, name) or _NOTHING,)
            }
            lines.append(language.say(sentence, words))
        if changes[most:]:
            lines.append(language.many(N_("… and {number} more"), N_("… and {number} more of this sort"), len(changes) - most))
    return lines


def _telling(changes: Sequence[Change]) -> list[Change]:
    """Of hosts that came or went those with an answer first: a silent one tells little."""
    return sorted(changes, key=lambda c: c.subject is Subject.HOST and "unknown" in (c.before, c.after))


def since(comparison: Comparison, language: Language) -> str:
    """The heading: since when."""
    return language.say(N_("Since the assessment of evidence until {time} UTC:"), time=minute(comparison.as_of) or _NOTHING)
