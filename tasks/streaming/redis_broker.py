"""Redis Streams as a broker: a consumer group, redelivery, and exactly one answer an event.

A script of Redis publishes the answer and acknowledges the event in one transaction. It publishes
only if the event was still pending: so a second answer, of a process that was believed dead, is
dropped. An event that stays pending for `claim_seconds` goes to another process. From the second
time on it goes alone, so that an event that kills its process takes no other one with it.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from configs.schema.serving import Stream
from configs.urls import shown
from tasks.streaming.broker import (
    BrokerUnavailable,
    StreamEvent,
    StreamLag,
    StreamNames,
    StreamResult,
)

ROW_FIELD = b"row"
_BLOCK_MS = 500  # a stop waits as long
_IDLE_MS = 3_600_000  # a consumer without pending events that is idle as long has ended
_TIMEOUT = 5.0
_PUBLISH = """
local new = 0
for at = 3, #ARGV, 4 do
  local id, kind, content, note = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]
  if redis.call('XACK', KEYS[1], ARGV[1], id) == 1 then
    new = new + 1
    if kind == 'answer' then
      redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[2], '*',
                 'id', id, 'key', note, 'answer', content)
    else
      redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[2], '*',
                 'id', id, 'reason', note, 'row', content)
    end
  end
end
return new
"""


class RedisBroker:
    """A consumer of a group of Redis Streams."""

    def __init__(self, url: str, names: StreamNames, plan: Stream) -> None:
        from redis import Redis

        self._url, self._names, self._plan = url, names, plan
        self._name = f"{socket.gethostname()}-{os.getpid()}-{os.urandom(4).hex()}"
        self._client: Any = Redis.from_url(
            url, protocol=2, socket_timeout=_TIMEOUT, socket_connect_timeout=_TIMEOUT,
            health_check_interval=30,
        )  # fmt: skip
        self._publish = self._client.register_script(_PUBLISH)
        self._is_ready, self._next_claim = False, 0.0

    def read(self) -> list[StreamEvent]:
        """Return abandoned events if there are any, else new ones."""
        with self._redis_errors():
            if not self._is_ready:
                self._prepare()
            if time.monotonic() >= self._next_claim:
                abandoned = self._claim()
                if abandoned:
                    return abandoned
                self._next_claim = time.monotonic() + self._plan.claim_seconds / 2
            return self._read_new()

    def publish(self, results: Sequence[StreamResult]) -> int:
        """Publish the results of events that are still pending, and acknowledge them."""
        arguments: list[Any] = [self._plan.group, self._plan.keep]
        for each in results:
            if each.answer is not None:
                arguments += [each.event.id, "answer", each.answer, each.key]
            else:
                arguments += [each.event.id, "rejected", each.event.payload, each.reason]
        names = self._names
        with self._redis_errors():
            return int(self._publish([names.events, names.answers, names.rejected], arguments))

    def hold(self, events: Sequence[StreamEvent]) -> None:
        """Claim the own events again, which counts no delivery."""
        ids = [each.id for each in events]
        with self._redis_errors():
            self._client.xclaim(
                self._names.events, self._plan.group, self._name, 0, ids, justid=True
            )

    def measure_lag(self) -> StreamLag:
        """Return what XINFO says of the group; entries that were trimmed may hide the lag."""
        with self._redis_errors():
            for group in self._client.xinfo_groups(self._names.events):
                if group["name"] == self._plan.group.encode():
                    return StreamLag(int(group.get("lag") or 0), int(group["pending"]))
        return StreamLag(0, 0)

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def _prepare(self) -> None:
        """Make the group, from the first event on, and remove consumers that have ended."""
        from redis.exceptions import ResponseError

        events, group = self._names.events, self._plan.group
        try:
            self._client.xgroup_create(events, group, id="0", mkstream=True)
        except ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise
        for consumer in self._client.xinfo_consumers(events, group):
            if consumer["pending"] == 0 and consumer["idle"] > _IDLE_MS:
                self._client.xgroup_delconsumer(events, group, consumer["name"])
        self._is_ready = True

    def _claim(self) -> list[StreamEvent]:
        """Take over events that are pending for too long: all new ones, or one that is suspect."""
        idle = int(self._plan.claim_seconds * 1000)
        events, group = self._names.events, self._plan.group
        pending = self._client.xpending_range(events, group, "-", "+", self._plan.rows, idle=idle)
        counts = {each["message_id"]: int(each["times_delivered"]) for each in pending}
        suspects = [each for each, count in counts.items() if count > 1]
        wanted = suspects[:1] or list(counts)
        if not wanted:
            return []
        claimed = self._client.xclaim(events, group, self._name, idle, wanted)
        return [
            _to_event(identifier, fields, counts[identifier] + 1)
            for identifier, fields in claimed
            if fields is not None  # trimmed from the stream
        ]

    def _read_new(self) -> list[StreamEvent]:
        """Return new events: wait for the first, then a moment for more."""
        events = self._read_group(self._plan.rows, block=_BLOCK_MS)
        rest = self._plan.rows - len(events)
        if events and rest and self._plan.milliseconds:
            time.sleep(self._plan.milliseconds / 1000)
            events += self._read_group(rest, block=None)
        return events

    def _read_group(self, count: int, block: int | None) -> list[StreamEvent]:
        streams = self._client.xreadgroup(
            self._plan.group, self._name, {self._names.events: ">"}, count=count, block=block
        )
        return [_to_event(*entry) for _, entries in streams or () for entry in entries]

    @contextmanager
    def _redis_errors(self) -> Iterator[None]:
        """Raise BrokerUnavailable for whatever may pass: no connection, or a lost group."""
        from redis.exceptions import RedisError

        try:
            yield
        except (RedisError, OSError) as error:
            self._is_ready = False
            raise BrokerUnavailable(f"{shown(self._url)}: {error}") from error


def _to_event(identifier: bytes, fields: dict[bytes, bytes], deliveries: int = 1) -> StreamEvent:
    sent = int(identifier.partition(b"-")[0]) / 1000
    return StreamEvent(identifier.decode(), fields.get(ROW_FIELD, b""), sent, deliveries)
