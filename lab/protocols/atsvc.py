"""Task scheduler, the old way ([MS-TSCH] 3.2.5.2, ATSvc): adding a job; and the service manager ([MS-SCMR])."""

from __future__ import annotations

import random
import struct

from lab.protocols.ndr import Stub

JOB_ADD = 0
OPEN_MANAGER, CREATE_SERVICE, START_SERVICE, CLOSE_HANDLE = 15, 12, 19, 0


def job_add(server: str, time_ms: int, days_of_week: int, command: str) -> bytes:
    """NetrJobAdd: run `command` at `time_ms` after midnight on these weekdays (bit 0 is Monday)."""
    stub = Stub().unique(f"\\\\{server}").u32(time_ms, 0).raw(struct.pack("<BBH", days_of_week, 0x11, 0))
    return stub.pointer().string(command).bytes()


def job_add_reply(job: int) -> bytes:
    """Its answer: the job's number."""
    return Stub().u32(job, 0).bytes()


def open_manager(server: str) -> bytes:
    """ROpenSCManagerW with all rights."""
    return Stub().unique(f"\\\\{server}").pointer(False).u32(0x000F003F).bytes()


def create_service(handle: bytes, name: str, display: str, binary: str) -> bytes:
    """RCreateServiceW: an own-process service started on demand."""
    stub = Stub().raw(handle).string(name).unique(display).u32(0x000F01FF, 0x10, 3, 0).string(binary)
    return stub.pointer(False).pointer(False).pointer(False).u32(0).pointer(False).pointer(False).u32(0).bytes()


def create_service_reply(handle: bytes) -> bytes:
    """Its answer: the service's handle."""
    return Stub().pointer(False).raw(handle).u32(0).bytes()


def start_service(handle: bytes) -> bytes:
    """RStartServiceW without arguments."""
    return Stub().raw(handle).u32(0).pointer(False).bytes()


def handle_reply(handle: bytes) -> bytes:
    """A handle and a return code of 0."""
    return Stub().raw(handle).u32(0).bytes()


def result(code: int = 0) -> bytes:
    """A bare return code."""
    return Stub().u32(code).bytes()


def context_handle(rng: random.Random) -> bytes:
    """A context handle: 20 bytes that mean something to the server only."""
    return bytes(4) + rng.randbytes(16)
