"""Suricata's smb and dcerpc events: logons, shares, files and remote calls, told apart by tree and pipe."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from typing import Any, Final

from wormward.evidence.capture_rows import pipe_text, share_text
from wormward.evidence.eve_fields import Event, number, port, text
from wormward.evidence.lines import Fact

MOST_TREES: Final = 1 << 16
"""Trees whose share is remembered; beyond, the one used longest ago is forgotten."""
_MORE_PROCESSING = 0xC0000016
_MADE = frozenset({"FILE_CREATE", "FILE_SUPERSEDE", "FILE_OVERWRITE_IF", "FILE_OPEN_IF", "FILE_OVERWRITE"})
_PIPE_SHARE = "IPC$"


class Shares:
    """Makes rows of smb events; remembers which share a tree is and which pipe was opened on it."""

    def __init__(self) -> None:
        self._trees: OrderedDict[tuple[int, int], str] = OrderedDict()  # flow and tree -> share
        self._pipes: OrderedDict[int, str | None] = OrderedDict()  # flow -> its only pipe; None: several

    def facts(self, event: Event, line: int) -> Iterable[Fact]:
        """Rows that an event completes."""
        smb = event.part("smb")
        command = (text(smb, "command") or "").removeprefix("SMB1_COMMAND_").removeprefix("SMB2_COMMAND_")
        if "dcerpc" in smb and isinstance(smb["dcerpc"], dict):
            return rpc_call(event, smb["dcerpc"], line, self._pipes.get(number(event.raw, "flow_id") or 0))
        if command.startswith("SESSION_SETUP"):
            return _logon(event, smb)
        if command.startswith("TREE_CONNECT"):
            return self._tree(event, smb)
        if command in ("NT_CREATE_ANDX", "CREATE", "OPEN_ANDX"):
            return self._opened(event, smb)
        if command in ("WRITE_ANDX", "WRITE", "WRITE_AND_CLOSE"):
            return self._file(event, smb, "write")
        if command in ("DELETE", "RENAME"):
            return self._file(event, smb, command.lower())
        return ()

    def _tree(self, event: Event, smb: dict[str, Any]) -> Iterator[Fact]:
        path = text(smb, "share")
        if path is None:
            return
        share, status = share_text(path), _status(smb)
        tree = number(smb, "tree_id")
        if tree is not None and not status:
            _remember(self._trees, (number(event.raw, "flow_id") or 0, tree), share)
        client, server = event.ends()
        outcome = _outcome(status)
        yield Fact(
            "smb_shares",
            event.time_us,
            {"client": client, "server": server, "share": share, "outcome": outcome, "status": status},
        )

    def _opened(self, event: Event, smb: dict[str, Any]) -> Iterable[Fact]:
        if _status(smb):
            return ()
        name = text(smb, "filename")
        if name is not None and self._share(event, smb) == _PIPE_SHARE:
            flow, pipe = number(event.raw, "flow_id") or 0, pipe_text(name)
            _remember(self._pipes, flow, pipe if self._pipes.get(flow, pipe) == pipe else None)
            return ()
        return self._file(event, smb, "create" if text(smb, "disposition") in _MADE else "open")

    def _share(self, event: Event, smb: dict[str, Any]) -> str:
        path = text(smb, "share")
        if path is not None:
            return share_text(path)
        return self._trees.get((number(event.raw, "flow_id") or 0, number(smb, "tree_id") or 0), "")

    def _file(self, event: Event, smb: dict[str, Any], action: str) -> Iterator[Fact]:
        rename = smb.get("rename")
        name = (text(rename, "to") if action == "rename" and isinstance(rename, dict) else None) or text(smb, "filename")
        share = self._share(event, smb)
        if name is None or share == _PIPE_SHARE or name in ("<share_root>", "<unknown>"):
            return
        client, server = event.ends()
        path = name.replace("/", "\\").lstrip("\\")
        yield Fact(
            "smb_files", event.time_us, {"client": client, "server": server, "share": share, "path": path, "action": action}
        )


def _remember(memory: OrderedDict[Any, Any], key: Any, value: Any) -> None:
    memory[key] = value
    memory.move_to_end(key)
    if len(memory) > MOST_TREES:
        memory.popitem(last=False)


def _status(smb: dict[str, Any]) -> int | None:
    """NTSTATUS of the answer; None if there was none."""
    try:
        status = int(str(smb["status_code"]), 16)
    except (KeyError, ValueError):
        return None
    return status if 0 <= status < 1 << 32 else None


def _outcome(status: int | None) -> str:
    return "unknown" if status is None else "failure" if status else "success"


def _logon(event: Event, smb: dict[str, Any]) -> Iterator[Fact]:
    """The last leg of a session setup; the first one is no attempt yet."""
    status = _status(smb)
    if status == _MORE_PROCESSING:
        return
    client, server = event.ends()
    who = smb.get("ntlmssp")
    who = who if isinstance(who, dict) else {}
    native = smb.get("request")
    native = native if isinstance(native, dict) else {}
    yield Fact(
        "smb_logons",
        event.time_us,
        {
            "client": client,
            "server": server,
            "user": who["user"] if isinstance(who.get("user"), str) else None,
            "domain": who["domain"] if isinstance(who.get("domain"), str) else None,
            "outcome": _outcome(status),
            "status": status,
            "native_os": text(native, "native_os"),
            "native_lanman": text(native, "native_lm"),
        },
    )


def rpc_call(event: Event, rpc: dict[str, Any], _line: int, pipe: str | None) -> Iterator[Fact]:
    """A remote call; binds are none. The interface is known where the connection had only one."""
    opnum = number(rpc, "opnum")
    if text(rpc, "request") != "REQUEST" or opnum is None or opnum >= 1 << 16:
        return
    client, server = event.ends()
    interfaces = rpc.get("interfaces")
    listed = interfaces if isinstance(interfaces, list) else []
    uuids = {uuid.lower() for item in listed if isinstance(item, dict) and (uuid := text(item, "uuid"))}
    outcome = {"RESPONSE": "answered", "FAULT": "fault"}.get(text(rpc, "response") or "", "unanswered")
    yield Fact(
        "rpc_calls",
        event.time_us,
        {
            "client": client,
            "server": server,
            "server_port": port(event.raw, "dest_port"),
            "pipe": pipe,
            "interface": uuids.pop() if len(uuids) == 1 else None,
            "opnum": opnum,
            "outcome": outcome,
        },
    )
