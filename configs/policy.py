"""How a use case's models are judged, let in, watched and undone: what its YAML decides.

The defaults are meant to be right for most; docs/gates.md says how to choose others.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from configs.clock import Duration
from configs.costs import AnyCost
from configs.part import Metric, Part, Severity, Share


class Slice(Part):
    """A column whose values are looked at one by one, or in bins (edge, next edge]."""

    column: str
    bins: tuple[float, ...] = Field((), description="ascending edges, for numbers")

    @model_validator(mode="before")
    @classmethod
    def _name_alone(cls, given: object) -> object:
        return {"column": given} if isinstance(given, str) else given

    @model_validator(mode="after")
    def _bins_ascend(self) -> Self:
        if list(self.bins) != sorted(set(self.bins)):
            raise ValueError(f"bins must ascend: {self.bins}")
        return self


class Evaluation(Part):
    """How models are compared while training, and in which slices they are looked at."""

    metric: Metric = Field("roc_auc", description="default: the first one of METRICS of the kind")
    cost: AnyCost
    slices: tuple[Slice, ...] = ()
    slice_min_rows: int = Field(200, ge=1)


class Budgets(Part):
    """What a model may cost to run, on one thread; null asks nothing."""

    latency_p99_us: float | None = Field(10_000, gt=0, description="one row")
    rows_per_second: float | None = Field(10_000, gt=0, description="at least, in batches")
    bytes: int | None = Field(100_000_000, gt=0, description="size of the ONNX file")
    peak_memory_mib: float | None = Field(1024, gt=0, description="of a fresh process")


class Gate(Part):
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


class Staged(Part):
    """A roll-out that goes by steps of time."""

    step: Duration = Field(timedelta(days=7), gt=timedelta(0))
    patience: Duration = Field(timedelta(days=90), description="a step never judged by then stops")


class Direct(Part):
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


class Ab(Part):
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


class Bake(Part):
    """After a promotion the champion before goes on in shadow; a shown loss is undone by itself."""

    window: Duration = Field(timedelta(days=28), description="0d: no bake window")
    min_rows: int = Field(500, ge=1, description="labelled rows that both answered")
    margin: float = Field(0.02, ge=0, description="loss of gate.metric that is borne")
    cost_margin: float = Field(0.05, ge=0, description="share of the last champion's cost")
    slice_margin: float = Field(0.05, ge=0, description="loss of gate.metric in one slice")


class Rule(Part):
    """How bad is bad enough: `bad` of the last `of` windows and the latest, and who is told."""

    severity: Severity = "page"
    bad: int = Field(1, ge=1)
    of: int = Field(1, ge=1)

    @model_validator(mode="after")
    def _bad_is_part_of(self) -> Self:
        if self.bad > self.of:
            raise ValueError(f"bad: {self.bad} of {self.of} windows can never be")
        return self


class Drift(Rule):
    """PSI against the reference: threshold = max(floor, factor x worst reference week)."""

    floor: float = Field(0.1, gt=0)
    factor: float = Field(2.0, ge=1)
    informs: tuple[str, ...] = Field((), description="inputs whose drift only informs")


class Performance(Rule):
    """One rule on the mature labels of the last `window`: bad when `metric` is out of bounds."""

    metric: Metric | Literal["calibration_gap"]
    window: Duration
    worse_by: float = Field(gt=0, description="than the champion's own holdout, as gate's margins")


class Contract(Rule):
    """What every landed window must keep, against the reference's weeks."""

    min_volume: Share = Field(0.5, description="rows, as a share of the reference's weekly mean")
    max_null_rise: Share = Field(0.05, description="of a column's null rate over the reference")


class Monitor(Part):
    """What is watched, over which window."""

    window: Duration = Field(timedelta(days=7))
    drift: Drift = Drift()
    performance: tuple[Performance, ...] = ()
    contract: Contract = Contract()
    report_rows: int = Field(5000, ge=100, description="sample for the Evidently report")

    @model_validator(mode="after")
    def _each_number_has_one_rule(self) -> Self:
        numbers = [(rule.metric, rule.window) for rule in self.performance]
        twice = [metric for metric, window in numbers if numbers.count((metric, window)) > 1]
        if twice:
            raise ValueError(f"performance: the rules of {twice[0]} need different windows")
        return self


class Deadlines(Part):
    """Dead-man's switch: how long each may be silent before somebody is told; null: not watched."""

    landed: Duration | None = Field(None, description="new rows in the lake")
    labelled: Duration | None = Field(None, description="new labels")
    scored: Duration | None = Field(None, description="predictions")
    monitored: Duration | None = Field(None, description="runs of the monitor")

    @property
    def spans(self) -> dict[str, timedelta]:
        """What is watched, and how long it may be silent."""
        return {name: span for name, span in self if span is not None}


class Notify(Part):
    """A notification block of Prefect, and what is sent to it."""

    block: Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]+/[a-z0-9-]+$")] = Field(
        description="block type and name, like slack-webhook/ops"
    )
    severities: tuple[Severity, ...] = ("page",)


class Explanations(Part):
    """Which predictions the score flow explains, and how closely."""

    flagged: bool | tuple[str, ...] = Field(
        False, description="explain every flagged row in the score flow; of classes: which ones"
    )
    top: int = Field(5, ge=1, description="contributions kept of a row")
    permutations: int = Field(16, ge=2, description="orders of the inputs, averaged over")


class Retrain(Part):
    """How much history a training run sees, and how long one alert keeps the next one quiet."""

    window: Duration = Field(timedelta(days=365))
    cooldown: Duration = Field(timedelta(days=28))
