"""Schema of monitoring, deadlines and notifications."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from configs.clock import YEAR, write_duration
from configs.schema.base import Duration, Metric, Rate, SchemaModel, Severity, Share, Span


class Rule(SchemaModel):
    """Condition of an episode: `bad` of the last `of` windows and the latest; and its severity."""

    severity: Severity = "page"
    bad: int = Field(1, ge=1)
    of: int = Field(1, ge=1)

    @model_validator(mode="after")
    def _bad_is_part_of(self) -> Self:
        if self.bad > self.of:
            raise ValueError(
                f"bad: {self.bad} of {self.of} windows is impossible; set it to at most {self.of}"
            )
        return self


class DriftRule(Rule):
    """PSI against the reference; its limits come from the reference's own windows."""

    floor: float = Field(0.1, gt=0, description="least limit")
    factor: float = Field(1.0, ge=1, description="of each limit above the floor")
    false_alarms: Rate = Field(
        1.0, description="of all inputs together, while the data do not change; of nulls as many"
    )
    informs: tuple[str, ...] = Field((), description="inputs whose drift has severity inform")

    def tail_of(self, window: timedelta, columns: int) -> float:
        """Return the probability of a false alarm of one column in one window.

        Args:
            window: length of a window; one window follows the other.
            columns: number of columns that share the rate.
        """
        return self.false_alarms * (window / YEAR) / max(columns, 1)


class PerformanceRule(Rule):
    """A rule on the mature labels of the last `window`: bad when `metric` is out of bounds."""

    metric: Metric | Literal["calibration_gap"]
    window: Span
    worse_by: float | None = Field(
        None, gt=0, description="than in the champion's holdout, in the unit of the gate's margins"
    )
    false_alarms: Rate | None = Field(
        None, description="while nothing changes; the limit is calibrated on the judged days"
    )

    @property
    def subject(self) -> str:
        """Return the subject of its measurements, for example roc_auc_5w."""
        return f"{self.metric}_{write_duration(self.window)}"

    @model_validator(mode="after")
    def _limit_has_one_source(self) -> Self:
        if (self.worse_by is None) == (self.false_alarms is None):
            count = "neither is" if self.worse_by is None else "both are"
            raise ValueError(
                f"worse_by, false_alarms: {count} given; set one of them, like "
                "false_alarms: 0.5 per year"
            )
        return self


class ContractRule(Rule):
    """Limits of volumes and nulls of a landed window, from the reference's weeks."""

    min_volume: Share = Field(0.5, description="rows, as a share of the reference's weekly mean")
    max_null_rise: Share = Field(0.05, description="of a column's null rate over the reference")

    def limit_nulls(self, reference: float, calibrated: float | None = None) -> float:
        """Return the limit of a null rate: below 1, so a column without values exceeds it.

        Args:
            reference: null rate of the reference.
            calibrated: null rate that clean windows exceed at the stated rate of false alarms.
        """
        least = reference + self.max_null_rise
        return min(max(least, calibrated or 0.0), (1 + reference) / 2)


class LostRows(SchemaModel):
    """When rows in quarantine or of refused files open an episode, within a day and table."""

    share: Share = Field(0.01, description="of the rows that landed")
    count: int = Field(5, ge=1, description="fewer rows open no episode, unless a file is lost")
    severity: Severity = "page"


class Monitor(SchemaModel):
    """Rules of the monitor and their window."""

    window: Span = Field(timedelta(days=7))
    drift: DriftRule = DriftRule()
    performance: tuple[PerformanceRule, ...] = ()
    contract: ContractRule = ContractRule()
    lost_rows: LostRows = LostRows()
    whylogs: bool = Field(
        False,
        exclude_if=lambda value: not value,
        description="write WhyLogs' profile of each window; needs the extra whylogs",
    )
    report_rows: int = Field(5000, ge=100, description="sample for the Evidently report")

    @property
    def step(self) -> timedelta:
        """Return the time between two windows: a week, or less if windows are shorter."""
        return min(self.window, timedelta(days=7))

    @model_validator(mode="after")
    def _each_number_has_one_rule(self) -> Self:
        numbers = [(rule.metric, rule.window) for rule in self.performance]
        duplicates = [metric for metric, window in numbers if numbers.count((metric, window)) > 1]
        if duplicates:
            raise ValueError(
                f"performance: two rules of {duplicates[0]} have the same window; change one"
            )
        return self


class Deadlines(SchemaModel):
    """Freshness limits: the longest time without new data before an alert; null: no limit."""

    landed: Duration | None = Field(None, description="new rows in the lake")
    labelled: Duration | None = Field(None, description="new labels")
    scored: Duration | None = Field(None, description="predictions")
    monitored: Duration | None = Field(None, description="runs of the monitor")

    @property
    def spans(self) -> dict[str, timedelta]:
        """Return the configured deadlines by name."""
        return {name: span for name, span in self if span is not None}


class Notify(SchemaModel):
    """A notification block of Prefect and its severities."""

    block: Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]+/[a-z0-9-]+$")] = Field(
        description="block type and name, like slack-webhook/ops"
    )
    severities: tuple[Severity, ...] = ("page",)


class Explanations(SchemaModel):
    """The predictions that the score flow explains, and with which precision."""

    flagged: bool | tuple[str, ...] = Field(
        False,
        description="explain all flagged rows in the score flow; for classes, a list of names",
    )
    top: int = Field(5, ge=1, description="contributions kept for each row")
    permutations: int = Field(16, ge=2, description="orders of the inputs in the average")
