"""Events in a stream of Redis, and what was answered and rejected."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from redis import Redis

EVENTS, ANSWERS, REJECTED = "parcels.events", "parcels.predictions", "parcels.rejected"


def send_events(client: Any, rows: Iterable[Mapping[str, Any] | bytes]) -> list[str]:
    """Send rows, or the bytes of events; return the ids."""
    pipeline = client.pipeline(transaction=False)
    for row in rows:
        content = row if isinstance(row, bytes) else json.dumps(row).encode()
        pipeline.xadd(EVENTS, {"row": content})
    return [each.decode() for each in pipeline.execute()]


def read_answers(client: Any) -> list[dict[str, Any]]:
    """The answers in their order."""
    return [json.loads(fields[b"answer"]) for _, fields in client.xrange(ANSWERS)]


def read_rejected(client: Any) -> dict[str, str]:
    """The reason of each rejected event by its id."""
    return {
        fields[b"id"].decode(): fields[b"reason"].decode() for _, fields in client.xrange(REJECTED)
    }


def connect(url: str) -> Any:
    return Redis.from_url(url, protocol=2)
