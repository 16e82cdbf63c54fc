"""Refit of a version that passed the gate, held against that version before it takes its place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

import numpy as np

from configs.errors import BadConfig, BadModel, NoRows
from configs.schema.use_case import UseCase
from infra.fault_injection import effect
from tasks.evaluation.bootstrap import Predictions
from tasks.evaluation.metrics import Floats
from tasks.evaluation.problem_types import problem_type_of
from tasks.ledger.evidence import GateCheck
from tasks.ledger.log import Entry, Ledger
from tasks.ledger.refit_entries import make_refit_dropped
from tasks.model_cards.registration import register_candidate
from tasks.models.artifact import ModelArtifact
from tasks.models.matrix import build_matrix
from tasks.models.mlflow.versions import find_version
from tasks.models.onnx_session import open_onnx_session, run_onnx
from tasks.models.registry import Model, open_model
from tasks.promotion.gate import judge_harm, predict_for_gate
from tasks.promotion.gate_checks import to_verdict
from tasks.training.candidate import record_candidate
from tasks.training.pipeline import FittedModel
from tasks.training.refit import build_refit_artifact, fit_all_rows, load_recorded_use_case

# correlation of both predictions; retrained monthly on flights, sound refits had 0.77 to 0.99
LEAST_AGREEMENT = 0.6
RefitModel = Callable[[Model, datetime], ModelArtifact]
_NO_REFIT = (NoRows, BadModel, BadConfig)  # the judged version goes on without one


def record_refit(
    book: Ledger, use_case: UseCase, request: Entry, actor: str, refit: RefitModel
) -> Entry:
    """Refit the version of a request; return the entry of the refit, or of the reason for none.

    Run again after a kill, it ends with the same version: one is registered for each request.

    Args:
        book: the ledger
        use_case: the use case of the version
        request: the entry that asks for the refit
        actor: the run that refits
        refit: fits a version again, as of a moment
    """
    assert request.version is not None
    origin = request.key
    version = find_version(use_case.name, origin)
    if version is None:
        judged = open_model(use_case.name, request.version)
        try:
            artifact = refit(judged, request.at)
        except _NO_REFIT as failed:
            reason = f"version {judged.version} goes on without a refit: {failed}"
            with effect("record the step"):
                return book.record(make_refit_dropped(request, actor, reason))[0]
        with effect("register the refit"):
            version = register_candidate(artifact, origin)
    with effect("record the refit"):
        return record_candidate(book, use_case.name, version, origin, request.at, actor)


def refit_judged_version(judged: Model, as_of: datetime) -> ModelArtifact:
    """Fit a judged version again on all rows up to `as_of`, with its own settings.

    NoRows if there are too few labelled rows, BadModel if the refit differs from the judged version
    by more than a refit can, BadConfig if the settings are invalid for this code.
    """
    use_case = load_recorded_use_case(judged.card)
    model = fit_all_rows(use_case, judged.card, as_of)
    gates = hold_against_judged(use_case, judged, model)
    failing = [f"{check.gate} {check.measured}" for check in gates if check.verdict == "fail"]
    if failing:
        raise BadModel(f"the refit differs too much from version {judged.version}: {failing}")
    return build_refit_artifact(use_case, model, judged.card, judged.version, gates)


def hold_against_judged(use_case: UseCase, judged: Model, model: FittedModel) -> list[GateCheck]:
    """Return the checks of a refit on the newest rows, which only the refit was fitted on.

    Its advantage there proves nothing. A loss by more than the margins of `bake`, or predictions
    unlike those of the judged version, show that the refit went wrong.
    """
    rows, fitted = model.parts.holdout, model.exported.fitted
    value = run_onnx(open_onnx_session(model.exported.onnx), build_matrix(rows, fitted.schema))
    new = Predictions(value, problem_type_of(use_case).decide(value, model.exported.threshold))
    old = predict_for_gate(use_case, judged, rows)
    decision = judge_harm(use_case, rows, new, old, use_case.bake, min_rows=1)
    measured = [] if decision.verdict == "wait" else decision.evidence.gates
    checks = [check_agreement(judged.version, new.value, old.value), *measured]
    return [replace(check, gate=f"refit: {check.gate}") for check in checks]


def check_agreement(version: int, new: Floats, old: Floats) -> GateCheck:
    """Require that a refit predicts like the judged version, up to level and scale."""
    agreement = measure_agreement(new, old)
    return GateCheck(
        "agreement",
        f"correlation with version {version} of at least {LEAST_AGREEMENT:g}",
        f"{agreement:.3f} on {len(new)} rows",
        to_verdict(agreement >= LEAST_AGREEMENT),
    )


def measure_agreement(new: Floats, old: Floats) -> float:
    """Return the correlation of two predictions of the same rows; 0 if one is constant or NaN.

    Two constant models agree: both know no difference between rows.
    """
    if not (np.isfinite(new).all() and np.isfinite(old).all()):
        return 0.0
    spread, former = np.ptp(new, axis=0).max(), np.ptp(old, axis=0).max()
    if not spread or not former:
        return float(spread == former)
    centred = [(each - each.mean(axis=0)).ravel() for each in (new, old)]
    size = np.linalg.norm(centred[0]) * np.linalg.norm(centred[1])
    return float(centred[0] @ centred[1] / size)
