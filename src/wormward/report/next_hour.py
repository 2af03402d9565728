"""What to do in the next hour, in order of clinical safety: patients first, convenience last.

The order is fixed and the same for every case:

1. whoever answers for patients or a running process is told before anything is cut off;
2. devices at a patient or a process that are hit: look at them, with whoever answers for them;
3. sources: hosts that were seen attacking others are cut off the network, those that nobody described after a question;
4. what keeps care running and is hit: with its owner, and never switched off;
5. the exposed: the way that the worm takes is closed, towards patients first; then holes and passwords;
6. the other infected and suspected hosts;
7. evidence and what would tell more.

Never does a step tell to unplug or switch off a device that may keep somebody alive, and none cuts off a device of
which nobody said what it is for without a question before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from wormward.model.findings import Kind
from wormward.model.pack import ThreatPack
from wormward.model.states import Assessment, Host, Infection, Way
from wormward.model.text import N_
from wormward.report.care import Care, care

HIT = (Infection.INFECTED, Infection.SUSPECTED, Infection.ATTACKED)
BY_PASSWORD = frozenset({Kind.LOGON_BURST, Kind.LATERAL_WRITE})
SPREADING = BY_PASSWORD | {Kind.EXPLOIT_ATTEMPT, Kind.EXPLOIT_FETCH, Kind.SHARE_WRITE, Kind.SCAN}
Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do: a msgid for what, msgids for how and why, and the hosts that it speaks of, most urgent first."""

    id: str
    what: str
    how: tuple[str, ...]
    fields: Mapping[str, str | int] = field(default_factory=dict)
    hosts: tuple[Host, ...] = ()


def sources(assessment: Assessment) -> dict[Key, int]:
    """Infected hosts that were seen attacking, and how many hosts each attacked."""
    infected = {(h.site, h.address) for h in assessment.hosts if h.verdict is Infection.INFECTED}
    victims: dict[Key, set[str]] = {}
    scanned: dict[Key, int] = {}
    for f in assessment.findings:
        key = (f.site, f.actor)
        if f.kind in SPREADING and key in infected:
            victims.setdefault(key, set()).update([f.target] if f.target else [])
            if not f.target and isinstance(targets := f.fields.get("targets"), int):
                scanned[key] = max(scanned.get(key, 0), targets)
    return {key: max(1, len(targets), scanned.get(key, 0)) for key, targets in victims.items()}


def steps(assessment: Assessment, packs: Sequence[ThreatPack] = ()) -> tuple[Step, ...]:
    """The steps that this case asks for, in their order; none if no host is infected, suspected or attacked."""
    hit = [h for h in assessment.hosts if h.verdict in HIT]
    if not hit:
        return ()
    attacking = sources(assessment)
    of = {id(h): care(h) for h in assessment.hosts}
    ill = [h for h in hit if h.verdict is not Infection.ATTACKED]

    def chosen(hosts: Sequence[Host], *kinds: Care) -> tuple[Host, ...]:
        found = (h for h in hosts if of[id(h)] in kinds)
        return tuple(sorted(found, key=lambda h: (-attacking.get((h.site, h.address), 0), h.site, _number(h.address))))

    source = [h for h in ill if (h.site, h.address) in attacking]
    rest = [h for h in ill if h.verdict is Infection.INFECTED and (h.site, h.address) not in attacking]
    cut_off = (Care.OTHER, Care.UNKNOWN)
    told = [
        _ask(any(k is not Care.UNKNOWN for k in of.values())),
        Step("near", N_("Go to the devices at patients or running processes that are hit"), NEAR, {}, chosen(hit, Care.NEAR)),
        _sources(chosen(source, Care.OTHER), chosen(source, Care.UNKNOWN)),
        Step("keeps", N_("Decide with their owners about the systems that care or production rests on"), KEEPS, {},
             chosen(ill, Care.KEEPS)),
        _close_way(packs, chosen([h for h in assessment.hosts if h.verdict not in HIT], Care.NEAR)),
        _close_hole(assessment, chosen([h for h in hit if h.verdict is Infection.ATTACKED], *Care)),
        _passwords(assessment),
        _shares(assessment),
        Step("rest", N_("Cut off the other infected hosts"), REST, {}, chosen(rest, *cut_off)),
        Step("look", N_("Look at the suspected hosts"), LOOK, {}, chosen(_of(hit, Infection.SUSPECTED), *cut_off)),
        Step("keep", N_("Keep the evidence"), KEEP),
    ]  # fmt: skip
    always = {"ask", "way", "hole", "passwords", "shares", "keep"}
    return tuple(step for step in told if step and (step.hosts or step.id in always))


NEAR = (
    N_("See whether each still does what it should, together with whoever answers for its use. Have a replacement or a way by"
       " hand ready first."),
    N_("Do not unplug, switch off or restart it. Only if its clinical owner or the process's operator agrees: take its network"
       " away, and leave it running."),
)  # fmt: skip
KEEPS = (
    N_("Do not switch them off. First keep infected hosts away from them (next steps); then agree with the owner when each can"
       " be replaced, restored or cut off, and what care or production does meanwhile."),
)  # fmt: skip
REST = (
    N_("They carry the worm, but were not seen attacking. Once the device's owner agrees, pull the network cable or close the"
       " switch port, and leave the device on."),
    N_("The same question comes first: does a patient or a running process depend on it?"),
)  # fmt: skip
LOOK = (N_("Traffic does not decide about them. Examine the host itself before anything is taken away from its users."),)
KEEP = (
    N_("Do not switch off or reinstall an infected host before somebody has decided whether its memory and disk are wanted."
       " Copy logs before they are overwritten."),
    N_("What only makes work easier (shared folders, mail, printing) comes back last, when the hosts are repaired."),
)  # fmt: skip


def _ask(described: bool) -> Step:
    how = [
        N_("Tell whoever answers for patients (or for a running process) now, and agree who may decide about a device."),
        N_("No device is unplugged, switched off or cut off from the network before whoever answers for its use has agreed and"
           " has a way to go on without it. It may be keeping somebody alive."),
    ]  # fmt: skip
    if not described:
        how.append(N_("No inventory says which of these devices stand at a patient: ask that of every one of them first."))
    return Step("ask", N_("Before anything is cut off, ask"), tuple(how))


def _sources(known: tuple[Host, ...], unknown: tuple[Host, ...]) -> Step:
    how = [
        N_("What they are used for is not known here. Ask whoever answers for each, and where a patient or a running process"
           " may depend on it, cut it off only when they agree."),
    ] if unknown else []  # fmt: skip
    how.append(
        N_("These hosts were seen attacking others: each minute they stay connected, more are attacked. Once the device's"
           " owner agrees, pull the network cable or close the switch port, and leave the device on.")
    )  # fmt: skip
    what = N_("Ask about the sources, then cut them off the network") if unknown else N_("Cut the sources off the network")
    return Step("sources", what, tuple(how), {}, known + unknown)


def _close_way(packs: Sequence[ThreatPack], near: tuple[Host, ...]) -> Step | None:
    ports = sorted({port for pack in packs for port in pack.spreading.scan_ports})
    if not ports:
        return None
    how = (
        N_("Between the networks of infected hosts and all others, first those with devices at patients: block TCP {ports} on"
           " switches, routers and firewalls, where no clinical or process system needs it. Ask the system's owner before."),
    )  # fmt: skip
    return Step("way", N_("Close the way between networks"), how, {"ports": ", ".join(map(str, ports))}, near)


def _close_hole(assessment: Assessment, attacked: tuple[Host, ...]) -> Step | None:
    holes = sorted({f.vulnerability for f in assessment.findings if f.vulnerability})
    if not holes and not attacked:
        return None
    how = [N_("Whether an attack succeeded is not seen in traffic: examine these hosts, those that care rests on first.")]
    if holes:
        how.append(
            N_("Install the update that closes {holes}. On a medical device or a controller only as its maker allows; until"
               " then keep the worm's way to it closed.")
        )  # fmt: skip
    return Step("hole", N_("Protect the hosts that were attacked"), tuple(how), {"holes": ", ".join(holes)}, attacked)


def _passwords(assessment: Assessment) -> Step | None:
    if not any(f.kind in BY_PASSWORD for f in assessment.findings):
        return None
    how = (
        N_("The worm guesses passwords. Change those of administrators to long ones, from a computer that is known to be clean,"
           " after the sources are cut off. Accounts that medical devices log on with only with their owners."),
    )  # fmt: skip
    return Step("passwords", N_("Change passwords"), how)


def _shares(assessment: Assessment) -> Step | None:
    ways = {h.way for h in assessment.hosts}
    if not {Way.USB, Way.SHARE} & ways and not any(f.kind is Kind.SHARE_WRITE for f in assessment.findings):
        return None
    how = (
        N_("The worm leaves files on USB drives and shared folders that start it on the next computer. No USB drive goes from one"
           " computer to another; shared folders are examined before they are opened."),
    )  # fmt: skip
    return Step("shares", N_("Stop USB drives"), how)


def _of(hosts: Sequence[Host], verdict: Infection) -> list[Host]:
    return [h for h in hosts if h.verdict is verdict]


def _number(address: str) -> tuple[tuple[int, str], ...]:
    """Addresses in the order in which people count them."""
    return tuple((int(part), "") if part.isdigit() else (0, part) for part in address.split("."))
