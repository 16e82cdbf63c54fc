"""Real flights in the lake, version 1 as champion and version 2, of the same file, in a canary."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from configs.schema.loading import load_use_case
from configs.schema.promotion import Canary
from configs.schema.training import Split
from configs.schema.use_case import UseCase
from tasks.rollout.state import plan_rollout
from tests.support.model_versions import record_event, register_candidate_versions, trained_on

AS_OF = datetime(2013, 1, 22, tzinfo=UTC)
DAY = timedelta(days=1)


def canary_use_case() -> UseCase:
    """Flights with score windows of four hours, and a third of them for version 2."""
    case = load_use_case("flights")
    shares = Canary(shares=(0.3,), unit=("carrier", "flight", "origin"))
    split = Split(validation=4 * DAY, holdout=4 * DAY, min_rows=1000)
    often = case.schedules.model_copy(update={"score_window": DAY / 6})
    return case.model_copy(update={"split": split, "rollout": shares, "schedules": often})


def prepare_canary(case: UseCase) -> None:
    """Fill the settings' lake up to two days after AS_OF, and register and promote."""
    parts = trained_on(case, AS_OF, AS_OF + 2 * DAY, 23 * DAY, 14 * DAY)
    register_candidate_versions(case, "logistic", parts, [1, 2])
    record_event("promoted", AS_OF - DAY, 1)
    record_event("rollout_started", AS_OF - DAY / 2, 2, **plan_rollout(case, 1).to_json())
