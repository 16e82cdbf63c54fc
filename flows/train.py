"""train: a candidate is made from the retrain window and waits for the decision.

training set ► split by time ► fit each ► best on validation ► ONNX ► measure ► register
"""

from __future__ import annotations

from datetime import datetime

from prefect import flow

from configs.clock import utc_or_now
from configs.schema.loading import load_use_case
from configs.schema.use_case import UseCase
from tasks.features.prefect_tasks import build_training_set
from tasks.training.fit import choose_candidate
from tasks.training.prefect_tasks import (
    build_model_card,
    export_candidate,
    find_version,
    fit_candidate,
    read_table_versions,
    record_candidate,
    register_version,
    request_decision,
    split_training_rows,
)


@flow(name="train", flow_run_name="train-{use_case}")
def train(use_case: str, as_of: datetime | None = None) -> int:
    """Train on [as_of - retrain.window, as_of), register one candidate a day; its version."""
    at = utc_or_now(as_of)
    return make_candidate(use_case, at, origin=f"train:{at:%Y-%m-%d}")


def make_candidate(use_case: str, as_of: datetime, origin: str) -> int:
    """The sequence that train and retrain share: the version registered for this origin.

    Run again for the same origin, after a kill or not, it ends with the same one version.
    """
    case = load_use_case(use_case)
    version = find_version(case, origin) or train_version(case, as_of, origin)
    request_decision(record_candidate(case, version, origin, as_of))
    return version


def train_version(case: UseCase, as_of: datetime, origin: str) -> int:
    """From the training set to a registered version."""
    versions = read_table_versions(case)
    frame = build_training_set(case, as_of - case.retrain.window, as_of, as_of)
    parts = split_training_rows(case, frame, as_of)
    fitted = [fit_candidate(case, name, parts) for name in case.candidates]
    exported = export_candidate(case, choose_candidate(case, fitted), parts)
    card = build_model_card(case, parts, fitted, exported, versions)
    return register_version(case, exported, parts, card, origin)
