"""Weeks of measurements, as the monitoring table holds them."""

from datetime import UTC, datetime, timedelta

import polars as pl

from tasks.monitoring.measurements import Measurement, MeasurementVerdict, build_measurement_rows

MONDAY = datetime(2024, 3, 4, tzinfo=UTC)
WEEK = timedelta(days=7)


def measured_week(number: int, verdict: MeasurementVerdict | None = "ok") -> pl.DataFrame:
    at = MONDAY + number * WEEK
    value = None if verdict is None else 0.72 - number / 100
    numbers = [
        Measurement("performance", "roc_auc", at - WEEK, at, value, 0.75, coverage=0.9, rows=10),
        Measurement(
            "performance", "roc_auc_5w", at - 5 * WEEK, at, value, 0.75, 0.7, 0.9, 9, verdict
        ),
        Measurement("performance", "calibration_gap_5w", at, at, -0.02, 0.0, 0.05, 0.9, 9, "ok"),
        Measurement("drift", "temperature", at - WEEK, at, 2.0, 0.0, 1.0, rows=9, verdict="inform"),
        Measurement("drift", "carrier", at - WEEK, at, 0.01, 0.0, 0.1, rows=9, verdict="ok"),
        Measurement("drift", "dest", at - WEEK, at, 0.05, 0.0, 0.1, rows=9, verdict="ok"),
    ]
    return build_measurement_rows(numbers, at, 1)
