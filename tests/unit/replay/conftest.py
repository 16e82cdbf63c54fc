"""Fixtures of finished replays."""

from datetime import timedelta
from pathlib import Path

import pytest

from configs.schema.retraining_policy import RetrainingPolicy, apply_policy
from tasks.replay.plan import PolicyJob, ReplayPlan
from tasks.replay.run import Replay
from tasks.replay.shared_training import LABELS_FILE
from tests.support.finished_replay import CASE, SHARPNESS, START, finish_policy
from tests.support.flights import END, january


@pytest.fixture
def finished_replay(home: Path) -> Replay:
    """Four finished policies on real flights: two give the same answers, one never answers."""
    plan = ReplayPlan(
        use_case=CASE, start=START, end=END, asked=END + timedelta(days=9), known_until=END,
        pinned_lake="", pinned={},
    )  # fmt: skip
    folder = home / "replay"
    jobs = {}
    for name in SHARPNESS:
        policy = RetrainingPolicy(name=name, title=f"The {name} one")
        jobs[name] = PolicyJob(
            policy=policy, use_case=apply_policy(policy, CASE), steps=(), trained=folder
        )
    found = Replay(folder, plan, jobs)
    folder.mkdir()
    january().select(*CASE.spine.key, "prediction_time", "late").write_parquet(folder / LABELS_FILE)
    for name, sharpness in SHARPNESS.items():
        finish_policy(found, name, sharpness)
    return found
