"""Predictions of a window: who scores it, what is written, and what never is."""

from pathlib import Path

import pytest

from configs.errors import NoChampion
from tasks.ledger.log import Entry, open_ledger
from tasks.rollout.routing import Route, list_route_roles
from tasks.scoring.batch import (
    build_prediction_rows,
    find_scoring_routes,
    scoring_window,
)
from tests.support.flights import END
from tests.support.scored_window import DAY, WINDOW


@pytest.fixture
def promoted(home: Path) -> None:
    for version, at in ((1, END - 10 * DAY), (2, END - DAY)):
        entry = Entry("flights", "promoted", f"decision:{version}", at, "gate", version)
        open_ledger().record(entry)


def test_the_window_ends_at_as_of(quick_case):
    assert scoring_window(END, "1d") == (END - DAY, END)
    assert scoring_window(END, "7d") == (END - 7 * DAY, END)


def test_a_window_is_cut_where_the_cast_changes(quick_case, promoted):
    assert find_scoring_routes(quick_case, WINDOW) == [
        Route(WINDOW[0], END - DAY, champion=1),
        Route(END - DAY, END, champion=2),
    ]


def test_every_version_of_a_cast_has_one_role():
    assert list_route_roles(Route(*WINDOW, champion=1)) == {1: "champion"}
    all_three = Route(*WINDOW, champion=2, challenger=3, share=0.1, previous=1)
    assert list_route_roles(all_three) == {2: "champion", 1: "previous", 3: "challenger"}
    again = Route(*WINDOW, champion=2, challenger=1, share=0.1, previous=1)
    assert list_route_roles(again) == {2: "champion", 1: "challenger"}


def test_without_a_champion_nothing_is_scored(quick_case, promoted):
    with pytest.raises(NoChampion, match="mainspring run train flights"):
        find_scoring_routes(quick_case, (END - 30 * DAY, END - 20 * DAY))


def test_predictions_hold_the_whole_story(quick_case, logistic_model, window_rows):
    found = build_prediction_rows(quick_case, logistic_model, window_rows, "champion", END, "a run")
    assert found.columns == [
        "carrier", "flight", "origin", "flight_date", "prediction_time", "probability",
        "decision", "arm", "model_version", "feature_service", "run_id", "scored_as_of",
    ]  # fmt: skip
    assert found.height == window_rows.height
    assert found["probability"].is_between(0, 1).all()
    assert (found["decision"] == (found["probability"] >= logistic_model.card.threshold)).all()
    assert found["decision"].n_unique() == 2
    assert found["feature_service"].unique().to_list() == ["delay_v1"]
