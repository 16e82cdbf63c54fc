"""Which steps a replay takes, in which order, and what it refuses to begin."""

from datetime import timedelta
from pathlib import Path

import pytest

from configs.errors import BadConfig, NoRows
from configs.schema.retraining_policy import load_policy
from tasks.replay.plan import (
    PolicyJob,
    ReplayPlan,
    ReplayStep,
    list_steps,
    plan_policy,
    plan_replay,
    window_ends,
)
from tests.support.feature_tables import APRIL, DAY, FLIGHTS, WEEK, build_features_until


def did(found: tuple[ReplayStep, ...], day: int) -> list[str]:
    return [step.do for step in found if APRIL + day * DAY <= step.at < APRIL + (day + 1) * DAY]


def test_list_steps_scores_days_and_monitors_weeks() -> None:
    found = list_steps(FLIGHTS, APRIL, APRIL + 2 * WEEK, [])
    assert did(found, 0) == ["train", "answer"]
    assert did(found, 1) == ["score"]
    assert did(found, 7) == ["score", "monitor", "answer"]
    assert [step.do for step in found].count("score") == 14
    assert [step.at for step in found] == sorted(step.at for step in found)


def test_trainings_of_a_schedule_come_in_between() -> None:
    found = list_steps(FLIGHTS, APRIL, APRIL + WEEK, [APRIL + 3 * DAY + timedelta(hours=5)])
    assert did(found, 3) == ["score", "train", "answer"]


def test_the_rest_of_a_period_is_scored_too() -> None:
    end = APRIL + 3 * DAY + timedelta(hours=6)
    found = [step.at for step in list_steps(FLIGHTS, APRIL, end, []) if step.do == "score"]
    assert found == [APRIL + DAY, APRIL + 2 * DAY, APRIL + 3 * DAY, end]


def test_windows_follow_each_other_from_the_start() -> None:
    assert window_ends(APRIL, APRIL + 15 * DAY, WEEK) == [APRIL + WEEK, APRIL + 2 * WEEK]


def test_plan_replay_ends_with_the_features(home: Path) -> None:
    build_features_until(APRIL + WEEK)
    first = plan_replay(home / "r", FLIGHTS, APRIL, APRIL + 2 * WEEK)
    assert (first.end, first.asked) == (APRIL + WEEK, APRIL + 2 * WEEK)
    assert first.pinned["features/weather"] == first.pinned["raw/weather"] == 0
    assert first.pinned_lake == str(home / "lake")
    assert not (home / "r").exists()
    first.keep(home / "r")
    build_features_until(APRIL + 2 * WEEK)
    assert (
        plan_replay(home / "r", FLIGHTS, APRIL, APRIL + 2 * WEEK)
        == first
        == ReplayPlan.read(home / "r")
    )


def test_another_yaml_is_another_replay(home: Path) -> None:
    build_features_until(APRIL + WEEK)
    plan_replay(home / "r", FLIGHTS, APRIL, APRIL + WEEK).keep(home / "r")
    other = FLIGHTS.model_copy(update={"seed": 7})
    with pytest.raises(BadConfig, match=r"another flights\.yaml or lake.*--again"):
        plan_replay(home / "r", other, APRIL, APRIL + WEEK)


def test_nothing_to_read_is_told(home: Path) -> None:
    with pytest.raises(NoRows, match="run ingest first"):
        plan_replay(home / "r", FLIGHTS, APRIL, APRIL + WEEK)
    build_features_until(APRIL)
    with pytest.raises(NoRows, match="nothing to replay from 2013-04-01 to 2013-04-01"):
        plan_replay(home / "r", FLIGHTS, APRIL, APRIL + WEEK)


def test_a_job_is_read_as_it_was_written(home: Path) -> None:
    build_features_until(APRIL + WEEK)
    plan = plan_replay(home / "r", FLIGHTS, APRIL, APRIL + WEEK)
    job = plan_policy(plan, load_policy("monthly"), home / "r")
    job.keep(home / "p")
    assert PolicyJob.read(home / "p") == job
    assert job.trained == home / "r" / "trained"


def test_a_process_sees_the_lake_pinned_and_nothing_else(home: Path, monkeypatch) -> None:
    build_features_until(APRIL + WEEK)
    plan = plan_replay(home / "r", FLIGHTS, APRIL, APRIL + WEEK)
    monkeypatch.setenv("MAINSPRING_LEDGER_URL", "postgresql://production")
    found = plan.environment(home / "r", home / "s")
    own = {name for name in found if name.startswith("MAINSPRING_")}
    assert own == {f"MAINSPRING_{n}" for n in ("STATE", "PINNED_LAKE", "PINNED", "JOINED")}
    assert found["MAINSPRING_STATE"] == str(home / "s")
    assert '"flights/raw/weather": 0' in found["MAINSPRING_PINNED"]
    assert found["OMP_NUM_THREADS"] == "1"
