"""Results of the product against the recorded ones in tests/baseline/recorded.

`python -m tests.baseline record tests/baseline/recorded --long` records them anew.
"""

from pathlib import Path

import pytest

from configs.settings import ROOT
from tests.baseline.compare import differences
from tests.baseline.record import (
    play_week,
    record_deployments,
    record_replays,
    record_week,
    small_flights,
)
from tests.support.state import state

RECORDED = ROOT / "tests" / "baseline" / "recorded"
TOLERANCE = 1e-6  # relative: other processors round otherwise


def assert_as_recorded(made: Path, *names: str) -> None:
    assert {name for name in names if (made / name).exists()} == set(names)
    assert differences(RECORDED, made, TOLERANCE) == []


def test_deployments_are_as_recorded(tmp_path: Path) -> None:
    record_deployments(tmp_path)
    assert_as_recorded(tmp_path, "prefect.yaml")


@pytest.mark.server
def test_week_of_flows_leaves_what_was_recorded(api: None, tmp_path: Path) -> None:
    week, made = tmp_path / "week", tmp_path / "made"
    small_flights(week)
    with state(week, {"MAINSPRING_USE_CASES": str(week)}):
        play_week(week)
    record_week(week, made)
    assert_as_recorded(made, "week.json", "week_ledger.json")


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_replays_leave_what_was_recorded(tmp_path: Path) -> None:
    made = tmp_path / "made"
    record_replays(made, tmp_path / "work")
    assert_as_recorded(made, "flights_numbers.json", "visits_numbers.json")
