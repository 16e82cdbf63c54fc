"""The broker at an address: its library is imported only when it is used."""

from __future__ import annotations

from configs.schema.serving import Stream
from configs.urls import is_redis
from tasks.streaming.broker import Broker, StreamNames


def open_broker(url: str, names: StreamNames, plan: Stream) -> Broker:
    """Return the broker at an address; it connects at the first call.

    Raises:
        BadConfig: it is Kafka, and aiokafka is not installed.
    """
    if is_redis(url):
        from tasks.streaming.redis_broker import RedisBroker

        return RedisBroker(url, names, plan)
    from tasks.streaming.kafka_broker import KafkaBroker

    return KafkaBroker(url, names, plan)
