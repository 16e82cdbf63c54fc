"""A made-up use case with level, season and lags: hourly counts that grow, and their own past.

`label` is the count of the hour, the inputs are calendar columns, weather, a plan code and lags of
the count. Lags of a week are null in the first week, the rolling mean of 28 days in the first four.
Everything follows the seed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from configs.schema.loading import load_use_case
from configs.schema.promotion import Gate
from configs.schema.use_case import UseCase
from tasks.evaluation.bootstrap import Predictions
from tasks.evaluation.metrics import Floats

START = datetime(2022, 1, 1, tzinfo=UTC)
NUMERIC = (
    "hour", "weekday", "month", "week", "temperature", "price",
    "count_1d", "count_7d", "mean_28d",
)  # fmt: skip
CATEGORICAL = ("plan",)
LAGS = ("count_1d", "count_7d", "mean_28d")


def seasonal_counts(days: int = 730, growth: float = 2.0, seed: int = 0) -> pl.DataFrame:
    """Return one row an hour: time, label, and the inputs.

    Args:
        days: length of the history.
        growth: factor of the level over the whole history.
        seed: seed of all noise.
    """
    random = np.random.default_rng(seed)
    hours = np.arange(24 * days)
    times = pl.Series("time", [START + timedelta(hours=int(each)) for each in hours])
    year = 2 * np.pi * hours / (24 * 365.25)
    day_noise = np.repeat(random.normal(0, 1, days), 24)
    temperature = 12 - 10 * np.cos(year) + 2.5 * day_noise + random.normal(0, 1, hours.size)
    level = growth ** (hours / hours.size) * (1 - 0.4 * np.cos(year))
    daily = 1 + 0.8 * np.sin(2 * np.pi * (hours % 24 - 6) / 24)
    weekly = np.where(hours // 24 % 7 < 5, 1.0, 0.6)
    mean = 100 * level * daily * weekly * np.exp(0.1 * day_noise)
    counts = random.poisson(np.maximum(mean, 1)).astype(float)
    frame = pl.DataFrame({"time": times, "label": counts})
    at = pl.col("time").dt
    return frame.with_columns(
        hour=at.hour().cast(pl.Float64),
        weekday=at.weekday().cast(pl.Float64),
        month=at.month().cast(pl.Float64),
        week=at.week().cast(pl.Float64),
        temperature=pl.Series(temperature),
        price=pl.Series(random.normal(10, 1, hours.size)),
        plan=pl.Series(random.choice(["a", "b", "c"], hours.size, p=[0.6, 0.3, 0.1])),
        count_1d=pl.col("label").shift(24),
        count_7d=pl.col("label").shift(168),
        mean_28d=pl.col("label").rolling_mean(24 * 28).shift(24),
    )


def seasonal_use_case(**gate: object) -> UseCase:
    """A regression of `label` on the inputs, without slices, judged by blocks of a day."""
    visits = load_use_case("visits")
    changes = {
        "label": visits.label.model_copy(update={"column": "label"}),
        "spine": visits.spine.model_copy(update={"time": "time", "keys": ("time",)}),
        "features": visits.features.model_copy(
            update={"numeric": NUMERIC, "categorical": CATEGORICAL}
        ),
        "evaluation": visits.evaluation.model_copy(update={"slices": ()}),
        "gate": Gate(metric="rmse", resamples=1000, **gate),
    }
    return visits.model_copy(update=changes)


def fit_linear(rows: pl.DataFrame, inputs: Sequence[str] = LAGS) -> Callable[..., Predictions]:
    """Return a linear model of inputs, fitted by least squares on rows without nulls."""
    known = rows.drop_nulls(inputs)
    weights = np.linalg.lstsq(_to_matrix(known, inputs), known["label"].to_numpy(), rcond=None)[0]

    def predict(new: pl.DataFrame) -> Predictions:
        value = _to_matrix(new, inputs) @ weights
        return Predictions(value, value)

    return predict


def _to_matrix(rows: pl.DataFrame, inputs: Sequence[str]) -> Floats:
    return np.column_stack([rows.select(inputs).to_numpy(), np.ones(rows.height)])
