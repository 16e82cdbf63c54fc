"""Predictions of a window: who scores it, what is written, and what never is."""

from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from configs.errors import NoChampion, NoRows
from configs.use_case import UseCase
from tasks.card import make_card
from tasks.export import export_fitted, open_session
from tasks.lake import lake_of
from tasks.ledger import Entry, ledger
from tasks.predictions import PREDICTIONS, SHADOWS, answers, answers_of, used, write
from tasks.registry import Model
from tasks.rollout import Cast
from tasks.scoring import casts_in, predictions, roles, scoring_window
from tasks.training import fit_candidate, training_parts
from tests.real_flights import END, january, quick_use_case

DAY = timedelta(days=1)
WINDOW = (END - 2 * DAY, END)


@pytest.fixture(scope="module")
def use_case() -> UseCase:
    return quick_use_case()


@pytest.fixture(scope="module")
def model(use_case: UseCase) -> Model:
    parts = training_parts(use_case, january(), END)
    fitted = fit_candidate(use_case, "logistic", parts)
    exported = export_fitted(use_case, fitted, parts)
    card = make_card(use_case, parts, [fitted], exported, {})
    return Model(card, open_session(exported.onnx), 1)


@pytest.fixture
def rows() -> pl.DataFrame:
    at = pl.col("prediction_time")
    return january().filter(at >= WINDOW[0], at < WINDOW[1])


@pytest.fixture
def promoted(home: Path) -> None:
    for version, at in ((1, END - 10 * DAY), (2, END - DAY)):
        entry = Entry("flights", "promoted", f"decision:{version}", at, "gate", version)
        ledger().record(entry)


def answer(use_case, model, rows, arm="champion", run="run 1", at=END) -> pl.DataFrame:
    return predictions(use_case, model, rows, arm, at, run)


def test_the_window_ends_at_as_of(use_case):
    assert scoring_window(use_case, END) == (END - DAY, END)
    assert scoring_window(use_case, END, "7d") == (END - 7 * DAY, END)


def test_a_window_is_cut_where_the_cast_changes(use_case, promoted):
    assert casts_in(use_case, WINDOW) == [
        Cast(WINDOW[0], END - DAY, champion=1),
        Cast(END - DAY, END, champion=2),
    ]


def test_every_version_of_a_cast_has_one_role():
    assert roles(Cast(*WINDOW, champion=1)) == {1: "champion"}
    all_three = Cast(*WINDOW, champion=2, challenger=3, share=0.1, previous=1)
    assert roles(all_three) == {2: "champion", 1: "previous", 3: "challenger"}
    again = Cast(*WINDOW, champion=2, challenger=1, share=0.1, previous=1)
    assert roles(again) == {2: "champion", 1: "challenger"}


def test_without_a_champion_nothing_is_scored(use_case, promoted):
    with pytest.raises(NoChampion, match="run train/flights"):
        casts_in(use_case, (END - 30 * DAY, END - 20 * DAY))


def test_predictions_hold_the_whole_story(use_case, model, rows):
    found = predictions(use_case, model, rows, "champion", END, "a run")
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
    first = write(use_case, PREDICTIONS, answer(use_case, model, rows), WINDOW)
    shuffled = answer(use_case, model, rows.reverse(), run="run 2", at=END + DAY)
    assert write(use_case, PREDICTIONS, shuffled, WINDOW) == first == 0
    stored = lake_of("flights").scan(PREDICTIONS).collect()
    assert stored["run_id"].unique().to_list() == ["run 1"]


def test_another_answer_replaces_the_window_and_nothing_else(use_case, model, rows, home):
    write(use_case, PREDICTIONS, answer(use_case, model, rows), WINDOW)
    later = rows.filter(pl.col("prediction_time") >= END - DAY)
    other = Model(model.card, model.session, 2)
    span = (END - DAY, END)
    assert write(use_case, PREDICTIONS, answer(use_case, other, later), span) == 1
    stored = lake_of("flights").scan(PREDICTIONS).collect()
    assert stored.height == rows.height
    by_version = dict(stored.group_by("model_version").len().iter_rows())
    assert by_version == {1: rows.height - later.height, 2: later.height}


def test_an_empty_window_is_no_error_and_no_table(use_case, home):
    assert write(use_case, PREDICTIONS, pl.DataFrame(), WINDOW) is None
    assert not lake_of("flights").exists(PREDICTIONS)


@pytest.mark.parametrize("table", [PREDICTIONS, SHADOWS])
def test_answers_are_never_wiped_by_a_spine_that_vanished(use_case, model, rows, home, table):
    write(use_case, table, answer(use_case, model, rows), WINDOW)
    with pytest.raises(NoRows, match=rf"holds {rows.height} rows in"):
        write(use_case, table, pl.DataFrame(), WINDOW)
    assert lake_of("flights").scan(table).collect().height == rows.height
    assert write(use_case, table, pl.DataFrame(), (END, END + DAY)) == 0


def test_shadows_that_are_no_more_are_taken_away(use_case, model, rows, home):
    shadows = answer(use_case, model, rows, arm="challenger")
    write(use_case, SHADOWS, shadows, WINDOW)
    assert write(use_case, SHADOWS, shadows.clear(), WINDOW) == 1
    assert lake_of("flights").scan(SHADOWS).collect().is_empty()


def test_predictions_from_before_there_were_arms_are_the_champions(use_case, model, rows, home):
    old = answer(use_case, model, rows)
    write(use_case, PREDICTIONS, old.drop("arm"), WINDOW)
    found = answers(use_case, *WINDOW)
    assert found["arm"].unique().to_list() == ["champion"]
    assert found["used"].all()
    span = (END - DAY, END)
    later = rows.filter(pl.col("prediction_time") >= END - DAY)
    write(use_case, PREDICTIONS, answer(use_case, model, later, arm="challenger"), span)
    counts = dict(answers(use_case, *WINDOW).group_by("arm").len().iter_rows())
    assert counts == {"champion": rows.height - later.height, "challenger": later.height}


def test_all_answers_are_found_and_told_apart(use_case, model, rows, home):
    half = rows.gather_every(2)
    write(use_case, PREDICTIONS, answer(use_case, model, rows), WINDOW)
    other = Model(model.card, model.session, 2)
    write(use_case, SHADOWS, answer(use_case, other, half, arm="challenger"), WINDOW)
    found = answers(use_case, *WINDOW)
    assert used(found).height == answers_of(found, 1).height == rows.height
    assert answers_of(found, 2).height == half.height
    assert answers(use_case, WINDOW[0], WINDOW[0]).is_empty()


def test_an_answer_that_a_killed_run_left_in_both_tables_counts_once(use_case, model, rows, home):
    write(use_case, PREDICTIONS, answer(use_case, model, rows), WINDOW)
    write(use_case, SHADOWS, answer(use_case, model, rows), WINDOW)
    found = answers(use_case, *WINDOW)
    assert found.height == rows.height
    assert found["used"].all()
