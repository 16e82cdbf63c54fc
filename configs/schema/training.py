"""Schema of training and evaluation."""

from __future__ import annotations

import re
from datetime import timedelta
from math import ceil
from typing import Literal, Self

from pydantic import Field, model_validator

from configs.schema.base import Duration, Extent, Metric, RowCount, SchemaModel, Span
from configs.schema.costs import AnyCost

LEAST_SLICE_ROWS, MOST_SLICE_ROWS = 30, 200  # of a share of the rows


class Slice(SchemaModel):
    """A column whose values are compared one by one, or in bins (edge, next edge]."""

    column: str
    bins: tuple[float, ...] = Field((), description="ascending edges, for numbers")

    @model_validator(mode="before")
    @classmethod
    def _name_alone(cls, value: object) -> object:
        return {"column": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _bins_ascend(self) -> Self:
        if list(self.bins) != sorted(set(self.bins)):
            raise ValueError(f"bins {self.bins} are invalid; list ascending edges")
        return self


class Evaluation(SchemaModel):
    """Metric, costs and slices by which models are compared."""

    metric: Metric = Field("roc_auc", description="default: the first of METRICS for label.kind")
    cost: AnyCost
    slices: tuple[Slice, ...] = ()
    slice_min_rows: RowCount = Field(200, description="or a share of the rows, like 5%: 30 to 200")

    def count_slice_rows(self, rows: int) -> int:
        """Return the fewest rows of a slice that is compared, of so many rows."""
        if isinstance(self.slice_min_rows, int):
            return self.slice_min_rows
        return ceil(min(max(self.slice_min_rows * rows, LEAST_SLICE_ROWS), MOST_SLICE_ROWS))


class Kpi(SchemaModel):
    """A business metric: a number a row, by an expression over decision, prediction and label."""

    title: str = Field("", description="default: its name")
    expression: str = Field(
        min_length=1, max_length=1000, description="SQL of polars, like CASE WHEN … THEN … END"
    )
    total: Literal["mean", "sum"] = Field("mean", description="of the rows of a window")
    better: Literal["higher", "lower"] = "higher"
    gate_margin: float | None = Field(
        None, ge=0, description="allowed loss a row in the gate; null: information only"
    )


class Retrain(SchemaModel):
    """History of a training run, and the cooldown between alerts."""

    window: Span = Field(timedelta(days=365))
    cooldown: Duration = Field(timedelta(days=28))


Params = dict[str, int | float | str | bool | None]


class Transformer(SchemaModel):
    """One scikit-learn transformer of the numeric inputs; a path alone has default parameters."""

    transformer: str = Field(pattern=r"^sklearn(\.\w+)+$")
    params: Params = Field({})

    @model_validator(mode="before")
    @classmethod
    def _path_alone(cls, value: object) -> object:
        return {"transformer": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _conversion_ends(self) -> Self:
        # sklearn-onnx 1.20 copies the graph once for each quantile, within each other
        if self.transformer.endswith(".QuantileTransformer"):
            raise ValueError(
                f"{self.transformer}: its conversion to ONNX does not end; use "
                "sklearn.preprocessing.PowerTransformer"
            )
        return self


class Candidate(SchemaModel):
    """One estimator to try, of scikit-learn or of a library with its interface."""

    estimator: str = Field(pattern=r"^(sklearn|lightgbm|xgboost|catboost)(\.\w+)+$")
    encoding: Literal["ordinal", "one_hot"] = Field(
        "ordinal", description="one_hot also imputes and scales the numeric columns"
    )
    numeric: tuple[Transformer, ...] = Field(
        (),
        description="transformers of the numeric columns, in order; one_hot has its own by default",
        exclude_if=lambda transformers: not transformers,  # as cards without them
    )
    params: Params = Field({})


class ParamRange(SchemaModel):
    """Values of a parameter to search: a range, both ends included, or a list of choices.

    `[50, 500]` is a range, `log[0.01, 0.3]` one on a log scale; any other list holds choices.
    """

    low: int | float | None = None
    high: int | float | None = None
    log: bool = False
    choices: tuple[int | float | str | bool | None, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: object) -> object:
        log = isinstance(value, str) and re.fullmatch(r"log\[([^,\]]+),([^,\]]+)\]", value)
        if log:
            ends = [float(end) if re.search(r"[.eE]", end) else int(end) for end in log.groups()]
            return {"low": ends[0], "high": ends[1], "log": True}
        if not isinstance(value, list):
            return value
        numbers = [each for each in value if type(each) in (int, float)]
        if len(numbers) == len(value) == 2:
            return {"low": value[0], "high": value[1]}
        return {"choices": value}

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        if self.choices:
            if (self.low, self.high, self.log) != (None, None, False):
                raise ValueError("choices have neither low nor high; remove one of both")
            return self
        if self.low is None or self.high is None or not self.low < self.high:
            raise ValueError(
                f"the range {self.low} to {self.high} is invalid; use [low, high], "
                "log[low, high] or a list of choices"
            )
        if self.log and self.low <= 0:
            raise ValueError(f"a range on a log scale begins above 0, not at {self.low}")
        return self


class Search(SchemaModel):
    """Search of a candidate's parameters, on folds in time order inside the train span."""

    candidate: str | None = Field(
        None, description="its parameters are searched; default: the first that takes all of them"
    )
    trials: int = Field(30, ge=1, le=500)
    budget: Span | None = Field(None, description="no trial starts after so much time in trials")
    folds: int = Field(3, ge=1, le=10)
    params: dict[str, ParamRange] = Field(min_length=1)


class Split(SchemaModel):
    """Spans at the end of the training window: validation and holdout.

    Each is a duration, or a share of the labelled rows of the window, like 10%.
    """

    validation: Extent = Field(timedelta(days=7), description="chooses candidate and threshold")
    holdout: Extent = Field(timedelta(days=21), description="fresh rows for the gate")
    min_rows: int = Field(1000, ge=2, description="fewest labelled rows for a training")
    refit: Literal["never", "after_gate"] = Field(
        "never", description="after_gate: fit what passed the gate again, on all rows until then"
    )
