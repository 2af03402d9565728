"""The AT service (ATSvc), MS-TSCH 3.2.5.2: the command line of a remote job.

NetrJobAdd(ServerName: unique string, pAtInfo: AT_INFO) with AT_INFO = JobTime u32, DaysOfMonth u32, DaysOfWeek u8,
Flags u8, Command: unique pointer to a string whose referent stands behind the structure (deferred).
"""

from __future__ import annotations

from wormward.model.errors import WireError
from wormward.wire.ndr import Ndr

INTERFACE = "1ff70682-0a51-30e8-076d-740be8cee98b"
"""Interface UUID of ATSvc, version 1.0 (MS-TSCH 1.9)."""
JOB_ADD = 0


def job_command(opnum: int, byte_order: str, ndr64: bool, stub: bytes) -> str | None:
    """The command line that a NetrJobAdd asks for; None for other operations and where the stub shows none."""
    if opnum != JOB_ADD:
        return None
    ndr = Ndr(stub, little=byte_order != "big", ndr64=ndr64)
    try:
        ndr.unique_wide_string()
        ndr.align_structure(4, 8)
        ndr.u32()
        ndr.u32()
        ndr.u8()
        ndr.u8()
        return ndr.unique_wide_string()
    except WireError:
        return None
