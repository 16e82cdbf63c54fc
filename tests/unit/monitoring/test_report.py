"""Tables, pictures and Evidently's HTML are made, and say what the numbers say."""

import numpy as np
import polars as pl
import pytest

from configs.schema.loading import load_use_case
from configs.schema.use_case import UseCase
from tasks.monitoring.measurements import Measurement, build_measurement_rows
from tasks.monitoring.report import (
    ReportHeader,
    render_evidently,
    render_measurements,
    sample_rows,
    sort_by_severity,
)
from tests.support.measured_weeks import MONDAY, WEEK, measured_week
from tests.support.punctuality import CLASSES, classes_use_case


def test_the_worst_come_first() -> None:
    found = sort_by_severity(measured_week(5, "page"))
    assert found["subject"].to_list()[:2] == ["roc_auc_5w", "temperature"]
    assert found["subject"].to_list()[2:] == ["dest", "carrier", "calibration_gap_5w"]


def test_the_table_counts_verdicts_and_shows_the_worst() -> None:
    text = render_measurements("flights", measured_week(5, "page"))
    assert "1 alert (roc_auc_5w), 1 note, 3 fine" in text
    assert text.index("roc_auc_5w") < text.index("temperature") < text.index("carrier")
    assert text.index("### Performance") < text.index("### Drift")


@pytest.fixture
def small() -> UseCase:
    flights = load_use_case("flights")
    inputs = {"numeric": ("distance", "weekday"), "categorical": ("carrier",)}
    features = flights.features.model_copy(update=inputs)
    monitor = flights.monitor.model_copy(update={"report_rows": 300})
    return flights.model_copy(update={"features": features, "monitor": monitor})


HEADER = ReportHeader("parcels, a week", "By Mainspring's limits.", ("temperature: limit 5",))


def drifts() -> pl.DataFrame:
    """A PSI of our own for each column, far from what Evidently would measure."""
    psis = {"distance": (4.25, 5.5), "weekday": (0.5, 0.25), "carrier": (0.01, 0.1)}
    measured = [
        Measurement("drift", name, MONDAY - WEEK, MONDAY, psi, 0.0, limit, rows=9, verdict="ok")
        for name, (psi, limit) in psis.items()
    ]
    return build_measurement_rows(measured, MONDAY, 1)


def draw_inputs(seed: int, height: int = 1000) -> pl.DataFrame:
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
    frame = draw_inputs(0).with_row_index("place")
    first = sample_rows(small, frame)
    assert first.height == 300
    assert first.equals(sample_rows(small, frame))
    assert first["place"].is_sorted()
    assert sample_rows(small, frame.head(10)).equals(frame.head(10))


def test_evidently_writes_one_html_about_inputs_and_score(small: UseCase) -> None:
    text = render_evidently(
        small, ["score"], draw_inputs(1, 300), draw_inputs(2, 300), drifts(), HEADER
    )
    assert all(name in text for name in ("distance", "weekday", "carrier", "score"))
    assert "<title>parcels, a week</title>" in text
    assert "temperature: limit 5" in text


def test_evidently_shows_the_psi_and_the_verdict_of_the_monitor(small: UseCase) -> None:
    given = draw_inputs(1, 300)
    text = render_evidently(small, ["score"], given, given, drifts(), HEADER)
    assert "PSI of all rows, by Mainspring" in text
    assert "4.25" in text
    assert "Drift is detected for 25" in text  # weekday alone, of four columns


def test_evidently_shows_the_probability_of_each_class(small: UseCase) -> None:
    """Its classes have names of their own; the inputs are those of the other use case."""
    case = classes_use_case().model_copy(update={"features": small.features})
    names = [f"score_{name}" for name in CLASSES]
    scores = [pl.lit(0.2).alias(name) for name in names]
    given = draw_inputs(1, 300).drop("score").with_columns(scores)
    text = render_evidently(case, names, given, given, drifts().clear(), HEADER)
    assert all(name in text for name in names)
