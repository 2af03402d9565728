"""Real programs talk, a proxy listens: smbclient and rpcclient against Samba, over SMB1, SMB2 and SMB3."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.need import need_program
from tests.wire_help import Event, Stream, decoder, feed
from wormward.wire.facts import Fact, RpcCall, SmbFile, SmbLogon, SmbShare, Unseen
from wormward.wire.smb_conversation import SmbConversation

pytestmark = [pytest.mark.slow, pytest.mark.root]
PASSWORD = "Lab-only-1"  # noqa: S105 - of a server that lives for a minute on the loopback


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


class Proxy:
    """Passes one connection at a time on to the server and writes down who said what, in order."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.streams: list[Stream] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            stream = Stream(len(self.streams), "client", "server", 445)
            self.streams.append(stream)
            threading.Thread(target=self._pump, args=(client, stream), daemon=True).start()

    def _pump(self, client: socket.socket, stream: Stream) -> None:
        with client, socket.create_connection(("127.0.0.1", self.target)) as server:
            ends = {client: server, server: client}
            while True:
                for end in select.select(list(ends), [], [])[0]:
                    data = end.recv(65536)
                    if not data:
                        return
                    stream.events.append(Event(end is client, data, len(stream.events) + 1))
                    ends[end].sendall(data)

    def heard(self) -> list[tuple[SmbConversation, list[Fact]]]:
        """Facts of all connections since the last call."""
        time.sleep(0.2)
        taken, self.streams = self.streams, []
        out = []
        for stream in taken:
            if not stream.events:
                continue
            conversation, again = decoder(stream), decoder(stream)
            assert isinstance(conversation, SmbConversation)
            facts = feed(conversation, stream.events)
            assert again is not None
            assert feed(again, stream.events, step=11, skip=True) == facts
            assert conversation.resyncs == 0
            out.append((conversation, facts))
        return out


@pytest.fixture(scope="module")
def samba(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    """A server with a disk share called ADMIN$ and one user, behind a proxy."""
    if os.geteuid() != 0:
        pytest.skip("smbd must change users: run as root")
    smbd = need_program("smbd")
    home = tmp_path_factory.mktemp("samba")
    share = home / "share"
    share.mkdir(mode=0o777)
    share.chmod(0o777)
    for folder in (home, *home.parents):
        if folder.stat().st_uid == os.geteuid() and str(folder).startswith("/tmp/"):
            folder.chmod(0o755)
    port = _free_port()
    places = "\n".join(
        f"{name} = {home}" for name in ("private dir", "state directory", "cache directory", "lock directory", "pid directory")
    )
    conf = home / "smb.conf"
    conf.write_text(
        f"[global]\n{places}\nncalrpc dir = {home}/ncalrpc\nlog file = {home}/log\nsmb ports = {port}\ninterfaces = 127.0.0.1\n"
        "bind interfaces only = yes\ndisable netbios = yes\nserver min protocol = NT1\nlanman auth = no\nntlm auth = yes\n"
        f"smb encrypt = auto\nload printers = no\n[ADMIN$]\npath = {share}\nread only = no\nadmin users = root\n"
    )
    subprocess.run(
        ["smbpasswd", "-c", str(conf), "-s", "-a", "root"],
        input=f"{PASSWORD}\n{PASSWORD}\n",
        text=True,
        check=True,
        capture_output=True,
    )
    server = subprocess.Popen(
        [smbd, "-F", "--no-process-group", "-s", str(conf)],
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(100):
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.1)
        yield Proxy(port)
    finally:
        # Samba's RPC helpers leave their parent's session: they are found by the pid files in its own folder.
        for pid in (int(file.read_text().split()[0]) for file in home.glob("*.pid")):
            try:
                os.kill(pid, signal.SIGTERM)
            except ProcessLookupError:
                continue
        server.terminate()
        server.wait(10)


def _smbclient(samba: Proxy, *arguments: str, password: str = PASSWORD, share: str = "ADMIN$", protocol: str = "SMB3") -> str:
    command = [
        need_program("smbclient"),
        f"//127.0.0.1/{share}",
        "-p",
        str(samba.port),
        "-U",
        f"CORP/root%{password}",
        "-m",
        protocol,
        "--option=client min protocol=NT1",
        *arguments,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    return done.stdout + done.stderr


@pytest.mark.parametrize("protocol", ["NT1", "SMB2", "SMB3"])
def test_files_logons_and_shares(samba: Proxy, protocol: str, tmp_path: Path) -> None:
    body = b"MZ" + os.urandom(300_000)
    (tmp_path / "dropped.bin").write_bytes(body)
    samba.heard()
    said = _smbclient(
        samba,
        "-c",
        f"lcd {tmp_path}; mkdir sub; put dropped.bin sub\\zdtnx.g; get sub\\zdtnx.g back.bin; "
        "rename sub\\zdtnx.g moved.g; del moved.g; rmdir sub",
        protocol=protocol,
    )
    assert (tmp_path / "back.bin").read_bytes() == body, said
    ((_, facts),) = samba.heard()
    logons = [fact for fact in facts if isinstance(fact, SmbLogon)]
    assert [(fact.user, fact.domain, fact.outcome, fact.status) for fact in logons] == [("root", "CORP", "success", 0)]
    shares = [(fact.share.upper().rsplit("\\", 1)[1], fact.outcome) for fact in facts if isinstance(fact, SmbShare)]
    assert ("ADMIN$", "success") in shares
    files = [(fact.action, fact.path, fact.size) for fact in facts if isinstance(fact, SmbFile)]
    assert ("create", "sub\\zdtnx.g", 0) in files
    assert ("write", "sub\\zdtnx.g", len(body)) in files
    assert ("open", "sub\\zdtnx.g", 0) in files
    assert [fact.start for fact in facts if isinstance(fact, SmbFile) and fact.action == "write"] == [body[:64]]
    assert "rename" in {action for action, _, _ in files}
    assert ("delete", "moved.g", 0) in files


@pytest.mark.parametrize("protocol", ["NT1", "SMB3"])
def test_failed_logons(samba: Proxy, protocol: str) -> None:
    samba.heard()
    for password in ("wrong", "wronger"):
        _smbclient(samba, "-c", "ls", password=password, protocol=protocol)
    facts = [fact for _, found in samba.heard() for fact in found]
    failed = [fact for fact in facts if isinstance(fact, SmbLogon) and fact.outcome == "failure"]
    assert [(fact.user, fact.status) for fact in failed] == [("root", 0xC000006D)] * 2


@pytest.mark.parametrize("protocol", ["NT1", "SMB2", "SMB3"])
def test_calls_through_pipes(samba: Proxy, protocol: str) -> None:
    samba.heard()
    command = [
        need_program("rpcclient"),
        "-p",
        str(samba.port),
        "-U",
        f"CORP/root%{PASSWORD}",
        "127.0.0.1",
        "-c",
        "srvinfo; netshareenum; enumdomusers",
        f"--option=client max protocol={protocol}",
        "--option=client min protocol=NT1",
        "--option=client ipc max protocol=" + protocol,
        "--option=client ipc min protocol=NT1",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    facts = [fact for _, found in samba.heard() for fact in found]
    calls = [fact for fact in facts if isinstance(fact, RpcCall)]
    called = [(fact.pipe, fact.opnum, fact.outcome) for fact in calls]
    assert ("srvsvc", 21, "answered") in called, (called, done.stdout + done.stderr)
    assert ("srvsvc", 15, "answered") in called or ("srvsvc", 36, "answered") in called
    assert {fact.interface for fact in calls if fact.pipe == "srvsvc"} == {"4b324fc8-1670-01d3-1278-5a47bf6ee188"}
    assert any(fact.pipe == "samr" for fact in calls)
    assert not [fact for fact in facts if isinstance(fact, SmbFile)]


def test_encrypted_sessions_show_nothing_but_their_count(samba: Proxy) -> None:
    samba.heard()
    _smbclient(samba, "--client-protection=encrypt", "-c", "ls", protocol="SMB3")
    ((conversation, facts),) = samba.heard()
    assert conversation.encrypted_messages > 4
    logon, hidden = facts
    assert isinstance(logon, SmbLogon)
    assert isinstance(hidden, Unseen)
    assert (hidden.what, hidden.count) == ("encrypted", conversation.encrypted_messages)
