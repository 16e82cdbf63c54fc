"""Planted inputs that give the label away are found; honest ones, of any shape, are not."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from tasks.evaluation.giveaways import MIN_GIVEAWAY_ROWS, Giveaway, find_giveaways

ROWS = 3000


def hourly_counts(rows: int = ROWS, seed: int = 0) -> pl.DataFrame:
    """Counts with a level that doubles, a daily season and lags; casual + registered = count."""
    random, hour = np.random.default_rng(seed), np.arange(rows)
    level = 100 * (1 + hour / rows)
    season = 1 + 0.6 * np.sin(2 * np.pi * hour / 24) + 0.2 * np.sin(2 * np.pi * hour / 168)
    count = random.poisson(level * season * random.gamma(20, 1 / 20, rows)).astype(float)
    casual = np.round(count * random.beta(2, 8, rows))
    return pl.DataFrame(
        {
            "count": count,
            "casual": casual,
            "registered": count - casual,
            "hour": hour % 24,
            "lag_1": np.roll(count, 1),
            "lag_24": np.roll(count, 24),
            "lag_168": np.roll(count, 168),
            "level": level,
            "late": (random.random(rows) < 0.2 + 0.3 * (season > 1.2)).astype(np.int8),
        }
    )


HONEST = ("hour", "lag_1", "lag_24", "lag_168", "level")


def inputs_found(found: list[Giveaway]) -> list[set[str]]:
    return [set(each.inputs) for each in found]


@pytest.mark.parametrize("seed", range(5))
def test_lags_season_and_level_give_nothing_away(seed):
    rows = hourly_counts(seed=seed)
    assert find_giveaways(rows, HONEST, "count", "regression") == []
    assert find_giveaways(rows, HONEST, "late", "binary") == []


@pytest.mark.parametrize(
    "other",
    [
        pl.col("count"),
        pl.col("count") * 3 + 7,
        pl.col("count").log1p(),
        -pl.col("count"),
        pl.col("count").cast(pl.String),
        pl.col("count").rank(),
        pl.when(pl.int_range(pl.len()) % 50 > 0).then("count"),
    ],
)
def test_the_label_under_another_name_is_found(other):
    rows = hourly_counts().with_columns(total=other)
    (found,) = find_giveaways(rows, (*HONEST, "total"), "count", "regression")
    assert found.inputs == ("total",)
    assert "total alone explains 9" in found.describe()


def test_parts_of_a_sum_are_found_together():
    found = find_giveaways(
        hourly_counts(), (*HONEST, "registered", "casual"), "count", "regression"
    )
    assert {"casual", "registered"} in inputs_found(found) or {"registered"} in inputs_found(found)


def test_three_and_four_parts_of_a_sum_are_found():
    random, rows = np.random.default_rng(0), hourly_counts()
    parts = {f"part_{i}": random.gamma(2, 50, ROWS) for i in range(4)}
    frame = rows.with_columns(**{k: pl.Series(v) for k, v in parts.items()})
    for length in (2, 3, 4):
        used = list(parts)[:length]
        summed = frame.with_columns(count=pl.sum_horizontal(used))
        (found,) = find_giveaways(summed, (*HONEST, *parts), "count", "regression")
        assert set(found.inputs) == set(used)
        assert found.explained > 0.999


@pytest.mark.parametrize(
    "status",
    [
        pl.when(pl.col("late") == 1).then(pl.lit("closed late")).otherwise(pl.lit("closed")),
        pl.when(pl.col("late") == 1).then(pl.lit("paid")),
        pl.when(pl.col("late") == 1).then(pl.col("level")),
        pl.col("late") == 1,
        pl.col("late").cast(pl.Float64) + pl.col("hour") / 100,
    ],
)
def test_a_status_that_is_filled_later_is_found(status):
    rows = hourly_counts().with_columns(status=status)
    assert inputs_found(find_giveaways(rows, (*HONEST, "status"), "late", "binary")) == [{"status"}]


def test_a_class_under_another_name_is_found():
    rows = hourly_counts().with_columns(kind=(pl.col("hour") // 8).cast(pl.Float64))
    code = pl.col("kind").replace_strict([0, 1, 2], ["night", "day", "evening"])
    rows = rows.with_columns(other=code)
    found = find_giveaways(rows, ("lag_1", "other"), "kind", "multiclass")
    assert inputs_found(found) == [{"other"}]
    assert find_giveaways(rows, ("lag_1", "lag_24"), "kind", "multiclass") == []


def test_many_texts_explain_nothing_of_other_rows():
    rows = hourly_counts().with_columns(id=pl.int_range(pl.len()).cast(pl.String))
    assert find_giveaways(rows, ("id",), "late", "binary") == []


@pytest.mark.parametrize("rows", [0, 1, MIN_GIVEAWAY_ROWS - 1])
def test_few_rows_show_nothing(rows):
    few = hourly_counts()[:rows].with_columns(total="count")
    assert find_giveaways(few, ("total",), "count", "regression") == []


def test_the_smallest_number_of_rows_is_enough():
    rows = hourly_counts()[:MIN_GIVEAWAY_ROWS].with_columns(total=pl.col("late"))
    assert inputs_found(find_giveaways(rows, ("total",), "late", "binary")) == [{"total"}]


def test_empty_equal_and_missing_values_are_no_error():
    rows = hourly_counts().with_columns(
        empty=pl.lit(None, pl.Float64), equal=pl.lit(3), infinite=pl.lit(float("inf"))
    )
    inputs = ("empty", "equal", "infinite", "hour")
    assert find_giveaways(rows, inputs, "count", "regression") == []
    assert find_giveaways(rows.with_columns(count=pl.lit(1.0)), inputs, "count", "regression") == []
