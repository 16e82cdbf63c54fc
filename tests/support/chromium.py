"""A real Chromium without a window, driven by its DevTools protocol."""

from __future__ import annotations

import itertools
import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
from websockets.sync.client import ClientConnection, connect

from tests.support.prefect_server import until
from tests.support.programs import find


class Page:
    """One tab: it opens addresses and evaluates JavaScript.

    `events` are what Chromium reported of the domains that a test enabled.
    """

    def __init__(self, connection: ClientConnection) -> None:
        self._connection, self._numbers = connection, itertools.count(1)
        self.events: list[dict[str, Any]] = []

    def call(self, method: str, **given: Any) -> dict[str, Any]:
        number = next(self._numbers)
        self._connection.send(json.dumps({"id": number, "method": method, "params": given}))
        while True:
            answer: dict[str, Any] = json.loads(self._connection.recv(timeout=60))
            if "method" in answer:
                self.events.append(answer)
            if answer.get("id") == number:
                assert "error" not in answer, answer
                return dict(answer["result"])

    def open(self, url: str) -> None:
        """Open an address as somebody does who types it."""
        self.call("Page.navigate", url=url)
        until(lambda: self.run("document.readyState") == "complete" or None, f"page {url}", 60)

    def run(self, script: str) -> Any:
        """The value of an expression; of a promise, what it ends with."""
        done = self.call(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in done, done["exceptionDetails"]
        return done["result"].get("value")


@contextmanager
def browse() -> Iterator[Page]:
    """A new Chromium with a profile of its own."""
    with TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [
            find("chromium"), "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
            "--disable-dev-shm-usage", "--remote-debugging-port=0", f"--user-data-dir={profile}",
            "about:blank",
        ]  # fmt: skip
        quiet = subprocess.DEVNULL
        with subprocess.Popen(command, stdout=quiet, stderr=quiet) as process:
            try:
                with connect(_socket_of(Path(profile)), max_size=None) as connection:
                    yield Page(connection)
            finally:
                process.terminate()


def _socket_of(profile: Path) -> str:
    """The address of the first tab, once Chromium listens."""
    file = profile / "DevToolsActivePort"
    until(lambda: (file.exists() and file.read_text()) or None, "Chromium", 60)
    time.sleep(0.1)  # the file is written a moment before the port answers
    port = file.read_text().splitlines()[0]

    def tab() -> str | None:
        tabs = httpx.get(f"http://127.0.0.1:{port}/json/list").json()
        return next((one["webSocketDebuggerUrl"] for one in tabs if one["type"] == "page"), None)

    return until(tab, "tab of Chromium", 60)
