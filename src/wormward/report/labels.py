"""Words for states, kinds and ways, and the order in which states are shown: worst first."""

from __future__ import annotations

from collections.abc import Iterable

from wormward.model.findings import Kind
from wormward.model.states import Assessment, Coverage, Host, Infection, PatientZero, Skip, Way, Why
from wormward.model.text import N_
from wormward.report.i18n import Language

VERDICTS = {
    Infection.INFECTED: N_("infected"),
    Infection.SUSPECTED: N_("suspected"),
    Infection.LEFTOVERS: N_("leftovers"),
    Infection.ATTACKED: N_("attacked"),
    Infection.UNKNOWN: N_("unknown"),
    Infection.CLEAN: N_("clean"),
}
"""Words of the infection answers, worst first."""

WHYS = {
    Why.NOT_OBSERVED: N_("not observed"),
    Why.SILENT: N_("silent"),
    Why.NOT_CONCLUSIVE: N_("not conclusive"),
}

WAYS = {
    Way.EXPLOIT: N_("exploit"),
    Way.PASSWORD: N_("password"),
    Way.USB: N_("USB drive"),
    Way.SHARE: N_("network share"),
    Way.UPDATE: N_("update"),
    Way.UNKNOWN: N_("unknown way"),
}

KINDS = {
    Kind.DOMAIN_LOOKUP: N_("domain lookup"),
    Kind.CALL_HOME: N_("call home"),
    Kind.PEER_TO_PEER: N_("peer to peer"),
    Kind.SCAN: N_("scan"),
    Kind.EXPLOIT_ATTEMPT: N_("exploit attempt"),
    Kind.EXPLOIT_FETCH: N_("exploit and fetch"),
    Kind.LOGON_BURST: N_("burst of failed logons"),
    Kind.LATERAL_WRITE: N_("program written and started"),
    Kind.SHARE_WRITE: N_("file written to a share"),
    Kind.BOT_WORK: N_("bot work"),
    Kind.REPORTED: N_("reported by a third party"),
    Kind.ALERT: N_("a sensor's rule fired"),
}

LETTERS = {
    Kind.DOMAIN_LOOKUP: "D",
    Kind.CALL_HOME: "C",
    Kind.PEER_TO_PEER: "P",
    Kind.SCAN: "S",
    Kind.EXPLOIT_ATTEMPT: "X",
    Kind.EXPLOIT_FETCH: "F",
    Kind.LOGON_BURST: "L",
    Kind.LATERAL_WRITE: "W",
    Kind.SHARE_WRITE: "H",
    Kind.BOT_WORK: "B",
    Kind.REPORTED: "R",
}
"""The letter of a mark in the timeline: its meaning must not rest on colour alone."""

ROLES = {
    "domain-controller": N_("domain controller"),
    "resolver": N_("resolver"),
    "scanner": N_("known scanner"),
    "outside": N_("outside the site"),
    "reported": N_("known from a third party's report only"),
}

SKIPPED = {
    Skip.NO_EVIDENCE: (
        N_("{number} file in folders is of no kind that is read and was passed over: {names}."),
        N_("{number} files in folders are of no kind that is read and were passed over: {names}."),
    ),
    Skip.LINK: (
        N_("{number} link in folders was not followed (give what it leads to as a path of its own): {names}."),
        N_("{number} links in folders were not followed (give what they lead to as paths of their own): {names}."),
    ),
    Skip.SPECIAL: (
        N_("{number} pipe, socket or device in folders was not read: {names}."),
        N_("{number} pipes, sockets or devices in folders were not read: {names}."),
    ),
}

_RANK = {verdict: rank for rank, verdict in enumerate(VERDICTS)}


def worst_first(hosts: Iterable[Host]) -> list[Host]:
    """Hosts by answer (worst first), then by first sign; the order given decides the rest."""
    return sorted(hosts, key=lambda h: (_RANK[h.verdict], h.first_seen is None, h.first_seen.timestamp() if h.first_seen else 0))


def is_silent(host: Host) -> bool:
    """True if nothing at all was held against the host."""
    return host.unknown_because is Why.SILENT


def is_absent(host: Host) -> bool:
    """True if only the inventory tells of it."""
    return host.unknown_because is Why.NOT_OBSERVED


def variant(host: Host, language: Language) -> str:
    """The letter, or the letters joined by "or"; empty if nothing tells."""
    return language(N_(" or ")).join(host.variant)


def called(host: Host) -> str:
    """The address, and the device's own name where it has one."""
    return f"{host.address} ({host.device})" if host.device != host.address else host.address


def infector(host: Host, language: Language) -> str:
    """Who brought it and how, in a few words; empty unless infected."""
    if host.way is None:
        return ""
    if not host.infected_by:
        return language(N_("update of an older one")) if host.way is Way.UPDATE else language(N_("nobody seen"))
    edge = host.infected_by[0]
    return language.say(N_("{address} ({way})"), address=edge.start, way=language(WAYS[edge.way]))


def main_reason(host: Host, language: Language) -> str:
    """The heaviest reason as a sentence; empty if there is none."""
    return language.say(host.reasons[0].sentence, host.reasons[0].fields) if host.reasons else ""


def summary(assessment: Assessment, language: Language) -> str:
    """How many hosts are what, in one sentence."""
    counts = [(verdict, assessment.count(verdict)) for verdict in VERDICTS]
    shown = [
        language.say(N_("{count} {state}"), count=language.number(number), state=language(VERDICTS[verdict]))
        for verdict, number in counts
        if number
    ]
    hosts = len(assessment.hosts)
    if not shown:
        return language(N_("The evidence shows no host of the site."))
    return language.many(N_("{number} host: {counted}."), N_("{number} hosts: {counted}."), hosts, counted=language.listed(shown))


def blind_spots(coverage: Iterable[Coverage]) -> list[tuple[str, str]]:
    """What each kind of source cannot show: (kind, msgid), each once, in order of kinds."""
    return sorted({(c.kind, sentence): None for c in coverage for sentence in c.blind})


def problems(coverage: Iterable[Coverage], language: Language) -> list[str]:
    """One line per thing that could not be read: which file, where, what, and what to do."""
    out = []
    for source in coverage:
        for problem in source.problems:
            place = language.say(N_(", {place}"), place=language.told(problem.place)) if problem.place else ""
            remedy = language.say(N_(" ({remedy})"), remedy=language.told(problem.remedy)) if problem.remedy else ""
            out.append(language.say("{source}{place}: {what}{remedy}", source=source.source, place=place,
                                    what=language.told(problem.what), remedy=remedy))  # fmt: skip
    return out


def passed_over(assessment: Assessment, language: Language) -> list[str]:
    """One sentence for each reason for which something in folders was not looked at further."""
    return [
        language.many(*SKIPPED[p.why], p.count, names=", ".join(p.names) + (", …" if p.count > len(p.names) else ""))
        for p in assessment.passed_over
    ]


def several_sites(assessment: Assessment) -> bool:
    """Whether an address alone does not tell which host is meant."""
    return len({h.site for h in assessment.hosts}) > 1


def candidates(assessment: Assessment) -> dict[str, list[PatientZero]]:
    """Who may have been the first host of each site, likeliest first; likelihoods are those within the site."""
    sites: dict[str, list[PatientZero]] = {}
    for zero in assessment.patient_zero:
        sites.setdefault(zero.site, []).append(zero)
    return sites
