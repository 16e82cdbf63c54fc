"""The YAML section `stream` and the address of the broker."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from configs.schema.loading import load_use_case
from configs.schema.serving import Stream
from configs.urls import check_broker
from tasks.streaming.broker import StreamNames, name_streams
from tasks.streaming.connect import open_broker

NAMES = StreamNames("flights.events", "flights.predictions", "flights.rejected")


def test_names_come_from_the_use_case_or_the_yaml():
    case = load_use_case("flights")
    assert name_streams(case, Stream()) == NAMES
    own = Stream(events="{f}.in", answers="{f}.out", rejected="{f}.bad")
    assert name_streams(case, own) == StreamNames("{f}.in", "{f}.out", "{f}.bad")


@pytest.mark.parametrize(
    "fields",
    [
        {"events": "a", "answers": "a"},
        {"answers": "x", "rejected": "x"},
        {"events": ""},
        {"events": "with space"},
        {"events": "a" * 201},
        {"rows": 0},
        {"milliseconds": -1},
        {"deliveries": 1},
        {"claim_seconds": 0},
        {"keep": 10},
        {"unknown": 1},
    ],
)
def test_invalid_sections_are_refused(fields):
    with pytest.raises(ValidationError):
        Stream.model_validate(fields)


@pytest.mark.parametrize(
    "address",
    ["redis://h:6379/0", "rediss://:p@h/1", "kafka://h:9092", "kafka://a:9092,b:9093"],
)
def test_addresses_of_brokers(address):
    assert check_broker(address) == address


@pytest.mark.parametrize(
    "address",
    ["", "redis://", "kafka://", "kafka://a:9092,", "kafka://a:x", "amqp://h:1", "/tmp/socket"],
)
def test_other_addresses_are_refused(address):
    with pytest.raises(ValueError, match="no broker"):
        check_broker(address)


def test_a_broker_is_chosen_by_its_address_and_connects_later():
    broker = open_broker("redis://127.0.0.1:1/0", NAMES, Stream())
    assert type(broker).__name__ == "RedisBroker"
    broker.close()
