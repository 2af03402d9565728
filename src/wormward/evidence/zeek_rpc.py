"""Zeek's names of RPC interfaces and their operations, as UUIDs and numbers.

Zeek writes words (`scripts/base/protocols/dce-rpc/consts.zeek`), detectors want numbers. Only interfaces that worms and
administrators use are here. References: MS-SRVS 3.1.4, MS-TSCH 3.2.5, MS-SCMR 3.1.4, MS-SAMR 3.1.5, MS-WKST 3.2.4.
"""

from __future__ import annotations

import re

INTERFACES = {
    "srvsvc": "4b324fc8-1670-01d3-1278-5a47bf6ee188",
    "atsvc": "1ff70682-0a51-30e8-076d-740be8cee98b",
    "ITaskSchedulerService": "86d35949-83c9-4044-b424-db363231fd0c",
    "sasec": "378e52b0-c0a9-11cf-822d-00aa0051e40f",
    "svcctl": "367abb81-9844-35f1-ad32-98f038001003",
    "samr": "12345778-1234-abcd-ef00-0123456789ac",
    "lsarpc": "12345778-1234-abcd-ef00-0123456789ab",
    "netlogon": "12345678-1234-abcd-ef00-01234567cffb",
    "wkssvc": "6bffd098-a112-3610-9833-46c3f87e345a",
    "browser": "6bffd098-a112-3610-9833-012892020162",
    "winreg": "338cd001-2244-31f1-aaaa-900038001003",
    "spoolss": "12345678-1234-abcd-ef00-0123456789ab",
    "epmapper": "e1af8308-5d1f-11c9-91a4-08002b14a0fa",
    "eventlog": "82273fdc-e32a-18c3-3f78-827929dc23ea",
    "msgsvc": "17fdd703-1827-4e34-79d4-24a55c53bb37",
    "drsuapi": "e3514235-4b06-11d1-ab04-00c04fc2dcd2",
    "dssetup": "3919286a-b10c-11d0-9ba8-00c04fd92ef5",
    "netdfs": "4fc742e0-4a10-11cf-8273-00aa004ae673",
}
"""Zeek's endpoint -> interface UUID."""

# In the order of their numbers, without the prefix `Netr`, `Netpr`, `Netrp` or `Net`, which versions spell differently.
_SRVSVC = (
    "CharDevEnum CharDevGetInfo CharDevControl CharDevQEnum CharDevQGetInfo CharDevQSetInfo CharDevQPurge CharDevQPurgeSelf "
    "ConnectionEnum FileEnum FileGetInfo FileClose SessionEnum SessionDel ShareAdd ShareEnum ShareGetInfo ShareSetInfo ShareDel "
    "ShareDelSticky ShareCheck ServerGetInfo ServerSetInfo ServerDiskEnum ServerStatisticsGet ServerTransportAdd "
    "ServerTransportEnum ServerTransportDel RemoteTOD ServerSetServiceBits PathType PathCanonicalize PathCompare NameValidate "
    "NameCanonicalize NameCompare ShareEnumSticky ShareDelStart ShareDelCommit GetFileSecurity SetFileSecurity "
    "ServerTransportAddEx ServerSetServiceBitsEx DfsGetVersion DfsCreateLocalPartition DfsDeleteLocalPartition "
    "DfsSetLocalVolumeState DfsSetServerInfo DfsCreateExitPoint DfsDeleteExitPoint DfsModifyPrefix DfsFixLocalVolume "
    "DfsManagerReportSiteInfo ServerTransportDelEx ServerAliasAdd ServerAliasEnum ServerAliasDel ShareDelEx"
)
_ATSVC = "JobAdd JobDel JobEnum JobGetInfo"
_WKSSVC = "WkstaGetInfo WkstaSetInfo WkstaUserEnum WkstaUserGetInfo WkstaUserSetInfo WkstaTransportEnum WkstaTransportAdd"
_TASKS = (
    "SchRpcHighestVersion SchRpcRegisterTask SchRpcRetrieveTask SchRpcCreateFolder SchRpcSetSecurity SchRpcGetSecurity "
    "SchRpcEnumFolder SchRpcEnumTasks SchRpcEnumInstances SchRpcGetInstanceInfo SchRpcStopInstance SchRpcStop SchRpcRun "
    "SchRpcDelete SchRpcRename SchRpcScheduledRuntimes SchRpcGetLastRunInfo SchRpcGetTaskInfo"
)
_SVCCTL = (
    "CloseServiceHandle ControlService DeleteService LockServiceDatabase QueryServiceObjectSecurity SetServiceObjectSecurity "
    "QueryServiceStatus SetServiceStatus UnlockServiceDatabase NotifyBootConfigStatus ScSetServiceBitsW ChangeServiceConfigW "
    "CreateServiceW EnumDependentServicesW EnumServicesStatusW OpenSCManagerW OpenServiceW QueryServiceConfigW "
    "QueryServiceLockStatusW StartServiceW"
)
_SAMR = (
    "SamrConnect SamrCloseHandle SamrSetSecurityObject SamrQuerySecurityObject SamrShutdownSamServer SamrLookupDomainInSamServer "
    "SamrEnumerateDomainsInSamServer SamrOpenDomain SamrQueryInformationDomain SamrSetInformationDomain "
    "SamrCreateGroupInDomain SamrEnumerateGroupsInDomain SamrCreateUserInDomain SamrEnumerateUsersInDomain"
)
_PREFIX = re.compile(r"^Net(?:rp|pr|r|p)?(?=[A-Z])")
_UNKNOWN_OPERATION = re.compile(r"^unknown-(\d{1,5})$")
_UNKNOWN_ENDPOINT = re.compile(r"^unknown-([0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12})$")


def _numbers(names: str) -> dict[str, int]:
    return {name: number for number, name in enumerate(names.split())}


_OPERATIONS: dict[str, dict[str, int]] = {
    "srvsvc": _numbers(_SRVSVC),
    "atsvc": _numbers(_ATSVC),
    "wkssvc": _numbers(_WKSSVC),
    "ITaskSchedulerService": _numbers(_TASKS),
    "svcctl": _numbers(_SVCCTL),
    "samr": _numbers(_SAMR),
}


def interface(endpoint: str) -> str | None:
    """The UUID of what Zeek calls `endpoint`; it writes `unknown-<uuid>` itself where it has no name."""
    unknown = _UNKNOWN_ENDPOINT.match(endpoint)
    return unknown[1].lower() if unknown else INTERFACES.get(endpoint)


def operation(endpoint: str, name: str) -> int | None:
    """The number of an operation; Zeek writes `unknown-<number>` itself where it has no name."""
    unknown = _UNKNOWN_OPERATION.match(name)
    if unknown:
        number = int(unknown[1])
        return number if number < 1 << 16 else None
    return _OPERATIONS.get(endpoint, {}).get(_PREFIX.sub("", name))
