"""What a feature module gives is held against the YAML, Feast's objects and the clock."""

from collections.abc import Iterator
from datetime import timedelta

import polars as pl
import pytest

from configs.errors import BadConfig
from configs.schema.loading import load_use_case
from configs.schema.use_case import UseCase
from feature_repo.flights import transforms
from tasks.checks.feature_module import check_feature_module
from tests.support.lake_rows import START, land_rows
from tests.support.state import state

DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def flights(tmp_path_factory) -> Iterator[UseCase]:
    """Flights of three days in a lake that is only read."""
    use_case = load_use_case("flights")
    with state(tmp_path_factory.mktemp("state")):
        land_rows(use_case, START - 9 * DAY, START + 3 * DAY)
        yield use_case


def change_feature_function(monkeypatch, name, change) -> None:
    """The function of the feature module, with its rows changed."""
    function = getattr(transforms, name)
    monkeypatch.setattr(transforms, name, lambda *given: change(function(*given)))


def test_the_shipped_use_case_holds(flights):
    found = list(check_feature_module(flights))
    assert {finding.verdict for finding in found} == {"ok"}, found
    assert found[-1].subject == "leak"


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        (
            "weather",
            lambda rows: rows.with_columns(created_timestamp="event_timestamp"),
            "weather() uses the future: ",
        ),
        (
            "planes",
            lambda rows: rows.with_columns(pl.col("event_timestamp").dt.to_string()),
            "event_timestamp is String, and must be a UTC time",
        ),
        ("planes", lambda rows: rows.with_columns(late=1), "contains the label 'late': remove it"),
        ("planes", lambda rows: rows.drop("plane_seats"), "views.py declares plane_seats"),
        ("spine", lambda rows: rows.drop("tailnum"), "its key tailnum is no column of spine()"),
        ("labels", lambda rows: rows.drop("flight"), "has no column flight"),
        ("spine", lambda rows: pl.concat([rows, rows]), "has several rows for one key"),
        (
            "spine",
            lambda rows: rows.drop("weekday"),
            "weekday: neither the spine nor a view has such a column",
        ),
        (
            "spine",
            lambda rows: rows.with_columns(pl.col("distance").cast(pl.String)),
            "features.numeric: distance is String; move it to features.categorical",
        ),
        (
            "labels",
            lambda rows: rows.with_columns(
                label_known_time=pl.col("prediction_time") - timedelta(minutes=1)
            ),
            "labels are known before their prediction_time",
        ),
        ("labels", lambda rows: rows.with_columns(late=pl.col("late") * 3), "wants 0 and 1"),
    ],
)
def test_what_does_not_hold_is_named_with_the_way_out(flights, monkeypatch, name, change, said):
    change_feature_function(monkeypatch, name, change)
    wrong = [
        finding.detail for finding in check_feature_module(flights) if finding.verdict == "wrong"
    ]
    assert any(said in detail for detail in wrong), wrong


def test_a_function_that_does_not_run_is_named(flights, monkeypatch):
    change_feature_function(monkeypatch, "spine", lambda rows: rows.drop("flight"))
    with pytest.raises(BadConfig, match=r"labels\(\) fails: .*flight"):
        list(check_feature_module(flights))


def test_a_spine_that_gives_nothing_is_no_success(flights, monkeypatch):
    change_feature_function(monkeypatch, "spine", lambda rows: rows.filter(False))
    with pytest.raises(BadConfig, match=r"spine\(\) returns no row for all ingested rows"):
        list(check_feature_module(flights))
