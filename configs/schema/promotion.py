"""Schema of gate, rollout, approval and bake window.

The defaults suit most use cases; docs/gates.md explains how to choose others.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from configs.schema.base import Duration, Metric, SchemaModel, Share


class Budgets(SchemaModel):
    """Limits of a model's run time and size, on one thread; null: no limit."""

    latency_p99_us: float | None = Field(10_000, gt=0, description="one row")
    rows_per_second: float | None = Field(10_000, gt=0, description="at least, in batches")
    bytes: int | None = Field(100_000_000, gt=0, description="size of the ONNX file")
    peak_memory_mib: float | None = Field(1024, gt=0, description="of a fresh process")


class Gate(SchemaModel):
    """Requirements for a challenger on fresh rows.

    Here and below, a margin is in the metric's own unit. For regression it counts standard
    deviations of the label; for the metric cost, the cost of such an error.
    """

    metric: Metric = Field("roc_auc", description="default: the first of METRICS for label.kind")
    rule: Literal["superiority", "non_inferiority", "expected_gain"] = "superiority"
    margin: float = Field(0.0, ge=0, description="non_inferiority, expected_gain: allowed loss")
    risk: float = Field(
        0.1, gt=0, lt=0.5, description="expected_gain: chance of a loss beyond the margin"
    )
    confidence: float = Field(0.95, gt=0.5, lt=1)
    block: Duration | None = Field(
        timedelta(days=1),
        description="rows resampled together, or longer runs where neighbouring blocks are alike; "
        "null: rows are independent",
    )
    resamples: int = Field(10_000, ge=1000)
    min_rows: int = Field(1000, ge=1, description="fresh labelled rows; with fewer the gate waits")
    patience: Duration = Field(timedelta(days=90), description="longest wait for rows and looks")
    looks: int = Field(
        1, ge=1, le=10, description="looks within the patience, until a verdict is shown"
    )
    opponents: tuple[str, ...] = Field(
        (), description="columns that a first champion must beat, like the value a week ago"
    )
    cost_margin: float = Field(
        0.0, ge=0, description="allowed extra cost, as a share of the champion's cost"
    )
    slice_margin: float = Field(0.03, ge=0, description="allowed loss of the metric in one slice")
    calibration_margin: float = Field(
        0.03, ge=0, description="allowed rise of |mean predicted - observed|"
    )
    budgets: Budgets = Budgets()
    parity: float = Field(
        1e-6, gt=0, description="largest difference between ONNX and scikit-learn"
    )


class Staged(SchemaModel):
    """A rollout in steps of time."""

    step: Duration = Field(timedelta(days=7), gt=timedelta(0))
    patience: Duration = Field(
        timedelta(days=90), description="a step without a decision by then stops"
    )


class Direct(SchemaModel):
    """The challenger takes over as soon as it passes the gate."""

    kind: Literal["direct"] = "direct"


class Shadow(Staged):
    """Both score for one step; only the champion's decisions are used."""

    kind: Literal["shadow"] = "shadow"


class Canary(Staged):
    """A share of the entities gets the challenger's decisions, growing step by step."""

    kind: Literal["canary"] = "canary"
    shares: tuple[Share, ...] = Field((0.1, 0.5), min_length=1)
    unit: tuple[str, ...] = Field((), description="columns of one entity; default: spine.keys")

    @model_validator(mode="after")
    def _shares_grow(self) -> Self:
        if list(self.shares) != sorted(set(self.shares)) or not self.shares[0] > 0:
            raise ValueError(f"shares {self.shares} are invalid; list growing shares above 0")
        return self


class Ab(SchemaModel):
    """A fixed share, and a decision on the cost after a number of rows, or earlier if clear."""

    kind: Literal["ab"] = "ab"
    share: float = Field(0.5, gt=0, lt=1)
    rows: int = Field(20_000, ge=100, description="labelled rows after which the decision is final")
    unit: tuple[str, ...] = Field((), description="columns of one entity; default: spine.keys")
    patience: Duration = Field(
        timedelta(days=90), description="a test without a decision by then stops"
    )


class BlueGreen(Staged):
    """Both score until the challenger has scored every row of a step; then one switch."""

    kind: Literal["blue_green"] = "blue_green"


Rollout = Annotated[Direct | Shadow | Canary | Ab | BlueGreen, Field(discriminator="kind")]


class Bake(SchemaModel):
    """Shadow scoring by the previous champion after a promotion; a shown loss is rolled back."""

    window: Duration = Field(timedelta(days=28), description="0d: no bake window")
    min_rows: int = Field(500, ge=1, description="labelled rows that both versions scored")
    margin: float = Field(0.02, ge=0, description="allowed loss of gate.metric")
    cost_margin: float = Field(0.05, ge=0, description="share of the previous champion's cost")
    slice_margin: float = Field(0.05, ge=0, description="loss of gate.metric in one slice")
