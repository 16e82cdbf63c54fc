"""Schema of streaming prediction: names at the broker, size of a batch, redelivery."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from configs.schema.base import SchemaModel

StreamName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._{}:-]{1,200}$")]


class Stream(SchemaModel):
    """Streams of Redis or topics of Kafka, and how their events are predicted."""

    events: StreamName | None = Field(None, description="default: <use case>.events")
    answers: StreamName | None = Field(None, description="default: <use case>.predictions")
    rejected: StreamName | None = Field(
        None, description="events that cannot be predicted; default: <use case>.rejected"
    )
    group: StreamName = Field("mainspring", description="consumer group of all processes")
    rows: int = Field(500, ge=1, le=10_000, description="events of a batch, at most")
    milliseconds: float = Field(
        20, ge=0, le=10_000, description="how long a batch waits for more events"
    )
    claim_seconds: float = Field(
        5, ge=0.1, le=3600, description="Redis: time after which another process takes an event"
    )
    deliveries: int = Field(
        5, ge=2, le=1000, description="Redis: deliveries without an answer before it is rejected"
    )
    keep: int = Field(
        1_000_000, ge=1000, description="Redis: answers and rejected events that are kept"
    )

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        names = [each for each in (self.events, self.answers, self.rejected) if each is not None]
        if len(set(names)) < len(names):
            raise ValueError(
                f"events, answers, rejected: {', '.join(names)} must differ; change one"
            )
        return self
