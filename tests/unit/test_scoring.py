"""Predictions of a window: who scores it, what is written, and what never is."""

from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from configs.errors import NoChampion, NoRows
from configs.use_case import UseCase
from tasks.card import make_card
from tasks.export import export_fitted, open_session
from tasks.lake import lake_of
from tasks.ledger import Entry, ledger, reigns
from tasks.registry import Model
from tasks.scoring import PREDICTIONS, predictions, reigns_in, scoring_window, write
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


def test_the_window_ends_at_as_of(use_case):
    assert scoring_window(use_case, END) == (END - DAY, END)
    assert scoring_window(use_case, END, "7d") == (END - 7 * DAY, END)


def test_each_row_is_scored_by_the_champion_of_its_time(use_case, promoted):
    first, second = reigns_in(use_case, WINDOW)
    assert (first.version, first.start, first.end) == (1, END - 2 * DAY, END - DAY)
    assert (second.version, second.start, second.end) == (2, END - DAY, END)


def test_without_a_champion_nothing_is_scored(use_case, promoted):
    with pytest.raises(NoChampion, match="run train/flights"):
        reigns_in(use_case, (END - 30 * DAY, END - 20 * DAY))


@given(
    st.lists(st.integers(0, 400), min_size=1, max_size=6), st.integers(1, 400), st.integers(0, 400)
)
def test_reigns_cover_the_window_from_the_first_champion_on_without_overlap(hours, length, start):
    """Also when a promotion falls on the window's edge, or two fall on the same moment."""
    entries = [
        Entry("m", "promoted", f"decision:{i}", END + timedelta(hours=h), "gate", i, seq=i + 1)
        for i, h in enumerate(sorted(hours))
    ]
    window = (END + timedelta(hours=start), END + timedelta(hours=start + length))
    found = reigns(entries, *window)
    edges = [(r.start, r.end) for r in found]
    assert all(end == next_start for (_, end), (next_start, _) in pairwise(edges))
    covered = sum((end - start for start, end in edges), timedelta())
    first = max(window[0], min(entries[0].at, window[1]))
    assert covered == window[1] - first


def test_predictions_hold_the_whole_story(use_case, model, rows):
    found = predictions(use_case, model, rows, END, "a run")
    assert found.columns == [
        "carrier", "flight", "origin", "flight_date", "prediction_time", "probability",
        "decision", "model_version", "feature_service", "run_id", "scored_as_of",
    ]  # fmt: skip
    assert found.height == rows.height
    assert found["probability"].is_between(0, 1).all()
    assert (found["decision"] == (found["probability"] >= model.card.threshold)).all()
    assert found["decision"].n_unique() == 2
    assert found["feature_service"].unique().to_list() == ["delay_v1"]


def test_scoring_again_commits_nothing(use_case, model, rows, home):
    first = write(use_case, predictions(use_case, model, rows, END, "run 1"), WINDOW)
    shuffled = predictions(use_case, model, rows.reverse(), END + DAY, "run 2")
    assert write(use_case, shuffled, WINDOW) == first == 0
    stored = lake_of("flights").scan(PREDICTIONS).collect()
    assert stored["run_id"].unique().to_list() == ["run 1"]


def test_another_answer_replaces_the_window_and_nothing_else(use_case, model, rows, home):
    write(use_case, predictions(use_case, model, rows, END, "run 1"), WINDOW)
    later = rows.filter(pl.col("prediction_time") >= END - DAY)
    other = Model(model.card, model.session, 2)
    span = (END - DAY, END)
    assert write(use_case, predictions(use_case, other, later, END, "run 2"), span) == 1
    stored = lake_of("flights").scan(PREDICTIONS).collect()
    assert stored.height == rows.height
    by_version = dict(stored.group_by("model_version").len().iter_rows())
    assert by_version == {1: rows.height - later.height, 2: later.height}


def test_an_empty_window_is_no_error_and_no_table(use_case, home):
    assert write(use_case, pl.DataFrame(), WINDOW) is None
    assert not lake_of("flights").exists(PREDICTIONS)


def test_predictions_are_never_wiped_by_a_spine_that_vanished(use_case, model, rows, home):
    write(use_case, predictions(use_case, model, rows, END, "run 1"), WINDOW)
    with pytest.raises(NoRows, match=rf"holds {rows.height} predictions"):
        write(use_case, pl.DataFrame(), WINDOW)
    assert lake_of("flights").scan(PREDICTIONS).collect().height == rows.height
    assert write(use_case, pl.DataFrame(), (END, END + DAY)) == 0
