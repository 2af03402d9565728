"""What administrators do that looks like a worm: pushing programs, planning jobs, scanning for the worm itself."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from lab.protocols import atsvc, dcerpc, srvsvc
from lab.scenes import web
from lab.scenes.smb import Smb
from lab.site import Host, Site
from lab.stage import SECOND
from lab.tcp import Tcp


def push_service(site: Site, now: int, admin: Host, target: Host) -> int:
    """As PsExec does: a program to ADMIN$, a service that starts it."""
    session = site.smb(now, admin, target)
    session.logon(admin.account())
    session.tree("ADMIN$")
    session.write_file("PSEXESVC.EXE", web.inert_executable(session.rng, 6000))
    session.tree("IPC$")
    session.bind("svcctl", dcerpc.SVCCTL)
    manager, service = atsvc.context_handle(session.rng), atsvc.context_handle(session.rng)
    session.call(atsvc.OPEN_MANAGER, atsvc.open_manager(target.name), atsvc.handle_reply(manager))
    create = atsvc.create_service(manager, "PSEXESVC", "PsExec", "%SystemRoot%\\PSEXESVC.EXE")
    session.call(atsvc.CREATE_SERVICE, create, atsvc.create_service_reply(service))
    session.call(atsvc.START_SERVICE, atsvc.start_service(service), atsvc.result())
    session.call(atsvc.CLOSE_HANDLE, service, atsvc.handle_reply(bytes(20)))
    session.shut()
    return session.leave()


def push_job(site: Site, now: int, admin: Host, target: Host) -> int:
    """A set-up program to ADMIN$ and a job that runs it at noon."""
    session = site.smb(now, admin, target)
    session.logon(admin.account())
    session.tree("ADMIN$")
    session.write_file("Temp\\agentsetup.exe", web.inert_executable(session.rng, 5000))
    session.tree("IPC$")
    session.bind("atsvc", dcerpc.ATSVC)
    command = "%SystemRoot%\\Temp\\agentsetup.exe /quiet /norestart"
    session.call(atsvc.JOB_ADD, atsvc.job_add(target.name, 43_200_000, 0x1F, command), atsvc.job_add_reply(1))
    session.shut()
    return session.leave()


def question(site: Site, now: int, scanner: Host, target: Host, hooked: AbstractSet[str]) -> int:
    """A scanner asks a host the two questions that find the worm (facts 4.3); hosts in `hooked` give themselves away."""
    if not target.windows:
        return Tcp(site.stage, now, scanner, target, 445).attempt(refused=True, tries=1)
    session = Smb(site.stage, now, scanner, target, site.domain, 1, extended=False, by_address=True)
    session.anonymous()
    session.tree("IPC$")
    session.bind("browser", dcerpc.SRVSVC)
    for path in ("\\", "\\..\\"):
        stub = srvsvc.canonicalize(target.address, (path + "\0").encode("utf-16-le"), 2, "\\", 1, 1)
        code = srvsvc.INVALID_PARAMETER if target.address in hooked and path != "\\" else srvsvc.INVALID_NAME
        session.call(srvsvc.CANONICALIZE, stub, srvsvc.canonicalize_reply(bytes(4), 0, code))
    session.shut()
    return session.end() + SECOND // 5
