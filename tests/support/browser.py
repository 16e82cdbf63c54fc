"""A real Chromium that opens a page, and what the page did: its title, and requests to a server."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest


@contextmanager
def serve_witness() -> Iterator[tuple[str, list[str]]]:
    """Serve an empty answer to any request; yield the address and the paths that were asked for."""
    asked: list[str] = []

    class Witness(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Witness)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    server.server_close()


def open_page(page: Path, profile: Path) -> str:
    """Return the document of a page after its scripts ran; skip the test without a browser."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("needs chromium")
    done = subprocess.run(
        [
            chromium, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}",
            "--virtual-time-budget=5000", "--dump-dom", page.as_uri(),
        ],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    return done.stdout
