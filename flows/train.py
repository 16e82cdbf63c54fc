"""Train flow: train and register a candidate, and request its decision.

training set ► split by time ► fit each ► best on validation ► ONNX ► measure ► register
"""

from __future__ import annotations

from datetime import datetime

from prefect import flow

from configs.clock import utc_or_now
from configs.schema.loading import load_use_case
from flows.frame import AsOf, FlowRunName, Name, tag_runs
from tasks.model_cards.prefect_tasks import publish_candidate, register_candidate
from tasks.orchestration.progress import publish_steps
from tasks.promotion.prefect_tasks import sync_champion_alias
from tasks.training.pipeline import train_model
from tasks.training.prefect_tasks import (
    PREFECT_STEPS,
    find_equal_version,
    find_version,
    record_candidate,
    request_decision,
)


@tag_runs
@flow(name="train", flow_run_name=FlowRunName("train {use_case} {moment}"))
def train(use_case: Name, as_of: AsOf = None) -> int:
    """Train on [as_of - retrain.window, as_of); return the version, registered once a day."""
    at = utc_or_now(as_of)
    return make_candidate(use_case, at, origin=f"train:{at:%Y-%m-%d}")


def make_candidate(use_case: str, as_of: datetime, origin: str) -> int:
    """Train, register and record one candidate, and request its decision; return its version.

    Train and retrain share this sequence. Run again for the same origin, it ends with the same
    version, also after a kill. A training that gives the same file from the same rows as an earlier
    one ends with the version of that one.

    Args:
        use_case: name of the use case.
        as_of: end of the training window.
        origin: what asked for the candidate; it is registered once per origin.
    """
    case = load_use_case(use_case)
    version = find_version(case, origin)
    if version is None:
        steps = publish_steps(f"{case.slug}-training", len(case.candidates) + 2)
        artifact = train_model(case, as_of, PREFECT_STEPS, steps)
        version = find_equal_version(artifact.card, origin)
        if version is None:
            version = register_candidate(artifact, origin)
    entry = record_candidate(case, version, origin, as_of)
    publish_candidate(case, entry)
    sync_champion_alias(case)
    request_decision(entry)
    return version
