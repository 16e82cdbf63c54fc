"""Who answers when: roll-outs, bake windows and rollbacks as folds over the ledger."""

from datetime import timedelta

import pytest

from configs.schema.promotion import Ab, BlueGreen, Direct, Shadow
from tasks.rollout.state import (
    BakeWindow,
    find_bake,
    find_rollout,
    plan_rollout,
)
from tests.support.rollout_story import CANARY, DAY, FLIGHTS, WEEK, rollout_day


def test_no_champion_and_direct_need_no_roll_out():
    assert plan_rollout(FLIGHTS.model_copy(update={"rollout": CANARY}), None) is None
    assert plan_rollout(FLIGHTS.model_copy(update={"rollout": Direct()}), 1) is None


@pytest.mark.parametrize(
    ("plan", "shares", "step", "rows"),
    [
        (Shadow(step=WEEK), (0.0,), WEEK, None),
        (BlueGreen(step=DAY), (0.0,), DAY, None),
        (CANARY, (0.1, 0.5), WEEK, None),
        (Ab(share=0.3, rows=5000), (0.3,), timedelta(0), 5000),
    ],
)
def test_a_roll_out_is_what_its_entry_says(story, plan, shares, step, rows):
    story.promoted(0, 1).started(1, 2, 1, plan)
    rolls = find_rollout(story.entries)
    assert rolls is not None
    assert (rolls.version, rolls.champion, rolls.kind) == (2, 1, plan.kind)
    assert (rolls.shares, rolls.share, rolls.stage) == (shares, shares[0], 0)
    assert (rolls.step, rolls.patience, rolls.rows) == (step, timedelta(days=90), rows)
    assert rolls.since == rollout_day(1)
    keys = ("carrier", "flight", "origin", "flight_date")
    assert rolls.unit == (("carrier",) if plan is CANARY else keys)


def test_a_rollback_gives_the_one_before_and_no_bake(story):
    story.promoted(0, 1).promoted(10, 2, bake=28).tell("rolled_back", 15, 1, loser=2)
    assert find_bake(story.entries, rollout_day(12)) == BakeWindow(
        2, 1, rollout_day(10), rollout_day(38)
    )
    assert find_bake(story.entries, rollout_day(15)) is None
    assert story.cast(0, 50) == [
        (0, 10, 1, None, 0.0, None), (10, 15, 2, None, 0.0, 1), (15, 50, 1, None, 0.0, None),
    ]  # fmt: skip


def test_a_promotion_during_a_bake_starts_another_one(story):
    story.promoted(0, 1).promoted(10, 2, bake=28).promoted(20, 3, bake=28)
    assert find_bake(story.entries, rollout_day(21)) == BakeWindow(
        3, 2, rollout_day(20), rollout_day(48)
    )
    assert [cast[-1] for cast in story.cast(0, 60)] == [None, 1, 2, None]


@pytest.mark.parametrize("evidence", [{}, {"bake_until": None}])
def test_a_promotion_without_a_bake_end_does_not_bake(story, evidence):
    story.promoted(0, 1).tell("promoted", 10, 2, **evidence)
    assert find_bake(story.entries, rollout_day(11)) is None


def test_find_bake_of_a_first_or_repeated_champion_is_none(story):
    story.promoted(0, 1, bake=28)
    assert find_bake(story.entries, rollout_day(1)) is None
    story.promoted(5, 1, bake=28)
    assert find_bake(story.entries, rollout_day(6)) is None
