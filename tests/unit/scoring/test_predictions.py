"""Writing of prediction tables: once, by window, and never emptied by mistake."""

import polars as pl
import pytest

from configs.errors import NoRows
from tasks.models.registry import Model
from tasks.rollout.prediction_log import (
    PREDICTIONS,
    SHADOWS,
)
from tasks.scoring.predictions import append_predictions, write_prediction_table
from tasks.storage.chunks import chunk_in_memory
from tasks.storage.lake import open_lake
from tests.support.flights import END
from tests.support.scored_window import DAY, WINDOW, predict_window


def test_scoring_again_commits_nothing(quick_case, logistic_model, window_rows, home):
    first = write_prediction_table(
        quick_case, PREDICTIONS, predict_window(quick_case, logistic_model, window_rows), WINDOW
    )
    shuffled = predict_window(
        quick_case, logistic_model, window_rows.reverse(), run="run 2", at=END + DAY
    )
    assert write_prediction_table(quick_case, PREDICTIONS, shuffled, WINDOW) == first == 0
    stored = open_lake("flights").scan(PREDICTIONS).collect()
    assert stored["run_id"].unique().to_list() == ["run 1"]


def test_another_answer_replaces_the_window_and_nothing_else(
    quick_case, logistic_model, window_rows, home
):
    write_prediction_table(
        quick_case, PREDICTIONS, predict_window(quick_case, logistic_model, window_rows), WINDOW
    )
    later = window_rows.filter(pl.col("prediction_time") >= END - DAY)
    other = Model(logistic_model.card, logistic_model.session, 2)
    span = (END - DAY, END)
    assert (
        write_prediction_table(
            quick_case, PREDICTIONS, predict_window(quick_case, other, later), span
        )
        == 1
    )
    stored = open_lake("flights").scan(PREDICTIONS).collect()
    assert stored.height == window_rows.height
    by_version = dict(stored.group_by("model_version").len().iter_rows())
    assert by_version == {1: window_rows.height - later.height, 2: later.height}


def test_an_empty_window_is_no_error_and_no_table(quick_case, home):
    assert write_prediction_table(quick_case, PREDICTIONS, pl.DataFrame(), WINDOW) is None
    assert not open_lake("flights").exists(PREDICTIONS)


@pytest.mark.parametrize("table", [PREDICTIONS, SHADOWS])
def test_answers_are_never_wiped_by_a_spine_that_vanished(
    quick_case, logistic_model, window_rows, home, table
):
    write_prediction_table(
        quick_case, table, predict_window(quick_case, logistic_model, window_rows), WINDOW
    )
    with pytest.raises(NoRows, match=rf"holds {window_rows.height} rows in"):
        write_prediction_table(quick_case, table, pl.DataFrame(), WINDOW)
    assert open_lake("flights").scan(table).collect().height == window_rows.height
    assert write_prediction_table(quick_case, table, pl.DataFrame(), (END, END + DAY)) == 0


def test_shadows_that_are_no_more_are_taken_away(quick_case, logistic_model, window_rows, home):
    shadows = predict_window(quick_case, logistic_model, window_rows, arm="challenger")
    write_prediction_table(quick_case, SHADOWS, shadows, WINDOW)
    assert write_prediction_table(quick_case, SHADOWS, shadows.clear(), WINDOW) == 1
    assert open_lake("flights").scan(SHADOWS).collect().is_empty()


def test_appending_leaves_what_is_there_and_adds_each_row_once(
    quick_case, logistic_model, window_rows, home
):
    half = predict_window(quick_case, logistic_model, window_rows.gather_every(2))
    whole = predict_window(quick_case, logistic_model, window_rows, run="run 2")
    other = Model(logistic_model.card, logistic_model.session, 2)
    again = predict_window(quick_case, other, window_rows, run="run 3")
    added = [
        append_predictions(quick_case, PREDICTIONS, [chunk_in_memory(WINDOW, rows)], WINDOW)
        for rows in (half, whole, again)
    ]
    assert added == [half.height, window_rows.height - half.height, 0]
    stored = open_lake("flights").scan(PREDICTIONS).collect()
    assert stored.filter(run_id="run 1").equals(half)
    assert (stored.height, open_lake("flights").version(PREDICTIONS)) == (whole.height, 1)


def test_a_table_of_an_older_version_gets_the_new_columns(
    quick_case, logistic_model, window_rows, home
):
    half, rest = window_rows.gather_every(2), window_rows.gather_every(2, 1)
    for rows in (
        predict_window(quick_case, logistic_model, half).drop("arm", "scored_as_of"),
        predict_window(quick_case, logistic_model, rest),
    ):
        append_predictions(quick_case, PREDICTIONS, [chunk_in_memory(WINDOW, rows)], WINDOW)
    stored = open_lake("flights").scan(PREDICTIONS).collect()
    assert stored["arm"].null_count() == half.height
