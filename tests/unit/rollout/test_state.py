"""Who answers when: roll-outs, bake windows and rollbacks as folds over the ledger."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from configs.schema.loading import load_use_case
from configs.schema.promotion import Ab, BlueGreen, Canary, Direct, Shadow
from tasks.ledger.log import Entry
from tasks.rollout.routing import list_routes
from tasks.rollout.state import (
    BakeWindow,
    find_bake,
    find_rollout,
    next_rollout_stage,
    plan_rollout,
)

START = datetime(2026, 3, 2, tzinfo=UTC)
DAY = timedelta(days=1)
WEEK = 7 * DAY
FLIGHTS = load_use_case("flights")


def day(number: float) -> datetime:
    return START + number * DAY


class Story:
    """A ledger's entries, told day by day."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []

    def tell(self, what, at, version, **evidence) -> "Story":
        seq = len(self.entries) + 1
        self.entries.append(
            Entry("flights", what, f"{what}:{seq}", day(at), "test", version, evidence, seq)
        )
        return self

    def promoted(self, at, version, bake=None) -> "Story":
        until = None if bake is None else (day(at) + bake * DAY).isoformat()
        return self.tell("promoted", at, version, bake_until=until)

    def started(self, at, version, champion, plan) -> "Story":
        case = FLIGHTS.model_copy(update={"rollout": plan})
        evidence = plan_rollout(case, champion)
        assert evidence is not None
        return self.tell("rollout_started", at, version, **evidence)

    def grown(self, at) -> "Story":
        rolls = find_rollout(self.entries)
        assert rolls is not None
        evidence = next_rollout_stage(rolls)
        assert evidence is not None
        return self.tell("rollout_grown", at, rolls.version, **evidence)

    def cast(self, start, end) -> list[tuple]:
        """(from, to, champion, challenger, share, previous), in days."""
        found = list_routes(self.entries, day(start), day(end))
        return [
            (
                (c.start - START) / DAY, (c.end - START) / DAY,
                c.champion, c.challenger, c.share, c.previous,
            )
            for c in found
        ]  # fmt: skip


@pytest.fixture
def story() -> Story:
    return Story()


CANARY = Canary(shares=(0.1, 0.5), unit=("carrier",), step=WEEK)


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
    assert rolls.since == day(1)
    keys = ("carrier", "flight", "origin", "flight_date")
    assert rolls.unit == (("carrier",) if plan is CANARY else keys)


def test_a_canary_grows_and_then_promotes(story):
    story.promoted(0, 1).started(1, 2, 1, CANARY)
    assert next_rollout_stage(find_rollout(story.entries)) == {"stage": 1, "share": 0.5}
    story.grown(8)
    rolls = find_rollout(story.entries)
    assert (rolls.stage, rolls.share, rolls.since) == (1, 0.5, day(8))
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


def test_a_roll_out_that_is_refused_in_the_middle_leaves_the_champion(story):
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


def test_a_rollback_gives_the_one_before_and_no_bake(story):
    story.promoted(0, 1).promoted(10, 2, bake=28).tell("rolled_back", 15, 1, loser=2)
    assert find_bake(story.entries, day(12)) == BakeWindow(2, 1, day(10), day(38))
    assert find_bake(story.entries, day(15)) is None
    assert story.cast(0, 50) == [
        (0, 10, 1, None, 0.0, None), (10, 15, 2, None, 0.0, 1), (15, 50, 1, None, 0.0, None),
    ]  # fmt: skip


def test_a_promotion_during_a_bake_starts_another_one(story):
    story.promoted(0, 1).promoted(10, 2, bake=28).promoted(20, 3, bake=28)
    assert find_bake(story.entries, day(21)) == BakeWindow(3, 2, day(20), day(48))
    assert [cast[-1] for cast in story.cast(0, 60)] == [None, 1, 2, None]


@pytest.mark.parametrize("evidence", [{}, {"bake_until": None}])
def test_a_promotion_without_a_bake_end_does_not_bake(story, evidence):
    story.promoted(0, 1).tell("promoted", 10, 2, **evidence)
    assert find_bake(story.entries, day(11)) is None


def test_the_first_champion_and_the_same_version_again_do_not_bake(story):
    story.promoted(0, 1, bake=28)
    assert find_bake(story.entries, day(1)) is None
    story.promoted(5, 1, bake=28)
    assert find_bake(story.entries, day(6)) is None


def test_what_is_decided_later_changes_no_span_before_it(story):
    story.promoted(0, 1).started(1, 2, 1, CANARY)
    before = story.cast(0, 8)
    story.grown(8).promoted(15, 2, bake=28).tell("rolled_back", 20, 1, loser=2)
    assert story.cast(0, 8) == before


def test_nobody_answers_before_the_first_champion(story):
    assert list_routes([], day(0), day(9)) == []
    story.promoted(3, 1)
    assert story.cast(0, 2) == []
    assert story.cast(0, 9) == [(3, 9, 1, None, 0.0, None)]


MOVES = st.sampled_from(["promoted", "started", "grown", "refused", "rolled_back", "deferred"])


@given(st.lists(st.tuples(MOVES, st.integers(0, 9)), max_size=12), st.floats(0, 60))
def test_casts_cover_the_reign_without_overlap_and_without_idle_turns(moves, length):
    """Whatever happens, also at the same moment: every span has the champion and one cast."""
    story, at = Story(), 0
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
    start, end = day(-1), day(-1 + length)
    found = list_routes(story.entries, start, end)
    crowned = [e.at for e in story.entries if e.what in ("promoted", "rolled_back")]
    reigned = end - min(max(crowned[0], start), end) if crowned else timedelta(0)
    assert sum((c.end - c.start for c in found), timedelta(0)) == reigned
    for one, other in pairwise(found):
        assert one.end == other.start
        assert replace(one, start=other.start, end=other.end) != other
    assert all(c.champion not in (c.challenger, c.previous) for c in found)
