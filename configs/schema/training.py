"""Schema of training and evaluation."""

from __future__ import annotations

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
