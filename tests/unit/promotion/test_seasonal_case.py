"""Decisions about a use case with level, season and lags: rules, gate, refit and opponents."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cache

import numpy as np
import polars as pl
import pytest

from configs.schema.monitoring import PerformanceRule
from tasks.evaluation.alpha_spending import ONLY_LOOK, plan_gate_look
from tasks.evaluation.bootstrap import Predictions
from tasks.evaluation.giveaways import find_giveaways
from tasks.monitoring.performance import measure_rules
from tasks.promotion.gate import judge_predictions
from tasks.promotion.gate_opponents import compare_opponents
from tasks.promotion.refitting.refit import LEAST_AGREEMENT, measure_agreement
from tests.support.gated_rows import lines
from tests.support.seasonal_counts import (
    NUMERIC,
    START,
    fit_linear,
    seasonal_counts,
    seasonal_use_case,
)

DAY = timedelta(days=1)
CALENDAR = ("hour", "weekday", "temperature")
SHARE, LUCK = 0.3, 60  # of a better model, and of a day: few days show no gain


@cache
def growing_counts() -> pl.DataFrame:
    """Two years in which the level grows fourfold."""
    return seasonal_counts(730, growth=4.0)


def days_between(first: int, last: int) -> pl.DataFrame:
    return growing_counts().slice(24 * first, 24 * (last - first))


def at(day: int) -> datetime:
    return START + day * DAY


def rmse(predict, rows: pl.DataFrame) -> float:
    return float(np.sqrt(np.square(predict(rows).value - rows["label"].to_numpy()).mean()))


def test_rules_judge_a_new_champion_on_what_it_predicted_before_its_promotion():
    """Three days after its promotion, the holdout of four weeks counts for its rule."""
    champion, rows = fit_linear(days_between(28, 400)), days_between(400, 431)
    case = seasonal_use_case()
    rule = PerformanceRule(metric="rmse", window=timedelta(weeks=4), worse_by=0.3)
    case = case.model_copy(
        update={"monitor": case.monitor.model_copy(update={"performance": (rule,)})}
    )
    good = rows.with_columns(prediction=pl.Series(champion(rows).value))
    holdout = {"rmse": rmse(champion, rows), "label_std": float(rows["label"].to_numpy().std())}

    def judge(known: pl.DataFrame):
        (measured,) = measure_rules(case, known, holdout, None, at(400), at(431))
        return measured

    assert (judge(good).verdict, judge(good).coverage) == ("ok", pytest.approx(1.0))
    alone = judge(good.filter(pl.col("time") >= at(428)))
    assert alone.rows == 72
    broken = judge(good.with_columns(pl.col("prediction") * 3))
    assert broken.verdict == "page"


def test_a_gate_looks_again_until_a_gain_is_shown():
    case = seasonal_use_case(looks=4, min_rows=100)
    champion = fit_linear(days_between(28, 300), CALENDAR)
    challenger = fit_linear(days_between(560, 640), CALENDAR)
    verdicts = {}
    for look_day, last in ((6, 0), (90, 1)):
        rows = days_between(640, 640 + look_day)
        look = plan_gate_look(4, timedelta(days=90), at(640), at(640 + look_day), last)
        luck = np.repeat(np.random.default_rng(3).normal(0, LUCK, look_day), 24)
        new = SHARE * challenger(rows).value + (1 - SHARE) * champion(rows).value + luck
        mixed = Predictions(new, new)
        verdicts[look_day] = judge_predictions(case, rows, mixed, champion(rows), look).verdict
    assert verdicts == {6: "wait", 90: "pass"}


def test_a_storm_that_decides_a_verdict_is_named():
    rows = days_between(640, 652)
    truth = rows["label"].to_numpy()
    noise = np.random.default_rng(0).normal(0, 5, rows.height)
    champion, challenger = truth + noise, truth - noise
    storm = slice(24 * 5, 24 * 6)
    champion[storm] += 60
    case = seasonal_use_case(rule="expected_gain", margin=0.0, risk=0.4, min_rows=100)
    models = [Predictions(each, each) for each in (challenger, champion)]
    decision = judge_predictions(case, rows, *models)
    (row,) = [each for each in decision.evidence.gates if each.gate == "influence on rmse"]
    assert f"{at(645):%Y-%m-%d}" in row.measured


def test_a_fit_to_the_day_beats_one_of_four_weeks_before():
    """The level grows by a fifth in a season: what was judged predicts too little."""
    judged, refit = (fit_linear(days_between(end - 80, end), CALENDAR) for end in (560, 588))
    later = days_between(588, 616)
    assert rmse(refit, later) < 0.98 * rmse(judged, later)
    newest = days_between(560, 588)
    agreement = measure_agreement(refit(newest).value, judged(newest).value)
    assert agreement >= LEAST_AGREEMENT


@pytest.mark.parametrize("giveaway", ["sum of parts", "another name", "another unit"])
def test_what_gives_the_label_away_is_found(giveaway: str):
    rows, label = days_between(400, 460), pl.col("label")
    part = (label * ((pl.col("price") - 7) / 6).clip(0, 1)).round()
    columns = {
        "sum of parts": {"first": part, "second": label - part},
        "another name": {"booked": label},
        "another unit": {"dozens": label / 12 + 3},
    }[giveaway]
    found = find_giveaways(
        rows.with_columns(**columns), [*NUMERIC, *columns], "label", "regression"
    )
    if giveaway == "filled later":  # half of the label: it is told, or honestly explains less
        assert all(set(each.inputs) <= {"status"} for each in found)
    else:
        assert {name for each in found for name in each.inputs} == set(columns)


@pytest.mark.parametrize("growth", [1.0, 2.0, 4.0])
def test_lags_and_seasons_are_no_giveaway(growth: float):
    rows = seasonal_counts(200, growth).slice(24 * 60)
    assert find_giveaways(rows, [*NUMERIC, "plan"], "label", "regression") == []


def test_a_first_champion_must_beat_the_value_of_a_week_ago():
    """A model of calendar and weather beats a constant, but not the value of a week ago."""
    case, rows = seasonal_use_case(opponents=("count_7d",), min_rows=100), days_between(640, 730)
    weak, truth = fit_linear(days_between(560, 640), CALENDAR)(rows), rows["label"].to_numpy()
    half = (truth + rows["count_7d"].to_numpy()) / 2  # misses half of what a week ago does
    good = Predictions(half, half)
    assert np.square(weak.value - truth).mean() < np.square(truth - truth.mean()).mean()
    verdicts = [
        compare_opponents(case, rows, model, None, ONLY_LOOK)[0][0].verdict
        for model in (weak, good)
    ]
    assert verdicts == ["fail", "pass"]
    assert lines(judge_predictions(case, rows, good, weak))["rmse"] == "pass"
