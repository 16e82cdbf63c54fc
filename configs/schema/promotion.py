"""How a use case's models are judged, let in, watched and undone: what its YAML decides.

The defaults are meant to be right for most; docs/gates.md says how to choose others.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from configs.schema.base import Duration, Metric, SchemaModel, Share


class Budgets(SchemaModel):
    """What a model may cost to run, on one thread; null asks nothing."""

    latency_p99_us: float | None = Field(10_000, gt=0, description="one row")
    rows_per_second: float | None = Field(10_000, gt=0, description="at least, in batches")
    bytes: int | None = Field(100_000_000, gt=0, description="size of the ONNX file")
    peak_memory_mib: float | None = Field(1024, gt=0, description="of a fresh process")


class Gate(SchemaModel):
    """What a challenger must show on fresh rows before it is let in.

    Here and below a margin is in the metric's own unit. Of a regression label, whose unit can be
    anything, it counts standard deviations of the label; of its cost, what such an error costs.
    """

    metric: Metric = Field("roc_auc", description="default: the first one of METRICS of the kind")
    rule: Literal["superiority", "non_inferiority"] = "superiority"
    margin: float = Field(0.0, ge=0, description="non_inferiority: how much worse is still equal")
    confidence: float = Field(0.95, gt=0.5, lt=1)
    block: Duration | None = Field(
        timedelta(days=1), description="rows resampled together; null: rows are independent"
    )
    resamples: int = Field(10_000, ge=1000)
    min_rows: int = Field(1000, ge=1, description="fresh labelled rows; below that it waits")
    patience: Duration = Field(timedelta(days=90), description="waits no longer than that")
    cost_margin: float = Field(0.0, ge=0, description="share of the champion's cost, beyond it")
    slice_margin: float = Field(0.03, ge=0, description="of the metric, in any one slice")
    calibration_margin: float = Field(0.03, ge=0, description="of |mean predicted - observed|")
    budgets: Budgets = Budgets()
    parity: float = Field(1e-6, gt=0, description="largest difference of ONNX and scikit-learn")


class Staged(SchemaModel):
    """A roll-out that goes by steps of time."""

    step: Duration = Field(timedelta(days=7), gt=timedelta(0))
    patience: Duration = Field(timedelta(days=90), description="a step never judged by then stops")


class Direct(SchemaModel):
    """The challenger takes over as soon as the gate lets it in."""

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
            raise ValueError(f"shares must grow, from above 0: {self.shares}")
        return self


class Ab(SchemaModel):
    """A fixed share, and a verdict on the cost at a set number of rows, or early if it is clear."""

    kind: Literal["ab"] = "ab"
    share: float = Field(0.5, gt=0, lt=1)
    rows: int = Field(20_000, ge=100, description="labelled rows at which the verdict is final")
    unit: tuple[str, ...] = Field((), description="columns of one entity; default: spine.keys")
    patience: Duration = Field(timedelta(days=90), description="a test not over by then stops")


class BlueGreen(Staged):
    """Both score until the new one has answered every row of a step; then one switch."""

    kind: Literal["blue_green"] = "blue_green"


Rollout = Annotated[Direct | Shadow | Canary | Ab | BlueGreen, Field(discriminator="kind")]


class Bake(SchemaModel):
    """After a promotion the champion before goes on in shadow; a shown loss is undone by itself."""

    window: Duration = Field(timedelta(days=28), description="0d: no bake window")
    min_rows: int = Field(500, ge=1, description="labelled rows that both answered")
    margin: float = Field(0.02, ge=0, description="loss of gate.metric that is borne")
    cost_margin: float = Field(0.05, ge=0, description="share of the last champion's cost")
    slice_margin: float = Field(0.05, ge=0, description="loss of gate.metric in one slice")
