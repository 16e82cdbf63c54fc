"""Kafka as a broker: offsets are committed after the answers, so an answer may come twice.

A repeated answer has the same id, which is topic, partition and offset of its event. aiokafka runs
in an event loop of its own thread, so that heartbeats go on while a batch is predicted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from threading import Thread
from typing import Any, TypeVar

from configs.errors import BadConfig
from configs.schema.serving import Stream
from tasks.streaming.broker import (
    BrokerUnavailable,
    StreamEvent,
    StreamLag,
    StreamNames,
    StreamResult,
)

_Result = TypeVar("_Result")
_FIRST_MS = 500  # a stop waits as long
_SECONDS = 60.0  # joining a group takes some
_BATCH_BYTES = 2**20


class KafkaBroker:
    """A consumer of a group of Kafka, and the producer of its answers."""

    def __init__(self, url: str, names: StreamNames, plan: Stream) -> None:
        try:
            import aiokafka
        except ImportError as missing:
            raise BadConfig(
                "MAINSPRING_STREAM_URL is of Kafka, and aiokafka is not installed; run "
                "pip install 'mainspring[kafka]'"
            ) from missing
        self._library: Any = aiokafka
        self._servers, self._names, self._plan = url.removeprefix("kafka://"), names, plan
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name="kafka", daemon=True)
        self._thread.start()
        self._consumer: Any = None
        self._producer: Any = None

    def read(self) -> list[StreamEvent]:
        """Return the next events of the partitions that this process has."""
        return self._run(self._read())

    def publish(self, results: Sequence[StreamResult]) -> int:
        """Send the results, then commit the offsets of their events."""
        return self._run(self._publish(results))

    def hold(self, events: Sequence[StreamEvent]) -> None:
        """Do nothing: heartbeats keep the partitions."""

    def measure_lag(self) -> StreamLag:
        """Return the events up to the high-water marks of the own partitions."""
        return self._run(self._measure_lag())

    def close(self) -> None:
        """Leave the group."""
        try:
            self._run(self._stop())
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(timeout=10)

    def _run(self, work: Coroutine[Any, Any, _Result]) -> _Result:
        """Run a coroutine in the loop's thread; after a failure everything connects again."""
        try:
            return asyncio.run_coroutine_threadsafe(work, self._loop).result(_SECONDS)
        except (self._library.errors.KafkaError, OSError, TimeoutError) as error:
            asyncio.run_coroutine_threadsafe(self._stop(), self._loop)
            raise BrokerUnavailable(f"kafka://{self._servers}: {error}") from error

    async def _connect(self) -> None:
        if self._consumer is not None:
            return
        consumer = self._library.AIOKafkaConsumer(
            self._names.events, bootstrap_servers=self._servers, group_id=self._plan.group,
            enable_auto_commit=False, auto_offset_reset="earliest",
        )  # fmt: skip
        producer = self._library.AIOKafkaProducer(
            bootstrap_servers=self._servers, acks="all", max_batch_size=_BATCH_BYTES, linger_ms=5
        )
        self._consumer, self._producer = consumer, producer
        await consumer.start()
        await producer.start()

    async def _stop(self) -> None:
        consumer, producer = self._consumer, self._producer
        self._consumer = self._producer = None
        for client in (consumer, producer):
            if client is not None:
                await client.stop()

    async def _read(self) -> list[StreamEvent]:
        await self._connect()
        events = await self._fetch(self._plan.rows, _FIRST_MS)
        rest = self._plan.rows - len(events)
        if events and rest and self._plan.milliseconds:
            await asyncio.sleep(self._plan.milliseconds / 1000)
            events += await self._fetch(rest, 0)
        return events

    async def _fetch(self, count: int, milliseconds: int) -> list[StreamEvent]:
        batches = await self._consumer.getmany(timeout_ms=milliseconds, max_records=count)
        return [
            StreamEvent(
                f"{each.topic}:{each.partition}:{each.offset}", each.value or b"",
                each.timestamp / 1000,
            )
            for records in batches.values()
            for each in records
        ]  # fmt: skip

    async def _publish(self, results: Sequence[StreamResult]) -> int:
        await self._connect()
        sent = [await self._send(each) for each in results]
        await asyncio.gather(*sent)
        offsets: dict[Any, int] = {}
        for each in results:
            topic, partition, offset = each.event.id.rsplit(":", 2)
            place = self._library.TopicPartition(topic, int(partition))
            offsets[place] = max(offsets.get(place, 0), int(offset) + 1)
        await self._consumer.commit(offsets)
        return len(results)

    async def _send(self, result: StreamResult) -> Any:  # noqa: ANN401
        headers = [("id", result.event.id.encode())]
        if result.answer is not None:
            return await self._producer.send(
                self._names.answers, result.answer, key=result.key, headers=headers
            )
        headers.append(("reason", result.reason.encode()))
        return await self._producer.send(
            self._names.rejected, result.event.payload, headers=headers
        )

    async def _measure_lag(self) -> StreamLag:
        await self._connect()
        waiting = 0
        for place in self._consumer.assignment():
            end, position = self._consumer.highwater(place), await self._consumer.position(place)
            waiting += max((end or position) - position, 0)
        return StreamLag(waiting, 0)
