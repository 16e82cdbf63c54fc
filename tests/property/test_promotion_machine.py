"""Whatever is done, in whatever order, by whomever at once, and wherever it dies: one champion."""

from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from configs.errors import Conflict, Terminal
from configs.schema.promotion import Direct
from infra import fault_injection
from tasks.ledger.evidence import RolledBack
from tasks.ledger.log import Entry, open_ledger
from tasks.ledger.projections import find_champion, list_standing_promotions, list_unanswered
from tasks.lifecycle.champion_alias import sync_champion_alias
from tasks.models.mlflow.client import connect_mlflow
from tasks.models.registry import read_alias
from tasks.promotion.record_step import advance_candidate
from tasks.promotion.rollback import roll_back, roll_back_by_hand
from tasks.promotion.stage_review import review_stage
from tasks.rollout.state import find_rollout
from tests.support.candidates import day, rollout_use_case, says
from tests.support.processes import fault_points

pytestmark = pytest.mark.system

NUMBERS = count()
DIRECT, CANARY, MANUAL = (
    rollout_use_case(Direct()),
    rollout_use_case(),
    rollout_use_case(Direct(), approval="manual"),
)
VERDICTS = st.sampled_from(["pass", "pass", "fail", "wait"])
DEATHS = st.sampled_from(
    ["", "", *fault_points("record the step", "record the rollback", "set the alias")]
)


class Death(Exception):
    """Stands for a SIGKILL."""


class Takeover(RuleBasedStateMachine):
    """One model's ledger and registry, and all that may happen to them."""

    @initialize(case=st.sampled_from([DIRECT, CANARY, CANARY, MANUAL]))
    def a_champion_and_three_candidates(self, case):
        self.name = f"machine_{next(NUMBERS)}"
        self.case = case.model_copy(update={"name": self.name})
        self.book, self.versions, self.days, self.death = open_ledger(), 0, 0, ""
        fault_injection._pass_point = self.die
        connect_mlflow().create_registered_model(self.name)
        for _ in range(4):
            self.register()
        self.record("promoted", "decision:1", 1, champion_version=None)

    def die(self, point):
        if point == self.death:
            self.death = ""
            raise Death(point)

    def attempt(self, job, death=""):
        """Do a job, which may die, find that others were faster, or have nothing to do."""
        self.death = death
        try:
            job()
            sync_champion_alias(self.book, self.name)
        except (Death, Conflict, Terminal):
            pass
        finally:
            self.death = ""

    def entries(self):
        return self.book.entries(self.name)

    def record(self, what, key, version, **evidence):
        entry = Entry(self.name, what, key, day(self.days), "test", version, evidence)
        self.book.record(entry)

    def carried(self, version, verdict, meanwhile=lambda: None):
        """A promote run, and what others do while it looks at the evidence."""

        def gate(*_):
            meanwhile()
            return says(verdict)()

        def look(case, ledger, at):
            meanwhile()
            gone = ledger.champion_version != find_rollout(ledger.entries).champion
            return review_stage(case, ledger, at) if gone else says(verdict)()

        advance_candidate(self.book, self.case, version, day(self.days), "promote", gate, look)

    @precondition(lambda self: self.versions < 7)
    @rule()
    def one_more_candidate(self):
        self.register()

    def register(self):
        self.versions += 1
        connect_mlflow().create_model_version(self.name, "nowhere")
        key, said = f"candidate:{self.versions}", {"digest": str(self.versions)}
        self.record("candidate_registered", key, self.versions, **said)

    @rule(days=st.integers(1, 12))
    def time_passes(self, days):
        self.days += days

    @rule(data=st.data(), verdict=VERDICTS, death=DEATHS)
    def promote(self, data, verdict, death):
        version = data.draw(st.integers(1, self.versions))
        self.attempt(lambda: self.carried(version, verdict), death)

    @rule(data=st.data(), verdict=VERDICTS)
    def two_promote_at_once(self, data, verdict):
        two = data.draw(st.permutations(range(1, self.versions + 1)))[:2]
        other = lambda: self.attempt(lambda: self.carried(two[1], verdict))  # noqa: E731
        self.attempt(lambda: self.carried(two[0], verdict, other))

    @rule(data=st.data(), yes=st.booleans())
    def answer(self, data, yes):
        version = data.draw(st.integers(1, self.versions))
        if any(e.key == f"approval_asked:{version}" for e in self.entries()):
            what = "approved" if yes else "rejected"
            self.record(what, f"approval:{version}", version, reason="-")

    @rule(death=DEATHS, late=st.booleans())
    def roll_back(self, death, late):
        """What the monitor asked for; it may come when another version is champion already."""
        reigning = list_standing_promotions(self.entries())[-1]
        if len(list_standing_promotions(self.entries())) > 1:
            key = f"undo:{reigning.seq}"
            self.record("rollback_asked", key, reigning.version, promotion=reigning.key)
        if late:
            self.attempt(lambda: self.carried(self.versions, "pass"))
        why, key = RolledBack(reason="worse"), reigning.key
        undo = lambda: roll_back(self.book, self.name, key, day(self.days), "r", why)  # noqa: E731
        self.attempt(undo, death)
        self.attempt(undo)

    @rule(death=DEATHS, further=st.booleans())
    def roll_back_by_hand(self, death, further):
        at = day(self.days)
        self.attempt(
            lambda: roll_back_by_hand(self.book, self.name, at, "ada", "-", further=further), death
        )

    @invariant()
    def each_promotion_is_over_who_reigned_and_each_rollback_of_who_reigns(self):
        reigning, undone, at = [], set(), day(0)
        for entry in self.entries():
            if entry.what == "promoted":
                assert entry.evidence["champion_version"] == (reigning or [None])[-1]
                assert entry.version not in undone
                reigning.append(entry.version)
            elif entry.what == "rolled_back":
                undone.add(reigning.pop())
                assert entry.evidence["loser"] in undone
                assert entry.version == reigning[-1]
            if entry.what in ("promoted", "rolled_back"):
                assert entry.at >= at
                at = entry.at
        now = find_champion(self.entries())
        assert [e.version for e in list_standing_promotions(self.entries())] == reigning
        assert (None if now is None else now.version) == (reigning or [None])[-1]

    @invariant()
    def one_rolls_out_at_a_time_stage_by_stage_and_all_are_decided_once(self):
        open_, stages, decided = set(), {}, []
        for entry in self.entries():
            if entry.what == "rollout_started":
                assert not open_
                open_.add(entry.version)
                stages[entry.version] = 0
            elif entry.what == "rollout_grown":
                assert entry.evidence["stage"] == stages[entry.version] + 1
                stages[entry.version] += 1
            elif entry.what in ("promoted", "refused"):
                open_.discard(entry.version)
                decided.append(entry.version)
        assert len(decided) == len(set(decided))

    @rule()
    def reconcile(self):
        """Whatever died on the way, the alias follows, and what was asked for is done."""
        sync_champion_alias(self.book, self.name)
        reigning = find_champion(self.entries())
        assert read_alias(self.name) == (None if reigning is None else reigning.version)
        for asked in list_unanswered(self.entries()):
            assert asked.what != "rollback_asked", "its run has come already"

    def teardown(self):
        fault_injection._pass_point = POINT
        self.reconcile()


POINT = fault_injection._pass_point


@pytest.mark.filterwarnings("ignore")
def test_there_is_one_champion_whatever_happens(home: Path):
    run_state_machine_as_test(
        Takeover,
        settings=settings(
            max_examples=25,
            stateful_step_count=25,
            suppress_health_check=list(HealthCheck),
        ),
    )
