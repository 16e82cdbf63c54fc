"""Predictions read back: all of them, those in use, and those of one version."""

import polars as pl

from tasks.models.registry import Model
from tasks.rollout.prediction_log import (
    PREDICTIONS,
    SHADOWS,
    read_all_predictions,
    select_used,
    select_version,
)
from tasks.scoring.predictions import write_prediction_table
from tests.support.flights import END
from tests.support.scored_window import DAY, WINDOW, predict_window


def test_read_all_predictions_without_arms_are_the_champions(
    quick_case, logistic_model, window_rows, home
):
    old = predict_window(quick_case, logistic_model, window_rows)
    write_prediction_table(quick_case, PREDICTIONS, old.drop("arm"), WINDOW)
    found = read_all_predictions(quick_case, *WINDOW)
    assert found["arm"].unique().to_list() == ["champion"]
    assert found["__used"].all()
    span = (END - DAY, END)
    later = window_rows.filter(pl.col("prediction_time") >= END - DAY)
    write_prediction_table(
        quick_case,
        PREDICTIONS,
        predict_window(quick_case, logistic_model, later, arm="challenger"),
        span,
    )
    counts = dict(read_all_predictions(quick_case, *WINDOW).group_by("arm").len().iter_rows())
    assert counts == {"champion": window_rows.height - later.height, "challenger": later.height}


def test_all_answers_are_found_and_told_apart(quick_case, logistic_model, window_rows, home):
    half = window_rows.gather_every(2)
    write_prediction_table(
        quick_case, PREDICTIONS, predict_window(quick_case, logistic_model, window_rows), WINDOW
    )
    other = Model(logistic_model.card, logistic_model.session, 2)
    write_prediction_table(
        quick_case, SHADOWS, predict_window(quick_case, other, half, arm="challenger"), WINDOW
    )
    found = read_all_predictions(quick_case, *WINDOW)
    assert select_used(found).height == select_version(found, 1).height == window_rows.height
    assert select_version(found, 2).height == half.height
    assert read_all_predictions(quick_case, WINDOW[0], WINDOW[0]).is_empty()


def test_read_all_predictions_counts_a_row_of_both_tables_once(
    quick_case, logistic_model, window_rows, home
):
    write_prediction_table(
        quick_case, PREDICTIONS, predict_window(quick_case, logistic_model, window_rows), WINDOW
    )
    write_prediction_table(
        quick_case, SHADOWS, predict_window(quick_case, logistic_model, window_rows), WINDOW
    )
    found = read_all_predictions(quick_case, *WINDOW)
    assert found.height == window_rows.height
    assert found["__used"].all()
