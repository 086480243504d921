"""A headless Chromium, driven by its own protocol over a pipe: pages are opened, resized, asked and photographed.

Source: Chrome DevTools Protocol 1.3; `--remote-debugging-pipe` takes file descriptors 3 and 4, messages end with a zero byte.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import subprocess
import time
from pathlib import Path
from typing import Any

from helpers.picture import FLAGS, chromium

_PATIENCE_S = 120


class Browser:
    """One process for many pages. folder: empty, for its own files."""

    def __init__(self, folder: Path) -> None:
        theirs, self._out = (fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in os.pipe())
        self._in, ours = (fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in os.pipe())

        def hand_over() -> None:
            os.dup2(theirs, 3)
            os.dup2(ours, 4)

        self._process = subprocess.Popen(
            [str(chromium()), *FLAGS, f"--user-data-dir={folder / 'profile'}", "--remote-debugging-pipe", "about:blank"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=hand_over, pass_fds=(3, 4),
        )  # fmt: skip
        os.close(theirs)
        os.close(ours)
        self._buffer, self._number = b"", 0
        self.events: list[dict[str, Any]] = []

    def close(self) -> None:
        self._process.kill()
        self._process.wait(timeout=30)
        os.close(self._in)
        os.close(self._out)

    def ask(self, method: str, session: str | None = None, **params: Any) -> Any:
        """The result of one command; what happens meanwhile is added to `events`."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params} | ({"sessionId": session} if session else {})
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._out, data) :]
        while True:
            answer = self.read()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer["error"]
                return answer["result"]
            self.events.append(answer)

    def read(self) -> dict[str, Any]:
        """The next message."""
        deadline = time.monotonic() + _PATIENCE_S
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._in], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, "the browser says nothing"
            data = os.read(self._in, 1 << 20)
            assert data, "the browser has ended"
            self._buffer += data
        message, _, self._buffer = self._buffer.partition(b"\0")
        return dict(json.loads(message))


class Page:
    """A document in a tab of its own, from its file, as somebody opens it who got it from CI."""

    def __init__(self, browser: Browser, document: str, path: Path) -> None:
        path.write_text(document, encoding="utf-8")
        target = browser.ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = browser.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self._browser, self._start = browser, len(browser.events)
        for domain in ("Page", "Runtime", "Network", "Log"):
            self._ask(f"{domain}.enable")
        self._ask("Page.navigate", url=path.as_uri())
        while not self._named("Page.loadEventFired"):
            browser.events.append(browser.read())

    @property
    def complaints(self) -> list[str]:
        """What its console and the browser's log say: errors, warnings, and what the page's own policy refused."""
        return [
            json.dumps(entry)
            for name in ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded")
            for entry in self._named(name)
        ]

    @property
    def requests(self) -> list[str]:
        """The addresses of all that was fetched."""
        return [str(entry["request"]["url"]) for entry in self._named("Network.requestWillBeSent")]

    def show(self, *, width: int, dark: bool) -> None:
        """Lay it out at that width and in that theme."""
        self._ask("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        theme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._ask("Emulation.setEmulatedMedia", features=[theme])

    def value(self, expression: str) -> Any:
        """What an expression of JavaScript is, once it is settled."""
        outcome = self._ask("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in outcome, outcome["exceptionDetails"]
        return outcome["result"].get("value")

    def screenshot(self) -> bytes:
        """The whole page as a PNG."""
        taken = self._ask("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        return base64.b64decode(taken["data"])

    def _ask(self, method: str, **params: Any) -> Any:
        return self._browser.ask(method, self._session, **params)

    def _named(self, method: str) -> list[dict[str, Any]]:
        events = self._browser.events[self._start :]
        return [
            event["params"]
            for event in events
            if event.get("method") == method and event.get("sessionId") == self._session
        ]
