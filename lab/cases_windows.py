"""Cases of SMB: scans, the exploit's shape, guesses, files. Each function plays one scene; pairs stand together."""

from __future__ import annotations

from lab.casework import Case
from lab.protocols import dcerpc, ntlm, srvsvc
from lab.protocols.http import SEVEN_AGENT, Response, browser_get
from lab.scenes import chores, web
from lab.scenes.smb import REFUSED
from lab.site import Host
from lab.stage import SECOND


def scan(case: Case) -> None:
    """Forty addresses in five minutes, nearly all nobody's."""
    targets = [case.site.outside(f"10.20.{30 + number % 7}.{10 + number}") for number in range(40)]
    case.each(targets, 60, 7, case.acts.scan)


def many_servers(case: Case) -> None:
    """A busy client logs on to a dozen servers that all answer, and often to the domain controller."""
    targets = [*case.others(12), *[case.site.controller] * 20]

    def visit(now: int, target: Host) -> None:
        session = case.site.smb(now, case.host, target)
        session.logon(case.host.account())
        session.leave()

    case.each(targets, 60, 9, visit)


def probe(case: Case) -> None:
    """The worm's own greeting to five hosts."""
    case.each(case.others(5), 60, 9, case.acts.probe)


def scanner(case: Case) -> None:
    """A scanner asks ten hosts the two questions that find the worm."""
    case.each(case.others(10), 60, 9, lambda now, target: chores.question(case.site, now, case.host, target, frozenset()))


def _prove(case: Case, seconds: int) -> None:
    """The host asks for names of a list: what convicts it, so that whom it calls counts as attacked."""
    names = case.play.builds[0].list_of(case.start_us // 86_400_000_000, case.rng)[:12]
    case.each(names, seconds, 4, case.acts.ask)


def exploit_in_vain(case: Case) -> None:
    """A request of the exploit's shape to a patched host, which answers that the name is invalid."""
    _prove(case, 20)
    case.at(100, lambda now: case.acts.exploit(now, case.victim, works=False))


def _ask_server_service(case: Case, now: int, path: str | None) -> None:
    """A client looks at a server's shares, and asks the server service to tidy a path if there is one."""
    session = case.site.smb(now, case.host, case.victim)
    session.logon(case.host.account())
    session.tree("IPC$")
    session.bind("srvsvc", dcerpc.SRVSVC)
    reply = srvsvc.share_enum_reply((("data", 0, "Data"), ("IPC$", 0x80000003, "Remote IPC")))
    session.call(srvsvc.SHARE_ENUM, srvsvc.share_enum(case.victim.name), reply)
    info = srvsvc.server_info_reply(case.victim.name.upper(), "a workstation")
    session.call(srvsvc.SERVER_INFO, srvsvc.server_info(case.victim.name), info)
    if path is not None:
        stub = srvsvc.canonicalize(case.victim.name, (path + "\0").encode("utf-16-le"), 512, "\\", 0, 0)
        session.call(srvsvc.CANONICALIZE, stub, srvsvc.canonicalize_reply(b"\\\0f\0", 0, 0))
    session.shut()
    session.leave()


def list_shares(case: Case) -> None:
    """A client lists a host's shares."""
    case.at(60, lambda now: _ask_server_service(case, now, None))


def tidy_path(case: Case) -> None:
    """A client has a path tidied that goes up inside its root; a scanner asks its two questions."""
    case.at(60, lambda now: _ask_server_service(case, now, "\\share\\dir\\..\\file.txt"))
    scanner(case)


def exploit(case: Case) -> None:
    """The request, no answer, and the victim's fetch within seconds."""
    _prove(case, 20)
    case.at(100, lambda now: case.acts.exploit(case.acts.probe(now, case.victim) + SECOND, case.victim, works=True))


def intranet_by_address(case: Case) -> None:
    """An administrator lists a host's shares; later that host reads a page of the administrator's by its address."""
    tidy_path(case)
    request = browser_get(f"{case.host.address}:8080", "/inventory", SEVEN_AGENT)
    exchange = web.Exchange(request, Response(200, web.page(case.rng, 2000)))
    case.at(900, lambda now: web.talk(case.stage, now, case.victim, case.host, 8080, [exchange]))


def agent_by_name(case: Case) -> None:
    """An administrator reaches a host over its shares, which then fetches an agent from the administrator's server by name."""

    def act(now: int) -> None:
        session = case.site.smb(now, case.host, case.victim)
        session.logon(case.host.account())
        session.tree("ADMIN$")
        end = session.leave()
        request = browser_get(f"{case.host.name}.{case.site.domain.dns}:8530", "/agent/setup.exe", SEVEN_AGENT)
        answer = Response(200, web.inert_executable(case.rng, 5000), "application/octet-stream")
        web.talk(case.stage, end + 4 * SECOND, case.victim, case.host, 8530, [web.Exchange(request, answer)])

    case.at(60, act)


def wave(case: Case) -> None:
    """Guesses at five hosts, one after the other, and again forty minutes later."""
    for begin in (60, 60 + 2400):
        case.each(case.others(5), begin, 12, lambda now, target: case.acts.guess(now, target, 9, hit=False))


def typos(case: Case) -> None:
    """A user mistypes a password three times at two servers; a service knocks with a stale one all day."""
    one, other = case.others(2)

    def fail(now: int, server: Host) -> None:
        session = case.site.smb(now, case.host, server)
        session.logon(case.host.account(), REFUSED)
        session.end(5000)

    case.each((one, other, one), 60, 8, fail)
    case.each([one] * 10, 200, 300, fail)


def drop(case: Case) -> None:
    """A file to ADMIN$, and a job that starts it."""
    case.at(60, lambda now: case.acts.drop(now, case.victim))


def administer(case: Case) -> None:
    """An administrator installs programs, by a service and by a job."""
    case.at(60, lambda now: chores.push_service(case.site, now, case.host, case.victim))
    case.at(160, lambda now: chores.push_job(case.site, now, case.host, case.victim))


def sow(case: Case) -> None:
    """The files that start the worm, to a share."""
    case.at(60, lambda now: case.acts.sow(now, case.victim, "data"))


def install_disc(case: Case) -> None:
    """Somebody copies an installation disc to a share, its autorun.inf included."""

    def act(now: int) -> None:
        session = case.site.smb(now, case.host, case.victim)
        session.logon(ntlm.Account(case.host.user, case.site.domain.short, case.host.name.upper()))
        session.tree("data")
        session.write_file("autorun.inf", b"[autorun]\r\nopen=setup.exe\r\nicon=setup.exe,0\r\n")
        session.write_file("setup.exe", web.inert_executable(case.rng, 5000))
        session.write_file("data1.cab", web.filler(case.rng, 9000))
        session.leave()

    case.at(60, act)
