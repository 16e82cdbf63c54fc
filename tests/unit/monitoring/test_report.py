"""Tables, pictures and Evidently's HTML are made, and say what the numbers say."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from configs.schema.loading import load_use_case
from configs.schema.use_case import UseCase
from tasks.ledger.log import Entry
from tasks.monitoring.history_chart import draw_monitoring_chart
from tasks.monitoring.measurements import Measurement, MeasurementVerdict, measurement_rows
from tasks.monitoring.report import (
    evidently_html,
    measurements_markdown,
    sample_rows,
    worst_measurements,
)
from tests.support.punctuality import CLASSES, classes_use_case

MONDAY = datetime(2024, 3, 4, tzinfo=UTC)
WEEK = timedelta(days=7)
PNG = b"\x89PNG\r\n\x1a\n"


def week(number: int, verdict: MeasurementVerdict | None = "ok") -> pl.DataFrame:
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
    return measurement_rows(numbers, at, 1)


def year() -> pl.DataFrame:
    return pl.concat([week(0, None), *(week(i) for i in range(1, 5)), week(5, "page")])


def test_the_worst_come_first() -> None:
    found = worst_measurements(week(5, "page"))
    assert found["subject"].to_list()[:2] == ["roc_auc_5w", "temperature"]
    assert found["subject"].to_list()[2:] == ["dest", "carrier", "calibration_gap_5w"]


def test_the_table_counts_verdicts_and_shows_the_worst() -> None:
    text = measurements_markdown("flights", week(5, "page"))
    assert "1 page, 0 ticket, 1 inform, 3 ok" in text
    assert text.index("roc_auc_5w") < text.index("temperature") < text.index("carrier")


def test_a_picture_of_a_history_with_what_happened() -> None:
    entries = [
        Entry("flights", "promoted", "decision:1", MONDAY - 9 * WEEK, "test", 1),
        Entry("flights", "alert_raised", "alert:x", MONDAY + 5 * WEEK, "test"),
        Entry("flights", "promoted", "decision:2", MONDAY + 5 * WEEK, "test", 2),
    ]
    plain = draw_monitoring_chart("flights", year(), [])
    marked = draw_monitoring_chart("flights", year(), entries)
    assert plain.startswith(PNG)
    assert len(marked) > len(plain) > 20_000


@pytest.mark.parametrize(
    "history",
    [
        week(0, None),
        week(0).filter(pl.col("kind") == "drift"),
        year().filter(pl.col("kind") != "drift"),
    ],
    ids=["nothing mature", "no rules", "no drift"],
)
def test_a_picture_of_little(history: pl.DataFrame) -> None:
    assert draw_monitoring_chart("flights", history, []).startswith(PNG)


@pytest.fixture
def small() -> UseCase:
    flights = load_use_case("flights")
    inputs = {"numeric": ("distance", "weekday"), "categorical": ("carrier",)}
    features = flights.features.model_copy(update=inputs)
    monitor = flights.monitor.model_copy(update={"report_rows": 300})
    return flights.model_copy(update={"features": features, "monitor": monitor})


def rows(seed: int, height: int = 1000) -> pl.DataFrame:
    random = np.random.default_rng(seed)
    return pl.DataFrame(
        {
            "distance": random.normal(size=height),
            "weekday": random.integers(1, 8, height),
            "carrier": random.choice(["UA", "AA", "B6"], height),
            "score": random.random(height),
        }
    ).with_columns(pl.when(pl.int_range(pl.len()) % 7 > 0).then(pl.all()))


def test_a_sample_is_the_same_every_time_and_in_order(small: UseCase) -> None:
    frame = rows(0).with_row_index("place")
    first = sample_rows(small, frame)
    assert first.height == 300
    assert first.equals(sample_rows(small, frame))
    assert first["place"].is_sorted()
    assert sample_rows(small, frame.head(10)).equals(frame.head(10))


def test_evidently_writes_one_html_about_inputs_and_score(small: UseCase) -> None:
    text = evidently_html(small, rows(1, 300), rows(2, 300))
    assert all(name in text for name in ("distance", "weekday", "carrier", "score"))


def test_evidently_shows_the_probability_of_each_class(small: UseCase) -> None:
    """Its classes have names of their own; the inputs are those of the other use case."""
    case = classes_use_case().model_copy(update={"features": small.features})
    scores = [pl.lit(0.2).alias(f"score_{name}") for name in CLASSES]
    given = rows(1, 300).drop("score").with_columns(scores)
    text = evidently_html(case, given, given)
    assert all(f"score_{name}" in text for name in CLASSES)
