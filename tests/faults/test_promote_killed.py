"""Promotion, killed with SIGKILL before and after each of its effects, and run again."""

import signal
from pathlib import Path

import pytest

from configs.schema.promotion import Direct
from tasks.ledger.log import Entry, open_ledger
from tasks.ledger.projections import list_unanswered
from tasks.lifecycle.champion_alias import sync_champion_alias
from tests.support.candidates import (
    NAME,
    day,
    record,
    record_registered,
    rollout_use_case,
    says,
    step,
)
from tests.support.processes import (
    copy_state,
    fault_points,
    read_state,
    register_empty_versions,
    run_job,
)

STEPS = {
    "direct": rollout_use_case(Direct()),
    "canary": rollout_use_case(),
    "manual": rollout_use_case(Direct(), approval="manual"),
}


def register_challenger() -> None:
    """Version 1 is champion, and 2 asks to be."""
    register_empty_versions(1, 2)
    record(open_ledger(), "promoted", "decision:1", day(0), 1)
    record_registered(open_ledger(), 2, day(1))
    sync_champion_alias(open_ledger(), NAME)


def direct() -> None:
    """What the promote flow does, in its order."""
    step(open_ledger(), STEPS["direct"], 2, gate=says("pass"))
    sync_champion_alias(open_ledger(), NAME)


def run_canary() -> None:
    """Three runs of the flow: into the canary, its next stage, and the throne."""
    for at in (1, 8, 15):
        step(open_ledger(), STEPS["canary"], 2, day(at), gate=says("pass"), look=says("pass"))
    sync_champion_alias(open_ledger(), NAME)


def manual() -> None:
    """The ask, the answer, and the step after it."""
    from configs.clock import utc_or_now
    from tasks.promotion.approval import ApprovalAnswer, record_approval

    step(open_ledger(), STEPS["manual"], 2, gate=says("pass"))
    yes = ApprovalAnswer(approve=True, by="ada", why="looks right")
    record_approval(open_ledger(), NAME, 2, yes, utc_or_now())
    step(open_ledger(), STEPS["manual"], 2, gate=says("pass"))
    sync_champion_alias(open_ledger(), NAME)


def by_hand_of_what_cannot_be_opened() -> None:
    from tasks.promotion.manual_promotion import promote_manually

    promote_manually(open_ledger(), STEPS["direct"], 2, day(3), "ada", "trust me")


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("template")
    assert run_job(register_challenger, folder) == 0
    return folder


@pytest.fixture(autouse=True)
def _own_state(home: Path) -> None:
    """Settings are this test's own, and are forgotten after it."""


def entry_keys(entries: list[Entry]) -> list[tuple[str, str]]:
    return [(e.what, e.key) for e in entries]


@pytest.mark.parametrize(
    ("job", "effects"),
    [
        (direct, ("record the step", "set the alias")),
        (run_canary, ("record the step",)),
        (manual, ("record the answer",)),
    ],
)
def test_promotion_killed_anywhere_and_rerun_is_complete(
    state: Path, tmp_path: Path, job, effects
) -> None:
    whole = copy_state(state, tmp_path / "whole")
    assert run_job(job, whole) == 0
    wanted = entry_keys(read_state(whole)[0])
    for number, point in enumerate(fault_points(*effects)):
        broken = copy_state(state, tmp_path / str(number))
        assert run_job(job, broken, point) == -signal.SIGKILL, point
        run_job(job, broken, point)  # an effect that is done lets it come as far as its next time
        assert run_job(job, broken, times=2) == 0
        entries, reigning, alias = read_state(broken)
        assert entry_keys(entries) == wanted, point
        assert reigning == alias == 2, point
        assert list_unanswered(entries) == []


def test_a_version_without_a_file_is_not_passed_by_hand(state: Path, tmp_path: Path) -> None:
    broken = copy_state(state, tmp_path / "broken")
    before = read_state(broken)
    assert run_job(by_hand_of_what_cannot_be_opened, broken) == 1
    assert read_state(broken) == before
