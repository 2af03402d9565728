"""Two network namespaces joined by a wire, with a capture running on it.

Needs root, `ip` and `tcpdump`. Nothing leaves the two namespaces: neither has a route to anywhere else.
"""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

CLIENT, SERVER = "10.77.0.10", "10.77.0.20"
_SERIAL = itertools.count()


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


@dataclass
class Wire:
    """Runs programs on either end of the wire; stops on exit what it started."""

    client_ns: str
    server_ns: str
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def client(self, *command: str, check: bool = False, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """Run a program on the client's end and wait for it."""
        words = ["ip", "netns", "exec", self.client_ns, *command]
        return subprocess.run(words, check=check, capture_output=True, text=True, timeout=timeout)

    def start(self, namespace: str, command: Sequence[str], cwd: Path | None = None) -> subprocess.Popen[bytes]:
        """Start a server; it gets a session of its own, since smbd ends its whole process group."""
        words = ["ip", "netns", "exec", namespace, *command]
        process = subprocess.Popen(words, cwd=cwd, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.started.append(process)
        return process

    def serve(self, *command: str, cwd: Path | None = None) -> subprocess.Popen[bytes]:
        """Start a server on the server's end."""
        return self.start(self.server_ns, command, cwd)

    def wait_for(self, port: int, seconds: float = 20) -> None:
        """Wait until the server's end accepts TCP connections on `port`."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            probe = ["ip", "netns", "exec", self.server_ns, "bash", "-c", f"exec 3<>/dev/tcp/{SERVER}/{port}"]
            if subprocess.run(probe, check=False, capture_output=True).returncode == 0:
                return
            time.sleep(0.2)
        raise TimeoutError(f"nothing listens on {SERVER}:{port} after {seconds} s")

    @contextmanager
    def capture(self, file: Path) -> Iterator[None]:
        """Record what crosses the wire while the block runs."""
        words = ["tcpdump", "-i", "eth0", "-s", "0", "-U", "-w", str(file), "-Z", "root"]
        process = self.start(self.server_ns, words)
        end = time.monotonic() + 10
        while not (file.exists() and file.stat().st_size >= 24) and time.monotonic() < end:
            time.sleep(0.05)
        try:
            yield
        finally:
            time.sleep(0.5)  # tcpdump writes packet by packet, but the kernel hands them over in blocks
            process.send_signal(signal.SIGTERM)
            process.wait(10)

    def stop(self) -> None:
        """End all that was started, and what those started."""
        for process in self.started:
            try:
                os.killpg(process.pid, signal.SIGTERM)
            except ProcessLookupError:
                continue
        for process in self.started:
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)


@contextmanager
def wire() -> Iterator[Wire]:
    """Make the two namespaces, join them, and take both away afterwards."""
    tag = f"{os.getpid():x}{next(_SERIAL)}"
    near, far = f"wwc{tag}", f"wws{tag}"
    both = Wire(near, far)
    try:
        for name in (near, far):
            _ip("netns", "add", name)
        _ip("link", "add", "eth0", "netns", near, "type", "veth", "peer", "name", "eth0", "netns", far)
        for name, address in ((near, CLIENT), (far, SERVER)):
            _ip("-n", name, "addr", "add", f"{address}/24", "dev", "eth0")
            _ip("-n", name, "link", "set", "lo", "up")
            _ip("-n", name, "link", "set", "eth0", "up")
        yield both
    finally:
        both.stop()
        for name in (near, far):
            pids = subprocess.run(["ip", "netns", "pids", name], check=False, capture_output=True, text=True).stdout.split()
            for pid in pids:  # servers that left their process group, as samba-dcerpcd does
                try:
                    os.kill(int(pid), signal.SIGKILL)
                except ProcessLookupError:
                    continue
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)
