"""Versions of parcels that predict like another one, but slowly, or fail on some rows."""

from __future__ import annotations

from datetime import datetime

import numpy as np

from flows.cli.demo_online.plant import ValueGap, plant_fault
from tasks.ledger.log import open_ledger
from tasks.model_cards.registration import register_candidate
from tasks.models.artifact import ModelArtifact
from tasks.models.registry import open_model
from tasks.training.candidate import record_candidate


def register_faulty_version(
    use_case: str, as_of: datetime, *, size: int = 0, gap: ValueGap | None = None
) -> int:
    """Register version 1 with a fault as a candidate; return its version."""
    model = open_model(use_case, 1)
    artifact = ModelArtifact(model.onnx, model.card, model.golden)
    planted = plant_fault(artifact, size=size, gap=gap)
    origin = f"train:planted {size} {gap}"
    version = register_candidate(planted, origin)
    record_candidate(open_ledger(), use_case, version, origin, as_of, "test")
    return version


def gap_above(column: int, low: float) -> ValueGap:
    """All values of a column above a number."""
    return ValueGap(column, low, float(np.inf), 0)
