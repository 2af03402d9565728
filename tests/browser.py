"""Drive the real Chromium over its own protocol, through a pipe: no port, no network, no driver in between.

    with Browser(chromium, folder) as browser:
        page = browser.open(path)
        page.run("document.title")

Protocol: https://chromedevtools.github.io/devtools-protocol/ (messages are JSON, ended by a zero byte).
"""

from __future__ import annotations

import base64
import json
import os
import select
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

PATIENCE_S = 120.0


class BrowserError(Exception):
    """Chromium refused, or did not answer in time."""


class Browser:
    """A headless Chromium with a profile of its own under `folder`; use as a context manager."""

    def __init__(self, program: str, folder: Path, *, width: int = 1180, height: int = 1000) -> None:
        theirs_in, ours_out = os.pipe()
        ours_in, theirs_out = os.pipe()
        words = [
            program, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--remote-debugging-pipe",
            "--no-first-run", "--disable-background-networking", "--disable-component-update", f"--user-data-dir={folder}",
            f"--window-size={width},{height}", "about:blank",
        ]  # fmt: skip
        # The pipe is file 3 (to it) and file 4 (from it), by its own rule; a shell puts them there.
        shell = f'exec "$0" "$@" 3<&{theirs_in} 4>&{theirs_out}'
        self._process = subprocess.Popen(
            ["/bin/bash", "-c", shell, *words],
            pass_fds=(theirs_in, theirs_out),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self._out, self._in = ours_out, ours_in
        self._rest = b""
        self._last = 0
        self.events: list[dict[str, Any]] = []

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        try:
            self.call("Browser.close")
        except (BrowserError, OSError):
            self._process.kill()
        self._process.wait(timeout=30)
        os.close(self._out)
        os.close(self._in)

    def call(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        """Ask for something and wait for the answer. Raises BrowserError."""
        self._last += 1
        message = {"id": self._last, "method": method, "params": parameters, **({"sessionId": session} if session else {})}
        self._send(json.dumps(message).encode() + b"\0")
        answer = self._wait(lambda m: m.get("id") == self._last)
        if "error" in answer:
            raise BrowserError(f"{method}: {answer['error']}")
        result: dict[str, Any] = answer["result"]
        return result

    def wait_for(self, event: str, session: str) -> dict[str, Any]:
        """The next event of that name."""
        return self._wait(lambda m: m.get("method") == event and m.get("sessionId") == session)

    def open(self, file: Path) -> Page:
        """A new tab that has loaded `file`."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable", session)
        self.events.clear()
        self.call("Page.navigate", session, url=file.as_uri())
        self.wait_for("Page.loadEventFired", session)
        return Page(self, session)

    def _send(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._out, data) :]

    def _wait(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        end = time.monotonic() + PATIENCE_S
        while True:
            head, zero, rest = self._rest.partition(b"\0")
            if not zero:
                ready, _, _ = select.select([self._in], [], [], max(0.0, end - time.monotonic()))
                piece = os.read(self._in, 1 << 20) if ready else b""
                if not piece:
                    raise BrowserError("Chromium ended, or did not answer in time")
                self._rest += piece
                continue
            self._rest = rest
            message: dict[str, Any] = json.loads(head)
            if wanted(message):
                return message
            self.events.append(message)


class Page:
    """One tab."""

    def __init__(self, browser: Browser, session: str) -> None:
        self.browser = browser
        self.session = session

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Ask this tab for something."""
        return self.browser.call(method, self.session, **parameters)

    def run(self, script: str) -> Any:
        """The value of an expression; a promise is waited for. Raises BrowserError if it throws."""
        done = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in done:
            raise BrowserError(str(done["exceptionDetails"]))
        return done["result"].get("value")

    def press(self, key: str) -> None:
        """Press `Tab` or `Enter`."""
        number, text = {"Enter": (13, "\r"), "Tab": (9, "")}[key]
        for kind in ("keyDown", "keyUp"):
            more = {"text": text} if text and kind == "keyDown" else {}
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=number, **more)

    def type(self, text: str) -> None:
        """Write into what has the focus."""
        self.call("Input.insertText", text=text)

    def resize(self, width: int, height: int) -> None:
        """Show it as a window of that size would."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def picture(self, *, whole: bool = False) -> bytes:
        """What it shows, as PNG; `whole`: down to its end."""
        return base64.b64decode(self.call("Page.captureScreenshot", captureBeyondViewport=whole)["data"])

    def pdf(self) -> bytes:
        """What it prints on A4."""
        done = self.call("Page.printToPDF", preferCSSPageSize=True, printBackground=True, paperWidth=8.27, paperHeight=11.69)
        return base64.b64decode(done["data"])

    def complaints(self) -> list[str]:
        """What the browser or a script complained about so far."""
        told = [e for e in self.browser.events if e.get("sessionId") == self.session]
        said = [e["params"]["entry"]["text"] for e in told if e["method"] == "Log.entryAdded"]
        return said + [str(e["params"]) for e in told if e["method"] in ("Runtime.exceptionThrown", "Runtime.consoleAPICalled")]

    def requests(self) -> list[str]:
        """Every address that it asked for so far."""
        told = (e for e in self.browser.events if e.get("sessionId") == self.session)
        return [e["params"]["request"]["url"] for e in told if e["method"] == "Network.requestWillBeSent"]

    def blocked(self) -> list[str]:
        """Why each request that was not let out was not ("csp": the page's own policy)."""
        told = (e for e in self.browser.events if e.get("sessionId") == self.session)
        return [str(e["params"].get("blockedReason")) for e in told if e["method"] == "Network.loadingFailed"]
