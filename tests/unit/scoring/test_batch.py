"""Predictions of a window: who scores it, what is written, and what never is."""

from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from configs.errors import NoChampion, NoRows
from configs.schema.use_case import UseCase
from tasks.ledger.log import Entry, open_ledger
from tasks.models.onnx_session import open_onnx_session
from tasks.models.registry import Model
from tasks.rollout.prediction_log import (
    PREDICTIONS,
    SHADOWS,
    read_all_predictions,
    select_used,
    select_version,
)
from tasks.rollout.routing import Route
from tasks.scoring.batch import prediction_rows, route_roles, routes_in, scoring_window
from tasks.scoring.predictions import write_prediction_table
from tasks.storage.lake import open_lake
from tasks.training.build_card import build_model_card
from tasks.training.fit import fit_candidate, split_training_rows
from tasks.training.onnx_export import export_candidate
from tests.support.flights import END, january, quick_use_case

DAY = timedelta(days=1)
WINDOW = (END - 2 * DAY, END)


@pytest.fixture(scope="module")
def use_case() -> UseCase:
    return quick_use_case()


@pytest.fixture(scope="module")
def model(use_case: UseCase) -> Model:
    parts = split_training_rows(use_case, january(), END)
    fitted = fit_candidate(use_case, "logistic", parts)
    exported = export_candidate(use_case, fitted, parts)
    card = build_model_card(use_case, parts, [fitted], exported, {})
    return Model(card, open_onnx_session(exported.onnx), 1)


@pytest.fixture
def rows() -> pl.DataFrame:
    at = pl.col("prediction_time")
    return january().filter(at >= WINDOW[0], at < WINDOW[1])


@pytest.fixture
def promoted(home: Path) -> None:
    for version, at in ((1, END - 10 * DAY), (2, END - DAY)):
        entry = Entry("flights", "promoted", f"decision:{version}", at, "gate", version)
        open_ledger().record(entry)


def answer(use_case, model, rows, arm="champion", run="run 1", at=END) -> pl.DataFrame:
    return prediction_rows(use_case, model, rows, arm, at, run)


def test_the_window_ends_at_as_of(use_case):
    assert scoring_window(use_case, END) == (END - DAY, END)
    assert scoring_window(use_case, END, "7d") == (END - 7 * DAY, END)


def test_a_window_is_cut_where_the_cast_changes(use_case, promoted):
    assert routes_in(use_case, WINDOW) == [
        Route(WINDOW[0], END - DAY, champion=1),
        Route(END - DAY, END, champion=2),
    ]


def test_every_version_of_a_cast_has_one_role():
    assert route_roles(Route(*WINDOW, champion=1)) == {1: "champion"}
    all_three = Route(*WINDOW, champion=2, challenger=3, share=0.1, previous=1)
    assert route_roles(all_three) == {2: "champion", 1: "previous", 3: "challenger"}
    again = Route(*WINDOW, champion=2, challenger=1, share=0.1, previous=1)
    assert route_roles(again) == {2: "champion", 1: "challenger"}


def test_without_a_champion_nothing_is_scored(use_case, promoted):
    with pytest.raises(NoChampion, match="run train/flights"):
        routes_in(use_case, (END - 30 * DAY, END - 20 * DAY))


def test_predictions_hold_the_whole_story(use_case, model, rows):
    found = prediction_rows(use_case, model, rows, "champion", END, "a run")
    assert found.columns == [
        "carrier", "flight", "origin", "flight_date", "prediction_time", "probability",
        "decision", "arm", "model_version", "feature_service", "run_id", "scored_as_of",
    ]  # fmt: skip
    assert found.height == rows.height
    assert found["probability"].is_between(0, 1).all()
    assert (found["decision"] == (found["probability"] >= model.card.threshold)).all()
    assert found["decision"].n_unique() == 2
    assert found["feature_service"].unique().to_list() == ["delay_v1"]


def test_scoring_again_commits_nothing(use_case, model, rows, home):
    first = write_prediction_table(use_case, PREDICTIONS, answer(use_case, model, rows), WINDOW)
    shuffled = answer(use_case, model, rows.reverse(), run="run 2", at=END + DAY)
    assert write_prediction_table(use_case, PREDICTIONS, shuffled, WINDOW) == first == 0
    stored = open_lake("flights").scan(PREDICTIONS).collect()
    assert stored["run_id"].unique().to_list() == ["run 1"]


def test_another_answer_replaces_the_window_and_nothing_else(use_case, model, rows, home):
    write_prediction_table(use_case, PREDICTIONS, answer(use_case, model, rows), WINDOW)
    later = rows.filter(pl.col("prediction_time") >= END - DAY)
    other = Model(model.card, model.session, 2)
    span = (END - DAY, END)
    assert write_prediction_table(use_case, PREDICTIONS, answer(use_case, other, later), span) == 1
    stored = open_lake("flights").scan(PREDICTIONS).collect()
    assert stored.height == rows.height
    by_version = dict(stored.group_by("model_version").len().iter_rows())
    assert by_version == {1: rows.height - later.height, 2: later.height}


def test_an_empty_window_is_no_error_and_no_table(use_case, home):
    assert write_prediction_table(use_case, PREDICTIONS, pl.DataFrame(), WINDOW) is None
    assert not open_lake("flights").exists(PREDICTIONS)


@pytest.mark.parametrize("table", [PREDICTIONS, SHADOWS])
def test_answers_are_never_wiped_by_a_spine_that_vanished(use_case, model, rows, home, table):
    write_prediction_table(use_case, table, answer(use_case, model, rows), WINDOW)
    with pytest.raises(NoRows, match=rf"holds {rows.height} rows in"):
        write_prediction_table(use_case, table, pl.DataFrame(), WINDOW)
    assert open_lake("flights").scan(table).collect().height == rows.height
    assert write_prediction_table(use_case, table, pl.DataFrame(), (END, END + DAY)) == 0


def test_shadows_that_are_no_more_are_taken_away(use_case, model, rows, home):
    shadows = answer(use_case, model, rows, arm="challenger")
    write_prediction_table(use_case, SHADOWS, shadows, WINDOW)
    assert write_prediction_table(use_case, SHADOWS, shadows.clear(), WINDOW) == 1
    assert open_lake("flights").scan(SHADOWS).collect().is_empty()


def test_predictions_from_before_there_were_arms_are_the_champions(use_case, model, rows, home):
    old = answer(use_case, model, rows)
    write_prediction_table(use_case, PREDICTIONS, old.drop("arm"), WINDOW)
    found = read_all_predictions(use_case, *WINDOW)
    assert found["arm"].unique().to_list() == ["champion"]
    assert found["used"].all()
    span = (END - DAY, END)
    later = rows.filter(pl.col("prediction_time") >= END - DAY)
    write_prediction_table(
        use_case, PREDICTIONS, answer(use_case, model, later, arm="challenger"), span
    )
    counts = dict(read_all_predictions(use_case, *WINDOW).group_by("arm").len().iter_rows())
    assert counts == {"champion": rows.height - later.height, "challenger": later.height}


def test_all_answers_are_found_and_told_apart(use_case, model, rows, home):
    half = rows.gather_every(2)
    write_prediction_table(use_case, PREDICTIONS, answer(use_case, model, rows), WINDOW)
    other = Model(model.card, model.session, 2)
    write_prediction_table(
        use_case, SHADOWS, answer(use_case, other, half, arm="challenger"), WINDOW
    )
    found = read_all_predictions(use_case, *WINDOW)
    assert select_used(found).height == select_version(found, 1).height == rows.height
    assert select_version(found, 2).height == half.height
    assert read_all_predictions(use_case, WINDOW[0], WINDOW[0]).is_empty()


def test_an_answer_that_a_killed_run_left_in_both_tables_counts_once(use_case, model, rows, home):
    write_prediction_table(use_case, PREDICTIONS, answer(use_case, model, rows), WINDOW)
    write_prediction_table(use_case, SHADOWS, answer(use_case, model, rows), WINDOW)
    found = read_all_predictions(use_case, *WINDOW)
    assert found.height == rows.height
    assert found["used"].all()
