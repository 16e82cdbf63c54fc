"""What the next step of a candidate is, and that of two at once one is taken."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from configs.errors import Conflict, Terminal
from configs.schema.promotion import Direct
from tasks.ledger.projections import find_champion, list_unanswered
from tasks.promotion.stage_review import review_stage
from tests.support.candidates import (
    NAME,
    day,
    never,
    record,
    record_registered,
    rollout_use_case,
    says,
    step,
)

DIRECT = rollout_use_case(Direct())


@pytest.fixture
def reigning(book):
    """A champion of version 1 and a candidate of version 2."""
    record(book, "promoted", "decision:1", day(0), 1)
    record_registered(book, 2, day(1))
    return book


def test_advance_candidate_promotes_the_first_at_once(book):
    record_registered(book, 1)
    entry = step(book, rollout_use_case(), 1, gate=says("pass", "better"))
    assert (entry.what, entry.key, entry.at) == ("promoted", "decision:1", day(0))
    assert entry.evidence["reason"] == "better"
    assert entry.evidence["champion_version"] is entry.evidence["bake_until"] is None


def test_where_it_is_direct_the_gate_is_the_only_step(reigning):
    entry = step(reigning, DIRECT, 2, gate=says("pass"))
    assert (entry.what, find_champion(reigning.entries(NAME)).version) == ("promoted", 2)
    assert entry.evidence["champion_version"] == 1
    assert entry.evidence["bake_until"] == day(29).isoformat()
    assert [line["verdict"] for line in entry.evidence["gates"]] == ["pass"]


def test_without_a_bake_window_nothing_bakes(reigning):
    case = rollout_use_case(Direct(), window=timedelta(0))
    assert step(reigning, case, 2, gate=says("pass")).evidence["bake_until"] is None


def test_a_canary_goes_stage_by_stage_and_then_is_champion(reigning):
    steps = [step(reigning, rollout_use_case(), 2, gate=says("pass"))]
    steps += [step(reigning, rollout_use_case(), 2, day(8 * n), look=says("pass")) for n in (1, 2)]
    assert [e.what for e in steps] == ["rollout_started", "rollout_grown", "promoted"]
    assert [e.evidence.get("share") for e in steps] == [0.1, 0.5, None]
    assert steps[-1].evidence["bake_until"] == day(16 + 28).isoformat()
    assert step(reigning, rollout_use_case(), 2, day(30)) == steps[-1], "decided is decided"


def test_a_stage_that_shows_a_loss_ends_the_roll_out(reigning):
    step(reigning, rollout_use_case(), 2, gate=says("pass"))
    entry = step(reigning, rollout_use_case(), 2, day(8), look=says("fail", "worse"))
    assert (entry.what, entry.evidence["stage"], entry.evidence["reason"]) == (
        "refused", 0, "worse",
    )  # fmt: skip
    assert find_champion(reigning.entries(NAME)).version == 1


def test_advance_candidate_handles_an_early_step(reigning):
    step(reigning, rollout_use_case(), 2, gate=says("pass"))
    record(reigning, "step_asked", "step:2:x", day(8), 2)
    assert [e.what for e in list_unanswered(reigning.entries(NAME))] == ["step_asked"]
    assert step(reigning, rollout_use_case(), 2, look=says("wait")).what == "deferred"
    assert list_unanswered(reigning.entries(NAME)) == []


def test_advance_candidate_ends_a_rollout_of_a_former_champion(reigning):
    step(reigning, rollout_use_case(), 2, gate=says("pass"))
    record(reigning, "promoted", "hand:7", day(4), 7)
    entry = step(reigning, rollout_use_case(), 2, day(8), look=review_stage)
    assert (entry.what, entry.evidence["stage"]) == ("refused", 0)
    assert "champion changed" in entry.evidence["reason"]


def test_one_rolls_out_at_a_time(reigning):
    record_registered(reigning, 3, day(1))
    step(reigning, rollout_use_case(), 2, gate=says("pass"))
    entry = step(reigning, rollout_use_case(), 3, gate=never)
    assert (entry.what, entry.key) == ("deferred", "deferred:3:2013-04-02")
    assert entry.evidence["reason"] == "version 2 is in a rollout; one at a time"


@pytest.mark.parametrize(("waited", "what"), [(29, "deferred"), (30, "refused")])
def test_the_gate_waits_no_longer_than_its_patience(reigning, waited, what):
    entry = step(reigning, DIRECT, 2, day(1 + waited), gate=says("wait", "too few rows"))
    assert entry.what == what
    assert "too few rows" in entry.evidence["reason"]


def test_refused_is_for_good(reigning):
    entry = step(reigning, DIRECT, 2, gate=says("fail", "no better"))
    assert (entry.what, entry.key, entry.evidence["stage"]) == ("refused", "decision:2", None)
    assert step(reigning, DIRECT, 2, day(9), gate=says("pass")) == entry


def test_a_decision_is_never_before_the_last_change_of_champion(reigning):
    record(reigning, "promoted", "decision:7", day(5), 7)
    assert step(reigning, DIRECT, 2, day(2), gate=says("pass")).at == day(5)


def test_advance_candidate_refuses_an_unknown_version(book):
    with pytest.raises(Terminal, match="no candidate of version 9: `mainspring run train"):
        step(book, DIRECT, 9)


def test_of_two_candidates_at_once_one_must_look_again(reigning):
    """The second gate looks at the champion of before, while the first one is promoted."""
    record_registered(reigning, 3, day(1))

    def slow(it):
        step(reigning, DIRECT, 3, gate=says("pass"))
        return says("pass")(it)

    with pytest.raises(Conflict, match="promoted expected seq 3, found 4"):
        step(reigning, DIRECT, 2, gate=slow)
    assert find_champion(reigning.entries(NAME)).version == 3


def test_of_many_promoters_of_one_version_all_find_one_promotion(reigning):
    def promote(_):
        try:
            return step(reigning, DIRECT, 2, gate=says("pass"))
        except Conflict:
            return None

    with ThreadPoolExecutor(6) as pool:
        found = [entry for entry in pool.map(promote, range(12)) if entry is not None]
    assert len({entry.seq for entry in found}) == 1
    assert len([e for e in reigning.entries(NAME) if e.key == "decision:2"]) == 1


class TestApproval:
    """`approval: manual`: the gate asks a person, and the answer decides."""

    case = rollout_use_case(Direct(), approval="manual")

    @pytest.fixture
    def asked(self, reigning):
        entry = step(reigning, self.case, 2, gate=says("pass", "better"))
        assert (entry.what, entry.key) == ("approval_asked", "approval_asked:2")
        assert entry.evidence["reason"] == "better"
        return reigning

    def test_nothing_happens_until_somebody_answers(self, asked):
        assert step(asked, self.case, 2, gate=never).what == "approval_asked"
        assert list_unanswered(asked.entries(NAME)) == []

    def test_yes_lets_it_in_on_the_gates_of_the_ask_from_then_on(self, asked):
        record(asked, "approved", "approval:2", day(3), 2, reason="looks right")
        entry = step(asked, self.case, 2, day(1), gate=never)
        assert (entry.what, entry.at, entry.evidence["reason"]) == ("promoted", day(3), "better")
        assert entry.evidence["gates"]

    def test_yes_begins_the_roll_out_where_there_is_one(self, asked):
        record(asked, "approved", "approval:2", day(3), 2, reason="looks right")
        assert step(asked, rollout_use_case(approval="manual"), 2).what == "rollout_started"

    def test_no_refuses(self, asked):
        record(asked, "rejected", "approval:2", day(3), 2, reason="not before the holidays")
        entry = step(asked, self.case, 2, gate=never)
        assert entry.what == "refused"
        assert entry.evidence["reason"] == "rejected by test: not before the holidays"

    @pytest.mark.parametrize(("verdict", "what"), [("pass", "promoted"), ("fail", "refused")])
    def test_advance_candidate_judges_a_stale_approval_again(self, asked, verdict, what):
        record(asked, "promoted", "hand:7", day(2), 7)
        record(asked, "approved", "approval:2", day(3), 2, reason="looks right")
        assert step(asked, self.case, 2, gate=says(verdict)).what == what

    def test_who_is_never_answered_is_refused_at_last(self, asked):
        assert step(asked, self.case, 2, day(30), gate=never).what == "approval_asked"
        entry = step(asked, self.case, 2, day(31), gate=never)
        assert (entry.what, entry.evidence["reason"]) == (
            "refused", "not approved within 30d",
        )  # fmt: skip
