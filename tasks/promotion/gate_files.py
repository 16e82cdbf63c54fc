"""Checks of the file that will run: budgets, parity with scikit-learn, golden rows."""

from __future__ import annotations

import polars as pl

from configs.schema.promotion import Budgets
from configs.schema.use_case import UseCase
from tasks.evaluation.metrics import Floats
from tasks.evaluation.problem_types import ProblemType, Threshold, problem_type_of
from tasks.ledger.evidence import GateCheck, GateEvidence
from tasks.models.artifact import GOLDEN_ESTIMATOR, GOLDEN_ONNX, read_golden_predictions
from tasks.models.file_integrity import GOLDEN_TOLERANCE
from tasks.models.footprint import Footprint, measure_footprint
from tasks.models.matrix import build_matrix
from tasks.models.onnx_session import ONNX_BATCH_ROWS
from tasks.models.registry import Model, predict
from tasks.promotion.gate_checks import skip_check, to_verdict


def check_model_file(
    use_case: UseCase, model: Model, rows: pl.DataFrame
) -> tuple[list[GateCheck], GateEvidence]:
    """Check budgets, parity and golden rows, measured here on the file that will run."""
    footprint = measure_footprint(
        model.onnx, build_matrix(rows[:ONNX_BATCH_ROWS], model.card.inputs)
    )
    now = predict(model, model.golden)
    fitted, registered = (
        read_golden_predictions(model.golden, column) for column in (GOLDEN_ESTIMATOR, GOLDEN_ONNX)
    )
    kind = problem_type_of(use_case)
    checks = [
        *check_budgets(use_case.gate.budgets, footprint),
        check_golden_parity(kind, now, fitted, model.card.threshold, use_case.gate.parity),
        check_golden_rows(kind, now, registered, GOLDEN_TOLERANCE),
    ]
    return checks, GateEvidence(footprint=footprint.model_dump())


def check_budgets(budgets: Budgets, measured: Footprint) -> list[GateCheck]:
    """Return the checks of latency, throughput, size and memory against the budgets."""
    latency, speed = measured.latency_p99_us, measured.rows_per_second
    memory = measured.peak_memory_mib
    return [
        _budget("p99 latency of one row", "at most", budgets.latency_p99_us, latency, "µs"),
        _budget("throughput", "at least", budgets.rows_per_second, speed, "rows/s"),
        _budget("size of the file", "at most", budgets.bytes, measured.bytes, "bytes"),
        _budget("peak memory", "at most", budgets.peak_memory_mib, memory, "MiB"),
    ]


def check_golden_parity(
    kind: ProblemType, file: Floats, estimator: Floats, threshold: Threshold, largest: float
) -> GateCheck:
    """Require that the file predicts and decides the golden rows as the fitted estimator did.

    Args:
        kind: problem type
        file: predictions of the ONNX file
        estimator: predictions of the scikit-learn estimator
        threshold: decision threshold of the model
        largest: largest difference that is tolerated
    """
    difference = kind.max_difference(file, estimator)
    flipped = kind.count_flipped_decisions(file, threshold, estimator, threshold)
    return GateCheck(
        "parity",
        f"as scikit-learn to {largest:.1g}, no decision flipped",
        f"differs by at most {difference:.1e}, {flipped} of {len(file)} flipped",
        to_verdict(difference <= largest and not flipped),
    )


def check_golden_rows(
    kind: ProblemType, now: Floats, registered: Floats, largest: float
) -> GateCheck:
    """Require that the file predicts its golden rows as it did when it was registered.

    Args:
        kind: problem type
        now: predictions of today
        registered: predictions stored at registration
        largest: largest difference that is tolerated
    """
    difference = kind.max_difference(now, registered)
    required = f"{len(now)} rows predicted as registered, to {largest:.1g}"
    measured = f"differs by at most {difference:.1e}"
    return GateCheck("golden rows", required, measured, to_verdict(difference <= largest))


def _budget(gate: str, side: str, limit: float | None, value: float, unit: str) -> GateCheck:
    measured = f"{value:,.0f} {unit}"
    if limit is None:
        return skip_check(gate, measured)
    holds = value <= limit if side == "at most" else value >= limit
    return GateCheck(gate, f"{side} {limit:,.0f} {unit}", measured, to_verdict(holds))
