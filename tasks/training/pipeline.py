"""The training sequence: training set, split, fit, choose, export, card, golden rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeAlias

import polars as pl

from configs.schema.use_case import TUNED, UseCase
from tasks.features import raw_tables, retrieval
from tasks.models.artifact import ModelArtifact
from tasks.models.card import ModelCard
from tasks.models.search_record import SearchRecord
from tasks.training import build_card, fit, onnx_export, search
from tasks.training.fit import FittedCandidate, TrainingSplit, choose_candidate
from tasks.training.golden_rows import choose_golden_rows
from tasks.training.onnx_export import ExportedModel

ReportStep: TypeAlias = Callable[[str], None]


@dataclass(frozen=True)
class TrainingSteps:
    """The functions that the sequence calls; the train flow replaces them by Prefect tasks."""

    read_table_versions: Callable[[UseCase], dict[str, int]] = raw_tables.read_table_versions
    build_training_set: Callable[[UseCase, datetime, datetime, datetime], pl.DataFrame] = (
        retrieval.build_training_set
    )
    split_training_rows: Callable[[UseCase, pl.DataFrame, datetime], TrainingSplit] = (
        fit.split_training_rows
    )
    search_candidate: Callable[[UseCase, TrainingSplit], SearchRecord] = search.search_candidate
    fit_candidate: Callable[[UseCase, str, TrainingSplit], FittedCandidate] = fit.fit_candidate
    export_candidate: Callable[[UseCase, FittedCandidate, TrainingSplit], ExportedModel] = (
        onnx_export.export_candidate
    )
    build_model_card: Callable[
        [UseCase, TrainingSplit, Sequence[FittedCandidate], ExportedModel, dict[str, int]],
        ModelCard,
    ] = build_card.build_model_card


PLAIN_STEPS = TrainingSteps()


@dataclass(frozen=True)
class FittedModel:
    """The best candidate as ONNX, with its rows and all candidates that were tried."""

    parts: TrainingSplit
    candidates: Sequence[FittedCandidate]
    exported: ExportedModel
    search: SearchRecord | None = None


def train_model(
    use_case: UseCase,
    as_of: datetime,
    steps: TrainingSteps = PLAIN_STEPS,
    report: ReportStep = lambda _: None,
) -> ModelArtifact:
    """Train on [as_of - retrain.window, as_of) and build the card; register nothing.

    Args:
        use_case: the use case.
        as_of: end of the training window.
        steps: the functions to call.
        report: called with the name of each step before it starts.
    """
    table_versions = steps.read_table_versions(use_case)
    model = fit_best_candidate(use_case, as_of, steps, report)
    artifact = build_artifact(use_case, model, table_versions, steps)
    return note_other_labels(use_case, artifact, as_of)


def note_other_labels(use_case: UseCase, artifact: ModelArtifact, as_of: datetime) -> ModelArtifact:
    """Return the artifact with the values of its training window that are no label."""
    start = as_of - use_case.retrain.window
    other = retrieval.read_known_labels(use_case, start, as_of, as_of).other_values
    if not other:
        return artifact
    return replace(artifact, card=artifact.card.model_copy(update={"other_labels": other}))


def build_artifact(
    use_case: UseCase,
    model: FittedModel,
    table_versions: dict[str, int],
    steps: TrainingSteps = PLAIN_STEPS,
) -> ModelArtifact:
    """Build the card of an exported model and choose its golden rows.

    Args:
        use_case: the use case that the model was trained for.
        model: the exported model, its rows and candidates.
        table_versions: version of each lake table that training read, by table.
        steps: the functions to call.
    """
    exported, parts = model.exported, model.parts
    card = steps.build_model_card(use_case, parts, model.candidates, exported, table_versions)
    card = card.model_copy(update={"search": model.search})
    return ModelArtifact(exported.onnx, card, choose_golden_rows(exported, parts))


def fit_best_candidate(
    use_case: UseCase,
    as_of: datetime,
    steps: TrainingSteps = PLAIN_STEPS,
    report: ReportStep = lambda _: None,
) -> FittedModel:
    """Fit every candidate of the use case and export the best one.

    Args:
        use_case: the use case with its candidates.
        as_of: end of the training window; nothing known later is read.
        steps: the functions to call.
        report: called with the name of each step before it starts.

    Raises:
        NoRows: too few labelled rows.
        BadModel: the ONNX file differs from the estimator.
    """
    report("training set, point in time")
    frame = steps.build_training_set(use_case, as_of - use_case.retrain.window, as_of, as_of)
    parts = steps.split_training_rows(use_case, frame, as_of)
    record = None
    if use_case.search is not None:
        report(f"search parameters, {use_case.search.trials} trials")
        record = steps.search_candidate(use_case, parts)
        tuned = {TUNED: search.build_tuned_candidate(use_case, record)}
        use_case = use_case.model_copy(update={"candidates": {**use_case.candidates, **tuned}})
    fitted = []
    for name in use_case.candidates:
        report(f"fit {name} on {parts.train.height:,} rows")
        fitted.append(steps.fit_candidate(use_case, name, parts))
    report("export to ONNX")
    best = choose_candidate(use_case, fitted)
    return FittedModel(parts, fitted, steps.export_candidate(use_case, best, parts), record)
