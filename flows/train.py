"""train: a candidate is made from the retrain window and waits for the decision.

training set ► split by time ► fit each ► best on validation ► ONNX ► measure ► register
"""

from __future__ import annotations

from datetime import datetime

from prefect import flow

from configs.clock import moment
from configs.use_case import UseCase, load_use_case
from tasks.candidate import (
    describe,
    read_versions,
    record_candidate,
    register_version,
    registered_version,
    tell,
)
from tasks.export import export
from tasks.features import build_training_set
from tasks.training import choose, fit, split


@flow(name="train", flow_run_name="train-{use_case}")
def train(use_case: str, as_of: datetime | None = None) -> int:
    """Train on [as_of - retrain.window, as_of), register one candidate a day; its version."""
    at = moment(as_of)
    return make_candidate(use_case, at, origin=f"train:{at:%Y-%m-%d}")


def make_candidate(use_case: str, as_of: datetime, origin: str) -> int:
    """The sequence that train and retrain share: the version registered for this origin.

    Run again for the same origin, after a kill or not, it ends with the same one version.
    """
    case = load_use_case(use_case)
    version = registered_version(case, origin) or train_version(case, as_of, origin)
    tell(record_candidate(case, version, origin, as_of))
    return version


def train_version(case: UseCase, as_of: datetime, origin: str) -> int:
    """From the training set to a registered version."""
    versions = read_versions(case)
    frame = build_training_set(case, as_of - case.retrain.window, as_of, as_of)
    parts = split(case, frame, as_of)
    fitted = [fit(case, name, parts) for name in case.candidates]
    exported = export(case, choose(case, fitted), parts)
    card = describe(case, parts, fitted, exported, versions)
    return register_version(case, exported, parts, card, origin)
