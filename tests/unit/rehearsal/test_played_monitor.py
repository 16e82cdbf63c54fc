"""Rehearsed windows measure and decide as the monitor does."""

from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from configs.schema.monitoring import PerformanceRule
from tasks.evaluation.alarms.episode_openings import count_openings
from tasks.evaluation.problem_types import problem_type_of
from tasks.ledger.log import Entry
from tasks.monitoring import drift, performance
from tasks.monitoring.measurements import Measurement
from tasks.rehearsal.daily_measures import build_daily_measures
from tasks.rehearsal.day_pool import DAY, HISTORY_START
from tasks.rehearsal.faults import list_judged_inputs, plant_input_faults
from tasks.rehearsal.played_monitor import PlayedMonitor
from tests.support.flights import quick_use_case
from tests.support.judged_days import judged_days

pytestmark = pytest.mark.system  # minutes together


def test_windows_measure_what_the_monitor_measures_of_the_same_rows():
    pool = judged_days()
    use_case, card = pool.use_case, pool.judged.model.card
    history = pool.compared.draw(np.random.default_rng(3), 28)
    drawn = pool.compared.take_rows(history)
    kind, as_of = problem_type_of(use_case), HISTORY_START + 28 * DAY
    predicted = drawn.frame.with_columns(
        pl.Series(kind.value_column, pool.judged.predictions.value[drawn.place])
    )
    expected = performance.measure_rules(
        use_case, predicted, card.holdout, card.threshold, HISTORY_START, as_of, card.limits
    )
    week = pool.judged.rows[drawn.place[drawn.day >= 21]]
    names = list_judged_inputs(pool)
    psis = drift.measure_drift(week.with_columns(score=pl.lit(0.5)), card.reference).filter(
        pl.col("column").is_in(names)
    )
    measured = list(build_daily_measures(pool).measure_windows(history, 14))[-1]
    rules = [each for each in measured if each.kind == "performance"]
    for own, real in zip(rules, expected, strict=True):
        assert own.value == pytest.approx(real.value)
        assert (own.reference, own.threshold) == (real.reference, real.threshold)
        assert (own.verdict, own.window_end) == (real.verdict, as_of)
    drifts = {each.subject: each.value for each in measured if each.kind == "drift"}
    assert drifts == pytest.approx(dict(psis.select("column", "psi").rows()))


def test_each_kind_of_fault_is_planted_and_seen():
    pool = judged_days()
    history = np.concatenate([np.arange(14), np.arange(14, 35) + pool.days])
    found = {}
    for fault in plant_input_faults(pool):
        measures = build_daily_measures(pool, fault)
        played = PlayedMonitor(pool.use_case, 1)
        entries = played.play(measures.measure_windows(history, 21))
        found[fault.name.partition(":")[0]] = any(e.what == "episode_opened" for e in entries)
    assert found == dict.fromkeys(found, True)
    assert len(found) == 6


def judged_windows(subject: str, bad: np.ndarray) -> list[list[Measurement]]:
    ends = [HISTORY_START + (number + 1) * 7 * DAY for number in range(len(bad))]
    return [
        [
            Measurement(
                "performance", subject, at - 7 * DAY, at, 0.5, 0.7, 0.6,
                verdict="page" if is_bad else "ok",
            )
        ]
        for at, is_bad in zip(ends, bad, strict=True)
    ]  # fmt: skip


def play_verdicts(rule: PerformanceRule, bad: np.ndarray, cooldown: int = 28) -> list[Entry]:
    case = quick_use_case()
    monitor = case.monitor.model_copy(update={"performance": (rule,)})
    retrain = case.retrain.model_copy(update={"cooldown": timedelta(days=cooldown)})
    case = case.model_copy(update={"monitor": monitor, "retrain": retrain})
    return PlayedMonitor(case, 1).play(judged_windows(rule.subject, bad))


@pytest.mark.parametrize(("bad", "of"), [(1, 1), (2, 3), (3, 3), (2, 5)])
def test_limits_are_calibrated_on_the_episodes_that_the_monitor_opens(bad: int, of: int):
    rule = PerformanceRule.model_validate(
        {"metric": "roc_auc", "window": "1w", "worse_by": 0.1, "bad": bad, "of": of}
    )
    random = np.random.default_rng(0)
    for _ in range(12):
        verdicts = random.random(40) < 0.4
        opened = sum(e.what == "episode_opened" for e in play_verdicts(rule, verdicts))
        assert opened == count_openings(rule, verdicts[None])[0]


def test_alerts_wait_for_the_cooldown_and_the_episode():
    rule = PerformanceRule.model_validate({"metric": "roc_auc", "window": "1w", "worse_by": 0.1})
    entries = play_verdicts(rule, np.array([1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 1], dtype=bool))
    alerts = [(e.at - HISTORY_START) // (7 * DAY) for e in entries if e.what == "alert_raised"]
    assert alerts == [1, 5, 11]
    assert [e.seq for e in entries] == list(range(1, len(entries) + 1))
