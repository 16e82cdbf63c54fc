"""Charts of the monitoring history."""

import polars as pl
import pytest

from tasks.ledger.log import Entry
from tasks.monitoring.history_chart import draw_monitoring_chart
from tests.support.measured_weeks import MONDAY, WEEK, measured_week

PNG = b"\x89PNG\r\n\x1a\n"


def five_weeks() -> pl.DataFrame:
    return pl.concat(
        [measured_week(0, None), *(measured_week(i) for i in range(1, 5)), measured_week(5, "page")]
    )


def test_a_picture_of_a_history_with_what_happened() -> None:
    entries = [
        Entry("flights", "promoted", "decision:1", MONDAY - 9 * WEEK, "test", 1),
        Entry("flights", "alert_raised", "alert:x", MONDAY + 5 * WEEK, "test"),
        Entry("flights", "promoted", "decision:2", MONDAY + 5 * WEEK, "test", 2),
    ]
    plain = draw_monitoring_chart("flights", five_weeks(), [])
    marked = draw_monitoring_chart("flights", five_weeks(), entries)
    assert plain.startswith(PNG)
    assert len(marked) > len(plain) > 20_000


@pytest.mark.parametrize(
    "history",
    [
        measured_week(0, None),
        measured_week(0).filter(pl.col("kind") == "drift"),
        five_weeks().filter(pl.col("kind") != "drift"),
    ],
    ids=["nothing mature", "no rules", "no drift"],
)
def test_a_picture_of_little(history: pl.DataFrame) -> None:
    assert draw_monitoring_chart("flights", history, []).startswith(PNG)
