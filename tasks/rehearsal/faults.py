"""Planted faults of a rehearsal: losses of the model, and faults of an input from the source."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

import polars as pl

from configs.schema.base import Metric
from tasks.evaluation.bootstrap import Predictions
from tasks.monitoring.limits.judged_rows import predict_rows
from tasks.rehearsal.day_pool import DayPool
from tasks.rehearsal.twins import LossKind, find_loss_unit, shift_predictions, worsen_predictions

UNKNOWN_CATEGORY = "__rehearsed__"
UNIT_FACTOR = 1.609  # kilometres instead of miles
_NULL_SHARE = 10  # one value of so many is lost
RuleMetric: TypeAlias = Metric | Literal["calibration_gap"]
_InputKind = Literal["numeric", "categorical"]


@dataclass(frozen=True)
class Fault:
    """What is wrong from a day on, the predictions of all rows with it, and the input that it hits.

    `rows` has the faulty input; None for a loss of the model. `loss` is the metric that got worse,
    and by how much.
    """

    name: str
    predictions: Predictions
    column: str | None = None
    rows: pl.DataFrame | None = None
    loss: tuple[RuleMetric, float] | None = None


def plant_loss(pool: DayPool, kind: LossKind, loss: float) -> Fault | None:
    """Return a loss of the model; None if predictions cannot be so bad.

    Args:
        pool: the days.
        kind: of the metric of the gate, or of calibration.
        loss: in units of a margin.
    """
    size = loss * find_loss_unit(pool, kind)
    change = worsen_predictions if kind == "metric" else shift_predictions
    predictions = change(pool, pool.judged.predictions, size)
    if predictions is None:
        return None
    metric: RuleMetric = pool.use_case.gate.metric if kind == "metric" else "calibration_gap"
    return Fault(f"loss of {size:.3g} of {metric}", predictions, loss=(metric, size))


def plant_input_faults(pool: DayPool) -> Iterator[Fault]:
    """Yield each kind of fault of an input, planted into the most important input it applies to.

    Inputs whose drift is judged come first.
    """
    for name, kinds, change in _INPUT_FAULTS:
        column = _choose_column(pool, kinds)
        if column is not None:
            rows = pool.judged.rows.with_columns(change(pool.judged.rows[column]).alias(column))
            predictions = predict_rows(pool.use_case, pool.judged.model, rows)
            yield Fault(f"{name}: {column}", predictions, column, rows)


def list_judged_inputs(pool: DayPool) -> list[str]:
    """Return the inputs whose drift starts an alarm, in the order of the profile."""
    use_case, columns = pool.use_case, pool.judged.model.card.reference.columns
    inputs = set(use_case.features.inputs) - set(use_case.monitor.drift.informs)
    return [name for name, one in columns.items() if name in inputs and not one.informs]


def _choose_column(pool: DayPool, kinds: tuple[_InputKind, ...]) -> str | None:
    card, rows, judged = pool.judged.model.card, pool.judged.rows, set(list_judged_inputs(pool))
    names = [name for kind in kinds for name in getattr(card.inputs, kind)]
    varied = [name for name in names if rows[name].drop_nulls().n_unique() > 1]
    rank = sorted(
        varied, key=lambda name: (name in judged, card.importance.get(name, 0.0)), reverse=True
    )
    return rank[0] if rank else None


def _lose_all(values: pl.Series) -> pl.Expr:
    return pl.lit(None, values.dtype)


def _lose_some(values: pl.Series) -> pl.Expr:
    return pl.when(pl.int_range(pl.len()) % _NULL_SHARE != 0).then(pl.col(values.name))


def _change_unit(values: pl.Series) -> pl.Expr:
    return pl.col(values.name).cast(pl.Float64) * UNIT_FACTOR


def _repeat_one(values: pl.Series) -> pl.Expr:
    return pl.lit(_find_most_frequent(values), values.dtype)


def _rename_category(values: pl.Series) -> pl.Expr:
    text = pl.col(values.name).cast(pl.String)
    common = str(_find_most_frequent(values))
    return pl.when(text == common).then(pl.lit(UNKNOWN_CATEGORY)).otherwise(text)


def _find_most_frequent(values: pl.Series) -> object:
    return values.drop_nulls().mode().sort()[0]


_ALL: tuple[_InputKind, ...] = ("numeric", "categorical")
_INPUT_FAULTS: tuple[tuple[str, tuple[_InputKind, ...], Callable[[pl.Series], pl.Expr]], ...] = (
    ("all values null", _ALL, _lose_all),
    ("one value of ten null", _ALL, _lose_some),
    (f"another unit (times {UNIT_FACTOR})", ("numeric",), _change_unit),
    ("the same value in all rows", ("numeric",), _repeat_one),
    ("the most frequent value renamed", ("categorical",), _rename_category),
    ("the same category in all rows", ("categorical",), _repeat_one),
)
