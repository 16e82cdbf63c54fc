"""Judged days of real flights, and a pool that histories are drawn from."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import cache

import polars as pl

from configs.schema.monitoring import PerformanceRule
from configs.schema.use_case import UseCase
from tasks.evaluation.alarms.limits import calibrate_limits
from tasks.monitoring.limits.judged_rows import JudgedRows, predict_rows
from tasks.rehearsal.day_pool import DayPool, build_day_pool
from tests.support.artifacts import fit_artifact, open_artifact
from tests.support.flights import arrived, quick_use_case


@cache
def judged_days() -> DayPool:
    """Every fifth flight from 12 January to the end of March, and a boosting of January's start.

    The limits of its rules are calibrated on all these days, as after a renewal.
    """
    use_case = with_rules(quick_use_case())
    artifact = fit_artifact(use_case, "boosting")
    start = artifact.card.fitted_until or artifact.card.trained_until
    rows = arrived(3).filter(pl.col("prediction_time") >= start).gather_every(5)
    predictions = predict_rows(use_case, open_artifact(artifact), rows)
    limits = calibrate_limits(use_case, rows, predictions)
    card = artifact.card.model_copy(update={"limits": limits})
    model = open_artifact(replace(artifact, card=card))
    split = use_case.split.model_copy(update={"holdout": timedelta(days=21)})
    judged_case = use_case.model_copy(update={"split": split})
    return build_day_pool(JudgedRows(judged_case, model, rows, predictions))


def with_rules(use_case: UseCase) -> UseCase:
    """Two performance rules of two weeks, one of them calibrated; no rule informs only."""
    rules = (
        {"metric": "roc_auc", "window": "2w", "false_alarms": 2.0},
        {"metric": "calibration_gap", "window": "2w", "worse_by": 0.1},
    )
    monitor = use_case.monitor.model_copy(
        update={"performance": tuple(PerformanceRule.model_validate(rule) for rule in rules)}
    )
    gate = use_case.gate.model_copy(update={"resamples": 1000, "min_rows": 100})
    bake = use_case.bake.model_copy(update={"min_rows": 100, "window": timedelta(days=14)})
    return use_case.model_copy(update={"monitor": monitor, "gate": gate, "bake": bake})
