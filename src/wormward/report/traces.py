"""What of the outside world the findings name: names and addresses that the worm used, and what each of them is.

STIX indicators, block lists and shareable copies need the same answer to the same question: is this a name that the
worm made, a place of its own, an ordinary site that it only asks, or a sinkhole that catches it?
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address

from wormward.model.findings import Finding
from wormward.model.pack import ThreatPack
from wormward.model.states import Assessment, Infection

_NAME = re.compile(r"(?=.{1,253}\Z)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)


class Sort(StrEnum):
    """What a name or an address is to the worm."""

    GENERATED = "generated"  # made by the worm for one day
    OWN = "own"  # a place that only the worm asks, by its pack
    ORDINARY = "ordinary"  # a site that people use too: for the date, for one's own address
    SINKHOLE = "sinkhole"  # where defenders catch the worm's calls
    CALLED = "called"  # an address that it called home to


@dataclass(frozen=True, slots=True)
class Trace:
    """One name or address with the findings that show it, in order of their ids."""

    value: str
    sort: Sort
    findings: tuple[Finding, ...]
    convicted: bool  # by at least one host that is infected

    @property
    def is_address(self) -> bool:
        """Whether it is an IP address."""
        return is_address(self.value)


def is_address(text: str) -> bool:
    """Whether `text` is an IP address."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def is_name(text: str) -> bool:
    """Whether `text` is a host name of letters, digits and hyphens, lower case: safe in every format there is."""
    return bool(_NAME.fullmatch(text))


def traces(assessment: Assessment, packs: Sequence[ThreatPack]) -> tuple[Trace, ...]:
    """All that findings name, by sort and value. What is neither a plain name nor an address is left out."""
    infected = {(h.site, h.address) for h in assessment.hosts if h.verdict is Infection.INFECTED}
    shown: dict[tuple[Sort, str], dict[str, Finding]] = {}
    for finding in assessment.findings:
        for value in named(finding):
            sort = sort_of(value, finding, packs)
            if sort is not None and (is_name(value) or is_address(value)):
                shown.setdefault((sort, value), {})[finding.id] = finding
    return tuple(
        Trace(
            value,
            sort,
            tuple(by_id[i] for i in sorted(by_id)),
            any((f.site, f.actor) in infected for f in by_id.values()),
        )
        for (sort, value), by_id in sorted(shown.items())
    )


def named(finding: Finding) -> Iterator[str]:
    """The outside names and addresses in a finding's fields, lower case."""
    for field in ("examples", "host", "sinkhole"):
        for value in str(finding.fields.get(field, "")).lower().split(", "):
            if value:
                yield value


def sort_of(value: str, finding: Finding, packs: Iterable[ThreatPack]) -> Sort | None:
    """What `value`, which `finding` names, is by the packs; None if they do not say."""
    for pack in packs:
        if value in pack.sinkholes:
            return Sort.SINKHOLE
        if value in public_names(pack):
            return Sort.ORDINARY
        if any(value in form.hosts for form in pack.http_forms):
            return Sort.OWN
    if "sinkhole" in finding.fields:
        return Sort.SINKHOLE
    if value in str(finding.fields.get("examples", "")).lower().split(", "):
        return Sort.GENERATED
    return Sort.CALLED if is_address(value) else None


def public_names(pack: ThreatPack) -> frozenset[str]:
    """Ordinary sites that the worm asks for the date or for its own address, with the names below them that it uses."""
    own = {host for form in pack.http_forms if form.rule == "http.download" for host in form.hosts}
    asked = {host for form in pack.http_forms for host in form.hosts} - own
    return frozenset(asked) | frozenset(pack.closed_network.date_sites)
