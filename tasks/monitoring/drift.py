"""Drift of a window against the reference profile of the champion."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np
import polars as pl

from configs.errors import NoRows
from configs.schema.use_case import UseCase
from tasks.models.reference_profile import (
    BinCounts,
    ReferenceProfile,
    bin_shares,
    count_by_bin,
    measure_psi,
)
from tasks.monitoring.measurements import Measurement, MeasurementVerdict


def measure_drift(frame: pl.DataFrame, reference: ReferenceProfile) -> pl.DataFrame:
    """PSI of each profiled column of `frame` against the reference.

    One row per column: column, psi, threshold, null_rate, reference_null_rate, rows; in the
    order of the profile. NoRows without rows.
    """
    return compare_counts([count_by_bin(frame, reference)], reference)


def compare_counts(counts: Sequence[BinCounts], reference: ReferenceProfile) -> pl.DataFrame:
    """As `drift`, of a window that was counted in parts: the counts of its parts add up."""
    found = []
    for name, of in reference.columns.items():
        inside = np.sum([part[name] for part in counts], axis=0)
        if not inside.sum():
            raise NoRows("drift needs rows: the window is empty")
        now = bin_shares(inside)
        how_far = float(measure_psi(now, of.shares))
        found.append((name, how_far, of.threshold, now[-1], of.null_rate, int(inside.sum())))
    return pl.DataFrame(
        found,
        schema={
            "column": pl.String, "psi": pl.Float64, "threshold": pl.Float64,
            "null_rate": pl.Float64, "reference_null_rate": pl.Float64, "rows": pl.Int64,
        },
        orient="row",
    )  # fmt: skip


def judge_drift(use_case: UseCase, found: pl.DataFrame, as_of: datetime) -> list[Measurement]:
    """The rows of `drift` as numbers: beyond its threshold an input is as bad as the rule says.

    What monitor.drift.informs names only informs, and so does the model's own score: both move
    with the seasons, and whether it hurts is for the performance rules to say.
    """
    start, rule = as_of - use_case.monitor.window, use_case.monitor.drift
    judged = set(use_case.features.inputs) - set(rule.informs)
    numbers = []
    for row in found.to_dicts():
        beyond: MeasurementVerdict = rule.severity if row["column"] in judged else "inform"
        number = Measurement(
            "drift", row["column"], start, as_of, value=row["psi"], reference=0.0,
            threshold=row["threshold"], rows=row["rows"],
            verdict=beyond if row["psi"] > row["threshold"] else "ok",
        )  # fmt: skip
        numbers.append(number)
    return numbers
