"""KPIs of one model with an interval, and of two models on the same rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from configs.row_expressions import evaluate_expression, list_expression_columns, to_polars_type
from configs.schema.training import Kpi
from configs.schema.use_case import UseCase
from tasks.evaluation.blocks import MIN_BLOCKS, assign_blocks, choose_common_length, draw_blocks
from tasks.evaluation.bootstrap import Difference, Predictions, block_mean
from tasks.evaluation.bootstrap_intervals import bootstrap_interval
from tasks.evaluation.metrics import Floats
from tasks.evaluation.problem_types import problem_type_of
from tasks.evaluation.ranking_metrics import BlockedLabels

KPI_PREFIX = "kpi "
"""Before the name of a KPI, as subject of a difference and as check of the gate."""


@dataclass(frozen=True)
class KpiValue:
    """A KPI of some rows; [`low`, `high`] is its interval, None with too few blocks."""

    value: float
    low: float | None
    high: float | None


def list_kpi_inputs(use_case: UseCase) -> list[str]:
    """Return the inputs of the model that some KPI names."""
    columns = {name for kpi in use_case.kpis.values()
               for name in list_expression_columns(kpi.expression)}  # fmt: skip
    return [name for name in use_case.features.inputs if name in columns]


def evaluate_kpi(
    use_case: UseCase, kpi: Kpi, rows: pl.DataFrame, predictions: Predictions
) -> Floats | None:
    """Return the number of each row, NaN where it has none; None if a column is not there.

    Args:
        use_case: the columns and their types.
        kpi: the expression.
        rows: label, keys, prediction time, and the inputs that the expression names.
        predictions: values and decisions of the rows.
    """
    problem_type, label = problem_type_of(use_case), use_case.label.column
    columns = list_expression_columns(kpi.expression)
    own = {"decision": problem_type.to_decision_column(predictions.decision)}
    if predictions.value.ndim == 1:
        own[problem_type.value_column] = pl.Series(predictions.value)
    if problem_type.classes:
        own[label] = pl.Series(problem_type.classes)[rows[label].cast(pl.UInt32)]
    types = use_case.kpi_columns  # those of another version may lack an input
    if not set(columns) <= {*own, *rows.columns} & set(types):
        return None
    typed = {
        name: (own[name] if name in own else rows[name]).cast(to_polars_type(types[name]))
        for name in columns
    }
    return evaluate_expression(kpi.expression, pl.DataFrame(typed)).to_numpy().astype(np.float64)


def measure_kpi(
    use_case: UseCase, kpi: Kpi, rows: pl.DataFrame, predictions: Predictions
) -> KpiValue | None:
    """Return a KPI of labelled rows; None if it has no number.

    The interval is at `gate.confidence`, by resampling blocks of `gate.block`. The sum of a window
    is the mean times the number of its rows, so the number of rows is not resampled.

    Args:
        use_case: blocks and confidence.
        kpi: the KPI.
        rows: the rows of `evaluate_kpi`.
        predictions: values and decisions of the rows.
    """
    numbers = evaluate_kpi(use_case, kpi, rows, predictions)
    if numbers is None or np.isnan(numbers).all():
        return None
    known = ~np.isnan(numbers)
    size = float(known.sum()) if kpi.total == "sum" else 1.0
    blocked = _block_numbers(use_case, rows.filter(pl.Series(known)), numbers[known])
    value = float(numbers[known].mean()) * size
    blocks = len(np.unique(blocked.block))
    if blocks < MIN_BLOCKS:
        return KpiValue(value, None, None)
    measure = block_mean(blocked, blocked.label)
    length = choose_common_length(use_case.gate, [measure], blocked.block_count)
    draws = draw_blocks(blocked.block_count, use_case.gate.resamples, use_case.seed, length)
    low, high = bootstrap_interval(measure(draws), blocks / length, 1 - use_case.gate.confidence)
    return KpiValue(value, low * size, high * size)


def compare_kpis(
    use_case: UseCase,
    rows: pl.DataFrame,
    challenger: Predictions,
    champion: Predictions,
    share: float = 1.0,
) -> list[Difference]:
    """Return the difference of both models in each KPI, as a mean of the same rows.

    A KPI without a number for either model is left out.

    Args:
        use_case: the KPIs, blocks and confidence.
        rows: the rows of `evaluate_kpi`.
        challenger: predictions of the newer model.
        champion: predictions of the older model.
        share: part of the error rate that each comparison may spend.
    """
    differences = []
    for name, kpi in use_case.kpis.items():
        new, old = (evaluate_kpi(use_case, kpi, rows, each) for each in (challenger, champion))
        if new is None or old is None or np.isnan(new + old).all():
            continue
        known = ~np.isnan(new + old)
        gains = (new - old)[known] * (1 if kpi.better == "higher" else -1)
        blocked = _block_numbers(use_case, rows.filter(pl.Series(known)), gains)
        measure, blocks = block_mean(blocked, gains), len(np.unique(blocked.block))
        length = choose_common_length(use_case.gate, [measure], blocked.block_count)
        draws = draw_blocks(blocked.block_count, use_case.gate.resamples, use_case.seed, length)
        error = (1 - use_case.gate.confidence) * share
        low, high = bootstrap_interval(measure(draws), max(blocks / length, 2.0), error)
        differences.append(
            Difference(
                KPI_PREFIX + name, float(new[known].mean()), float(old[known].mean()),
                float(gains.mean()), low, high, len(gains), blocks, 1 - error, length=length,
            )
        )  # fmt: skip
    return differences


def _block_numbers(use_case: UseCase, rows: pl.DataFrame, numbers: Floats) -> BlockedLabels:
    block = assign_blocks(rows[use_case.spine.time], use_case.gate, use_case.seed, use_case.zone)
    return BlockedLabels(numbers, block, int(block.max()) + 1)
