"""Routes: which version predicts when, as folds over the ledger."""

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from configs.schema.promotion import Shadow
from tasks.ledger.evidence import RolloutStage
from tasks.rollout.routing import list_routes
from tasks.rollout.state import (
    find_rollout,
    next_rollout_stage,
)
from tests.support.rollout_story import CANARY, RolloutStory, rollout_day


def test_a_canary_grows_and_then_promotes(story):
    story.promoted(0, 1).started(1, 2, 1, CANARY)
    assert next_rollout_stage(find_rollout(story.entries)) == RolloutStage(stage=1, share=0.5)
    story.grown(8)
    rolls = find_rollout(story.entries)
    assert (rolls.stage, rolls.share, rolls.since) == (1, 0.5, rollout_day(8))
    assert next_rollout_stage(rolls) is None
    story.promoted(15, 2, bake=28)
    assert find_rollout(story.entries) is None
    assert story.cast(0, 50) == [
        (0, 1, 1, None, 0.0, None),
        (1, 8, 1, 2, 0.1, None),
        (8, 15, 1, 2, 0.5, None),
        (15, 43, 2, None, 0.0, 1),
        (43, 50, 2, None, 0.0, None),
    ]


def test_list_routes_after_a_refused_rollout(story):
    story.promoted(0, 1).started(1, 2, 1, CANARY).grown(8).tell("refused", 10, 2)
    assert find_rollout(story.entries) is None
    assert story.cast(7, 12) == [
        (7, 8, 1, 2, 0.1, None), (8, 10, 1, 2, 0.5, None), (10, 12, 1, None, 0.0, None),
    ]  # fmt: skip


def test_another_version_that_is_refused_stops_nothing(story):
    story.promoted(0, 1).started(1, 2, 1, Shadow()).tell("refused", 3, 3).tell("deferred", 4, 4)
    assert find_rollout(story.entries).version == 2
    assert story.cast(0, 9) == [(0, 1, 1, None, 0.0, None), (1, 9, 1, 2, 0.0, None)]


def test_a_roll_out_may_begin_while_the_champion_bakes(story):
    story.promoted(0, 1).promoted(10, 2, bake=28).started(20, 3, 2, CANARY)
    assert story.cast(5, 45) == [
        (5, 10, 1, None, 0.0, None),
        (10, 20, 2, None, 0.0, 1),
        (20, 38, 2, 3, 0.1, 1),
        (38, 45, 2, 3, 0.1, None),
    ]


def test_what_is_decided_later_changes_no_span_before_it(story):
    story.promoted(0, 1).started(1, 2, 1, CANARY)
    before = story.cast(0, 8)
    story.grown(8).promoted(15, 2, bake=28).tell("rolled_back", 20, 1, loser=2)
    assert story.cast(0, 8) == before


def test_nobody_answers_before_the_first_champion(story):
    assert list_routes([], rollout_day(0), rollout_day(9)) == []
    story.promoted(3, 1)
    assert story.cast(0, 2) == []
    assert story.cast(0, 9) == [(3, 9, 1, None, 0.0, None)]


MOVES = st.sampled_from(["promoted", "started", "grown", "refused", "rolled_back", "deferred"])


@given(st.lists(st.tuples(MOVES, st.integers(0, 9)), max_size=12), st.floats(0, 60))
def test_list_routes_cover_time_without_overlap(moves, length):
    """Whatever happens, also at the same moment: every span has the champion and one cast."""
    story, at = RolloutStory(), 0
    for version, (what, wait) in enumerate(moves, start=2):
        at += wait
        rolls = find_rollout(story.entries)
        if what == "promoted":
            story.promoted(at, rolls.version if rolls else version, bake=5)
        elif what == "started" and rolls is None and story.entries:
            story.started(at, version, 1, CANARY)
        elif what == "grown" and rolls and next_rollout_stage(rolls):
            story.grown(at)
        elif what in ("refused", "deferred"):
            story.tell(what, at, rolls.version if rolls else version)
        elif what == "rolled_back":
            story.tell(what, at, 1)
    start, end = rollout_day(-1), rollout_day(-1 + length)
    found = list_routes(story.entries, start, end)
    crowned = [e.at for e in story.entries if e.what in ("promoted", "rolled_back")]
    reigned = end - min(max(crowned[0], start), end) if crowned else timedelta(0)
    assert sum((c.end - c.start for c in found), timedelta(0)) == reigned
    for one, other in pairwise(found):
        assert one.end == other.start
        assert replace(one, start=other.start, end=other.end) != other
    assert all(c.champion not in (c.challenger, c.previous) for c in found)
