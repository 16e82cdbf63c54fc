"""Refit: the settings of a judged version, fitted again on all rows up to a moment.

| train .......................................... | end
                               | holdout: fitted too, and predicted by both versions |
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from pydantic import ValidationError

from configs.errors import BadConfig
from configs.schema.loading import explain_invalid, load_use_case
from configs.schema.use_case import UseCase
from tasks.features import raw_tables, retrieval
from tasks.ledger.evidence import GateCheck
from tasks.models.artifact import ModelArtifact
from tasks.models.card import ModelCard, Refit
from tasks.training.fit import TrainingSplit, fit_on_rows, split_training_rows
from tasks.training.onnx_export import export_candidate
from tasks.training.pipeline import FittedModel, build_artifact, note_other_labels

# measured where no row was fitted, so a refit keeps those of the judged version
_JUDGED_FIELDS = (
    "validation", "holdout", "intervals", "slices", "thin", "calibration", "limits",
)  # fmt: skip


def load_recorded_use_case(card: ModelCard) -> UseCase:
    """Return the use case as it was when the card was built.

    An older card has no configuration. Then return the current YAML with the card's candidate,
    inputs, feature service and seed.

    Raises:
        BadConfig: the recorded configuration is invalid for this code.
    """
    if card.configuration:
        try:
            recorded_case = UseCase.model_validate(card.configuration)
            candidates = {**recorded_case.candidates, card.algorithm: card.candidate}
            return recorded_case.model_copy(update={"candidates": candidates})
        except ValidationError as invalid:
            message = explain_invalid(invalid, UseCase)
            raise BadConfig(
                f"the recorded YAML is invalid for the current code:\n{message}"
            ) from invalid
    current = load_use_case(card.use_case)
    inputs = {"numeric": card.inputs.numeric, "categorical": card.inputs.categorical}
    features = current.features.model_copy(update={"service": card.feature_service, **inputs})
    candidates = {card.algorithm: card.candidate}
    recorded = {"features": features, "candidates": candidates, "seed": card.seed}
    return current.model_copy(update=recorded)


def fit_all_rows(use_case: UseCase, card: ModelCard, as_of: datetime) -> FittedModel:
    """Fit and export the card's candidate on all labelled rows of the window up to `as_of`.

    The threshold is the card's: no row is left to choose another one.

    Args:
        use_case: the use case as the card has it.
        card: card of the judged version, or of its refit.
        as_of: end of the training window; nothing known later is read.

    Raises:
        NoRows: too few labelled rows.
        BadModel: the ONNX file differs from the estimator.
    """
    rows = retrieval.build_training_set(use_case, as_of - use_case.retrain.window, as_of, as_of)
    parts = use_all_rows(split_training_rows(use_case, rows, as_of))
    fitted = fit_on_rows(use_case, card.algorithm, parts.train, card.threshold)
    return FittedModel(parts, [fitted], export_candidate(use_case, fitted, parts))


def use_all_rows(parts: TrainingSplit) -> TrainingSplit:
    """Return the split of a refit: the train span has all rows, the holdout its newest again."""
    return replace(
        parts,
        train=parts.seen.vstack(parts.holdout),
        validation=parts.validation.clear(),
        validation_start=parts.end,
        holdout_start=parts.end,
    )


def build_refit_artifact(
    use_case: UseCase,
    model: FittedModel,
    judged: ModelCard,
    version: int,
    gates: Sequence[GateCheck],
) -> ModelArtifact:
    """Build the card of a refit, with the metrics of the judged version, and its golden rows.

    Args:
        use_case: the use case as the judged card has it.
        model: the fitted and exported refit.
        judged: card of the judged version.
        version: the judged version.
        gates: both versions on the newest rows.
    """
    artifact = build_artifact(use_case, model, raw_tables.read_table_versions(use_case))
    refit = Refit(
        version=version,
        measured_from=judged.trained_until,
        measured_until=judged.end,
        gates=tuple(gates),
    )
    measured = {name: getattr(judged, name) for name in _JUDGED_FIELDS}
    card = artifact.card.model_copy(update={**measured, "refit": refit})
    return note_other_labels(use_case, replace(artifact, card=card), model.parts.end)
