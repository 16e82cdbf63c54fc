"""Performance measurements: metrics on labelled rows with their coverage, and performance rules.

Coverage is the labelled share of a window. A window below `label.min_coverage` is not mature: it
gets its coverage, but no value and no verdict.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from itertools import product

import numpy as np
import polars as pl

from configs.schema.monitoring import PerformanceRule
from configs.schema.use_case import UseCase
from tasks.evaluation.alarms.limits import RuleLimit, compute_rule_limit
from tasks.evaluation.bootstrap import measure_intervals
from tasks.evaluation.kpis.measure import measure_kpi
from tasks.evaluation.maturity import is_mature, label_coverage
from tasks.evaluation.metrics import LOWER_IS_BETTER
from tasks.evaluation.prediction_columns import read_predictions, to_prediction_array
from tasks.evaluation.problem_types import Threshold, problem_type_of
from tasks.monitoring.measurements import Measurement, MeasurementVerdict

_NO_INTERVAL = (None, None)


def join_labels(use_case: UseCase, predictions: pl.DataFrame, labels: pl.DataFrame) -> pl.DataFrame:
    """Return the predictions in their order, with the label; null where it is unknown."""
    known = labels.select(*use_case.spine.key, use_case.label.column)
    return predictions.join(known, on=use_case.spine.key, how="left", maintain_order="left")


def find_longest_window(use_case: UseCase) -> timedelta:
    """Return the longest window of the monitor and its performance rules."""
    return max([use_case.monitor.window, *(rule.window for rule in use_case.monitor.performance)])


def measure_window_metrics(
    use_case: UseCase,
    rows: pl.DataFrame,
    holdout: dict[str, float],
    threshold: Threshold,
    as_of: datetime,
) -> list[Measurement]:
    """Measure every metric over `monitor.window`, without a verdict, for its history.

    Args:
        use_case: window, metrics and costs.
        rows: used predictions of any version, from `join_labels`.
        holdout: holdout metrics of the champion, the reference.
        threshold: decision threshold of the champion.
        as_of: end of the window.
    """
    start = as_of - use_case.monitor.window
    inside = _between(use_case, rows, start, as_of)
    coverage, metrics = _measure(use_case, inside, threshold)
    mature = is_mature(coverage, use_case.label.min_coverage)
    intervals = _measure_intervals(use_case, inside, threshold) if mature else {}
    return [
        Measurement(
            "performance", name, start, as_of, value=metrics.get(name) if mature else None,
            reference=reference, coverage=coverage, rows=inside.height,
            low=intervals.get(name, _NO_INTERVAL)[0], high=intervals.get(name, _NO_INTERVAL)[1],
        )
        for name, reference in holdout.items()
        if name != "rows"
    ]  # fmt: skip


def measure_kpis(use_case: UseCase, rows: pl.DataFrame, as_of: datetime) -> list[Measurement]:
    """Measure every KPI over `monitor.window`, without a verdict.

    If several versions predicted, each one has its own measurement too, like money_saved:v3.

    Args:
        use_case: the KPIs.
        rows: used predictions of any version in the window, from `join_labels`, with the inputs
            that a KPI names.
        as_of: end of the window.
    """
    known = rows.filter(pl.col(use_case.label.column).is_not_null())
    coverage = label_coverage(known.height, rows.height) if rows.height else 0.0
    mature = is_mature(coverage, use_case.label.min_coverage) and not known.is_empty()
    versions = sorted(known["model_version"].unique()) if mature else []
    parts = {"": known}
    if len(versions) > 1:
        parts |= {f":v{each}": known.filter(model_version=each) for each in versions}
    measured = []
    for (name, kpi), (suffix, part) in product(use_case.kpis.items(), parts.items()):
        value = None
        if mature:
            column = problem_type_of(use_case).value_column
            predictions = read_predictions(use_case, part, column, "decision")
            value = measure_kpi(use_case, kpi, part, predictions)
        numbers = (None, None, None) if value is None else (value.value, value.low, value.high)
        measured.append(
            Measurement(
                "kpi", name + suffix, as_of - use_case.monitor.window, as_of, value=numbers[0],
                coverage=coverage, rows=part.height, low=numbers[1], high=numbers[2],
            )
        )  # fmt: skip
    return measured


def measure_rules(
    use_case: UseCase,
    rows: pl.DataFrame,
    holdout: dict[str, float],
    threshold: Threshold,
    since: datetime,
    as_of: datetime,
    limits: Mapping[str, RuleLimit] | None = None,
    unscored: pl.Series | None = None,
) -> list[Measurement]:
    """Measure and judge each performance rule on all rows that the champion predicted.

    Args:
        use_case: the rules.
        rows: predictions of the champion, used or not, from `join_labels`.
        holdout: holdout metrics of the champion, the reference.
        threshold: decision threshold of the champion.
        since: end of its training rows. The part of a window before it is not covered.
        as_of: end of each window.
        limits: calibrated limits of rules with `false_alarms`, by subject. A rule without its
            limit gets its value, but no verdict.
        unscored: prediction times of due rows that the champion did not predict.
    """
    measured = []
    for rule in use_case.monitor.performance:
        start = as_of - rule.window
        inside = _between(use_case, rows, start, as_of)
        labelled, metrics = _measure(use_case, inside, threshold)
        others = 0 if unscored is None else int((unscored >= max(start, since)).sum())
        scored_share = label_coverage(inside.height, inside.height + others)
        covered_share = max(as_of - max(start, since), timedelta(0)) / rule.window
        coverage = labelled * scored_share * covered_share
        mature = is_mature(coverage, use_case.label.min_coverage)
        value = metrics.get(rule.metric) if mature else None
        rows_covered = (coverage, inside.height)
        measured.append(
            judge_rule(use_case, rule, value, holdout, as_of, limits or {}, rows_covered)
        )
    return measured


def judge_rule(
    use_case: UseCase,
    rule: PerformanceRule,
    value: float | None,
    holdout: dict[str, float],
    as_of: datetime,
    limits: Mapping[str, RuleLimit],
    rows_covered: tuple[float, int] = (1.0, 0),
) -> Measurement:
    """Judge a value of a rule's metric by the limit of the champion.

    Args:
        use_case: units of the metric.
        rule: the rule.
        value: of the last window; None without a mature one.
        holdout: holdout metrics of the champion.
        as_of: end of the window.
        limits: calibrated limits of the champion, by subject.
        rows_covered: coverage and rows of the window.
    """
    reference, limit = _find_limit(use_case, rule, holdout, limits)
    coverage, rows = rows_covered
    return Measurement(
        "performance", rule.subject, as_of - rule.window, as_of,
        value=value, reference=reference, threshold=limit, coverage=coverage, rows=rows,
        verdict=_verdict(rule, value, limit),
    )  # fmt: skip


def _find_limit(
    use_case: UseCase,
    rule: PerformanceRule,
    holdout: dict[str, float],
    limits: Mapping[str, RuleLimit],
) -> tuple[float, float | None]:
    """Return reference and limit of a rule; no limit unless one was calibrated for its rate."""
    if rule.worse_by is not None:
        return holdout[rule.metric], _scaled_limit(use_case, rule, rule.worse_by, holdout)
    calibrated = limits.get(rule.subject)
    if calibrated is None or calibrated.false_alarms != rule.false_alarms:
        return holdout[rule.metric], None
    return calibrated.reference, calibrated.limit


def _scaled_limit(
    use_case: UseCase, rule: PerformanceRule, worse_by: float, holdout: dict[str, float]
) -> float:
    spread = holdout.get("label_std", math.nan)  # only regression has one
    unit = problem_type_of(use_case).margin_unit(rule.metric, spread, use_case.evaluation.cost)
    return compute_rule_limit(rule, holdout[rule.metric], worse_by * unit)


def _verdict(
    rule: PerformanceRule, value: float | None, threshold: float | None
) -> MeasurementVerdict | None:
    if value is None or threshold is None:
        return None
    return rule.severity if _exceeds(rule, value, threshold) else "ok"


def _exceeds(rule: PerformanceRule, value: float, threshold: float) -> bool:
    if rule.metric == "calibration_gap":
        return abs(value) > threshold
    return value > threshold if rule.metric in LOWER_IS_BETTER else value < threshold


def _between(use_case: UseCase, rows: pl.DataFrame, start: datetime, end: datetime) -> pl.DataFrame:
    time = pl.col(use_case.spine.time)
    return rows.filter(time >= start, time < end)


def _measure(
    use_case: UseCase, rows: pl.DataFrame, threshold: Threshold
) -> tuple[float, dict[str, float | None]]:
    """Return the labelled share of the rows, and their metrics; None where one is undefined."""
    label = use_case.label.column
    known = rows.filter(pl.col(label).is_not_null())
    if known.is_empty():
        return 0.0, {}
    problem_type, cost = problem_type_of(use_case), use_case.evaluation.cost
    values = to_prediction_array(known[problem_type.value_column])
    metrics = problem_type.evaluate(known[label].to_numpy(), values, threshold, cost)
    defined = {name: None if math.isnan(value) else value for name, value in metrics.items()}
    return label_coverage(known.height, rows.height), defined


def _measure_intervals(
    use_case: UseCase, rows: pl.DataFrame, threshold: Threshold
) -> dict[str, tuple[float | None, float | None]]:
    """Return the confidence interval of each metric that has one; none with too few blocks."""
    known = rows.filter(pl.col(use_case.label.column).is_not_null())
    problem_type = problem_type_of(use_case)
    labels = known[use_case.label.column].to_numpy().astype(np.float64)
    if known.is_empty() or not problem_type.can_compare(labels):
        return {}
    values = to_prediction_array(known[problem_type.value_column])
    intervals = measure_intervals(use_case, known, values, threshold)
    return {name: pair for name, pair in intervals.items() if all(map(math.isfinite, pair))}
