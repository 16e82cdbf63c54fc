"""Construction of the model card of an exported model."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from platform import python_version
from typing import TYPE_CHECKING

import polars as pl

from configs.schema.names import own_name
from configs.schema.training import Candidate
from configs.schema.use_case import UseCase
from configs.settings import ROOT, settings
from tasks.evaluation.alarms.limits import calibrate_limits
from tasks.evaluation.bootstrap import Predictions
from tasks.evaluation.giveaways import find_giveaways, list_suspects
from tasks.evaluation.problem_types import problem_type_of
from tasks.models.card import ModelCard
from tasks.models.matrix import InputSchema, build_matrix
from tasks.models.one_file.graph import build_one_file
from tasks.models.one_file.inputs import MLFLOW_LAYOUT
from tasks.models.onnx_session import open_onnx_session, run_onnx
from tasks.models.reference_profile import ReferenceProfile, build_reference_profile
from tasks.training.fit import (
    FittedCandidate,
    TrainingSplit,
    find_empty_inputs,
    find_rare_values,
)
from tasks.training.holdout_metrics import measure_holdout, measure_importance
from tasks.training.learners.libraries import find_library
from tasks.training.onnx_export import ExportedModel

if TYPE_CHECKING:
    from onnxruntime import InferenceSession


_PACKAGES = (
    "numpy", "polars", "deltalake", "feast", "scikit-learn", "skl2onnx", "onnx", "onnxruntime",
)  # fmt: skip


def build_model_card(
    use_case: UseCase,
    parts: TrainingSplit,
    candidates: Sequence[FittedCandidate],
    exported: ExportedModel,
    table_versions: dict[str, int],
) -> ModelCard:
    """Measure the exported model on the holdout, profile its training rows, and return its card.

    Args:
        use_case: the use case that the model was trained for.
        parts: the labelled rows of the training window.
        candidates: all candidates that were fitted.
        exported: the best candidate as ONNX.
        table_versions: version of each lake table that training read, by table.
    """
    from hashlib import sha256

    fitted, session = exported.fitted, open_onnx_session(exported.onnx)
    scores = run_onnx(session, build_matrix(parts.holdout, fitted.schema))
    judged_scores = run_onnx(session, build_matrix(parts.judged, fitted.schema))
    decided = problem_type_of(use_case).decide(judged_scores, exported.threshold)
    judged = Predictions(judged_scores, decided)
    card = ModelCard(
        use_case=use_case.name,
        title=use_case.title,
        algorithm=fitted.name,
        candidate=fitted.candidate,
        inputs=fitted.schema,
        empty_inputs=find_empty_inputs(fitted.schema, parts.train),
        giveaways=_describe_giveaways(use_case, parts.judged),
        rare_values=find_rare_values(fitted.schema, parts.train),
        feature_service=use_case.features.service,
        label=use_case.label.column,
        kind=use_case.label.kind,
        classes=use_case.label.classes,
        threshold=exported.threshold,
        start=parts.train[use_case.spine.time].min(),
        fitted_until=parts.validation_start,
        end=parts.end,
        trained_until=parts.holdout_start,
        rows={
            "train": parts.train.height,
            "validation": parts.validation.height,
            "holdout": parts.holdout.height,
        },
        validation={each.name: each.validation for each in candidates},
        **measure_holdout(use_case, parts.holdout, scores, exported.threshold),
        importance=measure_importance(
            problem_type_of(use_case),
            exported.threshold,
            session,
            fitted.schema,
            parts,
            use_case.seed,
        ),
        reference=_reference(use_case, session, fitted.schema, parts.seen),
        table_versions=table_versions,
        revision=read_code_revision(),
        seed=use_case.seed,
        environment=read_package_versions(fitted.candidate),
        configuration=use_case.model_dump(mode="json", by_alias=True),
        limits=calibrate_limits(use_case, parts.judged, judged),
        parity=exported.parity,
        footprint=exported.footprint,
        digest=sha256(exported.onnx).hexdigest(),
    )
    one_file = build_one_file(exported.onnx, card, MLFLOW_LAYOUT)
    return card.model_copy(update={"one_file_digest": sha256(one_file).hexdigest()})


def _describe_giveaways(use_case: UseCase, rows: pl.DataFrame) -> tuple[str, ...]:
    """Return the inputs that give the label away on rows that the model was not fitted on."""
    suspects, label = list_suspects(use_case, rows), use_case.label
    giveaways = find_giveaways(rows, suspects, label.column, label.kind)
    return tuple(each.describe() for each in giveaways)


def _reference(
    use_case: UseCase, session: InferenceSession, schema: InputSchema, seen: pl.DataFrame
) -> ReferenceProfile:
    """Return the profile of the train and validation rows, with the model's scores."""
    problem_type = problem_type_of(use_case)
    scores = [own_name(name, seen.columns) for name in problem_type.score_names]
    values = run_onnx(session, build_matrix(seen, schema))
    return build_reference_profile(
        seen.with_columns(problem_type.to_score_columns(values, scores)),
        (*schema.numeric, *scores),
        schema.categorical,
        use_case.spine.time,
        use_case.monitor.drift,
        use_case.monitor.window,
    )


def read_code_revision() -> str:
    """Return the git commit of the code; outside a git clone, the package's version.

    A commit ends in `-dirty` if tracked files differ from it.
    """
    if settings().revision:  # set when an image is built: images have no git
        return settings().revision
    try:
        command = ["git", "-C", str(ROOT), "describe", "--always", "--abbrev=40", "--dirty"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        try:
            return version("mainspring")
        except PackageNotFoundError:
            return "unknown"


def read_package_versions(candidate: Candidate) -> dict[str, str]:
    """Return the versions of Python and of the packages that affect a candidate's predictions."""
    names = dict.fromkeys((*_PACKAGES, *find_library(candidate.estimator).packages))
    return {"python": python_version(), **{name: version(name) for name in names}}
