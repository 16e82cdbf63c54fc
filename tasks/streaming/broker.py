"""Interface of a message broker: events in, predictions and rejected events out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from configs.errors import Transient
from configs.schema.serving import Stream
from configs.schema.use_case import UseCase


class BrokerUnavailable(Transient):
    """The broker cannot be reached now, or refuses the connection."""


@dataclass(frozen=True)
class StreamEvent:
    """An event: a row as JSON, when it was sent (seconds since 1970), and its deliveries so far."""

    id: str
    payload: bytes
    sent: float
    deliveries: int = 1


@dataclass(frozen=True)
class StreamResult:
    """The answer to an event as JSON with the key of its row, or the reason of its rejection."""

    event: StreamEvent
    answer: bytes | None
    key: bytes = b""
    reason: str = ""


@dataclass(frozen=True)
class StreamLag:
    """Events that no process has read yet, and those that are read and not answered."""

    waiting: int
    pending: int


@dataclass(frozen=True)
class StreamNames:
    """Names of the streams or topics."""

    events: str
    answers: str
    rejected: str


class Broker(Protocol):
    """A connection of one process; every method may raise BrokerUnavailable."""

    def read(self) -> list[StreamEvent]:
        """Return the events of the next batch; none if none arrives within half a second."""

    def publish(self, results: Sequence[StreamResult]) -> int:
        """Publish the results and acknowledge their events; return how many were new."""

    def hold(self, events: Sequence[StreamEvent]) -> None:
        """Keep events, so that no other process takes them over."""

    def measure_lag(self) -> StreamLag:
        """Return how far the group is behind."""

    def close(self) -> None:
        """Close the connection; what is not acknowledged is delivered again."""


def name_streams(use_case: UseCase, plan: Stream) -> StreamNames:
    """Return the names of a use case's streams, by the YAML or from its name."""
    name = use_case.name
    return StreamNames(
        plan.events or f"{name}.events",
        plan.answers or f"{name}.predictions",
        plan.rejected or f"{name}.rejected",
    )
