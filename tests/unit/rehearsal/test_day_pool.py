"""Histories of drawn days: rows, twins and planted losses."""

import numpy as np
import polars as pl
import pytest

from configs.errors import NoRows
from tasks.monitoring.limits.judged_rows import JudgedRows
from tasks.rehearsal.day_pool import DAY, HISTORY_START, build_day_pool
from tasks.rehearsal.twins import choose_twin, shift_predictions, swap_twins, worsen_predictions
from tests.support.judged_days import judged_days


def test_drawn_rows_are_those_of_their_days_in_order():
    pool, drawn = judged_days(), np.array([3, 3, 40, 0])
    rows = pool.compared.take_rows(drawn)
    source = pool.judged.rows[rows.place]
    times = rows.frame["prediction_time"]
    assert times.is_sorted()
    assert rows.frame["late"].equals(source["late"])
    assert [int((rows.day == day).sum()) for day in range(4)] == [
        int((pool.compared.day == day).sum()) for day in drawn
    ]
    assert ((times - HISTORY_START).dt.total_days() == pl.Series(rows.day)).all()
    assert (times.dt.time() == source["prediction_time"].dt.time()).all()
    assert rows.before(2).frame.height == (rows.day < 2).sum()


def test_too_few_days_are_refused():
    judged = judged_days().judged
    few = judged.rows.filter(
        pl.col("prediction_time") < judged.rows["prediction_time"][0] + 5 * DAY
    )
    with pytest.raises(NoRows, match="was judged on"):
        build_day_pool(JudgedRows(judged.use_case, judged.model, few, judged.predictions))


@pytest.mark.parametrize("loss", [0.01, 0.05])
def test_worsen_loses_what_was_asked_for(loss: float):
    pool = judged_days()
    worse = worsen_predictions(pool, pool.judged.predictions, loss)
    assert worse is not None
    before = pool.measure("roc_auc", pool.judged.predictions)
    assert before - pool.measure("roc_auc", worse) == pytest.approx(loss, abs=0.001)


def test_worsen_cannot_lose_more_than_there_is():
    pool = judged_days()
    assert worsen_predictions(pool, pool.judged.predictions, 0.5) is None


def test_shift_makes_the_calibration_gap_larger_on_its_own_side():
    pool = judged_days()
    before, moved = pool.judged.predictions, shift_predictions(pool, pool.judged.predictions, 0.05)
    assert moved is not None
    gaps = [float((each.value - pool.judged.label).mean()) for each in (before, moved)]
    assert gaps[0] * gaps[1] > 0
    assert abs(gaps[1]) - abs(gaps[0]) == pytest.approx(0.05, abs=0.005)


def test_drawn_days_keep_their_weekday_and_come_in_blocks():
    pool, random = judged_days(), np.random.default_rng(0)
    for days in (1, 20, 365):
        drawn = pool.compared.draw(random, days)
        assert len(drawn) == days
        assert (drawn % 7 == np.arange(days) % 7).all()
        assert 0 <= drawn.min() <= drawn.max() < pool.days
    assert pool.compared.block == 1 or (np.diff(drawn)[: pool.compared.block - 1] == 1).all()


def test_twins_change_places_day_by_day():
    pool, random = judged_days(), np.random.default_rng(0)
    one, other = pool.judged.predictions, choose_twin(pool, None)
    rows = pool.compared.take_rows(pool.compared.draw(random, 60))
    new, old = swap_twins(random, rows, (one, other), (one, other))
    first = new.value == one.value[rows.place]
    shares = [first[rows.day == day].mean() for day in range(60)]
    assert all(share < 0.2 or share == 1 for share in shares)
    assert 0.3 < np.mean([share == 1 for share in shares]) < 0.7
    both, source = np.stack([new.value, old.value]), np.stack([one.value, other.value])
    np.testing.assert_array_equal(np.sort(both, axis=0), np.sort(source[:, rows.place], axis=0))
