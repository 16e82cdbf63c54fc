"""Performance where labels have come: metrics with their coverage, and the rules on them.

Coverage is the share of a window that the metric knows about. A window below the label's
min_coverage is not mature: it gets no value and no verdict, only its coverage.
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta

import polars as pl

from configs.clock import write_duration
from configs.schema.monitoring import PerformanceRule
from configs.schema.use_case import UseCase
from tasks.evaluation.maturity import is_mature, label_coverage
from tasks.evaluation.metrics import LOWER_IS_BETTER
from tasks.evaluation.prediction_columns import to_prediction_array
from tasks.evaluation.problem_types import Threshold, problem_type_of
from tasks.monitoring.measurements import Measurement, MeasurementVerdict


def join_labels(use_case: UseCase, predictions: pl.DataFrame, labels: pl.DataFrame) -> pl.DataFrame:
    """The predictions, with the label where one is known (null elsewhere), in their own order."""
    known = labels.select(*use_case.spine.key, use_case.label.column)
    return predictions.join(known, on=use_case.spine.key, how="left", maintain_order="left")


def longest_window(use_case: UseCase) -> timedelta:
    """How far back predictions are needed."""
    return max([use_case.monitor.window, *(rule.window for rule in use_case.monitor.performance)])


def measure_window_metrics(
    use_case: UseCase,
    rows: pl.DataFrame,
    holdout: dict[str, float],
    threshold: Threshold,
    as_of: datetime,
) -> list[Measurement]:
    """Every metric over the monitor's window, whoever predicted: history, without a verdict.

    `rows` as `with_labels` makes them; `holdout` and `threshold` are the champion's.
    """
    start = as_of - use_case.monitor.window
    inside = _between(use_case, rows, start, as_of)
    coverage, metrics = _measure(use_case, inside, threshold)
    mature = is_mature(coverage, use_case.label.min_coverage)
    return [
        Measurement(
            "performance", name, start, as_of, value=metrics.get(name) if mature else None,
            reference=reference, coverage=coverage, rows=inside.height,
        )
        for name, reference in holdout.items()
        if name != "rows"
    ]  # fmt: skip


def measure_rules(
    use_case: UseCase,
    rows: pl.DataFrame,
    holdout: dict[str, float],
    threshold: Threshold,
    since: datetime,
    as_of: datetime,
) -> list[Measurement]:
    """Each performance rule on the champion's own rows, against its own holdout.

    `rows` hold only what the champion predicted; it reigns since `since`, and the part of a
    window before that counts as not covered, so a new champion is judged on a full window.
    """
    found = []
    for rule in use_case.monitor.performance:
        start = as_of - rule.window
        inside = _between(use_case, rows, start, as_of)
        labelled, metrics = _measure(use_case, inside, threshold)
        reigned = max(as_of - max(start, since), timedelta(0)) / rule.window
        coverage = labelled * reigned
        mature = is_mature(coverage, use_case.label.min_coverage)
        value = metrics.get(rule.metric) if mature else None
        at = _limit_of(use_case, rule, holdout)
        found.append(_judge(rule, value, holdout[rule.metric], at, coverage, inside.height, as_of))
    return found


def rule_subject(rule: PerformanceRule) -> str:
    """What the number of a rule is called, like roc_auc_5w."""
    return f"{rule.metric}_{write_duration(rule.window)}"


def rule_limit(rule: PerformanceRule, reference: float, unit: float = 1.0) -> float:
    """The value of the rule's metric beyond which it is bad; of a gap, its size. `unit` is what one
    of worse_by is.
    """
    worse_by = rule.worse_by * unit
    if rule.metric == "calibration_gap":
        return abs(reference) + worse_by
    down = rule.metric not in LOWER_IS_BETTER
    return reference - worse_by if down else reference + worse_by


def _limit_of(use_case: UseCase, rule: PerformanceRule, holdout: dict[str, float]) -> float:
    spread = holdout.get("label_std", math.nan)  # of a kind without it there is no unit to be told
    unit = problem_type_of(use_case).margin_unit(rule.metric, spread, use_case.evaluation.cost)
    return rule_limit(rule, holdout[rule.metric], unit)


def _judge(
    rule: PerformanceRule,
    value: float | None,
    reference: float,
    threshold: float,
    coverage: float,
    rows: int,
    as_of: datetime,
) -> Measurement:
    return Measurement(
        "performance", rule_subject(rule), as_of - rule.window, as_of,
        value=value, reference=reference, threshold=threshold, coverage=coverage, rows=rows,
        verdict=_verdict(rule, value, threshold),
    )  # fmt: skip


def _verdict(
    rule: PerformanceRule, value: float | None, threshold: float
) -> MeasurementVerdict | None:
    if value is None:
        return None
    return rule.severity if _beyond(rule, value, threshold) else "ok"


def _beyond(rule: PerformanceRule, value: float, threshold: float) -> bool:
    if rule.metric == "calibration_gap":
        return abs(value) > threshold
    return value > threshold if rule.metric in LOWER_IS_BETTER else value < threshold


def _between(use_case: UseCase, rows: pl.DataFrame, start: datetime, end: datetime) -> pl.DataFrame:
    time = pl.col(use_case.spine.time)
    return rows.filter(time >= start, time < end)


def _measure(
    use_case: UseCase, rows: pl.DataFrame, threshold: Threshold
) -> tuple[float, dict[str, float | None]]:
    """The labelled share of the rows, and the metrics on those; None where one is undefined."""
    label = use_case.label.column
    known = rows.filter(pl.col(label).is_not_null())
    if known.is_empty():
        return 0.0, {}
    kind, cost = problem_type_of(use_case), use_case.evaluation.cost
    answered = (known[label].to_numpy(), to_prediction_array(known[kind.value_column]))
    metrics = kind.evaluate(*answered, threshold, cost)
    whole = {name: None if math.isnan(value) else value for name, value in metrics.items()}
    return label_coverage(known.height, rows.height), whole
