"""Use cases predicted ahead of their rows' events, and the opponents that `new` proposes."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from configs.errors import BadConfig
from configs.schema.loading import load_use_case
from feature_repo.baseline import upcoming
from tasks.scaffold.plan import GivenAnswers
from tasks.scaffold.render import render_files
from tasks.scaffold.resolution.resolve import make_plan
from tasks.scaffold.write_files import write_use_case

START, HOUR, DAY = datetime(2024, 1, 1, tzinfo=UTC), timedelta(hours=1), timedelta(days=1)


def counts(days=30, every=HOUR, delay=HOUR, sites=("n", "s")) -> pl.DataFrame:
    steps = days * DAY // every
    at = [START + i * every for i in range(steps)]
    frames = [
        pl.DataFrame({"at": at}).with_columns(
            visits=pl.int_range(steps) % 7 + len(site), wind=pl.int_range(steps) % 5 / 2,
            known=pl.col("at") + delay, **({"site": pl.lit(site)} if site else {}),
        )
        for site in sites
    ]  # fmt: skip
    return pl.concat(frames)


def move_one(rows: pl.DataFrame) -> pl.DataFrame:
    """One row lies between two steps."""
    moved = pl.col("at") + timedelta(minutes=7)
    return rows.with_columns(at=pl.when(pl.int_range(pl.len()) == 9).then(moved).otherwise("at"))


def plan_counts(folder, rows: pl.DataFrame, **flags):
    rows.write_parquet(folder / "counts.parquet")
    keys = "site, at" if "site" in rows.columns else "at"
    usual = {
        "tables": {"counts": f"{folder}/counts.parquet"}, "keys": {"counts": keys},
        "event_time": {"counts": "at"}, "label": "counts.visits", "kind": "regression",
        "ahead": "2h",
    }  # fmt: skip
    return make_plan(GivenAnswers("demand", **(usual | flags)), lambda _f, _q, given: given)


@pytest.mark.parametrize(
    ("sample", "ahead", "lags"),
    [
        ({}, "2h", {"last": 3 * HOUR, "week_ago": 7 * DAY}),
        ({"delay": 0 * HOUR}, "2h", {"last": 2 * HOUR, "week_ago": 7 * DAY}),
        ({"delay": 30 * HOUR}, "90m", {"last": 32 * HOUR, "week_ago": 7 * DAY}),
        ({"days": 90, "every": DAY, "delay": HOUR}, "1d", {"last": 2 * DAY, "week_ago": 7 * DAY}),
        ({"days": 90, "every": DAY, "delay": HOUR}, "8d", {"last": 9 * DAY}),
        ({"days": 900, "every": 7 * DAY}, "7d", {"last": 14 * DAY, "year_ago": 364 * DAY}),
        ({"days": 10}, "2h", {"last": 3 * HOUR, "day_ago": DAY}),
        ({"sites": ("",)}, "2h", {"last": 3 * HOUR, "week_ago": 7 * DAY}),
        ({"days": 300, "every": 5 * HOUR}, "1h", {"last": 5 * HOUR}),
    ],
)
def test_a_forecast_has_the_last_known_row_and_that_of_a_season_before(
    tmp_path, sample, ahead, lags
):
    plan = plan_counts(tmp_path, counts(**sample), ahead=ahead)
    assert {lag.name: lag.span for lag in plan.forecast.lags} == lags
    assert plan.forecast.every == sample.get("every", HOUR)
    assert plan.opponents == [f"visits_{name}" for name in lags], "the label's earlier values"
    assert {"visits_last", "wind_last"} <= {i.name for view in plan.views for i in view.inputs}


def test_what_is_announced_is_predicted_by_its_own_row(tmp_path):
    plan = plan_counts(tmp_path, counts(delay=-DAY), known_time={"counts": "known"})
    assert plan.forecast is None
    assert plan.opponents == []
    rows = plan.subject.sample.rows.group_by("site", "at").agg(asked=plan.predicted_at)
    assert (rows["at"] - rows["asked"] == 2 * HOUR).all()


@pytest.mark.parametrize(
    ("rows", "flags", "message"),
    [
        (counts(), {"ahead": "soon"}, "--ahead soon"),
        (counts(), {"ahead": "0h"}, "above 0"),
        (counts().with_row_index("id"), {"keys": {"counts": "id"}}, "told apart by their event"),
        (counts(days=1, every=DAY), {}, "one time only"),
        (move_one(counts()), {}, "1 of 1440 lie between"),
        (counts(), {"old_predictions": "counts.wind"}, "not known when they are predicted"),
    ],
)  # fmt: skip
def test_a_forecast_that_cannot_be_made_names_flag_and_fix(tmp_path, rows, flags, message):
    with pytest.raises(BadConfig, match=message):
        plan_counts(tmp_path, rows, **flags)


@pytest.mark.parametrize(
    ("label", "flags", "opponents"),
    [
        ("visits", {}, ["theirs"]),
        ("late", {"kind": "binary"}, ["theirs"]),
    ],
)
def test_old_predictions_are_an_opponent_and_no_input(tmp_path, label, flags, opponents):
    rows = counts().with_columns(theirs=pl.col("visits") / 9, late=pl.col("visits") % 2)
    flags = {"ahead": "", "label": f"counts.{label}", "old_predictions": "counts.theirs", **flags}
    plan = plan_counts(tmp_path, rows, **flags)
    assert plan.opponents == opponents
    assert "theirs" in plan.spine_columns
    assert "theirs" not in [each.column for each in plan.subject.inputs]


@pytest.mark.parametrize("column", ["site", "visits", "nothing", "at"])
def test_old_predictions_are_numbers(tmp_path, column):
    with pytest.raises(BadConfig, match=f"--old-predictions {column}: give a column"):
        plan_counts(tmp_path, counts(), ahead="", old_predictions=column)


@pytest.mark.parametrize("sites", [("n", "s"), ("",)])
def test_the_files_of_a_forecast_are_a_use_case(tmp_path, home, sites):
    plan = plan_counts(tmp_path, counts(sites=sites), zone="Europe/Amsterdam")
    with write_use_case(tmp_path, "demand", render_files(plan)):
        case = load_use_case("demand", tmp_path / "configs")
    assert case.zone == "Europe/Amsterdam"
    assert case.gate.opponents == ("visits_last", "visits_week_ago")
    assert case.features.views == ("counts_last", "counts_week_ago")
    assert {"event_hour", "event_weekday"} <= set(case.features.numeric)


RAW = counts(days=2).lazy()


def steps_of(raw, start, end, series=("site",)):
    return upcoming(raw, series, "at", "known", HOUR, 2 * HOUR, start, end).collect().sort("at")


def test_upcoming_lists_each_step_once_whether_its_row_has_landed_or_not():
    rows = steps_of(RAW, START, START + 4 * DAY)
    assert not rows.select("site", "at").is_duplicated().any()
    assert rows["at"].min() == START + 3 * HOUR, "a series begins when its first row is known"
    assert rows["at"].max() == START + 4 * DAY + HOUR
    assert rows.height == 2 * (4 * 24 - 1)
    assert (rows["at"] - rows["prediction_time"] == 2 * HOUR).all()


@pytest.mark.parametrize("cut", [HOUR, 5 * HOUR, DAY + timedelta(minutes=17), 3 * DAY])
def test_upcoming_of_two_spans_is_that_of_both(cut):
    whole = steps_of(RAW, START, START + 4 * DAY)
    parts = [steps_of(RAW, START, START + cut), steps_of(RAW, START + cut, START + 4 * DAY)]
    assert pl.concat(parts).sort("site", "at").equals(whole.sort("site", "at"))


def test_upcoming_of_one_series_and_of_none():
    one = counts(days=2, sites=("",)).lazy()
    assert steps_of(one, START, START + DAY, ()).columns == ["at", "prediction_time"]
    assert steps_of(one.head(0), START, START + DAY, ()).is_empty()
    assert steps_of(RAW.head(0), START, START + DAY).is_empty()
    assert steps_of(RAW, START - 9 * DAY, START - 8 * DAY).is_empty()
