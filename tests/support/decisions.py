"""Decisions of the gate, and predictions to judge."""

from __future__ import annotations

import numpy as np

from tasks.evaluation.bootstrap import Predictions
from tasks.promotion.gate import Decision


def gate_verdicts(decision: Decision) -> dict[str, str]:
    return {check.gate: check.verdict for check in decision.evidence.gates}


def predict_at(probability: np.ndarray, threshold: float = 0.5) -> Predictions:
    return Predictions(probability, probability >= threshold)


def assert_not_better(metric: str, before: Decision, after: Decision) -> None:
    """After a model became worse, no number is better, and no check passes that failed before."""
    assert_no_number_rose(before, after, {*before.evidence.differences} - {"calibration"})
    for gate in (metric, "cost", "slices"):
        assert gate_verdicts(after)[gate] == "fail" or gate_verdicts(before)[gate] == "pass"


def assert_no_number_rose(before: Decision, after: Decision, subjects: set[str]) -> None:
    for subject in subjects:
        was, now = (each.evidence.differences[subject] for each in (before, after))
        for number in ("improvement", "low", "high"):
            assert getattr(now, number) <= getattr(was, number) + 1e-9, (subject, number)
