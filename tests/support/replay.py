"""Four weeks of real flights to replay, small models, and a policy under which all can happen."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from configs.schema.loading import load_use_case
from configs.schema.retraining_policy import RetrainingPolicy, apply_policy
from configs.schema.use_case import UseCase
from configs.settings import ROOT
from tasks.ingestion import feature_refresh
from tests.support import lake_rows
from tests.support.state import forget

START = datetime(2013, 1, 22, tzinfo=UTC)
END = START + timedelta(days=28)
POLICY = RetrainingPolicy.model_validate(
    {
        "name": "lively",
        "title": "Everything happens in four weeks",
        "schedule": "0 5 6 2 *",
        "alerts": ["performance"],
        "gate": {"rule": "non_inferiority", "margin": 0.2, "cost_margin": 1, "slice_margin": 0.5,
                 "calibration_margin": 1, "min_rows": 500},
        "rollout": {"kind": "canary", "shares": [0.4], "step": "7d", "unit": ["carrier", "flight"]},
        "retrain": {"cooldown": "7d"},
        "bake": {"window": "14d", "margin": 0.0, "cost_margin": 0.0, "slice_margin": 0.0},
    }
)  # fmt: skip


def write_replay_yaml(folder: Path) -> None:
    """The YAML of production is what the policy makes of the one that ships, made small."""
    flights = load_use_case("flights", ROOT / "configs").model_dump(mode="json", by_alias=True)
    flights["split"] = {"validation": "3d", "holdout": "5d", "min_rows": 500}
    del flights["candidates"]["boosting"]
    flights["schedules"]["score_window"] = "7d"
    flights["monitor"]["contract"] = {"max_null_rise": 0.5}
    flights["monitor"]["performance"] = [
        {"metric": "calibration_gap", "window": "7d", "worse_by": 0.02},
    ]
    as_policy = apply_policy(POLICY, UseCase.model_validate(flights))
    dumped = as_policy.model_dump(mode="json", by_alias=True)
    (folder / "flights.yaml").write_text(yaml.safe_dump(dumped))


@contextmanager
def production_until(folder: Path, end: datetime) -> Iterator[Path]:
    """A lake with the flights from a month before START to a moment, and nothing else yet."""
    write_replay_yaml(folder)
    with pytest.MonkeyPatch.context() as patch:
        use_state(patch, real(folder))
        case = load_use_case("flights")
        lake_rows.land_rows(case, START - timedelta(days=30), end)
        feature_refresh.refresh_features(case, end)
        yield folder
    forget()


def use_state(patch: pytest.MonkeyPatch, environment: dict[str, str]) -> None:
    for name in [name for name in os.environ if name.startswith("MAINSPRING_")]:
        patch.delenv(name)
    for name, value in environment.items():
        if name.startswith("MAINSPRING_"):
            patch.setenv(name, value)
    forget()


def real(folder: Path) -> dict[str, str]:
    return {"MAINSPRING_STATE": str(folder), "MAINSPRING_USE_CASES": str(folder)}
