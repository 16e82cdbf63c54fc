"""Load of the online demo: clients that send rows over HTTP, and what they measured."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from itertools import cycle

import numpy as np

_CLIENTS = 4
_MOST_SECONDS = 60.0


@dataclass
class LoadResult:
    """Requests of one part of the demo: latencies in seconds, versions that predicted, failures."""

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    versions: Counter[int] = field(default_factory=Counter)
    failed: int = 0

    def find_percentile(self, percent: float) -> float:
        """Return a percentile of the latency in milliseconds."""
        return float(np.percentile(self.latencies, percent)) * 1000 if self.latencies else 0.0


class RequestLoad:
    """Clients that share the rows of a day."""

    def __init__(self, port: int, path: str, bodies: Sequence[bytes]) -> None:
        """Send to a server on loopback.

        Args:
            port: of the server.
            path: of the protocol.
            bodies: of the requests, one row each.
        """
        self._port, self._path, self._bodies = port, path, bodies
        self._lock, self._stop = threading.Lock(), threading.Event()

    def send(self, until: Callable[[], bool] | None = None) -> LoadResult:
        """Send each body once; with a condition again and again until it holds, or a minute."""
        result, started = LoadResult(), time.monotonic()
        source = iter(self._bodies if until is None else cycle(self._bodies))
        self._stop.clear()
        clients = [
            threading.Thread(target=self._send_all, args=(source, result)) for _ in range(_CLIENTS)
        ]
        for client in clients:
            client.start()
        while until is not None and not until():
            if time.monotonic() - started > _MOST_SECONDS:
                break
            time.sleep(0.5)
        if until is not None:
            self._stop.set()
        for client in clients:
            client.join()
        result.seconds = time.monotonic() - started
        return result

    def _send_all(self, source: Iterator[bytes], result: LoadResult) -> None:
        connection = HTTPConnection("127.0.0.1", self._port, timeout=30)
        while not self._stop.is_set():
            with self._lock:
                body = next(source, None)
            if body is None:
                return
            started = time.perf_counter()
            versions = self._send_one(connection, body)
            taken = time.perf_counter() - started
            with self._lock:
                result.latencies.append(taken)
                result.failed += versions is None
                result.versions.update(versions or ())

    def _send_one(self, connection: HTTPConnection, body: bytes) -> list[int] | None:
        """Return the versions that predicted the rows; None if the request failed."""
        try:
            connection.request("POST", self._path, body)
            response = connection.getresponse()
            content = response.read()
        except (OSError, HTTPException):
            connection.close()
            return None
        if response.status != 200:
            return None
        return [row["model_version"] for row in json.loads(content)["predictions"]]
