"""Schema of online predictions: limits of the server, missing features, request log."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from configs.schema.base import SchemaModel, Share


class RequestLog(SchemaModel):
    """What the server writes down of each request, for the table `requests`."""

    sample: Share = Field(1.0, description="share of the requests that are logged, by request id")
    leave_out: tuple[str, ...] = Field((), description="columns that are not logged")
    hashed: tuple[str, ...] = Field((), description="columns that are logged as a sha256")
    land_seconds: float = Field(
        60, ge=1, le=86_400, description="how often logged requests move to the landing folder"
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
