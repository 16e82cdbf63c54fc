"""The training functions as Prefect tasks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import polars as pl
from prefect import get_run_logger, runtime, task
from prefect.cache_policies import NO_CACHE

from configs.schema.use_case import UseCase
from tasks.features import raw_tables
from tasks.features.prefect_tasks import build_training_set
from tasks.ledger.log import Entry, open_ledger
from tasks.models.card import ModelCard
from tasks.models.mlflow import versions as mlflow_versions
from tasks.models.search_record import SearchRecord
from tasks.orchestration.events import request_next_step
from tasks.orchestration.flow_runs import is_run_alive
from tasks.orchestration.retries import RETRY_TRANSIENT
from tasks.training import build_card, candidate, fit, onnx_export, retrain_claim, search
from tasks.training.fit import FittedCandidate, TrainingSplit
from tasks.training.onnx_export import ExportedModel
from tasks.training.pipeline import TrainingSteps
from tasks.training.retrain_claim import RetrainClaim


@task(task_run_name="claim the alert", **RETRY_TRANSIENT)
def claim_retrain(use_case: UseCase, key: str) -> RetrainClaim:
    """Run `claim_retrain` as a Prefect task, for this flow run, and log the claim."""
    claim = retrain_claim.claim_retrain(
        open_ledger(), use_case, key, str(runtime.flow_run.id), is_run_alive
    )
    get_run_logger().info("%s: %s, %s", key, claim.verdict, claim.reason)
    return claim


@task(task_run_name="read table versions", cache_policy=NO_CACHE)
def read_table_versions(use_case: UseCase) -> dict[str, int]:
    """Run `read_table_versions` as a Prefect task."""
    return raw_tables.read_table_versions(use_case)


@task(task_run_name="find registered version", **RETRY_TRANSIENT)
def find_version(use_case: UseCase, origin: str) -> int | None:
    """Run `find_version` as a Prefect task."""
    return mlflow_versions.find_version(use_case.name, origin)


@task(task_run_name="find equal version", **RETRY_TRANSIENT)
def find_equal_version(card: ModelCard, origin: str) -> int | None:
    """Run `find_equal_version` as a Prefect task and log the version."""
    version = mlflow_versions.find_equal_version(card, origin)
    if version is not None:
        get_run_logger().info("%s has the same file: it is version %s", origin, version)
    return version


@task(task_run_name="build model card", cache_policy=NO_CACHE)
def build_model_card(
    use_case: UseCase,
    parts: TrainingSplit,
    candidates: Sequence[FittedCandidate],
    exported: ExportedModel,
    versions: dict[str, int],
) -> ModelCard:
    """Run `build_model_card` as a Prefect task."""
    return build_card.build_model_card(use_case, parts, candidates, exported, versions)


@task(task_run_name="record version {version}", **RETRY_TRANSIENT)
def record_candidate(use_case: UseCase, version: int, origin: str, as_of: datetime) -> Entry:
    """Run `record_candidate` as a Prefect task, for this flow run."""
    actor = f"{runtime.flow_run.flow_name} {runtime.flow_run.id}"
    return candidate.record_candidate(open_ledger(), use_case.name, version, origin, as_of, actor)


@task(task_run_name="request decision on version {entry.version}", cache_policy=NO_CACHE)
def request_decision(entry: Entry) -> None:
    """Emit the event that requests the decision on a candidate."""
    request_next_step(entry)


@task(task_run_name="export {fitted.name}", cache_policy=NO_CACHE)
def export_candidate(
    use_case: UseCase, fitted: FittedCandidate, parts: TrainingSplit
) -> ExportedModel:
    """Run `export_candidate` as a Prefect task and log parity and size."""
    exported = onnx_export.export_candidate(use_case, fitted, parts)
    get_run_logger().info(
        "exported %s to ONNX: parity %.1e, %s KiB",
        fitted.name,
        exported.parity,
        exported.footprint.bytes // 1024,
    )
    return exported


@task(task_run_name="split by time", cache_policy=NO_CACHE)
def split_training_rows(use_case: UseCase, frame: pl.DataFrame, end: datetime) -> TrainingSplit:
    """Run `split_training_rows` as a Prefect task and log the sizes."""
    parts = fit.split_training_rows(use_case, frame, end)
    sizes = [part.height for part in (parts.train, parts.validation, parts.holdout)]
    get_run_logger().info("labelled rows: %s train, %s validation, %s holdout", *sizes)
    return parts


@task(task_run_name="search parameters", cache_policy=NO_CACHE)
def search_candidate(use_case: UseCase, parts: TrainingSplit) -> SearchRecord:
    """Run `search_candidate` as a Prefect task and log the best trial."""
    record = search.search_candidate(use_case, parts)
    get_run_logger().info(
        "searched %s: %s trials in %.0f s, best mean %s of the folds %.4f with %s",
        record.candidate,
        len(record.trials),
        record.seconds,
        record.metric,
        record.best.value,
        record.best.params,
    )
    return record


@task(task_run_name="fit {name}", cache_policy=NO_CACHE)
def fit_candidate(use_case: UseCase, name: str, parts: TrainingSplit) -> FittedCandidate:
    """Run `fit_candidate` as a Prefect task and log metric and time."""
    fitted = fit.fit_candidate(use_case, name, parts)
    metric = use_case.evaluation.metric
    get_run_logger().info(
        "fitted %s in %.1f s: validation %s %.4f",
        name,
        fitted.seconds,
        metric,
        fitted.validation[metric],
    )
    return fitted


PREFECT_STEPS = TrainingSteps(
    read_table_versions=read_table_versions,
    build_training_set=build_training_set,
    split_training_rows=split_training_rows,
    search_candidate=search_candidate,
    fit_candidate=fit_candidate,
    export_candidate=export_candidate,
    build_model_card=build_model_card,
)
"""The steps of the training sequence, each as a Prefect task."""
