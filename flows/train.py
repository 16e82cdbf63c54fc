"""Train flow: train and register a candidate, and request its decision.

training set ► split by time ► fit each ► best on validation ► ONNX ► measure ► register
"""

from __future__ import annotations

from datetime import datetime

from prefect import flow

from configs.clock import utc_or_now
from configs.schema.loading import load_use_case
from tasks.orchestration.run_logs import RunName
from tasks.training.pipeline import train_model
from tasks.training.prefect_tasks import (
    PREFECT_STEPS,
    find_version,
    record_candidate,
    register_candidate,
    request_decision,
)


@flow(name="train", flow_run_name=RunName("train-{use_case}"))
def train(use_case: str, as_of: datetime | None = None) -> int:
    """Train on [as_of - retrain.window, as_of); return the version, registered once a day."""
    at = utc_or_now(as_of)
    return make_candidate(use_case, at, origin=f"train:{at:%Y-%m-%d}")


def make_candidate(use_case: str, as_of: datetime, origin: str) -> int:
    """Train, register and record one candidate, and request its decision; return its version.

    Train and retrain share this sequence. Run again for the same origin, it ends with the same
    version, also after a kill.

    Args:
        use_case: name of the use case.
        as_of: end of the training window.
        origin: what asked for the candidate; it is registered once per origin.
    """
    case = load_use_case(use_case)
    version = find_version(case, origin)
    if version is None:
        version = register_candidate(train_model(case, as_of, PREFECT_STEPS), origin)
    request_decision(record_candidate(case, version, origin, as_of))
    return version
