"""Redis Streams as a broker: each event is answered once, whoever dies and comes back."""

from __future__ import annotations

import random
import time

import pytest

from configs.schema.serving import Stream
from tasks.streaming.broker import BrokerUnavailable, StreamNames, StreamResult
from tasks.streaming.redis_broker import RedisBroker
from tests.support.events import ANSWERS, EVENTS, REJECTED, connect, send_events

NAMES = StreamNames(EVENTS, ANSWERS, REJECTED)
PLAN = Stream(rows=10, milliseconds=0, claim_seconds=0.1, deliveries=3)
WAIT = 0.12


@pytest.fixture
def url(redis):
    return redis.database()


def make_broker(url):
    return RedisBroker(url, NAMES, PLAN)


def answered(client):
    return [fields[b"id"].decode() for _, fields in client.xrange(ANSWERS)]


def results(events, text=b"{}"):
    return [StreamResult(each, text) for each in events]


def test_events_are_read_in_batches_and_answered(url):
    client, broker = connect(url), make_broker(url)
    ids = send_events(client, [{"n": n} for n in range(25)])
    batches = [broker.read() for _ in range(3)]
    assert [len(batch) for batch in batches] == [10, 10, 5]
    assert broker.measure_lag().pending == 25
    assert sum(broker.publish(results(batch)) for batch in batches) == 25
    assert answered(client) == ids
    lag = broker.measure_lag()
    assert (lag.waiting, lag.pending) == (0, 0)


def test_a_second_answer_to_an_event_is_dropped(url):
    client, slow, other = connect(url), make_broker(url), make_broker(url)
    ids = send_events(client, [{"n": n} for n in range(3)])
    events = slow.read()
    time.sleep(WAIT)
    taken = other.read()
    assert [(each.id, each.deliveries) for each in taken] == [(each, 2) for each in ids]
    assert other.publish(results(taken, b'"other"')) == 3
    assert slow.publish(results(events, b'"slow"')) == 0
    assert answered(client) == ids


def test_held_events_stay_and_count_no_delivery(url):
    client, broker, other = connect(url), make_broker(url), make_broker(url)
    send_events(client, [{"n": 1}])
    events = broker.read()
    for _ in range(4):
        time.sleep(WAIT / 2)
        broker.hold(events)
        assert other.read() == []
    pending = client.xpending_range(EVENTS, PLAN.group, "-", "+", 10)
    assert pending[0]["times_delivered"] == 1


def test_an_event_that_kills_its_processes_goes_alone_and_takes_no_other_along(url):
    client = connect(url)
    ids = send_events(client, [{"n": n} for n in range(6)])
    deliveries = []
    for _ in range(40):
        broker = make_broker(url)
        events = broker.read()
        if not events:
            break
        if any(each.id == ids[0] and each.deliveries <= PLAN.deliveries for each in events):
            deliveries.append([len(events), events[0].deliveries])
            time.sleep(WAIT)  # killed
            continue
        broker.publish(results(events))
        time.sleep(WAIT)
    assert deliveries == [[6, 1], [6, 2], [1, 3]]
    assert sorted(answered(client)) == sorted(ids)


def test_rejected_events_have_reason_and_content(url):
    client, broker = connect(url), make_broker(url)
    (sent,) = send_events(client, [b"\xff nonsense"])
    broker.publish([StreamResult(each, None, reason="no JSON") for each in broker.read()])
    ((_, fields),) = client.xrange(REJECTED)
    assert fields == {b"id": sent.encode(), b"reason": b"no JSON", b"row": b"\xff nonsense"}
    assert answered(client) == []


def test_a_broker_that_loses_its_group_or_is_away_is_used_again(url, redis):
    client, broker = connect(url), make_broker(url)
    assert broker.read() == []
    client.flushdb()
    with pytest.raises(BrokerUnavailable, match="NOGROUP"):
        broker.read()
    send_events(client, [{"n": 2}])
    assert len(broker.read()) == 1
    away = make_broker("redis://127.0.0.1:1/0")
    with pytest.raises(BrokerUnavailable, match=r"127\.0\.0\.1:1"):
        away.read()


class RandomProcesses:
    """Three consumers that read, publish and die at random."""

    def __init__(self, url, seed):
        self.url, self.draw, self.client = url, random.Random(seed), connect(url)
        self.brokers = [make_broker(url) for _ in range(3)]
        self.ids, self.read_events = [], {}

    def step(self, number):
        place = self.draw.randrange(3)
        action = self.draw.choice([self.send, self.read, self.publish, self.publish, self.die])
        action(place, number)

    def send(self, _, number):
        self.ids += send_events(self.client, [{"n": number}] * self.draw.randint(1, 15))

    def read(self, place, _):
        if place not in self.read_events:
            self.read_events[place] = self.brokers[place].read()

    def publish(self, place, number):
        events = self.read_events.pop(place, [])
        self.brokers[place].publish(results(events, str(number).encode()))

    def die(self, place, _):
        self.brokers[place] = make_broker(self.url)
        if self.draw.random() < 0.5:
            self.read_events.pop(place, None)


@pytest.mark.parametrize("seed", range(4))
def test_every_event_is_answered_once_whatever_dies(url, seed):
    processes = RandomProcesses(url, seed)
    for number in range(40):
        processes.step(number)
    last, deadline = make_broker(url), time.monotonic() + 30
    while len(answered(processes.client)) < len(processes.ids) and time.monotonic() < deadline:
        last.publish(results(last.read()))
    assert sorted(answered(processes.client)) == sorted(processes.ids)
