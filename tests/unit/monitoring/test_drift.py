"""PSI by hand, bins at their edges, thresholds learned from the reference's own weeks."""

from datetime import timedelta
from time import perf_counter

import numpy as np
import polars as pl
import pytest

from configs.errors import NoRows
from configs.schema.loading import load_use_case
from configs.schema.monitoring import DriftRule
from tasks.models.reference_profile import (
    build_reference_profile,
    count_by_bin,
)
from tasks.monitoring.drift import compare_counts, judge_drift, measure_drift
from tests.support.hourly_rows import START, hourly


def test_a_constant_column_drifts_either_way() -> None:
    of = build_reference_profile(hourly(21, x=7.0), ["x"], [], "time", DriftRule())
    for value in (6.9, 7.1):
        found = measure_drift(hourly(7, x=value), of)
        assert found["psi"].item() > found["threshold"].item()


def test_a_window_counted_in_parts_is_the_window_in_one_piece() -> None:
    random = np.random.default_rng(0)
    x = np.where(random.random(24 * 21) < 0.1, np.nan, random.normal(size=24 * 21))
    frame = hourly(21, x=x, c=random.choice(["a", "b", "c"], 24 * 21))
    of = build_reference_profile(frame.head(24 * 14), ["x"], ["c"], "time", DriftRule())
    now = frame.tail(24 * 7)
    parts = [now.slice(0, 1), now.slice(1, 100), now.slice(101), now.clear()]
    assert compare_counts([count_by_bin(part, of) for part in parts], of).equals(
        measure_drift(now, of)
    )


def test_without_rows_there_is_neither_profile_nor_drift() -> None:
    empty = hourly(0, x=[])
    with pytest.raises(NoRows):
        build_reference_profile(empty, ["x"], [], "time", DriftRule())
    of = build_reference_profile(hourly(14, x=1.0), ["x"], [], "time", DriftRule())
    with pytest.raises(NoRows):
        measure_drift(empty, of)


@pytest.mark.parametrize("severity", ["page", "ticket"])
def test_judge_drift_uses_the_severity_of_the_rule(severity: str) -> None:
    flights = load_use_case("flights")
    rule = flights.monitor.drift.model_copy(update={"severity": severity})
    monitor = flights.monitor.model_copy(update={"drift": rule})
    flights = flights.model_copy(update={"monitor": monitor})
    informs, pages = flights.monitor.drift.informs[0], "carrier"
    found = pl.DataFrame(
        [(name, 1.0, 0.5, 0.0, 0.0, 9, "") for name in (pages, informs, "score")]
        + [("origin", 0.4, 0.5, 0.0, 0.0, 9, ""), ("dest", 1.0, 0.5, 0.0, 0.0, 9, "calendar")],
        schema=[
            "column",
            "psi",
            "threshold",
            "null_rate",
            "reference_null_rate",
            "rows",
            "informs",
        ],
        orient="row",
    )
    said = {n.subject: n.verdict for n in judge_drift(flights, found, START)}
    informing = dict.fromkeys((informs, "score", "dest"), "inform")
    assert said == {pages: severity, "origin": "ok", **informing}


def test_a_quarter_of_thirty_columns_is_fast() -> None:
    random = np.random.default_rng(0)
    rows = 84_000
    times = [START + timedelta(minutes=1.5 * i) for i in range(rows)]
    numeric = {f"n{i}": random.normal(size=rows) for i in range(24)}
    text = {f"c{i}": random.integers(0, 100, rows).astype(str) for i in range(6)}
    frame = pl.DataFrame({"time": times, **numeric, **text})
    of = build_reference_profile(frame, list(numeric), list(text), "time", DriftRule())
    began = perf_counter()
    measure_drift(frame, of)
    assert perf_counter() - began < 1  # 0.05 s alone; the machine may be busy
