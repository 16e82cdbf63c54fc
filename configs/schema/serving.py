"""Schema of online predictions: server, request log, technical gate, stream, targets outside."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from configs.schema.base import Name, SchemaModel, Severity, Share, Span
from configs.schema.monitoring import Rule

_AwsName = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}$")]
_KubernetesName = Annotated[str, StringConstraints(pattern=r"^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$")]
_Url = Annotated[str, StringConstraints(pattern=r"^https?://[^\s@]+$")]
StreamName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._{}:-]{1,200}$")]


class RequestLog(SchemaModel):
    """What the server writes down of each request, for the table `requests`."""

    sample: Share = Field(1.0, description="share of the requests that are logged, by request id")
    leave_out: tuple[str, ...] = Field((), description="columns that are not logged")
    hashed: tuple[str, ...] = Field((), description="columns that are logged as a sha256")
    land_seconds: float = Field(
        60, ge=1, le=86_400, description="how often logged requests move to the landing folder"
    )
    keep: Span | None = Field(
        None, description="how long requests are kept in the lake and in the landing folder"
    )


class FlaggedShare(SchemaModel):
    """When the share of predictions that callers flag opens an episode."""

    share: Share = Field(0.05, description="of the predictions of a monitored window")
    count: int = Field(5, ge=1, description="fewer flags open no episode")
    severity: Severity = "page"


class Feedback(SchemaModel):
    """What callers say of predictions: labels, flags and comments."""

    labels: bool = Field(
        True, description="whether a label counts where the label function has none yet"
    )
    land_seconds: float = Field(5, ge=1, le=86_400, description="how often feedback lands")
    flagged: FlaggedShare = FlaggedShare()


class PushedRows(SchemaModel):
    """Tables whose rows callers may send, and what follows a batch of them."""

    names: tuple[Name, ...] = Field(min_length=1, description="tables of the use case")
    batch_rows: int = Field(10_000, ge=1, description="rows at which a batch lands")
    batch_seconds: float = Field(2, ge=0.1, le=3600, description="time after which a batch lands")
    views: tuple[Name, ...] = Field(
        (), description="feature views that are refreshed and published after a batch"
    )


class SkewRule(SchemaModel):
    """When features of requests that differ from the lake's open an episode."""

    rows: int = Field(500, ge=1, description="logged rows of a window that are compared")
    share: Share = Field(0.05, description="of the values of a view that differ")
    severity: Severity = "ticket"


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
    feedback: Feedback | None = Field(None, description="without it, feedback is refused")
    tables: PushedRows | None = Field(None, description="without it, rows are refused")
    skew: SkewRule = SkewRule()

    @model_validator(mode="after")
    def _feedback_has_a_log(self) -> Self:
        if self.feedback is not None and self.log is None:
            raise ValueError(
                "feedback: it names requests by id, and serving.log is not set; set serving.log: {}"
            )
        return self


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


class FolderTarget(SchemaModel):
    """A folder or S3 prefix with bundles, and `current.json`, which names those that serve."""

    kind: Literal["folder"]
    address: str = Field(min_length=1, description="a path, or s3://bucket/prefix")
    bundle_for: str | None = Field(None, description="target whose files the bundles get")


class SageMakerTarget(SchemaModel):
    """An endpoint of SageMaker: a variant a version, weighted by its share."""

    kind: Literal["sagemaker"]
    endpoint: _AwsName
    bundles: str = Field(pattern=r"^s3://.+", description="where model.tar.gz files go")
    image: str = Field(min_length=1, description="address of the image that serves a bundle")
    role: str = Field(pattern=r"^arn:", description="ARN of the role that the endpoint runs as")
    instance: str = Field("ml.m5.large", description="type of the instances")
    url: _Url | None = Field(None, description="address of the service, if it is another one")


class TorchServeTarget(SchemaModel):
    """A TorchServe: an archive a version; the champion is the default version."""

    kind: Literal["torchserve"]
    url: _Url = Field(description="address of the management API")
    store: str = Field(min_length=1, description="its model store, for .mar files: path or s3://")
    workers: int = Field(1, ge=1, le=64, description="worker processes a version")


class KServeTarget(SchemaModel):
    """An InferenceService of KServe: the challenger is its canary."""

    kind: Literal["kserve"]
    url: _Url = Field(description="address of the Kubernetes API")
    namespace: _KubernetesName = "default"
    service: _KubernetesName = Field(description="name of the InferenceService")
    bundles: str = Field(pattern=r"^s3://.+", description="where the bundles go")
    image: str = Field(min_length=1, description="address of the image that serves a bundle")
    account: _KubernetesName = Field("default", description="service account that reads bundles")
    token: str | None = Field(None, description="file with the token for the API")
    authority: str | None = Field(None, description="file with the API's certificate authority")


Target = Annotated[
    FolderTarget | SageMakerTarget | TorchServeTarget | KServeTarget, Field(discriminator="kind")
]
