"""Base model and value types of the YAML schema."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
)

from configs.clock import (
    EARLIEST,
    LATEST,
    parse_duration,
    parse_extent,
    parse_rate,
    parse_row_count,
    write_duration,
    write_extent,
    write_rate,
    write_row_count,
)


def _check_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(f"zone {name!r} not found; use one like Europe/Amsterdam") from error
    return name


Zone = Annotated[str, AfterValidator(_check_zone)]
Duration = Annotated[timedelta, BeforeValidator(parse_duration), PlainSerializer(write_duration)]
Span = Annotated[Duration, Field(gt=timedelta(0))]
Extent = Annotated[timedelta | float, BeforeValidator(parse_extent), PlainSerializer(write_extent)]
"""A duration, or a share of the rows."""
RowCount = Annotated[
    int | float, BeforeValidator(parse_row_count), PlainSerializer(write_row_count)
]
"""A number of rows, or a share of them."""
Rate = Annotated[
    float, BeforeValidator(parse_rate), PlainSerializer(write_rate), Field(gt=0, le=366)
]
"""Events a year."""
Day = Annotated[date, Field(ge=EARLIEST.date(), lt=LATEST.date())]
NAME_PATTERN = r"^[a-z][a-z0-9_]{0,40}$"
Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]
Share = Annotated[float, Field(ge=0, le=1)]
Cron = Annotated[str, StringConstraints(pattern=r"^\S+( \S+){4}$")]
ColumnType = Literal["text", "integer", "number", "boolean", "time"]
LabelKind = Literal["binary", "regression", "multiclass"]
Metric = Literal["roc_auc", "pr_auc", "brier", "log_loss", "accuracy", "rmse", "mae", "cost"]
Severity = Literal["page", "ticket", "inform"]
METRICS: dict[LabelKind, tuple[Metric, ...]] = {
    "binary": ("roc_auc", "pr_auc", "brier", "log_loss", "cost"),
    "regression": ("rmse", "mae", "cost"),
    "multiclass": ("log_loss", "brier", "accuracy", "cost"),
}
"""The metrics that compare models of each problem type; the first one is the default."""


class SchemaModel(BaseModel):
    """Base of all schema models: frozen, and closed to unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
