"""Schema of online predictions: limits of the server, missing features, request log."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from configs.schema.base import SchemaModel, Share
from configs.schema.monitoring import Rule


class RequestLog(SchemaModel):
    """What the server writes down of each request, for the table `requests`."""

    sample: Share = Field(1.0, description="share of the requests that are logged, by request id")
    leave_out: tuple[str, ...] = Field((), description="columns that are not logged")
    hashed: tuple[str, ...] = Field((), description="columns that are logged as a sha256")
    land_seconds: float = Field(
        60, ge=1, le=86_400, description="how often logged requests move to the landing folder"
    )


class TechnicalGate(Rule):
    """When errors or latency of a version end its rollout, undo its promotion, or page.

    A look is bad if the version is above both limits: the ratio to the other version of the
    rollout or bake window at the same time, and the floor. `bad` of the last `of` looks decide.
    """

    bad: int = Field(2, ge=1)
    of: int = Field(3, ge=1)
    every_seconds: float = Field(60, ge=1, le=3600, description="time between two looks")
    min_requests: int = Field(
        100, ge=1, description="requests of each version in a look; with fewer it grows longer"
    )
    error_ratio: float = Field(2.0, ge=1, description="to the other version's share of errors")
    error_floor: Share = Field(0.01, description="share of errors that is always allowed")
    latency_ratio: float = Field(2.0, ge=1, description="to the other version's p99")
    latency_floor_ms: float = Field(20, ge=0, description="p99 that is always allowed")
    page_ms: float | None = Field(
        None, gt=0, description="p99 of the champion that pages without a comparison; null: none"
    )


class Serving(SchemaModel):
    """How a server predicts: what it does about missing features, and its limits."""

    on_missing_features: Literal["answer", "refuse"] = Field(
        "answer", description="predict with nulls, or refuse with 503"
    )
    max_rows: int = Field(10_000, ge=1, le=30_000, description="rows of one request")
    max_body_mb: int = Field(8, ge=1, le=1024, description="size of one request")
    max_concurrency: int = Field(64, ge=1, le=10_000, description="requests at a time, a worker")
    timeout_seconds: float = Field(10, gt=0, le=3600, description="time of one request")
    log: RequestLog | None = Field(None, description="without it, requests are not logged")
    technical: TechnicalGate | None = Field(
        TechnicalGate(), description="gate on errors and latency; null: none"
    )
