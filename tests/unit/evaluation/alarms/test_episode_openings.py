"""Openings of episodes: their number in a year, and the delay of the first one."""

import numpy as np
import pytest

from tasks.evaluation.alarms.episode_openings import count_openings, find_delay
from tests.support.daily_series import WEEK, rule


def test_openings_are_counted_as_episodes_open_and_close() -> None:
    bad = np.array([[0, 1, 1, 0, 1, 0, 1, 1, 1, 0, 0, 0]], dtype=bool)
    assert count_openings(rule(), bad)[0] == 3
    # 2 of 3: opens at the second bad one; stays open while 2 of the last 3 are bad
    assert count_openings(rule(bad=2, of=3), bad)[0] == 2
    assert count_openings(rule(bad=3, of=3), bad)[0] == 1


@pytest.mark.parametrize(
    ("found", "patience", "delay"),
    [(8, {}, 14), (7, {}, None), (10, {"bad": 2, "of": 2}, 21), (8, {"bad": 3, "of": 3}, None)],
)
def test_delay_is_that_of_four_of_five_years(found: int, patience: dict, delay: int | None) -> None:
    bad = np.zeros((10, 5), dtype=bool)
    bad[:found, 2:4] = True
    assert find_delay(rule(**patience), bad, WEEK) == delay
