"""The part of the online demo that sends a day as events, and reads the answers."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from configs.errors import Terminal

_TIMES = 10  # the day is sent as often
_MOST_SECONDS = 120.0


@dataclass(frozen=True)
class StreamedDay:
    """Events and answers, rate, and the time from an event to its answer in milliseconds."""

    events: int
    answers: int
    rejected: int
    seconds: float
    p99_ms: float


def stream_day(redis: str, use_case: str, rows: Sequence[bytes]) -> StreamedDay:
    """Send the rows of a day ten times as events, and wait for the answers.

    Raises:
        Terminal: not every event is answered within two minutes.
    """
    from redis import Redis

    client: Any = Redis.from_url(redis, protocol=2)
    answers, rejected = f"{use_case}.predictions", f"{use_case}.rejected"
    events, started = [row for _ in range(_TIMES) for row in rows], time.monotonic()
    pipeline = client.pipeline(transaction=False)
    for row in events:
        pipeline.xadd(f"{use_case}.events", {"row": row})
    pipeline.execute()
    while client.xlen(answers) + client.xlen(rejected) < len(events):
        if time.monotonic() - started > _MOST_SECONDS:
            raise Terminal(
                f"{client.xlen(answers)} of {len(events)} events are answered; look at "
                "online-stream.log"
            )
        time.sleep(0.02)
    seconds = time.monotonic() - started
    entries = client.xrange(answers)
    waits = [
        _read_milliseconds(identifier) - _read_milliseconds(fields[b"id"])
        for identifier, fields in entries
    ]
    p99 = float(np.percentile(waits, 99)) if waits else 0.0
    return StreamedDay(len(events), len(entries), client.xlen(rejected), seconds, p99)


def _read_milliseconds(identifier: bytes) -> int:
    return int(identifier.partition(b"-")[0])


def read_instances(bodies: Sequence[bytes]) -> list[bytes]:
    """Return the rows of requests as events."""
    return [json.dumps(json.loads(body)["instances"][0]).encode() for body in bodies]
