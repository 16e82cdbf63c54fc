"""Slices: values and bins of a column, and metrics by slice."""

import polars as pl
import pytest

from configs.schema.costs import Cost
from configs.schema.training import Evaluation, Slice
from tasks.evaluation.metrics import mean_cost, measure_binary_metrics
from tasks.evaluation.slices import measure_by_slice, slice_values
from tests.support.scores import COST, draw_labels_and_scores


def test_slices_want_enough_rows_and_count_missing_values():
    y, p = draw_labels_and_scores(100)
    frame = pl.DataFrame({"origin": ["JFK"] * 60 + [None] * 35 + ["LGA"] * 5})
    measured = lambda mask: measure_binary_metrics(y[mask], p[mask], 0.5, COST)  # noqa: E731
    found = measure_by_slice(frame, measured, [Slice(column="origin")], min_rows=10)
    assert [(s["value"], s["rows"]) for s in found] == [("JFK", 60), ("(missing)", 35)]
    assert found[0]["cost"] == pytest.approx(mean_cost(y[:60], p[:60], 0.5, COST))


@pytest.mark.parametrize(
    ("given", "rows", "fewest"),
    [(200, 10, 200), ("5%", 100, 30), ("5%", 1000, 50), ("5%", 10**6, 200), ("10%", 601, 61)],
)
def test_fewest_rows_of_a_slice_follow_the_data_if_they_are_a_share(given, rows, fewest):
    cost = Cost(false_positive=1, false_negative=1)
    rule = Evaluation.model_validate({"cost": cost, "slice_min_rows": given})
    assert rule.count_slice_rows(rows) == fewest


def test_numbers_are_sliced_by_bins_that_hold_their_upper_edge():
    frame = pl.DataFrame({"hour": [-3.0, 9, 9.5, 14, 18.01, None, float("nan")]})
    found = slice_values(frame, Slice(column="hour", bins=(9, 14, 18))).to_list()
    assert found == [
        "(-inf, 9]", "(-inf, 9]", "(9, 14]", "(9, 14]", "(18, inf]", "(missing)", "(missing)",
    ]  # fmt: skip
