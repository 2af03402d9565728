"""A first `site.toml` from what the evidence shows: every suggestion commented out, with its reason and where it stands.

What a program infers is used anyway and may be wrong; what stands in this file is said by a person. So nothing here takes
effect before somebody has looked at it and removed the `#`.
"""

from __future__ import annotations

import glob
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_address, ip_network
from typing import Any

from wormward.judge.wording import SCANNERS
from wormward.model.states import Assessment, Coverage, Host, Why
from wormward.sitefile.form import ColumnsTable, SiteTable, SourceTable, Strict

MOST_VALUES = 40
MOST_SOURCES = 100
WIDEST, WIDEST_6 = 24, 64
"""Prefixes of networks that are suggested: what lies beside a host that was seen may be another site's."""
_HEAD = """\
# What you know of the site and the evidence cannot show: wormward assess --site {name}
# Everything below is a suggestion, made from the evidence: look at it, and remove the # of what is right.
# All keys are explained in docs/site.md of Wormward.
"""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A value that a key of `[site]` may have, why, and where that is seen (`file, line 7`)."""

    key: str
    value: str
    reason: str
    place: str = ""


def from_assessment(assessment: Assessment) -> list[Suggestion]:
    """What the answers themselves suggest: ranges, scanners, addresses that stand for many."""
    names = {c.sha256: c.source for c in assessment.coverage}
    findings = {f.id: f for f in assessment.findings}

    def place(host: Host, rule: str | None = None) -> str:
        ids = (i for r in host.reasons if rule is None or r.rule == rule for i in r.findings)
        cites = [cite for i in ids if i in findings for cite in findings[i].cites]
        return f"{names.get(cites[0].sha256, cites[0].sha256[:12])}, {cites[0].unit} {cites[0].place}" if cites else ""

    inside = [h for h in assessment.hosts if "outside" not in h.roles and h.unknown_because is not Why.NOT_OBSERVED]
    out = [Suggestion("ranges", str(net), f"addresses of it that were seen: {count}") for net, count in _networks(inside)]
    for host in assessment.hosts:
        if SCANNERS in host.would_decide:
            reason = "it is suspected for what scanners and inventory programs do too; is it one?"
            out.append(Suggestion("scanners", host.address, reason, place(host)))
        if any(r.rule == "host.together" for r in host.reasons):
            reason = "signs of several variants overlap there; do many hosts stand behind it?"
            out.append(Suggestion("nat", host.address, reason, place(host)))
    return out


def _networks(hosts: Iterable[Host]) -> list[tuple[IPv4Network | IPv6Network, int]]:
    """The networks of hosts of the site, neighbours joined, with how many hosts each has."""
    count: Counter[IPv4Network | IPv6Network] = Counter()
    for host in hosts:
        try:
            address = ip_address(host.address)
        except ValueError:
            continue
        if not (address.is_link_local or address.is_loopback or address.is_multicast or address.is_unspecified):
            count[ip_network(f"{address}/{WIDEST if address.version == 4 else WIDEST_6}", strict=False)] += 1
    joined: list[Any] = [*collapse_addresses(n for n in count if n.version == 4)]
    joined += collapse_addresses(n for n in count if n.version == 6)
    return [(net, sum(c for n, c in count.items() if n.version == net.version and n.subnet_of(net))) for net in joined]


def draft(assessment: Assessment, suggestions: Sequence[Suggestion], name: str) -> str:
    """The text of the file that will be called `name`."""
    lines = [_HEAD.format(name=json.dumps(name, ensure_ascii=False)), "[site]", *_said("name", "What the site is called.")]
    lines.append(f"name = {_toml(assessment.site)}")
    for key in ("ranges", "domain_controllers", "resolvers", "scanners", "proxies", "nat"):
        lines += ["", *_list(key, [s for s in suggestions if s.key == key])]
    lines += ["", *_clock(assessment), "", *_inventory(), "", *_sources(assessment.coverage)]
    return "\n".join(lines).rstrip() + "\n"


def _said(key: str, text: str = "", table: type[Strict] = SiteTable) -> list[str]:
    """What a key means, as a comment."""
    return [f"# {key}: {text or table.model_fields[key].description}"]


def _list(key: str, suggestions: Sequence[Suggestion]) -> list[str]:
    lines = _said(key)
    if not suggestions:
        return [*lines, "#   Nothing in the evidence suggests any.", f"# {key} = []"]
    shown = suggestions[:MOST_VALUES]
    for s in shown:
        lines.append(f"#   {s.value}: {s.reason}" + (f" ({s.place})" if s.place else ""))
    if len(suggestions) > len(shown):
        lines.append(f"#   and {len(suggestions) - len(shown)} more")
    return [*lines, f"# {key} = [{', '.join(_toml(v) for v in dict.fromkeys(s.value for s in shown))}]"]


def _clock(assessment: Assessment) -> list[str]:
    """Which stamps had to be guessed, and what tells that a clock is off."""
    assumed = [c.source for c in assessment.coverage if c.time_zone_known == "assumed" and any(c.rows.values())]
    lines = _said("time_zone")
    if assumed:
        lines.append(f"#   Read as UTC, because nothing says otherwise: {_few(assumed)}")
    else:
        lines.append("#   No source of this evidence needs it: their stamps carry a zone.")
    off = sorted({h.clock_offset_days for h in assessment.hosts if h.clock_offset_days})
    if off:
        days = ", ".join(f"{day:+d}" for day in off)
        lines.append(
            f"#   The names that hosts asked for are those of {days} days beside the log's date: look at zone and clock."
        )
    lines.append('# time_zone = "Asia/Tokyo"')
    undated = [c.source for c in assessment.coverage if any("year" in p.what for p in c.problems)]
    lines += ["", *_said("year")]
    lines.append(f"#   Needs it: {_few(undated)}" if undated else "#   No source of this evidence needs it.")
    year = assessment.as_of.year if assessment.as_of else 2009
    return [*lines, f"# year = {min(2100, max(1990, year))}"]


def _inventory() -> list[str]:
    lines = [*_said("inventory"), '# inventory = "inventory.csv"', ""]
    lines += ["# Its columns, if they are not called by the usual words:", "# [site.columns]"]
    return lines + [f"# {key} = {_toml(field.examples[0])}" for key, field in ColumnsTable.model_fields.items() if field.examples]


def _sources(coverage: Sequence[Coverage]) -> list[str]:
    """One table a source, to be told of what site it is and how its clock went."""
    listed = [c for c in coverage if any(c.rows.values()) and not c.duplicate_of]
    lines = ["# The sources of this evidence. Say of which site each is if there are several, its time zone, its clock error."]
    for c in listed[:MOST_SOURCES]:
        span = f"{c.begin:%Y-%m-%d %H:%M} to {c.end:%Y-%m-%d %H:%M} UTC" if c.begin and c.end else "without times"
        lines += ["", f"# {c.source}: {c.kind}, {span}, zone {c.time_zone} ({c.time_zone_known})", "# [[source]]"]
        lines.append(f"# files = {_toml(glob.escape(c.source))}")
        lines += [f"# {key} = {_toml(value)}" for key, value in (("site", "Branch"), ("clock_error_seconds", 0))]
        if c.time_zone_known != "stamped":
            lines.append(f"# time_zone = {_toml(c.time_zone)}")
    if len(listed) > MOST_SOURCES:
        lines += ["", f"# and {len(listed) - MOST_SOURCES} more; a pattern such as {_toml('branch/*')} speaks of many files."]
    keys = ", ".join(SourceTable.model_fields)
    return [*lines, "", f"# Keys of a source: {keys}"]


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _toml(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
