"""Rollback, asked for or by hand, killed before and after each of its effects, and run again."""

import signal
from pathlib import Path

import pytest

from tasks.ledger.evidence import RolledBack
from tasks.ledger.log import open_ledger
from tasks.ledger.projections import list_unanswered
from tasks.lifecycle.champion_alias import sync_champion_alias
from tasks.promotion.rollback import roll_back, roll_back_by_hand
from tests.support.candidates import NAME, day, record
from tests.support.processes import (
    copy_state,
    fault_points,
    read_state,
    register_empty_versions,
    run_job,
)


def promote_three_versions() -> None:
    """Version 3 is champion after 2 and 1, and shown to be worse than 2."""
    register_empty_versions(1, 2, 3)
    for version in (1, 2, 3):
        record(open_ledger(), "promoted", f"decision:{version}", day(version), version)
    record(open_ledger(), "rollback_asked", "undo:3", day(9), 3, promotion="decision:3")
    sync_champion_alias(open_ledger(), NAME)


def roll_back_requested() -> None:
    """What the rollback flow does, in its order."""
    roll_back(open_ledger(), NAME, "decision:3", day(9), "rollback 1", RolledBack(reason="worse"))
    sync_champion_alias(open_ledger(), NAME)


def roll_back_manually() -> None:
    """What the command does."""
    roll_back_by_hand(open_ledger(), NAME, day(9), "ada", "complaints")
    sync_champion_alias(open_ledger(), NAME)


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("template")
    assert run_job(promote_three_versions, folder) == 0
    return folder


@pytest.mark.parametrize("job", [roll_back_requested, roll_back_manually])
@pytest.mark.parametrize("point", fault_points("record the rollback", "set the alias"))
def test_killed_anywhere_and_run_again_there_is_one_rollback(
    state: Path, tmp_path: Path, home: Path, job, point: str
) -> None:
    broken = copy_state(state, tmp_path / "broken")
    assert run_job(job, broken, point) == -signal.SIGKILL
    assert read_state(broken)[1] == (3 if point == "before record the rollback" else 2)
    assert run_job(job, broken, times=2) == 0
    entries, reigning, alias = read_state(broken)
    assert reigning == alias == 2
    assert [e.key for e in entries if e.what == "rolled_back"] == ["rollback:3"]
    assert list_unanswered(entries) == []
