"""Drift of a window from the champion's reference profile."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np
import polars as pl

from configs.errors import NoRows
from configs.schema.use_case import UseCase
from tasks.models.psi_thresholds import bin_shares, measure_psi
from tasks.models.reference_profile import BinCounts, ReferenceProfile, count_by_bin
from tasks.monitoring.measurements import Measurement, MeasurementVerdict


def measure_drift(
    frame: pl.DataFrame, reference: ReferenceProfile, moment: datetime | None = None
) -> pl.DataFrame:
    """Return the PSI of each profiled column of `frame` against the reference.

    Args:
        frame: the rows of a window.
        reference: the champion's profile.
        moment: the middle of the window; without it, seasons are left out.

    Returns:
        One row per column, in the order of the profile: column, psi, threshold, null_rate,
        reference_null_rate, null_limit, rows, and why the column only informs (empty if it is
        judged).

    Raises:
        NoRows: the frame is empty.
    """
    return compare_counts([count_by_bin(frame, reference)], reference, moment)


def compare_counts(
    counts: Sequence[BinCounts], reference: ReferenceProfile, moment: datetime | None = None
) -> pl.DataFrame:
    """Return the result of `measure_drift` for a window whose rows were counted in parts."""
    rows = []
    for name, column in reference.columns.items():
        total = np.sum([part[name] for part in counts], axis=0)
        if not total.sum():
            raise NoRows("drift cannot be measured: the window has no rows. Score it first")
        shares = bin_shares(total)
        psi = min(measure_psi(shares, usual) for usual in column.shares_at(moment))
        null_rate = shares[-1]  # the last bin counts nulls
        limits = (column.threshold, null_rate, column.null_rate, column.null_limit)
        rows.append((name, psi, *limits, int(total.sum()), column.informs))
    return pl.DataFrame(
        rows,
        schema={
            "column": pl.String, "psi": pl.Float64, "threshold": pl.Float64,
            "null_rate": pl.Float64, "reference_null_rate": pl.Float64, "null_limit": pl.Float64,
            "rows": pl.Int64, "informs": pl.String,
        },
        orient="row",
    )  # fmt: skip


def judge_drift(use_case: UseCase, drifts: pl.DataFrame, as_of: datetime) -> list[Measurement]:
    """Return the rows of `compare_counts` as measurements with a verdict.

    An input above its threshold gets the severity of the rule. Some only inform: an input in
    `monitor.drift.informs`, a calendar column, an input whose limit is out of reach, and the
    model's score. They change with the seasons, and the performance rules show whether predictions
    got worse.
    """
    start, rule = as_of - use_case.monitor.window, use_case.monitor.drift
    judged = set(use_case.features.inputs) - set(rule.informs)
    measured = []
    for row in drifts.to_dicts():
        is_judged = row["column"] in judged and not row["informs"]
        severity: MeasurementVerdict = rule.severity if is_judged else "inform"
        measurement = Measurement(
            "drift", row["column"], start, as_of, value=row["psi"], reference=0.0,
            threshold=row["threshold"], rows=row["rows"],
            verdict=severity if row["psi"] > row["threshold"] else "ok",
        )  # fmt: skip
        measured.append(measurement)
    return measured
