"""MLflow runs of registered models: one for each version, one below it for each candidate."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from configs.schema.use_case import TUNED
from configs.settings import settings
from infra.storage.errors import storage_errors
from tasks.ledger.descriptions import read_reason, versions_concerned
from tasks.ledger.log import Entry
from tasks.models.artifact import ModelArtifact, VersionFiles
from tasks.models.card import ModelCard
from tasks.models.mlflow.client import connect_mlflow, find_experiment, written_places
from tasks.models.mlflow.flavor import log_mlflow_model
from tasks.models.search_record import SearchRecord
from tasks.storage.lake import open_lake

if TYPE_CHECKING:
    from mlflow import MlflowClient


_LONGEST_TAG = 500
_STATUS = {
    "candidate_registered": "candidate",
    "promoted": "champion",
    "rolled_back": "champion",
    "recovered": "champion",
}
_INVALID_IN_NAME = re.compile(r"[^\w .:/-]")  # in a metric name, which may hold a class name


def log_run(
    client: MlflowClient,
    artifact: ModelArtifact,
    files: VersionFiles,
    pages: Mapping[str, str],
    tags: dict[str, str],
) -> tuple[str, str, str]:
    """Write one finished run with model files, metrics, parameters and data set versions.

    Args:
        client: a client of the tracking server.
        artifact: the model to log.
        files: its files.
        pages: more text files to keep beside the model, by file name.
        tags: tags of the run; `origin` names it.

    Returns:
        Run id, model id and the address of the model files.
    """
    import mlflow
    from mlflow.entities import Metric, Param, RunTag

    card = artifact.card
    experiment = find_experiment(client, card.use_case, card.title)
    artifact_errors = storage_errors(settings().mlflow_artifacts, disk=written_places())
    with (
        artifact_errors,
        mlflow.start_run(experiment_id=experiment, run_name=tags["origin"]) as run,
    ):
        started, run_id = run.info.start_time, run.info.run_id
        logged = log_mlflow_model(artifact, files, pages)
        metrics = [
            Metric(name, value, started, 0, model_id=logged.model_id)
            for name, value in _metrics(card).items()
        ]
        params = [Param(name, str(value)) for name, value in _params(card).items()]
        client.log_batch(run_id, metrics, params, [RunTag(*tag) for tag in tags.items()])
        client.log_inputs(run_id, _inputs(card))
        if card.slices:
            client.log_table(run_id, _tabulate_slices(card), "slices.json")
        _log_candidates(client, experiment, run_id, card)
    return run_id, logged.model_id, f"models:/{logged.model_id}"


def name_run(client: MlflowClient, run_id: str, card: ModelCard, version: int, origin: str) -> None:
    """Name the run of a version for people, like `v2 · 2013-07-15 · calibration gap 5w`.

    Args:
        client: a client of the tracking server.
        run_id: the run.
        card: the card of the version.
        version: its number.
        origin: what asked for it.
    """
    name = f"v{version} · {card.end:%Y-%m-%d} · {describe_origin(origin)}"
    client.update_run(run_id, name=name)


def tag_step(entry: Entry, run_page: str) -> None:
    """Tag a version with its last step: status, date, reason, and address of the Prefect run.

    The version that it replaced gets its new status too.

    Args:
        entry: the step in the ledger.
        run_page: the address; empty without a run.
    """
    client = connect_mlflow()
    tags = {
        "status": _STATUS.get(entry.what, entry.what),
        "decided": f"{entry.at:%Y-%m-%d}",
        "reason": read_reason(entry)[:_LONGEST_TAG],
        "prefect_run": run_page,
    }
    for name, value in tags.items():
        client.set_model_version_tag(entry.model, str(entry.version), name, value)
    for other in versions_concerned(entry)[1:]:
        status = "rolled_back" if entry.what == "rolled_back" else "replaced"
        if other != entry.version:
            client.set_model_version_tag(entry.model, str(other), "status", status)


def log_picture(client: MlflowClient, run_id: str, name: str, png: bytes) -> None:
    """Store a picture beside a run.

    Args:
        client: a client of the tracking server.
        run_id: the run.
        name: file name of the picture.
        png: its bytes.
    """
    with TemporaryDirectory() as folder:
        path = Path(folder, name)
        path.write_bytes(png)
        client.log_artifact(run_id, str(path), "pictures")


def describe_origin(origin: str) -> str:
    """Return what asked for a version, in words: the cause of an alert, or `training`."""
    kind, *parts = origin.split(":")
    if kind != "alert" or len(parts) < 3:
        return "training" if kind == "train" else origin
    return parts[2].replace("_", " ")


def _log_candidates(client: MlflowClient, experiment: str, parent: str, card: ModelCard) -> None:
    """Log each candidate of a training as a run below the one of the version."""
    from mlflow.entities import Metric

    for candidate, values in card.validation.items():
        tags = {"mlflow.parentRunId": parent, "chosen": str(candidate == card.algorithm).lower()}
        run = client.create_run(experiment, run_name=candidate, tags=tags)
        metrics = [
            Metric(_clean_name(f"validation_{name}"), value, run.info.start_time, 0)
            for name, value in values.items()
        ]
        client.log_batch(run.info.run_id, metrics)
        if card.search is not None and candidate == TUNED:
            _log_trials(client, experiment, run.info.run_id, card.search)
        client.set_terminated(run.info.run_id)


def _log_trials(client: MlflowClient, experiment: str, parent: str, search: SearchRecord) -> None:
    """Log each trial of a search as a run below the one of the tuned candidate."""
    from mlflow.entities import Metric, Param

    for number, trial in enumerate(search.trials):
        best = str(trial is search.best).lower()
        tags = {"mlflow.parentRunId": parent, "best": best, "pruned": str(trial.pruned).lower()}
        run = client.create_run(experiment, run_name=f"trial {number}", tags=tags)
        metrics = [
            Metric(_clean_name(f"fold_{search.metric}"), value, run.info.start_time, fold)
            for fold, value in enumerate(trial.folds)
        ]
        params = [Param(name, str(value)) for name, value in trial.params.items()]
        client.log_batch(run.info.run_id, metrics, params)
        client.set_terminated(run.info.run_id)


def _tabulate_slices(card: ModelCard) -> dict[str, list[Any]]:
    names = list(dict.fromkeys(name for row in card.slices for name in row))
    return {name: [row.get(name) for row in card.slices] for name in names}


def _metrics(card: ModelCard) -> dict[str, float]:
    holdout = {f"holdout_{name}": value for name, value in card.holdout.items()}
    footprint = {name: float(value) for name, value in card.footprint.model_dump().items()}
    threshold = {"threshold": card.threshold} if isinstance(card.threshold, float) else {}
    metrics = {**holdout, **footprint, **threshold, "parity": card.parity}
    return {_clean_name(name): value for name, value in metrics.items()}


def _clean_name(name: str) -> str:
    return _INVALID_IN_NAME.sub("_", name)


def _params(card: ModelCard) -> dict[str, object]:
    return {
        "algorithm": card.algorithm,
        "estimator": card.candidate.estimator,
        "encoding": card.candidate.encoding,
        **card.candidate.params,
        "seed": card.seed,
        "start": card.start.isoformat(),
        "end": card.end.isoformat(),
        **{f"{part}_rows": rows for part, rows in card.rows.items()},
    }


def _inputs(card: ModelCard) -> list[Any]:
    """Return the lake's tables as MLflow datasets, the table version as the digest."""
    from mlflow.data.delta_dataset_source import DeltaDatasetSource
    from mlflow.data.meta_dataset import MetaDataset
    from mlflow.entities import DatasetInput, InputTag

    lake = open_lake(card.use_case)
    sources = {
        table: DeltaDatasetSource(path=lake.uri(table), delta_table_version=number)
        for table, number in card.table_versions.items()
    }
    return [
        DatasetInput(
            MetaDataset(source, table, f"v{card.table_versions[table]}")._to_mlflow_entity(),
            [InputTag("mlflow.data.context", "training")],
        )
        for table, source in sources.items()
    ]
