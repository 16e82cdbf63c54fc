"""Projections of the ledger: champion, open episodes, requests without an answer."""

from dataclasses import replace
from datetime import timedelta

import pytest

from configs.errors import NoChampion
from tasks.ledger.projections import (
    find_champion,
    list_open_episodes,
    list_unanswered,
    list_unanswered_alerts,
    list_undecided_candidates,
    list_usable_versions,
    require_champion,
)
from tasks.ledger.retrain_cooldown import list_retrains_in_cooldown
from tests.support.ledger_entries import START, entry, numbered


def test_the_champion_follows_the_promotions():
    entries = [
        entry("promoted", "decision:1", 1, day=0),
        entry("refused", "decision:2", 2, day=3),
        entry("promoted", "decision:3", 3, day=5),
    ]
    assert find_champion(entries).version == 3
    assert find_champion(entries, START + timedelta(days=4)).version == 1
    with pytest.raises(NoChampion, match="run train first"):
        require_champion(entries, "m", START - timedelta(days=1))


def test_a_rollback_makes_who_reigned_before_champion_again():
    entries = [
        entry("promoted", "decision:1", 1, day=0),
        entry("promoted", "decision:2", 2, day=3),
        entry("rolled_back", "rollback:2", 1, day=5),
    ]
    assert find_champion(entries).version == 1
    assert find_champion(entries, START + timedelta(days=4)).version == 2


@pytest.mark.parametrize(
    "answer", ["deferred", "approval_asked", "rollout_started", "promoted", "refused"]
)
def test_a_candidate_asks_until_something_is_done_about_it(answer):
    asking = entry("candidate_registered", "candidate:a", 2)
    other = entry("promoted", "decision:1", 1)
    assert [e.key for e in list_unanswered(numbered(asking, other))] == ["candidate:a"]
    assert list_unanswered(numbered(asking, entry(answer, "answer", 2))) == []


def test_list_unanswered_counts_one_decision_for_two_alerts():
    twice = [entry("candidate_registered", f"candidate:{origin}", 2) for origin in "ab"]
    done = entry("refused", "decision:2", 2)
    assert list_unanswered(numbered(twice[0], done, twice[1])) == []


@pytest.mark.parametrize("asking", ["step_asked", "approved", "rejected"])
def test_a_step_is_answered_by_what_comes_after_it_only(asking):
    before = entry("rollout_started", "rollout:2", 2)
    asked = entry(asking, "asked", 2)
    assert [e.key for e in list_unanswered(numbered(before, asked))] == ["asked"]
    assert list_unanswered(numbered(before, asked, entry("rollout_grown", "rollout:2:1", 2))) == []


def test_a_rollback_is_answered_by_the_one_of_the_same_promotion():
    asked = entry("rollback_asked", "undo:7", 2)
    other = entry("rolled_back", "rollback:3", 1)
    assert [e.key for e in list_unanswered(numbered(asked, other))] == ["undo:7"]
    assert list_unanswered(numbered(asked, entry("rolled_back", "rollback:7", 1))) == []


def test_what_is_open_unanswered_and_undecided():
    entries = [
        entry("episode_opened", "episode:a"),
        entry("episode_opened", "episode:b"),
        entry("episode_closed", "closed:episode:a"),
        entry("alert_raised", "alert:b"),
        entry("alert_raised", "alert:c"),
        entry("candidate_registered", "candidate:alert:b", 4),
        entry("candidate_registered", "candidate:train:x", 5),
        entry("refused", "decision:4", 4),
    ]
    assert [e.key for e in list_open_episodes(entries)] == ["episode:b"]
    assert [e.key for e in list_unanswered_alerts(entries)] == ["alert:c"]
    assert [e.version for e in list_undecided_candidates(entries)] == [5]


def test_a_cooldown_covers_its_start_and_not_its_end():
    entries = [
        entry("retrain_started", "retrain:a", day=0),
        entry("retrain_started", "retrain:b", day=5),
        entry("promoted", "decision:1", 1, day=5),
    ]

    def covering(day: int) -> list[str]:
        at, cooldown = START + timedelta(days=day), timedelta(days=7)
        return [e.key for e in list_retrains_in_cooldown(entries, at, cooldown)]

    assert covering(-1) == []
    assert covering(0) == ["retrain:a"]
    assert covering(5) == ["retrain:a", "retrain:b"]
    assert covering(7) == ["retrain:b"]
    assert covering(12) == []


def test_list_usable_versions_leaves_out_what_was_given_up():
    promoted = [entry("promoted", f"decision:{v}", v, day=v) for v in (1, 2, 4)]
    refused = entry("refused", "decision:3", 3, day=3)
    recovered = replace(
        entry("recovered", "recovered:4", 2, day=5),
        evidence={"lost": 4, "undone": ["decision:4"]},
    )
    entries = [*promoted, refused, recovered]
    assert list_usable_versions(entries) == [1, 2]
    assert find_champion(entries).version == 2
    again = entry("promoted", "hand:4", 4, day=6)
    assert list_usable_versions([*entries, again]) == [1, 2, 4]
    nothing = replace(recovered, version=None)
    assert find_champion([*promoted, nothing]) is None
