"""Decisions of the gate, and predictions to judge."""

from __future__ import annotations

import numpy as np

from tasks.evaluation.bootstrap import Predictions
from tasks.promotion.gate import (
    Decision,
)


def gate_verdicts(decision: Decision) -> dict[str, str]:
    return {check.gate: check.verdict for check in decision.evidence.gates}


def predict_at(probability: np.ndarray, threshold: float = 0.5) -> Predictions:
    return Predictions(probability, probability >= threshold)
