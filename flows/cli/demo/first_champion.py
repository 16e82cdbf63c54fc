"""Metrics that the first champion would have had if it had stayed, week by week."""

from __future__ import annotations

from datetime import datetime

import polars as pl

from configs.schema.use_case import UseCase
from tasks.evaluation.prediction_columns import to_prediction_column
from tasks.evaluation.problem_types import problem_type_of
from tasks.features import retrieval
from tasks.ledger.log import open_ledger
from tasks.ledger.projections import find_first_promotion
from tasks.models.registry import Model, open_model, predict, with_model_features
from tasks.monitoring.history_chart import read_window_metrics
from tasks.monitoring.performance import join_labels, measure_window_metrics


def measure_first_champion(use_case: UseCase) -> pl.DataFrame:
    """Return the metrics of the first champion in each window that a later one predicted.

    Each window is measured with the labels that its monitor run knew. The columns are `window_end`
    and the status metrics.
    """
    metrics = problem_type_of(use_case).status_metrics
    none = pl.DataFrame(
        schema={"window_end": pl.Datetime("us", "UTC")} | dict.fromkeys(metrics, pl.Float64())
    )
    promotion = find_first_promotion(open_ledger().entries(use_case.name))
    if promotion is None or promotion.version is None:
        return none
    windows = read_window_metrics(use_case)
    later = windows.filter(pl.col("model_version") != promotion.version)["window_end"].to_list()
    model = open_model(use_case.name, promotion.version)
    case = with_model_features(use_case, model)
    rows = [{"window_end": end, **_measure_window(case, model, end)} for end in later]
    return pl.concat([none, pl.DataFrame(rows, schema=none.schema)])


def _measure_window(use_case: UseCase, model: Model, end: datetime) -> dict[str, float | None]:
    start, column = end - use_case.monitor.window, problem_type_of(use_case).value_column
    spine = retrieval.build_spine(use_case, start, end, end)
    if spine.is_empty():
        return {}
    values = predict(model, retrieval.join_features(use_case, spine))
    predicted = spine.with_columns(to_prediction_column(column, values))
    labels = retrieval.read_known_labels(use_case, start, end, end).rows
    rows, card = join_labels(use_case, predicted, labels), model.card
    measured = measure_window_metrics(use_case, rows, card.holdout, card.threshold, end)
    shown = problem_type_of(use_case).status_metrics
    return {each.subject: each.value for each in measured if each.subject in shown}
