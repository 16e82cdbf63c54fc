"""PSI by hand, bins at their edges, thresholds learned from the reference's own weeks."""

import math
from datetime import UTC, datetime, timedelta
from time import perf_counter

import numpy as np
import polars as pl
import pytest

from configs.errors import NoRows
from configs.schema.loading import load_use_case
from configs.schema.monitoring import DriftRule
from tasks.models.reference_profile import (
    SMOOTHING,
    CategoricalBins,
    NumericBins,
    build_reference_profile,
    count_by_bin,
    measure_psi,
)
from tasks.monitoring.drift import compare_counts, judge_drift, measure_drift

START = datetime(2024, 1, 1, tzinfo=UTC)


def hourly(days: int, **columns: object) -> pl.DataFrame:
    times = [START + timedelta(hours=i) for i in range(24 * days)]
    return pl.DataFrame({"time": times, **columns})


def test_psi_equals_the_sum_worked_by_hand() -> None:
    scale = 1 + 2 * SMOOTHING
    p, q = (0.8 + SMOOTHING) / scale, (0.5 + SMOOTHING) / scale
    by_hand = (p - q) * math.log(p / q) + (q - p) * math.log((1 - p) / (1 - q))
    assert measure_psi([0.8, 0.2], [0.5, 0.5]) == pytest.approx(by_hand)
    assert measure_psi([0.8, 0.2], [0.5, 0.5]) == pytest.approx(0.4063, abs=1e-4)


def test_a_small_empty_bin_alone_does_not_reach_the_floor() -> None:
    assert (
        measure_psi([1.0, 0.0], [0.97, 0.03])
        < DriftRule().floor
        < measure_psi([1.0, 0.0], [0.9, 0.1])
    )


def test_numeric_bins_are_closed_above_and_open_at_both_ends() -> None:
    bins = NumericBins(edges=(0.0, 1.0, 2.0))
    values = pl.Series([-5.0, 0.0, 0.5, 1.0, 2.0, 2.5, float("inf"), None, float("nan")])
    assert bins.codes(values).tolist() == [0, 0, 1, 1, 2, 3, 3, 4, 4]


def test_categorical_bins_tell_other_unseen_and_missing_apart() -> None:
    bins = CategoricalBins(common=("a", "b"), other=("c",))
    assert bins.codes(pl.Series(["a", "b", "c", "new", None])).tolist() == [0, 1, 2, 3, 4]


def test_a_constant_column_drifts_either_way() -> None:
    of = build_reference_profile(hourly(21, x=7.0), ["x"], [], "time", DriftRule())
    for value in (6.9, 7.1):
        found = measure_drift(hourly(7, x=value), of)
        assert found["psi"].item() > found["threshold"].item()


def test_the_threshold_is_the_factor_times_the_worst_week() -> None:
    week = np.repeat([0.0, 0.0, 5.0, 0.0], 7 * 24)
    noise = np.random.default_rng(0).normal(size=week.size)
    frame = hourly(28, odd=week + noise, calm=noise)
    of = build_reference_profile(frame, ["odd", "calm"], [], "time", DriftRule(floor=0.1, factor=2))
    bins, codes = of.columns["odd"].bins, of.columns["odd"].bins.codes(frame["odd"])
    counts = [np.bincount(part, minlength=bins.size) for part in np.split(codes, 4)]
    odd = measure_psi(counts[2] / 168, (counts[0] + counts[1] + counts[3]) / 504)
    assert of.columns["odd"].threshold == pytest.approx(2 * odd)
    assert of.columns["calm"].threshold < of.columns["odd"].threshold
    assert of.window_rows == 168


def test_only_full_weeks_count_and_fewer_than_two_leave_the_floor() -> None:
    frame = hourly(20, x=np.arange(480.0))
    assert build_reference_profile(frame, ["x"], [], "time", DriftRule()).window_rows == 168
    one = build_reference_profile(frame.head(24 * 8), ["x"], [], "time", DriftRule(floor=0.2))
    none = build_reference_profile(frame.head(24 * 3), ["x"], [], "time", DriftRule(floor=0.2))
    assert none.columns["x"].threshold == 0.2
    assert none.window_rows == 72
    assert one.columns["x"].threshold > 0.2  # its one full week against the day after it


def test_the_null_rate_is_that_of_the_worst_week() -> None:
    x = [None] * 84 + [1.0] * 84 + [1.0] * 168 + [None] * 24
    of = build_reference_profile(hourly(15, x=x), ["x"], [], "time", DriftRule())
    assert of.columns["x"].null_rate == 0.5


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
def test_inputs_are_as_bad_as_the_rule_says_and_what_informs_informs(severity: str) -> None:
    flights = load_use_case("flights")
    rule = flights.monitor.drift.model_copy(update={"severity": severity})
    monitor = flights.monitor.model_copy(update={"drift": rule})
    flights = flights.model_copy(update={"monitor": monitor})
    informs, pages = flights.monitor.drift.informs[0], "carrier"
    found = pl.DataFrame(
        [(name, 1.0, 0.5, 0.0, 0.0, 9) for name in (pages, informs, "score")]
        + [("origin", 0.4, 0.5, 0.0, 0.0, 9)],
        schema=["column", "psi", "threshold", "null_rate", "reference_null_rate", "rows"],
        orient="row",
    )
    said = {n.subject: n.verdict for n in judge_drift(flights, found, START)}
    assert said == {pages: severity, informs: "inform", "score": "inform", "origin": "ok"}


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
